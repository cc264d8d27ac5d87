//! A digest of an instance without its bulk: cheap, since the pixels are never read, and the same for an
//! instance as it is about to be written and for the file that it becomes.
//!
//! SHA-256 over preamble, file meta information and dataset (of a deflated file: what it inflates to), byte
//! for byte, but for each value that is not empty in group 7FE0 (the pixels, of any length) and each value that the parser
//! leaves in the file (OB, OW and their like, and UN without items, of more than 64 KiB; fragments): eight bytes, little endian,
//! of its length stand in its place. So two files with the same digest have the same header and the same
//! length of pixels; what the pixels show, it does not say.

use super::edit::Scope;
use super::instance::Instance;
use super::parse::{is_bulk, starts_with_item};
use super::path::location_text;
use super::source::{Source, Span};
use super::tree::{Dataset, Element, Value};
use dicom_core::VR;
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// SHA-256.
pub type HeaderDigest = [u8; 32];

/// Read at once where a span is not in memory.
const CHUNK: u64 = 64 * 1024;

impl Instance {
    /// Of the file that it was read from. To be asked for before anything is edited.
    ///
    /// # Errors
    /// If the file can't be read any more.
    pub fn digest_as_read(&self) -> io::Result<HeaderDigest> {
        let bulk = self.bulk();
        let mut hasher = Sha256::new();
        hash(
            &mut hasher,
            &self.file,
            Span::new(0, self.dataset_start),
            &[],
        )?;
        let (source, start) = match &self.inflated {
            Some(inflated) => (inflated, 0),
            None => (&self.file, self.dataset_start),
        };
        hash(&mut hasher, source, Span::new(start, source.len()), &bulk)?;
        Ok(hasher.finalize().into())
    }

    /// The values whose length stands for them, in the order of the source.
    pub(super) fn bulk(&self) -> Vec<Span> {
        let mut bulk = Vec::new();
        gather(&self.dataset, self.source(), &mut bulk);
        bulk.sort_by_key(|span| span.start);
        bulk
    }
}

/// Whether a value of that length is told by it alone. An empty one is told by its header: it has no place of
/// its own in the source. `start` answers the first bytes of it.
pub(super) fn is_told_by_length<'a>(
    element: &Element,
    len: u64,
    start: impl FnOnce() -> &'a [u8],
) -> bool {
    let holds_items = || starts_with_item(start());
    len > 0 && (element.tag.group() == 0x7FE0 || is_bulk(element.tag, element.vr, len, holds_items))
}

fn gather(dataset: &Dataset, source: &Source, bulk: &mut Vec<Span>) {
    for element in &dataset.elements {
        match &element.value {
            Value::Source(span) => {
                // The parser looked at as much.
                let start = Span { len: 4, ..*span };
                let start = || source.loaded(start).unwrap_or_default();
                if is_told_by_length(element, span.len, start) {
                    bulk.push(*span);
                }
            }
            Value::Fragments(span) if span.len > 0 => bulk.push(*span),
            Value::Sequence(sequence) => {
                for item in &sequence.items {
                    gather(&item.dataset, source, bulk);
                }
            }
            Value::Fragments(_) | Value::Edited(_) => {}
        }
    }
}

/// A span in parts: what is to be taken as it is, and (true) what is told by its length. `bulk` is sorted.
pub(super) fn parts(span: Span, bulk: &[Span]) -> Vec<(Span, bool)> {
    let mut parts = Vec::new();
    let mut at = span.start;
    let first = bulk.partition_point(|b| b.start < span.start);
    for value in &bulk[first..] {
        if value.end() > span.end() {
            break;
        }
        parts.push((Span::new(at, value.start), false));
        parts.push((*value, true));
        at = value.end();
    }
    parts.push((Span::new(at, span.end()), false));
    parts
}

/// A span of the source; `bulk` is sorted.
pub(super) fn hash(
    hasher: &mut Sha256,
    source: &Source,
    span: Span,
    bulk: &[Span],
) -> io::Result<()> {
    for (part, by_length) in parts(span, bulk) {
        if by_length {
            hasher.update(part.len.to_le_bytes());
        } else if let Some(bytes) = source.loaded(part) {
            hasher.update(bytes);
        } else if let Some(file) = source.handle() {
            hash_file(hasher, file, part)?;
        }
    }
    Ok(())
}

/// A span of a file that may not be in memory.
fn hash_file(hasher: &mut Sha256, file: &File, span: Span) -> io::Result<()> {
    let mut buffer = vec![0; span.len.min(CHUNK) as usize];
    let mut at = span.start;
    while at < span.end() {
        let part = &mut buffer[..(span.end() - at).min(CHUNK) as usize];
        file.read_exact_at(part, at)?;
        hasher.update(&*part);
        at += part.len() as u64;
    }
    Ok(())
}

/// An element at any depth, to be compared with that of another instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    pub path: String,
    pub vr: VR,
    /// SHA-256 of the value's bytes, or of how many items there are; none of pixels that are to be redacted.
    content: Option<HeaderDigest>,
    /// For a reader.
    pub shown: String,
}

impl Told {
    pub fn is_same(&self, other: &Self) -> bool {
        let unknown = self.content.is_none() || other.content.is_none();
        self.path == other.path && self.vr == other.vr && (unknown || self.content == other.content)
    }
}

impl Instance {
    /// Every element of the dataset as it stands, at every depth, in order.
    ///
    /// # Errors
    /// If the file can't be read any more.
    pub fn told(&self, shown: fn(&Element, &Scope<'_>) -> String) -> io::Result<Vec<Told>> {
        let (mut told, mut trouble) = (Vec::new(), None);
        self.walk(&mut |location, element, scope| {
            let redacted = location.len() == 1
                && element.tag == dicom_dictionary_std::tags::PIXEL_DATA
                && self.is_redacted();
            let content = match redacted {
                true => None,
                false => self
                    .content(element)
                    .map_err(|e| trouble.get_or_insert(e).kind())
                    .ok(),
            };
            told.push(Told {
                path: location_text(location).into(),
                vr: element.vr,
                content,
                shown: shown(element, scope),
            });
            true
        });
        match trouble {
            Some(error) => Err(error),
            None => Ok(told),
        }
    }

    fn content(&self, element: &Element) -> io::Result<HeaderDigest> {
        let mut hasher = Sha256::new();
        match &element.value {
            Value::Edited(bytes) => hasher.update(bytes),
            Value::Sequence(sequence) => hasher.update(sequence.items.len().to_le_bytes()),
            Value::Source(span) | Value::Fragments(span) => {
                hash(&mut hasher, self.source(), *span, &[])?;
            }
        }
        Ok(hasher.finalize().into())
    }
}
