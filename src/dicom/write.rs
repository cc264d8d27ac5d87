//! Writing by splicing: untouched nodes are copied as the bytes they came from, edited ones are encoded
//! in the file's own style, and of their ancestors only the lengths change. Pixels go from file to file
//! in the kernel.

use super::SourceError;
use super::digest::{HeaderDigest, hash_file, is_told_by_length, parts};
use super::instance::Instance;
use super::redact::{Redaction, Rewritten};
use super::source::{Source, Span};
use super::tree::{Dataset, Element, Encoding, Item, Sequence, Value};
use super::{Tag, VR, meta};
use crate::failpoint::read_point;
use dicom_dictionary_std::{tags, uids};
use dicom_encoding::transfer_syntax::{Codec, TransferSyntaxIndex};
use dicom_transfer_syntax_registry::TransferSyntaxRegistry;
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;

const UNDEFINED: u32 = 0xFFFF_FFFF;
const ITEM: Tag = Tag(0xFFFE, 0xE000);
const ITEM_END: Tag = Tag(0xFFFE, 0xE00D);
const SEQUENCE_END: Tag = Tag(0xFFFE, 0xE0DD);

/// Spans that are longer are copied by the kernel, even where they happen to be in memory.
const KERNEL_COPY: u64 = 64 * 1024;

/// A stretch of the output.
#[derive(Debug)]
enum Piece {
    Bytes(Vec<u8>),
    /// Of the source file.
    File(Span),
    /// Pixels of the dataset's source, with regions of them black.
    Redacted(Span),
    /// Of a value that is told by its length: only where a digest is made.
    Length(u64),
}

/// The output: pieces, adjacent bytes in one.
#[derive(Debug, Default)]
struct Pieces {
    list: Vec<Piece>,
    len: u64,
}

impl Pieces {
    fn tail(&mut self) -> &mut Vec<u8> {
        if !matches!(self.list.last(), Some(Piece::Bytes(_))) {
            self.list.push(Piece::Bytes(Vec::new()));
        }
        match self.list.last_mut() {
            Some(Piece::Bytes(bytes)) => bytes,
            _ => unreachable!("a piece of bytes was just made sure of"),
        }
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.tail().extend_from_slice(bytes);
        self.len += bytes.len() as u64;
    }

    fn span(&mut self, span: Span, source: &Source) {
        match source.loaded(span) {
            Some(bytes) if span.len <= KERNEL_COPY || source.handle().is_none() => {
                self.bytes(bytes)
            }
            _ => {
                match self.list.last_mut() {
                    Some(Piece::File(last)) if last.end() == span.start => last.len += span.len,
                    _ => self.list.push(Piece::File(span)),
                }
                self.len += span.len;
            }
        }
    }

    fn append(&mut self, other: Pieces) {
        for piece in other.list {
            match piece {
                Piece::Bytes(bytes) => self.tail().extend(bytes),
                piece => self.list.push(piece),
            }
        }
        self.len += other.len;
    }
}

impl Instance {
    /// Writes the instance; answers its length in bytes.
    ///
    /// # Errors
    /// If reading the source or writing fails, if an edited element no longer fits its length field,
    /// or if a de-identified instance lacks the UIDs that its file meta information needs.
    pub fn write(&self, to: &mut File) -> io::Result<u64> {
        let pieces = self.pieces()?;
        for piece in &pieces.list {
            match (piece, self.file.handle()) {
                (Piece::Bytes(bytes), _) => to.write_all(bytes)?,
                (Piece::File(span), Some(from)) => copy(from, *span, to)?,
                (Piece::Redacted(span), _) => {
                    self.redacted(*span, &mut |bytes| to.write_all(bytes))?;
                }
                (Piece::File(_), None) => unreachable!("a source in memory is all loaded"),
                (Piece::Length(_), _) => unreachable!("no digest is made"),
            }
        }
        Ok(pieces.len)
    }

