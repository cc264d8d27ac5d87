//! Imports: the list, one of them, and starting one.

mod model;
mod one;
mod report;
mod start;

use axum::Router;
use axum::extract::Query;
use axum::response::Response;
use axum::routing::{get, post};
use maud::{Markup, html};
use serde::Deserialize;

use super::super::address::address;
use super::parts::{self, badge};
use super::shell::Section;
use super::{Page, Refusal, Visitor};
use model::Import;

pub use model::view_of;

/// Imports on one page of the list.
const PAGE: u64 = 50;

const STATUSES: [&str; 7] = [
    "Queued",
    "Accepted",
    "Trawling",
    "Importing",
    "Processed",
    "Completed",
    "Failed",
];

pub fn routes() -> Router<Page> {
    Router::new()
        .route("/", get(list))
        .route("/imports/new", get(start::browse).post(start::start))
        .route("/imports/{id}", get(one::show))
        .route("/imports/{id}/cancel", post(one::cancel))
        .route("/imports/{id}/retry", post(one::retry))
}

#[derive(Deserialize, Default)]
struct Search {
    #[serde(default)]
    status: String,
    #[serde(default)]
    project: String,
    #[serde(default)]
    username: String,
    #[serde(default)]
    q: String,
    #[serde(default)]
    offset: u64,
}

impl Search {
    fn is_any(&self) -> bool {
        [&self.status, &self.project, &self.username, &self.q]
            .iter()
            .all(|text| text.is_empty())
    }

    fn address(&self, steps: &[&str], offset: u64, more: &[(&str, &str)]) -> String {
        let offset = if offset == 0 {
            String::new()
        } else {
            offset.to_string()
        };
        let mut query = vec![
            ("status", self.status.as_str()),
            ("project", &self.project),
            ("username", &self.username),
            ("q", &self.q),
            ("offset", &offset),
        ];
        query.extend(more);
        address(steps, &query)
    }
}

async fn list(visitor: Visitor, Query(search): Query<Search>) -> Result<Response, Refusal> {
    let limit = PAGE.to_string();
    let more = [("order", "desc"), ("limit", limit.as_str())];
    let uri = search.address(&["xapi", "dicom", "list", "all"], search.offset, &more);
    let (imports, total): (Vec<Import>, u64) = visitor.rest.page(&uri).await?;
    let content = html! {
        div.head {
            h1 { "Imports" }
            a.button href="/imports/new" { "Start an import" }
        }
        (form(&visitor, &search))
        div #live { (table(&search, &imports, total)) }
    };
    Ok(visitor.show(Section::Imports, "Imports", content))
}

fn form(visitor: &Visitor, search: &Search) -> Markup {
    html! {
        form.filter method="get" action="/" role="search" {
            label { "Search" input type="search" name="q" value=(search.q) placeholder="path, label, resolution" data-key="/"; }
            label { "State"
                select name="status" {
                    option value="" { "any" }
                    @for status in STATUSES {
                        option value=(status) selected[status == search.status] { (status) }
                    }
                }
            }
            label { "Project" input name="project" value=(search.project) size="12"; }
            @if visitor.admin {
                label { "User" input name="username" value=(search.username) size="12"; }
            }
            button { "Show" }
            @if !search.is_any() { a href="/" { "Show all" } }
        }
    }
}

fn table(search: &Search, imports: &[Import], total: u64) -> Markup {
    html! {
        @if imports.is_empty() {
            p.empty {
                @if search.is_any() { "Nothing has been imported yet." } @else { "No import is like that." }
            }
        } @else {
            div.wide tabindex="0" role="region" aria-label="Imports" {
                table {
                    thead { tr {
                        th { "Import" } th { "State" } th { "Progress" } th { "Project" } th { "Sessions" } th { "By" } th { "Called" }
                    } }
                    tbody { @for import in imports { (row(import)) } }
                }
            }
            (parts::pages(search.offset, PAGE, total, |offset| search.address(&[""], offset, &[])))
        }
    }
}

fn row(import: &Import) -> Markup {
    let counts = &import.counts;
    html! {
        tr id={ "import-" (import.id) } {
            td { a href={ "/imports/" (import.id) } { (import.id) } " " span.path { (import.folder()) } }
            td { (badge(import.tone(), &import.status)) @if let Some(why) = import.held() { br; small { (why) } } }
            td { (import.progress()) }
            td { (import.project) }
            td {
                @for session in &import.sessions {
                    div { (session.link()) }
                }
            }
            td { (import.username) }
            td { (parts::time(import.created)) }
        }
        @if import.failed_some() {
            tr.note { td {} td colspan="6" { (one::missing(counts)) } }
        }
    }
}
