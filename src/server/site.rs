//! What clients ask about the site before they ask for anything else.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};

use super::api::{Api, Schema, get};
use super::auth::Caller;
use super::error::ApiError;
use super::schema;
use super::state::AppState;
use super::table::{Table, View};

/// The XNAT whose REST surface this follows; clients choose their ways by it.
const XNAT_VERSION: &str = "1.9.0";

const FAMILY: &str = "Site";

pub fn data() -> Api {
    Api::new(FAMILY)
        // Gone since XNAT 1.7; xnatpy and pyxnat ask for it first and want this answer.
        .on(
            get(
                "/version",
                "404, as in XNAT since 1.7: see /xapi/siteConfig/buildInfo",
            )
            .open()
            .fails([404]),
            async || StatusCode::NOT_FOUND,
        )
        .on(
            get("/search/elements", "Data types that can be searched: none").table(),
            search_elements,
        )
        .on(
            get(
                "/search/elements/{element}",
                "Fields that can be searched: none",
            )
            .table(),
            search_fields,
        )
}

pub fn xapi() -> Api {
    type Texts = BTreeMap<String, String>;
    Api::new(FAMILY)
        .on(
            get(
                "/siteConfig/buildInfo",
                "The version of XNAT that is spoken, and Sluice's",
            )
            .json::<Texts>(),
            build_info,
        )
        .on(
            get("/siteConfig/uptime", "How long the server is up").json::<Texts>(),
            uptime,
        )
        .on(
            get("/schemas", "The names of the XML schemas").json::<[String; 1]>(),
            schemas,
        )
        .on(
            get("/schemas/{name}", "An XML schema of the data types")
                .kind("application/xml", Schema::Opaque),
            schema::show,
        )
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
