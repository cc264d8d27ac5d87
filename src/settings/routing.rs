//! Routing expressions: settings of the label step, where that is XNAT's. One a line:
//! `(gggg,eeee):<regex>[:<group>][ t:<target regex> r:<replacement>]`.

use std::sync::LazyLock;

use regex::{Regex, RegexBuilder};
use serde_json::{Map, Value, json};

use super::{Held, Policy, Routing, SettingsError};

const LABEL: &str = "label";
const MODULE: &str = "xnat-labels";
const OFF: &str = "off";

/// As the rule itself takes a line apart.
static LINE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^(\([0-9A-Fa-f]{4},[0-9A-Fa-f]{4}\)):(.+?)(?::([0-9]+))?(?: t:(.+) r:(.*))?$")
        .expect("a constant, used by the tests")
});

/// As large as a rule's may be.
const REGEX_BYTES: usize = 1 << 20;

impl Routing {
    /// Its name among the module's settings.
    fn key(self) -> &'static str {
        match self {
            Routing::Project => "project_rules",
            Routing::Subject => "subject_rules",
            Routing::Session => "session_rules",
            Routing::AutoArchive => "auto_archive_rules",
        }
    }
}

pub fn held(which: Routing, policy: &Policy) -> Option<Held> {
    let settings = policy.get(LABEL)?.get("settings")?;
    let lines = settings.get(which.key())?.as_array()?;
    let lines: Vec<&str> = lines.iter().filter_map(Value::as_str).collect();
    let off = settings[OFF].as_array().into_iter().flatten();
    Some(Held {
        contents: lines.join("\n"),
        enabled: off.filter(|key| **key == which.key()).count() == 0,
    })
}

pub fn change(
    which: Routing,
    policy: &mut Policy,
    site: &Policy,
    contents: Option<&str>,
    enabled: Option<bool>,
) -> Result<(), SettingsError> {
    let lines = contents.map(checked).transpose()?;
    if lines.is_none() && held(which, policy).is_none() {
        return Err(SettingsError::NoPlace(
            "There are no routing expressions to switch: give some first.".to_owned(),
        ));
    }
    let settings = settings(policy, site)?;
    if let Some(lines) = lines {
        settings.insert(which.key().to_owned(), lines.into());
    }
    if let Some(on) = enabled {
        let off = settings.remove(OFF);
        let mut off: Vec<Value> = off
            .and_then(|off| off.as_array().cloned())
            .unwrap_or_default();
        off.retain(|key| key != which.key());
        if !on {
            off.push(which.key().into());
        }
        if !off.is_empty() {
            settings.insert(OFF.to_owned(), off.into());
        }
    }
    Ok(())
}

/// The label step's settings. A project's step stands in the place of the site's as a whole, so it begins as a
/// copy of that.
fn settings<'a>(
    policy: &'a mut Policy,
    site: &Policy,
) -> Result<&'a mut Map<String, Value>, SettingsError> {
    let of_site = site.get(LABEL).filter(|step| step["module"] == MODULE);
    let step = policy.entry(LABEL).or_insert_with(|| match of_site {
        Some(step) => {
            let mut step = step.clone();
            // Tables stand beside the policy that names them, and this module has none.
            step.as_object_mut().map(|step| step.remove("tables"));
            if let Some(settings) = step.get_mut("settings").and_then(Value::as_object_mut) {
                settings.remove(Routing::Project.key());
            }
            step
        }
        None => json!({ "module": MODULE }),
    });
    if step["module"] != MODULE {
        return Err(SettingsError::NoPlace(format!(
            "The policy's label rule is not {MODULE}, and routing expressions are its settings: change the policy."
        )));
    }
    let settings = step
        .as_object_mut()
        .map(|step| step.entry("settings").or_insert_with(|| json!({})));
    settings.and_then(Value::as_object_mut).ok_or_else(|| {
        SettingsError::NoPlace("The policy's label step is no object: put it right first.".into())
    })
}

fn checked(text: &str) -> Result<Vec<String>, SettingsError> {
    let mut lines = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim_end();
        if line.is_empty() {
            continue;
        }
        if let Err(why) = check(line) {
            return Err(SettingsError::Bad(format!(
                "The routing expressions are not taken: line {number}: {why}\n  {line}\n\
                 Expected (gggg,eeee):<regex>[:<group>][ t:<target regex> r:<replacement>]. Nothing is changed."
            )));
        }
        lines.push(line.to_owned());
    }
    Ok(lines)
}

fn check(line: &str) -> Result<(), String> {
    let parts = LINE
        .captures(line)
        .ok_or_else(|| "is no routing expression".to_owned())?;
    let group = parts.get(3).map_or("1", |group| group.as_str());
    let groups = compiled(&parts[2])?.captures_len();
    match group.parse::<usize>() {
        Ok(group) if group < groups => {}
        _ => return Err(format!("the regex has no group {group}")),
    }
    match parts.get(4) {
        Some(target) => compiled(target.as_str()).map(drop),
        None => Ok(()),
    }
}

fn compiled(regex: &str) -> Result<Regex, String> {
    let built = RegexBuilder::new(regex).size_limit(REGEX_BYTES).build();
    built.map_err(|error| {
        let message = error.to_string();
        let last = message.lines().last().unwrap_or_default().trim();
        format!(
            "bad regex: {}",
            last.strip_prefix("error: ").unwrap_or(last)
        )
    })
}
