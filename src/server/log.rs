//! One line for each call, and the id that ties what is logged to what was answered.
//!
//! Logged are the id, the method, the route's template, the status, the time taken and the user: never
//! the path as it came, the query, a header or a label, any of which may name a patient.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;
use tracing::Instrument as _;

use crate::metrics::metrics;

use super::error::Problem;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What a handler's extractors tell the log.
#[derive(Clone, Default)]
pub struct RequestContext {
    user: Arc<OnceLock<String>>,
}

impl RequestContext {
    pub fn set_user(&self, name: &str) {
        self.user.get_or_init(|| name.to_string());
    }
}

/// Gives a call its id, logs its end, and adds the headers that every answer bears. An id that the
/// client sent is not taken over: it would be a header's value in the log.
pub async fn log_requests(mut request: Request, next: Next) -> Response {
    let id = request_id();
    let context = RequestContext::default();
    request.extensions_mut().insert(context.clone());
    let route = request.extensions().get::<MatchedPath>().cloned();
    let method = request.method().clone();
    let start = Instant::now();
    let span = tracing::info_span!("request", id);
    let mut response = next.run(request).instrument(span.clone()).await;

    metrics().answered(
        method.as_str(),
        route.as_ref().map_or("(none)", MatchedPath::as_str),
        response.status().as_u16(),
        start.elapsed(),
    );
    let _entered = span.enter();
    if let Some(cause) = response
        .extensions()
        .get::<Problem>()
        .and_then(|p| p.cause.as_ref())
    {
        tracing::error!(cause = chain(cause.as_ref()), "request failed");
    }
    tracing::info!(
        %method,
        route = route.as_ref().map_or("(none)", MatchedPath::as_str),
        status = response.status().as_u16(),
        ms = start.elapsed().as_millis() as u64,
        user = context.user.get().map_or("", String::as_str),
        "answered"
    );
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(&id) {
        headers.insert(REQUEST_ID, value);
    }
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
}

fn request_id() -> String {
    let mut bytes = [0u8; 8];
    match getrandom::fill(&mut bytes) {
        Ok(()) => hex::encode(bytes),
        Err(_) => String::from("none"),
    }
}

/// An error with all that caused it, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        source = inner.source();
    }
    text
}
