//! Sequences that are not declared to be one: in private elements of implicit VR, or passed on as UN or worse.

use super::Parser;
use crate::dicom::ReadError;
use crate::dicom::dictionary;
use crate::dicom::source::Span;
use crate::dicom::tree::{Encoding, Sequence};
use dicom_core::{Tag, VR};

/// Whether the standard has it as a sequence, whatever its VR here.
pub(in crate::dicom) fn is_sequence(tag: Tag) -> bool {
    tag.group().is_multiple_of(2) && dictionary::vr_of(tag) == Some(VR::SQ)
}

/// Whether a value of another VR than SQ may be a sequence (PS3.5 6.2.2).
pub(in crate::dicom) fn starts_with_item(value: &[u8]) -> bool {
    Start::of(value).is_some()
}

/// The byte order in which a value starts with an item, or with the delimiter behind items.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    Little,
    Big,
}

impl Start {
    pub(super) fn of(value: &[u8]) -> Option<Self> {
        match value {
            [0xFE, 0xFF, 0x00 | 0xDD, 0xE0, ..] => Some(Self::Little),
            [0xFF, 0xFE, 0xE0, 0x00 | 0xDD, ..] => Some(Self::Big),
            _ => None,
        }
    }
}

impl Parser<'_> {
    /// A value of another VR than SQ that looks like items: in a private element of implicit VR, or a sequence
    /// that somebody who didn't know the tag passed on, as UN or worse. It counts as one if it parses to its last
    /// byte, but for a delimiter, which belongs to an undefined length, and for zeros that fill it up.
    pub(super) fn hidden_sequence(
        &mut self,
        start: Start,
        encoding: Encoding,
        span: Span,
    ) -> Option<Sequence> {
        let tries: &[Encoding] = match (start, encoding) {
            (Start::Little, Encoding::ExplicitLittle) => {
                &[Encoding::ImplicitLittle, Encoding::ExplicitLittle]
            }
            (Start::Little, _) => &[Encoding::ImplicitLittle],
            // PS3.5 6.2.2 note 2 has UN in little endian; some writers swap no bytes.
            (Start::Big, Encoding::ExplicitBig) => &[Encoding::ExplicitBig],
            (Start::Big, _) => &[],
        };
        for encoding in tries {
            let mut inner = Parser {
                depth: self.depth,
                nodes: self.nodes,
                ..Parser::new(self.source, span.start)
            };
            let sequence = inner.items(*encoding, Some(span.end()), true);
            let is_whole = inner.at == span.end();
            // Counted whether or not it is one: each level could be tried twice, and so each below it.
            self.nodes = inner.nodes;
            if let Some(sequence) = sequence.ok().filter(|_| is_whole) {
                self.at = span.end();
                return Some(sequence);
            }
        }
        None
    }

    /// Whether nothing is left up to `end` but the delimiter of a sequence, zeros, or both.
    pub(super) fn only_tail_follows(
        &mut self,
        encoding: Encoding,
        end: u64,
    ) -> Result<bool, ReadError> {
        let head = self.source.load(Span {
            start: self.at,
            len: (end - self.at).min(8),
        })?;
        let delimiter: [u8; 8] = match encoding {
            Encoding::ExplicitBig => [0xFF, 0xFE, 0xE0, 0xDD, 0, 0, 0, 0],
            _ => [0xFE, 0xFF, 0xDD, 0xE0, 0, 0, 0, 0],
        };
        let padding = match head {
            delimited if delimited == delimiter => Span::new(self.at + 8, end),
            zeros if zeros.iter().all(|byte| *byte == 0) => Span::new(self.at, end),
            _ => return Ok(false),
        };
        Ok(self.source.first_nonzero(padding)?.is_none())
    }
}
