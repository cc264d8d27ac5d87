//! Looking at a waiting session that needs a decision, and deciding: what stands in its way, what rules and
//! the leak check found, another label, release from quarantine, purge. None of it is XNAT's.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::Response;
use schemars::JsonSchema;
use serde::Serialize;

use crate::archive::{ArchiveOptions, Conflict, Release};
use crate::rules::Overwrite;
use crate::store::{Area, Findings, Leak};

use super::api::{Api, Field, get, post, put};
use super::auth::Caller;
use super::error::ApiError;
use super::form::Parameters;
use super::import::{check_label, overwrite};
use super::prearchive::{
    FAMILY, Place, SESSION, actions, check_owner_of_held, delete_all, find, find_sources, rows,
    to_its_end, uri_of, view_of_rows,
};
use super::rules::check_reason;
use super::state::AppState;

const RELEASE: &[Field] = &[
    (
        "src",
        "text",
        "A session's address; may come several times.",
    ),
    ("reason", "text", "Kept with the session."),
    (
        "overwrite",
        "none|append|delete",
        "What may happen to a session that waits under the same label.",
    ),
];

const PURGE: &[Field] = &[(
    "src",
    "text",
    "A session's address; may come several times.",
)];

pub fn routes() -> Api {
    Api::new(FAMILY)
        .on(
            actions::acting(put(
                SESSION,
                "Give a waiting session another label or subject, or act on it",
            )),
            relabel,
        )
        .on(
            get(
                format!("{SESSION}/conflicts"),
                "What stands in the way of archiving a session",
            )
            .json::<Vec<Conflict>>()
            .fails([403]),
            conflicts,
        )
        .on(
            get(
                format!("{SESSION}/review"),
                "Why a session is where it is, and which files hold what; no values",
            )
            .json::<Review>()
            .fails([403]),
            review,
        )
        .on(
            post(
                "/services/prearchive/release",
                "Let sessions out of quarantine",
            )
            .form(RELEASE)
            .table()
            .fails([404, 409]),
            release,
        )
        .on(
            post("/services/prearchive/purge", "Delete sessions, as an owner")
                .form(PURGE)
                .table()
                .fails([404, 409]),
            purge,
        )
}

/// What a plain call to archive the session would be answered with, and the sessions that stand in the way.
async fn conflicts(
    State(state): State<AppState>,
    caller: Caller,
    Path(place): Path<Place>,
) -> Result<Json<Vec<Conflict>>, ApiError> {
    let session = find(&state, &caller, &place).await?;
    Ok(Json(state.archive.conflicts(&session).await?))
}

/// What a reviewer needs: why the session is where it is, and which files hold what. No values.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Review {
    uri: String,
    status: &'static str,
    project: String,
    subject: String,
    label: String,
    reason: Option<String>,
    identified: bool,
    rule_set: Option<String>,
    archive_rule_set: Option<String>,
    /// The import's report, which names every file that was found.
    report: Option<String>,
    leaks: Vec<LeakCount>,
    /// Those of which there is something to say.
    files: Vec<FileReview>,
}

#[derive(Serialize, JsonSchema)]
struct LeakCount {
    #[serde(flatten)]
    leak: Leak,
    files: u64,
}

#[derive(Serialize, JsonSchema)]
struct FileReview {
    file: String,
    #[serde(flatten)]
    findings: Findings,
}

async fn review(
    State(state): State<AppState>,
    caller: Caller,
    Path(place): Path<Place>,
) -> Result<Json<Review>, ApiError> {
    let session = find(&state, &caller, &place).await?;
    let files = state.store.sessions().files(session.id, None).await?;
    let mut leaks: BTreeMap<Leak, u64> = BTreeMap::new();
    for leak in files.iter().flat_map(|file| &file.findings.leaks) {
        *leaks.entry(leak.clone()).or_default() += 1;
    }
    let found = files.into_iter().filter(|f| !f.findings.is_empty());
    Ok(Json(Review {
        uri: format!("/data{}", session.uri()),
        status: session.state.as_str(),
        project: session.project,
        subject: session.subject,
        label: session.label,
        reason: session.reason,
        identified: session.identified,
        rule_set: session.rule_set,
        archive_rule_set: session.archive_rule_set,
        report: session.request.map(|id| format!("/xapi/dicom/{id}/report")),
        leaks: leaks
            .into_iter()
            .map(|(leak, files)| LeakCount { leak, files })
            .collect(),
        files: found
            .map(|file| FileReview {
                file: file.below_session().to_string_lossy().into_owned(),
                findings: file.findings,
            })
            .collect(),
    }))
}

/// Another label or subject for a waiting session, or one of XNAT's actions. Rows and folder change; what rules have
/// stamped into the files at the import stays.
async fn relabel(
    State(state): State<AppState>,
    caller: Caller,
    Path(place): Path<Place>,
    parameters: Parameters,
) -> Result<Response, ApiError> {
    let session = find(&state, &caller, &place).await?;
    if parameters.text("action").is_some() {
        return actions::act(&state, &caller, session, &parameters).await;
    }
    check_owner_of_held(&state, &caller, &session).await?;
    let (label, subject) = (parameters.text("label"), parameters.text("subject"));
    check_label("label", label)?;
    check_label("subject", subject)?;
    if label.is_none() && subject.is_none() {
        return Err(ApiError::BadRequest(
            "Give the new label or subject as the parameter label or subject.".into(),
        ));
    }
    let options = ArchiveOptions {
        label: label.map(str::to_owned),
        subject: subject.map(str::to_owned),
        ..ArchiveOptions::default()
    };
    let archive = state.archive.clone();
    let moved =
        to_its_end(async move { archive.relabel(&session, &options, &caller.name).await }).await?;
    Ok(uri_of(&moved))
}

/// Lets sessions out of quarantine into the prearchive, and no further. All are looked up before the first
/// is touched.
async fn release(
    State(state): State<AppState>,
    caller: Caller,
    parameters: Parameters,
) -> Result<Response, ApiError> {
    let view = view_of_rows(&parameters)?;
    let sessions = find_sources(&state, &caller, &parameters).await?;
    for session in &sessions {
        state.owned_project(&caller, &session.project).await?;
        if session.area() != Area::Quarantine {
            return Err(ApiError::Conflict(
                format!("/data{} is not in quarantine.", session.uri()).into(),
            ));
        }
    }
    let reason = parameters.text("reason").unwrap_or_default();
    check_reason(reason)?;
    let overwrite = overwrite(&parameters)?.unwrap_or(Overwrite::None);
    let release = Release {
        reason: reason.to_owned(),
        merge: overwrite >= Overwrite::Append,
        overwrite_files: overwrite == Overwrite::Delete,
    };
    let importer = state.importer.clone();
    let released = to_its_end(async move {
        let mut released = Vec::new();
        for session in &sessions {
            let ended = importer.release_session(session, release.clone(), &caller.name);
            released.push(ended.await?);
        }
        Ok(released)
    })
    .await?;
    rows(released).answer(&view)
}

/// Removes sessions for good. Like XNAT's delete, but for owners alone.
async fn purge(
    State(state): State<AppState>,
    caller: Caller,
    parameters: Parameters,
) -> Result<Response, ApiError> {
    let view = view_of_rows(&parameters)?;
    let sessions = find_sources(&state, &caller, &parameters).await?;
    for session in &sessions {
        state.owned_project(&caller, &session.project).await?;
    }
    let purged = delete_all(&state, &caller, sessions).await?;
    rows(purged).answer(&view)
}
