//! `module.json`: what a module says about itself, and what the host then holds it to.
//! Which module runs where is the policy's business.

use super::document::{self, DocumentError, Schema};
use super::host::Access;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::Duration;

static SCHEMA: LazyLock<Schema> =
    LazyLock::new(|| Schema::embedded(include_str!("../../schemas/rule-manifest.schema.json")));

#[derive(Debug, Clone, Deserialize, Serialize)]
pub struct Manifest {
    pub name: String,
    pub version: String,
    pub kind: Kind,
    pub engine: EngineKind,
    /// The code's file name, in the module's folder.
    pub entry: String,
    #[serde(default)]
    pub reads: Vec<String>,
    #[serde(default)]
    pub writes: Vec<String>,
    #[serde(default)]
    pub limits: Limits,
    /// CSV files in the module's folder, by the names that the rule looks them up by.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tables: BTreeMap<String, String>,
    pub author: Option<String>,
    pub licence: Option<String>,
    pub description: Option<String>,
}

/// What a module decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Label,
    Anonymize,
    Route,
}

impl Kind {
    /// The name of the function that a module of this kind has.
    pub fn function(self) -> &'static str {
        match self {
            Self::Label => "label",
            Self::Anonymize => "anonymize",
            Self::Route => "route",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum EngineKind {
    /// A DicomEdit 6 script.
    DicomEdit,
    Rhai,
    Wasm,
}

/// What one run may use. The schema caps each of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct Limits {
    pub operations: u64,
    pub memory_mb: u32,
    pub deadline_ms: u32,
}

impl Default for Limits {
    /// A run takes well under a millisecond as a rule; these leave room for large headers on a busy
    /// machine and still stop a loop before anyone waits for it.
    fn default() -> Self {
        Self {
            operations: 1_000_000,
            memory_mb: 64,
            deadline_ms: 1000,
        }
    }
}

impl Limits {
    pub fn memory_bytes(&self) -> usize {
        // The schema's cap keeps this far below usize::MAX.
        (self.memory_mb as usize) << 20
    }

    pub fn deadline(&self) -> Duration {
        Duration::from_millis(self.deadline_ms.into())
    }
}

impl Manifest {
    /// `file` is only named in errors.
    pub fn parse(file: &str, text: &[u8]) -> Result<Self, DocumentError> {
        let value = document::parse(file, text)?;
        SCHEMA.check(file, "", &value)?;
        let manifest: Self = serde_json::from_value(value)
            .map_err(|error| DocumentError::content(file, "", error.to_string()))?;
        if manifest.kind != Kind::Anonymize && !manifest.writes.is_empty() {
            let message = format!("a {} rule may not write", manifest.kind.function());
            return Err(DocumentError::content(file, "/writes", message));
        }
        if manifest.kind == Kind::Route && !manifest.reads.is_empty() {
            let message = "a route rule sees the session's summary, and no dataset to read";
            return Err(DocumentError::content(file, "/reads", message));
        }
        Ok(manifest)
    }

    /// Of code that comes without one: an anonymize rule that may read and write everything.
    pub fn permissive(entry: &str, engine: EngineKind) -> Self {
        let everything = || vec!["*".to_owned()];
        Self {
            name: entry.to_owned(),
            version: "0.0.0".to_owned(),
            kind: Kind::Anonymize,
            engine,
            entry: entry.to_owned(),
            reads: everything(),
            writes: everything(),
            limits: Limits::default(),
            tables: BTreeMap::new(),
            author: None,
            licence: None,
            description: None,
        }
    }

    /// All that is wrong with a manifest, where [`Manifest::parse`] says the first.
    pub fn problems(file: &str, text: &[u8]) -> Vec<DocumentError> {
        let problems = match document::parse(file, text) {
            Ok(value) => SCHEMA.problems(file, &value),
            Err(error) => return vec![error],
        };
        match problems.is_empty() {
            true => Self::parse(file, text).err().into_iter().collect(),
            false => problems,
        }
    }

    /// The declared reads and writes, compiled. `file` is only named in errors.
    pub fn access(&self, file: &str) -> Result<Access, DocumentError> {
        let writable = self.kind == Kind::Anonymize;
        // The message names the pattern's place itself.
        Access::new(&self.reads, &self.writes, writable)
            .map_err(|message| DocumentError::content(file, "", message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn parse(changed: Value) -> Result<Manifest, String> {
        let mut manifest = json!({
            "name": "initials", "version": "1.0.0", "interface": "1",
            "kind": "anonymize", "engine": "rhai", "entry": "rule.rhai",
            "reads": ["StudyInstanceUID"], "writes": ["PatientName", "*/(0010,1040)"]
        });
        for (key, value) in changed.as_object().unwrap() {
            manifest[key] = value.clone();
        }
        Manifest::parse("m/module.json", manifest.to_string().as_bytes()).map_err(|e| e.to_string())
    }

    #[test]
    fn limits_left_out_get_defaults() {
        let manifest = parse(json!({ "limits": { "deadline_ms": 200 } })).unwrap();
        assert_eq!(
            manifest.limits,
            Limits {
                deadline_ms: 200,
                ..Limits::default()
            }
        );
    }

    #[test]
    fn errors_name_the_place_and_what_was_expected() {
        for (changed, expected) in [
            (
                json!({ "kind": "anonymise" }),
                r#"/kind: "anonymise" is not one of "label", "anonymize" or "route""#,
            ),
            (
                json!({ "interface": "2" }),
                r#"/interface: expected "1", found "2""#,
            ),
            (
                json!({ "limits": { "deadline_ms": 60001 } }),
                "/limits/deadline_ms: 60001 is more than 60000",
            ),
            (
                json!({ "limits": { "memory": 3 } }),
                r#"/limits/memory: unknown key (did you mean "memory_mb"?)"#,
            ),
            (
                json!({ "reads": "*" }),
                r#"/reads: expected array, found "*""#,
            ),
            (
                json!({ "license": "MIT" }),
                r#"/license: unknown key (did you mean "licence"?)"#,
            ),
            (
                json!({ "kind": "label" }),
                "/writes: a label rule may not write",
            ),
        ] {
            assert_eq!(
                parse(changed).unwrap_err(),
                format!("m/module.json: {expected}")
            );
        }
    }

    #[test]
    fn names_are_bare() {
        for name in ["../x", "a/b", "", ".x", "a\\b", "a b"] {
            assert!(
                parse(json!({ "name": name }))
                    .unwrap_err()
                    .contains("/name: ")
            );
            assert!(
                parse(json!({ "entry": name }))
                    .unwrap_err()
                    .contains("/entry: ")
            );
        }
    }
}
