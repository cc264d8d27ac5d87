//! What was sent, as settings again.

use serde_json::{Map, Value};

use super::{Kind, Problems, Sent, kind, referred};

/// The settings that were sent, or those of before where none were. An input that is left empty leaves its key out.
pub fn sent_settings(
    schema: &Value,
    name: &str,
    before: &Map<String, Value>,
    sent: &Sent,
    problems: &mut Problems,
) -> Map<String, Value> {
    match sent.get(name) {
        Some(_) => object(schema, schema, name, before, sent, problems, 0),
        None => before.clone(),
    }
}

fn object(
    root: &Value,
    schema: &Value,
    name: &str,
    before: &Map<String, Value>,
    sent: &Sent,
    problems: &mut Problems,
    depth: u8,
) -> Map<String, Value> {
    let empty = Map::new();
    let properties = schema["properties"].as_object().unwrap_or(&empty);
    // Keys stay where they stand, so that a diff shows what is different and no more.
    let keys: Vec<&String> = before
        .keys()
        .chain(properties.keys().filter(|key| !before.contains_key(*key)))
        .collect();
    let mut settings = Map::new();
    for key in keys {
        let property = properties.get(key).unwrap_or(&Value::Null);
        let input = format!("{name}.{key}");
        let value = match kind(root, property, depth) {
            Kind::Group(group) => {
                let was = before.get(key).and_then(Value::as_object);
                let now = object(
                    root,
                    &group,
                    &input,
                    was.unwrap_or(&empty),
                    sent,
                    problems,
                    depth + 1,
                );
                (!now.is_empty() || was.is_some()).then_some(Value::Object(now))
            }
            kind => match read(
                &kind,
                &input,
                before.get(key),
                default(root, property),
                sent,
            ) {
                Ok(value) => value,
                Err(why) => {
                    problems.push((input, why));
                    before.get(key).cloned()
                }
            },
        };
        if let Some(value) = value {
            settings.insert(key.clone(), value);
        }
    }
    settings
}

fn default<'a>(root: &'a Value, property: &'a Value) -> Option<&'a Value> {
    property
        .get("default")
        .or_else(|| referred(root, property).get("default"))
}

fn read(
    kind: &Kind,
    name: &str,
    before: Option<&Value>,
    default: Option<&Value>,
    sent: &Sent,
) -> Result<Option<Value>, String> {
    let text = sent.get(name).unwrap_or_default();
    let json = |text: &str| serde_json::from_str::<Value>(text);
    Ok(match kind {
        Kind::Flag => match sent.get(name).is_some() {
            true if before.is_none() && default == Some(&Value::Bool(true)) => None,
            true => Some(true.into()),
            // Left out where that is the same.
            false if before.is_none() && default != Some(&Value::Bool(true)) => None,
            false => Some(false.into()),
        },
        Kind::Choices(_) => {
            let chosen: Vec<Value> = sent.all(name).map(Value::from).collect();
            (!chosen.is_empty() || before.is_some()).then_some(Value::Array(chosen))
        }
        Kind::Lines | Kind::TextOrLines => {
            let lines: Vec<&str> = text
                .lines()
                .map(str::trim)
                .filter(|line| !line.is_empty())
                .collect();
            match (kind, lines.as_slice()) {
                (_, []) => before
                    .filter(|value| **value == Value::Array(Vec::new()))
                    .cloned(),
                (Kind::TextOrLines, [one]) if !before.is_some_and(Value::is_array) => {
                    Some((*one).into())
                }
                (_, lines) => Some(lines.iter().copied().map(Value::from).collect()),
            }
        }
        _ if text.trim().is_empty() => before.filter(|value| value.as_str() == Some("")).cloned(),
        Kind::Text => Some(text.into()),
        Kind::Choice(all) => match json(text) {
            Ok(value) if all.contains(&value) => Some(value),
            _ => return Err("Choose one of those that are offered.".into()),
        },
        Kind::Number => match json(text.trim()) {
            Ok(value) if value.is_number() => Some(value),
            _ => return Err(format!("{text:?} is no number.")),
        },
        _ => match json(text) {
            Ok(value) => Some(value),
            Err(error) => return Err(format!("This is no JSON: {error}")),
        },
    })
}
