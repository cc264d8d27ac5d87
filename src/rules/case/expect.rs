//! What a case expects, and where a run differs from it.

use super::input::read;
use super::{Answer, Done};
use crate::dicom::{Instance, Tag};
use crate::rules::answer::{Labels, RuleFailure, Verdict};
use crate::rules::error::RuleSetError;
use crate::rules::host::{Access, Context, Host, shown};
use crate::rules::manifest::Kind;
use crate::rules::pseudonym::Pseudonyms;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

const FILE_BYTES: u64 = 64 << 20;
/// Of two files that differ, so many elements are told.
const MOST_DIFFERENCES: usize = 20;

#[derive(Debug, Deserialize)]
pub struct Expect {
    verdict: Option<String>,
    decision: Option<String>,
    reason: Option<String>,
    labels: Option<Map<String, Value>>,
    elements: Option<BTreeMap<String, Option<String>>>,
    file: Option<String>,
    error: Option<String>,
    message: Option<String>,
}

/// Something that is not as expected. The texts are for a reader, and hold values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    pub what: String,
    pub expected: String,
    pub found: String,
}

impl std::fmt::Display for Mismatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            what,
            expected,
            found,
        } = self;
        write!(f, "{what}\n  expected {expected}\n  found    {found}")
    }
}

impl Expect {
    pub fn file(&self) -> Option<&str> {
        self.file.as_deref()
    }

    /// What a module of the kind never answers, with its JSON pointer.
    pub fn misfit(&self, kind: Kind) -> Option<(&'static str, String)> {
        let is_error = self.error.is_some() || self.message.is_some();
        let parts = [
            (
                "/expect/verdict",
                self.verdict.is_some(),
                Some(Kind::Anonymize),
            ),
            (
                "/expect/decision",
                self.decision.is_some(),
                Some(Kind::Route),
            ),
            ("/expect/labels", self.labels.is_some(), Some(Kind::Label)),
            (
                "/expect/elements",
                self.elements.is_some(),
                Some(Kind::Anonymize),
            ),
            ("/expect/file", self.file.is_some(), Some(Kind::Anonymize)),
        ];
        for (pointer, is_there, of) in parts.into_iter().filter(|(_, is_there, _)| *is_there) {
            debug_assert!(is_there);
            if of != Some(kind) {
                return Some((
                    pointer,
                    format!("is nothing that a {} rule answers", kind.function()),
                ));
            }
            if is_error {
                return Some((
                    pointer,
                    "a rule that fails has no answer: it is stored nowhere".into(),
                ));
            }
        }
        let needs = match kind {
            Kind::Label => self.labels.is_none().then_some("labels"),
            Kind::Route => self.decision.is_none().then_some("decision"),
            Kind::Anonymize => None,
        };
        needs
            .filter(|_| !is_error)
            .map(|key| ("/expect", format!("{key:?} or \"error\" is missing")))
    }

    pub fn compare(&self, folder: &Path, done: Done) -> Result<Vec<Mismatch>, RuleSetError> {
        let mut found = Vec::new();
        let answer = match done.answer {
            Err(failure) => {
                self.compare_failure(&failure, &mut found);
                return Ok(found);
            }
            Ok(answer) => answer,
        };
        if self.error.is_some() || self.message.is_some() {
            let code = self.error.clone().unwrap_or_else(|| "an error".into());
            found.push(mismatch("answer", code, answered(&answer).0));
            return Ok(found);
        }
        match &answer {
            Answer::Labels(labels) => self.compare_labels(labels, &mut found),
            Answer::Verdict(_) | Answer::Decision(_) => {
                let (name, reason) = answered(&answer);
                let expected = match &answer {
                    Answer::Verdict(_) => self.verdict.as_deref().unwrap_or("keep"),
                    _ => self.decision.as_deref().unwrap_or_default(),
                };
                if name != expected {
                    let why = reason
                        .as_deref()
                        .map(|why| format!(": {why}"))
                        .unwrap_or_default();
                    found.push(mismatch("answer", expected, format!("{name}{why}")));
                } else if let Some(expected) = &self.reason
                    && reason.as_ref() != Some(expected)
                {
                    found.push(mismatch("reason", expected, reason.unwrap_or_default()));
                }
            }
        }
        let Some(instance) = done.instance else {
            return Ok(found);
        };
        if let Some(name) = &self.file {
            compare_file(&folder.join(name), &instance, &mut found)?;
        }
        if let Some(elements) = &self.elements {
            compare_elements(elements, instance, &mut found);
        }
        Ok(found)
    }

