//! One import: where it stands, what came of it, and why.

use axum::extract::{Path, Query};
use axum::http::Method;
use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;

use crate::store::Counts;

use super::super::super::address::address;
use super::super::parts::{self, Share, Tone, badge};
use super::super::rest::none_if_missing;
use super::super::shell::Section;
use super::super::{Refusal, Visitor};
use super::model::Import;
use super::report::{Report, ReportedFile, ReportedSession, rules};

/// Files named at once; the report has all.
const MOST_FILES: usize = 500;

#[derive(Deserialize, Default)]
pub struct Shown {
    /// Files of one outcome; without it those that were not stored.
    #[serde(default)]
    outcome: String,
}

pub async fn show(
    visitor: Visitor,
    Path(id): Path<i64>,
    Query(shown): Query<Shown>,
) -> Result<Response, Refusal> {
    let id = id.to_string();
    let import: Import = visitor
        .rest
        .get(&address(&["xapi", "dicom", &id], &[]))
        .await?;
    let report = match import.has_ended() {
        true => report(&visitor, &id).await?,
        false => None,
    };
    let title = format!("Import {id}");
    let content = html! {
        p.crumbs { a href="/" { "Imports" } }
        div #live data-follow=[import.has_ended().then_some("done")] {
            (head(&import))
            (facts(&import))
            (timeline(&import))
            (outcomes(&import.counts))
            @match &report {
                Some(report) => {
                    (sessions(report))
                    (files(&import, report, &shown.outcome))
                    (rules(&import, report))
                }
                None => { (sessions_so_far(&import)) }
            }
        }
    };
    Ok(visitor.show(Section::Imports, &title, content))
}

/// None where there is none: the request ended before there was anything to tell.
async fn report(visitor: &Visitor, id: &str) -> Result<Option<Report>, Refusal> {
    let uri = address(&["xapi", "dicom", id, "report"], &[]);
    none_if_missing(visitor.rest.get(&uri).await)
}

pub async fn cancel(visitor: Visitor, Path(id): Path<i64>) -> Response {
    let id = id.to_string();
    let uri = address(&["xapi", "dicom", &id, "cancel"], &[]);
    let result = visitor.rest.send(Method::POST, &uri, &[]).await;
    let here = address(&["imports", &id], &[]);
    visitor.told(
        result,
        "The import is cancelled; what it had stored by then stays.",
        &here,
    )
}

pub async fn retry(visitor: Visitor, Path(id): Path<i64>) -> Response {
    let id = id.to_string();
    let uri = address(&["xapi", "dicom", &id, "retry"], &[]);
    match visitor.rest.send(Method::POST, &uri, &[]).await {
        Ok(new) => visitor.done(
            format!("Import {id} is called for again, as this one."),
            &to_import(&new),
        ),
        Err(refusal) => visitor.refused(refusal, &address(&["imports", &id], &[])),
    }
}

/// The view of the request that a call answered with.
pub fn to_import(answer: &str) -> String {
    let id = answer.trim().rsplit('/').next().unwrap_or_default();
    address(&["imports", id], &[])
}

fn head(import: &Import) -> Markup {
    let here = address(&["imports", &import.id.to_string()], &[]);
    let can_cancel = !import.has_ended() && import.cancel_asked.is_none();
    let can_retry = import.has_ended() && import.parameters.contains_key("path");
    html! {
        div.head {
            h1 { "Import " (import.id) " " (badge(import.tone(), &import.status)) }
            @if can_cancel { (parts::action(&format!("{here}/cancel"), "Cancel", "Cancel this import?")) }
            @if can_retry { (parts::action(&format!("{here}/retry"), "Call again", "")) }
        }
        @if let Some(why) = import.held() { p.notice { "The import " (why) "." } }
        @if let Some(resolution) = &import.resolution { p { (resolution) } }
        @if !import.has_ended() { p { (import.progress()) } }
    }
}

fn facts(import: &Import) -> Markup {
    html! {
        dl.facts {
            dt { "From" } dd { code { (import.session_path) } }
            dt { "Project" } dd { (import.project) }
            dt { "Called by" } dd { (import.username) }
            @for (name, of) in [("Subject", "SUBJECT_ID"), ("Session", "EXPT_LABEL"), ("Overwrite", "overwrite")] {
                @if let Some(value) = import.parameters.get(of) { dt { (name) } dd { (value) } }
            }
            dt { "Sources" } dd { @if import.cleanup_after_import { "removed once they are proved stored" } @else { "kept" } }
            @if import.bytes > 0 { dt { "Size" } dd { (parts::bytes(import.bytes)) } }
            @if let Some(hash) = &import.rule_set {
                dt { "Rules" } dd { a href=(address(&["rules", &import.project], &[("version", hash)])) { code { (&hash[..hash.len().min(12)]) } } }
            }
            @if let Some(before) = import.retry_of { dt { "Again for" } dd { a href={ "/imports/" (before) } { "import " (before) } } }
            @if let Some(after) = import.retried_as { dt { "Called again as" } dd { a href={ "/imports/" (after) } { "import " (after) } } }
        }
    }
}

