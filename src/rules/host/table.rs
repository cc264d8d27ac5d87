//! A table of edits, compiled so that one walk of the dataset serves all of it; those seen last are kept.

use super::{Action, Edit, rows};
use crate::dicom::date;
use crate::dicom::edit::{Change, Scope, is_protected_by_name};
use crate::dicom::path::{Location, PathError, Pattern};
use crate::dicom::{Element, Tag, VR, value};
use crate::rules::pseudonym::Pseudonyms;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

/// Shorter tables are parsed sooner than they are looked up.
const WORTH_KEEPING: usize = 16;

/// A module gives the same table for every file, or one for each subject: enough for both.
const MOST_KEPT: usize = 64;

/// The tables seen last. They depend on the edits alone, so sharing them tells no rule of another.
static KEPT: Mutex<Option<HashMap<u64, Arc<Table>>>> = Mutex::new(None);

/// Why a text is no table.
#[derive(Debug)]
pub enum BadTable {
    Row(rows::BadRow),
    Path(PathError),
}

pub struct Table {
    /// What it was read from, if it was given as text.
    text: Option<Box<str>>,
    edits: Vec<Edit>,
    patterns: Vec<Pattern>,
    /// The rows that name one tag, at the top or at any depth: looked up, not tried.
    by_tag: HashMap<Tag, Vec<usize>, BuildHasherDefault<TagHasher>>,
    /// The other rows.
    others: Vec<usize>,
    /// Whether no row reaches below the top, but by the action that it has for a sequence.
    is_top_only: bool,
    /// Whether some row leads into sequences that it does not name.
    is_any_depth: bool,
    /// The first row that names a protected element outright.
    protected: Option<usize>,
}

/// Tags are looked up for every element of every file, and nobody can choose them to collide much.
#[derive(Default)]
struct TagHasher(u64);

impl Hasher for TagHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u16((*byte).into());
        }
    }

    fn write_u16(&mut self, number: u16) {
        self.0 = mix(self.0, number.into());
    }
}

