//! Changes of the rules folder looked at before they are made: what is wrong with them, and what they change.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::rules::check::{Candidate, Finding, Severity};
use crate::rules::{Change, Files, RuleSetError};

use super::super::auth::Caller;
use super::super::error::ApiError;
use super::super::state::AppState;
use super::place;

#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "Changes")]
pub struct Wanted {
    /// Texts by the files' paths below the rules folder (`site/…`, `projects/ID/…`, `modules/NAME/…`); null takes
    /// one away.
    changes: Map<String, Value>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ChangesChecked")]
pub struct Checked {
    /// Errors and warnings. Without an error, the changes can be made.
    findings: Vec<Finding>,
    /// What the changes are, as a unified diff.
    diff: String,
    /// The projects whose rules they would change.
    projects: Vec<String>,
}

/// Of who may make the changes.
pub async fn check(
    State(state): State<AppState>,
    caller: Caller,
    Json(wanted): Json<Wanted>,
) -> Result<Json<Checked>, ApiError> {
    let changes = place::changes(&state, &caller, &wanted.changes).await?;
    let diff = diff(&state, &changes).await?;
    let (root, changed) = (state.config.rules(), changes.clone());
    let looked = tokio::task::spawn_blocking(move || {
        let candidate = Candidate::new(&root, &changed)?;
        let findings = candidate.findings();
        Ok((candidate, findings))
    });
    let (candidate, mut findings) = looked
        .await
        .map_err(|_| ApiError::Internal("looking at rules stopped"))?
        .map_err(ApiError::io("the rules could not be looked at"))?;
    let mut projects = Vec::new();
    if findings.iter().all(|f| f.severity != Severity::Error) {
        match staged(&state, &changes).await? {
            Ok(concerned) => projects = concerned,
            Err(error) => findings.push(candidate.finding(&error)),
        }
    }
    // An owner's change is of their own project; who else there is is not theirs to know.
    Ok(Json(Checked {
        findings,
        diff,
        projects,
    }))
}

/// Whether all that is concerned would be good with the changes.
async fn staged(
    state: &AppState,
    changes: &[Change],
) -> Result<Result<Vec<String>, RuleSetError>, ApiError> {
    let rulebook = &state.rulebook;
    let below = |folder: &str| -> BTreeSet<String> {
        let paths = changes.iter().filter_map(|c| c.path.strip_prefix(folder));
        paths
            .filter_map(|path| Some(path.split_once('/')?.0.to_owned()))
            .collect()
    };
    let (own, modules) = (below("projects/"), below("modules/"));
    for module in modules {
        let (rulebook, changes) = (rulebook.clone(), changes.to_vec());
        let staged = tokio::task::spawn_blocking(move || {
            rulebook
                .registry()
                .stage_module(&module, &changes)
                .map(drop)
        });
        let staged = staged
            .await
            .map_err(|_| ApiError::Internal("looking at a module stopped"))?;
        if let Err(error) = staged {
            return Ok(Err(error));
        }
    }
    let is_of_all = changes.iter().any(|c| !c.path.starts_with("projects/"));
    let projects = match is_of_all {
        true => super::all_projects(state).await?,
        false => own.into_iter().collect(),
    };
    // A project whose own policy is broken by the same as before is told all the same.
    for project in projects.iter().filter(|_| !is_of_all) {
        if let Err(error) = rulebook.stage_changes(project, changes).await {
            return Ok(Err(error));
        }
    }
    if is_of_all && let Err(error) = rulebook.of_site(changes).await {
        let is_of_site = changes.iter().any(|c| c.path.starts_with("site/"));
        if is_of_site {
            return Ok(Err(error));
        }
    }
    Ok(rulebook.concerned(&projects, changes).await)
}

/// Against what is active where the changes are of one project. The site's files and modules, which one project may
/// have in another version than the next, against the folder.
async fn diff(state: &AppState, changes: &[Change]) -> Result<String, ApiError> {
    let (mut from, mut to) = (Files::new(), Files::new());
    for change in changes {
        // One that can't be read is shown as new.
        if let Ok(Some(old)) = state.rulebook.registry().file(&change.path) {
            from.insert(change.path.clone(), old);
        }
        if let Some(new) = &change.content {
            to.insert(change.path.clone(), new.clone());
        }
    }
    let project = of_one_project(changes);
    let rule_sets = state.store.rule_sets();
    if let Some(project) = project
        && let Some(active) = rule_sets.active(project).await?
    {
        let active = in_folder(project, rule_sets.files(&active.rule_set).await?);
        // What else the folder holds by now becomes active with the changes.
        let draft = state.rulebook.registry().draft(project, changes);
        let draft = draft.map_or_else(|_| Files::new(), |draft| draft.files().clone());
        for (path, new) in in_folder(project, draft) {
            if path.ends_with("/policy.json") || active.contains_key(&path) {
                to.insert(path, new);
            }
        }
        from.retain(|path, _| !path.ends_with("/policy.json"));
        let is_shown = |path: &String| {
            to.contains_key(path) || changes.iter().any(|change| change.path == *path)
        };
        let both = active.into_iter().filter(|(path, _)| is_shown(path));
        from.extend(both);
    }
    for (path, new) in &mut to {
        let Some(old) = from.get_mut(path) else {
            continue;
        };
        // What is only laid out in another way is not what a reader looks for.
        if let (Some(was), Some(is)) = (laid_out(path, old), laid_out(path, new))
            && was != is
        {
            (*old, *new) = (was.as_bytes().into(), is.as_bytes().into());
        }
    }
    Ok(super::unified_diff(&from, &to))
}

/// The project whose files all changes are.
fn of_one_project(changes: &[Change]) -> Option<&str> {
    let mut projects = changes.iter().map(|change| {
        let below = change.path.strip_prefix("projects/")?;
        Some(below.split_once('/')?.0)
    });
    let first = projects.next()??;
    projects.all(|other| other == Some(first)).then_some(first)
}

/// A version's files by their paths in the folder.
fn in_folder(project: &str, files: Files) -> Files {
    let files = files.into_iter();
    let named = files.map(|(path, text)| match path.strip_prefix("project/") {
        Some(file) => (format!("projects/{project}/{file}"), text),
        None => (path, text),
    });
    named.collect()
}

/// A JSON document in the layout that all of them have here.
fn laid_out(path: &str, text: &[u8]) -> Option<String> {
    let value: Value = match path.ends_with(".json") {
        true => serde_json::from_slice(text).ok()?,
        false => return None,
    };
    Some(serde_json::to_string_pretty(&value).ok()? + "\n")
}