fn timeline(import: &Import) -> Markup {
    let steps = [
        ("Called", Some(import.created)),
        ("Started", import.started),
        ("Cancelling asked", import.cancel_asked),
        ("Ended", import.finished),
    ];
    let mut last = None;
    let mut shown = Vec::new();
    for (name, at) in steps {
        if let Some(at) = at {
            shown.push((name, at, last.map(|last| at - last)));
            last = Some(at);
        }
    }
    html! {
        ol.timeline {
            @for (name, at, after) in shown {
                li { b { (name) } " " (parts::time(at)) @if let Some(after) = after { small { " after " (parts::duration(after)) } } }
            }
        }
    }
}

/// What became of the files, as the import's states are named.
fn shares(counts: &Counts) -> [Share; 12] {
    let share = |name, tone, amount| Share { name, tone, amount };
    [
        share("stored", Tone::Good, counts.stored),
        share("duplicate", Tone::Plain, counts.duplicate),
        share("filtered", Tone::Plain, counts.filtered),
        share("quarantined", Tone::Warn, counts.quarantined),
        share("conflict", Tone::Warn, counts.conflict),
        share("rejected", Tone::Warn, counts.rejected),
        share("failed", Tone::Bad, counts.failed),
        share("not DICOM", Tone::Plain, counts.not_dicom),
        share("unreadable", Tone::Bad, counts.unreadable),
        share("cut short", Tone::Bad, counts.cut_short),
        share("changed", Tone::Bad, counts.changed),
        share("under way", Tone::Busy, counts.staged),
    ]
}

/// What did not go where it was to go, in a few words.
pub fn missing(counts: &Counts) -> Markup {
    let shares = shares(counts);
    let missing = shares
        .iter()
        .filter(|share| share.amount > 0 && matches!(share.tone, Tone::Warn | Tone::Bad));
    html! {
        ul.legend { @for share in missing { li { (badge(share.tone, share.name)) " " (parts::grouped(share.amount)) } } }
    }
}

fn outcomes(counts: &Counts) -> Markup {
    html! {
        @if counts.found > 0 {
            h2 { "Files" }
            p { (parts::count(counts.found, "file")) " found." }
            (parts::bar("Files by what became of them", &shares(counts)))
        }
    }
}

fn sessions_so_far(import: &Import) -> Markup {
    html! {
        @if !import.sessions.is_empty() {
            h2 { "Sessions" }
            ul { @for session in &import.sessions { li { (session.link()) " " (state(Some(&session.status))) } } }
        }
    }
}

fn state(state: Option<&str>) -> Markup {
    match state {
        None => badge(Tone::Bad, "not stored"),
        Some(state) => parts::state(state),
    }
}

fn sessions(report: &Report) -> Markup {
    html! {
        @if !report.sessions.is_empty() {
            h2 { "Sessions" }
            @for session in &report.sessions {
                article {
                    h3 { (link(session)) " " (state(session.state.as_deref())) }
                    p { (session.reason) }
                    @if !session.leaks.is_empty() {
                        p { "Identifying values of the originals still stand in:" }
                        ul { @for leak in &session.leaks { li { code { (leak.tag) } " (" (leak.kind) ", " (parts::count(leak.files, "file")) ")" } } }
                    }
                }
            }
        }
    }
}

fn link(session: &ReportedSession) -> Markup {
    let label = html! { (session.subject) " / " (session.label) };
    match session.uri.as_deref().and_then(super::model::view_of) {
        Some(address) => html! { a href=(address) { (label) } },
        None => label,
    }
}

fn files(import: &Import, report: &Report, outcome: &str) -> Markup {
    let is_shown = |file: &&ReportedFile| match outcome {
        "" => file.outcome != "stored",
        outcome => file.outcome == outcome,
    };
    let chosen: Vec<&ReportedFile> = report.files.iter().filter(is_shown).collect();
    let mut outcomes: Vec<&str> = report
        .files
        .iter()
        .map(|file| file.outcome.as_str())
        .collect();
    outcomes.sort_unstable();
    outcomes.dedup();
    let here = |outcome| {
        address(
            &["imports", &import.id.to_string()],
            &[("outcome", outcome)],
        )
    };
    html! {
        h2 #files { @if outcome.is_empty() { "What was not stored" } @else { "Files: " (outcome.replace('_', " ")) } }
        nav.tabs aria-label="Files by outcome" {
            a href=(here("")) aria-current=[outcome.is_empty().then_some("true")] { "not stored" }
            @for one in outcomes { a href=(here(one)) aria-current=[(one == outcome).then_some("true")] { (one.replace('_', " ")) } }
            a href={ "/xapi/dicom/" (import.id) "/report" } { "the whole report" }
        }
        @if chosen.is_empty() {
            p.empty { "Every file was stored." }
        } @else {
            div.wide tabindex="0" role="region" aria-labelledby="files" {
                table {
                    thead { tr { th { "File" } th { "Outcome" } th { "Why" } } }
                    tbody {
                        @for file in chosen.iter().take(MOST_FILES) {
                            tr { td { code { (file.path) } } td { (file.outcome.replace('_', " ")) } td { (file.reason.as_deref().unwrap_or("")) } }
                        }
                    }
                }
            }
            @if chosen.len() > MOST_FILES { p { "And " (parts::grouped((chosen.len() - MOST_FILES) as u64)) " more, in the report." } }
        }
    }
}