fn mix(state: u64, word: u64) -> u64 {
    (state.rotate_left(5) ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

/// Tells most tables apart without reading them: their rows are compared all the same.
fn key(edits: &[Edit]) -> u64 {
    edits.iter().fold(0, |key, edit| {
        let action = match &edit.action {
            Action::Remove => 0,
            Action::Blank => 1,
            Action::Uid => 2,
            Action::Dummy => 3,
            Action::Set(value) => 4 + ((value.len() as u64) << 3),
            Action::ShiftDate(days) => 5 + (u64::from(days.cast_unsigned()) << 3),
        };
        mix(mix(key, edit.pattern.len() as u64), action)
    })
}

/// Of some of its words: a text that is another is another in more places than one, or costs a compilation.
fn text_key(text: &str) -> u64 {
    const STRIDE: usize = 32;
    let words = text.as_bytes().chunks(STRIDE).map(|chunk| {
        let word = chunk.iter().take(8).map(|byte| u64::from(*byte));
        word.fold(0, |word, byte| word << 8 | byte)
    });
    words.fold(text.len() as u64, mix)
}

/// The table that was kept under a key, if it is that one; else it is compiled and kept.
fn kept<E>(
    key: u64,
    is_same: impl FnOnce(&Table) -> bool,
    compile: impl FnOnce() -> Result<Table, E>,
) -> Result<Arc<Table>, E> {
    let lock = || KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    let kept = lock().as_ref().and_then(|kept| kept.get(&key)).cloned();
    if let Some(table) = kept.filter(|table| is_same(table)) {
        return Ok(table);
    }
    let table = Arc::new(compile()?);
    let mut kept = lock();
    let kept = kept.get_or_insert_default();
    if kept.len() >= MOST_KEPT {
        kept.clear();
    }
    kept.insert(key, Arc::clone(&table));
    Ok(table)
}

impl Table {
    /// Compiles a table, or answers the one that the same edits gave before.
    pub fn of(edits: &[Edit]) -> Result<Arc<Self>, PathError> {
        if edits.len() < WORTH_KEEPING {
            return Ok(Arc::new(Self::new(edits)?));
        }
        kept(
            key(edits),
            |table| table.edits == edits,
            || Self::new(edits),
        )
    }

    /// The same for a table as text.
    pub fn of_text(text: &str) -> Result<Arc<Self>, BadTable> {
        let is_same = |table: &Self| table.text.as_deref() == Some(text);
        kept(text_key(text), is_same, || {
            Ok(Self {
                text: Some(text.into()),
                ..Self::new(&rows::parse(text).map_err(BadTable::Row)?).map_err(BadTable::Path)?
            })
        })
    }

    fn new(edits: &[Edit]) -> Result<Self, PathError> {
        let mut table = Self {
            text: None,
            edits: edits.to_vec(),
            patterns: Vec::with_capacity(edits.len()),
            by_tag: HashMap::default(),
            others: Vec::new(),
            is_top_only: true,
            is_any_depth: false,
            protected: None,
        };
        for (index, edit) in edits.iter().enumerate() {
            let pattern = Pattern::parse(&edit.pattern)?;
            table.is_any_depth |= pattern.is_any_depth();
            match pattern.plain_tag() {
                Some((tag, anywhere)) => {
                    table.is_top_only &= !anywhere;
                    if table.protected.is_none() && is_protected_by_name(tag, anywhere) {
                        table.protected = Some(index);
                    }
                    table.by_tag.entry(tag).or_default().push(index);
                }
                None => {
                    table.is_top_only = false;
                    table.others.push(index);
                }
            }
            table.patterns.push(pattern);
        }
        Ok(table)
    }

    pub fn first_pattern(&self) -> String {
        let first = self.edits.first();
        first.map(|edit| edit.pattern.clone()).unwrap_or_default()
    }

    /// The first row that names a protected element outright; wildcards pass over them.
    pub fn protected(&self) -> Option<(Tag, &Pattern)> {
        let pattern = &self.patterns[self.protected?];
        Some((pattern.plain_tag()?.0, pattern))
    }

    /// Whether no row reaches below the top, but by the action that it has for a sequence.
    pub fn is_top_only(&self) -> bool {
        self.is_top_only
    }

    /// Whether some row leads into sequences that it does not name.
    pub fn is_any_depth(&self) -> bool {
        self.is_any_depth
    }

    /// Whether some row may lead to an element with this tag.
    pub fn may_hold(&self, tag: Tag) -> bool {
        let may_end_in = |index: &usize| self.patterns[*index].may_end_in(tag);
        self.by_tag.contains_key(&tag) || self.others.iter().any(may_end_in)
    }

    pub fn run(&self) -> Run<'_> {
        Run {
            table: self,
            inherited: Vec::new(),
        }
    }

    fn action(&self, location: &Location) -> Option<&Action> {
        let tag = location.last()?.tag;
        let matches = |index: &&usize| self.patterns[**index].matches(location);
        let by_tag = self
            .by_tag
            .get(&tag)
            .and_then(|rows| rows.iter().find(matches));
        let other = self.others.iter().find(matches);
        let first = by_tag.into_iter().chain(other).min()?;
        Some(&self.edits[*first].action)
    }
}

/// One walk: remembers the sequences whose action holds for what is below them, the innermost last.
pub struct Run<'a> {
    table: &'a Table,
    inherited: Vec<(usize, &'a Action)>,
}

impl Run<'_> {
    pub fn decide(
        &mut self,
        location: &Location,
        element: &Element,
        scope: &Scope<'_>,
        pseudonyms: &Pseudonyms,
    ) -> (Change, &'static str) {
        let depth = location.len();
        while self.inherited.pop_if(|(at, _)| depth <= *at).is_some() {}
        let own = self.table.action(location);
        let inherited = self.inherited.last().map(|(_, action)| *action);
        let Some(action) = own.or(inherited) else {
            return (Change::Keep, "");
        };
        let reaches_in = matches!(action, Action::Uid | Action::Dummy | Action::ShiftDate(_));
        if element.sequence().is_some() && reaches_in {
            self.inherited.push((depth, action));
            return (Change::Keep, "");
        }
        let is_inherited = own.is_none();
        let change = match action {
            Action::Remove => Change::Remove,
            Action::Blank => Change::Blank,
            Action::Set(text) => Change::Text(text.clone()),
            Action::Uid if is_inherited && !is_instance_uid(element) => Change::Keep,
            Action::Uid => uid(element, scope, pseudonyms),
            Action::Dummy => dummy(element, scope, pseudonyms),
            Action::ShiftDate(days) => match vr(element) {
                VR::DA | VR::DT => {
                    map_values(element, scope, |value| pseudonyms.shift_date(value, *days))
                }
                // A date may stand where a time should: beside a moved one, it would tell how far that was moved.
                VR::TM => map_values_as_given(element, scope, |value| match date::is_time(value) {
                    true => Some(value.to_owned()),
                    false => pseudonyms.shift_date(value, *days),
                }),
                // What was named as a date and is none could still hold one.
                _ if is_inherited => Change::Keep,
                _ => Change::Blank,
            },
        };
        (change, action.name())
    }
}

