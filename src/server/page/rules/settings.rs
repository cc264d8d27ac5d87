//! A module's settings as a form that is made from their JSON Schema, and back.
//!
//! What the form can't show (objects in lists, alternatives) is shown as the JSON that it is, key by key.

mod read;

use std::borrow::Cow;

use maud::{Markup, html};
use serde_json::{Map, Value};

pub use read::sent_settings;

/// What the visitor sent, in order.
#[derive(Default)]
pub struct Sent(pub Vec<(String, String)>);

impl Sent {
    pub fn get(&self, name: &str) -> Option<&str> {
        let of = self.0.iter().find(|(known, _)| known == name);
        of.map(|(_, value)| value.as_str())
    }

    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let of = self.0.iter().filter(move |(known, _)| known == name);
        of.map(|(_, value)| value.as_str())
    }
}

/// What is wrong with one input: its name, and why.
pub type Problems = Vec<(String, String)>;

/// How a value is asked for.
enum Kind {
    Flag,
    /// One of some values, each as JSON.
    Choice(Vec<Value>),
    /// Any of some texts.
    Choices(Vec<String>),
    Number,
    Text,
    /// Texts, one a line.
    Lines,
    /// The same, where a single text may stand for itself.
    TextOrLines,
    Group(Value),
    Json,
}

pub fn has_any(schema: &Value) -> bool {
    schema["properties"]
        .as_object()
        .is_some_and(|map| !map.is_empty())
}

/// What the schema says of a key.
pub fn description<'a>(schema: &'a Value, key: &str) -> Option<&'a str> {
    let own = &schema["properties"][key];
    let of = |schema: &'a Value| schema["description"].as_str();
    of(own).or_else(|| of(referred(schema, own)))
}

/// Follows a reference into the schema itself.
fn referred<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    let mut schema = schema;
    // A schema may lead in circles.
    for _ in 0..8 {
        let Some(pointer) = schema["$ref"].as_str().and_then(|to| to.strip_prefix('#')) else {
            break;
        };
        match root.pointer(pointer) {
            Some(found) => schema = found,
            None => break,
        }
    }
    schema
}

fn kind(root: &Value, schema: &Value, depth: u8) -> Kind {
    let schema = referred(root, schema);
    if let Some(values) = schema["enum"].as_array() {
        let is_plain = values
            .iter()
            .all(|value| !value.is_object() && !value.is_array());
        return if is_plain {
            Kind::Choice(values.clone())
        } else {
            Kind::Json
        };
    }
    match schema["type"].as_str() {
        Some("boolean") => Kind::Flag,
        Some("integer" | "number") => Kind::Number,
        Some("string") => Kind::Text,
        Some("array") => list_kind(root, schema),
        Some("object") if depth == 0 && has_any(schema) => Kind::Group(schema.clone()),
        _ => match schema["oneOf"].as_array().map(Vec::as_slice) {
            Some([one, many]) if is_text_or_lines(root, one, many) => Kind::TextOrLines,
            _ => Kind::Json,
        },
    }
}

fn list_kind(root: &Value, schema: &Value) -> Kind {
    let items = referred(root, &schema["items"]);
    if let Some(values) = items["enum"].as_array() {
        let texts = values.iter().map(|value| value.as_str().map(str::to_owned));
        return texts
            .collect::<Option<_>>()
            .map_or(Kind::Json, Kind::Choices);
    }
    match items["type"].as_str() {
        Some("string") => Kind::Lines,
        _ => Kind::Json,
    }
}

fn is_text_or_lines(root: &Value, one: &Value, many: &Value) -> bool {
    let is = |schema, wanted: &str| referred(root, schema)["type"] == wanted;
    is(one, "string") && is(many, "array") && is(&referred(root, many)["items"], "string")
}

/// Inputs for all that the schema knows, and for keys that are set and not known. `name` is put before the names of
/// the inputs; what was sent and could not be taken is shown as it was sent.
pub fn form(
    schema: &Value,
    name: &str,
    values: &Map<String, Value>,
    sent: &Sent,
    problems: &Problems,
) -> Markup {
    let form = Form {
        root: schema,
        sent,
        problems,
    };
    html! {
        input type="hidden" name=(name) value="sent";
        (form.inputs(schema, name, values, 0))
    }
}

struct Form<'a> {
    root: &'a Value,
    sent: &'a Sent,
    problems: &'a Problems,
}

