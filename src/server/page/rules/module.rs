//! A module: what it says of itself, its settings, files and test cases.

use axum::extract::Path;
use axum::http::Method;
use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::Value;

use super::super::super::address::address;
use super::super::parts::{self, Tone, badge};
use super::super::shell::Section;
use super::super::{Refusal, Visitor};
use super::model::{ModuleDetail, module};
use super::{chain, settings};

#[derive(Deserialize)]
struct Tests {
    cases: Vec<Case>,
    coverage: Option<Coverage>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    passed: bool,
    differences: Vec<String>,
}

#[derive(Deserialize)]
struct Coverage {
    lines: usize,
    missed: Vec<usize>,
}

pub async fn show(visitor: Visitor, Path(name): Path<String>) -> Result<Response, Refusal> {
    let found = module(&visitor, &name)
        .await?
        .ok_or_else(Refusal::not_found)?;
    let content = view(&visitor, &found, None);
    Ok(visitor.show(Section::Rules, &name, content))
}

pub async fn test(visitor: Visitor, Path(name): Path<String>) -> Result<Response, Refusal> {
    let uri = address(&["xapi", "rules", "modules", &name, "test"], &[]);
    let here = address(&["rules", "~modules", &name], &[]);
    let tests = match visitor
        .rest
        .call(Method::POST, &uri, "", Default::default())
        .await
    {
        Ok(body) => super::super::rest::understood(&body)?,
        Err(refusal) => return Ok(visitor.refused(refusal, &here)),
    };
    let found = module(&visitor, &name)
        .await?
        .ok_or_else(Refusal::not_found)?;
    let content = view(&visitor, &found, Some(&tests));
    Ok(visitor.show(Section::Rules, &name, content))
}

fn view(visitor: &Visitor, detail: &ModuleDetail, tests: Option<&Tests>) -> Markup {
    let module = &detail.module;
    let can_test = visitor.admin && !module.is_shipped();
    html! {
        p.crumbs { a href="/rules" { "Rules" } }
        div.head {
            h1 { (module.name) " " small { (module.version.as_deref().unwrap_or("")) } }
            @if can_test { (parts::action(&address(&["rules", "~modules", &module.name, "test"], &[]), "Run its tests", "")) }
        }
        @if let Some(error) = &module.error { p { (badge(Tone::Bad, "can't be used")) } pre { (error) } }
        @if let Some(description) = &module.description { p { (description) } }
        dl.facts {
            @if let Some(kind) = &module.kind { dt { "Kind" } dd { (kind) } }
            @if let Some(engine) = &detail.engine { dt { "Engine" } dd { (chain::engine(engine)) } }
            dt { "From" } dd { @if module.is_shipped() { "Sluice" } @else { "the rules folder" } }
        }
        (chain::declared(detail))
        @if let Some(tests) = tests { (results(tests)) }
        @if let Some(schema) = &detail.settings { (settings_of(schema)) }
        (files(visitor, detail))
    }
}

fn results(tests: &Tests) -> Markup {
    let failed = tests.cases.iter().filter(|case| !case.passed).count();
    html! {
        h2 #tests { "Its tests" }
        p role="status" {
            @if tests.cases.is_empty() { (badge(Tone::Warn, "none")) " It has no test case: they are files tests/*.json in its folder." }
            @else if failed == 0 { (badge(Tone::Good, "passed")) " " (parts::count(tests.cases.len() as u64, "case")) "." }
            @else { (badge(Tone::Bad, "failed")) " " (failed) " of " (parts::count(tests.cases.len() as u64, "case")) "." }
        }
        ul.findings {
            @for case in &tests.cases {
                li {
                    @if case.passed { (badge(Tone::Good, "ok")) } @else { (badge(Tone::Bad, "failed")) }
                    " " (case.name.replace('-', " "))
                    @for difference in &case.differences { pre { (difference) } }
                }
            }
        }
        @if let Some(coverage) = &tests.coverage {
            p {
                "They run " (coverage.lines - coverage.missed.len()) " of " (parts::count(coverage.lines as u64, "line")) "."
                @if !coverage.missed.is_empty() { " Not run: " (coverage.missed.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")) "." }
            }
        }
    }
}

fn settings_of(schema: &Value) -> Markup {
    let properties = schema["properties"].as_object();
    html! {
        @if settings::has_any(schema) {
            h2 #settings { "Settings" }
            dl.facts {
                @for key in properties.into_iter().flat_map(|all| all.keys()) {
                    dt { code { (key) } }
                    dd { (settings::description(schema, key).unwrap_or("")) }
                }
            }
        }
    }
}

fn files(visitor: &Visitor, detail: &ModuleDetail) -> Markup {
    let module = &detail.module;
    let may_read = visitor.admin || module.is_shipped();
    let is_text = |file: &str| !file.ends_with(".wasm");
    let at = |file: &str| address(&["rules", "~modules", &module.name, "files", file], &[]);
    html! {
        h2 #files { "Files" }
        ul {
            @for file in &detail.files {
                li {
                    @if may_read && is_text(file) { a href=(at(file)) { (file) } } @else { (file) }
                    @if detail.entry.as_ref() == Some(file) { " " small { "the code" } }
                }
            }
        }
        @if !may_read { p.dim { "Site administrators see and change them." } }
    }
}
