//! /xapi/anonymize: XNAT's anonymization scripts and their switches, of the site and of projects.
//!
//! They are steps of the policies' chains ([`crate::settings`]). Differs from XNAT: scripts are read by who may
//! change them alone, as they may name patients; and one that does not parse is refused by the call.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use crate::rulebook::Author;
use crate::settings::{DEFAULT_SCRIPT, Level, Setting, Wish};

use super::api::{Api, get, put};
use super::auth::Caller;
use super::error::ApiError;
use super::rules::check_reason;
use super::state::AppState;

pub fn routes() -> Api {
    let mut api = Api::new("XNAT's settings").on(
        get("/anonymize/default", "XNAT's default anonymization script").text(),
        default,
    );
    for place in ["/anonymize/site", "/anonymize/projects/{project}"] {
        let switch = format!("{place}/enabled");
        api = api
            .on(
                get(place, "The anonymization script of the site or a project")
                    .text()
                    .empty(204, "There is none")
                    .fails([403]),
                script,
            )
            .on(
                put(place, "Set the anonymization script")
                    .query::<Switch>()
                    .takes_text()
                    .empty(200, "Active")
                    .fails([409]),
                put_script,
            )
            .on(
                get(switch.clone(), "Whether the anonymization script runs")
                    .json::<bool>()
                    .fails([403]),
                enabled,
            )
            .on(
                put(switch, "Switch the anonymization script on or off")
                    .query::<Switch>()
                    .takes_text()
                    .json::<bool>()
                    .fails([409]),
                put_enabled,
            );
    }
    api
}

/// Whose setting a call is about; checked that the caller may change it, for reading too.
pub async fn level_for(
    state: &AppState,
    caller: &Caller,
    project: Option<String>,
) -> Result<Level, ApiError> {
    match project {
        None => caller.require_admin().map(|()| Level::Site),
        Some(id) => {
            state.owned_project(caller, &id).await?;
            Ok(Level::Project(id))
        }
    }
}

/// A change of a setting.
pub struct Wanted<'a> {
    pub contents: Option<&'a str>,
    pub enabled: Option<bool>,
    /// Without one, the history names the setting.
    pub reason: Option<String>,
}

/// Sets a setting, if every project that it concerns is good with it; it is active when this returns.
pub async fn set(
    state: &AppState,
    caller: &Caller,
    level: &Level,
    setting: Setting,
    wanted: Wanted<'_>,
) -> Result<(), ApiError> {
    let reason = wanted
        .reason
        .unwrap_or_else(|| format!("{}/{}", setting.tool(), setting.path()));
    let wish = Wish {
        setting,
        contents: wanted.contents.map(str::to_owned),
        enabled: wanted.enabled,
    };
    set_all(state, caller, level, &reason, || Ok(vec![wish])).await
}

/// Sets several settings at once, or none of them. Which they are is asked when nobody else changes any.
pub async fn set_all(
    state: &AppState,
    caller: &Caller,
    level: &Level,
    reason: &str,
    wishes: impl FnOnce() -> Result<Vec<Wish>, ApiError>,
) -> Result<(), ApiError> {
    check_reason(reason)?;
    let projects = match level {
        Level::Project(id) => vec![id.clone()],
        Level::Site => {
            let projects = state.store.projects().list().await?;
            projects.into_iter().map(|project| project.id).collect()
        }
    };
    let _alone = state.changing_rules.lock().await;
    let only_site = *level == Level::Site;
    state.rulebook.check_there(&projects, only_site).await?;
    let changes = state.settings.change(level, &wishes()?)?;
    let author = Author {
        username: &caller.name,
        reason,
    };
    Ok(state.rulebook.change(&projects, &changes, author).await?)
}

/// The project in the address; none where that is the site's.
#[derive(Deserialize)]
struct Place {
    project: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
struct Switch {
    /// Whether the script runs.
    enable: Option<bool>,
    /// For the history.
    #[schemars(length(max = 500))]
    reason: Option<String>,
}

async fn default(_caller: Caller) -> &'static str {
    DEFAULT_SCRIPT
}

async fn script(
    State(state): State<AppState>,
    caller: Caller,
    Path(place): Path<Place>,
) -> Result<Response, ApiError> {
    let level = level_for(&state, &caller, place.project).await?;
    Ok(match state.settings.get(&level, Setting::Script)? {
        Some(script) => script.contents.into_response(),
        None => StatusCode::NO_CONTENT.into_response(),
    })
}

async fn put_script(
    State(state): State<AppState>,
    caller: Caller,
    Path(place): Path<Place>,
    Query(query): Query<Switch>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<StatusCode, ApiError> {
    let level = level_for(&state, &caller, place.project).await?;
    let text = script_in(&headers, &body)?;
    let wanted = Wanted {
        contents: Some(&text),
        enabled: query.enable,
        reason: query.reason,
    };
    set(&state, &caller, &level, Setting::Script, wanted).await?;
    Ok(StatusCode::OK)
}

async fn enabled(
    State(state): State<AppState>,
    caller: Caller,
    Path(place): Path<Place>,
) -> Result<Json<bool>, ApiError> {
    let level = level_for(&state, &caller, place.project).await?;
    let script = state.settings.get(&level, Setting::Script)?;
    Ok(Json(script.is_some_and(|script| script.enabled)))
}

/// XNAT takes the wish from the query; some clients send it as the body.
async fn put_enabled(
    State(state): State<AppState>,
    caller: Caller,
    Path(place): Path<Place>,
    Query(query): Query<Switch>,
    body: Bytes,
) -> Result<Json<bool>, ApiError> {
    let level = level_for(&state, &caller, place.project).await?;
    let on = match (query.enable, body.trim_ascii()) {
        (Some(on), _) => on,
        (None, b"" | b"true") => true,
        (None, b"false") => false,
        (None, _) => {
            return Err(ApiError::BadRequest(
                "Give enable=true or enable=false, or one of the two words as the body.".into(),
            ));
        }
    };
    let wanted = Wanted {
        contents: None,
        enabled: Some(on),
        reason: query.reason,
    };
    set(&state, &caller, &level, Setting::Script, wanted).await?;
    Ok(Json(on))
}

/// The script as text; or, in JSON, as a string or as an object's `contents` or `script`. What else is called JSON
/// is text for XNAT, too; and `curl --data-binary` calls all that it sends a form.
pub fn script_in(headers: &HeaderMap, body: &[u8]) -> Result<String, ApiError> {
    let text = std::str::from_utf8(body)
        .map_err(|_| ApiError::BadRequest("The body is no UTF-8 text.".into()))?;
    let kind = headers.get(header::CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !kind.to_ascii_lowercase().starts_with("application/json") {
        return Ok(text.to_owned());
    }
    let given: Value = serde_json::from_str(text).unwrap_or(Value::Null);
    let inside = [&given, &given["contents"], &given["script"]];
    let found = inside.into_iter().find_map(Value::as_str);
    Ok(found.unwrap_or(text).to_owned())
}
