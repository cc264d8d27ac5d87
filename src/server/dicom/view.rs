//! A request as callers see it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use crate::store::{Counts, ImportRequest, Session, Status};

use super::super::error::ApiError;
use super::super::state::AppState;

/// A request as XNAT shows it; xnatpy needs the first nine. Not all of `camelCase`: names are XNAT's.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "ImportRequest")]
pub struct View {
    id: i64,
    status: Status,
    username: String,
    parameters: BTreeMap<String, String>,
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
    cancel_asked: Option<i64>,
    retry_of: Option<i64>,
    retried_as: Option<i64>,
    sessions: Vec<SessionView>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "ImportedSession")]
pub struct SessionView {
    project: String,
    subject: String,
    label: String,
    uri: String,
    status: &'static str,
    experiment_id: Option<String>,
    rule_set: Option<String>,
    /// Whose steps at archiving it went through.
    archive_rule_set: Option<String>,
    /// Such steps have still to run.
    identified: bool,
}

impl View {
    pub fn new(request: ImportRequest, sessions: Vec<Session>) -> View {
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
            cancel_asked: request.cancel_asked,
            retry_of: request.retry_of,
            retried_as: request.retried_as,
            sessions: sessions.into_iter().map(SessionView::from).collect(),
        }
    }

    pub async fn of(state: &AppState, request: ImportRequest) -> Result<View, ApiError> {
        let sessions = state.store.requests().sessions(request.id).await?;
        Ok(View::new(request, sessions))
    }
}

impl From<Session> for SessionView {
    fn from(session: Session) -> SessionView {
        SessionView {
            uri: session.uri(),
            project: session.project,
            subject: session.subject,
            label: session.label,
            status: session.state.as_str(),
            experiment_id: session.experiment_id,
            rule_set: session.rule_set,
            archive_rule_set: session.archive_rule_set,
            identified: session.identified,
        }
    }
}
