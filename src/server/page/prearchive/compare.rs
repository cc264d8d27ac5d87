//! One instance as two sessions have it: the elements in which they differ.

use std::collections::HashMap;

use axum::extract::{Path, Query};
use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;

use super::super::imports::view_of;
use super::super::shell::Section;
use super::super::{Refusal, Visitor};
use super::header::{Element, elements};
use super::model::Place;

#[derive(Deserialize)]
pub struct Asked {
    scan: String,
    file: String,
    /// The other session's address below `/data`.
    with: String,
    their_scan: String,
}

/// An element that is not the same in both.
struct Difference<'a> {
    here: Option<&'a Element>,
    there: Option<&'a Element>,
}

pub async fn show(
    visitor: Visitor,
    Path(place): Path<Place>,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    let here = elements(&visitor, &place.source(), &asked.scan, &asked.file).await?;
    let there = elements(&visitor, &asked.with, &asked.their_scan, &asked.file).await?;
    let differences = differences(&here, &there);
    let content = html! {
        p.crumbs { a href="/prearchive" { "Prearchive and quarantine" } " / " a href=(place.view(&[], &[("check", "1")])) { "The session" } }
        h1 { "An instance in two sessions" }
        p { code { (asked.file) } }
        @if differences.is_empty() { p { "The headers are the same: if the files differ, it is in pixels or other large values." } }
        @else { (table(&differences, view_of(&asked.with))) }
    };
    Ok(visitor.show(Section::Prearchive, "An instance in two sessions", content))
}

fn differences<'a>(here: &'a [Element], there: &'a [Element]) -> Vec<Difference<'a>> {
    let of = |elements: &'a [Element]| -> HashMap<&'a str, &'a Element> {
        elements.iter().map(|e| (e.path.as_str(), e)).collect()
    };
    let (in_here, in_there) = (of(here), of(there));
    let mut found: Vec<Difference> = here
        .iter()
        .filter(|element| in_there.get(element.path.as_str()) != Some(element))
        .map(|element| Difference {
            here: Some(element),
            there: in_there.get(element.path.as_str()).copied(),
        })
        .collect();
    let alone = there
        .iter()
        .filter(|element| !in_here.contains_key(element.path.as_str()));
    found.extend(alone.map(|element| Difference {
        here: None,
        there: Some(element),
    }));
    found.sort_by_key(|one| one.here.or(one.there).map(|element| &element.path));
    found
}

fn table(differences: &[Difference], other: Option<String>) -> Markup {
    let value = |element: Option<&Element>| match element {
        None => html! { span.dim { "is not there" } },
        Some(element) => html! { (element.value) " " small { (element.vr) } },
    };
    html! {
        div.wide tabindex="0" role="region" aria-label="Differences" {
            table.beside {
                thead { tr {
                    th scope="col" { "Element" }
                    th scope="col" { "This session" }
                    th scope="col" { @match other { Some(address) => a href=(address) { "The other session" }, None => "The other session" } }
                } }
                tbody {
                    @for one in differences {
                        @if let Some(element) = one.here.or(one.there) {
                            tr {
                                th scope="row" { (element.desc) br; code { (element.path) } }
                                td.path { (value(one.here)) }
                                td.path { (value(one.there)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Element, differences};

    fn element(path: &str, value: &str) -> Element {
        Element {
            tag1: String::new(),
            vr: "LO".into(),
            value: value.into(),
            desc: String::new(),
            path: path.into(),
        }
    }

    #[test]
    fn only_what_differs_is_told_and_each_once() {
        let here = [element("a", "1"), element("b", "1"), element("d", "1")];
        let there = [element("a", "1"), element("b", "2"), element("c", "1")];
        let found = differences(&here, &there);
        let told: Vec<_> = found
            .iter()
            .map(|one| (one.here.map(|e| &*e.path), one.there.map(|e| &*e.path)))
            .collect();
        let expected = [(Some("b"), Some("b")), (None, Some("c")), (Some("d"), None)];
        assert_eq!(told, expected);
    }
}
