//! `policy.json`: which modules run, in which order and with which settings, for the site or for one
//! project. Here it is read and checked as far as that goes without the modules; [`super::closure`]
//! puts site and project together.

use super::document::{self, DocumentError, Schema};
use super::filter::Filter;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::LazyLock;

static SCHEMA: LazyLock<Schema> =
    LazyLock::new(|| Schema::embedded(include_str!("../../schemas/policy.schema.json")));

/// What is left out falls back: project, site, built-in.
#[derive(Debug, Default)]
pub struct Policy {
    /// Where it was read from, for error messages.
    pub file: String,
    pub label: Option<StepPolicy>,
    pub anonymize: Option<Vec<StepPolicy>>,
    pub route: Option<StepPolicy>,
    pub series_filter: Option<Filter>,
    pub leak_check: Option<LeakCheck>,
    pub file_names: Option<FileNames>,
    pub overwrite: Option<Overwrite>,
    /// The policy with its candidate's keys in place of its own, as JSON.
    pub shadow: Option<Vec<u8>>,
}

/// One module in its place.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct StepPolicy {
    /// A bare name; empty where a script stands in its place.
    #[serde(default)]
    pub module: String,
    /// Of an anonymize step: a DicomEdit script beside the policy, instead of a module.
    #[serde(default)]
    pub script: Option<String>,
    /// Checked against the module's own schema when the rule set is made.
    #[serde(default)]
    pub settings: Map<String, Value>,
    /// Of an anonymize step alone.
    #[serde(default)]
    pub at: At,
    /// Of an anonymize step alone: one that is off does not run, and is checked all the same.
    #[serde(default = "on")]
    pub enabled: bool,
    /// Files beside the policy, by the names that the rule looks them up by.
    #[serde(default)]
    pub tables: BTreeMap<String, String>,
}

fn on() -> bool {
    true
}

/// Who asks for a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    BuiltIn,
    Site,
    Project,
}

impl Scope {
    /// For messages.
    pub(super) fn owner(self) -> &'static str {
        match self {
            Self::BuiltIn => "built-in",
            Self::Site => "site's",
            Self::Project => "project's",
        }
    }
}

/// When an anonymize step runs.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum At {
    /// Before anything is stored.
    #[default]
    Import,
    /// On the way to the archive, as XNAT runs a project's script: the prearchive holds what it would remove.
    Archive,
}

/// What an import may do to what is stored of the session already. Later allows more.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Default,
    Deserialize,
    Serialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Overwrite {
    /// Nothing: what is there stands in the way.
    None,
    /// New instances join; a stored one is never replaced.
    Append,
    /// And stored instances of other content are replaced, and kept in the history.
    #[default]
    Delete,
}

impl Overwrite {
    /// As callers write it: XNAT says `override` too.
    pub fn from_text(text: &str) -> Option<Self> {
        match text {
            "none" => Some(Self::None),
            "append" => Some(Self::Append),
            "delete" | "override" => Some(Self::Delete),
            _ => None,
        }
    }
}

/// What to do where an identifying value still stands after all rules. Later is stricter.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Default,
    Deserialize,
    Serialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum LeakCheck {
    #[default]
    Off,
    Report,
    Quarantine,
}

#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum FileNames {
    /// XNAT's template, filled from the anonymized dataset.
    #[default]
    Template,
    /// The source's name, which may itself identify someone.
    Source,
}

#[derive(Deserialize)]
struct RawPolicy {
    label: Option<StepPolicy>,
    anonymize: Option<Vec<StepPolicy>>,
    route: Option<StepPolicy>,
    series_filters: Option<Value>,
    leak_check: Option<LeakCheck>,
    file_names: Option<FileNames>,
    overwrite: Option<Overwrite>,
    #[serde(default)]
    identified_prearchive: bool,
}

