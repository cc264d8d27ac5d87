//! Users over REST: XNAT's `/xapi/users` and `/data/users`.
//!
//! Lists are for administrators (XNAT's `restrictUserListAccessToAdmins`), one's own entry for oneself.
//! No answer holds a password or its record.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::password::{self, PasswordError};
use crate::store::{NewUser, PasswordRecord, User, UserChange};

use super::api::{Api, get, post, put};
use super::auth::Caller;
use super::error::{ApiError, refusal};
use super::state::AppState;
use super::table::{Table, View};

pub fn xapi() -> Api {
    let show = |path: &'static str| get(path, "A user").json::<Profile>().fails([403]);
    Api::new("Users")
        .on(
            get("/users", "All users' names")
                .json::<Vec<String>>()
                .fails([403]),
            names,
        )
        .on(
            post("/users", "Add a user")
                .takes_json::<Change>()
                .json_at::<Profile>(201, "Added")
                .fails([409]),
            create,
        )
        .on(
            get("/users/profiles", "All users")
                .json::<Vec<Profile>>()
                .fails([403]),
            profiles,
        )
        .on(show("/users/profile/{login}"), profile)
        .on(show("/users/{login}"), profile)
        .on(
            put(
                "/users/{login}",
                "Change a user: password, names and address; let the user in or out, make an administrator or none",
            )
            .takes_json::<Change>()
            .json::<Profile>()
            .fails([409]),
            change,
        )
}

pub fn data() -> Api {
    Api::new("Users").on(
        get("/users", "All users, as a table").table().fails([403]),
        table,
    )
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "User")]
struct Profile {
    username: String,
    enabled: bool,
    admin: bool,
    first_name: String,
    last_name: String,
    email: String,
}

impl From<User> for Profile {
    fn from(user: User) -> Self {
        Profile {
            username: user.name,
            enabled: user.enabled,
            admin: user.admin,
            first_name: user.firstname,
            last_name: user.lastname,
            email: user.email,
        }
    }
}

/// What may be said of a user; XNAT's names.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Change {
    username: Option<String>,
    password: Option<String>,
    enabled: Option<bool>,
    admin: Option<bool>,
    first_name: Option<String>,
    last_name: Option<String>,
    email: Option<String>,
}

async fn names(
    State(state): State<AppState>,
    caller: Caller,
) -> Result<Json<Vec<String>>, ApiError> {
    caller.require_admin()?;
    let users = state.store.users().list().await?;
    Ok(Json(users.into_iter().map(|user| user.name).collect()))
}

async fn profiles(
    State(state): State<AppState>,
    caller: Caller,
) -> Result<Json<Vec<Profile>>, ApiError> {
    caller.require_admin()?;
    Ok(Json(
        state
            .store
            .users()
            .list()
            .await?
            .into_iter()
            .map(Profile::from)
            .collect(),
    ))
}

async fn profile(
    State(state): State<AppState>,
    caller: Caller,
    Path(login): Path<String>,
) -> Result<Json<Profile>, ApiError> {
    self_or_admin(&caller, &login)?;
    let user = state
        .store
        .users()
        .get(&login)
        .await?
        .ok_or_else(|| ApiError::no_such("user"))?;
    Ok(Json(user.into()))
}

async fn create(
    State(state): State<AppState>,
    caller: Caller,
    Json(change): Json<Change>,
) -> Result<(StatusCode, Json<Profile>), ApiError> {
    caller.require_admin()?;
    let name = change
        .username
        .ok_or_else(|| ApiError::BadRequest("A user needs a username.".into()))?;
    let password = change
        .password
        .ok_or_else(|| ApiError::BadRequest("A user needs a password.".into()))?;
    if change.enabled == Some(false) {
        return Err(ApiError::BadRequest(
            "A new user may log in: add the user without enabled, and keep them out by a second call."
                .into(),
        ));
    }
    let user = NewUser {
        name: name.clone(),
        password: hash(password).await?,
        admin: change.admin.unwrap_or(false),
        email: change.email.unwrap_or_default(),
        firstname: change.first_name.unwrap_or_default(),
        lastname: change.last_name.unwrap_or_default(),
    };
    state
        .store
        .users()
        .add_by(user, &caller.name)
        .await
        .map_err(refusal)?;
    let user = state
        .store
        .users()
        .get(&name)
        .await?
        .ok_or_else(|| ApiError::no_such("user"))?;
    Ok((StatusCode::CREATED, Json(user.into())))
}

/// A new password, names and address, by oneself or an administrator; letting in or out, and what makes an
/// administrator, by an administrator.
async fn change(
    State(state): State<AppState>,
    caller: Caller,
    Path(login): Path<String>,
    Json(change): Json<Change>,
) -> Result<Json<Profile>, ApiError> {
    self_or_admin(&caller, &login)?;
    if change.username.is_some_and(|name| name != login) {
        return Err(ApiError::BadRequest(
            "A user's name can't be changed: leave username out.".into(),
        ));
    }
    if !caller.admin && (change.enabled.is_some() || change.admin.is_some()) {
        // What a client sends back as it got it changes nothing.
        let user = state.store.users().get(&login).await?;
        let user = user.ok_or_else(|| ApiError::no_such("user"))?;
        let is_same = change.enabled.is_none_or(|enabled| enabled == user.enabled)
            && change.admin.is_none_or(|admin| admin == user.admin);
        if !is_same {
            caller.require_admin()?;
        }
    }
    let password = match change.password {
        Some(password) => Some(hash(password).await?),
        None => None,
    };
    let rights = caller.admin.then_some((change.enabled, change.admin));
    let (enabled, admin) = rights.unwrap_or_default();
    let change = UserChange {
        password,
        enabled,
        admin,
        email: change.email,
        firstname: change.first_name,
        lastname: change.last_name,
    };
    let users = state.store.users();
    let changed = users.change(&login, change, &caller.name).await;
    let user = changed.map_err(refusal)?;
    Ok(Json(user.ok_or_else(|| ApiError::no_such("user"))?.into()))
}

async fn table(
    State(state): State<AppState>,
    caller: Caller,
    view: View,
) -> Result<Response, ApiError> {
    caller.require_admin()?;
    let users = state.store.users().list().await?;
    Table::of(
        "Users",
        &["login", "firstname", "lastname", "email"],
        users,
        |user| [user.name, user.firstname, user.lastname, user.email],
    )
    .answer(&view)
}

fn self_or_admin(caller: &Caller, login: &str) -> Result<(), ApiError> {
    match caller.name == login {
        true => Ok(()),
        false => caller.require_admin(),
    }
}

async fn hash(password: String) -> Result<PasswordRecord, ApiError> {
    tokio::task::spawn_blocking(move || password::hash(&password))
        .await
        .map_err(|_| ApiError::Internal("hashing a password stopped"))?
        .map_err(|error| match error {
            PasswordError::Hash => ApiError::Internal("a password could not be hashed"),
            other => ApiError::BadRequest(other.to_string().into()),
        })
}
