//! /metrics: figures for a monitoring system, in OpenMetrics text.

use axum::extract::{FromRequestParts as _, Request, State};
use axum::http::header;
use axum::response::{IntoResponse as _, Response};

use crate::config::MetricsAccess;
use crate::metrics::{self, metrics};

use super::api::{Api, Schema, get};
use super::auth::Caller;
use super::error::ApiError;
use super::state::AppState;

pub fn routes() -> Api {
    let figures = get(
        "/metrics",
        "Figures for a monitoring system; who may see them is configured",
    )
    .kind("application/openmetrics-text", Schema::Opaque)
    .bare()
    .fails([403]);
    Api::new("Operation").on(figures, show)
}

async fn show(State(state): State<AppState>, request: Request) -> Result<Response, ApiError> {
    match state.config.metrics {
        MetricsAccess::Open => {}
        MetricsAccess::Off => return Err(ApiError::Nothing),
        MetricsAccess::Admin => {
            let (mut parts, _) = request.into_parts();
            let caller = Caller::from_request_parts(&mut parts, &state).await?;
            caller.require_admin()?;
        }
    }
    let overview = state.store.overview().await?;
    let kind = [(header::CONTENT_TYPE, metrics::CONTENT_TYPE)];
    Ok((kind, metrics().text(&overview)).into_response())
}
