//! What a DicomEdit script needs of the host beyond the rules' interface: values as they are given, file meta
//! information, edits that each have their own place in the script. Within what the manifest declares, as all.

use super::edits::protected;
use super::{EditError, Host, trace};
use crate::dicom::edit::{Scope, is_protected, is_protected_below};
use crate::dicom::path::{Location, Pattern, location_text};
use crate::dicom::{Element, Tag, VR, Value, tags, value};
use crate::rules::answer::Refusal;
use crate::rules::host::TracedEdit;

impl Host {
    /// What an element holds as a DicomEdit value: bytes as text too; none for what is absent or a sequence.
    pub(in crate::rules) fn content(&mut self, path: &Pattern) -> Option<String> {
        self.see(path, content).flatten()
    }

    /// The SOP instance's UID, which tells its own new UIDs from others'; no read of the rule's.
    pub(in crate::rules) fn uid_of_instance(&self) -> String {
        self.instance
            .text(tags::SOP_INSTANCE_UID)
            .unwrap_or_default()
    }

    /// How many items a sequence has; none if it is absent, or no sequence.
    pub(in crate::rules) fn item_count(&mut self, path: &Pattern) -> Option<usize> {
        let count = |element: &Element, _: &Scope<'_>| Some(element.sequence()?.items.len());
        self.see(path, count).flatten()
    }

    pub(in crate::rules) fn vr_of(&mut self, path: &Pattern) -> Option<VR> {
        self.see(path, |element, _| value::known_vr(element.tag, element.vr))
    }

    pub(in crate::rules) fn is_present(&mut self, path: &Pattern) -> bool {
        self.see(path, |_, _| ()).is_some()
    }

    /// Sets one element, with all that has to be there for it.
    pub(in crate::rules) fn assign(
        &mut self,
        path: &Pattern,
        text: &str,
        action: &'static str,
    ) -> Result<(), EditError> {
        let location = match self.instance.look_up(path) {
            Some((_, _, location)) => location,
            None => path.location(),
        };
        self.grant_write(&location)?;
        let is_kept = |depth: usize, tag: Tag| match (tag.group(), depth) {
            (2, _) => tag.element() == 0 || tag == tags::TRANSFER_SYNTAX_UID,
            (_, 0) => is_protected(tag),
            _ => is_protected_below(tag),
        };
        let mut places = location.iter().enumerate();
        if let Some((_, place)) = places.find(|(depth, place)| is_kept(*depth, place.tag)) {
            return Err(protected(place.tag, path));
        }
        let holds_values = self.trace.as_ref().is_some_and(trace::Trace::holds_values);
        let before = holds_values.then(|| self.shown(path)).flatten();
        self.instance.set_as_given(path, text)?;
        let edit = TracedEdit {
            path: self.path_text(path),
            action,
            position: self.position,
            before,
            after: holds_values.then(|| self.shown(path)).flatten(),
        };
        if let Some(trace) = &mut self.trace {
            trace.push(edit);
        }
        Ok(())
    }

    /// Shows each leaf, and each sequence, that `wanted` picks; in file meta information too.
    pub(in crate::rules) fn look_over(
        &mut self,
        wanted: &mut dyn FnMut(&Location, &Element) -> bool,
        see: &mut dyn FnMut(&Location, &Element, &Scope<'_>),
    ) {
        let mut refused = None;
        let access = &self.access;
        let mut visit = |location: &Location, element: &Element, scope: &Scope<'_>| {
            if wanted(location, element) {
                match access.may_read(location) {
                    true => see(location, element, scope),
                    false => _ = refused.get_or_insert_with(|| location_text(location)),
                }
            }
            true
        };
        self.instance.walk_meta(&mut visit);
        self.instance.walk(&mut visit);
        if let Some(path) = refused {
            self.refuse(Refusal::UndeclaredRead(path.into()));
        }
    }

    /// Takes the emptied items off the end of private sequences that were edited.
    pub(in crate::rules) fn drop_emptied_private_items(&mut self) {
        trim(&mut self.instance.dataset, false);
    }

    /// What a script wants told: in the trace, never in a log.
    pub(in crate::rules) fn echo(&mut self, text: String) {
        let position = self.position;
        if let Some(trace) = &mut self.trace {
            let after = trace.holds_values().then_some(text);
            trace.push(TracedEdit {
                path: "-".into(),
                action: "echo",
                position,
                before: None,
                after,
            });
        }
    }

    fn see<T>(&mut self, path: &Pattern, see: impl FnOnce(&Element, &Scope<'_>) -> T) -> Option<T> {
        let (location, seen) = match self.instance.look_up(path) {
            Some((element, scope, location)) => {
                let may = self.access.may_read(&location);
                let seen = may.then(|| see(element, &scope));
                (location, seen)
            }
            None => (path.location(), None),
        };
        if seen.is_none() && !self.access.may_read(&location) {
            self.refuse(Refusal::UndeclaredRead(location_text(&location).into()));
        }
        seen
    }
}

/// What an element holds as a DicomEdit value.
pub fn content(element: &Element, scope: &Scope<'_>) -> Option<String> {
    if element.sequence().is_some() {
        return None;
    }
    if let Some(text) = scope.text(element) {
        return Some(text);
    }
    let bytes = match &element.value {
        Value::Source(span) => scope.source.loaded(*span)?,
        Value::Edited(bytes) => bytes,
        Value::Fragments(_) | Value::Sequence(_) => return None,
    };
    let bytes = bytes.strip_suffix(b"\0").unwrap_or(bytes);
    Some(String::from_utf8_lossy(bytes).into_owned())
}

fn trim(dataset: &mut crate::dicom::Dataset, is_private: bool) {
    let mut groups = Vec::new();
    for element in &mut dataset.elements {
        let (group, private) = (element.tag.group(), is_private || element.is_private());
        let Some(sequence) = element.sequence_mut() else {
            continue;
        };
        let was_edited = sequence.is_touched();
        for item in &mut sequence.items {
            trim(&mut item.dataset, private);
        }
        while private
            && was_edited
            && sequence
                .items
                .pop_if(|item| item.dataset.elements.is_empty() && item.dataset.is_touched())
                .is_some()
        {
            sequence.touched = true;
            groups.push(group);
        }
    }
    for group in &groups {
        dataset.touch(*group);
    }
}
