//! The one view that a rule has of the world, whatever its engine: the dataset within what the
//! manifest declares, pseudonyms, and the context. Engines are thin adapters of [`Host`].
//!
//! The first refusal is latched: it fails the file whatever the rule then catches or answers.

mod access;
mod script;
mod table;
mod trace;

use super::answer::Refusal;
use super::dicomedit::Urls;
use super::position::Position;
use super::pseudonym::Pseudonyms;
use super::tables::Tables;
use crate::dicom::edit::{Change, EditProblem, Reach, Scope, is_protected};
use crate::dicom::path::{Location, PathError, Pattern, Place, location_text};
use crate::dicom::{Element, Instance, Region, Tag, tags, value};
pub use access::Access;
pub use script::content;
use std::collections::BTreeMap;
use std::sync::Arc;
use table::Table;
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

impl From<PathError> for EditError {
    fn from(error: PathError) -> Self {
        Self::BadPath(error.to_string())
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
    /// DA and DT moved by so many days; what is no date is blanked, times stay.
    ShiftDate(i32),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Edit {
    pub pattern: String,
    pub action: Action,
}

/// A change, what the trace calls it, and where the script asks for it.
type Asked = (Change, &'static str, Option<Position>);

/// What is to be done with an element, and what the rule calls that.
type Decide<'a> =
    dyn FnMut(&Location, &Element, &Scope<'_>, &Pseudonyms) -> (Change, &'static str) + 'a;

/// One run's view: owns the instance while the rule runs, and gives it back.
pub struct Host {
    instance: Instance,
    access: Arc<Access>,
    pub context: Arc<Context>,
    pub pseudonyms: Arc<Pseudonyms>,
    refusal: Option<(Refusal, Option<Position>)>,
    /// The first region that could not be made black. The rule may still reject or quarantine.
    not_redacted: Option<(Refusal, Option<Position>)>,
    /// Where the rule's call stands in its script, if it is one.
    position: Option<Position>,
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
            position: None,
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

    /// Said by the engine before each call of the rule.
    pub(super) fn set_position(&mut self, position: Option<Position>) {
        self.position = position;
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
        let pattern = match Pattern::parse(pattern) {
            Ok(pattern) => pattern,
            Err(error) => {
                self.refuse(Refusal::BadPath(error.to_string()));
                return Vec::new();
            }
        };
        let (mut found, mut refused) = (Vec::new(), None);
        self.instance.walk(&mut |location, _, _| {
            if pattern.matches(location) {
                if self.access.may_read(location) {
                    found.push(location_text(location));
                } else {
                    refused.get_or_insert_with(|| location_text(location));
                }
            }
            true
        });
        if let Some(path) = refused {
            self.refuse(Refusal::UndeclaredRead(path));
        }
        found
    }

    /// Sets one element, creating sequences, items and private blocks as needed.
    ///
    /// # Errors
    /// [`EditError`], as for all edits.
    pub fn set(&mut self, path: &str, value: &str) -> Result<(), EditError> {
        let path = Pattern::parse_path(path)?;
        let location = match self.instance.look_up(&path) {
            Some((_, _, location)) => location,
            None => path.location(),
        };
        self.grant_write(&location)?;
        if let Some(place) = location.iter().find(|p| is_protected(p.tag)) {
            return Err(protected(place.tag, &path));
        }
        let holds_values = self.trace.as_ref().is_some_and(Trace::holds_values);
        let before = holds_values.then(|| self.shown(&path)).flatten();
        self.instance.set(&path, value)?;
        if self.trace.is_some() {
            let edit = TracedEdit {
                path: self.path_text(&path),
                action: "set",
                position: self.position,
                before,
                after: holds_values.then(|| self.shown(&path)).flatten(),
            };
            if let Some(trace) = &mut self.trace {
                trace.push(edit);
            }
        }
        Ok(())
    }

    /// # Errors
    /// [`EditError`], as for all edits.
    pub fn blank(&mut self, pattern: &str) -> Result<u32, EditError> {
        self.apply(&[Edit {
            pattern: pattern.to_owned(),
            action: Action::Blank,
        }])
    }

    /// # Errors
    /// [`EditError`], as for all edits.
    pub fn remove(&mut self, pattern: &str) -> Result<u32, EditError> {
        self.apply(&[Edit {
            pattern: pattern.to_owned(),
            action: Action::Remove,
        }])
    }

    /// Removes every private element at any depth, but those that match a pattern to keep and the creators
    /// of their blocks.
    ///
    /// # Errors
    /// [`EditError`], as for all edits.
    pub fn remove_private(&mut self, keep: &[String]) -> Result<u32, EditError> {
        let keep = keep
            .iter()
            .map(|p| Pattern::parse(p))
            .collect::<Result<Vec<_>, _>>()?;
        let kept_blocks = self.kept_blocks(&keep);
        let is_private = |tag: Tag| !tag.group().is_multiple_of(2);
        self.edit(
            Reach::Anywhere(&is_private),
            &mut |location, element, _, _| {
                let kept = keep.iter().any(|p| p.matches(location))
                    || kept_blocks.iter().any(|b| b == location);
                match element.is_private() && !kept {
                    true => (Change::Remove, "remove-private"),
                    false => (Change::Keep, ""),
                }
            },
        )
    }

    /// A whole table in one walk; where several patterns match, the first in the list holds.
    ///
    /// # Errors
    /// [`EditError`], as for all edits.
    pub fn apply(&mut self, edits: &[Edit]) -> Result<u32, EditError> {
        let table = Table::of(edits)?;
        if let Some((tag, pattern)) = table.protected() {
            return Err(protected(tag, pattern));
        }
        if !self.access.is_writable() {
            let path = edits.first().map(|e| e.pattern.clone()).unwrap_or_default();
            return Err(self.refuse_write(path));
        }
        let mut run = table.run();
        let wanted = |tag: Tag| table.may_hold(tag);
        let reach = match table.is_top_only() {
            true => Reach::Top(&wanted),
            false => Reach::Anywhere(&wanted),
        };
        self.edit(reach, &mut |location, element, scope, pseudonyms| {
            run.decide(location, element, scope, pseudonyms)
        })
    }

    /// Makes a region of the picture black, in every frame: columns from `left` up to `right`, rows from `top`
    /// up to `bottom`, the latter two not included.
    ///
    /// # Errors
    /// [`EditError`], as for all edits: it is a write of PixelData. After [`EditError::NotRedactable`] the file
    /// is not kept, whatever the rule answers.
    pub fn redact(&mut self, region: Region) -> Result<(), EditError> {
        let pixels = [Place {
            tag: tags::PIXEL_DATA,
            creator: None,
            item: None,
        }];
        self.grant_write(&pixels)?;
        if let Err(problem) = self.instance.redact(region) {
            let error = EditError::from(problem);
            if let EditError::NotRedactable(why) = &error {
                let refusal = Refusal::NotRedactable(why.clone());
                self.not_redacted.get_or_insert((refusal, self.position));
            }
            return Err(error);
        }
        if let Some(trace) = &mut self.trace {
            let Region {
                left,
                top,
                right,
                bottom,
            } = region;
            trace.push(TracedEdit {
                path: location_text(&pixels),
                action: "redact",
                position: self.position,
                before: Some("as it was".to_owned()),
                after: Some(format!("black from {left},{top} to {right},{bottom}")),
            });
        }
        Ok(())
    }

    /// The creators (gggg,00bb) of blocks in which a kept element lies.
    fn kept_blocks(&self, keep: &[Pattern]) -> Vec<Vec<Place>> {
        let mut blocks = Vec::new();
        if keep.is_empty() {
            return blocks;
        }
        self.instance.walk(&mut |location, element, _| {
            if element.is_private()
                && element.tag.element() > 0xFF
                && keep.iter().any(|p| p.matches(location))
            {
                let mut block = location.to_vec();
                if let Some(last) = block.last_mut() {
                    last.tag = Tag(element.tag.group(), element.tag.element() >> 8);
                    last.creator = None;
                }
                blocks.push(block);
            }
            true
        });
        blocks
    }

    fn read<T>(&mut self, path: &str, read: impl FnOnce(&Element, &Scope<'_>) -> T) -> Option<T> {
        let path = match Pattern::parse_path(path) {
            Ok(path) => path,
            Err(error) => {
                self.refuse(Refusal::BadPath(error.to_string()));
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
            self.refuse(Refusal::UndeclaredRead(location_text(&location)));
        }
        answer
    }

    /// Edits in one walk, each change at the place in the script that runs now.
    fn edit(&mut self, reach: Reach<'_>, decide: &mut Decide<'_>) -> Result<u32, EditError> {
        let (pseudonyms, position) = (self.pseudonyms.clone(), self.position);
        self.change(reach, false, &mut |location, element, scope| {
            let (change, action) = decide(location, element, scope, &pseudonyms);
            (change, action, position)
        })
    }

    /// Edits in one walk, after the file meta information where `in_meta` says so. An undeclared change is not
    /// made, and latched.
    pub(in crate::rules) fn change(
        &mut self,
        reach: Reach<'_>,
        in_meta: bool,
        decide: &mut dyn FnMut(&Location, &Element, &Scope<'_>) -> Asked,
    ) -> Result<u32, EditError> {
        let (access, trace) = (self.access.clone(), &mut self.trace);
        let mut refused = None;
        // Of the change that is under way: it may yet turn out not to fit.
        let mut traced_before = 0;
        let mut change = |location: &Location, element: &Element, scope: &Scope<'_>| {
            let (change, action, position) = decide(location, element, scope);
            if change == Change::Keep {
                return change;
            }
            if !access.may_write(location) {
                refused.get_or_insert_with(|| (location_text(location), position));
                return Change::Keep;
            }
            if let Some(trace) = trace {
                traced_before = trace.len();
                let values = trace.holds_values();
                trace.push(TracedEdit {
                    path: location_text(location),
                    action,
                    position,
                    before: values.then(|| trace::shown(element, scope)),
                    after: values.then(|| after(&change, element)).flatten(),
                });
            }
            change
        };
        let of_meta = match in_meta {
            true => self.instance.edit_meta(&mut change),
            false => Ok(0),
        };
        let count = of_meta.and_then(|some| Ok(some + self.instance.edit(reach, &mut change)?));
        if let (Err(_), Some(trace)) = (&count, &mut self.trace) {
            trace.drop_last(traced_before);
        }
        if let Some((path, position)) = refused {
            self.position = position;
            return Err(self.refuse_write(path));
        }
        Ok(count?)
    }

    fn grant_write(&mut self, location: &Location) -> Result<(), EditError> {
        if self.access.may_write(location) {
            return Ok(());
        }
        Err(self.refuse_write(location_text(location)))
    }

    fn refuse_write(&mut self, path: String) -> EditError {
        self.refuse(Refusal::UndeclaredWrite(path.clone()));
        EditError::Undeclared(path)
    }

    fn refuse(&mut self, refusal: Refusal) {
        self.refusal.get_or_insert((refusal, self.position));
    }

    fn shown(&self, path: &Pattern) -> Option<String> {
        let (element, scope, _) = self.instance.look_up(path)?;
        Some(trace::shown(element, &scope))
    }

    fn path_text(&self, path: &Pattern) -> String {
        match self.instance.look_up(path) {
            Some((_, _, location)) => location_text(&location),
            None => path.to_string(),
        }
    }
}

/// What an element holds after a change.
fn after(change: &Change, element: &Element) -> Option<String> {
    match change {
        Change::Remove => None,
        Change::Blank if element.sequence().is_some() => Some("0 items".to_owned()),
        Change::Blank | Change::Keep => Some(String::new()),
        Change::Text(text) | Change::AsGiven(text) => Some(text.clone()),
        Change::Bytes(bytes) => Some(format!(
            "{} bytes of {}",
            bytes.len(),
            element.vr.to_string()
        )),
    }
}

fn protected(tag: Tag, pattern: &Pattern) -> EditError {
    EditError::Protected(format!("{pattern}: Sluice keeps {tag} itself"))
}
