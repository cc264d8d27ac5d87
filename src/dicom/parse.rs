//! From bytes to the tree: element headers are decoded by dicom-rs, spans and nesting are kept here.
//!
//! Pixel Data and other bulk is skipped by its length or its fragments, and what follows is header again.

mod encoding;
mod header;
mod hidden;

use super::ReadError;
use super::sign;
use super::source::{Source, Span};
use super::tree::{Dataset, Element, Encoding, Item, Sequence, Value};
use super::value::known_vr;
use dicom_core::header::{DataElementHeader, HasLength, Header};
use dicom_core::{Tag, VR};
use hidden::Start;

pub(super) use hidden::{is_sequence, starts_with_item};

const ITEM: Tag = Tag(0xFFFE, 0xE000);
const ITEM_END: Tag = Tag(0xFFFE, 0xE00D);
const SEQUENCE_END: Tag = Tag(0xFFFE, 0xE0DD);
const UNDEFINED: u32 = 0xFFFF_FFFF;

/// Real instances nest some ten deep (structured reports); a file beyond this is an attack on the stack.
const MAX_DEPTH: usize = 64;

/// Elements and items of one instance. Whole slides have a million in their per-frame sequences; a file of
/// empty elements would take ten times its size in memory.
const MAX_NODES: usize = 4_000_000;

/// Larger values of bulk VRs stay in the file.
const BULK: u64 = 64 * 1024;

/// Parses the dataset from `start` to the end of the source. Answers the encoding that it is in as well:
/// nearly always the declared one.
pub fn dataset(
    source: &mut Source,
    declared: Encoding,
    start: u64,
) -> Result<(Dataset, Encoding), ReadError> {
    let end = source.len();
    let encoding = encoding::actual(source, declared, start, end)?;
    let mut parser = Parser::new(source, start);
    let mut dataset = parser.elements(encoding, Some(end), Stop::AtEnd)?;
    sign::resolve(&mut dataset, source, encoding, false);
    Ok((dataset, encoding))
}

/// Parses the file meta information: group 0002, always explicit VR little endian (PS3.10 7.1).
/// Answers the offset at which the dataset starts.
pub fn file_meta(source: &mut Source, start: u64) -> Result<(Dataset, u64), ReadError> {
    let end = source.len();
    let mut parser = Parser::new(source, start);
    let meta = parser.elements(Encoding::ExplicitLittle, Some(end), Stop::AfterGroup2)?;
    Ok((meta, parser.at))
}

#[derive(Clone, Copy, PartialEq)]
enum Stop {
    AtEnd,
    AfterGroup2,
    AtItemDelimiter,
}

struct Parser<'a> {
    source: &'a mut Source,
    at: u64,
    depth: usize,
    nodes: usize,
    /// A byte ahead that is known not to be zero, so that no stretch of zeros is searched twice.
    nonzero: u64,
}

impl<'a> Parser<'a> {
    fn new(source: &'a mut Source, at: u64) -> Self {
        Self {
            source,
            at,
            depth: 0,
            nodes: 0,
            nonzero: 0,
        }
    }
}

