//! Who looks at the page, and what they are told next.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum_extra::extract::cookie::{Cookie, CookieJar, SameSite};
use maud::Markup;

use super::super::address::address;
use super::super::auth::Caller;
use super::super::error::ApiError;
use super::Page;
use super::login;
use super::rest::{Refusal, Rest};
use super::shell::{self, Section};

/// What came of a change, from its call to the view that follows it. Hex, as a cookie can't hold all texts.
const NOTICE: &str = "sluice_notice";

/// Someone who is logged in.
pub struct Visitor {
    pub name: String,
    pub admin: bool,
    pub rest: Rest,
    notice: Option<Notice>,
}

/// A sentence about what was done, or why it was not.
pub struct Notice {
    pub good: bool,
    pub text: String,
}

impl FromRequestParts<Page> for Visitor {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, page: &Page) -> Result<Self, Response> {
        let notice = Notice::of(&parts.headers);
        match Caller::from_request_parts(parts, &page.state).await {
            Ok(caller) => Ok(Visitor {
                name: caller.name,
                admin: caller.admin,
                rest: Rest::new(page.rest.clone(), parts),
                notice,
            }),
            Err(ApiError::Unauthorized(_)) => Err(to_login(parts)),
            Err(error) => {
                let response = error.into_response();
                let status = response.status();
                let message = response.extensions().get().map_or_else(
                    || status.to_string(),
                    |problem: &super::super::error::Problem| problem.message.to_string(),
                );
                Err(Refusal { status, message }.into_response())
            }
        }
    }
}

/// Back to where they wanted to go once they are logged in; a form that came too late has to be filled in again.
///
/// XNAT's clients ask for `/` before they log in, and take where that leads to for the server's address.
fn to_login(parts: &Parts) -> Response {
    let accepted = parts.headers.get(header::ACCEPT);
    let accepted = accepted.and_then(|accepted| accepted.to_str().ok());
    let is_browser = accepted.is_some_and(|accepted| accepted.contains("text/html"));
    if parts.uri.path() == "/" && !is_browser {
        return login::form("", "", None).into_response();
    }
    let wanted = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let wanted = match parts.method {
        Method::GET if wanted != "/" => wanted,
        _ => "",
    };
    Redirect::to(&address(&["login"], &[("to", wanted)])).into_response()
}

impl Visitor {
    /// A view, with the notice of what led to it.
    pub fn show(&self, section: Section, title: &str, content: Markup) -> Response {
        let page = shell::page(self, section, title, self.notice.as_ref(), content);
        let cleared = self.notice.as_ref().map(|_| {
            let mut cookie = Cookie::from(NOTICE);
            cookie.set_path("/");
            // A jar that never had it would take it out without a word to the browser.
            cookie.make_removal();
            CookieJar::new().add(cookie)
        });
        (cleared, page).into_response()
    }

    /// On to a view that says what was done.
    pub fn done(&self, text: impl Into<String>, to: &str) -> Response {
        told(true, text.into(), to)
    }

    /// Back to a view that says why it was not.
    pub fn refused(&self, refusal: Refusal, to: &str) -> Response {
        told(false, refusal.message, to)
    }

    /// One or the other.
    pub fn told<T>(
        &self,
        result: Result<T, Refusal>,
        text: impl Into<String>,
        to: &str,
    ) -> Response {
        match result {
            Ok(_) => self.done(text, to),
            Err(refusal) => self.refused(refusal, to),
        }
    }
}

fn told(good: bool, text: String, to: &str) -> Response {
    let value = format!("{}{}", if good { '+' } else { '-' }, hex::encode(text));
    let cookie = Cookie::build((NOTICE, value))
        .path("/")
        .http_only(true)
        .same_site(SameSite::Strict);
    (CookieJar::new().add(cookie), Redirect::to(to)).into_response()
}

impl Notice {
    fn of(headers: &HeaderMap) -> Option<Notice> {
        let jar = CookieJar::from_headers(headers);
        let value = jar.get(NOTICE)?.value();
        let (good, text) = match value.split_at_checked(1)? {
            ("+", text) => (true, text),
            (_, text) => (false, text),
        };
        Some(Notice {
            good,
            text: String::from_utf8(hex::decode(text).ok()?).ok()?,
        })
    }
}
