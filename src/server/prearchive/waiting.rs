//! GET /xapi/prearchive: the sessions that wait, page by page, with what a list of them shows. Not XNAT's.

use axum::Json;
use axum::extract::{Query, State};
use axum::http::HeaderName;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::store::{Session, SessionState};

use super::super::api::{Api, get};
use super::super::auth::Caller;
use super::super::error::ApiError;
use super::super::state::AppState;

const TOTAL: HeaderName = HeaderName::from_static("x-total-count");

/// The largest page, and that of a call that names none.
const LARGEST_PAGE: usize = 500;

pub fn routes() -> Api {
    Api::new(super::FAMILY).on(
        get(
            "/prearchive",
            "Waiting sessions that the caller may edit, the last changed first",
        )
        .query::<Search>()
        .json::<Vec<Waiting>>(),
        list,
    )
}

/// What restricts the list, and cuts it into pages.
#[derive(Deserialize, JsonSchema)]
struct Search {
    /// A project's id; Unassigned for sessions of none.
    project: Option<String>,
    /// READY, CONFLICT, QUARANTINED or another state.
    status: Option<String>,
    /// A part of the subject's or the session's label, in any letter case.
    q: Option<String>,
    /// At most so many; `X-Total-Count` tells how many there are.
    limit: Option<usize>,
    /// Without the first ones.
    offset: Option<usize>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "WaitingSession")]
struct Waiting {
    /// Its address below `/data`.
    uri: String,
    status: &'static str,
    project: String,
    subject: String,
    label: String,
    modality: String,
    scan_date: Option<String>,
    /// Milliseconds since 1970.
    uploaded: i64,
    lastmod: i64,
    identified: bool,
    reason: Option<String>,
    scans: usize,
    files: u64,
    bytes: u64,
}

async fn list(
    State(state): State<AppState>,
    caller: Caller,
    Query(search): Query<Search>,
) -> Result<([(HeaderName, String); 1], Json<Vec<Waiting>>), ApiError> {
    let limit = search.limit.unwrap_or(LARGEST_PAGE);
    if !(1..=LARGEST_PAGE).contains(&limit) {
        return Err(ApiError::BadRequest(
            format!("The parameter limit must be a number from 1 to {LARGEST_PAGE}.").into(),
        ));
    }
    let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let project = given(&search.project);
    let status = match given(&search.status) {
        None => None,
        Some(text) => Some(SessionState::from_text(&text).ok_or_else(|| {
            ApiError::BadRequest("The parameter status names no state of a session.".into())
        })?),
    };
    let text = given(&search.q).map(|text| text.to_lowercase());
    let mut sessions = super::editable(&state, &caller, project.as_deref()).await?;
    sessions.retain(|session| {
        let holds = |text: &String| {
            [&session.subject, &session.label]
                .iter()
                .any(|label| label.to_lowercase().contains(text))
        };
        status.is_none_or(|status| session.state == status) && text.as_ref().is_none_or(holds)
    });
    sessions.sort_by_key(|session| std::cmp::Reverse((session.lastmod, session.id)));
    let total = sessions.len();
    let page = sessions.into_iter().skip(search.offset.unwrap_or(0));
    let mut rows = Vec::new();
    for session in page.take(limit) {
        rows.push(row(&state, session).await?);
    }
    Ok(([(TOTAL, total.to_string())], Json(rows)))
}

async fn row(state: &AppState, session: Session) -> Result<Waiting, ApiError> {
    let scans = state.store.sessions().scans(session.id).await?;
    let sum = |of: fn(&crate::store::ScanSummary) -> i64| scans.iter().map(of).sum::<i64>();
    Ok(Waiting {
        uri: session.uri(),
        status: session.state.as_str(),
        scans: scans.len(),
        files: sum(|scan| scan.files).unsigned_abs(),
        bytes: sum(|scan| scan.bytes).unsigned_abs(),
        project: session.project,
        subject: session.subject,
        label: session.label,
        modality: session.modality,
        scan_date: session.scan_date,
        uploaded: session.uploaded,
        lastmod: session.lastmod,
        identified: session.identified,
        reason: session.reason,
    })
}
