//! /data/config and /data/projects/P/config: XNAT's configuration service, for the settings that are known here,
//! and its older addresses for anonymization scripts below `config/edit`.
//!
//! What it answers of versions comes from the rules' own history ([`crate::store::Activation`]): a version is a
//! change of the setting, whoever made it and by which way, going back included.

mod routes;

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use crate::rulebook::FILES;
use crate::settings::{Held, Level, Setting, Settings};

use super::anonymize::{Wanted, level_for, script_in, set};
use super::auth::Caller;
use super::error::ApiError;
use super::state::AppState;
use super::table::{Table, View, timestamp};

pub use routes::routes;

const COLUMNS: [&str; 10] = [
    "tool",
    "path",
    "project",
    "user",
    "create_date",
    "reason",
    "contents",
    "unversioned",
    "version",
    "status",
];

const SCRIPT_COLUMNS: [&str; 5] = ["project", "user", "create_date", "script", "id"];
const STATUS_COLUMNS: [&str; 5] = ["project", "edit", "create_date", "user", "id"];

/// What the address says.
#[derive(Deserialize)]
struct Place {
    project: Option<String>,
    #[serde(default)]
    tool: String,
    #[serde(default)]
    path: String,
}

#[derive(Deserialize, JsonSchema)]
struct Asked {
    /// The text alone.
    contents: Option<bool>,
    /// All versions, and not the last alone.
    history: Option<bool>,
    /// One version's number.
    version: Option<usize>,
    /// `enabled` or `disabled`.
    status: Option<String>,
    /// For the history.
    #[schemars(length(max = 500))]
    reason: Option<String>,
    /// Whether the script runs.
    activate: Option<bool>,
}

/// The tools that have a configuration.
async fn tools(
    State(state): State<AppState>,
    caller: Caller,
    Path(place): Path<Place>,
    view: View,
) -> Result<Response, ApiError> {
    let level = level_for(&state, &caller, place.project).await?;
    let mut tools = Vec::new();
    for setting in Setting::ALL {
        if state.settings.get(&level, setting)?.is_some() && !tools.contains(&setting.tool()) {
            tools.push(setting.tool());
        }
    }
    Table::of("Tools", &["tool"], tools, |tool| [tool.to_owned()]).answer(&view)
}

async fn of_tool(
    State(state): State<AppState>,
    caller: Caller,
    Path(place): Path<Place>,
    view: View,
) -> Result<Response, ApiError> {
    let level = level_for(&state, &caller, place.project).await?;
    let settings = Setting::ALL.into_iter();
    let settings: Vec<Setting> = settings.filter(|one| one.tool() == place.tool).collect();
    if settings.is_empty() {
        return Err(unknown());
    }
    let mut rows = Vec::new();
    for setting in settings {
        let last = versions(&state, &level, setting).await?.pop();
        rows.extend(last.map(|last| row(&level, setting, last)));
    }
    configurations(rows).answer(&view)
}

async fn show(
    State(state): State<AppState>,
    caller: Caller,
    Path(place): Path<Place>,
    view: View,
    Query(asked): Query<Asked>,
) -> Result<Response, ApiError> {
    let level = level_for(&state, &caller, place.project).await?;
    let setting = find(&level, &place.tool, &place.path)?;
    let mut versions = versions(&state, &level, setting).await?;
    if let Some(number) = asked.version {
        versions.retain(|version| version.number == number);
    }
    if asked.history != Some(true) {
        versions.drain(..versions.len().saturating_sub(1));
    }
    let Some(last) = versions.last() else {
        return Err(ApiError::NotFound(
            "Nothing has been set there: no such configuration, or no such version of it.".into(),
        ));
    };
    if asked.contents == Some(true) {
        return Ok(last.held.contents.clone().into_response());
    }
    let rows = versions
        .into_iter()
        .map(|version| row(&level, setting, version));
    configurations(rows).answer(&view)
}

