//! How the site does: what waits, who works, what ended when, what leaks, and who did what.

use std::collections::BTreeMap;

use axum::extract::Query;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use serde::Deserialize;

use crate::store::Counts;

use super::super::super::address::address;
use super::super::imports::view_of;
use super::super::parts::{self, Tone, badge};
use super::super::shell::Section;
use super::super::{Refusal, Visitor};
use super::tabs;

/// How far back one may look: hours, and what that is called.
const SPANS: [(&str, &str); 4] = [
    ("6", "6 hours"),
    ("24", "a day"),
    ("168", "a week"),
    ("720", "30 days"),
];

/// A process says every five seconds that it lives. Milliseconds.
const SILENT: i64 = 15_000;

const STATES: [&str; 5] = ["Queued", "Accepted", "Trawling", "Importing", "Processed"];

#[derive(Deserialize)]
pub struct Span {
    hours: Option<u32>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Overview {
    requests: BTreeMap<String, u64>,
    sessions: BTreeMap<String, u64>,
    oldest_queued: i64,
    pending_notices: u64,
    processes: Vec<Process>,
    history: Vec<Period>,
    leaks: Vec<Leaky>,
    audit: Vec<Entry>,
}

#[derive(Deserialize)]
struct Process {
    host: String,
    pid: i64,
    workers: u64,
    running: u64,
    started: i64,
    seen: i64,
}

#[derive(Deserialize)]
struct Period {
    from: i64,
    completed: u64,
    failed: u64,
    files: Counts,
    bytes: u64,
    worked: i64,
}

#[derive(Deserialize)]
struct Leaky {
    uri: String,
    project: String,
    subject: String,
    label: String,
    status: String,
    leaks: Vec<Leak>,
}

#[derive(Deserialize)]
struct Leak {
    kind: String,
    tag: String,
    files: u64,
}

#[derive(Deserialize)]
struct Entry {
    at: i64,
    username: String,
    action: String,
    object: String,
}

pub async fn show(visitor: Visitor, Query(span): Query<Span>) -> Result<Response, Refusal> {
    if !visitor.admin {
        return Ok(Redirect::to("/site/projects").into_response());
    }
    let hours = span.hours.unwrap_or(24).to_string();
    let uri = address(&["xapi", "overview"], &[("hours", &hours)]);
    let overview: Overview = visitor.rest.get(&uri).await?;
    let content = html! {
        h1 { "Site" }
        (tabs(&visitor, "/site"))
        div #live data-follow="slow" {
            (now(&overview))
            (processes(&overview.processes))
            (history(&overview.history, &hours))
            (leaks(&overview.leaks))
            (audit(&overview.audit))
        }
    };
    Ok(visitor.show(Section::Site, "Site", content))
}

fn now(overview: &Overview) -> Markup {
    let requests = |state: &str| overview.requests.get(state).copied().unwrap_or(0);
    let sessions = |state: &str| overview.sessions.get(state).copied().unwrap_or(0);
    let running: u64 = STATES[1..].iter().map(|state| requests(state)).sum();
    html! {
        h2 { "Now" }
        dl.figures {
            div { dt { "imports queued" } dd { a href="/?status=Queued" { (parts::grouped(requests("Queued"))) } } }
            div { dt { "imports running" } dd { (parts::grouped(running)) } }
            div { dt { "oldest has waited" } dd { (parts::duration(overview.oldest_queued)) } }
            div { dt { "sessions ready" } dd { a href="/prearchive" { (parts::grouped(sessions("READY"))) } } }
            div { dt { "in conflict" } dd { (parts::grouped(sessions("CONFLICT"))) } }
            div { dt { "in quarantine" } dd { (parts::grouped(sessions("QUARANTINED"))) } }
            div { dt { "archived" } dd { (parts::grouped(sessions("ARCHIVED"))) } }
            div { dt { "notices to send" } dd { (parts::grouped(overview.pending_notices)) } }
        }
    }
}

fn processes(processes: &[Process]) -> Markup {
    let now = crate::store::now_ms();
    html! {
        h2 #processes { "Workers" }
        div.wide tabindex="0" role="region" aria-labelledby="processes" {
            table {
                thead { tr { th { "Machine" } th { "Process" } th { "State" } th.number { "Workers" } th.number { "Imports" } th { "Started" } th { "Heard of" } } }
                tbody {
                    @for process in processes {
                        tr {
                            td { (process.host) } td { (process.pid) }
                            td { @if now - process.seen > SILENT { (badge(Tone::Bad, "silent")) } @else { (badge(Tone::Good, "alive")) } }
                            td.number { (process.workers) } td.number { (process.running) }
                            td { (parts::time(process.started)) } td { (parts::time(process.seen)) }
                        }
                    }
                }
            }
        }
    }
}

