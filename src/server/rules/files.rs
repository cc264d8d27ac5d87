//! The files of modules, and those beside a policy (DicomEdit scripts, tables): read, and written as any change of
//! the rules folder is: what is broken is refused and nothing is written, what is good is active when the call
//! returns.

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use crate::rulebook::{Author, RulebookError};
use crate::rules::check::{Candidate, Severity};
use crate::rules::{Change, Origin};

use super::super::auth::Caller;
use super::super::error::ApiError;
use super::super::state::AppState;
use super::place::{self, Place};
use super::unchanged::{IfMatch, tagged};
use super::{Reason, check_reason};

/// What may stand beside a policy; the policy has a call of its own.
const BESIDE_A_POLICY: [&str; 2] = ["das", "csv"];

/// Of the files beside a policy.
#[derive(Deserialize)]
pub struct OfPolicy {
    /// None where it is the site's.
    project: Option<String>,
    file: String,
}

#[derive(Deserialize)]
pub struct OfModule {
    name: String,
    file: String,
}

/// Of a shipped module everybody may read the files; they are in the program.
pub async fn module_file(
    State(state): State<AppState>,
    caller: Caller,
    Path(of): Path<OfModule>,
) -> Result<Response, ApiError> {
    let module = origin(&state, &of.name).await;
    if module != Some(Origin::Shipped) {
        caller.require_admin()?;
    }
    Place::Module(of.name.clone()).file(&of.file)?;
    let found = state.rulebook.registry().module_file(&of.name, &of.file);
    send(found.map_err(RulebookError::from)?)
}

pub async fn put_module_file(
    State(state): State<AppState>,
    caller: Caller,
    Path(of): Path<OfModule>,
    Query(query): Query<Reason>,
    unchanged: IfMatch,
    body: Bytes,
) -> Result<StatusCode, ApiError> {
    caller.require_admin()?;
    let path = Place::Module(of.name.clone()).file(&of.file)?;
    match origin(&state, &of.name).await {
        Some(Origin::Folder) => {}
        Some(Origin::Shipped) => {
            return Err(ApiError::Conflict(
                "This module is part of Sluice and can't be changed: copy it to rules/modules under another name."
                    .into(),
            ));
        }
        None => return Err(ApiError::no_such("module")),
    }
    let reason = query.reason.unwrap_or_default();
    check_reason(&reason)?;
    let changes = [place::change(path, &body)];
    check_belongs(&state, &of, &changes)?;
    check_by_itself(&state, &changes).await?;
    let author = Author {
        username: &caller.name,
        reason: &reason,
    };
    let projects = super::all_projects(&state).await?;
    let _alone = state.changing_rules.lock().await;
    unchanged.check(&state, &changes[0].path).await?;
    let rulebook = &state.rulebook;
    rulebook
        .change_module(&projects, &of.name, &changes, author)
        .await?;
    let store = &state.store;
    store.record_module_changed(&caller.name, &of.name).await?;
    Ok(StatusCode::OK)
}

pub async fn policy_file(
    State(state): State<AppState>,
    caller: Caller,
    Path(of): Path<OfPolicy>,
) -> Result<Response, ApiError> {
    let (_, path) = beside(&state, &caller, of).await?;
    let found = state.rulebook.registry().file(&path);
    send(found.map_err(RulebookError::from)?)
}

/// What the policy does not name is checked by itself, and waits to be named.
pub async fn put_policy_file(
    State(state): State<AppState>,
    caller: Caller,
    Path(of): Path<OfPolicy>,
    Query(query): Query<Reason>,
    unchanged: IfMatch,
    body: Bytes,
) -> Result<StatusCode, ApiError> {
    let (place, path) = beside(&state, &caller, of).await?;
    let reason = query.reason.unwrap_or_default();
    check_reason(&reason)?;
    let changes = [place::change(path, &body)];
    check_by_itself(&state, &changes).await?;
    let author = Author {
        username: &caller.name,
        reason: &reason,
    };
    let projects = match place {
        Place::Project(id) => vec![id],
        _ => super::all_projects(&state).await?,
    };
    let _alone = state.changing_rules.lock().await;
    unchanged.check(&state, &changes[0].path).await?;
    state.rulebook.change(&projects, &changes, author).await?;
    Ok(StatusCode::OK)
}

async fn beside(
    state: &AppState,
    caller: &Caller,
    of: OfPolicy,
) -> Result<(Place, String), ApiError> {
    let place = of.project.map_or(Place::Site, Place::Project);
    place.check_may_change(state, caller).await?;
    let path = place.file(&of.file)?;
    let extension = of.file.rsplit_once('.').map(|(_, extension)| extension);
    match extension.is_some_and(|extension| BESIDE_A_POLICY.contains(&extension)) {
        true => Ok((place, path)),
        false => Err(ApiError::BadRequest(
            "Only scripts (.das) and tables (.csv) stand beside a policy.".into(),
        )),
    }
}

async fn origin(state: &AppState, name: &str) -> Option<Origin> {
    let registry = state.rulebook.registry();
    registry.origin_of(name)
}

/// A file that the module does not consist of would have no effect.
fn check_belongs(state: &AppState, of: &OfModule, changes: &[Change]) -> Result<(), ApiError> {
    let registry = state.rulebook.registry();
    match registry.has_module_file(&of.name, &of.file, changes) {
        // What is wrong with the module as a whole is told where it is staged.
        Ok(true) | Err(_) => Ok(()),
        Ok(false) => Err(ApiError::BadRequest(
            format!(
                "{} is no file of this module: it has its manifest, what that names, and settings.schema.json.",
                of.file
            )
            .into(),
        )),
    }
}

/// What compiles may still fail wherever a file comes to it: whoever writes by a call is told so, and not only the
/// author of the next import's report.
async fn check_by_itself(state: &AppState, changes: &[Change]) -> Result<(), ApiError> {
    let (root, changes) = (state.config.rules(), changes.to_vec());
    let looked = tokio::task::spawn_blocking(move || {
        Candidate::new(&root, &changes).map(|candidate| candidate.findings())
    });
    let findings = looked
        .await
        .map_err(|_| ApiError::Internal("looking at a rules file stopped"))?
        .map_err(ApiError::io("a rules file could not be looked at"))?;
    let error = findings.iter().find(|f| f.severity == Severity::Error);
    match error {
        None => Ok(()),
        Some(finding) => {
            let place = finding
                .position
                .map(|at| format!("{at}: "))
                .unwrap_or_default();
            let file = finding.file.display();
            Err(ApiError::BadRequest(
                format!("{file}: {place}{}", finding.message).into(),
            ))
        }
    }
}

fn send(found: Option<std::sync::Arc<[u8]>>) -> Result<Response, ApiError> {
    let content = found.ok_or(ApiError::Nothing)?;
    let kind = match std::str::from_utf8(&content) {
        Ok(_) => "text/plain; charset=utf-8",
        Err(_) => "application/octet-stream",
    };
    let kind = [(header::CONTENT_TYPE, kind)];
    Ok((kind, tagged(&content), content.to_vec()).into_response())
}
