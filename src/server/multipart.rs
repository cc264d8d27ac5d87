//! Forms of several parts, read as they come and within bounds.
//!
//! `multer` takes in all that there is to have until it finds what it looks for, and looks through all of it again
//! each time: here it gets the body bit by bit, and no more than a little that leads to nothing.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, BodyDataStream, Bytes};
use axum::http::{HeaderMap, header};
use futures_util::{Stream, StreamExt as _};

use super::error::ApiError;

/// A client that sends nothing for so long is gone.
const SILENCE: Duration = Duration::from_secs(60);

/// What may come before a part begins, or goes on: boundaries and headers.
const MOST_BETWEEN: usize = 64 * 1024;

const MOST_FIELDS: usize = 100;

/// The boundary of a body that is a form of several parts.
pub fn boundary(headers: &HeaderMap) -> Option<String> {
    let kind = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    multer::parse_boundary(kind).ok()
}

pub struct Multipart {
    parts: multer::Multipart<'static>,
    idle: Idle,
    fields: Fields,
}

/// Fields that are no files, so far.
struct Fields {
    count: usize,
    bytes: usize,
    most_bytes: usize,
}

pub struct Part {
    inner: multer::Field<'static>,
    idle: Idle,
}

/// How much has come since the last part, or the last bit of one.
#[derive(Clone, Default)]
struct Idle(Arc<AtomicUsize>);

impl Multipart {
    /// `most_bytes`: of the names and values of all fields that are no files.
    pub fn new(body: Body, boundary: String, most_bytes: usize) -> Multipart {
        let idle = Idle::default();
        let chunks = Bit {
            body: body.into_data_stream(),
            idle: idle.clone(),
            rests: false,
        };
        Multipart {
            parts: multer::Multipart::new(chunks, boundary),
            idle,
            fields: Fields {
                count: 0,
                bytes: 0,
                most_bytes,
            },
        }
    }

    /// The next part; the one before has to be read to its end.
    ///
    /// # Errors
    /// If the form breaks off, is none, or too much of it is no part.
    pub async fn next(&mut self) -> Result<Option<Part>, ApiError> {
        let next = in_time(self.parts.next_field()).await?;
        self.idle.ends();
        let idle = &self.idle;
        Ok(next.map_err(|_| broken())?.map(|inner| Part {
            inner,
            idle: idle.clone(),
        }))
    }

    /// Name and value of a part that is no file.
    ///
    /// # Errors
    /// If it is no text, or all fields together are too many or too large.
    pub async fn field(&mut self, mut part: Part) -> Result<(String, String), ApiError> {
        let name = part.inner.name().unwrap_or_default().to_owned();
        self.fields.add(1, name.len())?;
        let mut value = Vec::new();
        while let Some(chunk) = part.next().await {
            let chunk = chunk?;
            self.fields.add(0, chunk.len())?;
            value.extend_from_slice(&chunk);
        }
        let value = String::from_utf8(value);
        let value = value.map_err(|_| ApiError::BadRequest("A field is not UTF-8.".into()))?;
        Ok((name, value))
    }
}

impl Fields {
    fn add(&mut self, count: usize, bytes: usize) -> Result<(), ApiError> {
        self.count += count;
        self.bytes += bytes;
        if self.count > MOST_FIELDS {
            return Err(ApiError::BadRequest(
                format!("The form has more than {MOST_FIELDS} fields.").into(),
            ));
        }
        match self.bytes <= self.most_bytes {
            true => Ok(()),
            false => Err(ApiError::TooLarge(
                format!(
                    "The fields of the form are larger than {} bytes together.",
                    self.most_bytes
                )
                .into(),
            )),
        }
    }
}

impl Part {
    /// The client's name for it, if it is a file.
    pub fn file_name(&self) -> Option<&str> {
        self.inner.file_name()
    }

    /// The next bit of it.
    pub async fn next(&mut self) -> Option<Result<Bytes, ApiError>> {
        let chunk = match in_time(self.inner.chunk()).await {
            Ok(chunk) => chunk,
            Err(gone) => return Some(Err(gone)),
        };
        self.idle.ends();
        chunk.map_err(|_| broken()).transpose()
    }

    pub fn into_stream(self) -> impl Stream<Item = Result<Bytes, ApiError>> {
        futures_util::stream::unfold(self, |mut part| async {
            let chunk = part.next().await?;
            Some((chunk, part))
        })
    }
}

impl Idle {
    fn ends(&self) {
        self.0.store(0, Ordering::Relaxed);
    }
}

/// A body, of which each look gets one bit.
struct Bit {
    body: BodyDataStream,
    idle: Idle,
    rests: bool,
}

impl Stream for Bit {
    type Item = Result<Bytes, ApiError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if std::mem::take(&mut self.rests) {
            // Who drains it looks at what there is, and comes again.
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        if self.idle.0.load(Ordering::Relaxed) > MOST_BETWEEN {
            return Poll::Ready(Some(Err(broken())));
        }
        let next = self.body.poll_next_unpin(context);
        if let Poll::Ready(Some(Ok(chunk))) = &next {
            self.rests = true;
            self.idle.0.fetch_add(chunk.len(), Ordering::Relaxed);
        }
        next.map_err(|_| broken())
    }
}

/// Waits for more of a body, but not for a client that is gone.
///
/// # Errors
/// If nothing comes.
pub async fn in_time<T>(next: impl Future<Output = T>) -> Result<T, ApiError> {
    let next = tokio::time::timeout(SILENCE, next);
    next.await.map_err(|_| broken())
}

pub fn broken() -> ApiError {
    ApiError::BadRequest("The upload broke off, or is malformed; nothing of it was kept.".into())
}
