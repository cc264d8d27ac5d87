//! POST /data/services/archive: a session goes from the prearchive to the archive.
//!
//! Where the session's rules have steps at archiving, they run now. A call that takes longer than the server
//! waits is still carried to its end.
//!
//! Differs from XNAT: a conflict is 409 (there 500), and the answer is never a redirect unless
//! `redirect=true` asks for one (there also for sessions marked auto-archive, which breaks clients).

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;

use crate::archive::ArchiveOptions;

use super::auth::Caller;
use super::error::ApiError;
use super::form::Parameters;
use super::import::check_label;
use super::prearchive::{find_source, to_its_end, unknown};
use super::state::AppState;

pub fn routes() -> Router<AppState> {
    Router::new().route("/services/archive", post(archive))
}

async fn archive(
    State(state): State<AppState>,
    caller: Caller,
    parameters: Parameters,
) -> Result<Response, ApiError> {
    let mut sources: Vec<String> = parameters.all("src").map(str::to_string).collect();
    if sources.is_empty() {
        sources.push(source_of_parts(&parameters)?);
    }
    let [source] = &sources[..] else {
        return Err(ApiError::BadRequest(
            "Archive one session with each call.".into(),
        ));
    };
    let session = find_source(&state, &caller, source).await?;
    let options = options(&parameters)?;
    let importer = state.importer.clone();
    let archived = to_its_end(async move {
        importer
            .archive_session(&session, options, &caller.name)
            .await
    })
    .await?;
    let uri = format!("/data{}", archived.uri());
    if parameters.flag("redirect")? == Some(true) {
        return Ok((StatusCode::SEE_OTHER, [(header::LOCATION, uri)]).into_response());
    }
    Ok((
        [(header::CONTENT_TYPE, "text/uri-list")],
        format!("{uri}\r\n"),
    )
        .into_response())
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
