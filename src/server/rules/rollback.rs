//! Going back to an earlier version.

use axum::Json;
use axum::extract::{FromRequest as _, Request, State};
use axum::http::{HeaderMap, header};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::rulebook::Author;

use super::super::api::Field;
use super::super::auth::Caller;
use super::super::error::ApiError;
use super::super::form::Parameters;
use super::super::state::AppState;
use super::{StatusView, check_reason, hash};

pub const FORM: &[Field] = &[
    ("project", "text", "The project."),
    ("ruleSet", "text", "The version's hash, or its beginning."),
    ("reason", "text", "For the history."),
];

/// The same as JSON.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rollback {
    /// The project.
    project: String,
    /// The version's hash, or its beginning.
    rule_set: String,
    /// For the history.
    #[serde(default)]
    #[schemars(length(max = 500))]
    reason: String,
}

impl Rollback {
    async fn of(request: Request, state: &AppState) -> Result<Rollback, ApiError> {
        if is_json(request.headers()) {
            let read = Json::<Rollback>::from_request(request, state).await;
            let Json(wanted) = read.map_err(|why| ApiError::BadRequest(why.body_text().into()))?;
            return Ok(wanted);
        }
        let parameters = Parameters::from_request(request, state).await?;
        let needed = |name: &str| {
            let missing =
                || ApiError::BadRequest(format!("The parameter {name} is required.").into());
            parameters.text(name).map(str::to_owned).ok_or_else(missing)
        };
        Ok(Rollback {
            project: needed("project")?,
            rule_set: needed("ruleSet")?,
            reason: parameters.text("reason").unwrap_or_default().to_owned(),
        })
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE);
    kind.and_then(|kind| kind.to_str().ok())
        .is_some_and(|kind| kind.to_ascii_lowercase().starts_with("application/json"))
}

pub async fn roll_back(
    State(state): State<AppState>,
    caller: Caller,
    request: Request,
) -> Result<Json<StatusView>, ApiError> {
    let wanted = Rollback::of(request, &state).await?;
    let project = wanted.project;
    state.owned_project(&caller, &project).await?;
    check_reason(&wanted.reason)?;
    let version = hash::of_project(&state, &project, &wanted.rule_set).await?;
    let author = Author {
        username: &caller.name,
        reason: &wanted.reason,
    };
    // An owner can't loosen what the site asks for.
    let rulebook = &state.rulebook;
    rulebook
        .roll_back(&project, &version, author, !caller.admin)
        .await?;
    Ok(Json(state.rulebook.status(&project).await?.into()))
}