impl Parser<'_> {
    fn elements(
        &mut self,
        encoding: Encoding,
        end: Option<u64>,
        stop: Stop,
    ) -> Result<Dataset, ReadError> {
        let mut dataset = Dataset::default();
        while end.is_none_or(|end| self.at < end) {
            let start = self.at;
            if stop == Stop::AfterGroup2 && self.peek_group()? != Some(0x0002) {
                break;
            }
            if stop == Stop::AtEnd && self.depth == 0 && self.only_zeros_follow()? {
                dataset.padding = Span::new(start, self.source.len());
                self.at = dataset.padding.end();
                break;
            }
            let (header, header_len) = self.header(encoding)?;
            if header.tag() == ITEM_END && stop == Stop::AtItemDelimiter {
                self.at += header_len;
                return Ok(dataset);
            }
            if header.tag().group() == 0xFFFE {
                return Err(ReadError::Malformed {
                    at: start,
                    what: "an item or delimiter outside a sequence",
                });
            }
            self.at += header_len;
            let vr = header.vr();
            let value = self.value(&header, encoding, end)?;
            self.count_node()?;
            if self.depth > 0 && end.is_some_and(|end| self.at > end) {
                return Err(ReadError::Malformed {
                    at: start,
                    what: "an element that is longer than its item",
                });
            }
            let tag = header.tag();
            dataset.disordered |= dataset.elements.last().is_some_and(|e| e.tag >= tag);
            dataset.elements.push(Element {
                tag,
                vr,
                span: Span::new(start, self.at),
                value,
            });
        }
        match stop {
            Stop::AtItemDelimiter => Err(ReadError::CutShort {
                at: self.at,
                wanted: 8,
                left: 0,
            }),
            _ => Ok(dataset),
        }
    }

    fn value(
        &mut self,
        header: &DataElementHeader,
        encoding: Encoding,
        end: Option<u64>,
    ) -> Result<Value, ReadError> {
        let len = header.length().0;
        let (tag, vr) = (header.tag(), header.vr());
        if len == UNDEFINED {
            return match vr {
                VR::SQ => self.sequence(encoding, None).map(Value::Sequence),
                // PS3.5 6.2.2 note 4: UN of undefined length is a sequence in implicit VR little endian.
                VR::UN => self
                    .sequence(Encoding::ImplicitLittle, None)
                    .map(Value::Sequence),
                // PS3.5 A.4: only pixels come in fragments. What is a sequence otherwise is told by the dictionary.
                VR::OB | VR::OW if is_sequence(tag) => {
                    self.sequence(encoding, None).map(Value::Sequence)
                }
                VR::OB | VR::OW => self.fragments().map(Value::Fragments),
                _ => Err(ReadError::Malformed {
                    at: self.at,
                    what: "an undefined length where none is allowed",
                }),
            };
        }
        let span = Span {
            start: self.at,
            len: u64::from(len),
        };
        if end.is_some_and(|end| span.end() > end) {
            let left = end.unwrap_or_default().saturating_sub(span.start);
            return Err(match self.depth {
                0 => ReadError::CutShort {
                    at: span.start,
                    wanted: span.len,
                    left,
                },
                _ => ReadError::Malformed {
                    at: span.start,
                    what: "a value that is longer than its item",
                },
            });
        }
        if vr == VR::SQ {
            return self
                .sequence(encoding, Some(span.end()))
                .map(Value::Sequence);
        }
        if span.end() > self.source.len() {
            let left = self.source.len().saturating_sub(span.start);
            return Err(ReadError::CutShort {
                at: span.start,
                wanted: span.len,
                left,
            });
        }
        // Of a value that may stay in the file no more than its start is looked at.
        let may_hold_items = vr == VR::UN && {
            let start = Span {
                len: span.len.min(4),
                ..span
            };
            starts_with_item(self.source.load(start)?)
        };
        if is_bulk(tag, vr, span.len, || may_hold_items) && !is_sequence(tag) {
            self.at = span.end();
            return Ok(Value::Source(span));
        }
        if let Some(start) = Start::of(self.source.load(span)?)
            && (vr == VR::UN || is_sequence(tag))
            && let Some(sequence) = self.hidden_sequence(start, encoding, span)
        {
            return Ok(Value::Sequence(sequence));
        }
        self.at = span.end();
        Ok(Value::Source(span))
    }

    fn sequence(&mut self, declared: Encoding, end: Option<u64>) -> Result<Sequence, ReadError> {
        self.items(declared, end, false)
    }

    /// Up to `end`, or to a delimiter; in a value that is not declared to be a sequence, both.
    fn items(
        &mut self,
        declared: Encoding,
        end: Option<u64>,
        is_hidden: bool,
    ) -> Result<Sequence, ReadError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(ReadError::TooDeep {
                at: self.at,
                limit: MAX_DEPTH,
            });
        }
        let mut items = Vec::new();
        let mut encoding = declared;
        loop {
            if end.is_some_and(|end| self.at >= end) {
                break;
            }
            if let Some(end) = end
                && is_hidden
                && self.only_tail_follows(declared, end)?
            {
                self.at = end;
                break;
            }
            self.count_node()?;
            let start = self.at;
            let (tag, len) = self.item_header(encoding)?;
            self.at += 8;
            match tag {
                ITEM if len == UNDEFINED => {
                    if items.is_empty() {
                        encoding = self.actual_encoding(declared, end)?;
                    }
                    let dataset = self.elements(encoding, None, Stop::AtItemDelimiter)?;
                    items.push(Item {
                        span: Span::new(start, self.at),
                        undefined: true,
                        dataset,
                        new: false,
                    });
                }
                ITEM => {
                    let item_end = self.at + u64::from(len);
                    if end.is_some_and(|end| item_end > end) {
                        return Err(ReadError::Malformed {
                            at: start,
                            what: "an item that is longer than its sequence",
                        });
                    }
                    if items.is_empty() {
                        encoding = self.actual_encoding(declared, Some(item_end))?;
                    }
                    let dataset = self.elements(encoding, Some(item_end), Stop::AtEnd)?;
                    items.push(Item {
                        span: Span::new(start, self.at),
                        undefined: false,
                        dataset,
                        new: false,
                    });
                }
                SEQUENCE_END if end.is_none() => break,
                _ => {
                    return Err(ReadError::Malformed {
                        at: start,
                        what: "something else than an item in a sequence",
                    });
                }
            }
        }
        if end.is_some_and(|end| self.at > end) {
            return Err(ReadError::Malformed {
                at: self.at,
                what: "an item that is longer than its sequence",
            });
        }
        self.depth -= 1;
        Ok(Sequence {
            items,
            undefined: end.is_none(),
            encoding,
            touched: false,
        })
    }

    fn actual_encoding(
        &mut self,
        declared: Encoding,
        end: Option<u64>,
    ) -> Result<Encoding, ReadError> {
        let end = end.unwrap_or(self.source.len());
        encoding::actual(self.source, declared, self.at, end)
    }

    fn count_node(&mut self) -> Result<(), ReadError> {
        self.nodes += 1;
        match self.nodes > MAX_NODES {
            true => Err(ReadError::TooManyNodes { limit: MAX_NODES }),
            false => Ok(()),
        }
    }

    /// Skips encapsulated pixel data (PS3.5 A.4): items, the first an offset table, up to the delimiter.
    fn fragments(&mut self) -> Result<Span, ReadError> {
        let start = self.at;
        loop {
            let at = self.at;
            // Encapsulated transfer syntaxes are all little endian.
            let (tag, len) = self.item_header(Encoding::ExplicitLittle)?;
            self.at += 8;
            match tag {
                ITEM if len != UNDEFINED => {
                    let end = self.at + u64::from(len);
                    if end > self.source.len() {
                        let left = self.source.len() - self.at;
                        return Err(ReadError::CutShort {
                            at: self.at,
                            wanted: u64::from(len),
                            left,
                        });
                    }
                    self.at = end;
                }
                SEQUENCE_END => return Ok(Span::new(start, self.at)),
                _ => {
                    return Err(ReadError::Malformed {
                        at,
                        what: "something else than a fragment in pixel data",
                    });
                }
            }
        }
    }

    /// Some writers fill the file up with zeros: to a block, or for megabytes.
    fn only_zeros_follow(&mut self) -> Result<bool, ReadError> {
        let rest = Span::new(self.at, self.source.len());
        let first = self.source.load(Span {
            start: rest.start,
            len: rest.len.min(4),
        })?;
        if first.iter().any(|b| *b != 0) || self.at <= self.nonzero {
            return Ok(false);
        }
        match self.source.first_nonzero(rest)? {
            Some(at) => {
                self.nonzero = at;
                Ok(false)
            }
            None => Ok(true),
        }
    }
}

/// Values that no rule reads as text, that may be as large as the file, and that are large. In implicit VR all that is
/// private has VR UN, bulk too; but one that holds items is searched for what is in them.
pub(super) fn is_bulk(tag: Tag, vr: VR, len: u64, holds_items: impl FnOnce() -> bool) -> bool {
    if len <= BULK {
        return false;
    }
    match known_vr(tag, vr) {
        _ if tag.group() == 0x7FE0 => true,
        VR::OB | VR::OW | VR::OD | VR::OF | VR::OL | VR::OV | VR::UN => {
            vr != VR::UN || !holds_items()
        }
        _ => false,
    }
}
