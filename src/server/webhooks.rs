//! /xapi/webhooks: whom the ends of requests are told. For site administrators alone.

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use crate::store::{Delivery, NewWebhook, Webhook, WebhookChange};
use crate::webhook::check_url;

use super::api::{Api, delete, get, post, put};
use super::auth::Caller;
use super::error::ApiError;
use super::state::AppState;

const DELIVERIES: u32 = 100;
const MOST_DELIVERIES: u32 = 1000;

pub fn routes() -> Api {
    Api::new("Webhooks")
        .on(
            get("/webhooks", "The targets")
                .json::<Vec<View>>()
                .fails([403]),
            list,
        )
        .on(
            post(
                "/webhooks",
                "Add a target; the answer alone holds its secret",
            )
            .takes_json::<Said>()
            .json_at::<View>(201, "Added"),
            create,
        )
        .on(
            get("/webhooks/{id}", "A target")
                .json::<View>()
                .fails([403]),
            show,
        )
        .on(
            put("/webhooks/{id}", "Change a target")
                .takes_json::<Said>()
                .json::<View>(),
            change,
        )
        .on(
            delete("/webhooks/{id}", "Remove a target").empty(204, "Removed"),
            remove,
        )
        .on(
            post(
                "/webhooks/{id}/test",
                "Tell a target something without meaning",
            )
            .json_at::<DeliveryView>(202, "Will be sent")
            .fails([409]),
            test,
        )
        .on(
            get(
                "/webhooks/{id}/deliveries",
                "What was sent to a target, and what came of it; the newest first",
            )
            .query::<Page>()
            .json::<Vec<DeliveryView>>()
            .fails([403]),
            deliveries,
        )
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Webhook")]
struct View {
    id: i64,
    url: String,
    project: Option<String>,
    enabled: bool,
    created: i64,
    created_by: String,
    /// Only in the answer to the call that made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
}

impl From<Webhook> for View {
    fn from(webhook: Webhook) -> View {
        View {
            id: webhook.id,
            url: webhook.url,
            project: webhook.project,
            enabled: webhook.enabled,
            created: webhook.created,
            created_by: webhook.created_by,
            secret: None,
        }
    }
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Delivery")]
struct DeliveryView {
    id: i64,
    event: String,
    request: Option<i64>,
    state: &'static str,
    attempts: i64,
    created: i64,
    /// Only of one that will be tried again.
    next_attempt: Option<i64>,
    answered: Option<i64>,
    problem: Option<String>,
    ended: Option<i64>,
}

impl From<Delivery> for DeliveryView {
    fn from(delivery: Delivery) -> DeliveryView {
        DeliveryView {
            id: delivery.id,
            event: delivery.event,
            request: delivery.request,
            state: delivery.state.as_str(),
            attempts: delivery.attempts,
            created: delivery.created,
            next_attempt: match delivery.ended {
                Some(_) => None,
                None => Some(delivery.next_attempt),
            },
            answered: delivery.answered,
            problem: delivery.problem,
            ended: delivery.ended,
        }
    }
}

/// What is said of a target; what is not said keeps its value, or takes its default.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Said {
    url: Option<String>,
    #[serde(default, deserialize_with = "even_null")]
    #[schemars(with = "Option<String>")]
    project: Option<Option<String>>,
    enabled: Option<bool>,
}

/// `null` is a value here: of all projects.
fn even_null<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(from).map(Some)
}

type Body = Result<Json<Said>, JsonRejection>;

async fn checked(state: &AppState, body: Body) -> Result<Said, ApiError> {
    let Json(said) = body.map_err(|why| ApiError::BadRequest(why.body_text().into()))?;
    if let Some(url) = &said.url {
        check_url(url).map_err(|why| ApiError::BadRequest(why.to_string().into()))?;
    }
    if let Some(Some(project)) = &said.project
        && state.store.projects().get(project).await?.is_none()
    {
        return Err(ApiError::BadRequest("There is no such project.".into()));
    }
    Ok(said)
}

