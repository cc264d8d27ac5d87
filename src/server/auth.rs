//! Who is calling: HTTP Basic, or the session cookie that XNAT's clients ask for.
//!
//! Differs from XNAT: Basic alone opens no session; asking for one (`/data/JSESSION`, `/data/services/auth`) does.

mod attempts;
mod credentials;

use axum::extract::{FromRequestParts, Query, Request, State};
use axum::http::request::Parts;
use axum::http::{Method, header};
use axum::middleware::Next;
use axum::response::{AppendHeaders, IntoResponse, IntoResponseParts, Response};
use axum_extra::TypedHeader;
use axum_extra::extract::cookie::{Cookie, CookieJar, SameSite};
use axum_extra::headers::Authorization;
use axum_extra::headers::authorization::Basic;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::store::{PasswordRecord, Token, now_ms};

use super::api::{Api, Field, Operation, delete, get, post, put};
use super::error::ApiError;
use super::form::Parameters;
use super::log::RequestContext;
use super::state::AppState;
pub use credentials::CredentialCache;

/// The servlet container's cookie, by which XNAT's clients know it.
const COOKIE: &str = "JSESSIONID";

/// A user whose credentials were verified for this call.
#[derive(Debug, Clone)]
pub struct Caller {
    pub name: String,
    pub admin: bool,
    /// The session they called with, if it was one.
    pub token: Option<String>,
    /// What their password was verified against, if they called with one.
    password: Option<PasswordRecord>,
}

impl Caller {
    /// A user by name, as the one in whose name something is done that they called for before. None if
    /// they may not call any more.
    pub async fn of_user(state: &AppState, name: &str) -> Result<Option<Caller>, ApiError> {
        let user = state.store.users().get(name).await?;
        Ok(user.filter(|user| user.enabled).map(|user| Caller {
            name: user.name,
            admin: user.admin,
            token: None,
            password: Some(user.password),
        }))
    }

    /// The caller as they stand now, for an answer that goes on; none if they may not call any more: logged
    /// out, disabled, gone, or with another password.
    pub async fn again(&self, state: &AppState) -> Result<Option<Caller>, ApiError> {
        let now = match &self.token {
            // Listening is no use of a session: it does not prolong it.
            Some(token) => {
                let user = state.store.logins().look_up(token).await?;
                user.map(|user| Caller {
                    name: user.name,
                    admin: user.admin,
                    ..self.clone()
                })
            }
            None => Caller::of_user(state, &self.name).await?,
        };
        Ok(now.filter(|now| now.password == self.password))
    }

    pub fn require_admin(&self) -> Result<(), ApiError> {
        match self.admin {
            true => Ok(()),
            false => Err(ApiError::Forbidden(
                "Only a site administrator may do this.".into(),
            )),
        }
    }
}

impl FromRequestParts<AppState> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        check_origin(parts)?;
        let basic = TypedHeader::<Authorization<Basic>>::from_request_parts(parts, state)
            .await
            .ok()
            .map(|TypedHeader(Authorization(basic))| basic);
        let token = CookieJar::from_headers(&parts.headers)
            .get(COOKIE)
            .map(|cookie| cookie.value().to_string());
        let caller = match from_cookie(state, token).await? {
            // pyxnat sends both on every call; whose password it is wins over whose cookie it is.
            Some(caller) if basic.as_ref().is_none_or(|b| b.username() == caller.name) => caller,
            _ => match basic {
                Some(basic) => from_password(state, basic.username(), basic.password()).await?,
                None => return Err(ApiError::Unauthorized("Authentication required.".into())),
            },
        };
        if let Some(context) = parts.extensions.get::<RequestContext>() {
            context.set_user(&caller.name);
        }
        Ok(caller)
    }
}

async fn from_cookie(state: &AppState, token: Option<String>) -> Result<Option<Caller>, ApiError> {
    let Some(token) = token else { return Ok(None) };
    let lifetime = state.config.login_lifetime.as_millis() as i64;
    let login = state.store.logins().find(&token, lifetime).await?;
    Ok(login.map(|login| Caller {
        name: login.user.name,
        admin: login.user.admin,
        token: Some(token),
        password: None,
    }))
}

async fn from_password(state: &AppState, name: &str, password: &str) -> Result<Caller, ApiError> {
    let user = state
        .store
        .users()
        .get(name)
        .await?
        .filter(|user| user.enabled);
    let right = state
        .credentials
        .verify(name, user.as_ref(), password)
        .await?;
    match (right, user) {
        (true, Some(user)) => Ok(Caller {
            name: user.name,
            admin: user.admin,
            token: None,
            password: Some(user.password),
        }),
        _ => Err(ApiError::Unauthorized("Authentication failed.".into())),
    }
}

/// A call that needs no login, and comes from no other site's page: a login or a logout, which another site must not
/// bring about either.
struct NotFromElsewhere;

impl FromRequestParts<AppState> for NotFromElsewhere {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, ApiError> {
        check_origin(parts).map(|()| NotFromElsewhere)
    }
}

/// Takes the challenge out of an answer to a page's script: a browser that sees it asks for name and password by
/// itself, in the middle of a page whose session has ended. An address that is opened, and a client that is no
/// browser, are still challenged.
pub async fn challenge_no_script(request: Request, next: Next) -> Response {
    let mode = request.headers().get("sec-fetch-mode");
    let is_script = mode.is_some_and(|mode| mode != "navigate");
    let mut response = next.run(request).await;
    if is_script {
        response.headers_mut().remove(header::WWW_AUTHENTICATE);
    }
    response
}

