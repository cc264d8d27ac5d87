//! /xapi/overview: how the site does, for its administrators. XNAT has no such call.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Query, State};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::store::{AuditEntry, Leak, LeakySession, Period, Process, SYSTEM, now_ms};

use super::api::{Api, get};
use super::auth::Caller;
use super::error::ApiError;
use super::state::AppState;

/// Stretches of time that the history is told in.
const PERIODS: usize = 48;

/// A month: requests are not kept for ever.
const LONGEST: u32 = 24 * 31;

const MOST_LEAKY: usize = 100;
const MOST_ENTRIES: usize = 50;

/// The server's own steps are many; what people did is looked for among so many entries.
const MOST_LOOKED_THROUGH: i64 = 2000;

pub fn routes() -> Api {
    Api::new("Site").on(
        get(
            "/overview",
            "How the site does: queue, workers, imports over time, leaks, and who did what",
        )
        .query::<Span>()
        .json::<Overview>()
        .fails([403]),
        overview,
    )
}

#[derive(Deserialize, JsonSchema)]
struct Span {
    /// How far the history goes back, 24 without it.
    #[schemars(range(min = 1, max = 744))]
    hours: Option<u32>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Overview {
    /// By state.
    requests: BTreeMap<&'static str, i64>,
    sessions: BTreeMap<&'static str, i64>,
    /// How long the oldest request has waited, in milliseconds.
    oldest_queued: i64,
    /// Notices of webhooks that wait to be sent.
    pending_notices: i64,
    processes: Vec<Process>,
    /// What ended in each of 48 stretches of time, the oldest first.
    history: Vec<Period>,
    /// The sessions last made in which identifying values still stand.
    leaks: Vec<LeakyView>,
    /// The latest entries of the audit, but for what the server does by itself.
    audit: Vec<AuditEntry>,
}

#[derive(Serialize, JsonSchema)]
struct LeakyView {
    uri: String,
    project: String,
    subject: String,
    label: String,
    status: &'static str,
    leaks: Vec<LeakCount>,
}

#[derive(Serialize, JsonSchema)]
struct LeakCount {
    #[serde(flatten)]
    leak: Leak,
    files: u64,
}

async fn overview(
    State(state): State<AppState>,
    caller: Caller,
    Query(span): Query<Span>,
) -> Result<Json<Overview>, ApiError> {
    caller.require_admin()?;
    let hours = span.hours.unwrap_or(24);
    if !(1..=LONGEST).contains(&hours) {
        return Err(ApiError::BadRequest(
            format!("The parameter hours must be a number from 1 to {LONGEST}.").into(),
        ));
    }
    let length = i64::from(hours) * 3_600_000;
    let (since, step) = (now_ms() - length, length / PERIODS as i64);
    let now = state.store.overview().await?;
    // What ends while this is asked for belongs to the last stretch.
    let history = state.store.activity(since, step, PERIODS).await?;
    let leaky = state.store.leaky_sessions(MOST_LEAKY).await?;
    let audit = state.store.audit_trail(MOST_LOOKED_THROUGH).await?;
    let processes = state.store.processes().await?;
    let by_state = now.sessions.into_iter();
    let by_status = now.requests.into_iter();
    Ok(Json(Overview {
        requests: by_status.map(|(s, count)| (s.as_str(), count)).collect(),
        sessions: by_state.map(|(s, count)| (s.as_str(), count)).collect(),
        oldest_queued: now.oldest_queued_ms,
        pending_notices: now.pending_notices,
        processes,
        history,
        leaks: leaky.into_iter().map(LeakyView::from).collect(),
        audit: audit
            .into_iter()
            .filter(|entry| entry.username != SYSTEM)
            .take(MOST_ENTRIES)
            .collect(),
    }))
}

impl From<LeakySession> for LeakyView {
    fn from(leaky: LeakySession) -> LeakyView {
        let leaks = leaky.leaks.into_iter();
        LeakyView {
            uri: leaky.session.uri(),
            status: leaky.session.state.as_str(),
            project: leaky.session.project,
            subject: leaky.session.subject,
            label: leaky.session.label,
            leaks: leaks
                .map(|(leak, files)| LeakCount { leak, files })
                .collect(),
        }
    }
}
