//! Imports of a file that comes with the call: XNAT's handlers `DICOM-zip`, `SI` and `gradual-DICOM`.
//!
//! The file goes the way of everything in the inbox: a request is queued for it, with its rules, outcomes and
//! report; the call waits for the end and answers the sessions' addresses, and the request's in `Link`. It is removed
//! when the request has ended.
//!
//! Differs from XNAT: a file is what its content says, whichever of the handlers is named; an archive for `SI` may
//! hold several sessions, but all uploads only those of one project; what `dest` wants in the archive and can't have
//! there is a 409.

use axum::extract::Request;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse as _, Response};

use crate::failpoint::crash_point;
use crate::inbox::Upload;
use crate::store::{
    Area, Counts, ImportRequest, NewRequest, Session, SessionFilter, Status, UNASSIGNED,
};

use super::super::auth::Caller;
use super::super::dicom;
use super::super::error::{ApiError, refusal};
use super::super::form::{Parameters, is_form};
use super::super::multipart::boundary;
use super::super::state::AppState;
use super::receive::{Bounds, Kind, Received, receive};
use super::{check_label, destination, idempotency, overwrite, settle_session_label};

const ZIP_HANDLER: &str = "DICOM-zip";
const SESSION_HANDLER: &str = "SI";
const GRADUAL_HANDLER: &str = "gradual-DICOM";

const IGNORE_UNPARSABLE: &str = "Ignore-Unparsable";

/// An object whose client gives it no name.
const OBJECT: &str = "upload.dcm";

/// Whether a call may bring a file for one of the handlers here.
pub fn is_one(request: &Request) -> Result<bool, ApiError> {
    let parameters = Parameters::of_query(request.uri())?;
    let is_inbox = parameters.text("import-handler") == Some(super::INBOX_HANDLER);
    let length = request.headers().get(header::CONTENT_LENGTH);
    let is_inbody = parameters.flag("inbody")? == Some(true);
    let has_body = match length {
        Some(length) => length != "0",
        None => request.headers().contains_key(header::TRANSFER_ENCODING),
    };
    Ok(!is_inbox && has_body && (is_inbody || !is_form(request.headers())))
}

/// Takes the file in, has it imported and answers where it went. A form without one may be a call of the inbox.
pub async fn import(
    state: AppState,
    caller: Caller,
    request: Request,
) -> Result<Response, ApiError> {
    let headers = request.headers().clone();
    let has_key = headers.contains_key(idempotency::KEY);
    if has_key && boundary(&headers).is_none() {
        return Err(no_key());
    }
    let is_object = is_object(request.headers());
    let mut parameters = Parameters::of_query(request.uri())?;
    // Before anything is taken in; a form may bring more.
    let mut early = parameters.clone();
    check_handler(&early)?;
    destination::settle(&mut early)?;
    if early.text("PROJECT_ID").is_some() {
        super::destination(&state, &caller, &early).await?;
    }
    let uploads = state.inbox.uploads().cloned();
    let uploads = uploads.ok_or(ApiError::Internal("the server takes no uploads"))?;
    let received = receive(
        &state,
        &uploads,
        Bounds::of_import(&state),
        request,
        &mut parameters,
    )
    .await?;
    let Some(received) = received else {
        // XNAT takes parameters from such a form, too.
        return match parameters.text("import-handler") {
            Some(super::INBOX_HANDLER) => super::queue(&state, &caller, &headers, parameters).await,
            _ => Err(ApiError::BadRequest(
                "Unable to identify upload format.".into(),
            )),
        };
    };
    if has_key {
        return Err(no_key());
    }
    crash_point("upload.received");
    check_handler(&parameters)?;
    settle_handler(&mut parameters, is_object);
    destination::settle(&mut parameters)?;
    let wants_archive = destination::is_archive(&parameters);
    let project = check(&state, &caller, &mut parameters).await?;
    let (upload, name) = named(received, &mut parameters)?;
    let new = NewRequest {
        username: caller.name.clone(),
        project,
        // Known once the upload is where it is imported from.
        session_path: String::new(),
        cleanup: false,
        parameters: parameters.into_map(),
    };
    // From here on it is carried on when the caller hangs up.
    let ended = tokio::spawn(queue_and_wait(state.clone(), upload, name, new)).await;
    let (id, ended) =
        ended.map_err(|_| ApiError::Internal("waiting for an import broke off"))??;
    let Some(ended) = ended else {
        return Err(ApiError::Unavailable(
            format!("The server goes down. The upload is imported when it is back: see /xapi/dicom/{id}.")
                .into(),
        ));
    };
    let mut answer = match sessions(&state, &ended).await? {
        Some(sessions) => told(&sessions, wants_archive, id)?,
        // As in XNAT: an object that a filter or a rule takes out is no error.
        None if was_taken_out(&ended.counts) => told(&[], false, id)?,
        None => {
            let why = ended.resolution.unwrap_or_default();
            let text = format!("{why} (see /xapi/dicom/{id}/report)").into();
            return Err(match ended.counts.conflict {
                0 => ApiError::BadRequest(text),
                _ => ApiError::Conflict(text),
            });
        }
    };
    let headers = answer.headers_mut();
    if let Ok(link) = format!("</xapi/dicom/{id}>; rel=\"describedby\"").parse() {
        headers.insert(header::LINK, link);
    }
    if let Some(Ok(warning)) = missing(&ended.counts, id).map(|text| text.parse()) {
        headers.insert(header::WARNING, warning);
    }
    Ok(answer)
}

