//! /data/prearchive: sessions that wait, with those in quarantine.
//!
//! XNAT's rows, for who may edit the project. Differs from XNAT: sessions in quarantine are listed here
//! as QUARANTINED; their bytes, and those of sessions not yet anonymized for the archive, are for owners and
//! administrators alone. So is deleting what is in quarantine.

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::{get, post};
use serde::Deserialize;

use crate::store::{Area, Session, SessionFilter};

use crate::archive::{ActionError, parse_uri};

use super::auth::Caller;
use super::content;
use super::error::ApiError;
use super::form::Parameters;
use super::state::AppState;
use super::table::{Format, Table, timestamp};

const COLUMNS: [&str; 19] = [
    "project",
    "timestamp",
    "lastmod",
    "uploaded",
    "scan_date",
    "scan_time",
    "subject",
    "folderName",
    "name",
    "tag",
    "status",
    "url",
    "autoarchive",
    "prevent_anon",
    "prevent_auto_commit",
    "SOURCE",
    "VISIT",
    "PROTOCOL",
    "TIMEZONE",
];

pub fn routes() -> Router<AppState> {
    let session = "/prearchive/projects/{project}/{timestamp}/{folder}";
    let below = |tail: &str| format!("{session}/scans{tail}");
    Router::new()
        .route("/prearchive", get(list_all))
        .route("/prearchive/projects", get(list_all))
        .route("/prearchive/projects/{projects}", get(list_some))
        .route(session, get(show).delete(delete))
        .route(&below(""), get(scans))
        .route(&below("/{scan}/resources"), get(resources))
        .route(&below("/{scan}/files"), get(files))
        .route(&below("/{scan}/files/{name}"), get(download))
        .route(&below("/{scan}/resources/{resource}/files"), get(files))
        .route(
            &below("/{scan}/resources/{resource}/files/{name}"),
            get(download),
        )
        .route("/services/prearchive/delete", post(delete_many))
}

/// The steps of a URI below `/data/prearchive/projects`.
#[derive(Debug, Deserialize)]
pub struct Place {
    pub project: String,
    pub timestamp: String,
    pub folder: String,
    scan: Option<String>,
    resource: Option<String>,
    name: Option<String>,
}

impl Place {
    fn scan(&self) -> &str {
        self.scan.as_deref().unwrap_or("ALL")
    }
}

async fn list_all(
    State(state): State<AppState>,
    caller: Caller,
    Query(format): Query<Format>,
) -> Result<Response, ApiError> {
    let mut sessions = waiting(&state, None).await?;
    let mut editable = std::collections::BTreeSet::new();
    for project in state.visible_projects(&caller).await? {
        if state.may_edit(&caller, &project.id).await? {
            editable.insert(project.id);
        }
    }
    sessions.retain(|session| editable.contains(&session.project));
    rows(sessions).answer(&format)
}

/// One project's, or several with commas between. XNAT: 403 for who may not, here also for a project
/// that does not exist.
async fn list_some(
    State(state): State<AppState>,
    caller: Caller,
    Path(projects): Path<String>,
    Query(format): Query<Format>,
) -> Result<Response, ApiError> {
    let mut sessions = Vec::new();
    for project in projects.split(',') {
        state
            .editable_project(&caller, project)
            .await
            .map_err(|error| match error {
                ApiError::NotFound(_) => {
                    ApiError::Forbidden("You may not see this project's prearchive.".into())
                }
                other => other,
            })?;
        sessions.extend(waiting(&state, Some(project)).await?);
    }
    rows(sessions).answer(&format)
}

async fn show(
    State(state): State<AppState>,
    caller: Caller,
    Path(place): Path<Place>,
    Query(format): Query<Format>,
) -> Result<Response, ApiError> {
    let session = find(&state, &caller, &place).await?;
    if format.is_zip() {
        check_may_see_bytes(&state, &caller, &session).await?;
        return content::zip(&state, &session, "ALL", None).await;
    }
    rows(vec![session]).answer(&format)
}

async fn delete(
    State(state): State<AppState>,
    caller: Caller,
    Path(place): Path<Place>,
) -> Result<StatusCode, ApiError> {
    let session = find(&state, &caller, &place).await?;
    check_owner_of_held(&state, &caller, &session).await?;
    delete_all(&state, &caller, vec![session]).await?;
    Ok(StatusCode::OK)
}

/// XNAT's service: `src` may come several times; the answer is the rows that were deleted. All are
/// looked up before the first is touched.
async fn delete_many(
    State(state): State<AppState>,
    caller: Caller,
    parameters: Parameters,
) -> Result<Response, ApiError> {
    let mut sessions = Vec::new();
    for session in find_sources(&state, &caller, &parameters).await? {
        check_owner_of_held(&state, &caller, &session).await?;
        sessions.push(session);
    }
    let sessions = delete_all(&state, &caller, sessions).await?;
    rows(sessions).answer(&Format {
        format: parameters.get("format").map(str::to_string),
    })
}

async fn scans(
    State(state): State<AppState>,
    caller: Caller,
    Path(place): Path<Place>,
    Query(format): Query<Format>,
) -> Result<Response, ApiError> {
    let session = find(&state, &caller, &place).await?;
    let base = format!("/data{}", session.uri());
    let scans = state.store.sessions().scans(session.id).await?;
    Table::of(
        &["ID", "xsiType", "series_description", "URI"],
        scans,
        |summary| {
            let uri = format!("{base}/scans/{}", summary.scan.scan_id);
            [
                summary.scan.scan_id,
                summary.scan.xsi_type,
                summary.scan.description,
                uri,
            ]
        },
    )
    .answer(&format)
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
        check_may_see_bytes(&state, &caller, &session).await?;
        return content::zip(&state, &session, place.scan(), place.resource.as_deref()).await;
    }
    let base = format!("/data{}", session.uri());
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
    check_may_see_bytes(&state, &caller, &session).await?;
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

