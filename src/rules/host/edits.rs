//! What a rule changes through the host: one element, all that a pattern or a table names, a region of the picture.

use super::table::{BadTable, Table};
use super::trace::{self, Trace, TracedEdit};
use super::{Action, Edit, EditError, Host, parsed};
use crate::dicom::edit::{Change, Reach, Scope, Wanted, is_protected_by_name, protected_place};
use crate::dicom::path::{Location, PathError, Pattern, Place, location_text};
use crate::dicom::{Element, Region, Tag, tags};
use crate::rules::answer::Refusal;
use crate::rules::position::Position;
use crate::rules::pseudonym::Pseudonyms;
use std::borrow::Cow;
use std::sync::Arc;

/// A change, what the trace calls it, and where the script asks for it.
type Asked = (Change, &'static str, Option<Position>);

/// What is to be done with an element, and what the rule calls that.
type Decide<'a> =
    dyn FnMut(&Location, &Element, &Scope<'_>, &Pseudonyms) -> (Change, &'static str) + 'a;

impl Host {
    /// Sets one element, creating sequences, items and private blocks as needed.
    ///
    /// # Errors
    /// [`EditError`], as for all edits.
    pub fn set(&mut self, path: &str, value: &str) -> Result<(), EditError> {
        let path = parsed::path(path).map_err(|error| self.no_path(&error))?;
        let location = match self.instance.look_up(&path) {
            Some((_, _, location)) => location,
            None => path.location(),
        };
        self.grant_write(&location)?;
        if let Some(place) = protected_place(&location) {
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
        self.edit_all(pattern, Change::Blank, Action::Blank.name())
    }

    /// # Errors
    /// [`EditError`], as for all edits.
    pub fn remove(&mut self, pattern: &str) -> Result<u32, EditError> {
        self.edit_all(pattern, Change::Remove, Action::Remove.name())
    }

    /// Removes every private element at any depth, but those that match a pattern to keep and the creators
    /// of their blocks.
    ///
    /// # Errors
    /// [`EditError`], as for all edits.
    pub fn remove_private(&mut self, keep: &[String]) -> Result<u32, EditError> {
        let keep = keep
            .iter()
            .map(|p| parsed::pattern(p))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| self.no_path(&error))?;
        let kept_blocks = self.kept_blocks(&keep);
        self.note_any_depth();
        let is_private = |tag: Tag| !tag.group().is_multiple_of(2);
        self.edit(
            Reach::Anywhere(Wanted::Those(&is_private)),
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
        let table = Table::of(edits).map_err(|error| self.no_path(&error))?;
        self.apply_compiled(&table)
    }

    /// The same with a table as text, one row on a line: see `plugins/wit`.
    ///
    /// # Errors
    /// [`EditError`], as for all edits; a line that is no row is a bad value.
    pub fn apply_table(&mut self, table: &str) -> Result<u32, EditError> {
        let compiled = Table::of_text(table).map_err(|error| match error {
            BadTable::Path(error) => self.no_path(&error),
            BadTable::Row(row) => {
                EditError::BadValue(row.told(|word| self.may_quote(word) || self.may_quote(table)))
            }
        })?;
        self.apply_compiled(&compiled)
    }

    fn no_path(&self, error: &PathError) -> EditError {
        EditError::BadPath(self.bad_path(error))
    }

    fn apply_compiled(&mut self, table: &Table) -> Result<u32, EditError> {
        if let Some((tag, pattern)) = table.protected() {
            return Err(protected(tag, pattern));
        }
        if !self.access.is_writable() {
            return Err(self.refuse_write(table.first_pattern()));
        }
        if table.is_any_depth() {
            self.note_any_depth();
        }
        let mut run = table.run();
        let wanted = |tag: Tag| table.may_hold(tag);
        let reach = match table.is_top_only() {
            true => Reach::Top(Wanted::Those(&wanted)),
            false => Reach::Anywhere(Wanted::Those(&wanted)),
        };
        self.edit(reach, &mut |location, element, scope, pseudonyms| {
            run.decide(location, element, scope, pseudonyms)
        })
    }

    /// Makes a region of the picture black, in every frame: columns from `left` up to `right`, rows from `top`
    /// up to `bottom`, the latter two not included.
    ///
    /// # Errors
    /// [`EditError`], as for all edits: it is a write of PixelData, also where icons go with it. After [`EditError::NotRedactable`] the file
    /// is not kept, whatever the rule answers.
    pub fn redact(&mut self, region: Region) -> Result<(), EditError> {
        let pixels = [Place {
            tag: tags::PIXEL_DATA,
            creator: None,
            item: None,
        }];
        self.grant_write(&pixels)?;
        let icons = match self.instance.redact(region) {
            Ok(icons) => icons,
            Err(problem) => {
                let error = EditError::from(problem);
                if let EditError::NotRedactable(why) = &error {
                    let refusal = Refusal::NotRedactable(why.clone());
                    self.not_redacted.get_or_insert((refusal, self.position));
                }
                return Err(error);
            }
        };
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
            for path in icons {
                trace.push(TracedEdit {
                    path,
                    action: Action::Remove.name(),
                    position: self.position,
                    before: Some("as it was".to_owned()),
                    after: None,
                });
            }
        }
        Ok(())
    }

    /// As a table of this one row: neither change reaches below what the pattern names.
    fn edit_all(
        &mut self,
        pattern: &str,
        change: Change,
        action: &'static str,
    ) -> Result<u32, EditError> {
        let pattern = parsed::pattern(pattern).map_err(|error| self.no_path(&error))?;
        let plain = pattern.plain_tag();
        if let Some((tag, _)) =
            plain.filter(|(tag, anywhere)| is_protected_by_name(*tag, *anywhere))
        {
            return Err(protected(tag, &pattern));
        }
        if !self.access.is_writable() {
            return Err(self.refuse_write(pattern.to_string()));
        }
        if pattern.is_any_depth() {
            self.note_any_depth();
        }
        let may_end_in = |tag: Tag| pattern.may_end_in(tag);
        let reach = match plain {
            Some((tag, false)) => Reach::Top(Wanted::One(tag)),
            Some((tag, true)) => Reach::Anywhere(Wanted::One(tag)),
            None => Reach::Anywhere(Wanted::Those(&may_end_in)),
        };
        self.edit(
            reach,
            &mut |location, _, _, _| match pattern.matches(location) {
                true => (change.clone(), action),
                false => (Change::Keep, ""),
            },
        )
    }

    /// The creators (gggg,00bb) of blocks in which a kept element lies.
    fn kept_blocks(&self, keep: &[Arc<Pattern>]) -> Vec<Vec<Place>> {
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
                refused.get_or_insert_with(|| (location_text(location).into_owned(), position));
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

    pub(super) fn grant_write(&mut self, location: &Location) -> Result<(), EditError> {
        if self.access.may_write(location) {
            return Ok(());
        }
        Err(self.refuse_write(location_text(location).into_owned()))
    }

    fn refuse_write(&mut self, path: String) -> EditError {
        self.refuse(Refusal::UndeclaredWrite(path.clone()));
        EditError::Undeclared(path)
    }

    pub(super) fn shown(&self, path: &Pattern) -> Option<String> {
        let (element, scope, _) = self.instance.look_up(path)?;
        Some(trace::shown(element, &scope))
    }

    pub(super) fn path_text(&self, path: &Pattern) -> Cow<'static, str> {
        match self.instance.look_up(path) {
            Some((_, _, location)) => location_text(&location),
            None => path.to_string().into(),
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

pub(super) fn protected(tag: Tag, pattern: &Pattern) -> EditError {
    EditError::Protected(format!("{pattern}: Sluice keeps {tag} itself"))
}
