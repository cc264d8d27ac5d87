//! The series import filter, `series_filters` in a policy. XNAT writes its lines as one text and its switch as
//! `"true"`; both forms are taken, and XNAT's is given.

use serde_json::{Value, json};

use super::{Held, Policy, SettingsError};

const KEY: &str = "series_filters";

pub fn held(policy: &Policy) -> Result<Option<Held>, SettingsError> {
    let Some(filter) = policy.get(KEY) else {
        return Ok(None);
    };
    let enabled = is_on(filter);
    let lines: Vec<&str> = filter["list"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let contents = json!({
        "mode": filter["mode"],
        "list": lines.join("\n"),
        "enabled": enabled.to_string(),
    });
    Ok(Some(Held {
        contents: contents.to_string(),
        enabled,
    }))
}

pub fn change(
    policy: &mut Policy,
    contents: Option<&str>,
    enabled: Option<bool>,
) -> Result<(), SettingsError> {
    if let Some(text) = contents {
        policy.insert(KEY.to_owned(), taken(text)?);
    }
    let Some(on) = enabled else { return Ok(()) };
    match policy.get_mut(KEY).and_then(Value::as_object_mut) {
        Some(filter) => _ = filter.insert("enabled".into(), on.into()),
        None => {
            return Err(SettingsError::NoPlace(
                "There is no series import filter to switch: give one first.".to_owned(),
            ));
        }
    }
    Ok(())
}

/// In the policy's form. Whether its lines can be used the policy's own check says.
fn taken(text: &str) -> Result<Value, SettingsError> {
    let bad =
        |why: String| SettingsError::Bad(format!("The series import filter is not taken: {why}"));
    let given: Value = serde_json::from_str(text).map_err(|error| {
        bad(format!(
            "{error}; expected JSON such as {{\"mode\": \"blacklist\", \"list\": \"scout\\nlocalizer\", \"enabled\": \"true\"}}"
        ))
    })?;
    let mode = match given["mode"].as_str() {
        Some(mode @ ("blacklist" | "whitelist")) => mode,
        Some("modalityMap") => {
            return Err(bad(
                "a \"modalityMap\" is made of JavaScript over header values, which does not run here; write a \
                 \"whitelist\" or a \"blacklist\", such as [Modality] and ^(PT|CT)$, or an anonymize rule that rejects"
                    .to_owned(),
            ));
        }
        _ => return Err(bad("\"mode\" must be \"blacklist\" or \"whitelist\"".into())),
    };
    let list: Vec<String> = match &given["list"] {
        Value::String(text) => text.lines().map(str::to_owned).collect(),
        Value::Array(lines) if lines.iter().all(Value::is_string) => {
            let lines = lines.iter().filter_map(Value::as_str);
            lines.map(str::to_owned).collect()
        }
        _ => {
            return Err(bad(
                "\"list\" must be a text of lines, or a list of them".into()
            ));
        }
    };
    if !matches!(&given["enabled"], Value::Null | Value::Bool(_))
        && !matches!(given["enabled"].as_str(), Some("true" | "false"))
    {
        return Err(bad("\"enabled\" must be \"true\" or \"false\"".into()));
    }
    Ok(json!({ "mode": mode, "list": list, "enabled": is_on(&given) }))
}

fn is_on(filter: &Value) -> bool {
    filter["enabled"] != false && filter["enabled"] != "false"
}