impl Form<'_> {
    fn inputs(&self, schema: &Value, name: &str, values: &Map<String, Value>, depth: u8) -> Markup {
        let empty = Map::new();
        let properties = schema["properties"].as_object().unwrap_or(&empty);
        let unknown = values.keys().filter(|key| !properties.contains_key(*key));
        html! {
            @for (key, property) in properties {
                (self.input(schema, key, property, &format!("{name}.{key}"), values.get(key), depth))
            }
            @for key in unknown {
                (self.input(schema, key, &Value::Null, &format!("{name}.{key}"), values.get(key), depth))
            }
        }
    }

    fn input(
        &self,
        parent: &Value,
        key: &str,
        property: &Value,
        name: &str,
        value: Option<&Value>,
        depth: u8,
    ) -> Markup {
        let full = referred(self.root, property);
        let help = property["description"]
            .as_str()
            .or(full["description"].as_str());
        let more = full["description"]
            .as_str()
            .filter(|more| Some(*more) != help);
        let required = parent["required"]
            .as_array()
            .is_some_and(|required| required.iter().any(|one| one == key));
        let problem = self.problems.iter().find(|(of, _)| of == name);
        let kind = kind(self.root, property, depth);
        let help = html! {
            @if let Some(help) = help { small.help id={ (name) "-help" } { (help) @if let Some(more) = more { " " (more) } } }
            @if let Some((_, why)) = problem { p.notice.bad role="alert" id={ (name) "-problem" } { (why) } }
        };
        let described = format!("{name}-help {name}-problem");
        let invalid = problem.map(|_| "true");
        let default = property.get("default").or(full.get("default"));
        let shown = |default: &str| self.text(name, value, default);
        match kind {
            Kind::Flag => {
                let now = value.or(default).and_then(Value::as_bool).unwrap_or(false);
                html! {
                    label.check { input type="checkbox" name=(name) value="true" checked[now] aria-describedby=(described) aria-invalid=[invalid]; " " (words(key)) }
                    (help)
                }
            }
            Kind::Choices(all) => {
                let now: Vec<&str> = value
                    .and_then(Value::as_array)
                    .into_iter()
                    .flatten()
                    .filter_map(Value::as_str)
                    .collect();
                html! {
                    fieldset aria-describedby=(described) {
                        legend { (words(key)) }
                        (help)
                        @for one in &all { label.check { input type="checkbox" name=(name) value=(one) checked[now.contains(&one.as_str())]; " " (one) } }
                    }
                }
            }
            Kind::Group(group) => {
                let empty = Map::new();
                let values = value.and_then(Value::as_object).unwrap_or(&empty);
                html! {
                    fieldset aria-describedby=(described) {
                        legend { (words(key)) }
                        (help)
                        (self.inputs(&group, name, values, depth + 1))
                    }
                }
            }
            kind => html! {
                label for=(name) { (words(key)) @if required { " " small { "(needed)" } } }
                (help)
                @match kind {
                    Kind::Choice(all) => {
                        select id=(name) name=(name) aria-describedby=(described) aria-invalid=[invalid] {
                            @if !required { option value="" { "as it comes" @if let Some(default) = default { " (" (plain(default)) ")" } } }
                            @for one in &all { option value=(one.to_string()) selected[Some(one) == value] { (plain(one)) } }
                        }
                    }
                    Kind::Number => {
                        input type="number" id=(name) name=(name) value=(shown("")) step=(if full["type"] == "integer" { "1" } else { "any" })
                            min=[full["minimum"].as_f64()] max=[full["maximum"].as_f64()] placeholder=[default.map(plain)]
                            aria-describedby=(described) aria-invalid=[invalid];
                    }
                    Kind::Text => {
                        input id=(name) name=(name) value=(shown("")) maxlength=[full["maxLength"].as_u64()] placeholder=[default.map(plain)]
                            aria-describedby=(described) aria-invalid=[invalid];
                    }
                    Kind::Lines | Kind::TextOrLines => {
                        textarea.code.short id=(name) name=(name) rows="3" placeholder="one a line" aria-describedby=(described) aria-invalid=[invalid] { (shown("")) }
                    }
                    _ => {
                        textarea.code.short id=(name) name=(name) rows="4" placeholder="JSON" aria-describedby=(described) aria-invalid=[invalid] { (shown("")) }
                    }
                }
            },
        }
    }

    /// What an input shows: what was sent for it, where that could not be taken, else the value.
    fn text(&self, name: &str, value: Option<&Value>, default: &str) -> String {
        let refused = self.problems.iter().any(|(of, _)| of == name);
        match (self.sent.get(name).filter(|_| refused), value) {
            (Some(sent), _) => sent.to_owned(),
            (None, None) => default.to_owned(),
            (None, Some(Value::String(text))) => text.clone(),
            (None, Some(Value::Array(items))) if items.iter().all(Value::is_string) => {
                let lines: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
                lines.join("\n")
            }
            (None, Some(other)) => {
                serde_json::to_string_pretty(other).unwrap_or_else(|_| other.to_string())
            }
        }
    }
}

/// A key as words.
fn words(key: &str) -> Cow<'_, str> {
    match key.contains('_') {
        true => key.replace('_', " ").into(),
        false => key.into(),
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) if text.is_empty() => "nothing".into(),
        Value::String(text) => text.clone(),
        Value::Bool(true) => "yes".into(),
        Value::Bool(false) => "no".into(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests;
