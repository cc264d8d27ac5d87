//! Paths to elements and patterns over them, as rule authors type them: keywords and tags, nested items,
//! private creators, wildcards. The grammar stands in `plugins/wit/rules.wit`.
//!
//! A pattern is matched against a [`Location`], the way from the top of a dataset to one element.

use super::dictionary;
use dicom_core::Tag;
use std::borrow::Cow;
use std::fmt::{self, Write};
use std::sync::Arc;

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

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TagPattern {
    Exact(Tag),
    Digits {
        group: [Digit; 4],
        element: [Digit; 4],
    },
    /// Group, creator, and the last two digits of the element, whatever block the creator has.
    Private {
        group: [Digit; 4],
        creator: Arc<str>,
        element: [Digit; 2],
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Digit {
    Exact(u8),
    Any,
    Even,
    Odd,
}

impl Digit {
    fn parse(c: char) -> Option<Self> {
        Some(match c {
            'X' | 'x' => Self::Any,
            '@' => Self::Even,
            '#' => Self::Odd,
            _ => Self::Exact(c.to_digit(16)? as u8),
        })
    }

    fn matches(self, nibble: u8) -> bool {
        match self {
            Self::Exact(digit) => digit == nibble,
            Self::Any => true,
            Self::Even => nibble.is_multiple_of(2),
            Self::Odd => nibble % 2 == 1,
        }
    }
}

/// Why a path can't be parsed; the text names the path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{path}`: {why}")]
pub struct PathError {
    pub path: String,
    pub why: String,
}

impl Pattern {
    /// Parses a path or a pattern.
    ///
    /// # Errors
    /// What can't be understood, with a near keyword where one is misspelt.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        let fail = |why: String| PathError {
            path: text.to_owned(),
            why,
        };
        let parts = split_steps(text);
        let mut steps = Vec::with_capacity(parts.len());
        for (index, part) in parts.iter().enumerate() {
            let last = index + 1 == parts.len();
            match *part {
                "*" => steps.push(Step::AnyDepth),
                "+" => steps.extend([Step::OneLevel, Step::AnyDepth]),
                "." => steps.push(Step::OneLevel),
                part => steps.push(parse_element(part, last).map_err(fail)?),
            }
        }
        // `*` twice is `*` once; kept single so that nothing is visited twice.
        steps.dedup_by(|a, b| *a == Step::AnyDepth && *b == Step::AnyDepth);
        if !matches!(steps.last(), Some(Step::Element { .. })) {
            return Err(fail(
                "must end in an element, such as `*/PatientName`".into(),
            ));
        }
        Ok(Self {
            steps,
            text: text.to_owned(),
        })
    }

    /// The same, for one element: no wildcards.
    ///
    /// # Errors
    /// As [`Pattern::parse`], and for a pattern.
    pub fn parse_path(text: &str) -> Result<Self, PathError> {
        let pattern = Self::parse(text)?;
        pattern.as_path()?;
        Ok(pattern)
    }

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

impl TagPattern {
    fn is_exact(&self) -> bool {
        let exact = |digits: &[Digit]| digits.iter().all(|d| matches!(d, Digit::Exact(_)));
        match self {
            Self::Exact(_) => true,
            Self::Digits { .. } => false,
            Self::Private { group, element, .. } => exact(group) && exact(element),
        }
    }

    pub(super) fn matches(&self, place: &Place) -> bool {
        match self {
            Self::Exact(tag) => *tag == place.tag,
            Self::Digits { group, element } => {
                digits_match(group, place.tag.group()) && digits_match(element, place.tag.element())
            }
            Self::Private {
                group,
                creator,
                element,
            } => {
                place.creator.as_deref() == Some(&**creator)
                    && digits_match(group, place.tag.group())
                    && digits_match(element, place.tag.element() & 0xFF)
            }
        }
    }

    /// Whether it is this tag, whoever reserved its block.
    fn may_be(&self, tag: Tag) -> bool {
        match self {
            Self::Exact(exact) => *exact == tag,
            Self::Digits { group, element } => {
                digits_match(group, tag.group()) && digits_match(element, tag.element())
            }
            Self::Private { group, element, .. } => {
                digits_match(group, tag.group()) && digits_match(element, tag.element() & 0xFF)
            }
        }
    }

    fn may_be_in_group(&self, group: u16) -> bool {
        match self {
            Self::Exact(tag) => tag.group() == group,
            Self::Digits { group: digits, .. } | Self::Private { group: digits, .. } => {
                digits_match(digits, group)
            }
        }
    }

    /// The tag itself; for a private one with the block left at 0.
    pub(super) fn nominal(&self) -> (Tag, Option<Arc<str>>) {
        match self {
            Self::Exact(tag) => (*tag, None),
            Self::Digits { group, element } => (Tag(number(group), number(element)), None),
            Self::Private {
                group,
                creator,
                element,
            } => (Tag(number(group), number(element)), Some(creator.clone())),
        }
    }
}

fn number(digits: &[Digit]) -> u16 {
    digits.iter().fold(0, |number, digit| {
        let nibble = match digit {
            Digit::Exact(nibble) => u16::from(*nibble),
            _ => 0,
        };
        number << 4 | nibble
    })
}

fn digits_match(digits: &[Digit], number: u16) -> bool {
    let last = digits.len() - 1;
    digits
        .iter()
        .enumerate()
        .all(|(i, digit)| digit.matches((number >> (4 * (last - i)) & 0xF) as u8))
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

/// Splits at `/`, but not inside braces.
fn split_steps(text: &str) -> Vec<&str> {
    let mut depth = 0u32;
    text.split(|c| {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == '/' && depth == 0
    })
    .map(str::trim)
    .collect()
}

fn parse_element(part: &str, last: bool) -> Result<Step, String> {
    if part.is_empty() {
        return Err("has an empty step".into());
    }
    let (name, items) = match part.strip_suffix(']').and_then(|p| p.rsplit_once('[')) {
        Some((name, "%")) => (name, Items::Every),
        Some((name, index)) => {
            let index = index
                .parse()
                .map_err(|_| format!("`[{index}]` is neither an item's number nor `[%]`"))?;
            (name, Items::Index(index))
        }
        None => (part, Items::Unsaid),
    };
    if last && items != Items::Unsaid {
        return Err("an item's number must be followed by an element in it".into());
    }
    let tag = match name.strip_prefix('(') {
        Some(rest) => {
            let inner = rest.strip_suffix(')').ok_or("a tag must end in `)`")?;
            parse_tag(inner)?
        }
        None => TagPattern::Exact(dictionary::tag_of(name).ok_or_else(|| {
            match dictionary::nearest_keyword(name) {
                Some(near) => format!("there is no keyword `{name}`, did you mean `{near}`?"),
                None => format!("there is no keyword `{name}` in PS3.6"),
            }
        })?),
    };
    Ok(Step::Element { tag, items })
}

/// `gggg,eeee` or `gggg,{creator}ee`.
fn parse_tag(inner: &str) -> Result<TagPattern, String> {
    let (group, element) = inner
        .split_once(',')
        .ok_or("a tag has the form (gggg,eeee)")?;
    let group: [Digit; 4] = parse_digits(group.trim())?;
    let element = element.trim();
    if let Some(rest) = element.strip_prefix('{') {
        let (creator, offset) = rest
            .rsplit_once('}')
            .ok_or("a private creator must end in `}`")?;
        if creator.trim().is_empty() {
            return Err("the private creator is empty".into());
        }
        let odd = match group[3] {
            Digit::Exact(digit) => digit % 2 == 1,
            Digit::Odd | Digit::Any => true,
            Digit::Even => false,
        };
        if !odd {
            return Err("a private creator goes with an odd group (PS3.5 7.8)".into());
        }
        return Ok(TagPattern::Private {
            group,
            creator: creator.trim().into(),
            element: parse_digits(offset.trim())?,
        });
    }
    let element: [Digit; 4] = parse_digits(element)?;
    let exact = group
        .iter()
        .chain(&element)
        .all(|d| matches!(d, Digit::Exact(_)));
    Ok(match exact {
        true => TagPattern::Exact(Tag(number(&group), number(&element))),
        false => TagPattern::Digits { group, element },
    })
}

fn parse_digits<const N: usize>(text: &str) -> Result<[Digit; N], String> {
    let digits: Option<Vec<Digit>> = text.chars().map(Digit::parse).collect();
    digits
        .and_then(|digits| digits.try_into().ok())
        .ok_or_else(|| format!("`{text}` is not {N} hexadecimal digits (or X any, @ even, # odd)"))
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

    #[test]
    fn errors_say_what_and_offer_a_near_keyword() {
        let why = |text| Pattern::parse(text).expect_err(text).why;
        assert_eq!(
            why("PatientNam"),
            "there is no keyword `PatientNam`, did you mean `PatientName`?"
        );
        assert_eq!(
            why("(0010,00)"),
            "`00` is not 4 hexadecimal digits (or X any, @ even, # odd)"
        );
        assert_eq!(why("*"), "must end in an element, such as `*/PatientName`");
        assert_eq!(
            why("(0010,{ACME}01)"),
            "a private creator goes with an odd group (PS3.5 7.8)"
        );
        assert_eq!(
            why("PatientName[x]/PatientID"),
            "`[x]` is neither an item's number nor `[%]`"
        );
    }
}
