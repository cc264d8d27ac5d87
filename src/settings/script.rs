//! The anonymization script of site or project: a step of the policy's chain that names a DicomEdit script
//! beside it. XNAT knows one for each; steps of other kinds stand beside it in the chain and are left alone.

use serde_json::{Value, json};

use super::{Held, Level, Policy, Read, SettingsError};
use crate::rules::dicomedit;

/// XNAT's own: what runs for a site that has said nothing else (here the module `xnat-default`).
pub const DEFAULT: &str = "\
// XNAT's default: project, subject and session in the place of what the scanner wrote.
version \"6.1\"
project != \"Unassigned\" ? (0008,1030) := project
(0010,0010) := subject
(0010,0020) := session
";

/// The built-in module that does what [`DEFAULT`] says.
const BUILT_IN: &str = "xnat-default";

const CHAIN: &str = "anonymize";
const ALLOWED: &str = "identified_prearchive";

pub fn held(level: &Level, policy: &Policy, read: &Read) -> Result<Option<Held>, SettingsError> {
    match find(level, policy)? {
        Found::Script(at) => {
            let step = &chain(policy)[at];
            let contents = read(step["script"].as_str().unwrap_or_default())?;
            Ok(contents.map(|contents| Held {
                contents,
                enabled: is_on(step),
            }))
        }
        Found::BuiltIn(at) => Ok(Some(Held {
            contents: DEFAULT.to_owned(),
            enabled: at.is_none_or(|at| is_on(&chain(policy)[at])),
        })),
        Found::None => Ok(None),
    }
}

/// Changes the policy; answers the script's file and text, if that is to be written.
pub fn change(
    level: &Level,
    policy: &mut Policy,
    site: &Policy,
    contents: Option<&str>,
    enabled: Option<bool>,
) -> Result<Option<(String, String)>, SettingsError> {
    if let Some(text) = contents {
        check(text)?;
    }
    let found = find(level, policy)?;
    if contents.is_none() && found == Found::None {
        return Err(SettingsError::NoPlace(
            "There is no script to switch: give one first.".to_owned(),
        ));
    }
    // Put off only where nobody has said that the prearchive must not identify.
    let refused = |policy: &Policy| policy.get(ALLOWED) == Some(&Value::Bool(false));
    let is_late = *level != Level::Site && !refused(policy) && !refused(site);
    let is_new = matches!(found, Found::None | Found::BuiltIn(_)) && contents.is_some();
    let steps = policy.entry(CHAIN).or_insert_with(|| json!([]));
    let steps = steps.as_array_mut().ok_or_else(|| {
        SettingsError::NoPlace("The policy's \"anonymize\" is no list: put it right first.".into())
    })?;
    let at = match found {
        Found::Script(at) | Found::BuiltIn(Some(at)) => at,
        Found::BuiltIn(None) => {
            steps.insert(0, json!({ "module": BUILT_IN }));
            0
        }
        Found::None => {
            // The site's script comes before all else; a project's as late as it runs.
            let at = if *level == Level::Site {
                0
            } else {
                steps.len()
            };
            steps.insert(at, json!({}));
            at
        }
    };
    let step = &mut steps[at];
    if is_new {
        let was_on = is_on(step);
        *step = json!({ "script": own_file(level) });
        if is_late {
            step["at"] = "archive".into();
        }
        switch(step, was_on);
    }
    if let Some(on) = enabled {
        switch(step, on);
    }
    let file = step["script"].as_str().map(str::to_owned);
    if is_new && is_late {
        policy.insert(ALLOWED.to_owned(), true.into());
    }
    Ok(contents.and_then(|text| Some((file?, text.to_owned()))))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    /// The step's place in the chain.
    Script(usize),
    /// The site's default; without a place where the policy has no chain.
    BuiltIn(Option<usize>),
    None,
}

fn find(level: &Level, policy: &Policy) -> Result<Found, SettingsError> {
    let steps = chain(policy);
    let scripts: Vec<usize> = (0..steps.len())
        .filter(|at| steps[*at]["script"].is_string())
        .collect();
    let own = scripts
        .iter()
        .find(|at| steps[**at]["script"] == own_file(level));
    match (own, scripts.as_slice()) {
        (Some(at), _) | (None, [at]) => return Ok(Found::Script(*at)),
        (None, []) => {}
        _ => {
            return Err(SettingsError::NoPlace(format!(
                "The policy has {} scripts, and XNAT's calls know one: change them in the policy, or call one {}.",
                scripts.len(),
                own_file(level)
            )));
        }
    }
    if *level != Level::Site {
        return Ok(Found::None);
    }
    let built_in = steps.iter().position(|step| step["module"] == BUILT_IN);
    Ok(match (built_in, policy.contains_key(CHAIN)) {
        (None, true) => Found::None,
        (at, _) => Found::BuiltIn(at),
    })
}

fn chain(policy: &Policy) -> &[Value] {
    let steps = policy.get(CHAIN).and_then(Value::as_array);
    steps.map_or(&[], Vec::as_slice)
}

fn own_file(level: &Level) -> &'static str {
    match level {
        Level::Site => "site.das",
        Level::Project(_) => "project.das",
    }
}

fn is_on(step: &Value) -> bool {
    step["enabled"] != false
}

fn switch(step: &mut Value, on: bool) {
    if let Some(step) = step.as_object_mut() {
        match on {
            true => _ = step.remove("enabled"),
            false => _ = step.insert("enabled".into(), false.into()),
        }
    }
}

/// With the place, the line that stands there, and what to do.
fn check(text: &str) -> Result<(), SettingsError> {
    if text.trim().is_empty() {
        return Err(SettingsError::Bad(
            "The body holds no script. To stop the one that is there, switch it off (/enabled?enable=false)."
                .to_owned(),
        ));
    }
    let Err(error) = dicomedit::check(text) else {
        return Ok(());
    };
    let line = text.lines().nth(error.position.line.saturating_sub(1));
    let shown: String = line.unwrap_or_default().trim().chars().take(200).collect();
    Err(SettingsError::Bad(format!(
        "The script is not taken: {error}\n  {shown}\nNothing is changed. `sluice rule check FILE.das` looks at a script before it is set."
    )))
}
