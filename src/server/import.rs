//! POST /data/services/import: the call that queues an import.
//!
//! Follows XNAT's `DicomInboxImporter`: the same parameters, the same checks in the same order, all
//! before anything is queued. Differs from XNAT: `cleanupAfterImport` is false unless asked for (as
//! XNAT's documentation says and its code does not), and the path is looked up by opening it beneath
//! the inbox, not by comparing text. The handlers that take a file in the call are in `upload.rs`.

mod destination;
mod idempotency;
mod receive;
mod upload;

use axum::extract::{FromRequest as _, Request, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};

use crate::rules::Overwrite;
use crate::store::{Inserted, NewRequest, SessionFilter};

use crate::inbox::{Kind, Located};

pub(super) use destination::settle_archiving;
pub(super) use receive::{Bounds, Kind as Brought, receive};

use super::api::{Api, Field, Schema, post};
use super::auth::Caller;
use super::error::ApiError;
use super::form::Parameters;
use super::state::AppState;

/// One text for every way in which a path can be wrong, so that it tells nothing of foreign paths.
const BAD_PATH: &str = "The path parameter must give the full path of a file or folder in the inbox, \
in a folder named after a project that you can edit.";

const NO_DESTINATION: &str =
    "You do not have permission to edit the specified destination project.";

/// XNAT's other handlers take a file in the call.
pub(super) const INBOX_HANDLER: &str = "inbox";

/// Labels become folder names; XNAT's column holds this much.
const LONGEST_LABEL: usize = 64;

const PARAMETERS: &[Field] = &[
    (
        "import-handler",
        "text",
        "`inbox` for a path; `DICOM-zip`, `SI` or `gradual-DICOM` for a file in the call.",
    ),
    (
        "path",
        "text",
        "The full path of a folder or an archive in the inbox.",
    ),
    (
        "PROJECT_ID",
        "text",
        "Where to; of an upload also `project`.",
    ),
    (
        "SUBJECT_ID",
        "text",
        "The subject's label; of an upload also `subject`.",
    ),
    ("EXPT_LABEL", "text", "The session's label; also `session`."),
    (
        "overwrite",
        "none|append|delete",
        "What may happen to what is stored of the session.",
    ),
    (
        "cleanupAfterImport",
        "flag",
        "Delete the sources that are proved stored.",
    ),
    (
        "dest",
        "text",
        "Of an upload: project, subject and session as an address.",
    ),
    (
        "Direct-Archive",
        "flag",
        "Of an upload: at once to the archive.",
    ),
    (
        "Ignore-Unparsable",
        "flag",
        "Of an upload: import what can be read.",
    ),
    (
        "quarantine",
        "flag",
        "Of an upload: hold the session for review.",
    ),
    ("rename", "flag", "Of an upload: generate file names."),
    ("inbody", "flag", "The body is a file, whatever its type."),
];

pub fn routes() -> Api {
    let mut importing = post("/services/import", "Import from the inbox, as a request; or upload, and wait for the end")
        .form(PARAMETERS)
        .header(("Idempotency-Key", "text", "Of a call without a file: may be repeated under that key."))
        .uri("The request's address (of an upload the sessions', one a line; the request's is in `Link`)")
        .fails([404, 409, 413, 422, 503]);
    for kind in [
        "multipart/form-data",
        "application/zip",
        "application/x-tar",
        "application/gzip",
        "application/dicom",
        "application/octet-stream",
    ] {
        importing = importing.takes(kind, Schema::Opaque);
    }
    Api::new("Imports").on(importing, import)
}

async fn import(
    State(state): State<AppState>,
    caller: Caller,
    request: Request,
) -> Result<Response, ApiError> {
    if upload::is_one(&request)? {
        return upload::import(state, caller, request).await;
    }
    let headers = request.headers().clone();
    let parameters = Parameters::from_request(request, &state).await?;
    queue(&state, &caller, &headers, parameters).await
}

