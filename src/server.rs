//! The REST interface: XNAT's routes as far as importing needs them.
//!
//! One file per family of resources, each with its routes and handlers; who is calling, errors and
//! logging in one place each. A handler reads the store, asks the inbox or the sessions' folders, and
//! answers; no import runs in here.

mod address;
mod anonymize;
mod api;
mod archive;
mod auth;
mod config;
mod content;
mod dicom;
mod docs;
mod error;
mod experiments;
mod file_body;
mod form;
mod health;
mod import;
mod inbox;
mod log;
mod metrics;
mod multipart;
mod overview;
mod page;
mod prearchive;
mod projects;
mod review;
mod rules;
mod schema;
mod session;
mod site;
mod site_config;
mod state;
mod subjects;
mod table;
mod users;
mod webhooks;
mod zip_body;

use std::future::Future;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::middleware::{from_fn, map_response};
use tokio::net::TcpListener;
use tower_http::timeout::TimeoutLayer;

use api::Api;

pub use dicom::retry_for_owner;
pub use error::ApiError;
pub use import::check_label;
pub use state::AppState;

/// No call has a body but forms and small JSON.
const LARGEST_BODY: usize = 256 * 1024;

/// Until the head of the answer; a download may take longer. Archiving syncs a whole session's files.
const SLOWEST_ANSWER: Duration = Duration::from_secs(60);
const SLOWEST_ARCHIVING: Duration = Duration::from_secs(600);

/// How long open connections may hold up a shutdown.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(10);

/// All routes, with their layers.
pub fn router(state: AppState) -> Router {
    let document = docs::Document::default();
    let (router, operations) = api(&document).into_parts();
    document.is_of(operations);
    let rest = router
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .with_state(state.clone());
    rest.clone()
        .merge(page::routes(state, rest))
        .layer(from_fn(auth::challenge_no_script))
        .layer(from_fn(log::log_requests))
}

fn api(document: &docs::Document) -> Api {
    let slow = dicom::slow_routes()
        .merge(rules::slow_routes())
        .layer(timeout(dicom::LONGEST_WAIT + SLOWEST_ANSWER));
    let xapi = Api::new("")
        .merge(dicom::routes())
        .merge(inbox::routes())
        .merge(prearchive::waiting::routes())
        .merge(webhooks::routes())
        .merge(users::xapi())
        .merge(rules::routes())
        .merge(rules::file_routes())
        .merge(anonymize::routes())
        .merge(site_config::routes())
        .merge(overview::routes())
        .merge(site::xapi())
        .merge(docs::routes(document))
        .fallback(nothing_here)
        .layer(timeout(SLOWEST_ANSWER))
        .merge(slow);
    Api::new("")
        .nest("/data", data())
        // XNAT's old name for it.
        .also_at("/REST", "/data", data())
        .nest("/xapi", xapi)
        .merge(health::routes())
        .merge(metrics::routes())
}

fn data() -> Api {
    let listings = || {
        projects::listings()
            .merge(subjects::routes())
            .merge(experiments::routes())
    };
    let quick = auth::routes()
        .merge(projects::settings())
        .merge(config::routes())
        .merge(users::data())
        .merge(site::data())
        .merge(listings())
        .merge(session::headers())
        .also_at("/archive", "", listings())
        .fallback(nothing_here)
        .layer(timeout(SLOWEST_ANSWER));
    let slow = prearchive::routes()
        .merge(review::routes())
        .merge(archive::routes())
        .layer(timeout(SLOWEST_ARCHIVING));
    // An upload takes as long as it takes, and its import too: what it waits for has its own limits.
    let unlimited = import::routes();
    quick
        .merge(slow)
        .merge(unlimited)
        .layer(map_response(error::html_errors))
}

fn timeout(limit: Duration) -> TimeoutLayer {
    TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, limit)
}

async fn nothing_here() -> ApiError {
    ApiError::NotFound("There is nothing at this address.".into())
}

/// Answers on `listener` until `shutdown` resolves, then finishes what is under way.
pub async fn serve(
    state: AppState,
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let mut ended = state.stopping.subscribe();
    let told = state.clone();
    // A router that is served as it is copies all its routes for each connection.
    let service = router(state).into_make_service();
    let serving = axum::serve(listener, service).with_graceful_shutdown(async move {
        shutdown.await;
        told.stopping.send_replace(true);
    });
    let out_of_patience = async {
        // The sender goes with the server.
        let _ = ended.wait_for(|ended| *ended).await;
        tokio::time::sleep(SHUTDOWN_GRACE).await;
    };
    tokio::select! {
        outcome = serving => outcome,
        () = out_of_patience => Ok(()),
    }
}

#[cfg(test)]
mod tests;
