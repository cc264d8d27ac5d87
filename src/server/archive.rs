//! POST /data/services/archive: a session goes from the prearchive to the archive.
//!
//! With `project=`, or a `dest` that names another one, it goes to that project first, under that one's rules. Several `src` are archived one after the
//! other, up to the first that can't be.
//!
//! Where the session's rules have steps at archiving, they run now. A call that takes longer than the server
//! waits is still carried to its end.
//!
//! Differs from XNAT: a conflict is 409 (there 500), and the answer is never a redirect unless
//! `redirect=true` asks for one (there also for sessions marked auto-archive, which breaks clients).

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::archive::ArchiveOptions;
use crate::store::UNASSIGNED;

use super::api::{Api, Field, post};
use super::auth::Caller;
use super::error::ApiError;
use super::form::Parameters;
use super::import::{check_label, settle_archiving};
use super::prearchive::actions::{move_to, one_label};
use super::prearchive::{FAMILY, find_source, rows, to_its_end, unknown, uri_of, view_of_rows};
use super::state::AppState;
use super::table::View;

const PARAMETERS: &[Field] = &[
    (
        "src",
        "text",
        "A waiting session's address; may come several times.",
    ),
    (
        "project",
        "text",
        "The project to archive in; without `src`, where the session waits.",
    ),
    ("timestamp", "text", "Without `src`: the session's."),
    ("folder", "text", "Without `src`: the session's."),
    (
        "subject",
        "text",
        "Another subject's label; also `SUBJECT_ID`.",
    ),
    (
        "session",
        "text",
        "Another label, of one session; also `EXPT_LABEL`.",
    ),
    (
        "dest",
        "text",
        "Project, subject and label as an address in the archive.",
    ),
    (
        "overwrite",
        "text",
        "`append` to an archived session of that label; `delete` or `override` replaces files too.",
    ),
    (
        "overwrite_files",
        "flag",
        "Replace archived files of other content.",
    ),
    (
        "leaveOut",
        "flag",
        "Go without the files that the other project's rules refuse.",
    ),
    ("redirect", "flag", "Answer with a redirect."),
];

pub fn routes() -> Api {
    let archiving = post("/services/archive", "Archive waiting sessions")
        .form(PARAMETERS)
        .table()
        .uri("")
        .empty(303, "Archived, with `redirect=true`")
        .fails([404, 409]);
    Api::new(FAMILY).on(archiving, archive)
}

async fn archive(
    State(state): State<AppState>,
    caller: Caller,
    mut parameters: Parameters,
) -> Result<Response, ApiError> {
    let mut sources: Vec<String> = parameters.all("src").map(str::to_string).collect();
    if sources.is_empty() {
        sources.push(source_of_parts(&parameters)?);
        // In XNAT's older form it says where the session waits, and not who shall own it.
        parameters.take("project");
    }
    settle_archiving(&mut parameters)?;
    let owner = parameters.text("project");
    let mut found = Vec::with_capacity(sources.len());
    for source in &sources {
        found.push(find_source(&state, &caller, source).await?);
    }
    let options = options(&parameters)?;
    let view = match found.len() {
        // The answer is no table.
        1 => View::default(),
        _ => view_of_rows(&parameters)?,
    };
    let redirects = parameters.flag("redirect")? == Some(true);
    if found.len() > 1 && options.label.is_some() {
        return Err(one_label());
    }
    let mut sessions = Vec::with_capacity(found.len());
    for session in found {
        if session.project == UNASSIGNED && owner.is_none() {
            return Err(ApiError::BadRequest(
                "The session has no project: name one as the parameter project.".into(),
            ));
        }
        let to = match owner.filter(|project| *project != session.project) {
            Some(project) => Some(move_to(&state, &caller, &session, project, &parameters).await?),
            None => None,
        };
        sessions.push((session, to));
    }
    let importer = state.importer.clone();
    let mut archived = to_its_end(async move {
        let mut archived = Vec::with_capacity(sessions.len());
        for (session, to) in sessions {
            let session = match to {
                Some(to) => importer.move_session(&session, &to, &caller.name).await?,
                None => session,
            };
            let done = importer.archive_session(&session, options.clone(), &caller.name);
            archived.push(done.await?);
        }
        Ok(archived)
    })
    .await?;
    if archived.len() > 1 {
        return rows(archived).answer(&view);
    }
    let archived = archived.remove(0);
    if redirects {
        let uri = format!("/data{}", archived.uri());
        return Ok((StatusCode::SEE_OTHER, [(header::LOCATION, uri)]).into_response());
    }
    Ok(uri_of(&archived))
}

/// XNAT's older form: project, timestamp and folder, each by itself.
fn source_of_parts(parameters: &Parameters) -> Result<String, ApiError> {
    let part = |name| parameters.text(name).ok_or_else(unknown);
    Ok(format!(
        "/prearchive/projects/{}/{}/{}",
        part("project")?,
        part("timestamp")?,
        part("folder")?
    ))
}

/// XNAT: `append` merges, `delete` and `override` also override conflicts, anything else does not merge.
/// Differs from XNAT: `append` never replaces a stored file, and `delete` does so by itself.
fn options(parameters: &Parameters) -> Result<ArchiveOptions, ApiError> {
    if parameters.flag("quarantine")? == Some(true) {
        return Err(ApiError::BadRequest(
            "What is archived is not held in quarantine here: leave out quarantine=true, and archive the session \
             when it may be seen."
                .into(),
        ));
    }
    let overwrite = parameters.text("overwrite");
    Ok(ArchiveOptions {
        merge: matches!(overwrite, Some("append" | "delete" | "override")),
        override_conflicts: matches!(overwrite, Some("delete" | "override")),
        overwrite_files: parameters.flag("overwrite_files")?.unwrap_or(false),
        subject: label(parameters, "subject")?,
        label: label(parameters, "session")?,
    })
}

fn label(parameters: &Parameters, name: &str) -> Result<Option<String>, ApiError> {
    let label = parameters.text(name);
    check_label(name, label)?;
    Ok(label.map(str::to_string))
}
