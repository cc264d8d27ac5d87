//! Modules, their test cases, and what runs of them in a project or in all.

use axum::Json;
use axum::extract::{Path, Query, State};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::rulebook::RulebookError;
use crate::rules::{Chain, ModuleDetail, ModuleTests, Origin};

use super::super::auth::Caller;
use super::super::error::ApiError;
use super::super::state::AppState;

pub async fn module(
    State(state): State<AppState>,
    _caller: Caller,
    Path(name): Path<String>,
) -> Result<Json<ModuleDetail>, ApiError> {
    let rulebook = state.rulebook.clone();
    let found = tokio::task::spawn_blocking(move || rulebook.registry().module_detail(&name));
    let found = found
        .await
        .map_err(|_| ApiError::Internal("looking at a module stopped"))?;
    let found = found.map_err(RulebookError::from)?;
    found.map(Json).ok_or_else(|| ApiError::no_such("module"))
}

/// Runs a module's cases as they are now.
pub async fn test(
    State(state): State<AppState>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<Json<ModuleTests>, ApiError> {
    caller.require_admin()?;
    match state.rulebook.registry().origin_of(&name) {
        Some(Origin::Folder) => {}
        Some(Origin::Shipped) => {
            return Err(ApiError::Conflict(
                "The cases of modules that are part of Sluice are run where it is built, and not kept with it."
                    .into(),
            ));
        }
        None => return Err(ApiError::no_such("module")),
    }
    let rulebook = state.rulebook.clone();
    let told = tokio::task::spawn_blocking(move || rulebook.registry().test_module(&name))
        .await
        .map_err(|_| ApiError::Internal("running a module's cases stopped"))?;
    Ok(Json(told.map_err(RulebookError::from)?))
}

#[derive(Deserialize, JsonSchema)]
pub struct Of {
    /// A version's hash or its beginning; without it, what is active.
    version: Option<String>,
}

pub async fn project_chain(
    State(state): State<AppState>,
    caller: Caller,
    Path(project): Path<String>,
    Query(of): Query<Of>,
) -> Result<Json<Chain>, ApiError> {
    state.owned_project(&caller, &project).await?;
    let rules = match of.version {
        Some(given) => {
            let hash = super::hash::of_project(&state, &project, &given).await?;
            state.rulebook.version(&project, &hash).await?
        }
        None => state.rulebook.pin(&project).await?,
    };
    Ok(Json(rules.chain()))
}

/// What runs where a project says nothing of its own.
pub async fn site_chain(
    State(state): State<AppState>,
    caller: Caller,
) -> Result<Json<Chain>, ApiError> {
    caller.require_admin()?;
    let rules = state.rulebook.of_site(&[]).await;
    Ok(Json(rules.map_err(RulebookError::from)?.chain()))
}
