//! The prearchive and quarantine: what waits, one session of it, and what is done about it. An archived session is
//! shown the same way, to be looked at only.

mod actions;
mod bulk;
mod compare;
mod conflicts;
mod forms;
mod header;
mod model;
mod one;

use axum::Router;
use axum::extract::Query;
use axum::response::Response;
use axum::routing::get;
use maud::{Markup, html};
use serde::Deserialize;

use super::super::address::address;
use super::imports::view_of;
use super::listings::projects;
use super::parts;
use super::shell::Section;
use super::{Page, Refusal, Visitor};
use bulk::Bulk;
use model::Waiting;

/// Sessions on one page of the list.
const PAGE: u64 = 50;

const STATES: [&str; 9] = [
    "READY",
    "CONFLICT",
    "QUARANTINED",
    "ERROR",
    "RECEIVING",
    "BUILDING",
    "ARCHIVING",
    "MOVING",
    "DELETING",
];

pub fn routes() -> Router<Page> {
    let waiting = "/prearchive/{project}/{timestamp}/{folder}";
    let archived = "/archive/{project}/{subject}/{label}";
    Router::new()
        .route("/prearchive", get(list).post(bulk::act))
        .route(waiting, get(one::show).post(actions::act))
        .route(&format!("{waiting}/thumbnail"), get(one::thumbnail))
        .route(&format!("{waiting}/header"), get(header::show))
        .route(&format!("{waiting}/compare"), get(compare::show))
        .route(archived, get(one::show))
        .route(&format!("{archived}/thumbnail"), get(one::thumbnail))
        .route(&format!("{archived}/header"), get(header::show))
}

#[derive(Deserialize, Default)]
struct Search {
    #[serde(default)]
    project: String,
    #[serde(default)]
    status: String,
    #[serde(default)]
    q: String,
    #[serde(default)]
    offset: u64,
}

impl Search {
    fn is_any(&self) -> bool {
        [&self.project, &self.status, &self.q]
            .iter()
            .all(|text| text.is_empty())
    }

    fn address(&self, steps: &[&str], offset: u64, more: &[(&str, &str)]) -> String {
        let offset = match offset {
            0 => String::new(),
            offset => offset.to_string(),
        };
        let mut query = vec![
            ("project", self.project.as_str()),
            ("status", &self.status),
            ("q", &self.q),
            ("offset", &offset),
        ];
        query.extend(more);
        address(steps, &query)
    }
}

async fn list(visitor: Visitor, Query(search): Query<Search>) -> Result<Response, Refusal> {
    let content = view(&visitor, &search, &Bulk::default()).await?;
    Ok(visitor.show(Section::Prearchive, "Prearchive", content))
}

/// The list, with what became of the last call where that was not all well.
async fn view(visitor: &Visitor, search: &Search, bulk: &Bulk) -> Result<Markup, Refusal> {
    let limit = PAGE.to_string();
    let uri = search.address(
        &["xapi", "prearchive"],
        search.offset,
        &[("limit", limit.as_str())],
    );
    let (sessions, total): (Vec<Waiting>, u64) = visitor.rest.page(&uri).await?;
    let projects = projects(visitor).await?;
    Ok(html! {
        h1 { "Prearchive and quarantine" }
        (filter(visitor, search, &projects))
        (bulk.outcome())
        form method="post" action=(search.address(&["prearchive"], search.offset, &[])) {
            div #live { (table(search, &sessions, total, bulk)) }
            @if total > 0 { (bulk.controls(&projects)) }
        }
    })
}

fn filter(visitor: &Visitor, search: &Search, projects: &[String]) -> Markup {
    html! {
        form.filter method="get" action="/prearchive" role="search" {
            label { "Search" input type="search" name="q" value=(search.q) placeholder="subject, session" data-key="/"; }
            label { "State"
                select name="status" {
                    option value="" { "any" }
                    @for state in STATES { option value=(state) selected[state == search.status] { (state) } }
                }
            }
            label { "Project"
                select name="project" {
                    option value="" { "any" }
                    @for id in projects { option value=(id) selected[*id == search.project] { (id) } }
                    @if visitor.admin { option value="Unassigned" selected["Unassigned" == search.project] { "Unassigned" } }
                }
            }
            button { "Show" }
            @if !search.is_any() { a href="/prearchive" { "Show all" } }
        }
    }
}

fn table(search: &Search, sessions: &[Waiting], total: u64, bulk: &Bulk) -> Markup {
    html! {
        @if sessions.is_empty() {
            p.empty {
                @if search.is_any() { "No session waits." } @else { "No session that waits is like that." }
            }
        } @else {
            div.wide tabindex="0" role="region" aria-label="Sessions that wait" {
                table {
                    thead { tr {
                        th { input type="checkbox" data-all="src" aria-label="All on this page"; }
                        th { "Session" } th { "State" } th { "Project" } th { "Modality" }
                        th.number { "Scans" } th.number { "Files" } th.number { "Size" } th { "Scanned" } th { "Here since" }
                    } }
                    tbody { @for session in sessions { (row(session, bulk)) } }
                }
            }
            (parts::pages(search.offset, PAGE, total, |offset| search.address(&["prearchive"], offset, &[])))
        }
    }
}

fn row(session: &Waiting, bulk: &Bulk) -> Markup {
    let name = format!("{} / {}", session.subject, session.label);
    html! {
        tr id={ "session-" (session.uri.replace('/', "-")) } {
            td { input type="checkbox" name="src" value=(session.uri) checked[bulk.is_ticked(&session.uri)] aria-label=(name); }
            td { @match view_of(&session.uri) { Some(address) => a href=(address) { (name) }, None => (name) } }
            td {
                (parts::state(&session.status))
                @if session.identified { " " (parts::badge(parts::Tone::Warn, "identified")) }
            }
            td { (session.project) }
            td { (session.modality) }
            td.number { (parts::grouped(session.scans)) }
            td.number { (parts::grouped(session.files)) }
            td.number { (parts::bytes(session.bytes)) }
            td { (session.scan_date.as_deref().unwrap_or("–")) }
            td { (parts::time(session.uploaded)) }
        }
        @if let Some(reason) = session.reason.as_deref().filter(|_| session.status != "READY") {
            tr.note { td {} td colspan="9" { small { (reason) } } }
        }
    }
}