impl Policy {
    /// `file` is only named in errors.
    pub fn parse(file: &str, text: &[u8]) -> Result<Self, DocumentError> {
        let value = document::parse(file, text)?;
        refuse_modality_map(file, &value)?;
        SCHEMA.check(file, "", &value)?;
        let shadow = shadow_of(&value);
        let raw: RawPolicy = serde_json::from_value(value)
            .map_err(|error| DocumentError::content(file, "", error.to_string()))?;
        check_timing(file, &raw)?;
        let series_filter = match &raw.series_filters {
            Some(value) => Some(Filter::from_json(file, "/series_filters", value)?),
            None => None,
        };
        Ok(Self {
            file: file.to_owned(),
            label: raw.label,
            anonymize: raw.anonymize,
            route: raw.route,
            series_filter,
            leak_check: raw.leak_check,
            file_names: raw.file_names,
            overwrite: raw.overwrite,
            shadow,
        })
    }

    /// All that is wrong with a policy, where [`Policy::parse`] says the first.
    pub fn problems(file: &str, text: &[u8]) -> Vec<DocumentError> {
        let problems = match document::parse(file, text) {
            Ok(value) => SCHEMA.problems(file, &value),
            Err(error) => return vec![error],
        };
        match problems.len() {
            0 | 1 => Self::parse(file, text).err().into_iter().collect(),
            _ => problems,
        }
    }

    /// Each module that this policy names, with the JSON pointer of where.
    pub fn steps(&self) -> impl Iterator<Item = (String, &StepPolicy)> {
        let label = self.label.iter().map(|step| ("/label".to_owned(), step));
        let route = self.route.iter().map(|step| ("/route".to_owned(), step));
        let chain = self.anonymize.iter().flatten().enumerate();
        label
            .chain(chain.map(|(index, step)| (format!("/anonymize/{index}"), step)))
            .chain(route)
    }
}

fn shadow_of(value: &Value) -> Option<Vec<u8>> {
    let mut policy = value.as_object()?.clone();
    let shadow = policy.remove("shadow")?;
    policy.extend(shadow.as_object()?.clone());
    Some(Value::Object(policy).to_string().into_bytes())
}

/// A step at archiving leaves the prearchive identified: whoever writes the policy must have said so.
fn check_timing(file: &str, raw: &RawPolicy) -> Result<(), DocumentError> {
    let late = raw
        .anonymize
        .iter()
        .flatten()
        .position(|step| step.at == At::Archive);
    match late {
        Some(index) if !raw.identified_prearchive => Err(DocumentError::content(
            file,
            &format!("/anonymize/{index}/at"),
            "\"archive\" leaves what this step removes in the prearchive: add \
             \"identified_prearchive\": true to this policy, or run the step at \"import\"",
        )),
        _ => Ok(()),
    }
}

