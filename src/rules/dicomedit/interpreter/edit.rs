//! Edits that statements and functions share, each in one walk of the dataset.

use super::{Run, Step, Stop};
use crate::dicom::edit::{Change, Reach, Wanted};
use crate::dicom::path::Pattern;
use crate::rules::dicomedit::matcher::Matcher;
use crate::rules::dicomedit::syntax::TagPath;
use crate::rules::position::Position;

impl Run<'_> {
    pub(in crate::rules::dicomedit) fn assign(
        &mut self,
        path: &Pattern,
        text: &str,
        action: &'static str,
    ) -> Step<()> {
        self.host.set_position(Some(self.at));
        let assigned = self.host.assign(path, text, action);
        self.edited(assigned)
    }

    /// Removes all that is asked for, but the creators of private blocks.
    pub(in crate::rules::dicomedit) fn delete(&mut self, matcher: &Matcher) -> Step<()> {
        self.remove(matcher, false)
    }

    pub(in crate::rules::dicomedit) fn remove(
        &mut self,
        matcher: &Matcher,
        with_creators: bool,
    ) -> Step<()> {
        let wanted = |tag| matcher.may_end_in(tag);
        self.note_any_depth(matcher);
        let removed = self.host.change(
            reach(matcher, &wanted),
            matcher.in_meta(),
            &mut |location, element, _| {
                let is_creator = element.is_private() && element.tag.element() <= 0xFF;
                match matcher.find(location) {
                    Some(at) if with_creators || !is_creator => {
                        (Change::Remove, "remove", Some(at))
                    }
                    _ => (Change::Keep, "", None),
                }
            },
        );
        self.edited(removed.map(drop))
    }

    fn note_any_depth(&mut self, matcher: &Matcher) {
        let mut patterns = matcher.patterns().iter();
        if patterns.any(|(_, pattern)| pattern.is_any_depth()) {
            self.host.note_any_depth();
        }
    }

    /// Gives each leaf that matches exactly, creators left out, the text that `map` makes of its own.
    pub(in crate::rules::dicomedit) fn change_leaves(
        &mut self,
        matcher: &Matcher,
        action: &'static str,
        map: &mut dyn FnMut(Option<String>, crate::dicom::VR) -> Result<Option<String>, String>,
        at: Position,
    ) -> Step<()> {
        let mut wrong = None;
        let wanted = |tag| matcher.may_end_in(tag);
        self.note_any_depth(matcher);
        let changed = self.host.change(
            reach(matcher, &wanted),
            matcher.in_meta(),
            &mut |location, element, scope| {
                let kept = (Change::Keep, "", None);
                let is_creator = element.is_private() && element.tag.element() <= 0xFF;
                let is_leaf = element.sequence().is_none();
                if wrong.is_some() || is_creator || !is_leaf || matcher.find(location).is_none() {
                    return kept;
                }
                let vr = crate::dicom::value::known_vr(element.tag, element.vr);
                match map(crate::rules::host::content(element, scope), vr) {
                    Ok(Some(text)) => (Change::AsGiven(text), action, Some(at)),
                    Ok(None) => kept,
                    Err(message) => {
                        wrong = Some(message);
                        kept
                    }
                }
            },
        );
        self.edited(changed.map(drop))?;
        match wrong {
            Some(message) => Err(self.failed(message)),
            None => Ok(()),
        }
    }

    pub(in crate::rules::dicomedit) fn matcher<'p>(
        &self,
        paths: impl IntoIterator<Item = &'p TagPath>,
    ) -> Step<Matcher> {
        let at = self.at;
        Matcher::new(paths.into_iter().map(|path| (at, path)))
            .map_err(|(at, message)| Stop::Failed(at, message))
    }
}

fn reach<'r>(matcher: &Matcher, wanted: &'r dyn Fn(crate::dicom::Tag) -> bool) -> Reach<'r> {
    match matcher.is_top() {
        true => Reach::Top(Wanted::Those(wanted)),
        false => Reach::Anywhere(Wanted::Those(wanted)),
    }
}