    /// The same to any writer, through a buffer.
    ///
    /// # Errors
    /// As [`Instance::write`].
    pub fn write_to(&self, to: &mut dyn Write) -> io::Result<u64> {
        let pieces = self.pieces()?;
        for piece in &pieces.list {
            match (piece, self.file.handle()) {
                (Piece::Bytes(bytes), _) => to.write_all(bytes)?,
                (Piece::File(span), Some(from)) => {
                    copy_buffered(from, span.start, span.end(), to)?;
                }
                (Piece::Redacted(span), _) => {
                    self.redacted(*span, &mut |bytes| to.write_all(bytes))?;
                }
                (Piece::File(_), None) => unreachable!("a source in memory is all loaded"),
                (Piece::Length(_), _) => unreachable!("no digest is made"),
            }
        }
        Ok(pieces.len)
    }

    /// Of the file that [`Instance::write`] makes.
    ///
    /// # Errors
    /// As [`Instance::write`].
    pub fn digest_as_written(&self) -> io::Result<HeaderDigest> {
        if !self.is_touched() {
            return self.digest_as_read();
        }
        let bulk = self.bulk();
        let splicer = Splicer {
            source: self.source(),
            redacted: self.redacted_pixels(),
            told_by_length: Some(&bulk),
        };
        let mut pieces = self.meta_pieces()?;
        pieces.append(splicer.dataset(&self.dataset, self.encoding)?);
        let mut hasher = Sha256::new();
        for piece in &pieces.list {
            match (piece, self.file.handle()) {
                (Piece::Bytes(bytes), _) => hasher.update(bytes),
                (Piece::Length(len), _) => hasher.update(len.to_le_bytes()),
                (Piece::Redacted(_), _) => unreachable!("a digest tells pixels by their length"),
                (Piece::File(span), Some(from)) => hash_file(&mut hasher, from, *span)?,
                (Piece::File(_), None) => unreachable!("a source in memory is all loaded"),
            }
        }
        Ok(hasher.finalize().into())
    }

    /// Whether regions of its picture are black that were not.
    pub fn is_redacted(&self) -> bool {
        self.redacted_pixels().is_some()
    }

    /// The whole file in memory, for tests and previews.
    ///
    /// # Errors
    /// As [`Instance::write`].
    pub fn to_bytes(&self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.write_to(&mut bytes)?;
        Ok(bytes)
    }

    fn pieces(&self) -> io::Result<Pieces> {
        let mut out = Pieces::default();
        if !self.is_touched() {
            out.span(Span::new(0, self.file.len()), &self.file);
            return Ok(out);
        }
        out.append(self.meta_pieces()?);
        let splicer = Splicer {
            source: self.source(),
            redacted: self.redacted_pixels(),
            told_by_length: None,
        };
        let dataset = splicer.dataset(&self.dataset, self.encoding)?;
        match TransferSyntaxRegistry
            .get(self.written_syntax())
            .map(|ts| ts.codec())
        {
            Some(Codec::Dataset(Some(deflate))) => {
                let mut deflated = Vec::new();
                let mut writer = deflate.adapt_writer(Box::new(&mut deflated));
                for piece in &dataset.list {
                    match piece {
                        Piece::Bytes(bytes) => writer.write_all(bytes)?,
                        Piece::Redacted(span) => {
                            self.redacted(*span, &mut |bytes| writer.write_all(bytes))?;
                        }
                        Piece::File(_) => unreachable!("what was inflated is in memory"),
                        Piece::Length(_) => unreachable!("no digest is made"),
                    }
                }
                writer.flush()?;
                drop(writer);
                // PS3.5 A.5: padded to even length.
                if deflated.len() % 2 == 1 {
                    deflated.push(0);
                }
                out.bytes(&deflated);
            }
            _ => out.append(dataset),
        }
        Ok(out)
    }

    /// What stands before the dataset.
    fn meta_pieces(&self) -> io::Result<Pieces> {
        let mut out = Pieces::default();
        if self.meta.is_touched() && !self.is_de_identified() {
            return self.edited_meta();
        }
        if self.needs_fresh_meta() {
            let uid = |tag| self.text(tag).unwrap_or_default();
            let class = uid(tags::SOP_CLASS_UID);
            out.bytes(&meta::fresh(
                &class,
                &uid(tags::SOP_INSTANCE_UID),
                self.written_syntax(),
            )?);
        } else {
            out.span(Span::new(0, self.dataset_start), &self.file);
        }
        Ok(out)
    }

    fn redacted(&self, span: Span, put: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        match &self.redaction {
            Some(redaction) => redaction.copy(self.source(), span, put),
            None => unreachable!("only a redaction makes such a piece"),
        }
    }

