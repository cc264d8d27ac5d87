//! Projects: which there are, who is in them, and where their sessions go.

use axum::extract::{Form, Path};
use axum::http::Method;
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use serde::Deserialize;

use super::super::super::address::address;
use super::super::rest::Table;
use super::super::shell::{self, Section};
use super::super::{Refusal, Visitor, parts};
use super::tabs;

const HERE: &str = "/site/projects";

const CODES: [(&str, &str); 3] = [
    ("0", "wait in the prearchive"),
    ("4", "go to the archive, where nothing stands in the way"),
    ("5", "go to the archive, replacing what differs"),
];

const ROLES: [(&str, &str); 3] = [
    ("owner", "Owner: the rules, and who is in it"),
    ("member", "Member: imports and sessions"),
    ("collaborator", "Collaborator: looks at what is archived"),
];

#[derive(Deserialize)]
struct Project {
    #[serde(rename = "ID")]
    id: String,
    name: String,
    description: String,
}

#[derive(Deserialize)]
struct Member {
    login: String,
    email: String,
    displayname: String,
}

#[derive(Deserialize)]
pub struct New {
    id: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    code: String,
}

#[derive(Deserialize)]
pub struct Fields {
    #[serde(default)]
    name: String,
    #[serde(default)]
    description: String,
}

#[derive(Deserialize)]
pub struct Code {
    code: String,
}

#[derive(Deserialize)]
pub struct Membership {
    user: String,
    role: String,
}

pub async fn list(visitor: Visitor) -> Result<Response, Refusal> {
    let content = view(&visitor, None).await?;
    Ok(visitor.show(Section::Site, "Projects", content))
}

pub async fn create(visitor: Visitor, Form(new): Form<New>) -> Result<Response, Refusal> {
    let uri = address(&["data", "projects", &new.id], &[]);
    let form = [("name", new.name.as_str()), ("prearchive_code", &new.code)];
    match visitor.rest.send(Method::PUT, &uri, &form).await {
        Ok(_) => Ok(visitor.done(format!("The project {} is there.", new.id), &here(&new.id))),
        Err(refusal) => {
            let content = view(&visitor, Some((&new, &refusal))).await?;
            let page = visitor.show(Section::Site, "Projects", content);
            Ok((refusal.status, page).into_response())
        }
    }
}

async fn view(visitor: &Visitor, refused: Option<(&New, &Refusal)>) -> Result<Markup, Refusal> {
    let projects: Table<Project> = visitor.rest.get("/data/projects?format=json").await?;
    let new = refused.map(|(new, _)| new);
    Ok(html! {
        h1 { "Projects" }
        (tabs(visitor, HERE))
        @if projects.rows().is_empty() { p.empty { "There is no project yet that you are in." } }
        @else {
            div.wide tabindex="0" role="region" aria-label="Projects" {
                table {
                    thead { tr { th { "Project" } th { "Name" } th { "Description" } th { "Rules" } } }
                    tbody {
                        @for project in projects.rows() {
                            tr {
                                td { a href=(here(&project.id)) { (project.id) } }
                                td { (project.name) } td { (project.description) }
                                td { a href=(address(&["rules", &project.id], &[])) { "Rules of " (project.id) } }
                            }
                        }
                    }
                }
            }
        }
        @if visitor.admin {
            form.stacked method="post" action=(HERE) {
                h2 { "Make a project" }
                @if let Some((_, refusal)) = refused { (shell::told(false, &refusal.message)) }
                label for="id" { "ID " small { "(its folder in the inbox is named so)" } }
                input #id name="id" value=[new.map(|new| &new.id)] required;
                label for="name" { "Name " small { "(may stay empty)" } }
                input #name name="name" value=[new.map(|new| &new.name)];
                label for="code" { "Its sessions" }
                (codes(new.map_or("0", |new| &new.code)))
                button { "Make" }
            }
        }
    })
}