/// The body is the contents, or JSON of `contents` and `status`; without a body, the query's status alone is set.
async fn put(
    State(state): State<AppState>,
    caller: Caller,
    Path(place): Path<Place>,
    Query(asked): Query<Asked>,
    body: Bytes,
) -> Result<StatusCode, ApiError> {
    let level = level_for(&state, &caller, place.project).await?;
    let setting = find(&level, &place.tool, &place.path)?;
    let (contents, status) = taken(&body)?;
    let enabled = match asked.status.or(status).as_deref() {
        None => None,
        Some("enabled") => Some(true),
        Some("disabled") => Some(false),
        Some(_) => return Err(bad("The status must be enabled or disabled.")),
    };
    if contents.is_none() && enabled.is_none() {
        return Err(bad(
            "Give the contents as the body, or a status, or both: there is nothing to set.",
        ));
    }
    let is_new = state.settings.get(&level, setting)?.is_none();
    let wanted = Wanted {
        contents: contents.as_deref(),
        enabled,
        reason: asked.reason,
    };
    set(&state, &caller, &level, setting, wanted).await?;
    Ok(match is_new {
        true => StatusCode::CREATED,
        false => StatusCode::OK,
    })
}

async fn edit_script(
    State(state): State<AppState>,
    caller: Caller,
    Path(place): Path<Place>,
    view: View,
) -> Result<Response, ApiError> {
    let last = last_script(&state, &caller, place).await?;
    let row = |(project, last): (String, Version)| {
        let (date, id) = (last.date(), last.number.to_string());
        [project, last.user, date, last.held.contents, id]
    };
    Table::of("Scripts", &SCRIPT_COLUMNS, last, row).answer(&view)
}

async fn edit_status(
    State(state): State<AppState>,
    caller: Caller,
    Path(place): Path<Place>,
    view: View,
) -> Result<Response, ApiError> {
    let last = last_script(&state, &caller, place).await?;
    let row = |(project, last): (String, Version)| {
        let (date, id) = (last.date(), last.number.to_string());
        [project, last.held.enabled.to_string(), date, last.user, id]
    };
    Table::of("Status", &STATUS_COLUMNS, last, row).answer(&view)
}

/// The script of a place as it is now, and whose it is; none if there is none.
async fn last_script(
    state: &AppState,
    caller: &Caller,
    place: Place,
) -> Result<Option<(String, Version)>, ApiError> {
    let level = level_for(state, caller, place.project).await?;
    let last = versions(state, &level, Setting::Script).await?.pop();
    Ok(last.map(|last| (project(&level), last)))
}

