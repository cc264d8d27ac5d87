//! Following a request: an answer that waits for its end, and server-sent events.
//!
//! Neither asks the database over and over: the store tells of each change, and of those that it can't
//! know of (another process's) a slow look does. A stream asks before each event whether its caller may
//! still see the request.

use std::collections::BTreeSet;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use futures_util::stream::{self, Stream};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, sleep, sleep_until};

use crate::store::{Counts, ImportRequest, Status};

use super::super::auth::Caller;
use super::super::error::ApiError;
use super::super::state::AppState;
use super::view::{SessionView, View};
use super::{is_own, own_request};

/// The most that a caller may ask an answer to wait.
pub const LONGEST_WAIT: Duration = Duration::from_secs(300);

/// How often a follower looks without being told of a change.
const LOOK: Duration = Duration::from_secs(5);

/// Changes that come within that time are told together.
const GATHER: Duration = Duration::from_millis(300);

/// Below the time after which proxies take a silent connection for dead.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

#[derive(Deserialize, JsonSchema)]
pub struct Wait {
    /// Answer when the request has ended, or after that many seconds.
    #[schemars(with = "Option<u64>", range(max = 300))]
    wait: Option<String>,
}

/// Where a request stands; with `wait`, when it has ended, or after that many seconds.
pub async fn show(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
    Query(query): Query<Wait>,
) -> Result<Json<View>, ApiError> {
    let wait = query
        .wait
        .as_deref()
        .map_or(Some(0), |wait| wait.parse().ok());
    let wait = wait
        .map(Duration::from_secs)
        .filter(|wait| *wait <= LONGEST_WAIT)
        .ok_or_else(|| {
            let most = LONGEST_WAIT.as_secs();
            ApiError::BadRequest(
                format!("The parameter wait must be a number of seconds from 0 to {most}.").into(),
            )
        })?;
    // Before the first look, so that no change falls between.
    let mut changes = state.store.changes();
    let mut stopping = state.stopping.subscribe();
    let deadline = Instant::now() + wait;
    let mut request = own_request(&state, &caller, &id).await?;
    while !request.status.is_final() && Instant::now() < deadline && !*stopping.borrow() {
        tokio::select! {
            () = change_of(&mut changes, request.id) => {}
            () = sleep(LOOK) => {}
            () = sleep_until(deadline) => {}
            _ = stopping.wait_for(|stopping| *stopping) => {}
        }
        let still = caller.again(&state).await?;
        let still =
            still.ok_or_else(|| ApiError::Unauthorized("Authentication required.".into()))?;
        request = own_request(&state, &still, &id).await?;
    }
    Ok(Json(View::of(&state, request).await?))
}

/// Waits until a request has ended, and answers what became of it; none if the server goes down before.
pub async fn ended(state: &AppState, id: i64) -> Result<Option<ImportRequest>, ApiError> {
    let mut changes = state.store.changes();
    let mut stopping = state.stopping.subscribe();
    loop {
        match state.store.requests().get(id).await? {
            Some(request) if !request.status.is_final() => {}
            // Forgotten at once: nothing is known of it.
            ended => return Ok(ended),
        }
        tokio::select! {
            () = change_of(&mut changes, id) => {}
            () = sleep(LOOK) => {}
            _ = stopping.wait_for(|stopping| *stopping) => return Ok(None),
        }
    }
}

