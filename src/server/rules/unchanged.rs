//! Changes of a file of rules that are made of what it was: nobody's change in between is written over.

use axum::extract::FromRequestParts;
use axum::http::header;
use axum::http::request::Parts;
use axum::response::{AppendHeaders, IntoResponse};
use sha2::{Digest as _, Sha256};

use super::super::error::ApiError;
use super::super::state::AppState;

/// What a file must still be: `If-Match` of the call, if it has one.
pub struct IfMatch(Option<Vec<String>>);

impl<S: Sync> FromRequestParts<S> for IfMatch {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<IfMatch, ApiError> {
        let mut tags = Vec::new();
        let given = parts.headers.get_all(header::IF_MATCH);
        for value in &given {
            let value = value.to_str().map_err(|_| {
                ApiError::BadRequest("The header If-Match could not be read.".into())
            })?;
            tags.extend(value.split(',').map(|tag| tag.trim().to_owned()));
        }
        Ok(IfMatch(given.iter().next().map(|_| tags)))
    }
}

impl IfMatch {
    /// Whether a file, by its path below the rules folder, is what the caller knows; one that is not there is as one
    /// without content. Asked under the lock of who changes it.
    ///
    /// # Errors
    /// If it is not.
    pub async fn check(&self, state: &AppState, path: &str) -> Result<(), ApiError> {
        let Some(tags) = &self.0 else { return Ok(()) };
        let found = match tokio::fs::read(state.config.rules().join(path)).await {
            Ok(content) => Some(content),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(source) => return Err(ApiError::io("the rules folder")(source)),
        };
        let now = quoted(found.as_deref().unwrap_or_default());
        let is_known = |tag: &String| *tag == now || (tag == "*" && found.is_some());
        match tags.iter().any(is_known) {
            true => Ok(()),
            false => Err(ApiError::Changed(
                "It has been changed since it was read: read it again, and make the change of that."
                    .into(),
            )),
        }
    }
}

/// The header by which an answer tells what `If-Match` may ask for.
pub fn tagged(content: &[u8]) -> impl IntoResponse + axum::response::IntoResponseParts + use<> {
    AppendHeaders([(header::ETAG, quoted(content))])
}

/// The hash that is the tag of a content.
pub fn hash(content: impl AsRef<[u8]>) -> String {
    hex::encode(Sha256::digest(content))
}

fn quoted(content: &[u8]) -> String {
    format!("\"{}\"", hash(content))
}
