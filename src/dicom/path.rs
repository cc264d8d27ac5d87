//! Paths to elements and patterns over them, as rule authors type them: keywords and tags, nested items,
//! private creators, wildcards. The grammar stands in `plugins/wit/rules.wit`.
//!
//! A pattern is matched against a [`Location`], the way from the top of a dataset to one element.

mod parse;
mod tag;

use super::dictionary;
use dicom_core::Tag;
use std::borrow::Cow;
use std::fmt::{self, Write};
use std::sync::Arc;

pub(super) use tag::TagPattern;

/// One step of a [`Location`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub tag: Tag,
    /// Who reserved the private block (PS3.5 7.8.1), where it is known.
    pub creator: Option<Arc<str>>,
    /// The item that the location goes on in; none in its last step.
    pub item: Option<u32>,
}

/// From the top of the dataset to one element.
pub type Location = [Place];

/// A path or pattern that parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    pub(super) steps: Vec<Step>,
    text: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// `*`: any depth, none included.
    AnyDepth,
    /// `.`: exactly one level. `+` is parsed as `.` and `*`.
    OneLevel,
    Element {
        tag: TagPattern,
        items: Items,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Items {
    /// The first in a path, every one in a pattern.
    Unsaid,
    Every,
    Index(u32),
}

/// Why a path can't be parsed; the text names the path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{path}`: {why}")]
pub struct PathError {
    pub path: String,
    pub why: String,
}

impl Pattern {
    /// Itself, if it names one element.
    ///
    /// # Errors
    /// For a pattern.
    pub fn as_path(&self) -> Result<&Self, PathError> {
        if self.is_path() {
            return Ok(self);
        }
        Err(PathError {
            path: self.text.clone(),
            why: "holds wildcards where one element is asked for".into(),
        })
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it names one element: no wildcards.
    pub fn is_path(&self) -> bool {
        self.steps.iter().all(|step| match step {
            Step::AnyDepth | Step::OneLevel => false,
            Step::Element { tag, items } => tag.is_exact() && *items != Items::Every,
        })
    }

    /// Whether what it leads to may have this tag.
    pub fn may_end_in(&self, tag: Tag) -> bool {
        match self.steps.last() {
            Some(Step::Element { tag: last, .. }) => last.may_be(tag),
            _ => true,
        }
    }

    /// The tag, if the pattern is that tag at any depth (`*/X`): true, or at the top (`X`): false.
    pub fn plain_tag(&self) -> Option<(Tag, bool)> {
        match self.steps.as_slice() {
            [
                Step::Element {
                    tag: TagPattern::Exact(tag),
                    ..
                },
            ] => Some((*tag, false)),
            [
                Step::AnyDepth,
                Step::Element {
                    tag: TagPattern::Exact(tag),
                    ..
                },
            ] => Some((*tag, true)),
            _ => None,
        }
    }

    /// The tag that it ends in, if that has no wildcards and needs no creator.
    pub fn last_tag(&self) -> Option<Tag> {
        match self.steps.last() {
            Some(Step::Element {
                tag: TagPattern::Exact(tag),
                ..
            }) => Some(*tag),
            _ => None,
        }
    }

    /// Whether it leads into sequences that it does not name.
    pub fn is_any_depth(&self) -> bool {
        let is_wild = |step: &Step| matches!(step, Step::AnyDepth | Step::OneLevel);
        self.steps.iter().any(is_wild)
    }

    /// Whether it leads to the top level alone.
    pub fn is_top(&self) -> bool {
        matches!(self.steps.as_slice(), [Step::Element { .. }])
    }

    /// Whether it may lead into the file meta information (PS3.10 7.1).
    pub fn may_be_in_meta(&self) -> bool {
        match self.steps.as_slice() {
            [Step::AnyDepth, Step::Element { tag, .. }] | [Step::Element { tag, .. }] => {
                tag.may_be_in_group(2)
            }
            _ => false,
        }
    }

    /// Whether it leads there.
    pub(super) fn is_in_meta(&self) -> bool {
        matches!(self.steps.first(), Some(Step::Element { tag: TagPattern::Exact(tag), .. }) if tag.group() == 2)
    }

    pub fn matches(&self, location: &Location) -> bool {
        matches_from(&self.steps, location)
    }

    /// Where the path would lead, for what need not be there: to check it against a declaration.
    pub fn location(&self) -> Vec<Place> {
        let place = |step: &Step| match step {
            Step::Element { tag, items } => {
                let item = match items {
                    Items::Index(index) => *index,
                    Items::Unsaid | Items::Every => 0,
                };
                let (tag, creator) = tag.nominal();
                Place {
                    tag,
                    creator,
                    item: Some(item),
                }
            }
            Step::AnyDepth | Step::OneLevel => Place {
                tag: Tag(0, 0),
                creator: None,
                item: Some(0),
            },
        };
        let mut places: Vec<Place> = self.steps.iter().map(place).collect();
        if let Some(last) = places.last_mut() {
            last.item = None;
        }
        places
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn matches_from(steps: &[Step], location: &Location) -> bool {
    match (steps.split_first(), location.split_first()) {
        (None, None) => true,
        (Some((Step::AnyDepth, rest)), _) => {
            matches_from(rest, location)
                || (location.len() > 1 && matches_from(steps, &location[1..]))
        }
        (Some((Step::OneLevel, rest)), Some((_, below))) => {
            location.len() > 1 && matches_from(rest, below)
        }
        (Some((Step::Element { tag, items }, rest)), Some((place, below))) => {
            let item_fits = match (items, place.item) {
                (Items::Index(wanted), Some(item)) => *wanted == item,
                _ => true,
            };
            // An element of a pattern also stands for what is below it only where the pattern goes on.
            item_fits && tag.matches(place) && matches_from(rest, below)
        }
        _ => false,
    }
}

/// A location as a path that leads there.
pub fn location_text(location: &Location) -> Cow<'static, str> {
    if let [place] = location
        && place.item.is_none()
        && let Some(keyword) = dictionary::own_keyword_of(place.tag)
    {
        return keyword.into();
    }
    let mut text = String::with_capacity(16);
    for place in location {
        if !text.is_empty() {
            text.push('/');
        }
        // Writing to a String does not fail.
        _ = match dictionary::own_keyword_of(place.tag) {
            Some(keyword) => text.write_str(keyword),
            None => write!(
                text,
                "({:04X},{:04X})",
                place.tag.group(),
                place.tag.element()
            ),
        };
        if let Some(item) = place.item {
            _ = write!(text, "[{item}]");
        }
    }
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(group: u16, element: u16, item: Option<u32>) -> Place {
        Place {
            tag: Tag(group, element),
            creator: None,
            item,
        }
    }

    #[test]
    fn patterns_match_the_locations_they_name() {
        let top = [place(0x0010, 0x1040, None)];
        let deep = [place(0x0040, 0x0275, Some(1)), place(0x0010, 0x1040, None)];
        let cases = [
            ("(0010,1040)", true, false),
            ("PatientAddress", true, false),
            ("*/PatientAddress", true, true),
            ("+/PatientAddress", false, true),
            ("./PatientAddress", false, true),
            ("././PatientAddress", false, false),
            ("RequestAttributesSequence/PatientAddress", false, true),
            ("RequestAttributesSequence[1]/PatientAddress", false, true),
            ("RequestAttributesSequence[0]/PatientAddress", false, false),
            ("(0040,0275)[%]/(0010,104X)", false, true),
            ("(00@0,#040)", false, false),
            ("(00#0,#040)", true, false),
        ];
        for (pattern, matches_top, matches_deep) in cases {
            let pattern = Pattern::parse(pattern).expect(pattern);
            assert_eq!(
                (pattern.matches(&top), pattern.matches(&deep)),
                (matches_top, matches_deep),
                "{pattern}"
            );
        }
    }

    #[test]
    fn private_patterns_go_by_creator_whatever_the_block() {
        let pattern =
            Pattern::parse("(0019,{SIEMENS MR/HEADER}0C)").expect("braces may hold a slash");
        let mut place = place(0x0019, 0x110C, None);
        assert!(!pattern.matches(std::slice::from_ref(&place)));
        place.creator = Some("SIEMENS MR/HEADER".into());
        assert!(pattern.matches(&[place]));
    }
}