/// Queues an import from the inbox.
async fn queue(
    state: &AppState,
    caller: &Caller,
    headers: &HeaderMap,
    parameters: Parameters,
) -> Result<Response, ApiError> {
    let inserted = match idempotency::key(caller, headers, &parameters)? {
        Some(key) => idempotency::insert(state, caller, parameters, &key).await?,
        None => {
            let new = check(state, caller, parameters).await?;
            Inserted::New(state.store.requests().insert(new).await?)
        }
    };
    match inserted {
        Inserted::New(id) => {
            tracing::info!(request = id, "import queued");
            Ok(queued(id))
        }
        Inserted::Before(id) => Ok((idempotency::REPLAYED, queued(id)).into_response()),
        Inserted::OtherCall => Err(ApiError::Unprocessable(idempotency::OTHER_CALL.into())),
    }
}

/// The answer that names a queued request.
pub fn queued(id: i64) -> Response {
    let kind = [(header::CONTENT_TYPE, "text/uri-list")];
    (kind, format!("/xapi/dicom/{id}\r\n")).into_response()
}

/// All checks of a call; what comes of it may be queued.
pub async fn check(
    state: &AppState,
    caller: &Caller,
    mut parameters: Parameters,
) -> Result<NewRequest, ApiError> {
    check_handler(&parameters)?;
    let located = locate(state, caller, &parameters).await?;
    let project = destination(state, caller, &parameters).await?;
    check_content(&located)?;
    let cleanup = parameters.flag("cleanupAfterImport")?.unwrap_or(false);
    let overwrite = overwrite(&parameters)?;
    check_label("SUBJECT_ID", parameters.text("SUBJECT_ID"))?;
    settle_session_label(state, &project, overwrite, &mut parameters).await?;
    Ok(NewRequest {
        username: caller.name.clone(),
        project,
        session_path: located.absolute.to_string_lossy().into_owned(),
        cleanup,
        parameters: parameters.into_map(),
    })
}

/// Only the inbox works without a file. XNAT: an unknown handler is a 404 if a file came with the
/// call, else the missing file is what is wrong.
fn check_handler(parameters: &Parameters) -> Result<(), ApiError> {
    match (parameters.text("import-handler"), parameters.has_file) {
        (Some(INBOX_HANDLER), false) => Ok(()),
        (Some(INBOX_HANDLER), true) => Err(ApiError::BadRequest(
            "The inbox handler takes no file; give its parameters in the query or as a form."
                .into(),
        )),
        (Some(other), true) => Err(ApiError::NotFound(
            format!("Unknown importer implementation specified: {other}").into(),
        )),
        (_, _) => Err(ApiError::BadRequest(
            "Unable to identify upload format.".into(),
        )),
    }
}

/// XNAT's checks 1 to 4.
pub(super) async fn locate(
    state: &AppState,
    caller: &Caller,
    parameters: &Parameters,
) -> Result<Located, ApiError> {
    let bad = || ApiError::BadRequest(BAD_PATH.into());
    let path = parameters.text("path").ok_or_else(bad)?.to_string();
    let inbox = state.inbox.clone();
    let located = tokio::task::spawn_blocking(move || inbox.locate(&path))
        .await
        .map_err(|_| ApiError::Internal("looking up an inbox path stopped"))?
        .map_err(|_| bad())?;
    let known = state
        .store
        .projects()
        .get(&located.project)
        .await?
        .is_some();
    match known && state.may_edit(caller, &located.project).await? {
        true => Ok(located),
        false => Err(bad()),
    }
}

/// XNAT's check 5. One text, whether the project is missing or not the caller's to edit.
pub(super) async fn destination(
    state: &AppState,
    caller: &Caller,
    parameters: &Parameters,
) -> Result<String, ApiError> {
    let id = parameters
        .text("PROJECT_ID")
        .ok_or_else(|| ApiError::BadRequest("The parameter PROJECT_ID is required.".into()))?;
    let known = state.store.projects().get(id).await?.is_some();
    match known && state.may_edit(caller, id).await? {
        true => Ok(id.to_string()),
        false => Err(ApiError::BadRequest(NO_DESTINATION.into())),
    }
}