async fn waiting(state: &AppState, project: Option<&str>) -> Result<Vec<Session>, ApiError> {
    let filter = SessionFilter {
        project,
        ..SessionFilter::default()
    };
    let mut sessions = state.store.sessions().list(filter).await?;
    sessions.retain(|session| session.area() != Area::Archive);
    Ok(sessions)
}

pub async fn find(state: &AppState, caller: &Caller, place: &Place) -> Result<Session, ApiError> {
    state.editable_project(caller, &place.project).await?;
    state
        .store
        .sessions()
        .find_in_prearchive(&place.project, &place.timestamp, &place.folder)
        .await?
        .ok_or_else(unknown)
}

/// The session that a `src` parameter names, with `/data` before it or not.
pub async fn find_source(
    state: &AppState,
    caller: &Caller,
    source: &str,
) -> Result<Session, ApiError> {
    let below = source.strip_prefix("/data").unwrap_or(source);
    if below.starts_with("/archive/") {
        return Err(ApiError::BadRequest(
            "The source is an archived session.".into(),
        ));
    }
    let (project, timestamp, folder) = parse_uri(source).ok_or_else(unknown)?;
    let place = Place {
        project: project.into(),
        timestamp: timestamp.into(),
        folder: folder.into(),
        scan: None,
        resource: None,
        name: None,
    };
    find(state, caller, &place).await
}

pub fn unknown() -> ApiError {
    ApiError::NotFound("Unknown prearchive session.".into())
}

/// An action on a session that is carried on when the caller has gone, or the server waits no longer: what
/// is cut off in the middle would look busy until the next start.
pub async fn to_its_end<T: Send + 'static>(
    action: impl Future<Output = Result<T, ActionError>> + Send + 'static,
) -> Result<T, ApiError> {
    let ended = tokio::spawn(action).await;
    Ok(ended.map_err(|_| ApiError::Internal("an action on a session broke off"))??)
}

/// Deletes sessions one after the other, and returns what they were.
pub async fn delete_all(
    state: &AppState,
    caller: &Caller,
    sessions: Vec<Session>,
) -> Result<Vec<Session>, ApiError> {
    let (archive, by) = (state.archive.clone(), caller.name.clone());
    to_its_end(async move {
        for session in &sessions {
            archive.delete(session, &by).await?;
        }
        Ok(sessions)
    })
    .await
}

/// What is in quarantine is an owner's to change: it is there to be looked at, and not to vanish before.
pub async fn check_owner_of_held(
    state: &AppState,
    caller: &Caller,
    session: &Session,
) -> Result<(), ApiError> {
    if session.area() == Area::Quarantine {
        state.owned_project(caller, &session.project).await?;
    }
    Ok(())
}

async fn check_may_see_bytes(
    state: &AppState,
    caller: &Caller,
    session: &Session,
) -> Result<(), ApiError> {
    let why = match (session.area(), session.identified) {
        (Area::Quarantine, _) => "The session is in quarantine",
        (_, true) => {
            "The session will be anonymized when it is archived, and identifies patients until then"
        }
        _ => return Ok(()),
    };
    match state.may_view_identified(caller, &session.project).await? {
        true => Ok(()),
        false => Err(ApiError::Forbidden(
            format!("{why}: only an owner of the project or an administrator may see its files.")
                .into(),
        )),
    }
}

/// The sessions that all `src` parameters name; at least one.
pub async fn find_sources(
    state: &AppState,
    caller: &Caller,
    parameters: &Parameters,
) -> Result<Vec<Session>, ApiError> {
    let mut sessions = Vec::new();
    for source in parameters.all("src") {
        sessions.push(find_source(state, caller, source).await?);
    }
    match sessions.is_empty() {
        true => Err(unknown()),
        false => Ok(sessions),
    }
}

pub fn rows(sessions: Vec<Session>) -> Table {
    Table::of(&COLUMNS, sessions, |session| {
        [
            session.project.clone(),
            session.timestamp.clone(),
            timestamp(session.lastmod),
            timestamp(session.uploaded),
            session.scan_date.clone().unwrap_or_default(),
            session.scan_time.clone().unwrap_or_default(),
            session.subject.clone(),
            session.folder.clone(),
            session.label.clone(),
            session.study_uid.clone(),
            session.state.to_string(),
            session.uri(),
            if session.auto_archive {
                "AutoArchive".into()
            } else {
                "Manual".into()
            },
            "false".into(),
            "false".into(),
            String::new(),
            String::new(),
            String::new(),
            String::new(),
        ]
    })
}

impl From<ActionError> for ApiError {
    fn from(error: ActionError) -> Self {
        match error {
            // XNAT: 403 for a row that is busy.
            ActionError::Busy => ApiError::Forbidden(error.to_string().into()),
            ActionError::Conflict(why) | ActionError::Refused(why) => {
                ApiError::Conflict(why.into())
            }
            ActionError::NotAllowed(why) => ApiError::Forbidden(why.into()),
            ActionError::Empty => ApiError::BadRequest(error.to_string().into()),
            ActionError::Files(source) => ApiError::Io {
                what: "a session's files",
                source,
            },
            ActionError::Store(error) => ApiError::Store(error),
        }
    }
}