/// A browser sends the cookie along with another site's call too, and the name and password that it was given for
/// HTTP Basic; such a call must change nothing. (SameSite=Lax says so already of the cookie; this holds for browsers
/// that don't honour it.) Clients that are no browsers name no origin.
fn check_origin(parts: &Parts) -> Result<(), ApiError> {
    if matches!(parts.method, Method::GET | Method::HEAD) {
        return Ok(());
    }
    let Some(origin) = parts.headers.get(header::ORIGIN) else {
        return Ok(());
    };
    let host = parts
        .headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    let from = origin
        .to_str()
        .ok()
        .and_then(|origin| origin.split_once("://"))
        .map(|(_, at)| at);
    match host.is_some() && host == from {
        true => Ok(()),
        false => Err(ApiError::Forbidden(
            "The call comes from another site. Behind a proxy, that must pass the header Host on as it came."
                .into(),
        )),
    }
}

const LOGIN: &[Field] = &[
    ("username", "text", "Or `j_username`."),
    ("password", "text", "Or `j_password`."),
    ("provider", "localdb", "Or `login_method`."),
];

pub fn routes() -> Api {
    let log_in_by = |operation: Operation| operation.open().form(LOGIN).text().fails([401, 429]);
    let open = |operation: Operation| operation.query::<CsrfQuery>().text();
    Api::new("Login")
        .on(
            log_in_by(put(
                "/services/auth",
                "Log in: the session's id, and its cookie",
            )),
            log_in,
        )
        .on(
            log_in_by(post(
                "/services/auth",
                "Log in: the session's id, and its cookie",
            )),
            log_in,
        )
        .on(
            open(get(
                "/JSESSION",
                "The id of the caller's session, which is opened where there is none",
            )),
            session,
        )
        .on(
            open(post(
                "/JSESSION",
                "The id of the caller's session, which is opened where there is none",
            )),
            session,
        )
        .on(
            delete("/JSESSION", "Log out").open().empty(200, ""),
            log_out,
        )
        .on(get("/auth", "Who is logged in").text(), who)
}

/// XNAT: 200 with the session's id as text and the cookie; names both plain and with Spring's `j_`.
async fn log_in(
    State(state): State<AppState>,
    _: NotFromElsewhere,
    jar: CookieJar,
    parameters: Parameters,
) -> Result<impl IntoResponse, ApiError> {
    let field = |name: &str, spring: &str| parameters.get(name).or_else(|| parameters.get(spring));
    let (Some(name), Some(password)) = (
        field("username", "j_username"),
        field("password", "j_password"),
    ) else {
        return Err(ApiError::Unauthorized("Authentication failed.".into()));
    };
    for provider in ["provider", "login_method"] {
        if parameters
            .get(provider)
            .is_some_and(|given| given != "localdb" && !given.is_empty())
        {
            return Err(ApiError::BadRequest(
                "Unknown authentication provider.".into(),
            ));
        }
    }
    let caller = from_password(&state, name, password).await?;
    let token = open(&state, &jar, &caller).await?.as_str().to_string();
    Ok((with_cookies(jar, &state, &token), token))
}

#[derive(Deserialize, JsonSchema)]
struct CsrfQuery {
    /// `true`: the answer names a token, as XNAT's clients expect.
    #[serde(rename = "CSRF")]
    csrf: Option<String>,
}

/// XNAT: the id of the caller's session, which is opened when they called with a password.
async fn session(
    State(state): State<AppState>,
    caller: Caller,
    Query(query): Query<CsrfQuery>,
    jar: CookieJar,
) -> Result<impl IntoResponse, ApiError> {
    let token = match &caller.token {
        Some(token) => token.clone(),
        None => open(&state, &jar, &caller).await?.as_str().to_string(),
    };
    let mut body = token.clone();
    if query.csrf.as_deref() == Some("true") {
        // Nothing checks it: the cookie's own rules keep other sites out. Clients only pass it on.
        body.push_str("; XNAT_CSRF=none");
    }
    Ok((with_cookies(jar, &state, &token), body))
}

async fn log_out(
    State(state): State<AppState>,
    _: NotFromElsewhere,
    jar: CookieJar,
) -> Result<impl IntoResponse, ApiError> {
    if let Some(cookie) = jar.get(COOKIE) {
        state.store.logins().close(cookie.value()).await?;
    }
    Ok(jar.remove(Cookie::build(COOKIE).path("/").build()))
}

async fn who(caller: Caller) -> String {
    format!("User '{}' is logged in", caller.name)
}

/// Opens a session, and ends the one that the call came with: somebody else may have put it there, to go on in it.
async fn open(state: &AppState, jar: &CookieJar, caller: &Caller) -> Result<Token, ApiError> {
    if let Some(cookie) = jar.get(COOKIE) {
        state.store.logins().close(cookie.value()).await?;
    }
    let lifetime = state.config.login_lifetime.as_millis() as i64;
    Ok(state.store.logins().open(&caller.name, lifetime).await?)
}

/// The session's cookie, and XNAT's second one, from which xnatpy takes how often to call in. That one
/// goes out as it is: a `CookieJar` would encode the quotes and the comma that clients look for.
fn with_cookies(jar: CookieJar, state: &AppState, token: &str) -> impl IntoResponseParts + use<> {
    let times = format!(
        "SESSION_EXPIRATION_TIME=\"{},{}\"; SameSite=Lax; Path=/",
        now_ms(),
        state.config.login_lifetime.as_millis()
    );
    let session = Cookie::build((COOKIE, token.to_string()))
        .path("/")
        .http_only(true)
        .same_site(SameSite::Lax)
        .build();
    (
        jar.add(session),
        AppendHeaders([(header::SET_COOKIE, times)]),
    )
}
