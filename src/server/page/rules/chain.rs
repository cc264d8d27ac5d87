//! The chain as a picture of gates that a file goes through, and each of them in words.

use maud::{Markup, html};
use serde_json::Value;

use super::super::parts::{Tone, badge};
use super::model::{Chain, ModuleDetail, Step, Whose};
use super::settings;

/// A module of a chain, if it is still there.
pub type Known<'a> = &'a dyn Fn(&str) -> Option<&'a ModuleDetail>;

/// A list, so that it is read as what it is; its look is the style's.
pub fn picture(chain: &Chain) -> Markup {
    html! {
        ol.gates aria-label="The way of a file, from the inbox to where it is stored" {
            li.end { "inbox" }
            @for (at, step) in chain.steps.iter().enumerate() {
                li class={ "gate " (step.kind) } {
                    small { (step.kind) " · " (step.owner()) }
                    a href={ "#step-" (at) } { (step.module) }
                    @if !step.is_script() { small { (step.version) } }
                    @if step.waits() { (badge(Tone::Warn, "at the archive")) }
                }
            }
            li.end { "stored" }
        }
    }
}

pub fn facts(chain: &Chain) -> Markup {
    html! {
        dl.facts {
            dt { "Leak check" } dd { (chain.leak_check) }
            dt { "Overwriting" } dd { (overwriting(&chain.overwrite)) }
            dt { "File names" } dd { @if chain.file_names == "source" { "as the sources'" } @else { "from the anonymized header" } }
        }
    }
}

fn overwriting(most: &str) -> &'static str {
    match most {
        "none" => "nothing that is stored is touched",
        "append" => "new files may join what is stored, none is replaced",
        _ => "new files may join what is stored, and replace files of other content",
    }
}

pub fn steps(whose: &Whose, chain: &Chain, known: Known) -> Markup {
    html! {
        @for (at, step) in chain.steps.iter().enumerate() { (one(whose, at, step, known(&step.module))) }
    }
}

fn one(whose: &Whose, at: usize, step: &Step, module: Option<&ModuleDetail>) -> Markup {
    let of = match step.scope.as_str() {
        "project" => whose.clone(),
        _ => Whose::Site,
    };
    html! {
        article id={ "step-" (at) } {
            h3 {
                @if step.is_script() { a href=(of.view(&["files", &step.module], &[])) { (step.module) } }
                @else if let Some(module) = module { a href=(module.module.address()) { (step.module) } }
                @else { (step.module) }
                " " small { @if !step.is_script() { (step.version) ", " } (step.kind) ", " (step.owner()) ", " (engine(&step.engine)) }
                @if step.waits() { " " (badge(Tone::Warn, "runs on the way to the archive")) }
            }
            @if let Some(module) = module {
                @if let Some(description) = &module.module.description { p { (description) } }
                (declared(module))
            } @else if step.is_script() {
                p { "A DicomEdit script beside the policy. It may read and write every element." }
            }
            (set(&step.settings, module))
        }
    }
}

pub fn engine(engine: &str) -> &str {
    match engine {
        "rhai" => "Rhai",
        "wasm" => "WebAssembly",
        _ => "DicomEdit",
    }
}

/// What the manifest says of the module; the server holds it to the reads and writes.
pub fn declared(module: &ModuleDetail) -> Markup {
    html! {
        details {
            summary { "Reads " (amount(&module.reads)) ", writes " (amount(&module.writes))
                @if let Some(licence) = &module.licence { ", " (licence) }
            }
            dl.facts {
                dt { "Reads" } dd { (elements(&module.reads)) }
                dt { "Writes" } dd { (elements(&module.writes)) }
                @if let Some(author) = &module.author { dt { "Author" } dd { (author) } }
                @if let Some(licence) = &module.licence { dt { "Licence" } dd { (licence) } }
            }
        }
    }
}

fn amount(elements: &[String]) -> String {
    match elements {
        [] => "nothing".into(),
        [one] if one == "*" => "everything".into(),
        some => format!("{} elements", some.len()),
    }
}

fn elements(elements: &[String]) -> Markup {
    html! {
        @if elements.is_empty() { "nothing" }
        @for (at, element) in elements.iter().enumerate() { @if at > 0 { ", " } code { (element) } }
    }
}

fn set(set: &serde_json::Map<String, Value>, module: Option<&ModuleDetail>) -> Markup {
    let schema = module.and_then(|module| module.settings.as_ref());
    html! {
        @if set.is_empty() {
            @if schema.is_some_and(settings::has_any) { p.dim { "Set as it comes." } }
        } @else {
            dl.facts {
                @for (key, value) in set {
                    dt { (key) }
                    dd {
                        code { (shown(value)) }
                        @if let Some(help) = schema.and_then(|schema| settings::description(schema, key)) { br; small { (help) } }
                    }
                }
            }
        }
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(true) => "yes".into(),
        Value::Bool(false) => "no".into(),
        other => other.to_string(),
    }
}
