//! The one view that a rule has of the world, whatever its engine: the dataset within what the
//! manifest declares, pseudonyms, and the context. Engines are thin adapters of [`Host`].
//!
//! The first refusal is latched: it fails the file whatever the rule then catches or answers.

mod access;
mod edits;
mod parsed;
mod quotes;
pub mod rows;
mod script;
mod table;
mod trace;

use super::answer::Refusal;
use super::position::Position;
use super::pseudonym::Pseudonyms;
use super::tables::Tables;
use super::urls::Urls;
use crate::dicom::edit::{EditProblem, Scope};
use crate::dicom::path::{PathError, location_text};
use crate::dicom::{Element, Instance, value};
pub use access::Access;
pub use quotes::Quotes;
pub use script::content;
use std::collections::BTreeMap;
use std::sync::Arc;
pub use trace::{Detail, Trace, TracedEdit, shown};

/// What is known beside the dataset.
#[derive(Debug, Clone, Default)]
pub struct Context {
    pub project: String,
    /// None in a label rule.
    pub subject: Option<String>,
    /// None in a label rule.
    pub session: Option<String>,
    /// The import call's parameters, by their names there.
    pub parameters: Arc<BTreeMap<String, String>>,
    /// The file's path inside the session folder, `/` between its parts.
    pub file: String,
    /// When the request was received, `YYYYMMDDHHMMSS` in UTC.
    pub received: String,
    /// The policy's settings for this module: JSON, already validated.
    pub settings: Arc<str>,
    /// What the rule may look keys up in.
    pub tables: Arc<Tables>,
    /// Whom a DicomEdit script may ask over the network.
    pub urls: Arc<Urls>,
    /// Whether a DicomEdit script notes in (0012,0064) that it ran.
    pub record: bool,
    /// Whether a label that is not given fails the rule that reads it, as `sluice rule apply` has it: `()` would leave in
    /// what the label was to replace.
    pub needs_labels: bool,
}

impl Context {
    /// Why a label can't be read; none if it can, or is absent where that is meant.
    pub fn missing(&self, name: &str, label: Option<&String>) -> Option<String> {
        (self.needs_labels && label.is_none())
            .then(|| format!("reads the {name} label, and none is given: give --{name}"))
    }
}

/// Why an edit was not made. The texts name paths and VRs, never a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    #[error("bad path: {0}")]
    BadPath(String),
    #[error("bad value: {0}")]
    BadValue(String),
    #[error("undeclared: {0}")]
    Undeclared(String),
    #[error("protected: {0}")]
    Protected(String),
    /// No region of these pixels can be made black.
    #[error("not redactable: {0}")]
    NotRedactable(String),
}

impl EditError {
    /// A stable code, without any value.
    pub fn code(&self) -> &'static str {
        match self {
            Self::BadPath(_) => "bad-path",
            Self::BadValue(_) => "bad-value",
            Self::Undeclared(_) => "undeclared",
            Self::Protected(_) => "protected",
            Self::NotRedactable(_) => "not-redactable",
        }
    }
}

impl From<EditProblem> for EditError {
    fn from(problem: EditProblem) -> Self {
        match problem {
            EditProblem::Path { .. } => Self::BadPath(problem.to_string()),
            EditProblem::Value { .. } => Self::BadValue(problem.to_string()),
            EditProblem::Pixels { .. } => Self::NotRedactable(problem.to_string()),
        }
    }
}

/// What [`Host::apply`] does to the elements that a pattern matches. On a sequence, `Uid`, `Dummy` and
/// `ShiftDate` mean every element below it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Action {
    Remove,
    Blank,
    Set(String),
    /// Each value replaced by its keyed pseudonym.
    Uid,
    /// A value that says nothing and is valid for the VR (PS3.15 E.3.1, action D).
    Dummy,
    /// DA and DT moved by so many days, and dates that stand in TM; what is no date is blanked, times stay.
    ShiftDate(i32),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Edit {
    pub pattern: String,
    pub action: Action,
}

/// In the place of a path that a rule put together or read.
const NOT_SHOWN: &str =
    "a text that the rule made as it ran, which is not shown, as it may hold a header's value";

/// One run's view: owns the instance while the rule runs, and gives it back.
pub struct Host {
    instance: Instance,
    access: Arc<Access>,
    pub context: Arc<Context>,
    pub pseudonyms: Arc<Pseudonyms>,
    refusal: Option<(Refusal, Option<Position>)>,
    /// The first region that could not be made black. The rule may still reject or quarantine.
    not_redacted: Option<(Refusal, Option<Position>)>,
    /// Where the script first asked for an edit at any depth, if it did.
    any_depth: Option<Option<Position>>,
    /// Where the rule's call stands in its script, if it is one.
    position: Option<Position>,
    /// What failures may quote; none: all, as it is the host itself that asks.
    quotes: Option<Arc<Quotes>>,
    trace: Option<Trace>,
}

impl Action {
    pub fn name(&self) -> &'static str {
        match self {
            Self::Remove => "remove",
            Self::Blank => "blank",
            Self::Set(_) => "set",
            Self::Uid => "uid",
            Self::Dummy => "dummy",
            Self::ShiftDate(_) => "shift-date",
        }
    }
}

