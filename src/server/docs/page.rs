//! The document as a page that can be read in any browser, without scripts.
//!
//! Routes that differ in nothing but what their paths begin with are shown as one entry, with all the paths.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;

use super::super::error::escape;

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
    let mut page = String::from(
        "<!DOCTYPE html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\">",
    );
    // Writing to a String can't fail.
    let _ = write!(
        page,
        "<title>Sluice: its REST calls</title><style>{STYLE}</style><h1>Sluice</h1>"
    );
    let about = marked(text(&document["info"]["description"]));
    let version = escape(text(&document["info"]["version"]));
    let _ = write!(
        page,
        "<p>{about}</p><p>Version {version}. The same for programs: <a href=openapi.json>openapi.json</a> (OpenAPI). \
         Calls need a login, by HTTP Basic or the cookie <code>JSESSIONID</code>, but where they say <i>open</i>.</p><nav>"
    );
    let families: Vec<&str> = list(&document["tags"])
        .map(|tag| text(&tag["name"]))
        .collect();
    for family in &families {
        let _ = write!(
            page,
            "<a href=\"#{}\">{}</a>",
            anchor(family),
            escape(family)
        );
    }
    page.push_str("</nav>");
    for family in families {
        let _ = write!(
            page,
            "<h2 id=\"{}\">{}</h2>",
            anchor(family),
            escape(family)
        );
        for entry in entries(document, family) {
            write_entry(&mut page, &entry);
        }
    }
    let _ = write!(
        page,
        "<h2 id=listings>Listings</h2><p>What every listing takes:</p><dl>"
    );
    for parameter in document["components"]["parameters"]
        .as_object()
        .into_iter()
        .flatten()
    {
        write_parameter(&mut page, parameter.1);
    }
    page.push_str("</dl><h2 id=errors>Errors</h2><dl>");
    for (status, what) in errors(document) {
        let _ = write!(page, "<dt>{status}<dd>{}", escape(what));
    }
    page.push_str("</dl></html>\n");
    page
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

fn write_entry(page: &mut String, entry: &Entry) {
    let (method, operation) = (entry.method, entry.operation);
    let upper = method.to_uppercase();
    // The longest names all that can be named.
    let shown = entry
        .paths
        .iter()
        .max_by_key(|path| path.len())
        .copied()
        .unwrap_or_default();
    let summary = marked(text(&operation["summary"]));
    let open = match operation.get("security") {
        Some(_) => " (open)",
        None => "",
    };
    let _ = write!(
        page,
        "<details><summary><b class={method}>{upper}</b><code>{}</code><i>{summary}{open}</i></summary><div>",
        escape(shown)
    );
    let others: Vec<String> = entry
        .paths
        .iter()
        .filter(|path| **path != shown)
        .map(|path| format!("<code>{}</code>", escape(path)))
        .collect();
    if !others.is_empty() {
        let _ = write!(page, "<p>Also {}</p>", others.join(", "));
    }
    page.push_str("<dl>");
    let mut is_listing = false;
    for parameter in list(&operation["parameters"]) {
        match parameter.get("$ref") {
            Some(_) => is_listing = true,
            None => write_parameter(page, parameter),
        }
    }
    if is_listing {
        page.push_str("<dt>…<dd>and those of <a href=\"#listings\">listings</a>");
    }
    if let Some(body) = operation.get("requestBody") {
        let _ = write!(page, "<dt>body<dd>{}", kinds(&body["content"]));
    }
    let mut errors = Vec::new();
    for (status, response) in operation["responses"].as_object().into_iter().flatten() {
        match response.get("$ref") {
            Some(_) => errors.push(status.as_str()),
            None => {
                let what = marked(text(&response["description"]));
                let _ = write!(
                    page,
                    "<dt>{status}<dd>{what} <i>{}</i>",
                    kinds(&response["content"])
                );
            }
        }
    }
    let _ = write!(
        page,
        "<dt><a href=\"#errors\">errors</a><dd>{}</dl></div></details>",
        errors.join(" ")
    );
}

fn write_parameter(page: &mut String, parameter: &Value) {
    let schema = &parameter["schema"];
    let values: Vec<&str> = list(&schema["enum"]).map(text).collect();
    let kind = match (values.is_empty(), text(&parameter["in"])) {
        (false, _) => values.join(" | "),
        (true, place) => {
            let kind = text(&schema["type"]);
            match place {
                "query" => kind.to_owned(),
                place => format!("{kind}, {place}"),
            }
        }
    };
    let needed = match parameter["required"] == true && parameter["in"] == "query" {
        true => ", required",
        false => "",
    };
    let _ = write!(
        page,
        "<dt><code>{}</code><dd>{} <i>{}{needed}</i>",
        escape(text(&parameter["name"])),
        marked(text(&parameter["description"])),
        escape(&kind)
    );
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
            Some(name) => format!("{} ({many}{})", escape(kind), escape(name)),
            None => escape(kind),
        }
    });
    kinds.collect::<Vec<_>>().join(", ")
}

fn anchor(family: &str) -> String {
    family.replace(|c: char| !c.is_ascii_alphanumeric(), "-")
}

/// Text with what stands between backticks as code.
fn marked(text: &str) -> String {
    let parts = text.split('`').enumerate();
    parts
        .map(|(index, part)| match index % 2 {
            1 => format!("<code>{}</code>", escape(part)),
            _ => escape(part),
        })
        .collect()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
