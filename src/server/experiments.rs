//! The archive as XNAT lists it: subjects, experiments, scans, resources, files.
//!
//! Every route is mounted below `/data` and below `/data/archive`; ids and labels are interchangeable.
//! What a caller has no role for is answered like what does not exist.

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Deserialize;

use crate::store::{Area, Session, SessionFilter};

use super::auth::Caller;
use super::content;
use super::error::ApiError;
use super::state::AppState;
use super::table::{Format, Table, item, timestamp};

const COLUMNS: [&str; 10] = [
    "ID",
    "project",
    "date",
    "xsiType",
    "label",
    "insert_date",
    "insert_user",
    "subject_ID",
    "subject_label",
    "URI",
];

const SCAN_COLUMNS: [&str; 8] = [
    "xnat_imagescandata_id",
    "ID",
    "type",
    "quality",
    "xsiType",
    "note",
    "series_description",
    "URI",
];

/// Types that stand for every kind of session.
const ANY_SESSION: [&str; 3] = [
    "xnat:experimentData",
    "xnat:subjectAssessorData",
    "xnat:imageSessionData",
];

pub fn routes() -> Router<AppState> {
    let mut router = Router::new();
    for parent in [
        "",
        "/projects/{project}",
        "/projects/{project}/subjects/{subject}",
        "/subjects/{subject}",
    ] {
        router = router
            .route(&format!("{parent}/experiments"), get(list))
            .nest(&format!("{parent}/experiments/{{experiment}}"), one());
    }
    router
}

/// What is below one experiment, whichever way it was reached.
fn one() -> Router<AppState> {
    Router::new()
        .route("/", get(show))
        .route("/files", get(files))
        .route("/scans", get(scans))
        .route("/scans/{scan}", get(show_scan))
        .route("/scans/{scan}/resources", get(resources))
        .route("/scans/{scan}/files", get(files))
        .route("/scans/{scan}/files/{name}", get(download))
        .route("/scans/{scan}/resources/{resource}/files", get(files))
        .route(
            "/scans/{scan}/resources/{resource}/files/{name}",
            get(download),
        )
}

/// The steps of a URI, as far as it goes.
#[derive(Debug, Deserialize)]
struct Place {
    project: Option<String>,
    subject: Option<String>,
    experiment: Option<String>,
    scan: Option<String>,
    resource: Option<String>,
    name: Option<String>,
}

impl Place {
    fn scan(&self) -> &str {
        self.scan.as_deref().unwrap_or("ALL")
    }
}

/// What a listing may be narrowed by, besides its place.
#[derive(Debug, Deserialize)]
struct Narrow {
    #[serde(rename = "ID")]
    id: Option<String>,
    project: Option<String>,
    label: Option<String>,
    #[serde(rename = "xsiType")]
    xsi_type: Option<String>,
}

impl Narrow {
    fn takes(&self, session: &Session) -> bool {
        let is = |wanted: &Option<String>, value: &str| wanted.as_ref().is_none_or(|w| w == value);
        let id = session.experiment_id.as_deref().unwrap_or_default();
        (is(&self.id, id) || is(&self.id, &session.label))
            && is(&self.project, &session.project)
            && is(&self.label, &session.label)
            && (is(&self.xsi_type, &session.xsi_type)
                || self
                    .xsi_type
                    .as_deref()
                    .is_some_and(|t| ANY_SESSION.contains(&t)))
    }
}

