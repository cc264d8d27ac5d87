//! A policy as a form, and back. What the form does not show stays as it is.

mod form;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::model::{Module, ModuleDetail};
use super::settings::{self, Problems, Sent};

pub use form::form;

/// The modules that a form speaks of.
pub struct Known {
    pub all: Vec<Module>,
    pub details: BTreeMap<String, ModuleDetail>,
}

impl Known {
    fn schema(&self, module: &str) -> Option<&Value> {
        self.details.get(module)?.settings.as_ref()
    }

    pub fn of_kind<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Module> {
        let is = move |module: &&Module| module.kind.as_deref() == Some(kind);
        self.all.iter().filter(is)
    }
}

/// The names of the modules that a policy has.
pub fn named(policy: &Value) -> Vec<String> {
    let steps = policy["anonymize"].as_array().into_iter().flatten();
    let steps = steps.chain([&policy["label"], &policy["route"]]);
    steps
        .filter_map(|step| Some(step["module"].as_str()?.to_owned()))
        .collect()
}

/// The policy with what was sent in place of what it had.
pub fn sent_policy(policy: Value, known: &Known, sent: &Sent, problems: &mut Problems) -> Value {
    let Value::Object(mut policy) = policy else {
        return policy;
    };
    for place in ["label", "route"] {
        if let Some(module) = sent.get(&format!("{place}.module")) {
            match (module, policy.get(place)) {
                ("", _) => drop(policy.shift_remove(place)),
                (module, before) => {
                    let step = step(place, module, before, known, sent, problems);
                    policy.insert(place.into(), step);
                }
            }
        }
    }
    if let Some(Value::Array(steps)) = policy.get_mut("anonymize") {
        for (at, of) in steps.iter_mut().enumerate() {
            let place = format!("a{at}");
            if let Some(module) = sent.get(&format!("{place}.module")) {
                let mut now = step(&place, module, Some(of), known, sent, problems);
                timing(&place, &mut now, sent);
                *of = now;
            }
        }
    }
    for key in ["leak_check", "overwrite", "file_names"] {
        match sent.get(key) {
            None => {}
            Some("") => drop(policy.shift_remove(key)),
            Some(value) => drop(policy.insert(key.into(), value.into())),
        }
    }
    if sent.get("leak_check").is_some() {
        let key = "identified_prearchive";
        match (sent.get(key), policy.contains_key(key)) {
            (Some(_), _) => drop(policy.insert(key.into(), true.into())),
            (None, true) => drop(policy.insert(key.into(), false.into())),
            (None, false) => {}
        }
    }
    act(&mut policy, sent);
    Value::Object(policy)
}

/// A step with the settings that were sent for it; another module's step starts as it comes.
fn step(
    place: &str,
    module: &str,
    before: Option<&Value>,
    known: &Known,
    sent: &Sent,
    problems: &mut Problems,
) -> Value {
    let was = before.and_then(|step| step["module"].as_str());
    let (Some(before), true) = (before.and_then(Value::as_object), was == Some(module)) else {
        // A script's step has no module, and stays what it is.
        return match before {
            Some(step) if step["script"].is_string() => step.clone(),
            _ => json!({ "module": module }),
        };
    };
    let mut step = before.clone();
    if let Some(schema) = known.schema(module) {
        let empty = Map::new();
        let set = before.get("settings").and_then(Value::as_object);
        let name = format!("{place}.s");
        let now = settings::sent_settings(schema, &name, set.unwrap_or(&empty), sent, problems);
        match now.is_empty() && set.is_none() {
            true => {}
            false => drop(step.insert("settings".into(), Value::Object(now))),
        }
    }
    Value::Object(step)
}

fn timing(place: &str, step: &mut Value, sent: &Sent) {
    let Some(step) = step.as_object_mut() else {
        return;
    };
    match sent.get(&format!("{place}.at")) {
        Some("archive") => drop(step.insert("at".into(), "archive".into())),
        Some(_) => drop(step.shift_remove("at")),
        None => {}
    }
    match sent.get(&format!("{place}.on")) {
        Some(_) => drop(step.shift_remove("enabled")),
        None => drop(step.insert("enabled".into(), false.into())),
    }
}

/// `up:1`, `down:1`, `remove:1`, `add`: changes of the chain by a button.
fn act(policy: &mut Map<String, Value>, sent: &Sent) {
    let wanted = sent.get("do").unwrap_or_default();
    let (what, at) = wanted.split_once(':').unwrap_or((wanted, ""));
    if what == "add" {
        let new = match (sent.get("new.script"), sent.get("new.module")) {
            (Some(script), _) if !script.trim().is_empty() => json!({ "script": script.trim() }),
            (_, Some(module)) if !module.is_empty() => json!({ "module": module }),
            _ => return,
        };
        let steps = policy.entry("anonymize").or_insert_with(|| json!([]));
        steps
            .as_array_mut()
            .into_iter()
            .for_each(|steps| steps.push(new.clone()));
        return;
    }
    let (Some(Value::Array(steps)), Ok(at)) = (policy.get_mut("anonymize"), at.parse::<usize>())
    else {
        return;
    };
    match what {
        "up" if (1..steps.len()).contains(&at) => steps.swap(at - 1, at),
        "down" if at + 1 < steps.len() => steps.swap(at, at + 1),
        "remove" if at < steps.len() => drop(steps.remove(at)),
        _ => {}
    }
}

