//! Writing by splicing: untouched nodes are copied as the bytes they came from, edited ones are encoded
//! in the file's own style, and of their ancestors only the lengths change. Pixels go from file to file
//! in the kernel.

mod copy;
mod pieces;
mod splice;

use super::digest::HeaderDigest;
use super::edit::Scope;
use super::instance::Instance;
use super::path::Location;
use super::redact::{Redaction, Rewritten};
use super::source::Span;
use super::tree::{Element, Encoding, Value};
use super::{Tag, VR, meta};
use copy::{copy, copy_buffered};
use dicom_dictionary_std::{tags, uids};
use dicom_encoding::transfer_syntax::{Codec, TransferSyntaxIndex};
use dicom_transfer_syntax_registry::TransferSyntaxRegistry;
use pieces::{Piece, Pieces};
use sha2::{Digest as _, Sha256};
use splice::Splicer;
pub(super) use splice::has_short_length;
use std::fs::File;
use std::io::{self, Write};

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// Bytes.
    pub size: u64,
    /// As [`Instance::digest_as_read`] answers it of the new file.
    pub digest: HeaderDigest,
}

/// Preamble and file meta information, as they are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Front {
    AsRead,
    /// The elements as a rule left them, the preamble as zeros.
    Edited,
    Fresh,
}

/// PS3.10 7.1: the bytes before the prefix, whose content is anybody's.
const PREAMBLE: Span = Span { start: 0, len: 128 };

/// What file meta information says of the dataset behind it.
const TOLD_OF_DATASET: [Tag; 3] = [
    tags::MEDIA_STORAGE_SOP_CLASS_UID,
    tags::MEDIA_STORAGE_SOP_INSTANCE_UID,
    tags::TRANSFER_SYNTAX_UID,
];

impl Instance {
    /// Writes the instance.
    ///
    /// # Errors
    /// If reading the source or writing fails, if an edited element no longer fits its length field,
    /// or if a de-identified instance lacks the UIDs that its file meta information needs.
    pub fn write(&self, to: &mut File) -> io::Result<Written> {
        let (pieces, digest) = match self.is_touched() {
            true => {
                let (meta, dataset) = self.spliced()?;
                let digest = self.digest_of(&meta, &dataset)?;
                (self.joined(meta, dataset)?, digest)
            }
            false => (self.as_read(), self.digest_as_read()?),
        };
        for piece in &pieces.list {
            match (piece, self.file.handle()) {
                (Piece::Bytes(bytes), _) => to.write_all(bytes)?,
                (Piece::File(span), Some(from)) => copy(from, *span, to)?,
                (Piece::Redacted(span, _), _) => {
                    self.redacted(*span, &mut |bytes| to.write_all(bytes))?;
                }
                (Piece::File(_), None) => unreachable!("a source in memory is all loaded"),
            }
        }
        Ok(Written {
            size: pieces.len,
            digest,
        })
    }

    /// The same to any writer, through a buffer, without a digest. Answers its length in bytes.
    ///
    /// # Errors
    /// As [`Instance::write`].
    pub fn write_to(&self, to: &mut dyn Write) -> io::Result<u64> {
        let pieces = match self.is_touched() {
            true => {
                let (meta, dataset) = self.spliced()?;
                self.joined(meta, dataset)?
            }
            false => self.as_read(),
        };
        for piece in &pieces.list {
            match (piece, self.file.handle()) {
                (Piece::Bytes(bytes), _) => to.write_all(bytes)?,
                (Piece::File(span), Some(from)) => {
                    copy_buffered(from, span.start, span.end(), to, &mut |_, _| {})?;
                }
                (Piece::Redacted(span, _), _) => {
                    self.redacted(*span, &mut |bytes| to.write_all(bytes))?;
                }
                (Piece::File(_), None) => unreachable!("a source in memory is all loaded"),
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
        let (meta, dataset) = self.spliced()?;
        self.digest_of(&meta, &dataset)
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

    /// The source byte for byte.
    fn as_read(&self) -> Pieces {
        let mut out = Pieces::default();
        out.span(Span::new(0, self.file.len()), &self.file, &[]);
        out
    }

    /// What stands before the dataset, and the dataset as it is before it is deflated.
    fn spliced(&self) -> io::Result<(Pieces, Pieces)> {
        let bulk = self.bulk();
        let splicer = Splicer {
            source: self.source(),
            redacted: self.redacted_pixels(),
            bulk: &bulk,
        };
        let dataset = splicer.dataset(&self.dataset, self.encoding)?;
        Ok((self.meta_pieces()?, dataset))
    }

    fn digest_of(&self, meta: &Pieces, dataset: &Pieces) -> io::Result<HeaderDigest> {
        let mut hasher = Sha256::new();
        meta.digest(&self.file, &mut hasher)?;
        dataset.digest(&self.file, &mut hasher)?;
        Ok(hasher.finalize().into())
    }

    /// The file, its dataset deflated where its transfer syntax is (PS3.5 A.5).
    fn joined(&self, meta: Pieces, dataset: Pieces) -> io::Result<Pieces> {
        let mut out = meta;
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
                        Piece::Redacted(span, _) => {
                            self.redacted(*span, &mut |bytes| writer.write_all(bytes))?;
                        }
                        Piece::File(_) => unreachable!("what was inflated is in memory"),
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
        match self.front() {
            Front::AsRead => out.span(Span::new(0, self.dataset_start), &self.file, &[]),
            Front::Edited => return self.edited_meta(),
            Front::Fresh => {
                let uid = |tag| self.text(tag).unwrap_or_default();
                let class = uid(tags::SOP_CLASS_UID);
                out.bytes(&meta::fresh(
                    &class,
                    &uid(tags::SOP_INSTANCE_UID),
                    self.written_syntax(),
                )?);
            }
        }
        Ok(out)
    }

    /// The source's preamble, if it is written too.
    ///
    /// # Errors
    /// If the file can't be read any more.
    pub fn kept_preamble(&self) -> io::Result<Option<Vec<u8>>> {
        match self.front() {
            Front::AsRead => self.file.read(PREAMBLE).map(Some),
            Front::Edited | Front::Fresh => Ok(None),
        }
    }

    /// Visits what is written of the source's file meta information, as [`Instance::walk_meta`] does.
    pub fn walk_kept_meta(&self, visit: &mut dyn FnMut(&Location, &Element, &Scope<'_>) -> bool) {
        let front = self.front();
        if front == Front::Fresh {
            return;
        }
        self.walk_meta(&mut |location, element, scope| {
            // Of an edited one, the dataset says what these are.
            let is_told = front == Front::Edited && TOLD_OF_DATASET.contains(&element.tag);
            is_told || visit(location, element, scope)
        });
    }

    fn front(&self) -> Front {
        match (self.needs_fresh_meta(), self.meta.is_touched()) {
            (false, _) => Front::AsRead,
            (true, true) if !self.is_de_identified() => Front::Edited,
            (true, _) => Front::Fresh,
        }
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
        let uids = [
            self.text(tags::SOP_CLASS_UID),
            self.text(tags::SOP_INSTANCE_UID),
            Some(self.written_syntax().to_owned()),
        ];
        for (tag, uid) in TOLD_OF_DATASET.into_iter().zip(uids) {
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
            bulk: &[],
        };
        let mut out = Pieces::default();
        out.bytes(&[0; 128]);
        out.bytes(b"DICM");
        out.append(splicer.dataset(&meta, Encoding::ExplicitLittle)?);
        Ok(out)
    }
}
