//! /xapi/rules: which rules are active, what the folder holds, every version there was, and going back.
//!
//! For administrators, and for a project's owners as far as it goes: they see and change their own
//! project's policy, and may go back to a version of it, but not past a change of the site's rules.

mod check;
mod explain;
mod files;
mod hash;
mod modules;
mod place;
mod rollback;
mod routes;
mod shadow;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use similar::TextDiff;

use crate::rulebook::{Author, ProjectStatus, RulebookError};
use crate::rules::{Change, Files, ModuleStatus};
use crate::store::Activation;

use super::auth::Caller;
use super::error::ApiError;
use super::state::AppState;

pub use routes::{file_routes, routes, slow_routes};

const LONGEST_REASON: usize = 500;
const DEFAULT_LIMIT: i64 = 100;
const LARGEST_LIMIT: i64 = 1000;

/// What is shown of a file that holds no text.
const BINARY: &str = "(no text)";

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "RulesStatus")]
struct StatusView {
    project: String,
    /// What imports run under.
    active: Option<ActivationView>,
    /// Of what the folder holds; absent if that is broken.
    draft: Option<String>,
    error: Option<String>,
    notes: Vec<String>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Activation")]
struct ActivationView {
    project: String,
    rule_set: String,
    at: i64,
    username: String,
    reason: String,
}

impl From<Activation> for ActivationView {
    fn from(of: Activation) -> Self {
        ActivationView {
            project: of.project,
            rule_set: of.rule_set,
            at: of.at,
            username: of.username,
            reason: of.reason,
        }
    }
}

impl From<ProjectStatus> for StatusView {
    fn from(of: ProjectStatus) -> Self {
        StatusView {
            project: of.project,
            active: of.active.map(ActivationView::from),
            draft: of.draft,
            error: of.error,
            notes: of.notes,
        }
    }
}

/// Of every project that the caller owns, an administrator's are all.
async fn status(
    State(state): State<AppState>,
    caller: Caller,
) -> Result<Json<Vec<StatusView>>, ApiError> {
    let mut views = Vec::new();
    for project in state.visible_projects(&caller).await? {
        if state.owns(&caller, &project.id).await? {
            views.push(state.rulebook.status(&project.id).await?.into());
        }
    }
    Ok(Json(views))
}

async fn list_modules(
    State(state): State<AppState>,
    _caller: Caller,
) -> Result<Json<Vec<ModuleStatus>>, ApiError> {
    let rulebook = state.rulebook.clone();
    // Each is compiled, to see whether it can be used.
    let modules = tokio::task::spawn_blocking(move || rulebook.registry().modules())
        .await
        .map_err(|_| ApiError::Internal("looking at the modules stopped"))?;
    Ok(Json(modules.map_err(RulebookError::from)?))
}

#[derive(Deserialize, JsonSchema)]
struct Which {
    /// Without it all, for administrators.
    project: Option<String>,
    /// 1 to 1000, else 100.
    limit: Option<i64>,
}

/// The history, the newest first.
async fn versions(
    State(state): State<AppState>,
    caller: Caller,
    Query(which): Query<Which>,
) -> Result<Json<Vec<ActivationView>>, ApiError> {
    match &which.project {
        Some(project) => drop(state.owned_project(&caller, project).await?),
        None => caller.require_admin()?,
    }
    let limit = which.limit.unwrap_or(DEFAULT_LIMIT);
    if !(1..=LARGEST_LIMIT).contains(&limit) {
        return Err(ApiError::BadRequest(
            format!("The limit must be 1 to {LARGEST_LIMIT}.").into(),
        ));
    }
    let rule_sets = state.store.rule_sets();
    let history = rule_sets.history(which.project.as_deref(), limit).await?;
    Ok(Json(history.into_iter().map(Into::into).collect()))
}

#[derive(Deserialize, JsonSchema)]
struct WhichFile {
    /// Its path.
    file: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct FileView {
    path: String,
    size: usize,
}

/// The names of a version's files, or one file.
async fn version(
    State(state): State<AppState>,
    caller: Caller,
    Path(hash): Path<String>,
    Query(which): Query<WhichFile>,
) -> Result<Response, ApiError> {
    let files = readable_version(&state, &caller, &hash).await?;
    let Some(name) = which.file else {
        let files = files.iter();
        let names: Vec<FileView> = files
            .map(|(path, content)| FileView {
                path: path.clone(),
                size: content.len(),
            })
            .collect();
        return Ok(Json(names).into_response());
    };
    let content = files.get(&name).ok_or(ApiError::Nothing)?;
    let kind = match std::str::from_utf8(content) {
        Ok(_) => "text/plain; charset=utf-8",
        Err(_) => "application/octet-stream",
    };
    Ok(([(header::CONTENT_TYPE, kind)], content.to_vec()).into_response())
}

#[derive(Deserialize, JsonSchema)]
struct FromTo {
    /// A version's hash, or its beginning.
    from: String,
    /// A version's hash, or its beginning.
    to: String,
}

/// What differs between two versions, as a unified diff.
async fn diff(
    State(state): State<AppState>,
    caller: Caller,
    Query(between): Query<FromTo>,
) -> Result<String, ApiError> {
    let from = readable_version(&state, &caller, &between.from).await?;
    let to = readable_version(&state, &caller, &between.to).await?;
    Ok(unified_diff(&from, &to))
}

/// Looks at the folder for all projects now.
async fn reload(
    State(state): State<AppState>,
    caller: Caller,
) -> Result<Json<Vec<StatusView>>, ApiError> {
    caller.require_admin()?;
    state.rulebook.refresh_all(Author::FILES).await?;
    status(State(state), caller).await
}

async fn site_policy(State(state): State<AppState>, caller: Caller) -> Result<Response, ApiError> {
    caller.require_admin()?;
    send_policy(&state, SITE_POLICY).await
}

async fn project_policy(
    State(state): State<AppState>,
    caller: Caller,
    Path(project): Path<String>,
) -> Result<Response, ApiError> {
    state.owned_project(&caller, &project).await?;
    send_policy(&state, &policy_of(&project)).await
}

/// The site's policy, if every project is good with it.
async fn put_site_policy(
    State(state): State<AppState>,
    caller: Caller,
    Query(query): Query<Reason>,
    body: Bytes,
) -> Result<StatusCode, ApiError> {
    caller.require_admin()?;
    let projects = all_projects(&state).await?;
    put_policy(&state, &caller, &projects, SITE_POLICY, query, body).await
}

/// A project's policy, if it is good.
async fn put_project_policy(
    State(state): State<AppState>,
    caller: Caller,
    Path(project): Path<String>,
    Query(query): Query<Reason>,
    body: Bytes,
) -> Result<StatusCode, ApiError> {
    state.owned_project(&caller, &project).await?;
    let path = policy_of(&project);
    put_policy(&state, &caller, &[project], &path, query, body).await
}

#[derive(Deserialize, JsonSchema)]
struct Reason {
    /// For the history.
    #[schemars(length(max = 500))]
    reason: Option<String>,
}

async fn all_projects(state: &AppState) -> Result<Vec<String>, ApiError> {
    let projects = state.store.projects().list().await?;
    Ok(projects.into_iter().map(|project| project.id).collect())
}

const SITE_POLICY: &str = "site/policy.json";

fn policy_of(project: &str) -> String {
    format!("projects/{project}/policy.json")
}

async fn send_policy(state: &AppState, path: &str) -> Result<Response, ApiError> {
    match tokio::fs::read(state.config.rules().join(path)).await {
        Ok(text) => Ok(([(header::CONTENT_TYPE, "application/json")], text).into_response()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(ApiError::Nothing),
        Err(source) => Err(ApiError::io("the rules folder")(source)),
    }
}

async fn put_policy(
    state: &AppState,
    caller: &Caller,
    projects: &[String],
    path: &str,
    query: Reason,
    body: Bytes,
) -> Result<StatusCode, ApiError> {
    let reason = query.reason.unwrap_or_default();
    check_reason(&reason)?;
    let change = Change {
        path: path.to_owned(),
        content: Some(body.to_vec().into()),
    };
    let author = Author {
        username: &caller.name,
        reason: &reason,
    };
    let _alone = state.changing_rules.lock().await;
    state.rulebook.change(projects, &[change], author).await?;
    Ok(StatusCode::OK)
}

/// Refuses a reason that is too long to be kept.
pub fn check_reason(reason: &str) -> Result<(), ApiError> {
    match reason.chars().count() <= LONGEST_REASON {
        true => Ok(()),
        false => Err(ApiError::BadRequest(
            format!("The reason may have up to {LONGEST_REASON} characters.").into(),
        )),
    }
}

/// A version that was active in a project that the caller owns.
async fn readable_version(
    state: &AppState,
    caller: &Caller,
    given: &str,
) -> Result<Files, ApiError> {
    let hash = hash::readable(state, caller, given).await?;
    Ok(state.store.rule_sets().files(&hash).await?)
}

fn unified_diff(from: &Files, to: &Files) -> String {
    let mut text = String::new();
    let paths: std::collections::BTreeSet<&String> = from.keys().chain(to.keys()).collect();
    for path in paths {
        let (old, new) = (from.get(path), to.get(path));
        if old == new {
            continue;
        }
        let shown = |content: Option<&std::sync::Arc<[u8]>>| match content {
            None => String::new(),
            Some(content) => match std::str::from_utf8(content) {
                Ok(text) => text.to_owned(),
                Err(_) => format!("{BINARY}, {} bytes\n", content.len()),
            },
        };
        let (old, new) = (shown(old), shown(new));
        let diff = TextDiff::from_lines(&old, &new);
        text.push_str(&diff.unified_diff().header(path, path).to_string());
    }
    text
}

impl From<RulebookError> for ApiError {
    fn from(error: RulebookError) -> Self {
        match error {
            RulebookError::Store(error) => ApiError::Store(error),
            RulebookError::Files(source) => ApiError::Io {
                what: "the rules folder",
                source,
            },
            RulebookError::NoVersion(_) => ApiError::NotFound(error.to_string().into()),
            RulebookError::OtherSite(_) => ApiError::Forbidden(error.to_string().into()),
            RulebookError::Rules(_) => ApiError::BadRequest(error.to_string().into()),
            RulebookError::Outdated { .. } => ApiError::Conflict(error.to_string().into()),
        }
    }
}
