//! One session: what it is, why it is where it is, and its series.

use axum::extract::{Path, Query};
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use serde::Deserialize;

use super::super::super::address::address;
use super::super::listings::projects;
use super::super::parts::{self, Tone, badge};
use super::super::shell::{self, Section};
use super::super::{Refusal, Visitor};
use super::actions::Given;
use super::model::{Place, Scan, Summary};
use super::{conflicts, forms};

/// Files named at once; REST's review has all.
const MOST_FILES: usize = 200;

#[derive(Deserialize)]
struct Review {
    leaks: Vec<Leak>,
    files: Vec<Reviewed>,
}

#[derive(Deserialize)]
struct Leak {
    kind: String,
    tag: String,
    files: u64,
}

#[derive(Deserialize)]
struct Reviewed {
    file: String,
    quarantine: Option<String>,
}

#[derive(Deserialize, Default)]
pub struct Asked {
    /// Look for what stands in the way of archiving, whatever the state says.
    #[serde(default)]
    check: String,
}

pub async fn show(
    visitor: Visitor,
    Path(place): Path<Place>,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    let check = !asked.check.is_empty();
    let (title, content) = view(&visitor, &place, check, &Given::default(), None).await?;
    Ok(visitor.show(Section::Prearchive, &title, content))
}

/// The view's title and content, with what was asked for and refused.
pub async fn view(
    visitor: &Visitor,
    place: &Place,
    check: bool,
    given: &Given,
    refused: Option<&Refusal>,
) -> Result<(String, Markup), Refusal> {
    let session: Summary = visitor.rest.get(&place.rest(&["summary"], &[])).await?;
    let title = format!("{} / {}", session.subject, session.label);
    let heading = html! {
        p.crumbs { a href="/prearchive" { "Prearchive and quarantine" } }
        div.head { h1 { (title) " " (parts::state(&session.status)) } }
        @if let Some(refusal) = refused { (shell::told(false, &refusal.message)) }
    };
    if place.is_archived() {
        let content = html! { (heading) div #live { (facts(&session)) (series(place, &session)) } };
        return Ok((title, content));
    }
    let review: Review = visitor.rest.get(&place.rest(&["review"], &[])).await?;
    let is_checked = check || session.status == "CONFLICT";
    let conflicts = match is_checked {
        true => conflicts::view(visitor, place, &session).await?,
        false => html! {
            p { a href=(place.view(&[], &[("check", "1")])) { "Check what stands in the way of archiving it" } }
        },
    };
    let projects = projects(visitor).await?;
    let content = html! {
        (heading)
        div #live {
            @if let Some(reason) = &session.reason { p { (reason) } }
            (facts(&session))
            (findings(&review))
            (conflicts)
            (series(place, &session))
        }
        (forms::actions(place, &session, &projects, given))
    };
    Ok((title, content))
}

fn facts(session: &Summary) -> Markup {
    let rules = |hash: &String| {
        let at = address(&["rules", &session.project], &[("version", hash)]);
        html! { a href=(at) { code { (&hash[..hash.len().min(12)]) } } }
    };
    html! {
        dl.facts {
            dt { "Project" } dd { (session.project) }
            dt { "Modality" } dd { (session.modality) }
            dt { "Scanned" } dd { (session.scan_date.as_deref().unwrap_or("–")) }
            dt { "Study" } dd { code { (session.study_uid) } }
            dt { "Holds" } dd { (parts::count(session.scans.len() as u64, "scan")) ", " (parts::count(session.files(), "file")) ", " (parts::bytes(session.bytes())) }
            dt { "Here since" } dd { (parts::time(session.uploaded)) }
            @if let Some(at) = session.archived {
                dt { "Archived" } dd { (parts::time(at)) @if let Some(by) = &session.archived_by { " by " (by) } }
            }
            @if let Some(id) = session.request { dt { "Imported by" } dd { a href={ "/imports/" (id) } { "import " (id) } } }
            @if let Some(hash) = &session.rule_set { dt { "Rules" } dd { (rules(hash)) } }
            @if let Some(hash) = &session.archive_rule_set { dt { "Rules at archiving" } dd { (rules(hash)) } }
        }
        @if session.identified {
            p { (badge(Tone::Warn, "identified")) " It identifies patients: rules have still to run over it when it is archived." }
        }
        @if !session.files_visible {
            p.notice.bad { "Pictures and headers are for the project's owners and administrators, as long as the session is in quarantine or identifies patients." }
        }
    }
}