    /// Pixel Data, if regions of it are black.
    fn redacted_pixels(&self) -> Option<Rewritten> {
        let redaction = self.redaction.as_ref()?;
        match self.dataset.get(tags::PIXEL_DATA)?.value {
            Value::Source(span) | Value::Fragments(span) => Some(redaction.rewritten(span)),
            _ => None,
        }
    }

    /// The transfer syntax of the source, unless its pixels are unpacked.
    fn written_syntax(&self) -> &str {
        match self.redaction.as_ref().is_some_and(Redaction::unpacks) {
            true => uids::EXPLICIT_VR_LITTLE_ENDIAN,
            false => &self.transfer_syntax,
        }
    }

    /// When the transfer syntax is another one, when the SOP instance is another one, or a de-identification profile has run (PS3.15 E.1.1):
    /// preamble and file meta information could tell where the source came from.
    fn needs_fresh_meta(&self) -> bool {
        let edited = |tag| self.dataset.get(tag).is_some_and(Element::is_touched);
        self.is_de_identified()
            || self.written_syntax() != self.transfer_syntax
            || edited(tags::SOP_INSTANCE_UID)
            || edited(tags::SOP_CLASS_UID)
            || self.meta.is_touched()
    }

    fn is_de_identified(&self) -> bool {
        let removed = self.dataset.get(tags::PATIENT_IDENTITY_REMOVED);
        removed.is_some_and(Element::is_touched)
            && self.text(tags::PATIENT_IDENTITY_REMOVED).as_deref() == Some("YES")
    }

    /// File meta information that a rule edited: the rest of it stays, and what is told of the dataset is true.
    fn edited_meta(&self) -> io::Result<Pieces> {
        let mut meta = self.meta.clone();
        let instance_uid = self.text(tags::SOP_INSTANCE_UID);
        let told = [
            (
                tags::MEDIA_STORAGE_SOP_CLASS_UID,
                self.text(tags::SOP_CLASS_UID),
            ),
            (tags::MEDIA_STORAGE_SOP_INSTANCE_UID, instance_uid),
            (
                tags::TRANSFER_SYNTAX_UID,
                Some(self.written_syntax().to_owned()),
            ),
        ];
        for (tag, uid) in told {
            let uid = uid.ok_or_else(|| io::Error::other(format!("there is no UID for {tag}")))?;
            let mut bytes = uid.into_bytes();
            // PS3.5 9.1
            if bytes.len() % 2 == 1 {
                bytes.push(0);
            }
            let element = Element {
                tag,
                vr: VR::UI,
                span: Span::default(),
                value: Value::Edited(bytes),
            };
            match meta.position(tag) {
                Ok(at) => meta.elements[at] = element,
                Err(at) => meta.elements.insert(at, element),
            }
        }
        meta.touch(2);
        let splicer = Splicer {
            source: &self.file,
            redacted: None,
            told_by_length: None,
        };
        let mut out = Pieces::default();
        out.bytes(&[0; 128]);
        out.bytes(b"DICM");
        out.append(splicer.dataset(&meta, Encoding::ExplicitLittle)?);
        Ok(out)
    }
}

/// `copy_file_range` where the file systems can, else through a buffer.
fn copy(from: &File, span: Span, to: &mut File) -> io::Result<()> {
    read_point("source.copied").map_err(SourceError::of)?;
    let mut offset = span.start;
    while offset < span.end() {
        let want = usize::try_from(span.end() - offset).unwrap_or(usize::MAX);
        match rustix::fs::copy_file_range(from, Some(&mut offset), &*to, None, want) {
            Ok(0) => {
                return Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "the source became shorter while it was copied",
                ));
            }
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => {}
            Err(
                rustix::io::Errno::XDEV
                | rustix::io::Errno::INVAL
                | rustix::io::Errno::NOSYS
                | rustix::io::Errno::OPNOTSUPP
                // The buffer's way tells which of the two files it is.
                | rustix::io::Errno::IO,
            ) => {
                return copy_buffered(from, offset, span.end(), to);
            }
            Err(e) => return Err(e.into()),
        }
    }
    Ok(())
}

