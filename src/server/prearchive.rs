//! /data/prearchive: sessions that wait, with those in quarantine.
//!
//! XNAT's rows, for who may edit the project. Differs from XNAT: sessions in quarantine are listed here
//! as QUARANTINED; their bytes, and those of sessions not yet anonymized for the archive, are for owners and
//! administrators alone. So is deleting what is in quarantine.

pub mod actions;
pub mod waiting;

use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;

use crate::store::{Area, Session, SessionFilter, UNASSIGNED};

use crate::archive::{ActionError, parse_uri};

use super::api::{self, Api, get};
use super::auth::Caller;
use super::error::ApiError;
use super::experiments;
use super::form::Parameters;
use super::session::{self, Reached};
use super::state::AppState;
use super::table::{Form, Table, View, timestamp};

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

pub const FAMILY: &str = "Prearchive";

/// Where a session waits.
pub const SESSION: &str = "/prearchive/projects/{project}/{timestamp}/{folder}";

pub fn routes() -> Api {
    let all = |path: &'static str| get(path, "Waiting sessions that the caller may edit").table();
    Api::new(FAMILY)
        .on(all("/prearchive"), list_all)
        .on(all("/prearchive/projects"), list_all)
        .on(
            get(
                "/prearchive/projects/{projects}",
                "Waiting sessions of some projects",
            )
            .table()
            .fails([403]),
            list_some,
        )
        .on(
            get(
                SESSION,
                "A waiting session: its row, as XML its document, or its files",
            )
            .table()
            .or_zip(),
            show,
        )
        .on(
            api::delete(SESSION, "Delete a waiting session")
                .empty(200, "")
                .fails([409]),
            delete,
        )
        .nest(
            SESSION,
            session::below(FAMILY).each(|below| below.fails([403])),
        )
        .merge(actions::routes())
}

/// The steps of a URI below `/data/prearchive/projects`.
#[derive(Debug, Deserialize)]
pub struct Place {
    pub project: String,
    pub timestamp: String,
    pub folder: String,
}

async fn list_all(
    State(state): State<AppState>,
    caller: Caller,
    view: View,
) -> Result<Response, ApiError> {
    let sessions = editable(&state, &caller, None).await?;
    rows(sessions).answer(&view)
}

/// The waiting sessions that the caller may edit, of one project or of all.
async fn editable(
    state: &AppState,
    caller: &Caller,
    project: Option<&str>,
) -> Result<Vec<Session>, ApiError> {
    let mut sessions = waiting(state, project).await?;
    let mut editable = std::collections::BTreeSet::new();
    for project in state.visible_projects(caller).await? {
        if state.may_edit(caller, &project.id).await? {
            editable.insert(project.id);
        }
    }
    sessions.retain(|session| match session.project.as_str() {
        UNASSIGNED => caller.admin,
        project => editable.contains(project),
    });
    Ok(sessions)
}

/// One project's, or several with commas between. XNAT: 403 for who may not, here also for a project
/// that does not exist.
async fn list_some(
    State(state): State<AppState>,
    caller: Caller,
    Path(projects): Path<String>,
    view: View,
) -> Result<Response, ApiError> {
    let mut sessions = Vec::new();
    for project in projects.split(',') {
        if project == UNASSIGNED {
            check_unassigned(&caller, project)?;
            sessions.extend(waiting(&state, Some(project)).await?);
            continue;
        }
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
    rows(sessions).answer(&view)
}

async fn show(
    State(state): State<AppState>,
    reached: Reached,
    view: View,
) -> Result<Response, ApiError> {
    match view.form {
        Form::Zip => reached.zip(&state).await,
        // XNAT's session document.
        Form::Xml => {
            let item = experiments::session_item(&state, reached.session);
            item.await?.answer(&view)
        }
        _ => rows(vec![reached.session]).answer(&view),
    }
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

async fn waiting(state: &AppState, project: Option<&str>) -> Result<Vec<Session>, ApiError> {
    let filter = SessionFilter {
        project,
        ..SessionFilter::default()
    };
    let mut sessions = state.store.sessions().list(filter).await?;
    sessions.retain(|session| session.area() != Area::Archive);
    Ok(sessions)
}

/// Sessions that no project could be told for: of administrators, whatever roles say.
fn check_unassigned(caller: &Caller, project: &str) -> Result<(), ApiError> {
    match project == UNASSIGNED && !caller.admin {
        true => Err(ApiError::Forbidden(
            "Only an administrator may see sessions without a project.".into(),
        )),
        false => Ok(()),
    }
}

pub async fn find(state: &AppState, caller: &Caller, place: &Place) -> Result<Session, ApiError> {
    check_unassigned(caller, &place.project)?;
    if place.project != UNASSIGNED {
        state.editable_project(caller, &place.project).await?;
    }
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

/// The answer that names a session.
pub fn uri_of(session: &Session) -> Response {
    let uri = format!("/data{}", session.uri());
    (
        [(header::CONTENT_TYPE, "text/uri-list")],
        format!("{uri}\r\n"),
    )
        .into_response()
}

/// How a call wants the rows of what it did. Looked at before it does anything: what can't be undone is not
/// answered with an error.
pub fn view_of_rows(parameters: &Parameters) -> Result<View, ApiError> {
    let view = View::of(parameters)?;
    rows(Vec::new()).check(&view)?;
    Ok(view)
}

pub fn rows(sessions: Vec<Session>) -> Table {
    Table::of("Prearchive", &COLUMNS, sessions, |session| {
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