/// Resolves when a request may have changed.
async fn change_of(changes: &mut Receiver<i64>, request: i64) {
    loop {
        match changes.recv().await {
            Ok(changed) if changed == request => return,
            Ok(_) => {}
            // Among what was missed may be this one's.
            Err(RecvError::Lagged(_)) => return,
            // The store goes last of all; the slow look serves until then.
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
}

/// What an event tells.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Told {
    id: i64,
    status: Status,
    counts: Counts,
    bytes: i64,
    resolution: Option<String>,
    cancel_asked: Option<i64>,
    waiting: Option<String>,
    /// At the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    sessions: Option<Vec<SessionView>>,
}

/// `status` at once, at each change of it, when its cancelling is asked for and when it waits or goes on, `progress`
/// when counts move, `end` last. An event's id is the time of the change, so that a client which comes back after the
/// end is told to stay away (204).
pub async fn events(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let changes = state.store.changes();
    let request = own_request(&state, &caller, &id).await?;
    let seen = headers.get(LAST_EVENT_ID).and_then(|id| id.to_str().ok());
    let seen = seen.and_then(|id| id.parse::<i64>().ok());
    if request.status.is_final() && seen.is_some_and(|seen| seen >= request.timestamp) {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let follower = Follower {
        state,
        caller,
        id: request.id,
        changes,
        last: None,
        ended: false,
    };
    let events = stream::unfold(follower, async |mut follower| {
        let event = follower.next().await?;
        Some((event, follower))
    });
    Ok(streamed(events))
}

fn streamed<S>(events: S) -> Response
where
    S: Stream<Item = Result<Event, ApiError>> + Send + 'static,
{
    let keep_alive = KeepAlive::new().interval(KEEP_ALIVE).text("waiting");
    // nginx would hold the events back.
    let unbuffered = [(HeaderName::from_static("x-accel-buffering"), "no")];
    (unbuffered, Sse::new(events).keep_alive(keep_alive)).into_response()
}

/// `changed` with the ids of those requests that the caller may see and that may have changed, at most a few times
/// in a second. What another process has changed in the database is told late or not at all: look now and then.
pub async fn any_events(
    State(state): State<AppState>,
    caller: Caller,
) -> Result<Response, ApiError> {
    let changes = state.store.changes();
    let start = (state, caller, changes, true);
    let events = stream::unfold(start, async |(state, caller, mut changes, first)| {
        let ids = match first {
            // At once, so that the client sees that it is connected.
            true => Vec::new(),
            false => changed_of_caller(&state, &caller, &mut changes).await?,
        };
        let event = Event::default().event("changed").json_data(ids);
        let event = event.map_err(|_| ApiError::Internal("an event could not be written"));
        Some((event, (state, caller, changes, false)))
    });
    Ok(streamed(events))
}

/// The next changes; none when the caller may not look any more, or the server goes down.
async fn changed_of_caller(
    state: &AppState,
    caller: &Caller,
    changes: &mut Receiver<i64>,
) -> Option<Vec<i64>> {
    let mut stopping = state.stopping.subscribe();
    loop {
        let mut ids = BTreeSet::new();
        tokio::select! {
            changed = changes.recv() => ids.extend(changed),
            () = sleep(LOOK) => {}
            _ = stopping.wait_for(|stopping| *stopping) => return None,
        }
        sleep(GATHER).await;
        while let Ok(id) = changes.try_recv() {
            ids.insert(id);
        }
        let now = caller.again(state).await.ok()??;
        let mut own = Vec::new();
        for id in ids {
            let request = state.store.requests().get(id).await.ok()?;
            if request.is_some_and(|request| is_own(&now, &request)) {
                own.push(id);
            }
        }
        if !own.is_empty() {
            return Some(own);
        }
    }
}

struct Follower {
    state: AppState,
    caller: Caller,
    id: i64,
    changes: Receiver<i64>,
    /// What was told last.
    last: Option<Seen>,
    ended: bool,
}

/// What of a request makes an event when it changes.
#[derive(Clone, Copy, PartialEq)]
struct Seen {
    status: Status,
    cancel_asked: Option<i64>,
    waits: bool,
    counts: Counts,
    bytes: i64,
}

impl Seen {
    fn of(request: &ImportRequest) -> Seen {
        Seen {
            status: request.status,
            cancel_asked: request.cancel_asked,
            waits: request.waiting.is_some(),
            counts: request.counts,
            bytes: request.bytes,
        }
    }
}

impl Follower {
    /// The next event; none when there will be no more, and an error to break the connection off.
    async fn next(&mut self) -> Option<Result<Event, ApiError>> {
        if self.ended {
            return None;
        }
        let mut stopping = self.state.stopping.subscribe();
        loop {
            match self.look().await {
                Ok(Some(request)) => {
                    if self.last.is_none_or(|last| last != Seen::of(&request)) {
                        return Some(self.tell(request).await);
                    }
                }
                Ok(None) => return None,
                Err(error) => return Some(self.broken(error)),
            }
            tokio::select! {
                () = change_of(&mut self.changes, self.id) => {}
                () = sleep(LOOK) => {}
                _ = stopping.wait_for(|stopping| *stopping) => return None,
            }
        }
    }

    /// The request as it is now, if the caller may still see it.
    async fn look(&self) -> Result<Option<ImportRequest>, ApiError> {
        let Some(caller) = self.caller.again(&self.state).await? else {
            return Ok(None);
        };
        let request = self.state.store.requests().get(self.id).await?;
        Ok(request.filter(|request| is_own(&caller, request)))
    }

    async fn tell(&mut self, request: ImportRequest) -> Result<Event, ApiError> {
        let now = Seen::of(&request);
        let steps = |seen: Seen| (seen.status, seen.cancel_asked, seen.waits);
        let before = self.last.replace(now).map(steps);
        self.ended = request.status.is_final();
        let name = match before {
            _ if self.ended => "end",
            Some(before) if before == steps(now) => "progress",
            _ => "status",
        };
        let sessions = match self.ended {
            true => {
                let sessions = self.state.store.requests().sessions(request.id).await?;
                Some(sessions.into_iter().map(SessionView::from).collect())
            }
            false => None,
        };
        let told = Told {
            id: request.id,
            status: request.status,
            counts: request.counts,
            bytes: request.bytes,
            resolution: request.resolution,
            cancel_asked: request.cancel_asked,
            waiting: request.waiting,
            sessions,
        };
        let event = Event::default()
            .event(name)
            .id(request.timestamp.to_string());
        event
            .json_data(told)
            .map_err(|_| ApiError::Internal("an event could not be written"))
    }

    fn broken(&mut self, error: ApiError) -> Result<Event, ApiError> {
        tracing::error!(request = self.id, %error, "a stream of events broke off");
        self.ended = true;
        Err(error)
    }
}