async fn list(
    State(state): State<AppState>,
    caller: Caller,
    Path(place): Path<Place>,
    Query(narrow): Query<Narrow>,
    Query(format): Query<Format>,
) -> Result<Response, ApiError> {
    if let Some(project) = &place.project {
        state.readable_project(&caller, project).await?;
    }
    let filter = SessionFilter {
        project: place.project.as_deref(),
        area: Some(Area::Archive),
        ..SessionFilter::default()
    };
    let mut sessions = state.store.sessions().list(filter).await?;
    let visible: std::collections::BTreeSet<String> = state
        .visible_projects(&caller)
        .await?
        .into_iter()
        .map(|project| project.id)
        .collect();
    sessions.retain(|session| {
        visible.contains(&session.project)
            && narrow.takes(session)
            && place
                .subject
                .as_deref()
                .is_none_or(|subject| is_of_subject(session, subject))
    });
    Table::of(&COLUMNS, sessions, |session| {
        let id = session.experiment_id.unwrap_or_default();
        let uri = format!("/data/experiments/{id}");
        [
            id,
            session.project,
            session.scan_date.unwrap_or_default(),
            session.xsi_type,
            session.label,
            session.archived.map(timestamp).unwrap_or_default(),
            session.archived_by.unwrap_or_default(),
            session.subject_id.unwrap_or_default(),
            session.subject,
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
    let session = find(&state, &caller, &place).await?;
    Ok(item(
        &session.xsi_type.clone(),
        [
            ("ID", session.experiment_id.unwrap_or_default()),
            ("project", session.project),
            ("label", session.label),
            ("subject_ID", session.subject_id.unwrap_or_default()),
            ("UID", session.study_uid),
            ("modality", session.modality),
            ("date", session.scan_date.unwrap_or_default()),
            ("time", session.scan_time.unwrap_or_default()),
            ("rule_set", session.rule_set.unwrap_or_default()),
            (
                "archive_rule_set",
                session.archive_rule_set.unwrap_or_default(),
            ),
        ],
    )
    .into_response())
}

async fn scans(
    State(state): State<AppState>,
    caller: Caller,
    Path(place): Path<Place>,
    Query(format): Query<Format>,
) -> Result<Response, ApiError> {
    let session = find(&state, &caller, &place).await?;
    let base = base(&session);
    let scans = state.store.sessions().scans(session.id).await?;
    Table::of(&SCAN_COLUMNS, scans, |summary| {
        let uri = format!("{base}/scans/{}", summary.scan.scan_id);
        [
            summary.id.to_string(),
            summary.scan.scan_id,
            // XNAT: the type is the series description until someone gives another.
            summary.scan.description.clone(),
            "usable".into(),
            summary.scan.xsi_type,
            String::new(),
            summary.scan.description,
            uri,
        ]
    })
    .answer(&format)
}

async fn show_scan(
    State(state): State<AppState>,
    caller: Caller,
    Path(place): Path<Place>,
) -> Result<Response, ApiError> {
    let session = find(&state, &caller, &place).await?;
    let scans = state.store.sessions().scans(session.id).await?;
    let summary = scans
        .into_iter()
        .find(|summary| summary.scan.scan_id == place.scan())
        .ok_or_else(|| ApiError::no_such("scan"))?;
    Ok(item(
        &summary.scan.xsi_type.clone(),
        [
            ("ID", summary.scan.scan_id),
            ("type", summary.scan.description.clone()),
            ("series_description", summary.scan.description),
            ("quality", "usable".into()),
            ("modality", summary.scan.modality),
            ("UID", summary.scan.series_uid),
            ("frames", summary.files.to_string()),
            (
                "image_session_ID",
                session.experiment_id.unwrap_or_default(),
            ),
        ],
    )
    .into_response())
}

async fn resources(
    State(state): State<AppState>,
    caller: Caller,
    Path(place): Path<Place>,
    Query(format): Query<Format>,
) -> Result<Response, ApiError> {
    let session = find(&state, &caller, &place).await?;
    content::resources(&state.store, &session, place.scan())
        .await?
        .answer(&format)
}

async fn files(
    State(state): State<AppState>,
    caller: Caller,
    Path(place): Path<Place>,
    Query(format): Query<Format>,
) -> Result<Response, ApiError> {
    let session = find(&state, &caller, &place).await?;
    if format.is_zip() {
        return content::zip(&state, &session, place.scan(), place.resource.as_deref()).await;
    }
    let base = base(&session);
    content::files(
        &state.store,
        &session,
        place.scan(),
        place.resource.as_deref(),
        &base,
    )
    .await?
    .answer(&format)
}

async fn download(
    State(state): State<AppState>,
    caller: Caller,
    Path(place): Path<Place>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let session = find(&state, &caller, &place).await?;
    let name = place.name.as_deref().unwrap_or_default();
    content::download(
        &state,
        &session,
        place.scan(),
        place.resource.as_deref(),
        name,
        &headers,
    )
    .await
}

async fn find(state: &AppState, caller: &Caller, place: &Place) -> Result<Session, ApiError> {
    let unknown = || ApiError::no_such("experiment");
    if let Some(project) = &place.project {
        state.readable_project(caller, project).await?;
    }
    let named = place.experiment.as_deref().unwrap_or_default();
    let session = state
        .store
        .sessions()
        .find_experiment(place.project.as_deref(), named)
        .await?
        .ok_or_else(unknown)?;
    let at_its_subject = place
        .subject
        .as_deref()
        .is_none_or(|s| is_of_subject(&session, s));
    match at_its_subject && state.may_read(caller, &session.project).await? {
        true => Ok(session),
        false => Err(unknown()),
    }
}

fn is_of_subject(session: &Session, label_or_id: &str) -> bool {
    session.subject == label_or_id || session.subject_id.as_deref() == Some(label_or_id)
}

fn base(session: &Session) -> String {
    format!(
        "/data/experiments/{}",
        session.experiment_id.as_deref().unwrap_or_default()
    )
}
