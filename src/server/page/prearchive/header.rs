//! The header of an instance, as a table.

use axum::extract::{Path, Query};
use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;

use super::super::super::address::address;
use super::super::rest::Table;
use super::super::shell::Section;
use super::super::{Refusal, Visitor};
use super::model::{File, Place};

/// Elements shown at once; a search leads to the others.
const MOST_ELEMENTS: usize = 3000;

/// Files offered in a list; others are reached by their neighbours.
const MOST_FILES: usize = 1000;

/// One element.
#[derive(Debug, Clone, Deserialize, PartialEq, Eq)]
pub struct Element {
    pub tag1: String,
    pub vr: String,
    pub value: String,
    pub desc: String,
    pub path: String,
}

impl Element {
    /// Its own tag, without those that it is in.
    pub fn tag(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    pub fn depth(&self) -> usize {
        self.path.matches('/').count()
    }

    /// The item that it is in.
    fn item(&self) -> &str {
        self.path.rsplit_once('/').map_or("", |(item, _)| item)
    }

    fn holds(&self, text: &str) -> bool {
        [&self.path, &self.desc, &self.value]
            .iter()
            .any(|part| part.to_lowercase().contains(text))
    }
}

/// The elements of a file's header; who looks is written to the audit.
pub async fn elements(
    visitor: &Visitor,
    session: &str,
    scan: &str,
    file: &str,
) -> Result<Vec<Element>, Refusal> {
    let source = format!("{session}/scans/{scan}/files/{file}");
    let uri = address(&["data", "services", "dicomdump"], &[("src", &source)]);
    let table: Table<Element> = visitor.rest.get(&uri).await?;
    Ok(table.rows().to_vec())
}

#[derive(Deserialize)]
pub struct Asked {
    scan: String,
    #[serde(default)]
    file: String,
    #[serde(default)]
    q: String,
}

pub async fn show(
    visitor: Visitor,
    Path(place): Path<Place>,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    let uri = place.rest(&["scans", &asked.scan, "files"], &[]);
    let files: Table<File> = visitor.rest.get(&uri).await?;
    let mut names: Vec<String> = files.rows().iter().map(|file| file.name.clone()).collect();
    names.sort_by_cached_key(|name| in_order(name));
    let at = names.iter().position(|name| *name == asked.file);
    let at = match (at, names.is_empty(), asked.file.is_empty()) {
        (Some(at), ..) => at,
        (None, false, true) => 0,
        _ => return Err(Refusal::not_found()),
    };
    let elements = elements(&visitor, &place.source(), &asked.scan, &names[at]).await?;
    let title = format!("Header of scan {}", asked.scan);
    let content = html! {
        p.crumbs { a href="/prearchive" { "Prearchive and quarantine" } " / " a href=(place.view(&[], &[])) { "The session" } }
        h1 { (title) }
        (choice(&place, &asked, &names, at))
        (table(&elements, &asked.q))
    };
    Ok(visitor.show(Section::Prearchive, &title, content))
}

/// Numbers by their values: names hold those of series and instance, with dashes around.
fn in_order(name: &str) -> Vec<(Option<u64>, String)> {
    let parts = name.split('-');
    parts
        .map(|part| (part.parse().ok(), part.to_owned()))
        .collect()
}

fn choice(place: &Place, asked: &Asked, names: &[String], at: usize) -> Markup {
    let other = |at: usize| {
        let query = [
            ("scan", asked.scan.as_str()),
            ("file", &names[at]),
            ("q", &asked.q),
        ];
        place.view(&["header"], &query)
    };
    html! {
        form.filter method="get" action=(place.view(&["header"], &[])) role="search" {
            input type="hidden" name="scan" value=(asked.scan);
            label { "File"
                @if names.len() <= MOST_FILES {
                    select name="file" { @for (number, name) in names.iter().enumerate() { option selected[number == at] { (name) } } }
                } @else { input name="file" value=(names[at]) size="60"; }
            }
            label { "Search" input type="search" name="q" value=(asked.q) placeholder="tag, name, value" data-key="/"; }
            button { "Show" }
        }
        nav.pages aria-label="Files" {
            @if at > 0 { a href=(other(at - 1)) rel="prev" { "Previous" } }
            span { "File " (at + 1) " of " (names.len()) }
            @if at + 1 < names.len() { a href=(other(at + 1)) rel="next" { "Next" } }
        }
    }
}

fn table(elements: &[Element], search: &str) -> Markup {
    let text = search.to_lowercase();
    let found: Vec<&Element> = elements.iter().filter(|one| one.holds(&text)).collect();
    let shown = &found[..found.len().min(MOST_ELEMENTS)];
    let before = std::iter::once("").chain(shown.iter().map(|element| element.item()));
    html! {
        @if found.is_empty() { p.empty { "No element holds that." } }
        @else {
            div.wide tabindex="0" role="region" aria-label="Elements" {
                table.header {
                    thead { tr { th { "Tag" } th { "Name" } th { "VR" } th { "Value" } } }
                    tbody {
                        @for (element, before) in shown.iter().zip(before) {
                            @if element.item() != before && !element.item().is_empty() {
                                tr.item { th colspan="4" scope="rowgroup" { (element.item()) } }
                            }
                            tr {
                                td class={ "depth-" (element.depth().min(4)) } { code { (element.tag()) } }
                                td { (element.desc) }
                                td { (element.vr) }
                                td.path { (element.value) }
                            }
                        }
                    }
                }
            }
            @if found.len() > shown.len() { p { "Only the first " (MOST_ELEMENTS) " of " (found.len()) " elements are shown: search for others." } }
        }
    }
}
