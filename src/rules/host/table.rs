//! A table of edits, compiled so that one walk of the dataset serves all of it.

use super::{Action, Edit};
use crate::dicom::edit::{Change, Scope, is_protected};
use crate::dicom::path::{Location, PathError, Pattern};
use crate::dicom::{Element, Tag, VR, value};
use crate::rules::pseudonym::Pseudonyms;
use std::collections::HashMap;

pub struct Table<'a> {
    rows: Vec<(Pattern, &'a Action)>,
    /// The rows that name one tag, at the top or at any depth: looked up, not tried.
    by_tag: HashMap<Tag, Vec<usize>>,
    /// The other rows.
    others: Vec<usize>,
}

impl<'a> Table<'a> {
    pub fn new(edits: &'a [Edit]) -> Result<Self, PathError> {
        let mut table = Self {
            rows: Vec::with_capacity(edits.len()),
            by_tag: HashMap::new(),
            others: Vec::new(),
        };
        for (index, edit) in edits.iter().enumerate() {
            let pattern = Pattern::parse(&edit.pattern)?;
            match pattern.plain_tag() {
                Some((tag, _)) => table.by_tag.entry(tag).or_default().push(index),
                None => table.others.push(index),
            }
            table.rows.push((pattern, &edit.action));
        }
        Ok(table)
    }

    /// The first row that names a protected element outright; wildcards pass over them.
    pub fn protected(&self) -> Option<(Tag, &Pattern)> {
        let named = self
            .rows
            .iter()
            .filter_map(|(pattern, _)| Some((pattern.plain_tag()?.0, pattern)));
        named.into_iter().find(|(tag, _)| is_protected(*tag))
    }

    pub fn run(&self) -> Run<'_> {
        Run {
            table: self,
            inherited: None,
        }
    }

    fn action(&self, location: &Location) -> Option<&'a Action> {
        let tag = location.last()?.tag;
        let matches = |index: &&usize| self.rows[**index].0.matches(location);
        let by_tag = self
            .by_tag
            .get(&tag)
            .and_then(|rows| rows.iter().find(matches));
        let other = self.others.iter().find(matches);
        let first = by_tag.into_iter().chain(other).min()?;
        Some(self.rows[*first].1)
    }
}

/// One walk: remembers the sequence whose action holds for what is below it.
pub struct Run<'a> {
    table: &'a Table<'a>,
    inherited: Option<(usize, &'a Action)>,
}

impl Run<'_> {
    pub fn decide(
        &mut self,
        location: &Location,
        element: &Element,
        scope: &Scope<'_>,
        pseudonyms: &Pseudonyms,
    ) -> Change {
        let depth = location.len();
        if self.inherited.is_some_and(|(at, _)| depth <= at) {
            self.inherited = None;
        }
        let own = self.table.action(location);
        let Some(action) = own.or(self.inherited.map(|(_, action)| action)) else {
            return Change::Keep;
        };
        if element.sequence().is_some()
            && matches!(action, Action::Uid | Action::Dummy | Action::ShiftDate(_))
        {
            if self.inherited.is_none() {
                self.inherited = Some((depth, action));
            }
            return Change::Keep;
        }
        match action {
            Action::Remove => Change::Remove,
            Action::Blank => Change::Blank,
            Action::Set(text) => Change::Text(text.clone()),
            // Below a sequence only the UIDs are meant, and of these not the standard's own (PS3.15 E.3.9).
            Action::Uid if own.is_none() && !is_instance_uid(element) => Change::Keep,
            Action::Uid => map_values(element, scope, |value| Some(pseudonyms.uid(value))),
            Action::Dummy => match element.vr {
                vr if value::is_text(vr) || is_number(vr) => {
                    Change::Text(value::dummy(vr).to_owned())
                }
                _ => Change::Bytes(vec![0, 0]),
            },
            Action::ShiftDate(days) => match element.vr {
                VR::DA | VR::DT => {
                    map_values(element, scope, |value| pseudonyms.shift_date(value, *days))
                }
                _ => Change::Keep,
            },
        }
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
    let mapped: Option<Vec<String>> = value::split(&text, element.vr).iter().map(map).collect();
    match mapped {
        Some(values) => Change::Text(values.join("\\")),
        None => Change::Blank,
    }
}

/// UI elements that name an instance of something, not a kind: class and coding scheme UIDs, transfer syntaxes.
fn is_instance_uid(element: &Element) -> bool {
    use crate::dicom::tags;
    element.vr == VR::UI
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

fn is_number(vr: VR) -> bool {
    matches!(
        vr,
        VR::US | VR::SS | VR::UL | VR::SL | VR::UV | VR::SV | VR::FL | VR::FD | VR::AT
    )
}