async fn put_edit_script(
    State(state): State<AppState>,
    caller: Caller,
    Path(place): Path<Place>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<StatusCode, ApiError> {
    let level = level_for(&state, &caller, place.project).await?;
    let wanted = Wanted {
        contents: Some(&script_in(&headers, &body)?),
        enabled: None,
        reason: asked.reason,
    };
    set(&state, &caller, &level, Setting::Script, wanted).await?;
    Ok(StatusCode::OK)
}

async fn put_edit_status(
    State(state): State<AppState>,
    caller: Caller,
    Path(place): Path<Place>,
    Query(asked): Query<Asked>,
) -> Result<StatusCode, ApiError> {
    let level = level_for(&state, &caller, place.project).await?;
    let enabled = asked.activate;
    if enabled.is_none() {
        return Err(bad("Give activate=true or activate=false."));
    }
    let wanted = Wanted {
        contents: None,
        enabled,
        reason: asked.reason,
    };
    set(&state, &caller, &level, Setting::Script, wanted).await?;
    Ok(StatusCode::OK)
}

/// A state of a setting that held for a while.
struct Version {
    number: usize,
    held: Held,
    /// Not known of what was written into the folder and is not active.
    at: Option<i64>,
    user: String,
    reason: String,
}

impl Version {
    fn date(&self) -> String {
        self.at.map(timestamp).unwrap_or_default()
    }
}

/// All of a setting, the oldest first; the last is what the folder holds.
async fn versions(
    state: &AppState,
    level: &Level,
    setting: Setting,
) -> Result<Vec<Version>, ApiError> {
    let project = match level {
        Level::Site => None,
        Level::Project(id) => Some(id.as_str()),
    };
    let folder = level.folder_in_version();
    let patterns = [format!("{folder}/policy.json"), format!("{folder}/%.das")];
    let history = state
        .store
        .rule_sets()
        .files_over_time(project, patterns.each_ref().map(String::as_str))
        .await?;
    let mut before = None;
    let mut versions: Vec<Version> = Vec::new();
    for (activation, files) in history {
        let text = |name: &str| {
            let content = files.get(&format!("{folder}/{name}"))?;
            String::from_utf8(content.to_vec()).ok()
        };
        // A policy in which the setting has no one place says nothing of it.
        let held = Settings::in_version(level, setting, text).ok().flatten();
        if let (true, Some(held)) = (held != before, &held) {
            versions.push(Version {
                number: versions.len() + 1,
                held: held.clone(),
                at: Some(activation.at),
                user: activation.username,
                reason: activation.reason,
            });
        }
        before = held;
    }
    let now = state.settings.get(level, setting)?;
    match now {
        None => versions.clear(),
        Some(held) if before.as_ref() != Some(&held) => versions.push(Version {
            number: versions.len() + 1,
            held,
            at: None,
            user: FILES.to_owned(),
            reason: String::new(),
        }),
        Some(_) => {}
    }
    Ok(versions)
}

fn find(level: &Level, tool: &str, path: &str) -> Result<Setting, ApiError> {
    let found = Setting::find(tool, path).ok_or_else(unknown)?;
    match found.is_of(level) {
        true => Ok(found),
        false => Err(ApiError::NotFound(
            "A project has no project rules: only the site says which project a session is of."
                .into(),
        )),
    }
}

fn unknown() -> ApiError {
    let known: Vec<String> = Setting::ALL
        .iter()
        .map(|setting| format!("{}/{}", setting.tool(), setting.path()))
        .collect();
    ApiError::NotFound(
        format!(
            "There is no such configuration here; those that are known: {}.",
            known.join(", ")
        )
        .into(),
    )
}

/// Contents and status of a body. A filter is JSON itself, and holds neither.
fn taken(body: &[u8]) -> Result<(Option<String>, Option<String>), ApiError> {
    let text = std::str::from_utf8(body).map_err(|_| bad("The body is no UTF-8 text."))?;
    if text.trim().is_empty() {
        return Ok((None, None));
    }
    if let Ok(Value::Object(given)) = serde_json::from_str::<Value>(text)
        && given.keys().all(|key| key == "contents" || key == "status")
    {
        let contents = given.get("contents").map(|contents| match contents {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        });
        let status = given.get("status").and_then(Value::as_str);
        return Ok((contents, status.map(str::to_owned)));
    }
    Ok((Some(text.to_owned()), None))
}

fn configurations(rows: impl IntoIterator<Item = [String; 10]>) -> Table {
    Table::of("Configurations", &COLUMNS, rows, |row| row)
}

fn row(level: &Level, setting: Setting, version: Version) -> [String; 10] {
    let date = version.date();
    let status = match version.held.enabled {
        true => "enabled",
        false => "disabled",
    };
    [
        setting.tool().to_owned(),
        setting.path().to_owned(),
        project(level),
        version.user,
        date,
        version.reason,
        version.held.contents,
        "false".to_owned(),
        version.number.to_string(),
        status.to_owned(),
    ]
}

fn project(level: &Level) -> String {
    match level {
        Level::Site => String::new(),
        Level::Project(id) => id.clone(),
    }
}

fn bad(why: &'static str) -> ApiError {
    ApiError::BadRequest(why.into())
}
