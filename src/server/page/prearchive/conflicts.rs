//! What stands in the way of archiving a session, with the session that stands there beside it.

use std::collections::BTreeMap;

use maud::{Markup, html};
use serde::Deserialize;

use super::super::imports::view_of;
use super::super::parts::{self, Tone, badge};
use super::super::rest::Table;
use super::super::{Refusal, Visitor};
use super::model::{File, Place, Scan, Summary};

/// Files that are offered to be compared.
const MOST_FILES: usize = 50;

#[derive(Deserialize)]
struct Conflict {
    code: String,
    detail: String,
    /// The stored session's address, with `/data` before it.
    session: String,
}

pub async fn view(visitor: &Visitor, place: &Place, session: &Summary) -> Result<Markup, Refusal> {
    let uri = place.rest(&["conflicts"], &[]);
    let conflicts: Vec<Conflict> = visitor.rest.get(&uri).await?;
    let mut by_session: BTreeMap<&str, Vec<&Conflict>> = BTreeMap::new();
    for conflict in &conflicts {
        by_session
            .entry(&conflict.session)
            .or_default()
            .push(conflict);
    }
    let mut beside = Vec::new();
    for (uri, conflicts) in by_session {
        let stored: Summary = visitor.rest.get(&format!("{uri}/summary")).await?;
        let differing = match conflicts.iter().any(|one| one.code == "instance") {
            true => differing(visitor, place, uri).await?,
            false => Vec::new(),
        };
        beside.push((stored, conflicts, differing));
    }
    Ok(html! {
        h2 { "In the way of archiving" }
        @if beside.is_empty() { p { "Nothing stands in the way." } }
        @for (stored, conflicts, differing) in &beside {
            ul { @for conflict in conflicts { li { (badge(Tone::Warn, &conflict.code)) " " (conflict.detail) } } }
            (side_by_side(session, stored))
            (files(place, stored, differing))
        }
        @if !beside.is_empty() {
            p { a href="#actions" { "Archive with another choice, relabel or delete this one" } ", or open the other." }
        }
    })
}

/// Files of the same names that are not known to be the same: scan and name here, and in the other.
async fn differing(
    visitor: &Visitor,
    place: &Place,
    stored: &str,
) -> Result<Vec<(File, File)>, Refusal> {
    let below = ["scans", "ALL", "files"];
    let here: Table<File> = visitor.rest.get(&place.rest(&below, &[])).await?;
    let there = format!("{stored}/scans/ALL/files");
    let there: Table<File> = visitor.rest.get(&there).await?;
    let by_name: BTreeMap<&str, &File> = (there.rows().iter())
        .map(|file| (file.name.as_str(), file))
        .collect();
    let pairs = here.rows().iter().filter_map(|file| {
        let other = *by_name.get(file.name.as_str())?;
        let is_same = !file.digest.is_empty() && file.digest == other.digest;
        (!is_same).then(|| (file.clone(), other.clone()))
    });
    Ok(pairs.collect())
}

fn side_by_side(incoming: &Summary, stored: &Summary) -> Markup {
    let date = |session: &Summary| session.scan_date.clone().unwrap_or_default();
    let rows = [
        ("Subject", incoming.subject.clone(), stored.subject.clone()),
        ("Session", incoming.label.clone(), stored.label.clone()),
        (
            "Modality",
            incoming.modality.clone(),
            stored.modality.clone(),
        ),
        ("Type", incoming.xsi_type.clone(), stored.xsi_type.clone()),
        ("Scanned", date(incoming), date(stored)),
        (
            "Study",
            incoming.study_uid.clone(),
            stored.study_uid.clone(),
        ),
        (
            "Files",
            parts::grouped(incoming.files()),
            parts::grouped(stored.files()),
        ),
        (
            "Size",
            parts::bytes(incoming.bytes()),
            parts::bytes(stored.bytes()),
        ),
    ];
    html! {
        div.wide tabindex="0" role="region" aria-label="The two sessions" {
            table.beside {
                thead { tr {
                    td {}
                    th scope="col" { "This session " (parts::state(&incoming.status)) }
                    th scope="col" {
                        @match view_of(&stored.uri) { Some(address) => a href=(address) { "The other session" }, None => "The other session" }
                        " " (parts::state(&stored.status))
                    }
                    th scope="col" { "Compared" }
                } }
                tbody {
                    @for (name, here, there) in &rows { (compared(name, here, there)) }
                    @for (here, there) in paired(incoming, stored) {
                        (compared("Series", &described(here), &described(there)))
                    }
                }
            }
        }
    }
}

fn compared(name: &str, here: &str, there: &str) -> Markup {
    html! {
        tr {
            th scope="row" { (name) }
            td { (here) } td { (there) }
            td { @if here == there { "same" } @else { (badge(Tone::Warn, "differs")) } }
        }
    }
}

/// Series by series, those of one session alone too.
fn paired<'a>(
    incoming: &'a Summary,
    stored: &'a Summary,
) -> Vec<(Option<&'a Scan>, Option<&'a Scan>)> {
    let of = |session: &'a Summary, uid: &str| session.scans.iter().find(|s| s.series_uid == uid);
    let here = incoming.scans.iter();
    let mut pairs: Vec<_> = here
        .map(|scan| (Some(scan), of(stored, &scan.series_uid)))
        .collect();
    let there = stored.scans.iter();
    let alone = there.filter(|scan| of(incoming, &scan.series_uid).is_none());
    pairs.extend(alone.map(|scan| (None, Some(scan))));
    pairs
}

fn described(scan: Option<&Scan>) -> String {
    match scan {
        None => "–".to_owned(),
        Some(scan) => format!(
            "{} {} {}, {}, {}",
            scan.id,
            scan.modality,
            scan.description,
            parts::count(scan.files, "file"),
            parts::bytes(scan.bytes)
        ),
    }
}

fn files(place: &Place, stored: &Summary, differing: &[(File, File)]) -> Markup {
    html! {
        @if !differing.is_empty() {
            h3 { "Instances that both have" }
            ul {
                @for (here, there) in differing.iter().take(MOST_FILES) {
                    @let query = [("scan", here.scan()), ("file", here.name.as_str()), ("with", &stored.uri), ("their_scan", there.scan())];
                    li { a href=(place.view(&["compare"], &query)) { (here.name) } " " small { (here.size) " and " (there.size) " bytes" } }
                }
            }
            @if differing.len() > MOST_FILES { p { "And " (parts::count((differing.len() - MOST_FILES) as u64, "file")) " more." } }
        }
    }
}