fn findings(review: &Review) -> Markup {
    let asked = || {
        review
            .files
            .iter()
            .filter_map(|f| Some((&f.file, f.quarantine.as_ref()?)))
    };
    let count = asked().count();
    html! {
        @if !review.leaks.is_empty() {
            h2 { "Leaks" }
            p { "Identifying values of the originals still stand in:" }
            ul { @for leak in &review.leaks { (forms::leak_line(&leak.tag, &leak.kind, leak.files)) } }
        }
        @if count > 0 {
            h2 { "To be looked at" }
            details open[count < 20] {
                summary { (parts::count(count as u64, "file")) }
                ul { @for (file, why) in asked().take(MOST_FILES) { li { code { (file) } ": " (why) } } }
                @if count > MOST_FILES { p { "And " (parts::count((count - MOST_FILES) as u64, "file")) " more." } }
            }
        }
    }
}

fn series(place: &Place, session: &Summary) -> Markup {
    html! {
        h2 { "Series" }
        @if session.scans.is_empty() { p.empty { "It holds no series." } }
        @else {
            ul.series { @for scan in &session.scans { li { (one_series(place, session, scan)) } } }
        }
    }
}

fn one_series(place: &Place, session: &Summary, scan: &Scan) -> Markup {
    let of_scan = [("scan", scan.id.as_str())];
    let alt = format!("Scan {}, its middle instance", scan.id);
    html! {
        @if session.files_visible {
            img src=(place.view(&["thumbnail"], &of_scan)) alt=(alt) width="128" height="128" loading="lazy";
        }
        div {
            h3 { "Scan " (scan.id) " " (badge(Tone::Plain, &scan.modality)) }
            @if !scan.description.is_empty() { p { (scan.description) } }
            p { (parts::count(scan.files, "file")) ", " (parts::bytes(scan.bytes)) }
            @if session.files_visible { p { a href=(place.view(&["header"], &of_scan)) { "Header" span.hidden { " of scan " (scan.id) } } } }
        }
    }
}

#[derive(Deserialize)]
pub struct OfScan {
    scan: String,
}

/// REST's thumbnail; a picture that says why there is none, where there is none.
pub async fn thumbnail(
    visitor: Visitor,
    Path(place): Path<Place>,
    Query(of): Query<OfScan>,
) -> Result<Response, Refusal> {
    let uri = place.rest(&["scans", &of.scan, "thumbnail"], &[]);
    let empty = axum::body::Bytes::new();
    let answer = visitor.rest.response(Method::GET, &uri, "", empty).await?;
    if answer.status() != StatusCode::UNPROCESSABLE_ENTITY {
        return Ok(answer);
    }
    let why = match answer
        .extensions()
        .get::<super::super::super::error::Problem>()
    {
        Some(problem) => problem.message.to_string(),
        None => String::new(),
    };
    let headers = [
        (header::CONTENT_TYPE, "image/svg+xml"),
        (header::CACHE_CONTROL, "private, no-cache"),
    ];
    Ok((headers, placeholder(&why).into_string()).into_response())
}

fn placeholder(why: &str) -> Markup {
    let mut lines = vec![String::new()];
    for word in why.split_whitespace() {
        let last = lines.len() - 1;
        match lines[last].len() + word.len() < 24 {
            true if lines[last].is_empty() => lines[last].push_str(word),
            true => lines[last] = format!("{} {word}", lines[last]),
            false => lines.push(word.to_owned()),
        }
    }
    html! {
        svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 128 128" width="128" height="128" {
            title { (why) }
            rect width="128" height="128" fill="#5a6470" {}
            @for (at, line) in lines.iter().take(9).enumerate() {
                text x="64" y=(20 + 13 * at) fill="#ffffff" text-anchor="middle" font-family="sans-serif" font-size="10" { (line) }
            }
        }
    }
}
