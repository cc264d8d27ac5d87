//! The document as a page that can be read in any browser, without scripts.
//!
//! Routes that differ in nothing but what their paths begin with are shown as one entry, with all the paths.

use std::collections::BTreeMap;

use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde_json::Value;

const METHODS: [&str; 4] = ["get", "post", "put", "delete"];

const STYLE: &str = "
:root{color-scheme:light dark;--line:light-dark(#d8dce2,#3a3f47);--soft:light-dark(#f5f6f8,#22262c);--dim:light-dark(#5b6470,#a2abb8);--link:light-dark(#0b57b0,#86b7ff)}
body{font:15px/1.5 system-ui,sans-serif;max-width:62rem;margin:0 auto;padding:1.5rem 1rem 4rem;background:light-dark(#fff,#181b20);color:light-dark(#1b1f24,#e4e7ec)}
h1{margin:0}h2{margin:2.5rem 0 .5rem}a{color:var(--link)}nav a{margin-right:1rem;white-space:nowrap}
details{border:1px solid var(--line);border-radius:6px;margin:.4rem 0}summary{padding:.45rem .7rem;cursor:pointer}
details>div{padding:.2rem .8rem .7rem;border-top:1px solid var(--line);background:var(--soft)}
code{font:13px ui-monospace,monospace;overflow-wrap:anywhere}b{display:inline-block;min-width:3.9rem;font:700 12px ui-monospace,monospace}
.get{color:light-dark(#0a6b3d,#6bd19b)}.post{color:light-dark(#8a4b00,#f0b35e)}.put{color:light-dark(#0b57b0,#86b7ff)}.delete{color:light-dark(#a8202d,#ff8f98)}
summary i{display:block;font-style:normal;color:var(--dim)}p{margin:.5rem 0}dl{display:grid;grid-template-columns:minmax(8rem,max-content) 1fr;gap:.15rem .8rem;margin:.4rem 0}
dd{margin:0}dd i{color:var(--dim)}@media(max-width:40rem){dl{grid-template-columns:1fr}dd{margin-left:1rem}}";

/// An entry: operations that are described alike.
struct Entry<'a> {
    method: &'a str,
    paths: Vec<&'a str>,
    operation: &'a Value,
}

pub fn page(document: &Value) -> String {
    let families: Vec<&str> = list(&document["tags"])
        .map(|tag| text(&tag["name"]))
        .collect();
    let listing = document["components"]["parameters"]
        .as_object()
        .into_iter()
        .flatten();
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "Sluice: its REST calls" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { "Sluice" }
                p { (marked(text(&document["info"]["description"]))) }
                p {
                    "Version " (text(&document["info"]["version"])) ". The same for programs: "
                    a href="openapi.json" { "openapi.json" } " (OpenAPI). Calls need a login, by HTTP Basic or the cookie "
                    code { "JSESSIONID" } ", but where they say " i { "open" } "."
                }
                nav { @for family in &families { a href={ "#" (anchor(family)) } { (family) } } }
                @for family in &families {
                    h2 id=(anchor(family)) { (family) }
                    @for entry in entries(document, family) { (show(&entry)) }
                }
                h2 #listings { "Listings" }
                p { "What every listing takes:" }
                dl { @for (_, of) in listing { (parameter(of)) } }
                h2 #errors { "Errors" }
                dl { @for (status, what) in errors(document) { dt { (status) } dd { (what) } } }
            }
        }
    };
    page.into_string()
}

/// The errors that there are, and what they mean.
fn errors(document: &Value) -> BTreeMap<&str, &str> {
    let items = document["paths"].as_object().into_iter().flatten();
    let operations = items.flat_map(|(_, item)| item.as_object().into_iter().flatten());
    let responses = operations.flat_map(|(_, operation)| operation["responses"].as_object());
    let mut status_to_meaning = BTreeMap::new();
    for (status, response) in responses.flatten() {
        if let Some(name) = text(&response["$ref"]).rsplit('/').next() {
            let meaning = text(&document["components"]["responses"][name]["description"]);
            if !meaning.is_empty() {
                status_to_meaning.insert(status.as_str(), meaning);
            }
        }
    }
    status_to_meaning
}

fn entries<'a>(document: &'a Value, family: &str) -> Vec<Entry<'a>> {
    let mut entries: Vec<Entry> = Vec::new();
    for (path, item) in document["paths"].as_object().into_iter().flatten() {
        for method in METHODS {
            let Some(operation) = item.get(method) else {
                continue;
            };
            if list(&operation["tags"]).all(|tag| tag != family) {
                continue;
            }
            let is_same = |entry: &&mut Entry| {
                entry.method == method && entry.operation["summary"] == operation["summary"]
            };
            match entries.iter_mut().find(is_same) {
                Some(entry) => entry.paths.push(path),
                None => entries.push(Entry {
                    method,
                    paths: vec![path],
                    operation,
                }),
            }
        }
    }
    entries
}

