//! What a rule did to a dataset, edit by edit. Where somebody wants to see it, it holds values; an import's
//! report has the bare actions.

use crate::dicom::edit::Scope;
use crate::dicom::{Element, Value};
use crate::rules::position::Position;
use serde::Serialize;
use std::borrow::Cow;

/// One element changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct TracedEdit {
    pub path: Cow<'static, str>,
    /// As the rule asked for it: `set`, `remove`, `blank`, `uid`, …
    pub action: &'static str,
    /// Where in the script.
    #[serde(flatten)]
    pub position: Option<Position>,
    /// None: the element was not there, or values are not recorded.
    pub before: Option<String>,
    /// None: it is no longer there, or values are not recorded.
    pub after: Option<String>,
}

/// What is recorded of an edit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// What was done to which element.
    Actions,
    /// And the element's value before and after.
    Values,
}

/// The edits of one run, in the order in which they were made.
#[derive(Debug)]
pub struct Trace {
    detail: Detail,
    edits: Vec<TracedEdit>,
}

impl Trace {
    pub(super) fn new(detail: Detail) -> Self {
        Self {
            detail,
            edits: Vec::new(),
        }
    }

    pub(super) fn holds_values(&self) -> bool {
        self.detail == Detail::Values
    }

    pub fn into_edits(self) -> Vec<TracedEdit> {
        self.edits
    }

    /// Where values show that the element is left as it was, it is no edit.
    pub(super) fn push(&mut self, edit: TracedEdit) {
        if !self.holds_values() || edit.before != edit.after {
            self.edits.push(edit);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.edits.len()
    }

    /// The edits from there on were not made after all.
    pub(super) fn drop_last(&mut self, from: usize) {
        self.edits.truncate(from);
    }
}

/// An element's value for a reader.
pub fn shown(element: &Element, scope: &Scope<'_>) -> String {
    if let Some(sequence) = element.sequence() {
        return match sequence.items.len() {
            1 => "1 item".to_owned(),
            n => format!("{n} items"),
        };
    }
    let bytes = match &element.value {
        Value::Edited(bytes) => bytes.len() as u64,
        Value::Source(span) | Value::Fragments(span) => span.len,
        Value::Sequence(_) => 0,
    };
    scope
        .text(element)
        .unwrap_or_else(|| format!("{bytes} bytes of {}", element.vr.to_string()))
}
