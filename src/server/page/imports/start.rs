//! Starting an import: choose a project, walk down its inbox, and call for what is there.

use axum::extract::{Form, Query};
use axum::http::Method;
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use serde::Deserialize;

use super::super::super::address::address;
use super::super::listings::{self, Listing};
use super::super::parts;
use super::super::shell::{self, Section};
use super::super::{Refusal, Visitor};
use super::one::to_import;

#[derive(Deserialize, Default)]
pub struct Place {
    #[serde(default)]
    project: String,
    /// Below the project's folder.
    #[serde(default)]
    path: String,
}

#[derive(Deserialize)]
pub struct Call {
    project: String,
    path: String,
    full_path: String,
    #[serde(default)]
    destination: String,
    #[serde(default)]
    subject: String,
    #[serde(default)]
    session: String,
    #[serde(default)]
    overwrite: String,
    #[serde(default)]
    cleanup: String,
}

pub async fn browse(visitor: Visitor, Query(place): Query<Place>) -> Result<Response, Refusal> {
    let content = view(&visitor, &place, None).await?;
    Ok(visitor.show(Section::Imports, "Start an import", content))
}

pub async fn start(visitor: Visitor, Form(call): Form<Call>) -> Result<Response, Refusal> {
    let form = [
        ("import-handler", "inbox"),
        ("PROJECT_ID", call.destination.as_str()),
        ("path", &call.full_path),
        ("SUBJECT_ID", &call.subject),
        ("EXPT_LABEL", &call.session),
        ("overwrite", &call.overwrite),
        ("cleanupAfterImport", &call.cleanup),
    ];
    match visitor
        .rest
        .send(Method::POST, "/data/services/import", &form)
        .await
    {
        Ok(uri) => Ok(visitor.done("The import is queued.", &to_import(&uri))),
        Err(refusal) => {
            let place = Place {
                project: call.project.clone(),
                path: call.path.clone(),
            };
            let content = view(&visitor, &place, Some((&call, &refusal))).await?;
            let page = visitor.show(Section::Imports, "Start an import", content);
            Ok((refusal.status, page).into_response())
        }
    }
}

async fn view(
    visitor: &Visitor,
    place: &Place,
    refused: Option<(&Call, &Refusal)>,
) -> Result<Markup, Refusal> {
    let projects = listings::projects(visitor).await?;
    let project = match (place.project.as_str(), projects.as_slice()) {
        ("", [only]) => only.as_str(),
        (chosen, _) => chosen,
    };
    let listing = match project {
        "" => None,
        project => listings::inbox(visitor, project, &place.path).await?,
    };
    Ok(html! {
        p.crumbs { a href="/" { "Imports" } }
        h1 { "Start an import" }
        @if let Some((_, refusal)) = refused { (shell::told(false, &refusal.message)) }
        form.filter method="get" action="/imports/new" {
            label { "Inbox of"
                select name="project" { @for id in &projects { option selected[id == project] { (id) } } }
            }
            button { "Open" }
        }
        @if let Some(listing) = &listing {
            (steps(project, &place.path))
            (entries(project, &place.path, listing))
            (call(project, place, listing, &projects, refused.map(|(call, _)| call)))
        } @else if !project.is_empty() {
            p.empty { "There is no such folder in the project's inbox." }
        }
    })
}

fn here(project: &str, path: &str) -> String {
    address(&["imports", "new"], &[("project", project), ("path", path)])
}

/// The way down to the folder, each step a link.
fn steps(project: &str, path: &str) -> Markup {
    let names: Vec<&str> = path.split('/').filter(|name| !name.is_empty()).collect();
    html! {
        nav.crumbs aria-label="Folder" {
            a href=(here(project, "")) { (project) }
            @for (at, name) in names.iter().enumerate() { " / " a href=(here(project, &names[..=at].join("/"))) { (name) } }
        }
    }
}

fn below(path: &str, name: &str) -> String {
    match path {
        "" => name.to_string(),
        path => format!("{path}/{name}"),
    }
}

fn entries(project: &str, path: &str, listing: &Listing) -> Markup {
    html! {
        @if listing.entries.is_empty() { p.empty { "Nothing lies in this folder." } }
        @else {
            ul.folder {
                @for entry in &listing.entries {
                    li class=(entry.kind) {
                        @if entry.kind == "folder" { a href=(here(project, &below(path, &entry.name))) { (entry.name) "/" } }
                        @else { (entry.name) " " small { (parts::bytes(entry.size)) } }
                    }
                }
            }
            @if listing.cut { p { "There is more in it than is shown here." } }
        }
    }
}

fn call(
    project: &str,
    place: &Place,
    listing: &Listing,
    projects: &[String],
    before: Option<&Call>,
) -> Markup {
    let archives = listing
        .entries
        .iter()
        .filter(|entry| entry.kind == "archive");
    let chosen = before.map_or(listing.path.as_str(), |call| &call.full_path);
    let destination = before.map_or(project, |call| &call.destination);
    let (subject, session) = before.map_or(("", ""), |call| (&call.subject, &call.session));
    html! {
        form.stacked method="post" action="/imports/new" {
            h2 { "Import it" }
            input type="hidden" name="project" value=(project);
            input type="hidden" name="path" value=(place.path);
            label for="full_path" { "What" }
            select #full_path name="full_path" {
                option value=(listing.path) { "this folder, with all below it" }
                @for archive in archives {
                    @let path = format!("{}/{}", listing.path, archive.name);
                    option value=(path) selected[path == chosen] { (archive.name) }
                }
            }
            label for="destination" { "Into the project" }
            select #destination name="destination" { @for id in projects { option selected[id == destination] { (id) } } }
            label for="subject" { "Subject " small { "(else the rules say)" } }
            input #subject name="subject" value=(subject) maxlength="64";
            label for="session" { "Session " small { "(else the rules say)" } }
            input #session name="session" value=(session) maxlength="64";
            label for="overwrite" { "What is stored of the session already" }
            select #overwrite name="overwrite" {
                option value="" { "as the project's rules say" }
                option value="none" { "keep" } option value="append" { "replace the same instances" } option value="delete" { "replace the whole session" }
            }
            label.check { input type="checkbox" name="cleanup" value="true"; " Remove the sources that are proved stored" }
            button { "Import" }
        }
    }
}
