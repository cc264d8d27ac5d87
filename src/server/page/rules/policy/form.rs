//! The inputs of a policy's form.

use maud::{Markup, html};
use serde_json::{Map, Value};

use super::super::settings::{self, Problems, Sent};
use super::Known;

const LEAK_CHECKS: [(&str, &str); 3] = [
    ("off", "off"),
    ("report", "report what still identifies"),
    ("quarantine", "hold the session for review"),
];
const OVERWRITES: [(&str, &str); 3] = [
    ("none", "nothing"),
    ("append", "new files join"),
    ("delete", "files are replaced too"),
];
const FILE_NAMES: [(&str, &str); 2] = [
    ("template", "from the anonymized header"),
    ("source", "as the sources'"),
];

/// The inputs; `is_site` for the words about what is left out.
pub fn form(
    policy: &Value,
    known: &Known,
    sent: &Sent,
    problems: &Problems,
    is_site: bool,
) -> Markup {
    let inherited = if is_site {
        "built in"
    } else {
        "as the site has it"
    };
    let steps: Vec<&Value> = policy["anonymize"]
        .as_array()
        .into_iter()
        .flatten()
        .collect();
    html! {
        fieldset {
            legend { "Label: names subject and session" }
            (single("label", policy, known, sent, problems, inherited))
        }
        fieldset {
            legend { "Anonymize: run over each file, in this order" }
            @if policy["anonymize"].is_null() {
                p.dim { @if is_site { "The built-in chain: XNAT's default script. A step that is added takes its place." } @else { "The site's steps, and none of the project's own." } }
            }
            ol.chain {
                @for (at, step) in steps.iter().enumerate() {
                    li { (anonymize(at, steps.len(), step, known, sent, problems)) }
                }
            }
            div.filter {
                label { "Add a module"
                    select name="new.module" {
                        option value="" { "choose" }
                        @for module in known.of_kind("anonymize").filter(|module| module.error.is_none()) {
                            option value=(module.name) { (module.name) " " (module.version.as_deref().unwrap_or("")) }
                        }
                    }
                }
                label { "or a script beside the policy" input name="new.script" placeholder="project.das" maxlength="127"; }
                button.plain name="do" value="add" { "Add the step" }
            }
            label.check {
                input type="checkbox" name="identified_prearchive" value="true" checked[policy["identified_prearchive"] == true];
                " Steps may wait for the archive: the prearchive then holds what they would remove"
            }
        }
        fieldset {
            legend { "Route: where a session goes" }
            (single("route", policy, known, sent, problems, inherited))
        }
        fieldset.stacked {
            legend { "Besides" }
            (choice("leak_check", "Leak check", policy, &LEAK_CHECKS, inherited))
            (choice("overwrite", "The most that may happen to what is stored", policy, &OVERWRITES, inherited))
            (choice("file_names", "Names of stored files", policy, &FILE_NAMES, inherited))
        }
        @let others: Vec<&str> = ["series_filters", "shadow"].into_iter().filter(|key| !policy[*key].is_null()).collect();
        @if !others.is_empty() { p.dim { "The policy also has " (others.join(" and ")) ", which stay as they are; see it as JSON." } }
    }
}

fn single(
    place: &str,
    policy: &Value,
    known: &Known,
    sent: &Sent,
    problems: &Problems,
    inherited: &str,
) -> Markup {
    let step = &policy[place];
    let name = step["module"].as_str().unwrap_or_default();
    html! {
        label for={ (place) ".module" } { "Module" } " "
        (select(&format!("{place}.module"), name, known, place, Some(inherited)))
        " " button.plain name="do" value="show" { "Show its settings" }
        (of_settings(place, step, name, known, sent, problems))
    }
}

fn select(id: &str, chosen: &str, known: &Known, kind: &str, none: Option<&str>) -> Markup {
    let is_known = chosen.is_empty() || known.of_kind(kind).any(|module| module.name == chosen);
    html! {
        select id=(id) name=(id) {
            @if let Some(none) = none { option value="" { (none) } }
            @if !is_known { option value=(chosen) selected { (chosen) " (there is none)" } }
            @for module in known.of_kind(kind) {
                option value=(module.name) selected[module.name == chosen] {
                    (module.name) " " (module.version.as_deref().unwrap_or("")) @if module.error.is_some() { " (can't be used)" }
                }
            }
        }
    }
}

fn anonymize(
    at: usize,
    count: usize,
    step: &Value,
    known: &Known,
    sent: &Sent,
    problems: &Problems,
) -> Markup {
    let place = format!("a{at}");
    let name = step["module"].as_str().unwrap_or_default();
    let called = step["script"].as_str().unwrap_or(name);
    let act = |what: &str| format!("{what}:{at}");
    html! {
        article {
            div.head {
                h2.step { (called) }
                @if at > 0 { button.plain name="do" value=(act("up")) aria-label={ "Move " (called) " up" } { "Up" } }
                @if at + 1 < count { button.plain name="do" value=(act("down")) aria-label={ "Move " (called) " down" } { "Down" } }
                button.plain name="do" value=(act("remove")) aria-label={ "Remove " (called) } { "Remove" }
            }
            input type="hidden" name={ (place) ".module" } value=(name);
            div.filter {
                label.check { input type="checkbox" name={ (place) ".on" } value="true" checked[step["enabled"] != false]; " On" }
                label { "When"
                    select name={ (place) ".at" } {
                        option value="import" { "at import" }
                        option value="archive" selected[step["at"] == "archive"] { "on the way to the archive" }
                    }
                }
            }
            (of_settings(&place, step, name, known, sent, problems))
        }
    }
}

fn of_settings(
    place: &str,
    step: &Value,
    module: &str,
    known: &Known,
    sent: &Sent,
    problems: &Problems,
) -> Markup {
    let empty = Map::new();
    let set = step["settings"].as_object().unwrap_or(&empty);
    let said = problems
        .iter()
        .filter(|(of, _)| of == place || *of == format!("{place}.s"));
    html! {
        @for (_, why) in said { p.notice.bad role="alert" { (why) } }
        @if let Some(detail) = known.details.get(module) {
            @if let Some(description) = &detail.module.description { p { (description) } }
            @match &detail.settings {
                Some(schema) if settings::has_any(schema) || !set.is_empty() => {
                    details open[!set.is_empty() || problems.iter().any(|(of, _)| of.starts_with(&format!("{place}.")))] {
                        summary { "Settings" }
                        div.stacked { (settings::form(schema, &format!("{place}.s"), set, sent, problems)) }
                    }
                }
                _ => p.dim { "It takes no settings." },
            }
        }
    }
}

fn choice(key: &str, words: &str, policy: &Value, all: &[(&str, &str)], inherited: &str) -> Markup {
    html! {
        label for=(key) { (words) }
        select id=(key) name=(key) {
            option value="" { (inherited) }
            @for (value, words) in all { option value=(value) selected[policy[key] == *value] { (words) } }
        }
    }
}