fn vr(element: &Element) -> VR {
    value::known_vr(element.tag, element.vr)
}

fn uid(element: &Element, scope: &Scope<'_>, pseudonyms: &Pseudonyms) -> Change {
    map_values(element, scope, |value| Some(pseudonyms.uid(value)))
}

/// A value that says nothing and is valid for the VR (PS3.15 E.3.1, action D).
fn dummy(element: &Element, scope: &Scope<'_>, pseudonyms: &Pseudonyms) -> Change {
    match vr(element) {
        // No constant will do: a UID names one thing. Class UIDs say nothing of the patient.
        VR::UI if is_instance_uid(element) => uid(element, scope, pseudonyms),
        VR::UI => Change::Keep,
        VR::OD | VR::OV => Change::Bytes(vec![0; 8]),
        VR::OF | VR::OL => Change::Bytes(vec![0; 4]),
        VR::OB | VR::OW | VR::UN => Change::Bytes(vec![0; 2]),
        vr => Change::Text(value::dummy(vr).to_owned()),
    }
}

/// Each value mapped; the element is blanked if one has no image, since what can't be mapped could identify.
fn map_values(
    element: &Element,
    scope: &Scope<'_>,
    map: impl Fn(&str) -> Option<String>,
) -> Change {
    let Some(text) = scope.text(element) else {
        return Change::Blank;
    };
    let map = |value: &String| {
        if value.is_empty() {
            Some(String::new())
        } else {
            map(value)
        }
    };
    let mapped: Option<Vec<String>> = value::split(&text, vr(element)).iter().map(map).collect();
    match mapped {
        Some(values) => Change::Text(values.join("\\")),
        None => Change::Blank,
    }
}

/// The same in a VR that perhaps holds none of the values as they should be; kept where none is another.
fn map_values_as_given(
    element: &Element,
    scope: &Scope<'_>,
    map: impl Fn(&str) -> Option<String>,
) -> Change {
    match map_values(element, scope, map) {
        Change::Text(text) if scope.text(element).is_none_or(|before| before == text) => {
            Change::Keep
        }
        Change::Text(text) => Change::AsGiven(text),
        change => change,
    }
}

/// UI elements that name an instance of something, not a kind (PS3.15 E.3.9): not class and coding scheme
/// UIDs, not transfer syntaxes.
fn is_instance_uid(element: &Element) -> bool {
    use crate::dicom::tags;
    vr(element) == VR::UI
        && !matches!(
            element.tag,
            tags::SOP_CLASS_UID
                | tags::REFERENCED_SOP_CLASS_UID
                | tags::CODING_SCHEME_UID
                | tags::CONTEXT_UID
                | tags::MAPPING_RESOURCE_UID
                | tags::TRANSFER_SYNTAX_UID
                | tags::REFERENCED_SOP_CLASS_UID_IN_FILE
                | tags::REFERENCED_TRANSFER_SYNTAX_UID_IN_FILE
        )
}