fn history(history: &[Period], hours: &str) -> Markup {
    let worked: i64 = history.iter().map(|period| period.worked).sum();
    let bytes: u64 = history.iter().map(|period| period.bytes).sum();
    let files: u64 = history.iter().map(|period| period.files.found).sum();
    let stored = |period: &Period| period.files.stored + period.files.duplicate;
    let aside = |period: &Period| {
        let counts = &period.files;
        counts.quarantined + counts.conflict + counts.rejected + counts.filtered + counts.not_dicom
    };
    let lost = |period: &Period| {
        let counts = &period.files;
        counts.failed + counts.unreadable + counts.cut_short + counts.changed
    };
    html! {
        h2 { "What ended" }
        nav.tabs aria-label="How far back" {
            @for (span, name) in SPANS { a href=(address(&["site"], &[("hours", span)])) aria-current=[(span == hours).then_some("true")] { (name) } }
        }
        p {
            (parts::count(files, "file")) ", " (parts::bytes(bytes))
            @if worked > 0 { ", at " (parts::bytes((bytes as f64 * 1000.0 / worked as f64) as u64)) " a second while an import ran" }
            "."
        }
        div.charts {
            (chart("Imports", history, &[("completed", Tone::Good, &|p| p.completed), ("failed", Tone::Bad, &|p| p.failed)]))
            (chart("Files", history, &[("stored", Tone::Good, &stored), ("set aside", Tone::Plain, &aside), ("not right", Tone::Bad, &lost)]))
            (chart("Megabytes", history, &[("stored", Tone::Busy, &|p| p.bytes / 1_000_000)]))
        }
    }
}

/// One amount of each period: what it is, its colour, and how it is got.
type Series<'a> = (&'static str, Tone, &'a dyn Fn(&Period) -> u64);

/// Bars over time, stacked; the same as a table for who can't see them.
fn chart(title: &str, history: &[Period], series: &[Series]) -> Markup {
    let sum = |period: &Period| series.iter().map(|series| series.2(period)).sum::<u64>();
    let most = history.iter().map(sum).max().unwrap_or(0);
    let whole: u64 = history.iter().map(sum).sum();
    let height = |amount: u64| amount as f64 * 60.0 / most.max(1) as f64;
    html! {
        figure {
            figcaption { b { (title) } " " small { "at most " (parts::grouped(most)) " at once" } }
            svg.chart viewBox={ "0 0 " (history.len() * 10) " 60" } preserveAspectRatio="none" role="img"
                aria-label={ (title) ": " (parts::grouped(whole)) " in all" } {
                @for (at, period) in history.iter().enumerate() {
                    @for (name, tone, amount, below) in stacked(period, series) {
                        rect class=(tone.class()) x=(at * 10 + 1) y=(format!("{:.2}", 60.0 - height(below + amount))) width="8" height=(format!("{:.2}", height(amount))) {
                            title { (name) ": " (parts::grouped(amount)) }
                        }
                    }
                }
            }
            details {
                summary { "As a table" }
                table {
                    thead { tr { th { "From" } @for (name, ..) in series { th.number { (name) } } } }
                    tbody {
                        @for period in history.iter().filter(|period| sum(period) > 0) {
                            tr { td { (parts::time(period.from)) } @for (.., amount) in series { td.number { (parts::grouped(amount(period))) } } }
                        }
                    }
                }
            }
        }
    }
}

/// What there is of each in a period, and how much stands below it.
fn stacked(period: &Period, series: &[Series]) -> Vec<(&'static str, Tone, u64, u64)> {
    let mut below = 0;
    let mut stacked = Vec::new();
    for (name, tone, amount) in series {
        let amount = amount(period);
        if amount > 0 {
            stacked.push((*name, *tone, amount, below));
            below += amount;
        }
    }
    stacked
}

fn leaks(leaks: &[Leaky]) -> Markup {
    html! {
        h2 #leaks { "Leak findings" }
        @if leaks.is_empty() { p.empty { "No identifying value of an original is known to stand anywhere." } }
        @else {
            div.wide tabindex="0" role="region" aria-labelledby="leaks" {
                table {
                    thead { tr { th { "Session" } th { "Project" } th { "State" } th { "Where identifying values stand" } } }
                    tbody {
                        @for leaky in leaks {
                            tr {
                                td {
                                    @let label = html! { (leaky.subject) " / " (leaky.label) };
                                    @match view_of(&leaky.uri) { Some(address) => { a href=(address) { (label) } } None => { (label) } }
                                }
                                td { (leaky.project) } td { (leaky.status) }
                                td { @for leak in &leaky.leaks { div { code { (leak.tag) } " " small { (leak.kind) ", " (parts::count(leak.files, "file")) } } } }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn audit(entries: &[Entry]) -> Markup {
    html! {
        h2 #audit { "Who did what" }
        div.wide tabindex="0" role="region" aria-labelledby="audit" {
            table {
                thead { tr { th { "When" } th { "Who" } th { "What" } th { "To" } } }
                tbody { @for entry in entries { tr { td { (parts::time(entry.at)) } td { (entry.username) } td { (entry.action) } td { (entry.object) } } } }
            }
        }
    }
}