impl Host {
    pub fn new(
        instance: Instance,
        access: Arc<Access>,
        context: Arc<Context>,
        pseudonyms: Arc<Pseudonyms>,
    ) -> Self {
        Self {
            instance,
            access,
            context,
            pseudonyms,
            refusal: None,
            not_redacted: None,
            any_depth: None,
            position: None,
            quotes: None,
            trace: None,
        }
    }

    /// The same, with every edit recorded.
    pub fn traced(self, detail: Detail) -> Self {
        Self {
            trace: Some(Trace::new(detail)),
            ..self
        }
    }

    pub fn into_instance(self) -> Instance {
        self.instance
    }

    /// What was recorded, if [`Host::traced`] asked for it.
    pub fn take_trace(&mut self) -> Option<Trace> {
        self.trace.take()
    }

    /// The first refusal, latched, and where the script was then.
    pub fn refusal(&self) -> Option<&(Refusal, Option<Position>)> {
        self.refusal.as_ref()
    }

    /// What may have been left in the picture, and where the script was then.
    pub fn not_redacted(&self) -> Option<&(Refusal, Option<Position>)> {
        self.not_redacted.as_ref()
    }

    /// An element that no edit at any depth could look into, where the rule made one and left that as it was.
    pub fn left_closed(&self) -> Option<(Refusal, Option<Position>)> {
        let position = self.any_depth?;
        let path = self.instance.closed_sequence()?;
        Some((Refusal::ClosedSequence(path), position))
    }

    /// The edit that is made now is one at any depth.
    pub(in crate::rules) fn note_any_depth(&mut self) {
        self.any_depth.get_or_insert(self.position);
    }

    /// Said by the engine before each call of the rule.
    pub(super) fn set_position(&mut self, position: Option<Position>) {
        self.position = position;
    }

    /// Said by the engine once: the texts that the rule's author wrote.
    pub(super) fn set_quotes(&mut self, quotes: Arc<Quotes>) {
        self.quotes = Some(quotes);
    }

    /// Whether a failure may say a text that the rule gave.
    pub(super) fn may_quote(&self, text: &str) -> bool {
        (self.quotes.as_ref()).is_none_or(|quotes| quotes.holds(text, &self.context.settings))
    }

    /// What is wrong with a path, without a path that may have come from a header.
    fn bad_path(&self, error: &PathError) -> String {
        match self.may_quote(&error.path) {
            true => error.to_string(),
            false => NOT_SHOWN.to_owned(),
        }
    }

    /// Text; several values joined by a backslash; none if the element is absent or holds no text.
    /// A path that can't be parsed is a refusal: a misspelt keyword must not look like an absent element.
    pub fn get(&mut self, path: &str) -> Option<String> {
        self.read(path, |element, scope| scope.text(element))
            .flatten()
    }

    pub fn values(&mut self, path: &str) -> Vec<String> {
        let values = self.read(path, |element, scope| {
            let vr = value::known_vr(element.tag, element.vr);
            scope.text(element).map(|text| value::split(&text, vr))
        });
        values.flatten().unwrap_or_default()
    }

    pub fn vr(&mut self, path: &str) -> Option<String> {
        self.read(path, |element, _| element.vr.to_string().to_owned())
    }

    pub fn exists(&mut self, path: &str) -> bool {
        self.read(path, |_, _| ()).is_some()
    }

    /// Single paths of what the pattern matches, in dataset order.
    pub fn find(&mut self, pattern: &str) -> Vec<String> {
        let pattern = match parsed::pattern(pattern) {
            Ok(pattern) => pattern,
            Err(error) => {
                let told = self.bad_path(&error);
                self.refuse(Refusal::BadPath(told));
                return Vec::new();
            }
        };
        let (mut found, mut refused) = (Vec::new(), None);
        self.instance.walk(&mut |location, _, _| {
            if pattern.matches(location) {
                if self.access.may_read(location) {
                    found.push(location_text(location).into_owned());
                } else {
                    refused.get_or_insert_with(|| location_text(location));
                }
            }
            true
        });
        if let Some(path) = refused {
            self.refuse(Refusal::UndeclaredRead(path.into()));
        }
        found
    }

    fn read<T>(&mut self, path: &str, read: impl FnOnce(&Element, &Scope<'_>) -> T) -> Option<T> {
        let path = match parsed::path(path) {
            Ok(path) => path,
            Err(error) => {
                let told = self.bad_path(&error);
                self.refuse(Refusal::BadPath(told));
                return None;
            }
        };
        let (location, answer) = match self.instance.look_up(&path) {
            Some((element, scope, location)) => {
                let answer = self
                    .access
                    .may_read(&location)
                    .then(|| read(element, &scope));
                (location, answer)
            }
            None => (path.location(), None),
        };
        // What is absent is a read as well: the answer tells something of the dataset.
        if answer.is_none() && !self.access.may_read(&location) {
            self.refuse(Refusal::UndeclaredRead(location_text(&location).into()));
        }
        answer
    }

    fn refuse(&mut self, refusal: Refusal) {
        self.refusal.get_or_insert((refusal, self.position));
    }
}