/// Hands the upload to its project, queues its import and waits for the end; none if the server goes down before. The
/// upload stays as long as the request needs it.
async fn queue_and_wait(
    state: AppState,
    mut upload: Upload,
    name: Option<&'static str>,
    mut new: NewRequest,
) -> Result<(i64, Option<ImportRequest>), ApiError> {
    let folder = upload.hand_to(&new.project);
    let folder = folder.map_err(ApiError::io("an upload could not be handed over"))?;
    crash_point("upload.handed");
    let path = name.map_or_else(|| folder.to_owned(), |name| folder.join(name));
    new.session_path = path.to_string_lossy().into_owned();
    let id = state.store.requests().insert(new).await?;
    crash_point("upload.queued");
    tracing::info!(request = id, "import of an upload queued");
    let ended = dicom::ended(&state, id).await;
    match &ended {
        Ok(Some(_)) => drop(upload),
        // Another process, or the next start, goes on with it.
        _ => upload.keep(),
    }
    Ok((id, ended?))
}

fn no_key() -> ApiError {
    ApiError::BadRequest(
        "An Idempotency-Key is for calls without a file: an upload that is repeated finds what is stored.".into(),
    )
}

fn check_handler(parameters: &Parameters) -> Result<(), ApiError> {
    match parameters.text("import-handler") {
        None | Some(ZIP_HANDLER | SESSION_HANDLER | GRADUAL_HANDLER) => Ok(()),
        Some(super::INBOX_HANDLER) => Err(ApiError::BadRequest(
            "The inbox handler takes no file; give its parameters in the query or as a form."
                .into(),
        )),
        Some(other) => Err(ApiError::NotFound(
            format!("Unknown importer implementation specified: {other}").into(),
        )),
    }
}

/// XNAT's defaults, written down with the request: the handler that none is named for, and what `action=commit` says.
fn settle_handler(parameters: &mut Parameters, is_object: bool) {
    if parameters.text("import-handler").is_none() {
        let handler = match is_object {
            true => GRADUAL_HANDLER,
            false => SESSION_HANDLER,
        };
        parameters.set("import-handler", handler.into());
    }
    if parameters.text("action") == Some("commit") && parameters.text(IGNORE_UNPARSABLE).is_none() {
        parameters.set(IGNORE_UNPARSABLE, "true".into());
    }
}

/// Whether the body is one DICOM object by its type.
fn is_object(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE);
    kind.and_then(|kind| kind.to_str().ok())
        .is_some_and(|kind| kind.to_ascii_lowercase().starts_with("application/dicom"))
}

/// Names the file by its content. Answers the name where the file itself is imported, and not the folder that
/// it lies in.
fn named(
    received: Received,
    parameters: &mut Parameters,
) -> Result<(Upload, Option<&'static str>), ApiError> {
    let is_gradual = parameters.text("import-handler") == Some(GRADUAL_HANDLER);
    let (name, is_archive) = match received.kind {
        Kind::Zip => ("upload.zip", true),
        Kind::Tar => ("upload.tar", true),
        Kind::Dicom => (OBJECT, false),
        // Perhaps without preamble.
        Kind::Unknown if is_gradual => (OBJECT, false),
        Kind::Unknown => {
            return Err(ApiError::BadRequest(
                "The file is no zip, no tar (compressed by gzip or not) and no DICOM object."
                    .into(),
            ));
        }
    };
    // It has no name that it could keep.
    if !is_archive && received.file_name.is_none() {
        parameters.set("rename", "true".into());
    }
    let own = received.file_name.as_deref().filter(|_| !is_archive);
    received.name(own.unwrap_or(name))?;
    Ok((received.upload, is_archive.then_some(name)))
}

