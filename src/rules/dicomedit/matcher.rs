//! Many paths against one walk: those that end in a known tag are looked up, not tried in turn.

use super::syntax::{End, TagPath};
use crate::dicom::edit::{is_protected, is_protected_below};
use crate::dicom::path::{Location, Pattern};
use crate::dicom::{Tag, tags};
use crate::rules::position::Position;
use std::collections::HashMap;

#[derive(Debug, Clone, Default)]
pub struct Matcher {
    patterns: Vec<(Position, Pattern)>,
    by_tag: HashMap<Tag, Vec<usize>>,
    others: Vec<usize>,
    is_top: bool,
    in_meta: bool,
}

impl Matcher {
    /// Of paths as deletions mean them: a number behind the last tag stands for all that is in that item.
    ///
    /// # Errors
    /// A path to what Sluice keeps itself.
    pub fn new<'a>(
        paths: impl IntoIterator<Item = (Position, &'a TagPath)>,
    ) -> Result<Self, (Position, String)> {
        let mut matcher = Self {
            is_top: true,
            ..Self::default()
        };
        for (position, path) in paths {
            check_kept(path).map_err(|message| (position, message))?;
            let pattern = match path.end {
                End::Element | End::EveryItem => path.pattern.clone(),
                End::Item(number) => {
                    let content = format!("{}[{number}]/(XXXX,XXXX)", path.pattern);
                    Pattern::parse(&content).map_err(|error| (position, error.to_string()))?
                }
            };
            let index = matcher.patterns.len();
            match pattern.last_tag() {
                Some(tag) => matcher.by_tag.entry(tag).or_default().push(index),
                None => matcher.others.push(index),
            }
            matcher.is_top &= pattern.is_top();
            matcher.in_meta |= pattern.may_be_in_meta();
            matcher.patterns.push((position, pattern));
        }
        Ok(matcher)
    }

    /// Those of both, one after the other.
    pub fn join(&mut self, other: Self) {
        let before = self.patterns.len();
        self.patterns.extend(other.patterns);
        for (tag, indexes) in other.by_tag {
            let own = self.by_tag.entry(tag).or_default();
            own.extend(indexes.iter().map(|index| index + before));
        }
        self.others
            .extend(other.others.iter().map(|index| index + before));
        self.is_top &= other.is_top;
        self.in_meta |= other.in_meta;
    }

    pub fn patterns(&self) -> &[(Position, Pattern)] {
        &self.patterns
    }

    /// The lines of the script on which they stand.
    pub fn lines(&self) -> impl Iterator<Item = usize> {
        self.patterns.iter().map(|(position, _)| position.line)
    }

    /// Where the script asks for what stands there, if it does.
    pub fn find(&self, location: &Location) -> Option<Position> {
        let tag = location.last()?.tag;
        let by_tag = self.by_tag.get(&tag).into_iter().flatten();
        let found = by_tag.chain(&self.others).find(|index| {
            let (_, pattern) = &self.patterns[**index];
            pattern.matches(location)
        })?;
        Some(self.patterns[*found].0)
    }

    /// Whether something that is asked for may have this tag.
    pub fn may_end_in(&self, tag: Tag) -> bool {
        self.by_tag.contains_key(&tag)
            || (self.others.iter()).any(|index| self.patterns[*index].1.may_end_in(tag))
    }

    /// Whether it asks for the top level alone.
    pub fn is_top(&self) -> bool {
        self.is_top
    }

    /// Whether it may ask for file meta information.
    pub fn in_meta(&self) -> bool {
        self.in_meta
    }
}

/// What no script may change: the character set that all text is in, the transfer syntax, and the pixels; those of an
/// item may go with it.
///
/// # Errors
/// That it is one of them.
pub fn check_kept(path: &TagPath) -> Result<(), String> {
    let Some(tag) = path.pattern.last_tag() else {
        return Ok(());
    };
    let may_be_at_top = path.pattern.plain_tag().is_some();
    let is_kept = match tag.group() {
        2 => tag == tags::TRANSFER_SYNTAX_UID,
        _ if may_be_at_top => tag.element() != 0 && is_protected(tag),
        _ => tag.element() != 0 && is_protected_below(tag),
    };
    match is_kept {
        true => Err(format!(
            "{}: Sluice keeps {tag} itself, and no script may change it: the encoding of the file would not follow",
            path.text
        )),
        false => Ok(()),
    }
}
