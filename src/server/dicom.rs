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

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;

use crate::import::verify::Verified;
use crate::store::ImportRequest;

use super::api::{Api, Operation, Schema, delete, get, post};
use super::auth::Caller;
use super::error::ApiError;
use super::file_body;
use super::state::AppState;

pub use follow::{LONGEST_WAIT, ended};
pub use steer::retry_for_owner;

const FAMILY: &str = "Import requests";

pub fn routes() -> Api {
    let list = |path: &'static str, what: &'static str| {
        get(path, what)
            .parameters(list::PARAMETERS)
            .json::<Vec<view::View>>()
            .fails([403])
    };
    Api::new(FAMILY)
        .on(
            list("/dicom/list/active", "Requests that have not ended"),
            list::active,
        )
        .on(
            list(
                "/dicom/list/all",
                "All requests: the caller's, or an administrator's choice",
            ),
            list::all,
        )
        .on(
            get(
                "/dicom/list/events",
                "Tells that requests of the caller's have changed, as it happens",
            )
            .kind("text/event-stream", Schema::Opaque),
            follow::any_events,
        )
        .on(
            get(
                "/dicom/{id}/report",
                "What became of every file that was found",
            )
            .kind("application/json", Schema::Named("ImportReport"))
            .bare(),
            report,
        )
        .on(cancel(post("/dicom/{id}/cancel", CANCEL)), steer::cancel)
        .on(
            post(
                "/dicom/{id}/retry",
                "Call for a request that has ended again, as a new one",
            )
            .uri("The new request's address")
            .bare()
            .fails([409]),
            steer::retry,
        )
}

const CANCEL: &str = "Cancel a request";

fn cancel(operation: Operation) -> Operation {
    operation
        .json_at::<view::View>(200, "It waited, and has ended")
        .json_at::<view::View>(202, "Its worker is told")
        .bare()
        .fails([409])
}

/// Those whose answer may be long in coming, as the caller wishes.
pub fn slow_routes() -> Api {
    Api::new(FAMILY)
        .on(
            get("/dicom/{id}", "Where a request stands")
                .query::<follow::Wait>()
                .json::<view::View>()
                .bare(),
            follow::show,
        )
        .on(cancel(delete("/dicom/{id}", CANCEL)), steer::cancel)
        .on(
            get(
                "/dicom/{id}/events",
                "A request's changes as they come, up to its end",
            )
            .header((
                "Last-Event-ID",
                "text",
                "The last event that the client has had.",
            ))
            .kind("text/event-stream", Schema::Opaque)
            .empty(204, "The client has seen the end")
            .bare(),
            follow::events,
        )
        .on(
            post(
                "/dicom/{id}/verify",
                "Derive what is stored again from its sources, and compare",
            )
            .json::<Verified>()
            .bare()
            .fails([409]),
            again::verify,
        )
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