/// The input that a place in a policy is shown by, such as `a0.s.days` for `/anonymize/0/settings/days`.
pub fn input_of(pointer: &str) -> Option<String> {
    let steps: Vec<&str> = pointer.split('/').skip(1).collect();
    let (place, below) = match steps.as_slice() {
        ["anonymize", at, below @ ..] => (format!("a{at}"), below),
        [place @ ("label" | "route"), below @ ..] => ((*place).to_owned(), below),
        _ => return None,
    };
    match below {
        // What is wrong deeper in is wrong with the key that the form shows.
        ["settings", key, ..] => Some(format!("{place}.s.{key}")),
        _ => Some(place),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> Known {
        let module = |name: &str, kind: &str| -> ModuleDetail {
            serde_json::from_value(json!({
                "name": name, "origin": "folder", "kind": kind, "version": "1.0.0", "description": null, "error": null,
                "engine": "rhai", "entry": "rule.rhai", "reads": [], "writes": [], "author": null, "licence": null,
                "settings": { "properties": { "days": { "type": "integer" } } }, "files": [],
            }))
            .unwrap()
        };
        let details = [
            module("one", "anonymize"),
            module("two", "anonymize"),
            module("names", "label"),
        ];
        Known {
            all: details.iter().map(|detail| detail.module.clone()).collect(),
            details: details
                .into_iter()
                .map(|detail| (detail.module.name.clone(), detail))
                .collect(),
        }
    }

    fn after(policy: Value, pairs: &[(&str, &str)]) -> Value {
        let sent = Sent(
            pairs
                .iter()
                .map(|(name, value)| ((*name).into(), (*value).into()))
                .collect(),
        );
        let mut problems = Vec::new();
        let policy = sent_policy(policy, &known(), &sent, &mut problems);
        assert_eq!(problems, []);
        policy
    }

    #[test]
    fn what_the_form_does_not_show_stays() {
        let policy = json!({ "label": { "module": "names", "tables": { "t": "t.csv" } }, "shadow": { "leak_check": "off" } });
        let pairs = [
            ("label.module", "names"),
            ("label.s", "sent"),
            ("label.s.days", "3"),
        ];
        let expected = json!({
            "label": { "module": "names", "tables": { "t": "t.csv" }, "settings": { "days": 3 } },
            "shadow": { "leak_check": "off" }
        });
        assert_eq!(after(policy, &pairs), expected);
    }

    #[test]
    fn another_module_starts_without_the_settings_of_the_one_before() {
        let policy = json!({ "label": { "module": "names", "settings": { "days": 3 } } });
        let pairs = [
            ("label.module", "other"),
            ("label.s", "sent"),
            ("label.s.days", "3"),
        ];
        assert_eq!(
            after(policy.clone(), &pairs),
            json!({ "label": { "module": "other" } })
        );
        assert_eq!(after(policy, &[("label.module", "")]), json!({}));
    }

    #[test]
    fn steps_are_added_moved_and_removed() {
        let added = after(json!({}), &[("do", "add"), ("new.module", "one")]);
        let added = after(
            added,
            &[("do", "add"), ("new.module", ""), ("new.script", "x.das")],
        );
        assert_eq!(
            added,
            json!({ "anonymize": [{ "module": "one" }, { "script": "x.das" }] })
        );
        let moved = after(added, &[("do", "up:1")]);
        assert_eq!(
            moved,
            json!({ "anonymize": [{ "script": "x.das" }, { "module": "one" }] })
        );
        for nonsense in ["up:0", "down:1", "remove:2", "up:x", "up"] {
            assert_eq!(
                after(moved.clone(), &[("do", nonsense)]),
                moved,
                "{nonsense}"
            );
        }
        assert_eq!(
            after(moved, &[("do", "remove:0")]),
            json!({ "anonymize": [{ "module": "one" }] })
        );
    }

    #[test]
    fn a_step_is_switched_off_and_put_off() {
        let policy = json!({ "anonymize": [{ "module": "one" }, { "script": "x.das" }] });
        let pairs = [
            ("a0.module", "one"),
            ("a0.at", "archive"),
            ("a1.module", ""),
            ("a1.at", "import"),
            ("a1.on", "true"),
        ];
        let expected = json!({ "anonymize": [{ "module": "one", "at": "archive", "enabled": false }, { "script": "x.das" }] });
        assert_eq!(after(policy, &pairs), expected);
    }

    #[test]
    fn a_place_in_the_policy_is_found_in_the_form() {
        assert_eq!(
            input_of("/anonymize/2/settings/days").as_deref(),
            Some("a2.s.days")
        );
        assert_eq!(
            input_of("/route/settings/list/0").as_deref(),
            Some("route.s.list")
        );
        assert_eq!(input_of("/label/module").as_deref(), Some("label"));
        assert_eq!(input_of("/leak_check"), None);
    }
}
