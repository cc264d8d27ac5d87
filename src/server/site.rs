//! What clients ask about the site before they ask for anything else.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::auth::Caller;
use super::error::ApiError;
use super::schema;
use super::state::AppState;
use super::table::{Table, View};

/// The XNAT whose REST surface this follows; clients choose their ways by it.
const XNAT_VERSION: &str = "1.9.0";

pub fn data() -> Router<AppState> {
    Router::new()
        // Gone since XNAT 1.7; xnatpy and pyxnat ask for it first and want this answer.
        .route("/version", get(async || StatusCode::NOT_FOUND))
        .route("/search/elements", get(search_elements))
        .route("/search/elements/{element}", get(search_fields))
}

pub fn xapi() -> Router<AppState> {
    Router::new()
        .route("/siteConfig/buildInfo", get(build_info))
        .route("/siteConfig/uptime", get(uptime))
        .route("/schemas", get(schemas))
        .route("/schemas/{name}", get(schema::show))
}

async fn build_info(_caller: Caller) -> Json<Value> {
    Json(json!({
        "version": XNAT_VERSION,
        "application": "Sluice",
        "applicationVersion": env!("CARGO_PKG_VERSION"),
    }))
}

/// XNAT: days, hours, minutes and seconds, each by itself.
async fn uptime(State(state): State<AppState>, _caller: Caller) -> Json<Value> {
    let seconds = state.started.elapsed().as_secs();
    Json(json!({
        "days": (seconds / 86_400).to_string(),
        "hours": (seconds / 3_600 % 24).to_string(),
        "minutes": (seconds / 60 % 60).to_string(),
        "seconds": (seconds % 60).to_string(),
    }))
}

async fn schemas(_caller: Caller) -> Json<[&'static str; 1]> {
    Json([schema::NAME])
}

async fn search_elements(_caller: Caller, view: View) -> Result<Response, ApiError> {
    Table::new("Elements", &["ELEMENT_NAME"]).answer(&view)
}

async fn search_fields(_caller: Caller, view: View) -> Result<Response, ApiError> {
    Table::new("Fields", &["FIELD_ID"]).answer(&view)
}