/// The checks of the inbox that concern the destination; answers the project, or where what belongs to none goes.
async fn check(
    state: &AppState,
    caller: &Caller,
    parameters: &mut Parameters,
) -> Result<String, ApiError> {
    let project = match parameters.text("PROJECT_ID") {
        Some(_) => super::destination(state, caller, parameters).await?,
        // The import finds out; nothing is written there unless it finds none.
        None => {
            state
                .store
                .projects()
                .make_unassigned()
                .await
                .map_err(refusal)?;
            UNASSIGNED.to_owned()
        }
    };
    for flag in ["quarantine", IGNORE_UNPARSABLE, "rename"] {
        parameters.flag(flag)?;
    }
    check_label("SUBJECT_ID", parameters.text("SUBJECT_ID"))?;
    let is_gradual = parameters.text("import-handler") == Some(GRADUAL_HANDLER);
    let overwrite = overwrite(parameters)?;
    // Objects that are sent one by one join the session that the first of them made; and what is in Unassigned is
    // not told.
    if is_gradual || project == UNASSIGNED {
        check_label("EXPT_LABEL", parameters.text("EXPT_LABEL"))?;
    } else {
        settle_session_label(state, &project, overwrite, parameters).await?;
    }
    Ok(project)
}

/// The sessions that it went to, and those that hold files of it already; none if nothing of it is stored.
async fn sessions(
    state: &AppState,
    ended: &ImportRequest,
) -> Result<Option<Vec<Session>>, ApiError> {
    let mut sessions = state.store.requests().sessions(ended.id).await?;
    if ended.status == Status::Completed && ended.counts.duplicate > 0 {
        let (importer, id) = (state.importer.clone(), ended.id);
        let found = tokio::task::spawn_blocking(move || importer.found_stored(id)).await;
        let found = found.map_err(|_| ApiError::Internal("reading a report broke off"))?;
        let mut known = Vec::new();
        for (label, subject) in &found {
            let filter = SessionFilter {
                project: Some(&ended.project),
                label: Some(label),
                subject: Some(subject),
                ..SessionFilter::default()
            };
            known.extend(state.store.sessions().list(filter).await?);
        }
        known.retain(|known| sessions.iter().all(|session| session.id != known.id));
        known.sort_by_key(|known| known.id);
        sessions.extend(known);
    }
    let is_stored = !sessions.is_empty() || ended.status == Status::Completed;
    Ok(is_stored.then_some(sessions))
}

/// For who sees only the session's address: that not all of the upload is in it.
fn missing(counts: &Counts, id: i64) -> Option<String> {
    let there = counts.stored + counts.quarantined + counts.duplicate;
    let missing = counts.found.saturating_sub(there);
    (missing > 0).then(|| {
        format!(
            "199 sluice \"{missing} of {} files were not stored: see /xapi/dicom/{id}/report\"",
            counts.found
        )
    })
}

fn was_taken_out(counts: &Counts) -> bool {
    counts.found > 0 && counts.filtered + counts.rejected == counts.found
}

fn told(sessions: &[Session], wants_archive: bool, id: i64) -> Result<Response, ApiError> {
    // What is held for review is where the call, or a rule, wants it.
    let in_the_way = sessions.iter().find(|session| {
        wants_archive && !matches!(session.area(), Area::Archive | Area::Quarantine)
    });
    if let Some(session) = in_the_way {
        return Err(ApiError::Conflict(
            format!(
                "Not archived, it waits as /data{}: {} (see /xapi/dicom/{id})",
                session.uri(),
                session.reason.as_deref().unwrap_or("see its status")
            )
            .into(),
        ));
    }
    let lines: String = sessions
        .iter()
        .map(|session| format!("/data{}\r\n", session.uri()))
        .collect();
    Ok(([(header::CONTENT_TYPE, "text/uri-list")], lines).into_response())
}
