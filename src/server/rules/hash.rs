//! Versions as callers name them: by their hash, or by as much of its beginning as tells it from others.

use super::super::auth::Caller;
use super::super::error::ApiError;
use super::super::state::AppState;

/// What is printed of a hash has 12 characters.
const SHORTEST: usize = 8;

/// A version that was active in a project, in full.
pub async fn of_project(state: &AppState, project: &str, given: &str) -> Result<String, ApiError> {
    only(state, given, &[project.to_owned()]).await
}

/// A version that the caller may read: one that was active in a project that they own.
pub async fn readable(state: &AppState, caller: &Caller, given: &str) -> Result<String, ApiError> {
    if caller.admin {
        return one(given, candidates(state, given).await?);
    }
    let mut owned = Vec::new();
    for project in state.visible_projects(caller).await? {
        if state.owns(caller, &project.id).await? {
            owned.push(project.id);
        }
    }
    only(state, given, &owned).await
}

async fn only(state: &AppState, given: &str, projects: &[String]) -> Result<String, ApiError> {
    let rule_sets = state.store.rule_sets();
    let mut found = Vec::new();
    for hash in candidates(state, given).await? {
        for project in projects {
            if rule_sets.was_active(project, &hash).await? {
                found.push(hash);
                break;
            }
        }
    }
    one(given, found)
}

async fn candidates(state: &AppState, given: &str) -> Result<Vec<String>, ApiError> {
    match given.len() < SHORTEST {
        true => Ok(Vec::new()),
        false => Ok(state.store.rule_sets().beginning(given).await?),
    }
}

fn one(given: &str, mut found: Vec<String>) -> Result<String, ApiError> {
    let why = match (found.pop(), found.is_empty()) {
        (Some(hash), true) => return Ok(hash),
        (Some(_), false) => "Several versions begin with",
        (None, _) => "There is no version",
    };
    Err(ApiError::NotFound(
        format!("{why} {given:?}: give its hash, or at least {SHORTEST} characters that only it begins with.").into(),
    ))
}
