//! The leak check: after all rules, do identifying values of the original still stand anywhere in the
//! result? Any VR, nested, private or unknown bytes, the file meta information and the preamble as they will be
//! written, and the file's name. Findings carry no value.
//!
//! What is looked for is in `leak/needles.rs`, in which forms in `leak/forms.rs`. How much of it is found is
//! measured by `leak/measure.rs`, whose figures are in `rules/leak-check.md`.

mod forms;
#[cfg(test)]
mod measure;
mod needles;

use crate::dicom::edit::Scope;
use crate::dicom::path::Location;
use crate::dicom::{Element, Instance, Source, Span, VR, Value, tags, value};
use crate::store::Leak;
use aho_corasick::AhoCorasick;
use forms::Form;
pub use needles::{Needles, needles, needles_after_import, not_as_labels};
use serde::Serialize;
use std::sync::{Arc, Mutex, PoisonError};

/// Why a session is held for review where its findings are to be looked at.
pub const STILL_STANDS: &str = "identifying values still stand in the result";

/// Where an identifying value still stands, and what kind of value it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, schemars::JsonSchema)]
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

/// Values that are left in the file are read in pieces of this size.
const PIECE: u64 = 1024 * 1024;

/// The files of a session name the same patient; more than a few are not imported at a time.
const MOST_KEPT: usize = 16;

/// Those looked for last.
static KEPT: Mutex<Vec<(Needles, Arc<Identifiers>)>> = Mutex::new(Vec::new());

/// Identifying values, ready to be looked for.
pub struct Identifiers {
    forms: Vec<Form>,
    matcher: Option<AhoCorasick>,
    longest: usize,
}

impl Identifiers {
    /// Makes them ready, or answers those that the same needles gave before.
    pub fn of(needles: Needles) -> Arc<Self> {
        let lock = || KEPT.lock().unwrap_or_else(PoisonError::into_inner);
        let known = |kept: &[(Needles, Arc<Self>)]| {
            let same = kept.iter().find(|(known, _)| *known == needles);
            same.map(|(_, made)| Arc::clone(made))
        };
        if let Some(made) = known(&lock()) {
            return made;
        }
        let made = Arc::new(Self::new(&needles));
        let mut kept = lock();
        if kept.len() >= MOST_KEPT {
            kept.remove(0);
        }
        kept.push((needles, Arc::clone(&made)));
        made
    }

    fn new(needles: &Needles) -> Self {
        let forms = forms::of(needles);
        let matcher = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .build(forms.iter().map(|form| &form.bytes))
            .ok()
            .filter(|_| !forms.is_empty());
        Self {
            longest: forms.iter().map(|form| form.bytes.len()).max().unwrap_or(0),
            forms,
            matcher,
        }
    }

    /// Each element of the result in which one of them still stands, once.
    pub fn findings(&self, result: &Instance, file_name: &str) -> Vec<Finding> {
        let mut findings = Vec::new();
        if self.matcher.is_none() {
            return findings;
        }
        let mut add = |kind: Option<&'static str>, tag: &dyn Fn() -> String| {
            let Some(kind) = kind else { return };
            let finding = Finding { kind, tag: tag() };
            if !findings.contains(&finding) {
                findings.push(finding);
            }
        };
        let mut look = |location: &Location, element: &Element, scope: &Scope<'_>| {
            if is_number(element.vr) || element.tag == tags::PIXEL_DATA {
                return true;
            }
            let tag = || {
                location
                    .iter()
                    .map(|p| p.tag.to_string())
                    .collect::<Vec<_>>()
                    .join("/")
            };
            match (value::bytes(element, scope.source), &element.value) {
                (Some(bytes), _) => {
                    let mut kind = self.kind_in(bytes, element.vr);
                    // In another character set the bytes differ, the text does not; and digits may be set apart.
                    if kind.is_none()
                        && let Some(text) = scope.text(element)
                    {
                        if !text.is_ascii() {
                            kind = self.kind_in(text.to_lowercase().as_bytes(), element.vr);
                        }
                        let closed = forms::digits_closed_up(&text);
                        kind = kind.or_else(|| {
                            closed.and_then(|text| self.kind_in(text.as_bytes(), element.vr))
                        });
                    }
                    add(kind, &tag);
                }
                (None, Value::Source(span)) => {
                    add(self.kind_in_file(scope.source, *span, element.vr), &tag)
                }
                _ => {}
            }
            true
        };
        result.walk(&mut look);
        result.walk_kept_meta(&mut look);
        // A source that is gone fails the import when it is written.
        if let Ok(Some(preamble)) = result.kept_preamble() {
            add(self.kind_in(&preamble, VR::OB), &|| "preamble".to_owned());
        }
        add(self.kind_in(file_name.as_bytes(), VR::LO), &|| {
            "file name".to_owned()
        });
        findings
    }

    /// The kind of the first value that stands there.
    fn kind_in(&self, bytes: &[u8], vr: VR) -> Option<&'static str> {
        let mut found = self.matcher.as_ref()?.find_overlapping_iter(bytes);
        found.find_map(|at| {
            let form = &self.forms[at.pattern().as_usize()];
            form.stands_alone(bytes, at.start(), at.end(), vr)
                .then_some(form.kind)
        })
    }

    /// The same for a long value that was not loaded.
    fn kind_in_file(&self, source: &Source, span: Span, vr: VR) -> Option<&'static str> {
        let mut start = span.start;
        while start < span.end() {
            let end = (start + PIECE).min(span.end());
            let bytes = source.read(Span::new(start, end)).ok()?;
            if let Some(kind) = self.kind_in(&bytes, vr) {
                return Some(kind);
            }
            if end == span.end() {
                break;
            }
            // What stands across the border, and its neighbours, is whole in the next piece.
            start = end - (self.longest as u64 + 2).min(PIECE / 2);
        }
        None
    }
}

/// Numbers in bytes hold no text but by chance.
fn is_number(vr: VR) -> bool {
    use VR::{AT, FD, FL, OD, OF, OL, OV, SL, SS, SV, UL, US, UV};
    matches!(
        vr,
        AT | FD | FL | OD | OF | OL | OV | SL | SS | SV | UL | US | UV
    )
}
