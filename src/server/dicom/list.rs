//! Lists of requests. XNAT's plain array; parameters restrict it, and cut it into pages.

use axum::Json;
use axum::extract::{Query, State};
use axum::http::HeaderName;
use chrono::{DateTime, NaiveDate};

use crate::store::{RequestFilter, Status};

use super::super::api::Field;
use super::super::auth::Caller;
use super::super::error::ApiError;
use super::super::state::AppState;
use super::view::View;

const TOTAL: HeaderName = HeaderName::from_static("x-total-count");

/// The largest page; without `limit` all is answered, as XNAT does.
const LARGEST_PAGE: u64 = 1000;

/// Labels and paths are shorter.
const LONGEST_TEXT: usize = 200;

/// What restricts a list, and cuts it into pages.
pub const PARAMETERS: &[Field] = &[
    ("status", "text", "One or several, with commas between."),
    ("project", "text", "A project's id."),
    ("username", "text", "Whose; of others for administrators."),
    (
        "since",
        "text",
        "Called for then or later: a time, a day, or milliseconds.",
    ),
    ("before", "text", "Called for before then."),
    ("q", "text", "In the path, the resolution or labels."),
    ("order", "asc|desc", "The oldest first, or the newest."),
    (
        "limit",
        "number",
        "1 to 1000; `X-Total-Count` tells how many there are.",
    ),
    ("offset", "number", "Without the first ones."),
];

type List = Result<([(HeaderName, String); 1], Json<Vec<View>>), ApiError>;
type Pairs = Query<Vec<(String, String)>>;

pub async fn active(State(state): State<AppState>, caller: Caller, query: Pairs) -> List {
    list(&state, &caller, &query.0, true).await
}

pub async fn all(State(state): State<AppState>, caller: Caller, query: Pairs) -> List {
    list(&state, &caller, &query.0, false).await
}

async fn list(state: &AppState, caller: &Caller, pairs: &[(String, String)], active: bool) -> List {
    let statuses = statuses(pairs)?;
    let filter = RequestFilter {
        active,
        statuses: &statuses,
        ..filter(caller, pairs)?
    };
    let requests = state.store.requests();
    let page = requests.list(filter).await?;
    let total = match filter.limit.is_none() && filter.offset == 0 {
        true => page.len() as u64,
        false => requests.count(filter).await?,
    };
    let ids: Vec<i64> = page.iter().map(|request| request.id).collect();
    let mut request_to_sessions = requests.sessions_of(&ids).await?;
    let views = page.into_iter().map(|request| {
        let sessions = request_to_sessions.remove(&request.id).unwrap_or_default();
        View::new(request, sessions)
    });
    Ok(([(TOTAL, total.to_string())], Json(views.collect())))
}

/// All but the statuses. Parameters of other names are ignored, as XNAT does with `format`.
fn filter<'a>(
    caller: &'a Caller,
    pairs: &'a [(String, String)],
) -> Result<RequestFilter<'a>, ApiError> {
    let get = |name: &str| get(pairs, name);
    let username = match (caller.admin, get("username")) {
        (true, username) => username,
        (false, None) => Some(caller.name.as_str()),
        (false, Some(own)) if own == caller.name => Some(own),
        (false, Some(_)) => {
            return Err(ApiError::Forbidden(
                "Only a site administrator may list the requests of others.".into(),
            ));
        }
    };
    let text = get("q");
    if text.is_some_and(|text| text.len() > LONGEST_TEXT) {
        return Err(bad("q", &format!("a text of up to {LONGEST_TEXT} bytes")));
    }
    Ok(RequestFilter {
        username,
        project: get("project"),
        since: time(pairs, "since")?,
        before: time(pairs, "before")?,
        text,
        newest_first: match get("order") {
            None | Some("asc") => false,
            Some("desc") => true,
            Some(_) => return Err(bad("order", "asc (the oldest first) or desc")),
        },
        offset: match get("offset").map(str::parse) {
            None => 0,
            Some(Ok(offset)) => offset,
            Some(Err(_)) => return Err(bad("offset", "a number from 0")),
        },
        limit: match get("limit").map(str::parse) {
            None => None,
            Some(Ok(limit)) if (1..=LARGEST_PAGE).contains(&limit) => Some(limit),
            Some(_) => return Err(bad("limit", &format!("a number from 1 to {LARGEST_PAGE}"))),
        },
        ..RequestFilter::default()
    })
}

fn statuses(pairs: &[(String, String)]) -> Result<Vec<Status>, ApiError> {
    let given = get(pairs, "status").unwrap_or_default();
    let names = given.split(',').filter(|name| !name.is_empty());
    let known = |name: &str| {
        let mut all = Status::ALL.iter().copied();
        all.find(|status| status.as_str().eq_ignore_ascii_case(name.trim()))
    };
    names
        .map(|name| {
            known(name).ok_or_else(|| {
                let all: Vec<&str> = Status::ALL.iter().map(|status| status.as_str()).collect();
                bad(
                    "status",
                    &format!("one or more of {}, with commas between", all.join(", ")),
                )
            })
        })
        .collect()
}

/// A day is its beginning, in UTC.
fn time(pairs: &[(String, String)], name: &'static str) -> Result<Option<i64>, ApiError> {
    let Some(text) = get(pairs, name) else {
        return Ok(None);
    };
    let milliseconds = text.parse().ok();
    let instant = || {
        let time = DateTime::parse_from_rfc3339(text).ok()?;
        Some(time.timestamp_millis())
    };
    let day = || {
        let day: NaiveDate = text.parse().ok()?;
        Some(day.and_hms_opt(0, 0, 0)?.and_utc().timestamp_millis())
    };
    match milliseconds.or_else(instant).or_else(day) {
        Some(time) => Ok(Some(time)),
        None => Err(bad(
            name,
            "milliseconds since 1970, a time such as 2026-01-31T12:00:00Z, or a day such as 2026-01-31",
        )),
    }
}

/// The first of that name, unless it is empty.
fn get<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let mut values = pairs.iter().filter(|(n, _)| n == name);
    let (_, value) = values.next()?;
    Some(value.as_str()).filter(|value| !value.is_empty())
}

fn bad(name: &str, allowed: &str) -> ApiError {
    ApiError::BadRequest(format!("The parameter {name} must be {allowed}.").into())
}
