//! A file as an answer's body, or a part of it (RFC 9110, section 14), read as it is sent.

use std::io::SeekFrom;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use http_body::{Frame, SizeHint};
use tokio::fs::File;
use tokio::io::{AsyncRead as _, AsyncSeekExt as _, ReadBuf};

use super::error::ApiError;

/// Read at once: enough to keep the disk busy, little enough for many downloads.
const CHUNK: usize = 256 * 1024;

/// Streams the file at `path`, which no caller may have named: it comes from the store.
pub async fn send(
    path: &Path,
    content_type: &'static str,
    headers: &HeaderMap,
) -> Result<Response, ApiError> {
    let failed = || ApiError::io("a stored file could not be opened");
    let mut file = File::open(path).await.map_err(failed())?;
    let size = file.metadata().await.map_err(failed())?.len();
    // A stored file has no validator, so a part that hangs on one (If-Range) is answered with the whole.
    let range = match headers.contains_key(header::IF_RANGE) {
        true => Asked::All,
        false => asked(
            headers.get(header::RANGE).and_then(|v| v.to_str().ok()),
            size,
        ),
    };
    let (status, first, length) = match range {
        Asked::All => (StatusCode::OK, 0, size),
        Asked::Part { first, length } => (StatusCode::PARTIAL_CONTENT, first, length),
        Asked::Nothing => {
            let headers = [(header::CONTENT_RANGE, format!("bytes */{size}"))];
            return Ok((StatusCode::RANGE_NOT_SATISFIABLE, headers).into_response());
        }
    };
    if first > 0 {
        file.seek(SeekFrom::Start(first)).await.map_err(failed())?;
    }
    let body = Body::new(FileBody {
        file,
        left: length,
        buffer: vec![0; CHUNK],
    });
    let headers = [
        (header::CONTENT_TYPE, content_type),
        (header::ACCEPT_RANGES, "bytes"),
    ];
    let mut response = (status, headers, body).into_response();
    if status == StatusCode::PARTIAL_CONTENT {
        let part = format!("bytes {first}-{}/{size}", first + length - 1);
        // Digits and signs of ASCII alone.
        if let Ok(value) = part.parse() {
            response.headers_mut().insert(header::CONTENT_RANGE, value);
        }
    }
    Ok(response)
}

#[derive(Debug, PartialEq, Eq)]
enum Asked {
    All,
    /// At least one byte.
    Part {
        first: u64,
        length: u64,
    },
    /// Only what is not there.
    Nothing,
}

/// Several parts at once, other units and what can't be read are answered with the whole, as the RFC lets a
/// server do.
fn asked(range: Option<&str>, size: u64) -> Asked {
    let spec = range.and_then(|range| range.strip_prefix("bytes="));
    let Some((first, last)) = spec.and_then(|spec| spec.trim().split_once('-')) else {
        return Asked::All;
    };
    let number = |text: &str| match text.bytes().all(|byte| byte.is_ascii_digit()) {
        true => text.parse::<u64>().ok(),
        false => None,
    };
    let (first, end) = match (first, number(first), last, number(last)) {
        ("", _, _, Some(count)) => (size.saturating_sub(count), size),
        (_, Some(first), "", _) => (first, size),
        (_, Some(first), _, Some(last)) if first <= last => {
            (first, last.saturating_add(1).min(size))
        }
        _ => return Asked::All,
    };
    match first < end {
        true => Asked::Part {
            first,
            length: end - first,
        },
        false => Asked::Nothing,
    }
}

struct FileBody {
    file: File,
    left: u64,
    buffer: Vec<u8>,
}

impl http_body::Body for FileBody {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let this = &mut *self;
        let most = this.left.min(CHUNK as u64) as usize;
        let mut buffer = ReadBuf::new(&mut this.buffer[..most]);
        if let Err(error) = ready!(Pin::new(&mut this.file).poll_read(cx, &mut buffer)) {
            return Poll::Ready(Some(Err(error)));
        }
        let read = buffer.filled();
        if read.is_empty() {
            // Shorter than it was: the connection must break, or the client would think it whole.
            return Poll::Ready(Some(Err(std::io::ErrorKind::UnexpectedEof.into())));
        }
        this.left -= read.len() as u64;
        Poll::Ready(Some(Ok(Frame::data(Bytes::copy_from_slice(read)))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_a_part_of_what_is_there() {
        let part = |first, length| Asked::Part { first, length };
        for (range, expected) in [
            ("bytes=0-0", part(0, 1)),
            ("bytes=2-4", part(2, 3)),
            ("bytes=2-", part(2, 8)),
            ("bytes=2-99999", part(2, 8)),
            ("bytes=-3", part(7, 3)),
            ("bytes=-30", part(0, 10)),
            ("bytes=9-18446744073709551615", part(9, 1)),
            ("bytes=10-", Asked::Nothing),
            ("bytes=10-12", Asked::Nothing),
            ("bytes=-0", Asked::Nothing),
            ("bytes=4-2", Asked::All),
            ("bytes=-", Asked::All),
            ("bytes=0-1,3-4", Asked::All),
            ("bytes=+1-2", Asked::All),
            ("lines=1-2", Asked::All),
            ("bytes", Asked::All),
        ] {
            assert_eq!(asked(Some(range), 10), expected, "{range}");
        }
        assert_eq!(asked(Some("bytes=0-"), 0), Asked::Nothing);
        assert_eq!(asked(None, 10), Asked::All);
    }
}
