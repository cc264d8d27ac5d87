//! Who is calling: HTTP Basic, or the session cookie that XNAT's clients ask for.
//!
//! A verified password is remembered for a short time, under a keyed hash that covers the user's current
//! argon2 record: a changed password, by whatever process, is another key and so verified anew. Differs
//! from XNAT: Basic alone opens no session; asking for one (`/data/JSESSION`, `/data/services/auth`) does.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{FromRequestParts, Query, State};
use axum::http::request::Parts;
use axum::http::{Method, header};
use axum::response::{AppendHeaders, IntoResponse, IntoResponseParts};
use axum::routing::{get, put};
use axum_extra::TypedHeader;
use axum_extra::extract::cookie::{Cookie, CookieJar, SameSite};
use axum_extra::headers::Authorization;
use axum_extra::headers::authorization::Basic;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::Deserialize;
use sha2::Sha256;
use tokio::sync::Semaphore;

use crate::password;
use crate::store::{PasswordRecord, Token, User, now_ms};

use super::error::ApiError;
use super::form::Parameters;
use super::log::RequestContext;
use super::state::AppState;

/// The servlet container's cookie, by which XNAT's clients know it.
const COOKIE: &str = "JSESSIONID";

/// How long a verified password needs no argon2 again.
const REMEMBER: Duration = Duration::from_secs(60);

/// Each argon2 run takes 19 MiB and a core.
const ARGON2_RUNS: usize = 2;

/// Far more than there are users; a bound all the same.
const REMEMBERED_AT_MOST: usize = 4096;

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

/// Passwords verified a short while ago.
pub struct CredentialCache {
    key: [u8; 32],
    verified_until: Mutex<HashMap<[u8; 32], Instant>>,
    argon2: Semaphore,
}

impl CredentialCache {
    pub fn new() -> Result<CredentialCache, ApiError> {
        let mut key = [0u8; 32];
        getrandom::fill(&mut key)
            .map_err(|_| ApiError::Internal("no random bytes from the operating system"))?;
        Ok(CredentialCache {
            key,
            verified_until: Mutex::new(HashMap::new()),
            argon2: Semaphore::new(ARGON2_RUNS),
        })
    }

    /// Whether `password` is the user's. With no user it takes as long and says no.
    async fn verify(&self, user: Option<&User>, password: &str) -> Result<bool, ApiError> {
        let tag = user.map(|user| self.tag(user, password));
        if tag.is_some_and(|tag| self.is_remembered(&tag)) {
            return Ok(true);
        }
        let _run = self
            .argon2
            .acquire()
            .await
            .map_err(|_| ApiError::Internal("shutting down"))?;
        let record = user.map(|user| user.password.clone());
        let password = password.to_string();
        let right = tokio::task::spawn_blocking(move || match record {
            Some(record) => password::verify(&password, &record),
            None => {
                password::verify_nothing(&password);
                false
            }
        })
        .await
        .map_err(|_| ApiError::Internal("verifying a password stopped"))?;
        if let (true, Some(tag)) = (right, tag) {
            self.remember(tag);
        }
        Ok(right)
    }

    fn tag(&self, user: &User, password: &str) -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("HMAC takes any key");
        for part in [user.name.as_str(), user.password.as_str(), password] {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part.as_bytes());
        }
        mac.finalize().into_bytes().into()
    }

    fn is_remembered(&self, tag: &[u8; 32]) -> bool {
        self.lock()
            .get(tag)
            .is_some_and(|until| *until > Instant::now())
    }

    fn remember(&self, tag: [u8; 32]) {
        let now = Instant::now();
        let mut verified = self.lock();
        if verified.len() >= REMEMBERED_AT_MOST {
            verified.retain(|_, until| *until > now);
        }
        if verified.len() < REMEMBERED_AT_MOST {
            verified.insert(tag, now + REMEMBER);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<[u8; 32], Instant>> {
        // The map is whole after any panic: each change of it is one call.
        self.verified_until
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl FromRequestParts<AppState> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let basic = TypedHeader::<Authorization<Basic>>::from_request_parts(parts, state)
            .await
            .ok()
            .map(|TypedHeader(Authorization(basic))| basic);
        let token = CookieJar::from_headers(&parts.headers)
            .get(COOKIE)
            .map(|cookie| cookie.value().to_string());
        let caller = match from_cookie(state, token).await? {
            // pyxnat sends both on every call; whose password it is wins over whose cookie it is.
            Some(caller) if basic.as_ref().is_none_or(|b| b.username() == caller.name) => {
                check_origin(parts)?;
                caller
            }
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
    match (
        state.credentials.verify(user.as_ref(), password).await?,
        user,
    ) {
        (true, Some(user)) => Ok(Caller {
            name: user.name,
            admin: user.admin,
            token: None,
            password: Some(user.password),
        }),
        _ => Err(ApiError::Unauthorized("Authentication failed.".into())),
    }
}

/// A browser sends the cookie along with another site's call too; such a call must change nothing.
/// (SameSite=Lax says so already; this holds for browsers that don't honour it.)
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
            "The call comes from another site.".into(),
        )),
    }
}

pub fn routes() -> Router<AppState> {
    Router::new()
        .route("/services/auth", put(log_in).post(log_in))
        .route("/JSESSION", get(session).post(session).delete(log_out))
        .route("/auth", get(who))
}

/// XNAT: 200 with the session's id as text and the cookie; names both plain and with Spring's `j_`.
async fn log_in(
    State(state): State<AppState>,
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
    let token = open(&state, &caller).await?.as_str().to_string();
    Ok((with_cookies(jar, &state, &token), token))
}

#[derive(Deserialize)]
struct CsrfQuery {
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
        None => open(&state, &caller).await?.as_str().to_string(),
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

async fn open(state: &AppState, caller: &Caller) -> Result<Token, ApiError> {
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
