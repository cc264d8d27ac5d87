//! A file as an answer's body, read as it is sent.

use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use http_body::{Frame, SizeHint};
use tokio::fs::File;
use tokio::io::{AsyncRead as _, ReadBuf};

use super::error::ApiError;

/// Read at once: enough to keep the disk busy, little enough for many downloads.
const CHUNK: usize = 256 * 1024;

/// Streams the file at `path`, which no caller may have named: it comes from the store.
pub async fn send(path: &Path, content_type: &'static str) -> Result<Response, ApiError> {
    let failed = || ApiError::io("a stored file could not be opened");
    let file = File::open(path).await.map_err(failed())?;
    let size = file.metadata().await.map_err(failed())?.len();
    let body = Body::new(FileBody {
        file,
        left: size,
        buffer: vec![0; CHUNK],
    });
    Ok(([(header::CONTENT_TYPE, content_type)], body).into_response())
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
