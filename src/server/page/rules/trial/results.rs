//! What rules would do with files that they are tried on.

use maud::{Markup, html};
use serde::Deserialize;

use super::super::super::parts::{self, Tone, badge};

/// Files told of at once.
const MOST_FILES: usize = 20;

#[derive(Deserialize)]
pub struct Explained {
    leak_check: String,
    notes: Vec<String>,
    studies: Vec<Study>,
    files: Vec<File>,
}

#[derive(Deserialize)]
struct Study {
    labels: Option<Labels>,
    error: Option<String>,
    leaks: Vec<Leak>,
    summary: Option<serde_json::Value>,
    route: Option<Routed>,
    review: Vec<String>,
}

#[derive(Deserialize)]
struct Labels {
    subject: String,
    session: String,
}

#[derive(Deserialize)]
struct Leak {
    kind: String,
    tag: String,
    #[serde(default)]
    files: u64,
}

#[derive(Deserialize)]
struct Routed {
    to: Option<String>,
    why: String,
}

#[derive(Deserialize)]
struct File {
    path: String,
    outcome: String,
    reason: Option<String>,
    steps: Vec<Step>,
    leaks: Vec<Leak>,
    pictures: Option<Pictures>,
}

/// PNG in base64.
#[derive(Deserialize)]
struct Pictures {
    before: String,
    after: String,
}

#[derive(Deserialize)]
struct Step {
    step: StepInfo,
    edits: Vec<Edit>,
}

#[derive(Deserialize)]
struct StepInfo {
    module: String,
    version: String,
}

#[derive(Deserialize)]
struct Edit {
    path: String,
    action: String,
    line: Option<usize>,
    before: Option<String>,
    after: Option<String>,
}

pub fn results(explained: &Explained) -> Markup {
    let shows = explained
        .studies
        .iter()
        .any(|study| study.summary.is_some());
    html! {
        section aria-labelledby="results" {
            h2 #results { "What the rules would do" }
            @for note in &explained.notes { p.notice.bad { (note) } }
            @for study in &explained.studies { (of_study(study, &explained.leak_check)) }
            @if !shows && !explained.studies.is_empty() { p.dim { "Values are shown to owners of the project and to site administrators." } }
            @for file in explained.files.iter().take(MOST_FILES) { (of_file(file)) }
            @if explained.files.len() > MOST_FILES {
                p { "And " (parts::grouped((explained.files.len() - MOST_FILES) as u64)) " files more." }
            }
        }
    }
}

fn of_study(study: &Study, leak_check: &str) -> Markup {
    html! {
        article {
            h3 {
                @match &study.labels {
                    Some(labels) => { (labels.subject) " / " (labels.session) }
                    None => "A study without labels"
                }
            }
            @if let Some(error) = &study.error { p { (badge(Tone::Bad, "no labels")) " " (error) } }
            @if let Some(route) = &study.route {
                p {
                    @match &route.to {
                        Some(to) => { "To: " (badge(Tone::Plain, &to.replace('_', " "))) " " }
                        None => { (badge(Tone::Bad, "the route rule fails")) " " }
                    }
                    (route.why)
                }
            }
            @for why in &study.review { p { (badge(Tone::Warn, "held for review")) " " (why) } }
            @if study.leaks.is_empty() { p { "Leak check (" (leak_check) "): nothing of what identifies is left." } } @else {
                p { (badge(Tone::Warn, "leaks")) " Identifying values of the original still stand (leak check: " (leak_check) "):" }
                ul { @for leak in &study.leaks { li { (leak.kind) " in " code { (leak.tag) } ", " (parts::count(leak.files, "file")) } } }
            }
        }
    }
}

fn of_file(file: &File) -> Markup {
    let tone = match file.outcome.as_str() {
        "stored" => Tone::Good,
        "quarantined" | "rejected" | "conflict" => Tone::Warn,
        "duplicate" | "filtered" | "not_dicom" => Tone::Plain,
        _ => Tone::Bad,
    };
    let edits = file
        .steps
        .iter()
        .map(|step| step.edits.len())
        .sum::<usize>();
    html! {
        details.file open[edits > 0 || file.reason.is_some()] {
            summary { code { (file.path) } " " (badge(tone, &file.outcome.replace('_', " "))) @if let Some(reason) = &file.reason { " " (reason) } " " small { (parts::count(edits as u64, "edit")) } }
            @for leak in &file.leaks { p { (badge(Tone::Warn, "leak")) " " (leak.kind) " in " code { (leak.tag) } } }
            @if let Some(pictures) = &file.pictures {
                div.pictures {
                    @for (name, png) in [("Before", &pictures.before), ("After", &pictures.after)] {
                        figure { img src={ "data:image/png;base64," (png) } alt={ (name) ": a frame of " (file.path) }; figcaption { (name) } }
                    }
                }
            }
            @if edits > 0 {
                div.wide tabindex="0" role="region" aria-label={ "Edits of " (file.path) } {
                    table {
                        thead { tr { th { "Element" } th { "Before" } th { "After" } th { "By" } } }
                        tbody {
                            @for step in &file.steps {
                                @for edit in &step.edits {
                                    tr {
                                        td { code { (edit.path) } br; small { (edit.action.replace('-', " ")) } }
                                        td.value { (value(edit.before.as_deref())) }
                                        td.value { (value(edit.after.as_deref())) }
                                        td { (step.step.module) " " small { (step.step.version) @if let Some(line) = edit.line { ", line " (line) } } }
                                    }
                                }
                            }
                        }
                    }
                }
            } @else { p.dim { "No element is changed." } }
        }
    }
}

fn value(value: Option<&str>) -> Markup {
    html! {
        @match value {
            None => span.dim { "–" },
            Some("") => span.dim { "empty" },
            Some(text) => (text)
        }
    }
}
