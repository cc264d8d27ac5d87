//! What a project's rules would do with files of the inbox, without importing them: as `sluice rule explain`.
//!
//! For whoever could import the files. Before and after of each edit, and what the route rule sees, only for who
//! may view what identifies. Each use is written to the audit first.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use crate::import::explain::{Explanation, explain_located};
use crate::rules::Run;
use crate::rules::pseudonym::Pseudonyms;

use super::super::api::Field;
use super::super::auth::Caller;
use super::super::error::ApiError;
use super::super::form::Parameters;
use super::super::import::{destination, locate};
use super::super::state::AppState;

pub const PARAMETERS: &[Field] = &[
    (
        "path",
        "text",
        "The full path of a folder, an archive or a file in the inbox.",
    ),
    (
        "PROJECT_ID",
        "text",
        "Whose rules; other parameters of the import call may follow.",
    ),
    ("SUBJECT_ID", "text", "The subject's label."),
    ("EXPT_LABEL", "text", "The session's label."),
];

/// `path` and `PROJECT_ID` are those of the import call, and so are all other parameters.
pub async fn explain(
    State(state): State<AppState>,
    caller: Caller,
    parameters: Parameters,
) -> Result<Json<Explanation>, ApiError> {
    let located = locate(&state, &caller, &parameters).await?;
    let project = destination(&state, &caller, &parameters).await?;
    let shows = state.may_view_identified(&caller, &project).await?
        && state.may_view_identified(&caller, &located.project).await?;
    let (rulebook, store) = (&state.rulebook, &state.store);
    let rules = rulebook.pin(&project).await?;
    let project = store.projects().get(&project).await?;
    let project = project.ok_or_else(|| ApiError::no_such("project"))?;
    store.record_explained(&caller.name, &project.id).await?;
    let run = Run {
        project: project.id,
        parameters: Arc::new(parameters.into_map()),
        file: String::new(),
        received: chrono::Utc::now().format("%Y%m%d%H%M%S").to_string(),
        pseudonyms: Arc::new(Pseudonyms::new(project.pseudonym_key.as_bytes())),
    };
    let importer = state.importer.clone();
    let told =
        tokio::task::spawn_blocking(move || explain_located(&importer, &rules, &run, &located))
            .await
            .map_err(|_| ApiError::Internal("explaining files stopped"))?
            .map_err(|why| {
                ApiError::BadRequest(format!("Nothing can be explained: {why}.").into())
            })?;
    Ok(Json(match shows {
        true => told,
        false => told.without_values(),
    }))
}
