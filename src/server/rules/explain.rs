//! What a project's rules would do with files, without importing them: as `sluice rule explain`. Files of the inbox, or
//! one that comes with the call and goes with it; the active rules, or what changes that are not made yet would make
//! of them.
//!
//! For whoever could import the files. Before and after of each edit, and what the route rule sees, only for who
//! may view what identifies. Each use is written to the audit first.

use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequest as _, Request, State};
use serde_json::{Map, Value};

use crate::import::explain::{Explanation, explain_located};
use crate::inbox::{Located, Upload};
use crate::rulebook::RulebookError;
use crate::rules::{RuleSet, Run};

use super::super::api::Field;
use super::super::auth::Caller;
use super::super::error::ApiError;
use super::super::form::{Parameters, is_form};
use super::super::import::{Bounds, Brought, destination, locate, receive};
use super::super::state::AppState;
use super::place;

/// One that is only tried: enough for an enhanced object or a small archive.
const BOUNDS: Bounds = Bounds {
    file: 256 * 1024 * 1024,
    name: " when it is only tried: put larger ones into the inbox",
    fields: 2 * 1024 * 1024,
};

/// A parameter that no rule sees.
const CHANGES: &str = "changes";

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

pub const TRIAL: &[Field] = &[
    PARAMETERS[0],
    PARAMETERS[1],
    PARAMETERS[2],
    PARAMETERS[3],
    (
        CHANGES,
        "text",
        "Changes of the rules that are not made yet, as JSON: texts by paths below the rules folder (see /rules/check).",
    ),
];

/// `path` and `PROJECT_ID` are those of the import call, and so are all other parameters.
pub async fn explain(
    State(state): State<AppState>,
    caller: Caller,
    parameters: Parameters,
) -> Result<Json<Explanation>, ApiError> {
    let located = locate(&state, &caller, &parameters).await?;
    tell(&state, &caller, parameters, located, Vec::new()).await
}

/// The same with changes, or with a file in the call, which is removed when it has been answered.
pub async fn try_out(
    State(state): State<AppState>,
    caller: Caller,
    request: Request,
) -> Result<Json<Explanation>, ApiError> {
    let is_plain = is_form(request.headers()) || !has_body(&request);
    if is_plain {
        let mut parameters = Parameters::from_request(request, &state).await?;
        let changes = changes(&state, &caller, &mut parameters).await?;
        let located = locate(&state, &caller, &parameters).await?;
        return tell(&state, &caller, parameters, located, changes).await;
    }
    let mut parameters = Parameters::of_query(request.uri())?;
    // Before anything is taken in; a form may bring it too.
    if parameters.text("PROJECT_ID").is_some() {
        destination(&state, &caller, &parameters).await?;
    }
    let uploads = state.inbox.uploads().cloned();
    let uploads = uploads.ok_or(ApiError::Internal("the server takes no uploads"))?;
    let received = receive(&state, &uploads, BOUNDS, request, &mut parameters).await?;
    let changes = changes(&state, &caller, &mut parameters).await?;
    let Some(received) = received else {
        let located = locate(&state, &caller, &parameters).await?;
        return tell(&state, &caller, parameters, located, changes).await;
    };
    let project = destination(&state, &caller, &parameters).await?;
    let name = match received.kind {
        Brought::Zip => "file.zip",
        Brought::Tar => "file.tar",
        // Perhaps without preamble; what is no object is told to be none.
        Brought::Dicom | Brought::Unknown => "file.dcm",
    };
    received.name(name)?;
    let (_upload, located) = located_upload(&state, received.upload, &project, name)?;
    tell(&state, &caller, parameters, located, changes).await
}

fn has_body(request: &Request) -> bool {
    let size = http_body::Body::size_hint(request.body());
    size.exact() != Some(0)
}

fn located_upload(
    state: &AppState,
    mut upload: Upload,
    project: &str,
    name: &str,
) -> Result<(Upload, Located), ApiError> {
    let folder = upload.hand_to(project);
    let path = folder
        .map_err(ApiError::io("an upload could not be handed over"))?
        .join(name);
    let located = state.inbox.locate_queued(&path.to_string_lossy());
    let located = located.map_err(|_| ApiError::Internal("an upload is not where it was put"))?;
    Ok((upload, located))
}

/// The changes that the rules are tried with.
async fn changes(
    state: &AppState,
    caller: &Caller,
    parameters: &mut Parameters,
) -> Result<Vec<crate::rules::Change>, ApiError> {
    let Some(given) = parameters.take(CHANGES).filter(|text| !text.is_empty()) else {
        return Ok(Vec::new());
    };
    let given: Map<String, Value> = serde_json::from_str(&given).map_err(|_| {
        ApiError::BadRequest(
            "The parameter changes must be a JSON object of texts by the files' paths.".into(),
        )
    })?;
    place::changes(state, caller, &given).await
}

async fn tell(
    state: &AppState,
    caller: &Caller,
    parameters: Parameters,
    located: Located,
    changes: Vec<crate::rules::Change>,
) -> Result<Json<Explanation>, ApiError> {
    let project = destination(state, caller, &parameters).await?;
    let shows = state.may_view_identified(caller, &project).await?
        && state.may_view_identified(caller, &located.project).await?;
    let (rulebook, store) = (&state.rulebook, &state.store);
    let rules: Arc<RuleSet> = match changes.is_empty() {
        true => rulebook.pin(&project).await?,
        false => {
            let candidate = rulebook.candidate(&project, &changes).await;
            candidate.map_err(RulebookError::from)?
        }
    };
    let project = store.projects().get(&project).await?;
    let project = project.ok_or_else(|| ApiError::no_such("project"))?;
    store.record_explained(&caller.name, &project.id).await?;
    let run = Run::new(
        project.id,
        project.pseudonym_key.as_bytes(),
        parameters.into_map(),
        chrono::Utc::now(),
    );
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
