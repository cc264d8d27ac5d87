//! Logging in and out, by the calls that XNAT's clients use.

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Form, FromRequestParts, Query, State};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode, header};
use axum::response::{AppendHeaders, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use maud::{Markup, html};
use serde::Deserialize;

use super::super::address::pairs;
use super::rest::Rest;
use super::{Page, Refusal, shell};

pub fn routes() -> Router<Page> {
    Router::new()
        .route("/login", get(ask).post(log_in))
        .route("/logout", post(log_out))
}

#[derive(Deserialize)]
struct To {
    #[serde(default)]
    to: String,
}

#[derive(Deserialize)]
struct Credentials {
    #[serde(default)]
    username: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    to: String,
}

/// Someone who need not be logged in.
struct Anyone(Rest);

impl FromRequestParts<Page> for Anyone {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, page: &Page) -> Result<Self, Self::Rejection> {
        Ok(Anyone(Rest::new(page.rest.clone(), parts)))
    }
}

async fn ask(Query(query): Query<To>) -> Markup {
    form("", &query.to, None)
}

async fn log_in(
    State(_): State<Page>,
    Anyone(rest): Anyone,
    Form(given): Form<Credentials>,
) -> Result<Response, Refusal> {
    let body = pairs(&[("username", &given.username), ("password", &given.password)]);
    let kind = "application/x-www-form-urlencoded";
    let answer = rest
        .response(Method::POST, "/data/services/auth", kind, body.into())
        .await?;
    if answer.status().is_success() {
        return Ok((cookies(&answer), Redirect::to(inside(&given.to))).into_response());
    }
    let status = answer.status();
    let why = match status {
        StatusCode::UNAUTHORIZED => "The name or the password is wrong.".to_string(),
        StatusCode::FORBIDDEN => "This login was asked for by another site: log in here.".into(),
        StatusCode::TOO_MANY_REQUESTS => {
            "Too many wrong passwords: wait a minute, then try again.".into()
        }
        _ => "The server can't log anyone in at present; try again in a while.".into(),
    };
    Ok((status, form(&given.username, &given.to, Some(&why))).into_response())
}

async fn log_out(Anyone(rest): Anyone) -> Result<Response, Refusal> {
    let answer = rest
        .response(Method::DELETE, "/data/JSESSION", "", Bytes::new())
        .await?;
    Ok((cookies(&answer), Redirect::to("/login")).into_response())
}

fn cookies(answer: &Response) -> AppendHeaders<Vec<(header::HeaderName, header::HeaderValue)>> {
    let cookies = answer.headers().get_all(header::SET_COOKIE).iter();
    AppendHeaders(
        cookies
            .map(|cookie| (header::SET_COOKIE, cookie.clone()))
            .collect(),
    )
}

/// No link can send anyone to another site by way of the login.
fn inside(to: &str) -> &str {
    let local = to.starts_with('/') && !to.starts_with("//") && !to.contains('\\');
    match local && !to.chars().any(char::is_control) {
        true => to,
        false => "/",
    }
}

/// What asks for a name and a password.
pub fn form(username: &str, to: &str, error: Option<&str>) -> Markup {
    shell::outside(
        "Log in",
        html! {
            h1 { "Sluice" }
            @if let Some(error) = error { (shell::told(false, error)) }
            form.stacked method="post" action="/login" {
                input type="hidden" name="to" value=(to);
                label for="username" { "Name" }
                input #username name="username" value=(username) autocomplete="username" autocapitalize="none" required autofocus[username.is_empty()];
                label for="password" { "Password" }
                input #password type="password" name="password" autocomplete="current-password" required autofocus[!username.is_empty()];
                button { "Log in" }
            }
        },
    )
}

#[cfg(test)]
mod tests {
    use super::inside;

    #[test]
    fn the_login_leads_nowhere_but_to_this_page() {
        assert_eq!(inside("/imports/3?a=b"), "/imports/3?a=b");
        for elsewhere in ["", "//evil", "/\\evil", "https://evil", "/a\nb"] {
            assert_eq!(inside(elsewhere), "/");
        }
    }
}
