//! An import's report as the REST interface gives it, and what it says of the rules, in words.

use std::collections::BTreeMap;

use maud::{Markup, html};
use serde::Deserialize;

use super::super::parts;
use super::model::Import;

/// Elements named for each action of a module; the report has all.
const MOST_TAGS: usize = 12;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    pub modules: Vec<Module>,
    pub acts: Vec<Act>,
    pub trails: Vec<Vec<usize>>,
    pub sessions: Vec<ReportedSession>,
    pub files: Vec<ReportedFile>,
}

#[derive(Deserialize)]
pub struct Module {
    pub scope: String,
    pub kind: String,
    pub module: String,
    pub version: String,
    pub at: Option<String>,
}

#[derive(Deserialize)]
pub struct Act {
    pub module: usize,
    pub action: String,
    pub tag: String,
}

#[derive(Deserialize)]
pub struct ReportedSession {
    pub label: String,
    pub subject: String,
    pub state: Option<String>,
    pub uri: Option<String>,
    pub reason: String,
    #[serde(default)]
    pub leaks: Vec<Leak>,
}

#[derive(Deserialize)]
pub struct Leak {
    pub kind: String,
    pub tag: String,
    pub files: u64,
}

#[derive(Deserialize)]
pub struct ReportedFile {
    pub path: String,
    pub outcome: String,
    pub reason: Option<String>,
    pub trail: Option<usize>,
}

/// What each module did, in words: the report names acts once and says for each file which were done to it.
pub fn rules(import: &Import, report: &Report) -> Markup {
    let mut act_to_files: BTreeMap<usize, u64> = BTreeMap::new();
    let trails = report
        .files
        .iter()
        .filter_map(|file| report.trails.get(file.trail?));
    for act in trails.flatten() {
        *act_to_files.entry(*act).or_default() += 1;
    }
    let done_by = |module: usize| {
        let mut action_to_tags: BTreeMap<&str, Vec<(&str, u64)>> = BTreeMap::new();
        for (at, act) in report
            .acts
            .iter()
            .enumerate()
            .filter(|(_, act)| act.module == module)
        {
            let files = act_to_files.get(&at).copied().unwrap_or(0);
            action_to_tags
                .entry(&act.action)
                .or_default()
                .push((&act.tag, files));
        }
        action_to_tags
    };
    html! {
        h2 { "What the rules did" }
        @if let Some(hash) = &import.rule_set { p { "All of it under the rules of version " code { (hash) } "." } }
        ol.chain {
            @for (at, module) in report.modules.iter().enumerate() {
                li {
                    b { (module.module) } " " (module.version) " "
                    small { (module.kind) ", " (of(&module.scope)) @if module.at.is_some() { ", waits for the archive" } }
                    @for (action, tags) in done_by(at) { (sentence(action, &tags, import.counts.stored)) }
                }
            }
        }
    }
}

fn of(scope: &str) -> &str {
    match scope {
        "site" => "the site's",
        "project" => "the project's",
        _ => "built in",
    }
}

fn sentence(action: &str, tags: &[(&str, u64)], stored: u64) -> Markup {
    let verb = match action {
        "set" => "Set",
        "blank" => "Emptied",
        "remove" => "Removed",
        "remove-private" => "Removed private elements",
        "uid" => "Gave new UIDs in",
        "dummy" => "Put a dummy in",
        "shift-date" => "Shifted",
        "redact" => "Blackened regions of",
        other => other,
    };
    html! {
        details {
            summary { (verb) " " (parts::count(tags.len() as u64, "element")) ": "
                @for (at, (tag, _)) in tags.iter().take(MOST_TAGS).enumerate() { @if at > 0 { ", " } code { (tag) } }
                @if tags.len() > MOST_TAGS { ", …" }
            }
            ul { @for (tag, files) in tags { li { code { (tag) } @if *files < stored { " in " (parts::count(*files, "file")) } } } }
        }
    }
}
