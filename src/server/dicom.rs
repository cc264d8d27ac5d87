//! /xapi/dicom: where an import stands, and what became of each file.
//!
//! XNAT's DICOM Inbox Transaction API with its fields, and beside them what it lacks: counts by outcome,
//! bytes, times, the rule set and the sessions made. A caller sees their own requests, an administrator
//! all; a request that is not theirs is answered like one that does not exist.

use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;

use crate::store::{Counts, ImportRequest, RequestFilter, Session, Status};

use super::auth::Caller;
use super::error::ApiError;
use super::file_body;
use super::state::AppState;

pub fn routes() -> Router<AppState> {
    Router::new()
        .route("/dicom/list/active", get(list_active))
        .route("/dicom/list/all", get(list_all))
        .route("/dicom/{id}", get(show))
        .route("/dicom/{id}/report", get(report))
}

/// A request as XNAT shows it; xnatpy needs the first nine. Not all of `camelCase`: names are XNAT's.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct View {
    id: i64,
    status: Status,
    username: String,
    parameters: std::collections::BTreeMap<String, String>,
    session_path: String,
    enabled: bool,
    created: i64,
    timestamp: i64,
    disabled: i64,
    cleanup_after_import: bool,
    resolution: Option<String>,
    project: String,
    counts: Counts,
    bytes: i64,
    /// `disk` while the import waits for space on the server's disk.
    waiting: Option<String>,
    started: Option<i64>,
    finished: Option<i64>,
    rule_set: Option<String>,
    sessions: Vec<SessionView>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SessionView {
    project: String,
    subject: String,
    label: String,
    uri: String,
    status: &'static str,
    experiment_id: Option<String>,
}

impl View {
    fn new(request: ImportRequest, sessions: Vec<Session>) -> View {
        View {
            id: request.id,
            status: request.status,
            username: request.username,
            parameters: request.parameters,
            session_path: request.session_path,
            enabled: true,
            created: request.created,
            timestamp: request.timestamp,
            disabled: 0,
            cleanup_after_import: request.cleanup,
            resolution: request.resolution,
            project: request.project,
            counts: request.counts,
            bytes: request.bytes,
            waiting: request.waiting,
            started: request.started,
            finished: request.finished,
            rule_set: request.rule_set,
            sessions: sessions
                .into_iter()
                .map(|session| SessionView {
                    uri: session.uri(),
                    project: session.project,
                    subject: session.subject,
                    label: session.label,
                    status: session.state.as_str(),
                    experiment_id: session.experiment_id,
                })
                .collect(),
        }
    }
}

async fn show(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<View>, ApiError> {
    let request = own_request(&state, &caller, &id).await?;
    Ok(Json(view(&state, request).await?))
}

async fn list_active(
    State(state): State<AppState>,
    caller: Caller,
) -> Result<Json<Vec<View>>, ApiError> {
    list(state, caller, true).await
}

async fn list_all(
    State(state): State<AppState>,
    caller: Caller,
) -> Result<Json<Vec<View>>, ApiError> {
    list(state, caller, false).await
}

async fn list(state: AppState, caller: Caller, active: bool) -> Result<Json<Vec<View>>, ApiError> {
    let username = (!caller.admin).then_some(caller.name.as_str());
    let mut views = Vec::new();
    for request in state
        .store
        .requests()
        .list(RequestFilter { username, active })
        .await?
    {
        views.push(view(&state, request).await?);
    }
    Ok(Json(views))
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
        Ok(true) => file_body::send(&path, "application/json").await,
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
        Some(request) if caller.admin || request.username == caller.name => Ok(request),
        _ => Err(ApiError::Nothing),
    }
}

async fn view(state: &AppState, request: ImportRequest) -> Result<View, ApiError> {
    let sessions = state.store.requests().sessions(request.id).await?;
    Ok(View::new(request, sessions))
}
