//! The leak check: after all rules, do identifying values of the original still stand anywhere in the
//! result? Any VR, nested, private or unknown bytes, and the file's name. Findings carry no value.

use crate::dicom::{Instance, Tag, tags};
use crate::rules::{Labels, Run};
use crate::store::Leak;
use aho_corasick::{AhoCorasick, MatchKind};
use serde::Serialize;
use std::collections::BTreeSet;

/// Where an identifying value still stands, and what kind of value it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    pub kind: &'static str,
    pub tag: String,
}

impl Finding {
    pub fn to_leak(&self) -> Leak {
        Leak {
            kind: self.kind.to_owned(),
            tag: self.tag.clone(),
        }
    }
}

/// Shorter values are found by chance.
const SHORTEST: usize = 4;

/// What identifies a patient, whose values are looked for (PS3.15 table E.1-1: the direct identifiers).
const SOURCES: [(Tag, &str); 14] = [
    (tags::PATIENT_NAME, "name"),
    (tags::PATIENT_ID, "patient-id"),
    (tags::OTHER_PATIENT_NAMES, "name"),
    (tags::PATIENT_BIRTH_NAME, "name"),
    (tags::PATIENT_MOTHER_BIRTH_NAME, "name"),
    (tags::PATIENT_BIRTH_DATE, "birth-date"),
    (tags::ACCESSION_NUMBER, "accession"),
    (tags::PATIENT_ADDRESS, "address"),
    (tags::PATIENT_TELEPHONE_NUMBERS, "telephone"),
    (Tag(0x0010, 0x1000), "patient-id"),
    (tags::MILITARY_RANK, "name"),
    (tags::PATIENT_COMMENTS, "free-text"),
    (tags::ADDITIONAL_PATIENT_HISTORY, "free-text"),
    (tags::REFERRING_PHYSICIAN_NAME, "name"),
];

/// Identifying values and what kind each is of.
pub type Needles = BTreeSet<(String, &'static str)>;

/// Identifying values, ready to be looked for.
pub struct Identifiers {
    kinds: Vec<&'static str>,
    matcher: Option<AhoCorasick>,
}

/// The identifying values of one instance, taken from the original before any rule has run.
pub fn needles(original: &Instance, run: &Run) -> Needles {
    let mut needles = Needles::new();
    let mut add = |text: &str, kind: &'static str| {
        let text = text.trim();
        // A date of the calendar's start, or a run of one character, tells nothing of anybody.
        let telling = text.chars().collect::<std::collections::HashSet<_>>().len() > 2;
        if text.len() >= SHORTEST && telling && !needles.iter().any(|(n, _)| n == text) {
            needles.insert((text.to_owned(), kind));
        }
    };
    for (tag, kind) in SOURCES {
        let Some(text) = original.text(tag) else {
            continue;
        };
        match kind {
            "name" => text
                .split(['^', '=', '\\', ' ', ','])
                .for_each(|part| add(part, kind)),
            _ => text.split('\\').for_each(|value| add(value, kind)),
        }
    }
    run.file
        .split('/')
        .rev()
        .skip(1)
        .for_each(|part| add(part, "path"));
    needles
}

/// Those of an instance of the prearchive, of which some rules have run: what they wrote there themselves
/// identifies nobody.
pub fn needles_after_import(stored: &Instance, run: &Run, labels: &Labels) -> Needles {
    let mut needles = needles(stored, run);
    needles.retain(|(text, _)| ![&labels.subject, &labels.session, &run.project].contains(&text));
    needles
}

impl Identifiers {
    pub fn new(needles: Needles) -> Self {
        let matcher = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::LeftmostLongest)
            .build(needles.iter().map(|(needle, _)| needle))
            .ok()
            .filter(|_| !needles.is_empty());
        Self {
            kinds: needles.into_iter().map(|(_, kind)| kind).collect(),
            matcher,
        }
    }

    /// Each element of the result in which one of them still stands, once.
    pub fn findings(&self, result: &Instance, file_name: &str) -> Vec<Finding> {
        let Some(matcher) = &self.matcher else {
            return Vec::new();
        };
        let mut findings = Vec::new();
        let mut look = |bytes: &[u8], tag: &dyn Fn() -> String| {
            if let Some(found) = matcher.find(bytes) {
                let finding = Finding {
                    kind: self.kinds[found.pattern().as_usize()],
                    tag: tag(),
                };
                if !findings.contains(&finding) {
                    findings.push(finding);
                }
            }
        };
        result.walk(&mut |location, element, scope| {
            let tag = || {
                location
                    .iter()
                    .map(|p| p.tag.to_string())
                    .collect::<Vec<_>>()
                    .join("/")
            };
            if let Some(bytes) = result.bytes(element) {
                look(bytes, &tag);
                // In another character set the bytes differ, the text does not.
                if !bytes.is_ascii()
                    && let Some(text) = scope.text(element)
                {
                    look(text.as_bytes(), &tag);
                }
            }
            true
        });
        look(file_name.as_bytes(), &|| "file name".to_owned());
        findings
    }
}