fn copy_buffered(from: &File, mut offset: u64, end: u64, to: &mut dyn Write) -> io::Result<()> {
    let mut buffer = vec![0; 256 * 1024];
    while offset < end {
        let want = (end - offset).min(buffer.len() as u64) as usize;
        let read = from.read_exact_at(&mut buffer[..want], offset);
        read.map_err(SourceError::of)?;
        to.write_all(&buffer[..want])?;
        offset += want as u64;
    }
    Ok(())
}

struct Splicer<'a> {
    source: &'a Source,
    /// The one value that is not copied as it is.
    redacted: Option<Rewritten>,
    /// Where a digest is made: the values of the source that are told by their length, in order.
    told_by_length: Option<&'a [Span]>,
}

impl Splicer<'_> {
    fn span(&self, span: Span, out: &mut Pieces) {
        let Some(bulk) = self.told_by_length else {
            return out.span(span, self.source);
        };
        for (part, by_length) in parts(span, bulk) {
            match by_length {
                true => {
                    out.list.push(Piece::Length(part.len));
                    out.len += part.len;
                }
                false => out.span(part, self.source),
            }
        }
    }

    fn dataset(&self, dataset: &Dataset, encoding: Encoding) -> io::Result<Pieces> {
        let mut out = Pieces::default();
        let mut elements = dataset.elements.iter().peekable();
        while let Some(element) = elements.next() {
            // PS3.5 7.2: a group length counts the bytes behind it, so it follows what changed there.
            if element.tag.element() == 0 && group_is_touched(dataset, element.tag.group()) {
                let mut group = Pieces::default();
                while let Some(member) = elements.next_if(|e| e.tag.group() == element.tag.group())
                {
                    self.element(member, encoding, &mut group)?;
                }
                // A group that was emptied needs no length.
                if group.len == 0 {
                    continue;
                }
                let length = u32::try_from(group.len).map_err(|_| too_long(element.tag))?;
                header(&mut out, element.tag, VR::UL, 4, encoding)?;
                out.bytes(&word(length, encoding));
                out.append(group);
            } else if out.len == 0 && dataset.is_touched() {
                self.first_element(element, encoding, &mut out)?;
            } else {
                self.element(element, encoding, &mut out)?;
            }
        }
        self.span(dataset.padding, &mut out);
        Ok(out)
    }

    /// A reader tells by the first element, and by the length of what follows, whether VRs are written at all.
    /// Where that one has no VR that could be one, it gets UN, so that an edited dataset is read as it was.
    fn first_element(
        &self,
        element: &Element,
        encoding: Encoding,
        out: &mut Pieces,
    ) -> io::Result<()> {
        let Value::Source(value) = element.value else {
            return self.element(element, encoding, out);
        };
        let written = Span {
            start: element.span.start + 4,
            len: 2,
        };
        let is_vr = |vr: &[u8]| vr == [0, 0] || vr.iter().all(u8::is_ascii_uppercase);
        let is_odd = encoding == Encoding::ExplicitLittle
            && element.vr == VR::UN
            && self.source.loaded(written).is_some_and(|vr| !is_vr(vr));
        if !is_odd {
            return self.element(element, encoding, out);
        }
        let length = u32::try_from(value.len).map_err(|_| too_long(element.tag))?;
        header(out, element.tag, VR::UN, length, encoding)?;
        self.span(value, out);
        Ok(())
    }

    fn element(&self, element: &Element, encoding: Encoding, out: &mut Pieces) -> io::Result<()> {
        if let (Value::Source(value) | Value::Fragments(value), Some(redacted)) =
            (&element.value, self.redacted)
            && *value == redacted.span
        {
            let written = match redacted.unpacked {
                Some((vr, len)) => {
                    let length = u32::try_from(len).map_err(|_| too_long(element.tag))?;
                    header(out, element.tag, vr, length, encoding)?;
                    len
                }
                None => {
                    self.span(Span::new(element.span.start, value.start), out);
                    value.len
                }
            };
            out.list.push(match self.told_by_length {
                Some(_) => Piece::Length(written),
                None => Piece::Redacted(*value),
            });
            out.len += written;
            return Ok(());
        }
        if !element.is_touched() {
            self.span(element.span, out);
            return Ok(());
        }
        match &element.value {
            Value::Edited(bytes) => {
                let length = u32::try_from(bytes.len()).map_err(|_| too_long(element.tag))?;
                header(out, element.tag, element.vr, length, encoding)?;
                let len = u64::from(length);
                match self.told_by_length.is_some() && is_told_by_length(element, len) {
                    true => {
                        out.list.push(Piece::Length(len));
                        out.len += len;
                    }
                    false => out.bytes(bytes),
                }
            }
            Value::Sequence(sequence) => self.sequence(element, sequence, encoding, out)?,
            Value::Source(_) | Value::Fragments(_) => {
                unreachable!("an element with its source's value is not touched")
            }
        }
        Ok(())
    }

    fn sequence(
        &self,
        element: &Element,
        sequence: &Sequence,
        encoding: Encoding,
        out: &mut Pieces,
    ) -> io::Result<()> {
        let mut items = Pieces::default();
        for item in &sequence.items {
            self.item(item, sequence.encoding, &mut items)?;
        }
        // Sequences that were found inside UN stay UN.
        if sequence.undefined {
            header(out, element.tag, element.vr, UNDEFINED, encoding)?;
            out.append(items);
            delimiter(out, SEQUENCE_END, 0, sequence.encoding);
        } else {
            let length = u32::try_from(items.len).map_err(|_| too_long(element.tag))?;
            header(out, element.tag, element.vr, length, encoding)?;
            out.append(items);
        }
        Ok(())
    }

    fn item(&self, item: &Item, encoding: Encoding, out: &mut Pieces) -> io::Result<()> {
        if !item.new && !item.dataset.is_touched() {
            self.span(item.span, out);
            return Ok(());
        }
        let inner = self.dataset(&item.dataset, encoding)?;
        if item.undefined {
            delimiter(out, ITEM, UNDEFINED, encoding);
            out.append(inner);
            delimiter(out, ITEM_END, 0, encoding);
        } else {
            let length = u32::try_from(inner.len).map_err(|_| too_long(ITEM))?;
            delimiter(out, ITEM, length, encoding);
            out.append(inner);
        }
        Ok(())
    }
}

