//! Whether the process lives, and whether it can work. For machines: no login, no details.

use axum::extract::State;
use axum::http::StatusCode;
use std::sync::atomic::Ordering;

use super::api::{Api, get};
use super::state::AppState;

pub fn routes() -> Api {
    Api::new("Operation")
        .on(
            get("/healthz", "Whether the process lives").open().text(),
            async || "ok\n",
        )
        .on(
            get("/readyz", "Whether it can work")
                .open()
                .text()
                .fails([503]),
            ready,
        )
}

/// Ready when the database answers, the folders are there (a disk that is gone shows here), and the workers have
/// begun.
async fn ready(State(state): State<AppState>) -> (StatusCode, &'static str) {
    if let Err(error) = state.store.ping().await {
        tracing::warn!(%error, "not ready: database");
        return (StatusCode::SERVICE_UNAVAILABLE, "database\n");
    }
    for folder in ["prearchive", "archive"] {
        let there = tokio::fs::metadata(state.config.data.join(folder)).await;
        if !there.is_ok_and(|folder| folder.is_dir()) {
            return (StatusCode::SERVICE_UNAVAILABLE, "data folder\n");
        }
    }
    if state.importer.held_up.load(Ordering::Relaxed) {
        return (StatusCode::SERVICE_UNAVAILABLE, "workers\n");
    }
    (StatusCode::OK, "ready\n")
}
