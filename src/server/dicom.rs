//! /xapi/dicom: where an import stands, what became of each file, and what can still be done about it.
//!
//! XNAT's DICOM Inbox Transaction API with its fields, and beside them what it lacks: counts by outcome,
//! bytes, times, the rule set and the sessions made; waiting, events, cancelling and retrying. A caller
//! sees their own requests, an administrator all; a request that is not theirs is answered like one that
//! does not exist.

mod again;
mod follow;
mod list;
mod steer;
mod view;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::{get, post};

use crate::store::ImportRequest;

use super::auth::Caller;
use super::error::ApiError;
use super::file_body;
use super::state::AppState;

pub use follow::{LONGEST_WAIT, ended};
pub use steer::retry_for_owner;

pub fn routes() -> Router<AppState> {
    Router::new()
        .route("/dicom/list/active", get(list::active))
        .route("/dicom/list/all", get(list::all))
        .route("/dicom/{id}/report", get(report))
        .route("/dicom/{id}/cancel", post(steer::cancel))
        .route("/dicom/{id}/retry", post(steer::retry))
}

/// Those whose answer may be long in coming, as the caller wishes.
pub fn slow_routes() -> Router<AppState> {
    Router::new()
        .route("/dicom/{id}", get(follow::show).delete(steer::cancel))
        .route("/dicom/{id}/events", get(follow::events))
        .route("/dicom/{id}/verify", post(again::verify))
}

/// The report as the import wrote it.
async fn report(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let request = own_request(&state, &caller, &id).await?;
    let path = state.config.report(request.id);
    match tokio::fs::try_exists(&path).await {
        Ok(true) => file_body::send(&path, "application/json", &HeaderMap::new()).await,
        _ => Err(ApiError::Nothing),
    }
}

async fn own_request(
    state: &AppState,
    caller: &Caller,
    id: &str,
) -> Result<ImportRequest, ApiError> {
    let id = id.parse().map_err(|_| ApiError::Nothing)?;
    match state.store.requests().get(id).await? {
        Some(request) if is_own(caller, &request) => Ok(request),
        _ => Err(ApiError::Nothing),
    }
}

fn is_own(caller: &Caller, request: &ImportRequest) -> bool {
    caller.admin || request.username == caller.name
}
