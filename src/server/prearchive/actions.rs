//! What is done to waiting sessions: XNAT's services `delete`, `move` and `rebuild`, and `action=` on a session's
//! own address.
//!
//! Differs from XNAT, which queues them all: a call answers when it is done, and `async=true` asks for what XNAT
//! does. What came of such a call is seen in the prearchive.

use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::Response;

use crate::archive::{ActionError, ArchiveOptions};
use crate::import::MoveTo;
use crate::store::{Session, SessionState};

use super::super::api::{Api, Field, Operation, Schema, post};
use super::super::auth::Caller;
use super::super::error::ApiError;
use super::super::form::Parameters;
use super::super::import::check_label;
use super::super::state::AppState;
use super::{
    FAMILY, Place, SESSION, check_owner_of_held, delete_all, find, find_sources, rows, to_its_end,
    uri_of, view_of_rows,
};

const SOURCE: Field = (
    "src",
    "text",
    "A session's address; may come several times.",
);
const ASYNC: Field = ("async", "flag", "Answer before it is done.");

const SOURCES: &[Field] = &[SOURCE, ASYNC];
const MOVE: &[Field] = &[
    SOURCE,
    ("newProject", "text", "The project to move to."),
    ("subject", "text", "Another subject's label."),
    ("session", "text", "Another label, of one session."),
    (
        "leaveOut",
        "flag",
        "Go without the files that the other project's rules refuse.",
    ),
    ASYNC,
];

/// XNAT's actions on a session's own address.
pub const ACTION: &[Field] = &[
    (
        "action",
        "build|commit|move|reset-status|set-status",
        "What to do.",
    ),
    ("status", "READY|ERROR", "Of `set-status`."),
    ("newProject", "text", "Of `move`."),
    (
        "subject",
        "text",
        "Of `move`, or when relabelled: another subject's label.",
    ),
    ("session", "text", "Of `move`: another label."),
    (
        "leaveOut",
        "flag",
        "Of `move`: go without the files that the other project's rules refuse.",
    ),
    ("label", "text", "Of PUT without an action: the new label."),
];

pub fn routes() -> Api {
    let service = |path: &'static str, what: &'static str, form: &'static [Field]| {
        post(path, what).form(form).table().fails([404, 409])
    };
    Api::new(FAMILY)
        .on(
            acting(post(
                SESSION,
                "Build, commit or move a waiting session, or set its status",
            )),
            act_on,
        )
        .on(
            service(
                "/services/prearchive/delete",
                "Delete waiting sessions",
                SOURCES,
            ),
            delete_many,
        )
        .on(
            service(
                "/services/prearchive/move",
                "Move waiting sessions to another project",
                MOVE,
            ),
            move_many,
        )
        .on(
            service(
                "/services/prearchive/rebuild",
                "Read waiting sessions' files again",
                SOURCES,
            ),
            rebuild_many,
        )
}

/// How a call on a session's own address goes.
pub fn acting(operation: Operation) -> Operation {
    operation
        .form(ACTION)
        .uri("The session's address")
        .kind_at(301, "It is elsewhere now", "text/uri-list", Schema::Opaque)
        .fails([409])
}

/// Where a call wants a session moved to, with the caller's rights on both projects checked.
pub async fn move_to(
    state: &AppState,
    caller: &Caller,
    session: &Session,
    project: &str,
    parameters: &Parameters,
) -> Result<MoveTo, ApiError> {
    state.editable_project(caller, project).await?;
    if session.identified {
        // Who may not see its bytes here shall not come to see them there.
        let why = "The session identifies patients until it is archived: only an owner of its project may move it.";
        if !state.may_view_identified(caller, &session.project).await? {
            return Err(ApiError::Forbidden(why.into()));
        }
    }
    let label = |name| {
        let label = parameters.text(name);
        check_label(name, label)?;
        Ok::<_, ApiError>(label.map(str::to_owned))
    };
    Ok(MoveTo {
        project: project.to_owned(),
        subject: label("subject")?,
        label: label("session")?,
        leave_out: parameters.flag("leaveOut")?.unwrap_or(false),
    })
}

/// The answer is the rows of what was deleted. All are looked up before the first is touched.
async fn delete_many(
    State(state): State<AppState>,
    caller: Caller,
    parameters: Parameters,
) -> Result<Response, ApiError> {
    let sessions = find_sources(&state, &caller, &parameters).await?;
    for session in &sessions {
        check_owner_of_held(&state, &caller, session).await?;
    }
    let view = view_of_rows(&parameters)?;
    let told = rows(sessions.clone());
    let deleting = async move { delete_all(&state, &caller, sessions).await };
    match parameters.flag("async")? {
        Some(true) => _ = tokio::spawn(deleting),
        _ => _ = deleting.await?,
    }
    told.answer(&view)
}

/// The rows of the sessions where they are now.
async fn move_many(
    State(state): State<AppState>,
    caller: Caller,
    parameters: Parameters,
) -> Result<Response, ApiError> {
    let sessions = find_sources(&state, &caller, &parameters).await?;
    let project = new_project(&parameters)?;
    let mut moves = Vec::with_capacity(sessions.len());
    for session in sessions {
        let to = move_to(&state, &caller, &session, project, &parameters).await?;
        moves.push((session, to));
    }
    if moves.len() > 1 && parameters.text("session").is_some() {
        return Err(one_label());
    }
    let importer = state.importer.clone();
    each(moves, &parameters, move |(session, to)| {
        let (importer, by) = (importer.clone(), caller.name.clone());
        async move { importer.move_session(&session, &to, &by).await }
    })
    .await
}

