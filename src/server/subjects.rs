//! Subjects of the archive, in XNAT's listing and as single objects.

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Deserialize;

use super::auth::Caller;
use super::error::ApiError;
use super::state::AppState;
use super::table::{Format, Table, item, timestamp};

const COLUMNS: [&str; 6] = [
    "ID",
    "project",
    "label",
    "insert_date",
    "insert_user",
    "URI",
];

pub fn routes() -> Router<AppState> {
    Router::new()
        .route("/subjects", get(list))
        .route("/subjects/{subject}", get(show))
        .route("/projects/{project}/subjects", get(list))
        .route("/projects/{project}/subjects/{subject}", get(show))
}

#[derive(Debug, Deserialize)]
struct Place {
    project: Option<String>,
    subject: Option<String>,
}

async fn list(
    State(state): State<AppState>,
    caller: Caller,
    Path(place): Path<Place>,
    Query(format): Query<Format>,
) -> Result<Response, ApiError> {
    if let Some(project) = &place.project {
        state.readable_project(&caller, project).await?;
    }
    let visible: std::collections::BTreeSet<String> = state
        .visible_projects(&caller)
        .await?
        .into_iter()
        .map(|project| project.id)
        .collect();
    let mut subjects = state
        .store
        .subjects()
        .list(place.project.as_deref())
        .await?;
    subjects.retain(|subject| visible.contains(&subject.project));
    Table::of(&COLUMNS, subjects, |subject| {
        let id = subject.accession();
        let uri = format!("/data/subjects/{id}");
        [
            id,
            subject.project,
            subject.label,
            timestamp(subject.created),
            subject.created_by,
            uri,
        ]
    })
    .answer(&format)
}

async fn show(
    State(state): State<AppState>,
    caller: Caller,
    Path(place): Path<Place>,
) -> Result<Response, ApiError> {
    let unknown = || ApiError::no_such("subject");
    if let Some(project) = &place.project {
        state.readable_project(&caller, project).await?;
    }
    let named = place.subject.as_deref().unwrap_or_default();
    let subject = state
        .store
        .subjects()
        .find(place.project.as_deref(), named)
        .await?
        .ok_or_else(unknown)?;
    if !state.may_read(&caller, &subject.project).await? {
        return Err(unknown());
    }
    Ok(item(
        "xnat:subjectData",
        [
            ("ID", subject.accession()),
            ("project", subject.project),
            ("label", subject.label),
        ],
    )
    .into_response())
}