/// XNAT's third mode maps series to modalities with a script of its own; saying so beats
/// "is not one of" for someone who brings a filter along.
fn refuse_modality_map(file: &str, value: &Value) -> Result<(), DocumentError> {
    if value.pointer("/series_filters/mode") == Some(&Value::from("modalityMap")) {
        let message = "XNAT's \"modalityMap\" is not supported: use \"blacklist\" or \"whitelist\"";
        return Err(DocumentError::content(
            file,
            "/series_filters/mode",
            message,
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Policy, String> {
        Policy::parse("rules/projects/DEMO/policy.json", text.as_bytes()).map_err(|e| e.to_string())
    }

    #[test]
    fn every_key_is_optional() {
        let policy = parse("{}").unwrap();
        assert!(
            policy.label.is_none() && policy.anonymize.is_none() && policy.leak_check.is_none()
        );
    }

    #[test]
    fn an_empty_chain_differs_from_none() {
        assert_eq!(
            parse(r#"{ "anonymize": [] }"#).unwrap().anonymize,
            Some(vec![])
        );
    }

    #[test]
    fn steps_come_with_their_place() {
        let text = r#"{ "route": { "module": "r" }, "anonymize": [{ "module": "a" }, { "module": "b" }] }"#;
        let policy = parse(text).unwrap();
        let places: Vec<_> = policy
            .steps()
            .map(|(at, step)| (at, step.module.clone()))
            .collect();
        let expected = [
            ("/anonymize/0", "a"),
            ("/anonymize/1", "b"),
            ("/route", "r"),
        ];
        assert_eq!(
            places,
            expected.map(|(at, name)| (at.to_owned(), name.to_owned()))
        );
    }

    #[test]
    fn errors_name_file_place_and_expectation() {
        for (text, expected) in [
            (
                r#"{ "leak_check": "warn" }"#,
                r#"/leak_check: "warn" is not one of "off", "report" or "quarantine""#,
            ),
            (
                r#"{ "anonymise": [] }"#,
                r#"/anonymise: unknown key (did you mean "anonymize"?)"#,
            ),
            (
                r#"{ "anonymize": [{ "modul": "x" }] }"#,
                r#"/anonymize/0/modul: unknown key (did you mean "module"?)"#,
            ),
            (
                r#"{ "anonymize": [{}] }"#,
                r#"/anonymize/0: "module" is missing"#,
            ),
            (
                r#"{ "label": { "module": "../../etc" } }"#,
                r#"/label/module: "../../etc" does not match ^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"#,
            ),
            (
                r#"{ "label": "xnat-labels" }"#,
                r#"/label: expected object, found "xnat-labels""#,
            ),
            (r#"[]"#, "/: expected object, found a list"),
            (
                r#"{ "series_filters": { "mode": "modalityMap", "list": [] } }"#,
                r#"/series_filters/mode: XNAT's "modalityMap" is not supported: use "blacklist" or "whitelist""#,
            ),
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!(
                error,
                format!("rules/projects/DEMO/policy.json: {expected}")
            );
        }
    }

    #[test]
    fn a_syntax_error_has_line_and_column() {
        let error = parse("{\n  \"label\": {,\n}").unwrap_err();
        assert!(
            error.starts_with("rules/projects/DEMO/policy.json: line 2, column 13: "),
            "{error}"
        );
    }

    #[test]
    fn a_step_at_archiving_needs_the_policys_word_for_an_identified_prearchive() {
        let late = r#"{ "anonymize": [{ "module": "a" }, { "module": "b", "at": "archive" }] }"#;
        let error = parse(late).unwrap_err();
        assert!(
            error.starts_with(
                "rules/projects/DEMO/policy.json: /anonymize/1/at: \"archive\" leaves"
            ) && error.contains("\"identified_prearchive\": true"),
            "{error}"
        );
        let said = late.replacen('{', r#"{ "identified_prearchive": true, "#, 1);
        let chain = parse(&said).unwrap().anonymize.unwrap();
        assert_eq!((chain[0].at, chain[1].at), (At::Import, At::Archive));
        let not = late.replacen('{', r#"{ "identified_prearchive": false, "#, 1);
        assert!(parse(&not).is_err());
        let elsewhere =
            r#"{ "identified_prearchive": true, "route": { "module": "r", "at": "archive" } }"#;
        assert!(
            parse(elsewhere)
                .unwrap_err()
                .contains("/route/at: unknown key")
        );
    }

    #[test]
    fn overwriting_is_ordered_by_what_it_allows() {
        assert!(Overwrite::None < Overwrite::Append && Overwrite::Append < Overwrite::Delete);
        let policy = parse(r#"{ "overwrite": "append" }"#).unwrap();
        assert_eq!(policy.overwrite, Some(Overwrite::Append));
        assert!(parse(r#"{ "overwrite": "sometimes" }"#).is_err());
    }

    #[test]
    fn quarantine_is_the_strictest() {
        assert!(LeakCheck::Off < LeakCheck::Report && LeakCheck::Report < LeakCheck::Quarantine);
    }
}