fn group_is_touched(dataset: &Dataset, group: u16) -> bool {
    dataset.touched_groups.contains(&group)
        || dataset
            .elements
            .iter()
            .any(|e| e.tag.group() == group && e.is_touched())
}

/// An element's header (PS3.5 7.1.2 and 7.1.3).
fn header(out: &mut Pieces, tag: Tag, vr: VR, length: u32, encoding: Encoding) -> io::Result<()> {
    put_tag(out, tag, encoding);
    if encoding != Encoding::ImplicitLittle {
        out.bytes(&vr.to_bytes());
        if has_short_length(vr) {
            let length = u16::try_from(length).map_err(|_| too_long(tag))?;
            out.bytes(&match encoding {
                Encoding::ExplicitBig => length.to_be_bytes(),
                _ => length.to_le_bytes(),
            });
            return Ok(());
        }
        out.bytes(&[0, 0]);
    }
    out.bytes(&word(length, encoding));
    Ok(())
}

fn delimiter(out: &mut Pieces, tag: Tag, length: u32, encoding: Encoding) {
    put_tag(out, tag, encoding);
    out.bytes(&word(length, encoding));
}

fn put_tag(out: &mut Pieces, tag: Tag, encoding: Encoding) {
    for half in [tag.group(), tag.element()] {
        out.bytes(&match encoding {
            Encoding::ExplicitBig => half.to_be_bytes(),
            _ => half.to_le_bytes(),
        });
    }
}

fn word(value: u32, encoding: Encoding) -> [u8; 4] {
    match encoding {
        Encoding::ExplicitBig => value.to_be_bytes(),
        _ => value.to_le_bytes(),
    }
}

/// The VRs with a 16-bit length field (PS3.5 table 7.1-2).
pub(super) fn has_short_length(vr: VR) -> bool {
    use VR::{AE, AS, AT, CS, DA, DS, DT, FD, FL, IS, LO, LT, PN, SH, SL, SS, ST, TM, UI, UL, US};
    matches!(
        vr,
        AE | AS
            | AT
            | CS
            | DA
            | DS
            | DT
            | FD
            | FL
            | IS
            | LO
            | LT
            | PN
            | SH
            | SL
            | SS
            | ST
            | TM
            | UI
            | UL
            | US
    )
}

fn too_long(tag: Tag) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("{tag} is too long for its length field"),
    )
}
