//! /xapi/siteConfig: those of XNAT's site preferences that concern imports: the site's anonymization script and
//! its series import filter, which other calls reach too. They stand in the site's policy.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::settings::{Level, Setting, Wish};

use super::anonymize::{script_in, set_all};
use super::api::{Api, Schema, get, post};
use super::auth::Caller;
use super::error::ApiError;
use super::state::AppState;

const SCRIPT: &str = "sitewideAnonymizationScript";
const SCRIPT_ON: &str = "enableSitewideAnonymizationScript";
const FILTER: &str = "sitewideSeriesImportFilter";
const FILTER_MODE: &str = "sitewideSeriesImportFilterMode";
const FILTER_ON: &str = "enableSitewideSeriesImportFilter";
const KNOWN: [&str; 5] = [SCRIPT, SCRIPT_ON, FILTER, FILTER_MODE, FILTER_ON];

pub fn routes() -> Api {
    Api::new("XNAT's settings")
        .on(
            post("/siteConfig", "Set several preferences of the site at once")
                .query::<Reason>()
                .takes_json::<Map<String, Value>>()
                .empty(200, "Active")
                .fails([404, 409]),
            put_several,
        )
        .on(
            get("/siteConfig/{property}", "A preference of the site")
                .kind("text/plain", Schema::Opaque)
                .kind("application/json", Schema::Opaque)
                .fails([403]),
            show,
        )
        .on(
            post("/siteConfig/{property}", "Set a preference of the site")
                .query::<Reason>()
                .takes_text()
                .empty(200, "Active")
                .fails([409]),
            put,
        )
}

#[derive(Deserialize, JsonSchema)]
struct Reason {
    /// For the history.
    #[schemars(length(max = 500))]
    reason: Option<String>,
}

async fn show(
    State(state): State<AppState>,
    caller: Caller,
    Path(property): Path<String>,
) -> Result<Response, ApiError> {
    caller.require_admin()?;
    check_known(&property)?;
    let script = state.settings.get(&Level::Site, Setting::Script)?;
    let filter = filter_of(&state)?;
    Ok(match property.as_str() {
        SCRIPT => script
            .map_or_else(String::new, |script| script.contents)
            .into_response(),
        SCRIPT_ON => Json(script.is_some_and(|script| script.enabled)).into_response(),
        FILTER_ON => Json(filter["enabled"] == "true").into_response(),
        FILTER_MODE => text(&filter["mode"]).to_owned().into_response(),
        _ => text(&filter["list"]).to_owned().into_response(),
    })
}

/// The body is the value, as text or JSON.
async fn put(
    State(state): State<AppState>,
    caller: Caller,
    Path(property): Path<String>,
    Query(query): Query<Reason>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<StatusCode, ApiError> {
    caller.require_admin()?;
    let value = script_in(&headers, &body)?;
    let given = Map::from_iter([(property, Value::String(value))]);
    change(&state, &caller, &given, query.reason).await
}

/// The body is a JSON object of properties.
async fn put_several(
    State(state): State<AppState>,
    caller: Caller,
    Query(query): Query<Reason>,
    Json(given): Json<Map<String, Value>>,
) -> Result<StatusCode, ApiError> {
    caller.require_admin()?;
    change(&state, &caller, &given, query.reason).await
}

async fn change(
    state: &AppState,
    caller: &Caller,
    given: &Map<String, Value>,
    reason: Option<String>,
) -> Result<StatusCode, ApiError> {
    given.keys().try_for_each(|name| check_known(name))?;
    let [script, mode, list] = [SCRIPT, FILTER_MODE, FILTER].map(|name| given.get(name));
    let (script_on, filter_on) = (flag(given, SCRIPT_ON)?, flag(given, FILTER_ON)?);
    // All is read before anything is written.
    let script = script.map(|script| string(SCRIPT, script)).transpose()?;
    let mode = mode.map(|mode| string(FILTER_MODE, mode)).transpose()?;
    let list = list.map(|list| string(FILTER, list)).transpose()?;
    let script_wish = (script.is_some() || script_on.is_some()).then(|| Wish {
        setting: Setting::Script,
        contents: script.map(str::to_owned),
        enabled: script_on,
    });
    let has_filter = mode.is_some() || list.is_some() || filter_on.is_some();
    let filter_wish = || -> Result<Wish, ApiError> {
        let mut filter = filter_of(state)?;
        if let Some(mode) = mode {
            filter["mode"] = mode.into();
        }
        if let Some(list) = list {
            filter["list"] = list.into();
        }
        if let Some(on) = filter_on {
            filter["enabled"] = json!(on.to_string());
        }
        Ok(Wish {
            setting: Setting::SeriesFilter,
            contents: Some(filter.to_string()),
            enabled: None,
        })
    };
    let named = [
        script_wish.is_some().then_some(Setting::Script),
        has_filter.then_some(Setting::SeriesFilter),
    ];
    let named = named.into_iter().flatten();
    let named: Vec<String> = named
        .map(|setting| format!("{}/{}", setting.tool(), setting.path()))
        .collect();
    if named.is_empty() {
        return Ok(StatusCode::OK);
    }
    let reason = reason.unwrap_or_else(|| named.join(", "));
    let wishes = || {
        let filter = has_filter.then(filter_wish).transpose()?;
        Ok(script_wish.into_iter().chain(filter).collect())
    };
    set_all(state, caller, &Level::Site, &reason, wishes).await?;
    Ok(StatusCode::OK)
}

/// The site's filter in XNAT's form; XNAT's defaults where there is none.
fn filter_of(state: &AppState) -> Result<Value, ApiError> {
    let held = state.settings.get(&Level::Site, Setting::SeriesFilter)?;
    let held = held.and_then(|held| serde_json::from_str(&held.contents).ok());
    Ok(held.unwrap_or_else(|| json!({ "mode": "blacklist", "list": "", "enabled": "false" })))
}

fn flag(given: &Map<String, Value>, name: &str) -> Result<Option<bool>, ApiError> {
    match given.get(name) {
        None => Ok(None),
        Some(Value::Bool(on)) => Ok(Some(*on)),
        Some(Value::String(text)) if text.trim() == "true" => Ok(Some(true)),
        Some(Value::String(text)) if text.trim() == "false" => Ok(Some(false)),
        Some(_) => Err(ApiError::BadRequest(
            format!("{name} must be true or false.").into(),
        )),
    }
}

fn string<'a>(name: &str, value: &'a Value) -> Result<&'a str, ApiError> {
    value
        .as_str()
        .ok_or_else(|| ApiError::BadRequest(format!("{name} must be a text.").into()))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn check_known(property: &str) -> Result<(), ApiError> {
    match KNOWN.contains(&property) {
        true => Ok(()),
        false => Err(ApiError::NotFound(
            format!(
                "There is no such preference here; those that are known: {}.",
                KNOWN.join(", ")
            )
            .into(),
        )),
    }
}