/// XNAT's check 6. Differs from XNAT: an archive is not unpacked here, but by the worker.
fn check_content(located: &Located) -> Result<(), ApiError> {
    let why = match (located.kind, located.empty) {
        (Kind::OtherFile, _) => {
            "The specified file does not have an archive extension (.zip, .tar, .tgz or .tar.gz)."
        }
        (Kind::Folder, true) => "Specified directory does not contain any files.",
        (Kind::Archive(_), true) => "The specified archive is empty.",
        (Kind::Folder | Kind::Archive(_), false) => return Ok(()),
    };
    Err(ApiError::BadRequest(why.into()))
}

/// Not a parameter of XNAT's inbox handler, but of its others.
pub(super) fn overwrite(parameters: &Parameters) -> Result<Option<Overwrite>, ApiError> {
    let Some(text) = parameters.text("overwrite") else {
        return Ok(None);
    };
    let known = Overwrite::from_text(text).ok_or_else(|| {
        ApiError::BadRequest("The parameter overwrite must be none, append or delete.".into())
    })?;
    Ok(Some(known))
}

/// XNAT's check 7: EXPT_LABEL wins over `session`, and either must be free. What is kept is EXPT_LABEL.
/// A call that says how to overwrite may name an experiment, whose study is then compared; one that says
/// `none` may not name a session that waits either.
async fn settle_session_label(
    state: &AppState,
    project: &str,
    overwrite: Option<Overwrite>,
    parameters: &mut Parameters,
) -> Result<(), ApiError> {
    let session = parameters
        .take("session")
        .filter(|label| !label.trim().is_empty());
    let given = parameters.text("EXPT_LABEL").map(str::to_string);
    let (name, taken) = match &given {
        Some(_) => (
            "EXPT_LABEL",
            "Experiment with that label already exists in that project.",
        ),
        None => ("session", "Session already exists in that project."),
    };
    let Some(label) = given.or(session) else {
        return Ok(());
    };
    check_label(name, Some(&label))?;
    if overwrite.is_none_or(|overwrite| overwrite == Overwrite::None)
        && let Some(stored) = state
            .store
            .sessions()
            .find_experiment(Some(project), &label)
            .await?
    {
        return Err(ApiError::Conflict(
            format!(
                "{taken} It is /data{}: choose another label, or say overwrite=append or overwrite=delete.",
                stored.uri()
            )
            .into(),
        ));
    }
    if overwrite == Some(Overwrite::None) {
        let filter = SessionFilter {
            project: Some(project),
            label: Some(&label),
            ..SessionFilter::default()
        };
        let sessions = state.store.sessions().list(filter).await?;
        if let Some(waiting) = sessions.first() {
            return Err(ApiError::Conflict(
                format!(
                    "A session of that label waits in the prearchive: /data{}. Choose another label, or say \
                     overwrite=append or overwrite=delete.",
                    waiting.uri()
                )
                .into(),
            ));
        }
    }
    parameters.set("EXPT_LABEL", label);
    Ok(())
}

/// Differs from XNAT, which takes a given label as it is: what could not be a folder's name, or not be
/// told from another in some character set, is refused.
pub fn check_label(name: &str, label: Option<&str>) -> Result<(), ApiError> {
    let Some(label) = label else { return Ok(()) };
    let legal = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    if label.len() <= LONGEST_LABEL && label.chars().all(legal) && !label.starts_with('.') {
        return Ok(());
    }
    Err(ApiError::BadRequest(
        format!(
            "The parameter {name} may hold up to {LONGEST_LABEL} letters (A to Z), digits and any of \
             _ - . but no leading dot."
        )
        .into(),
    ))
}
