//! Cancelling a request, and calling for it again.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;

use crate::store::{Cancelled, ImportRequest};

use super::super::auth::Caller;
use super::super::error::{ApiError, refusal};
use super::super::form::Parameters;
use super::super::import;
use super::super::state::AppState;
use super::own_request;
use super::view::View;

/// 200: it has ended. 202: its worker is told and ends it, keeping what it has committed by then.
pub async fn cancel(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<(StatusCode, Json<View>), ApiError> {
    let request = own_request(&state, &caller, &id).await?;
    let requests = state.store.requests();
    let status = match requests.cancel(request.id, &caller.name).await? {
        Cancelled::Ended => StatusCode::OK,
        Cancelled::Asked => StatusCode::ACCEPTED,
        Cancelled::TooLate => {
            return Err(ApiError::Conflict(
                "Everything is stored already: the request can't be cancelled any more.".into(),
            ));
        }
        Cancelled::Final => {
            return Err(ApiError::Conflict("The request has ended already.".into()));
        }
        Cancelled::Missing => return Err(ApiError::Nothing),
    };
    tracing::info!(request = request.id, "cancelled");
    let now = own_request(&state, &caller, &id).await?;
    Ok((status, Json(View::of(&state, now).await?)))
}

/// A new request with the same parameters, by the caller and with the checks of the import call.
pub async fn retry(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let old = own_request(&state, &caller, &id).await?;
    let by = caller.name.clone();
    let id = queue_again(&state, &caller, old, &by).await?;
    Ok(import::queued(id))
}

/// The same for the command line: by the user who called first, with the rights that they have now.
pub async fn retry_for_owner(state: &AppState, id: i64, by: &str) -> Result<i64, ApiError> {
    let old = state.store.requests().get(id).await?;
    let old = old.ok_or_else(|| ApiError::no_such("request"))?;
    let caller = Caller::of_user(state, &old.username).await?;
    let caller = caller.ok_or_else(|| {
        ApiError::Conflict("The request's user is gone, or disabled: call for it anew.".into())
    })?;
    queue_again(state, &caller, old, by).await
}

async fn queue_again(
    state: &AppState,
    caller: &Caller,
    old: ImportRequest,
    by: &str,
) -> Result<i64, ApiError> {
    if !old.status.is_final() {
        return Err(ApiError::Conflict(
            "The request has not ended yet; cancel it first, or wait.".into(),
        ));
    }
    if !old.parameters.contains_key("path") {
        return Err(ApiError::Conflict(
            "What the request imported was uploaded with the call, and is not kept: upload it again."
                .into(),
        ));
    }
    let parameters = Parameters::from_map(old.parameters);
    let new = import::check(state, caller, parameters).await?;
    let requests = state.store.requests();
    let id = requests.retry(old.id, new, by).await.map_err(refusal)?;
    tracing::info!(request = id, retry_of = old.id, "import queued again");
    Ok(id)
}
