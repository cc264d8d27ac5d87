//! A scan's thumbnail: what its middle instance shows.

use std::path::PathBuf;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use sha2::{Digest as _, Sha256};

use crate::dicom::Instance;
use crate::store::{Session, StoredFile};

use super::super::content;
use super::super::error::ApiError;
use super::super::state::AppState;
use super::Reached;

/// Twice of what the page shows, for screens of many pixels.
const SIDE: u32 = 256;

pub async fn thumbnail(
    State(state): State<AppState>,
    reached: Reached,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    reached.check_may_see_bytes(&state).await?;
    let session = &reached.session;
    let mut files = content::files_of_scan(&state.store, session, reached.steps.scan()).await?;
    if files.is_empty() {
        return Err(ApiError::no_such("scan"));
    }
    let file = files.swap_remove(files.len() / 2);
    let tag = validator(session, &file);
    let known = headers.get(header::IF_NONE_MATCH);
    let is_known = known.is_some_and(|known| known == tag);
    let headers = [
        (header::ETAG, tag),
        (
            header::CACHE_CONTROL,
            HeaderValue::from_static("private, no-cache"),
        ),
        (header::CONTENT_TYPE, HeaderValue::from_static("image/png")),
    ];
    if is_known {
        return Ok((StatusCode::NOT_MODIFIED, headers).into_response());
    }
    let path = state.config.data.join(session.path_of(&file));
    let png = state.look(move || drawn(path)).await??;
    Ok((headers, png).into_response())
}

fn drawn(path: PathBuf) -> Result<Vec<u8>, ApiError> {
    let instance = super::opened(path)?;
    let picture = Instance::picture(&instance, None, SIDE)
        .map_err(|error| ApiError::Unprocessable(format!("No thumbnail: {error}.").into()))?;
    let png = picture.png();
    png.map_err(|_| ApiError::Internal("a thumbnail could not be encoded"))
}

/// A stored file is replaced by an action on its session alone, which changes that one's time.
fn validator(session: &Session, file: &StoredFile) -> HeaderValue {
    let text = format!(
        "{} {} {} {}",
        session.id,
        session.lastmod,
        session.path_of(file).display(),
        file.size
    );
    let hash = hex::encode(&Sha256::digest(text)[..12]);
    // Hexadecimal digits make a header's value.
    HeaderValue::from_str(&format!("\"{hash}\"")).unwrap_or(HeaderValue::from_static("\"\""))
}
