//! What a step of a pattern says of a tag: its digits, and who reserved its block.

use super::Place;
use dicom_core::Tag;
use std::sync::Arc;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::dicom) enum TagPattern {
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
pub(in crate::dicom) enum Digit {
    Exact(u8),
    Any,
    Even,
    Odd,
}

impl TagPattern {
    pub(super) fn is_exact(&self) -> bool {
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
    pub(super) fn may_be(&self, tag: Tag) -> bool {
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

    pub(super) fn may_be_in_group(&self, group: u16) -> bool {
        match self {
            Self::Exact(tag) => tag.group() == group,
            Self::Digits { group: digits, .. } | Self::Private { group: digits, .. } => {
                digits_match(digits, group)
            }
        }
    }

    /// The tag itself; for a private one with the block left at 0.
    pub(in crate::dicom) fn nominal(&self) -> (Tag, Option<Arc<str>>) {
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

impl Digit {
    pub(super) fn parse(c: char) -> Option<Self> {
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

pub(super) fn number(digits: &[Digit]) -> u16 {
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
