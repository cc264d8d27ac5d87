//! An import's work done once more, to compare: nothing of it is stored.

use axum::Json;
use axum::extract::{Path, State};

use crate::import::verify::Verified;

use super::super::auth::Caller;
use super::super::error::ApiError;
use super::super::state::AppState;
use super::own_request;

/// Whether what is stored is what the rules make of the sources. 409: it can't be said, and why.
pub async fn verify(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Verified>, ApiError> {
    let request = own_request(&state, &caller, &id).await?;
    let shows = state.may_view_identified(&caller, &request.project).await?;
    let importer = state.importer.clone();
    let told = tokio::task::spawn_blocking(move || importer.verify(&request))
        .await
        .map_err(|_| ApiError::Internal("verifying a request stopped"))?
        .map_err(|why| {
            ApiError::Conflict(format!("The request can't be verified: {why}.").into())
        })?;
    Ok(Json(match shows {
        true => told,
        false => told.without_values(),
    }))
}
