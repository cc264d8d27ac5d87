//! /metrics: figures for a monitoring system, in OpenMetrics text.

use axum::Router;
use axum::extract::{FromRequestParts as _, Request, State};
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;

use crate::config::MetricsAccess;
use crate::metrics::{self, metrics};

use super::auth::Caller;
use super::error::ApiError;
use super::state::AppState;

pub fn routes() -> Router<AppState> {
    Router::new().route("/metrics", get(show))
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