fn show(entry: &Entry) -> Markup {
    let (method, operation) = (entry.method, entry.operation);
    // The longest names all that can be named.
    let longest = entry.paths.iter().max_by_key(|path| path.len());
    let shown = longest.copied().unwrap_or_default();
    let others: Vec<&str> = entry
        .paths
        .iter()
        .copied()
        .filter(|path| *path != shown)
        .collect();
    let is_reference = |value: &Value| value.get("$ref").is_some();
    let parameters = || list(&operation["parameters"]);
    let responses = || operation["responses"].as_object().into_iter().flatten();
    let errors: Vec<&str> = responses()
        .filter(|(_, response)| is_reference(response))
        .map(|(status, _)| status.as_str())
        .collect();
    html! {
        details {
            summary {
                b class=(method) { (method.to_uppercase()) } code { (shown) }
                i { (marked(text(&operation["summary"]))) @if operation.get("security").is_some() { " (open)" } }
            }
            div {
                @if !others.is_empty() {
                    p { "Also " @for (at, path) in others.iter().enumerate() { @if at > 0 { ", " } code { (path) } } }
                }
                dl {
                    @for of in parameters().filter(|of| !is_reference(of)) { (parameter(of)) }
                    @if parameters().any(is_reference) { dt { "…" } dd { "and those of " a href="#listings" { "listings" } } }
                    @if let Some(body) = operation.get("requestBody") { dt { "body" } dd { (kinds(&body["content"])) } }
                    @for (status, response) in responses().filter(|(_, response)| !is_reference(response)) {
                        dt { (status) } dd { (marked(text(&response["description"]))) " " i { (kinds(&response["content"])) } }
                    }
                    dt { a href="#errors" { "errors" } } dd { (errors.join(" ")) }
                }
            }
        }
    }
}

fn parameter(parameter: &Value) -> Markup {
    let schema = &parameter["schema"];
    let values: Vec<&str> = list(&schema["enum"]).map(text).collect();
    let kind = match (values.is_empty(), text(&parameter["in"])) {
        (false, _) => values.join(" | "),
        (true, "query") => text(&schema["type"]).to_owned(),
        (true, place) => format!("{}, {place}", text(&schema["type"])),
    };
    let is_needed = parameter["required"] == true && parameter["in"] == "query";
    html! {
        dt { code { (text(&parameter["name"])) } }
        dd { (marked(text(&parameter["description"]))) " " i { (kind) @if is_needed { ", required" } } }
    }
}

/// The types of a body, with the schemas' names.
fn kinds(content: &Value) -> String {
    let kinds = content.as_object().into_iter().flatten().map(|(kind, of)| {
        let schema = &of["schema"];
        let reference = text(&schema["$ref"]);
        let (reference, many) = match reference.is_empty() {
            true => (text(&schema["items"]["$ref"]), "list of "),
            false => (reference, ""),
        };
        match reference.rsplit('/').next().filter(|name| !name.is_empty()) {
            Some(name) => format!("{kind} ({many}{name})"),
            None => kind.clone(),
        }
    });
    kinds.collect::<Vec<_>>().join(", ")
}

fn anchor(family: &str) -> String {
    family.replace(|c: char| !c.is_ascii_alphanumeric(), "-")
}

/// Text with what stands between backticks as code.
fn marked(text: &str) -> Markup {
    html! {
        @for (at, part) in text.split('`').enumerate() {
            @if at % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
