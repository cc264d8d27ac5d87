//! Reading an instance: preamble, file meta information, transfer syntax, dataset up to its pixels and past them.

use super::error::ReadError;
use super::parse;
use super::redact::Redaction;
use super::source::{Source, Span};
use super::text::Charset;
use super::tree::{Dataset, Element, Encoding, Value};
use super::value;
use dicom_core::Tag;
use dicom_dictionary_std::{tags, uids};
use dicom_encoding::transfer_syntax::{Codec, Endianness, TransferSyntaxIndex};
use dicom_transfer_syntax_registry::TransferSyntaxRegistry;
use std::fs::File;
use std::io::Read;

/// Preamble and prefix (PS3.10 7.1).
pub(super) const META_START: u64 = 132;

/// What a deflated dataset may inflate to: it is held in memory, unlike others.
const MAX_INFLATED: u64 = 512 * 1024 * 1024;

/// One SOP instance: its header as a tree, its pixels left where they are.
#[derive(Debug)]
pub struct Instance {
    /// The file itself: preamble, file meta information and, unless deflated, the dataset.
    pub(super) file: Source,
    /// The dataset's bytes where they are not the file's.
    pub(super) inflated: Option<Source>,
    pub meta: Dataset,
    pub dataset: Dataset,
    /// Of its top level, which each look and each edit ask for.
    pub(super) charset: Charset,
    pub(super) encoding: Encoding,
    pub(super) transfer_syntax: String,
    /// Where the file meta information ends and the dataset starts.
    pub(super) dataset_start: u64,
    /// What is to be black in the picture.
    pub(super) redaction: Option<Redaction>,
}

impl Instance {
    /// Reads a file's header. The file stays open: the pixels are copied from this very handle.
    ///
    /// # Errors
    /// What the file is instead of a whole DICOM file; see [`ReadError`].
    pub fn read(file: File) -> Result<Self, ReadError> {
        Self::parse(Source::file(file).map_err(ReadError::Io)?)
    }

    /// The same for a file in memory.
    ///
    /// # Errors
    /// As [`Instance::read`].
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, ReadError> {
        Self::parse(Source::memory(bytes))
    }

    fn parse(mut file: Source) -> Result<Self, ReadError> {
        if file.len() < META_START || file.load(Span { start: 128, len: 4 })? != b"DICM" {
            return Err(ReadError::NotDicom);
        }
        let (meta, dataset_start) = parse::file_meta(&mut file, META_START)?;
        let transfer_syntax = meta
            .get(tags::TRANSFER_SYNTAX_UID)
            .and_then(|e| value::text(e, &file, Encoding::ExplicitLittle, &Charset::default()))
            .ok_or(ReadError::NoTransferSyntax)?;
        let known = TransferSyntaxRegistry
            .get(&transfer_syntax)
            .ok_or_else(|| ReadError::UnknownTransferSyntax(transfer_syntax.clone()))?;
        let encoding = match known.endianness() {
            // PS3.5 A.1: the only syntax without VRs.
            Endianness::Little if transfer_syntax == uids::IMPLICIT_VR_LITTLE_ENDIAN => {
                Encoding::ImplicitLittle
            }
            Endianness::Little => Encoding::ExplicitLittle,
            Endianness::Big => Encoding::ExplicitBig,
        };
        let mut inflated = match known.codec() {
            Codec::Dataset(Some(adapter)) => {
                let deflated = Span::new(dataset_start, file.len());
                let bytes = file.load(deflated)?;
                let mut dataset = Vec::new();
                let mut reader = adapter.adapt_reader(Box::new(bytes)).take(MAX_INFLATED + 1);
                reader
                    .read_to_end(&mut dataset)
                    .map_err(ReadError::Deflate)?;
                if dataset.len() as u64 > MAX_INFLATED {
                    return Err(ReadError::HeaderTooLarge {
                        limit: MAX_INFLATED,
                    });
                }
                Some(Source::memory(dataset))
            }
            Codec::Dataset(None) => return Err(ReadError::UnknownTransferSyntax(transfer_syntax)),
            _ => None,
        };
        let (dataset, encoding) = match &mut inflated {
            Some(source) => parse::dataset(source, encoding, 0)?,
            None => parse::dataset(&mut file, encoding, dataset_start)?,
        };
        let source = inflated.as_ref().unwrap_or(&file);
        let charset = Charset::of(&dataset, source, &Charset::default());
        Ok(Self {
            file,
            inflated,
            meta,
            dataset,
            charset,
            encoding,
            transfer_syntax,
            dataset_start,
            redaction: None,
        })
    }

    pub fn transfer_syntax(&self) -> &str {
        &self.transfer_syntax
    }

    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// The open file behind it; none for an instance in memory.
    pub fn handle(&self) -> Option<&File> {
        self.file.handle()
    }

    /// The source of the dataset's spans.
    pub fn source(&self) -> &Source {
        self.inflated.as_ref().unwrap_or(&self.file)
    }

    /// The source of the spans of the file meta information.
    pub fn meta_source(&self) -> &Source {
        &self.file
    }

    /// The character set of the dataset's top level (PS3.3 C.12.1.1.2).
    pub fn charset(&self) -> &Charset {
        &self.charset
    }

    /// The text of an element at the top level, as [`value::text`] has it; none if it is absent or empty.
    pub fn text(&self, tag: Tag) -> Option<String> {
        let element = self.dataset.get(tag)?;
        value::text(element, self.source(), self.encoding, &self.charset).filter(|t| !t.is_empty())
    }

    /// The text of an element of the file meta information.
    pub fn meta_text(&self, element: &Element) -> Option<String> {
        value::text(
            element,
            &self.file,
            Encoding::ExplicitLittle,
            &Charset::default(),
        )
    }

    /// The raw bytes of an element's value, if it is a leaf whose bytes are in memory.
    pub fn bytes<'a>(&'a self, element: &'a Element) -> Option<&'a [u8]> {
        match &element.value {
            Value::Source(span) => self.source().loaded(*span),
            Value::Edited(bytes) => Some(bytes),
            Value::Fragments(_) | Value::Sequence(_) => None,
        }
    }

    /// Whether any rule changed anything.
    pub fn is_touched(&self) -> bool {
        self.meta.is_touched() || self.dataset.is_touched() || self.redaction.is_some()
    }
}
