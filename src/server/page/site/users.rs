//! Accounts: who there is, adding one, letting one in or out, another password.

use axum::body::Bytes;
use axum::extract::{Form, Path};
use axum::http::Method;
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::super::address::address;
use super::super::parts::{Tone, badge};
use super::super::shell::{self, Section};
use super::super::{Refusal, Visitor};
use super::tabs;

const HERE: &str = "/site/users";

#[derive(Deserialize)]
struct User {
    username: String,
    enabled: bool,
    admin: bool,
    email: String,
}

#[derive(Deserialize)]
pub struct New {
    username: String,
    password: String,
    #[serde(default)]
    email: String,
    #[serde(default)]
    admin: bool,
}

#[derive(Deserialize)]
pub struct Change {
    enabled: Option<bool>,
    password: Option<String>,
}

pub async fn list(visitor: Visitor) -> Result<Response, Refusal> {
    let content = view(&visitor, None).await?;
    Ok(visitor.show(Section::Site, "Users", content))
}

pub async fn add(visitor: Visitor, Form(new): Form<New>) -> Result<Response, Refusal> {
    let user = json!({
        "username": new.username, "password": new.password, "email": new.email, "admin": new.admin,
    });
    match send(&visitor, Method::POST, "/xapi/users", &user).await {
        Ok(()) => Ok(visitor.done(format!("{} is added.", new.username), HERE)),
        Err(refusal) => {
            let content = view(&visitor, Some((&new, &refusal))).await?;
            let page = visitor.show(Section::Site, "Users", content);
            Ok((refusal.status, page).into_response())
        }
    }
}

pub async fn change(
    visitor: Visitor,
    Path(login): Path<String>,
    Form(change): Form<Change>,
) -> Response {
    let (user, done) = match (change.enabled, &change.password) {
        (Some(enabled), _) => {
            let now = if enabled {
                "may log in again"
            } else {
                "can't log in any more"
            };
            (json!({ "enabled": enabled }), format!("{login} {now}."))
        }
        (None, Some(password)) => (
            json!({ "password": password }),
            format!("{login} has another password."),
        ),
        (None, None) => (json!({}), "Nothing was to be changed.".into()),
    };
    let uri = address(&["xapi", "users", &login], &[]);
    let result = send(&visitor, Method::PUT, &uri, &user).await;
    visitor.told(result, done, HERE)
}

async fn send(visitor: &Visitor, method: Method, uri: &str, user: &Value) -> Result<(), Refusal> {
    let body = Bytes::from(user.to_string());
    visitor
        .rest
        .call(method, uri, "application/json", body)
        .await
        .map(drop)
}

async fn view(visitor: &Visitor, refused: Option<(&New, &Refusal)>) -> Result<Markup, Refusal> {
    let users: Vec<User> = visitor.rest.get("/xapi/users/profiles").await?;
    let new = refused.map(|(new, _)| new);
    Ok(html! {
        h1 { "Users" }
        (tabs(visitor, HERE))
        div.wide tabindex="0" role="region" aria-label="Users" {
            table {
                thead { tr { th { "Name" } th { "May" } th { "E-mail" } th { "Change" } } }
                tbody { @for user in &users { (row(user)) } }
            }
        }
        form.stacked method="post" action=(HERE) {
            h2 { "Add a user" }
            @if let Some((_, refusal)) = refused { (shell::told(false, &refusal.message)) }
            label for="username" { "Name" }
            input #username name="username" value=[new.map(|new| &new.username)] required autocapitalize="none";
            label for="email" { "E-mail " small { "(may stay empty)" } }
            input #email type="email" name="email" value=[new.map(|new| &new.email)];
            label for="password" { "Password" }
            input #password type="password" name="password" autocomplete="new-password" required;
            label.check { input type="checkbox" name="admin" value="true" checked[new.is_some_and(|new| new.admin)]; " Administrator of the site" }
            button { "Add" }
        }
    })
}

fn row(user: &User) -> Markup {
    let here = address(&["site", "users", &user.username], &[]);
    let (enable, name) = match user.enabled {
        true => ("false", "Let out"),
        false => ("true", "Let in"),
    };
    let asked = format!("Shall {} not be able to log in any more?", user.username);
    html! {
        tr {
            td { (user.username) }
            td {
                @if !user.enabled { (badge(Tone::Bad, "not log in")) }
                @else if user.admin { (badge(Tone::Busy, "administer")) }
                @else { (badge(Tone::Good, "log in")) }
            }
            td { (user.email) }
            td {
                form.action method="post" action=(here) data-confirm=[user.enabled.then_some(asked)] {
                    input type="hidden" name="enabled" value=(enable);
                    button aria-label={ (name) ": " (user.username) } { (name) }
                }
                details {
                    summary { "Password" }
                    form.filter method="post" action=(here) {
                        label { "New password of " (user.username) input type="password" name="password" autocomplete="new-password" required; }
                        button { "Set" }
                    }
                }
            }
        }
    }
}
