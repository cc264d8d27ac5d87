//! What is wrong with changes of rules, and what they change.

use std::collections::BTreeMap;

use axum::http::Method;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::super::parts::{self, Tone, badge};
use super::super::{Refusal, Visitor};

#[derive(Deserialize)]
pub struct Checked {
    pub findings: Vec<Finding>,
    pub diff: String,
    pub projects: Vec<String>,
}

#[derive(Deserialize)]
pub struct Finding {
    pub severity: String,
    pub file: String,
    pub line: Option<usize>,
    pub column: Option<usize>,
    pub message: String,
}

impl Checked {
    pub fn is_good(&self) -> bool {
        self.findings.iter().all(|finding| !finding.is_error())
    }
}

impl Finding {
    pub fn is_error(&self) -> bool {
        self.severity == "error"
    }

    /// Where in a document, as a JSON pointer, and what is wrong there.
    pub fn place(&self) -> Option<(&str, &str)> {
        let place = self.message.split_once(": ")?;
        place.0.starts_with('/').then_some(place)
    }
}

/// Texts by their paths below the rules folder.
pub type Changes = Map<String, Value>;

pub fn change(path: String, text: &str) -> Changes {
    Map::from_iter([(path, Value::from(text))])
}

pub async fn check(visitor: &Visitor, changes: &Changes) -> Result<Checked, Refusal> {
    let body = json!({ "changes": changes }).to_string();
    let kind = "application/json";
    let call = visitor
        .rest
        .call(Method::POST, "/xapi/rules/check", kind, body.into());
    super::super::rest::understood(&call.await?)
}

/// `texts` are those of the files as they would be, to show the lines.
pub fn findings(findings: &[Finding], changes: &Changes) -> Markup {
    let texts: BTreeMap<String, &str> = changes
        .iter()
        .filter_map(|(path, text)| Some((format!("rules/{path}"), text.as_str()?)))
        .collect();
    html! {
        @if !findings.is_empty() {
            ul.findings {
                @for finding in findings {
                    li {
                        @if finding.is_error() { (badge(Tone::Bad, "error")) } @else { (badge(Tone::Warn, "warning")) }
                        " " code { (finding.file) }
                        @if let Some(line) = finding.line {
                            ", line " (line) @if let Some(column) = finding.column { ", column " (column) }
                        }
                        ": " (finding.message)
                        @if let (Some(text), Some(line)) = (texts.get(&finding.file), finding.line) {
                            (excerpt(text, line, finding.column))
                        }
                    }
                }
            }
        }
    }
}

/// A line of a text, with a mark below the place.
fn excerpt(text: &str, line: usize, column: Option<usize>) -> Markup {
    let Some(content) = text.lines().nth(line.saturating_sub(1)) else {
        return html! {};
    };
    let number = format!("{line:>4} | ");
    // A tab stays one, so that the mark is below the place however wide it is shown.
    let before: String = content
        .chars()
        .take(column.unwrap_or(1).saturating_sub(1))
        .map(|c| if c == '\t' { '\t' } else { ' ' })
        .collect();
    html! {
        pre.excerpt {
            (number) (content) "\n"
            @if column.is_some() { (" ".repeat(number.len())) (before) span.mark { "^" } }
        }
    }
}

/// A unified diff, whose signs say what its colours say.
pub fn diff(text: &str) -> Markup {
    let class = |line: &str| match line.as_bytes() {
        [b'-', b'-', b'-', ..] | [b'+', b'+', b'+', ..] => "file",
        [b'+', ..] => "added",
        [b'-', ..] => "removed",
        [b'@', ..] => "place",
        _ => "",
    };
    html! {
        @if text.is_empty() { p.empty { "Nothing would be different." } }
        @else {
            pre.diff tabindex="0" {
                @for line in text.lines() { span class=(class(line)) { (line) } "\n" }
            }
        }
    }
}

/// Whose rules a change would change.
pub fn concerned(projects: &[String]) -> Markup {
    html! {
        @if !projects.is_empty() {
            p { "Live with the next import into " (projects.join(", ")) " (" (parts::count(projects.len() as u64, "project")) ")." }
        }
    }
}