async fn list(State(state): State<AppState>, caller: Caller) -> Result<Json<Vec<View>>, ApiError> {
    caller.require_admin()?;
    let webhooks = state.store.webhooks().list().await?;
    Ok(Json(webhooks.into_iter().map(View::from).collect()))
}

async fn create(
    State(state): State<AppState>,
    caller: Caller,
    body: Body,
) -> Result<(StatusCode, Json<View>), ApiError> {
    caller.require_admin()?;
    let said = checked(&state, body).await?;
    let url = said
        .url
        .ok_or_else(|| ApiError::BadRequest("A webhook needs a url.".into()))?;
    let new = NewWebhook {
        url,
        project: said.project.flatten(),
        enabled: said.enabled.unwrap_or(true),
    };
    let (webhook, secret) = state.store.webhooks().add(new, &caller.name).await?;
    let view = View {
        secret: Some(secret.as_str().to_owned()),
        ..webhook.into()
    };
    Ok((StatusCode::CREATED, Json(view)))
}

async fn show(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<View>, ApiError> {
    Ok(Json(webhook(&state, &caller, &id).await?.into()))
}

async fn change(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
    body: Body,
) -> Result<Json<View>, ApiError> {
    let before = webhook(&state, &caller, &id).await?;
    let said = checked(&state, body).await?;
    let change = WebhookChange {
        url: said.url,
        project: said.project,
        enabled: said.enabled,
    };
    let webhooks = state.store.webhooks();
    match webhooks.change(before.id, change, &caller.name).await? {
        Some(webhook) => Ok(Json(webhook.into())),
        None => Err(ApiError::no_such("webhook")),
    }
}

async fn remove(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let webhook = webhook(&state, &caller, &id).await?;
    match state
        .store
        .webhooks()
        .remove(webhook.id, &caller.name)
        .await?
    {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(ApiError::no_such("webhook")),
    }
}

/// Tells the target something without meaning; how that went is among its deliveries.
async fn test(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<(StatusCode, Json<DeliveryView>), ApiError> {
    let webhook = webhook(&state, &caller, &id).await?;
    if !webhook.enabled {
        return Err(ApiError::Conflict(
            "The webhook is disabled: enable it first.".into(),
        ));
    }
    let webhooks = state.store.webhooks();
    let delivery = webhooks.test(webhook.id, &caller.name).await?;
    Ok((StatusCode::ACCEPTED, Json(delivery.into())))
}

#[derive(Deserialize, JsonSchema)]
struct Page {
    /// 1 to 1000, else 100.
    #[schemars(with = "Option<u32>", range(min = 1, max = 1000))]
    limit: Option<String>,
}

/// The newest first.
async fn deliveries(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
    Query(page): Query<Page>,
) -> Result<Json<Vec<DeliveryView>>, ApiError> {
    let webhook = webhook(&state, &caller, &id).await?;
    let limit = page.limit.map_or(Ok(DELIVERIES), |limit| limit.parse());
    let limit = limit
        .ok()
        .filter(|limit| (1..=MOST_DELIVERIES).contains(limit))
        .ok_or_else(|| {
            ApiError::BadRequest(
                format!("The parameter limit must be a number from 1 to {MOST_DELIVERIES}.").into(),
            )
        })?;
    let deliveries = state.store.webhooks().deliveries(webhook.id, limit).await?;
    Ok(Json(
        deliveries.into_iter().map(DeliveryView::from).collect(),
    ))
}

async fn webhook(state: &AppState, caller: &Caller, id: &str) -> Result<Webhook, ApiError> {
    caller.require_admin()?;
    let missing = || ApiError::no_such("webhook");
    let id = id.parse().map_err(|_| missing())?;
    state.store.webhooks().get(id).await?.ok_or_else(missing)
}