/// The rows of the sessions as they are now.
async fn rebuild_many(
    State(state): State<AppState>,
    caller: Caller,
    parameters: Parameters,
) -> Result<Response, ApiError> {
    let sessions = find_sources(&state, &caller, &parameters).await?;
    let sessions = sessions.into_iter().map(|session| (session, ())).collect();
    let importer = state.importer.clone();
    each(sessions, &parameters, move |(session, ())| {
        let (importer, by) = (importer.clone(), caller.name.clone());
        async move { importer.rebuild_session(&session, &by).await }
    })
    .await
}

pub fn one_label() -> ApiError {
    ApiError::BadRequest("The parameter session gives one label: name one session (src).".into())
}

/// One session after the other; where one can't be, the others go on, and the first reason is answered.
async fn each<T, F>(
    sessions: Vec<(Session, T)>,
    parameters: &Parameters,
    act: impl Fn((Session, T)) -> F + Send + 'static,
) -> Result<Response, ApiError>
where
    T: Send + 'static,
    F: Future<Output = Result<Session, ActionError>> + Send + 'static,
{
    let view = view_of_rows(parameters)?;
    let waits = parameters.flag("async")? != Some(true);
    let before = rows(
        sessions
            .iter()
            .map(|(session, _)| session.clone())
            .collect(),
    );
    let acting = async move {
        let mut done = Vec::new();
        let mut failed = None;
        for session in sessions {
            match act(session).await {
                Ok(now) => done.push(now),
                Err(error) => _ = failed.get_or_insert(error),
            }
        }
        match failed {
            Some(error) => Err(error),
            None => Ok(done),
        }
    };
    match waits {
        true => {
            let done = locked(to_its_end(acting).await)?;
            rows(done).answer(&view)
        }
        false => {
            tokio::spawn(acting);
            before.answer(&view)
        }
    }
}

fn new_project(parameters: &Parameters) -> Result<&str, ApiError> {
    parameters.text("newProject").ok_or_else(|| {
        ApiError::BadRequest("Name the project to move to as the parameter newProject.".into())
    })
}

async fn act_on(
    State(state): State<AppState>,
    caller: Caller,
    Path(place): Path<Place>,
    parameters: Parameters,
) -> Result<Response, ApiError> {
    let session = find(&state, &caller, &place).await?;
    act(&state, &caller, session, &parameters).await
}

/// XNAT's actions on one session.
pub async fn act(
    state: &AppState,
    caller: &Caller,
    session: Session,
    parameters: &Parameters,
) -> Result<Response, ApiError> {
    let (importer, by) = (state.importer.clone(), caller.name.clone());
    match parameters.text("action") {
        Some("build") => {
            let built = to_its_end(async move { importer.rebuild_session(&session, &by).await });
            Ok(uri_of(&locked(built.await)?))
        }
        Some("move") => {
            let project = new_project(parameters)?;
            let to = move_to(state, caller, &session, project, parameters).await?;
            let moved = to_its_end(async move { importer.move_session(&session, &to, &by).await });
            Ok(moved_to(&locked(moved.await)?))
        }
        Some("commit") => commit(state, caller, session).await,
        Some("reset-status") => set_status(state, caller, session, SessionState::Ready).await,
        Some("set-status") => {
            let status = match parameters.text("status") {
                Some("READY") => SessionState::Ready,
                Some("ERROR") => SessionState::Error,
                _ => {
                    return Err(ApiError::BadRequest(
                        "The parameter status must be READY or ERROR: other states say what is so."
                            .into(),
                    ));
                }
            };
            set_status(state, caller, session, status).await
        }
        _ => Err(ApiError::BadRequest(
            "The parameter action must be build, commit, move, reset-status or set-status.".into(),
        )),
    }
}

/// Builds, and archives what was to archive itself.
async fn commit(state: &AppState, caller: &Caller, session: Session) -> Result<Response, ApiError> {
    let (importer, by) = (state.importer.clone(), caller.name.clone());
    let done = to_its_end(async move {
        let built = importer.rebuild_session(&session, &by).await?;
        if built.state != SessionState::Ready {
            let why = built.reason.unwrap_or_default();
            return Err(ActionError::Refused(format!(
                "Built, and now {}: {why}",
                built.state
            )));
        }
        match built.auto_archive {
            true => {
                let options = ArchiveOptions::default();
                importer.archive_session(&built, options, &by).await
            }
            false => Ok(built),
        }
    });
    let done = locked(done.await)?;
    Ok(match done.state {
        SessionState::Archived => moved_to(&done),
        _ => uri_of(&done),
    })
}

/// What is in quarantine, or in somebody's hands, keeps its state.
async fn set_status(
    state: &AppState,
    caller: &Caller,
    session: Session,
    status: SessionState,
) -> Result<Response, ApiError> {
    let idle = [
        SessionState::Ready,
        SessionState::Conflict,
        SessionState::Error,
    ];
    let sessions = state.store.sessions();
    let set = sessions.set_state(session.id, &idle, status, None, &caller.name);
    match set.await? {
        true => Ok(uri_of(&session)),
        false => Err(busy()),
    }
}

/// XNAT: 409 for a session whose document is locked.
fn locked<T>(done: Result<T, ApiError>) -> Result<T, ApiError> {
    match done {
        Err(ApiError::Forbidden(why)) if why == ActionError::Busy.to_string() => Err(busy()),
        done => done,
    }
}

fn busy() -> ApiError {
    ApiError::Conflict(ActionError::Busy.to_string().into())
}

fn moved_to(session: &Session) -> Response {
    let mut response = uri_of(session);
    *response.status_mut() = StatusCode::MOVED_PERMANENTLY;
    if let Ok(uri) = format!("/data{}", session.uri()).parse() {
        response.headers_mut().insert(header::LOCATION, uri);
    }
    response
}