pub async fn show(visitor: Visitor, Path(id): Path<String>) -> Result<Response, Refusal> {
    let projects: Table<Project> = visitor.rest.get("/data/projects?format=json").await?;
    let project = projects.rows().iter().find(|project| project.id == id);
    let project = project.ok_or_else(Refusal::not_found)?;
    let uri = |step| address(&["data", "projects", &id, step], &[]);
    let code = visitor.rest.text(&uri("prearchive_code")).await?;
    // Who is in it is for those who may edit it.
    let members: Option<Table<Member>> = visitor
        .rest
        .get(&(uri("users") + "?format=json"))
        .await
        .ok();
    let content = html! {
        p.crumbs { a href=(HERE) { "Projects" } }
        h1 { (project.id) }
        form.stacked method="post" action=(here(&id)) {
            label for="name" { "Name" }
            input #name name="name" value=(project.name);
            label for="description" { "Description" }
            input #description name="description" value=(project.description);
            button { "Save" }
        }
        form.stacked method="post" action=(here(&id) + "/code") {
            h2 { "Where sessions go" }
            label for="code" { "Sessions of this project" }
            (codes(code.trim()))
            button { "Save" }
        }
        @if let Some(members) = &members { (membership(&id, members.rows())) }
        @if visitor.admin {
            h2 { "Remove" }
            p { "A project that holds sessions is not removed." }
            (parts::action(&(here(&id) + "/delete"), "Remove the project", &format!("Remove the project {id}?")))
        }
    };
    Ok(visitor.show(Section::Site, &id, content))
}

fn membership(id: &str, members: &[Member]) -> Markup {
    html! {
        h2 #members { "Who is in it" }
        @if members.is_empty() { p.empty { "Nobody." } }
        @else {
            div.wide tabindex="0" role="region" aria-labelledby="members" {
                table {
                    thead { tr { th { "User" } th { "Role" } th { "E-mail" } th { "Change" } } }
                    tbody {
                        @for member in members {
                            tr {
                                td { (member.login) } td { (member.displayname.trim_end_matches('s')) } td { (member.email) }
                                td {
                                    form.action method="post" action=(here(id) + "/revoke") data-confirm={ "Take " (member.login) " out of " (id) "?" } {
                                        input type="hidden" name="user" value=(member.login);
                                        input type="hidden" name="role" value=(member.displayname);
                                        button aria-label={ "Take out " (member.login) } { "Take out" }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
        form.filter method="post" action=(here(id) + "/members") {
            label { "User" input name="user" required autocapitalize="none"; }
            label { "Role" select name="role" { @for (role, name) in ROLES { option value=(role) { (name) } } } }
            button { "Let in" }
        }
    }
}

fn codes(current: &str) -> Markup {
    html! {
        select #code name="code" { @for (code, name) in CODES { option value=(code) selected[code == current] { (name) } } }
    }
}

fn here(id: &str) -> String {
    address(&["site", "projects", id], &[])
}

pub async fn change(
    visitor: Visitor,
    Path(id): Path<String>,
    Form(fields): Form<Fields>,
) -> Response {
    let uri = address(&["data", "projects", &id], &[]);
    let form = [
        ("name", fields.name.as_str()),
        ("description", &fields.description),
    ];
    let result = visitor.rest.send(Method::PUT, &uri, &form).await;
    visitor.told(result, "Saved.", &here(&id))
}

pub async fn set_code(
    visitor: Visitor,
    Path(id): Path<String>,
    Form(given): Form<Code>,
) -> Response {
    let uri = address(
        &["data", "projects", &id, "prearchive_code", &given.code],
        &[],
    );
    let result = visitor.rest.send(Method::PUT, &uri, &[]).await;
    visitor.told(result, "Saved; the next import goes by it.", &here(&id))
}

pub async fn grant(
    visitor: Visitor,
    Path(id): Path<String>,
    Form(member): Form<Membership>,
) -> Response {
    let result = visitor
        .rest
        .send(Method::PUT, &membership_of(&id, &member), &[])
        .await;
    visitor.told(result, format!("{} is in.", member.user), &here(&id))
}

pub async fn revoke(
    visitor: Visitor,
    Path(id): Path<String>,
    Form(member): Form<Membership>,
) -> Response {
    let result = visitor
        .rest
        .send(Method::DELETE, &membership_of(&id, &member), &[])
        .await;
    visitor.told(result, format!("{} is out.", member.user), &here(&id))
}

fn membership_of(id: &str, member: &Membership) -> String {
    address(
        &["data", "projects", id, "users", &member.role, &member.user],
        &[],
    )
}

pub async fn remove(visitor: Visitor, Path(id): Path<String>) -> Response {
    let uri = address(&["data", "projects", &id], &[]);
    match visitor.rest.send(Method::DELETE, &uri, &[]).await {
        Ok(_) => visitor.done(format!("The project {id} is removed."), HERE),
        Err(refusal) => visitor.refused(refusal, &here(&id)),
    }
}