    fn compare_failure(&self, failure: &RuleFailure, found: &mut Vec<Mismatch>) {
        let told = format!("{}: {failure}", failure.code());
        match &self.error {
            Some(code) if code != failure.code() => found.push(mismatch("error", code, told)),
            None if self.message.is_none() => found.push(mismatch("answer", "an answer", told)),
            _ => {
                if let Some(part) = self.message.as_ref().filter(|part| !told.contains(*part)) {
                    found.push(mismatch("message", format!("…{part}…"), told));
                }
            }
        }
    }

    fn compare_labels(&self, labels: &Labels, found: &mut Vec<Mismatch>) {
        let given = serde_json::to_value(labels).unwrap_or_default();
        for (name, expected) in self.labels.iter().flatten() {
            let value = given.get(name).unwrap_or(&Value::Null);
            if value != expected {
                found.push(mismatch(name, expected.to_string(), value.to_string()));
            }
        }
    }
}

fn mismatch(what: &str, expected: impl Into<String>, found: impl Into<String>) -> Mismatch {
    Mismatch {
        what: what.to_owned(),
        expected: expected.into(),
        found: found.into(),
    }
}

/// An answer's name as cases write it, and its reason.
pub fn answered(answer: &Answer) -> (&'static str, Option<String>) {
    match answer {
        Answer::Labels(labels) => (
            "labels",
            Some(format!("{}/{}", labels.subject, labels.session)),
        ),
        Answer::Verdict(verdict) => match verdict {
            Verdict::Keep => ("keep", None),
            Verdict::Reject(why) => ("reject", Some(why.clone())),
            Verdict::Quarantine(why) => ("quarantine", Some(why.clone())),
        },
        Answer::Decision(decision) => (decision.name(), Some(decision.reason())),
    }
}

fn compare_elements(
    elements: &BTreeMap<String, Option<String>>,
    instance: Instance,
    found: &mut Vec<Mismatch>,
) {
    let mut reader = Host::new(
        instance,
        Arc::new(Access::read_everything()),
        Arc::new(Context::default()),
        Arc::new(Pseudonyms::new(&[])),
    );
    let text = |value: &Option<String>| match value {
        Some(value) => format!("{value:?}"),
        None => "absent".to_owned(),
    };
    for (path, expected) in elements {
        let value = match reader.exists(path) {
            true => Some(reader.get(path).unwrap_or_else(|| "(no text)".to_owned())),
            false => None,
        };
        if let Some((refusal, _)) = reader.refusal() {
            return found.push(mismatch(path, text(expected), refusal.to_string()));
        }
        if value != *expected {
            found.push(mismatch(path, text(expected), text(&value)));
        }
    }
}

/// Byte by byte; where they differ, element by element for the reader.
fn compare_file(
    path: &Path,
    instance: &Instance,
    found: &mut Vec<Mismatch>,
) -> Result<(), RuleSetError> {
    let unreadable = |e: &dyn std::fmt::Display| super::input::unreadable(path, e);
    let expected = read(path, FILE_BYTES)?;
    let bytes = instance.to_bytes().map_err(|e| unreadable(&e))?;
    if expected == bytes {
        return Ok(());
    }
    let before = found.len();
    let one = elements(&Instance::from_bytes(expected).map_err(|e| unreadable(&e))?);
    let other = elements(&Instance::from_bytes(bytes).map_err(|e| unreadable(&e))?);
    let paths: std::collections::BTreeSet<_> = one.keys().chain(other.keys()).collect();
    for key in paths {
        let text = |value: Option<&String>| value.cloned().unwrap_or_else(|| "absent".to_owned());
        let (a, b) = (one.get(key), other.get(key));
        if a != b {
            found.push(mismatch(&key.1, text(a), text(b)));
        }
    }
    let rest = (found.len() - before).saturating_sub(MOST_DIFFERENCES);
    if rest > 0 {
        found.truncate(before + MOST_DIFFERENCES);
        found.push(mismatch(
            "and more",
            "",
            format!("{rest} other elements differ"),
        ));
    }
    if found.len() == before {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        found.push(mismatch(
            &name,
            "the same bytes",
            "the same values, encoded otherwise (or other bytes outside the header)",
        ));
    }
    Ok(())
}

/// Where an element stands, in dataset order, and its path.
type Key = (Vec<(Tag, Option<u32>)>, Cow<'static, str>);

/// By their places, with VR and value as a reader sees them.
fn elements(instance: &Instance) -> BTreeMap<Key, String> {
    let mut elements = BTreeMap::new();
    instance.walk(&mut |location, element, scope| {
        let place = location.iter().map(|p| (p.tag, p.item)).collect();
        let path = crate::dicom::path::location_text(location);
        let bytes = instance
            .bytes(element)
            .filter(|_| scope.text(element).is_none());
        let value = match bytes {
            Some(bytes) if bytes.len() <= 32 => hex::encode(bytes),
            _ => shown(element, scope),
        };
        elements.insert(
            (place, path),
            format!("{} {value:?}", element.vr.to_string()),
        );
        true
    });
    elements
}
