//! Writes headers and pixels in one of the transfer syntaxes.
//!
//! `dicom-encoding` encodes element headers and values; what is ours is the style of length of sequences, which
//! `dicom-object` always writes undefined, and the pixels, which never become an element in memory.

use std::io;
use std::ops::Range;

use dicom_core::value::{PrimitiveValue, Value};
use dicom_core::{DataElementHeader, Length, Tag, VR};
use dicom_dictionary_std::tags;
use dicom_encoding::TransferSyntax;
use dicom_encoding::transfer_syntax::{Codec, DynEncoder, TransferSyntaxIndex};
use dicom_object::{FileMetaTableBuilder, InMemDicomObject};
use dicom_transfer_syntax_registry::TransferSyntaxRegistry;

use super::Syntax;
use super::header::Header;
use super::pixels::Phantom;

/// Made once by hand as PS3.5 B.2 describes.
const IMPLEMENTATION_CLASS_UID: &str = "2.25.302487019865517327910288346514700982771";

pub(super) struct Encoder {
    syntax: Syntax,
    transfer_syntax: &'static TransferSyntax,
    encoder: DynEncoder<'static, Vec<u8>>,
}

impl Encoder {
    pub(super) fn new(syntax: Syntax) -> io::Result<Self> {
        let unsupported = || {
            io::Error::new(
                io::ErrorKind::Unsupported,
                format!("{syntax:?} can't be written"),
            )
        };
        let transfer_syntax = TransferSyntaxRegistry
            .get(syntax.uid())
            .ok_or_else(unsupported)?;
        let encoder = transfer_syntax.encoder_for().ok_or_else(unsupported)?;
        Ok(Encoder {
            syntax,
            transfer_syntax,
            encoder,
        })
    }

    pub(super) fn syntax(&self) -> Syntax {
        self.syntax
    }

    /// Preamble and file meta information (PS3.10 7.1).
    pub(super) fn meta(&self, header: &Header, to: &mut Vec<u8>) -> io::Result<()> {
        let text = |tag| -> io::Result<String> {
            let element = header.0.element(tag).map_err(io::Error::other)?;
            let bytes = element.to_bytes().map_err(io::Error::other)?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        };
        let meta = FileMetaTableBuilder::new()
            .media_storage_sop_class_uid(text(tags::SOP_CLASS_UID)?)
            .media_storage_sop_instance_uid(text(tags::SOP_INSTANCE_UID)?)
            .transfer_syntax(self.syntax.uid())
            .implementation_class_uid(IMPLEMENTATION_CLASS_UID)
            .implementation_version_name("SLUICE SAMPLE")
            .build()
            .map_err(io::Error::other)?;
        to.resize(to.len() + 128, 0);
        to.extend(b"DICM");
        meta.write(to).map_err(io::Error::other)
    }

    pub(super) fn before_pixels(&self, header: &Header, to: &mut Vec<u8>) -> io::Result<()> {
        write_elements(&self.encoder, &header.0, Tag(0, 0)..tags::PIXEL_DATA, to)
    }

    pub(super) fn after_pixels(&self, header: &Header, to: &mut Vec<u8>) -> io::Result<()> {
        write_elements(
            &self.encoder,
            &header.0,
            tags::PIXEL_DATA..Tag(0xffff, 0xffff),
            to,
        )
    }

    /// The header of native Pixel Data of `frames` frames, whose bytes the caller writes.
    pub(super) fn native_pixels_header(
        &self,
        phantom: &Phantom,
        frames: usize,
        to: &mut Vec<u8>,
    ) -> io::Result<()> {
        // PS3.5 8.2: native pixels have a defined length, of which 0xFFFFFFFF is not one.
        let length = u32::try_from(phantom.frame_length() * frames)
            .ok()
            .filter(|length| *length < u32::MAX)
            .ok_or_else(|| {
                io::Error::new(
                    io::ErrorKind::InvalidInput,
                    "the pixels exceed what one element holds",
                )
            })?;
        let header = DataElementHeader::new(tags::PIXEL_DATA, VR::OW, Length(length));
        self.encoder
            .encode_element_header(to, header)
            .map_err(io::Error::other)?;
        Ok(())
    }

    pub(super) fn native_pixels(
        &self,
        phantom: &Phantom,
        frames: Range<u32>,
        to: &mut Vec<u8>,
    ) -> io::Result<()> {
        self.native_pixels_header(phantom, frames.len(), to)?;
        for frame in frames {
            for part in phantom.frame(frame) {
                to.extend(part);
            }
        }
        Ok(())
    }

    /// Encapsulated pixels (PS3.5 A.4): the Basic Offset Table, then one fragment a frame.
    pub(super) fn rle_pixels(
        &self,
        phantom: &Phantom,
        frames: Range<u32>,
        to: &mut Vec<u8>,
    ) -> io::Result<()> {
        let fragments: Vec<_> = frames.map(|frame| phantom.rle(frame)).collect();
        let header = DataElementHeader::new(tags::PIXEL_DATA, VR::OB, Length::UNDEFINED);
        self.encoder
            .encode_element_header(to, header)
            .map_err(io::Error::other)?;
        self.encoder
            .encode_item_header(to, 4 * fragments.len() as u32)
            .map_err(io::Error::other)?;
        let mut offset = 0u32;
        for fragment in &fragments {
            to.extend(offset.to_le_bytes());
            offset += 8 + fragment.len() as u32;
        }
        for fragment in &fragments {
            self.encoder
                .encode_item_header(to, fragment.len() as u32)
                .map_err(io::Error::other)?;
            to.extend(fragment);
        }
        self.encoder
            .encode_sequence_delimiter(to)
            .map_err(io::Error::other)
    }

    /// PS3.5 A.5: everything behind the file meta information is deflated, and of even length.
    pub(super) fn deflate(&self, body: &[u8], to: &mut Vec<u8>) -> io::Result<()> {
        let Codec::Dataset(Some(adapter)) = self.transfer_syntax.codec() else {
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "no codec for deflated data sets",
            ));
        };
        let mut writer = adapter.adapt_writer(Box::new(&mut *to));
        writer.write_all(body)?;
        drop(writer);
        if !to.len().is_multiple_of(2) {
            to.push(0);
        }
        Ok(())
    }
}

/// `item` as the value of an element of VR UN that holds a sequence: implicit VR, whatever surrounds it.
pub(super) fn sequence_in_unknown(item: &Header) -> Vec<u8> {
    let write = || -> io::Result<Vec<u8>> {
        let encoder = Encoder::new(Syntax::Implicit)?.encoder;
        let mut content = Vec::new();
        write_elements(
            &encoder,
            &item.0,
            Tag(0, 0)..Tag(0xffff, 0xffff),
            &mut content,
        )?;
        let mut value = Vec::new();
        encoder
            .encode_item_header(&mut value, content.len() as u32)
            .map_err(io::Error::other)?;
        value.extend(content);
        Ok(value)
    };
    write().expect("implicit VR is always there, and memory takes all that is written")
}

fn write_elements(
    encoder: &DynEncoder<'static, Vec<u8>>,
    object: &InMemDicomObject,
    range: Range<Tag>,
    to: &mut Vec<u8>,
) -> io::Result<()> {
    for element in object {
        let DataElementHeader { tag, vr, .. } = *element.header();
        if !range.contains(&tag) {
            continue;
        }
        match element.value() {
            Value::Primitive(value) => write_primitive(encoder, tag, vr, value, to)?,
            Value::Sequence(sequence) => {
                let header = |length| DataElementHeader::new(tag, VR::SQ, length);
                if element.header().len.is_undefined() {
                    encoder
                        .encode_element_header(to, header(Length::UNDEFINED))
                        .map_err(io::Error::other)?;
                    for item in sequence.items() {
                        encoder
                            .encode_item_header(to, u32::MAX)
                            .map_err(io::Error::other)?;
                        write_elements(encoder, item, Tag(0, 0)..Tag(0xffff, 0xffff), to)?;
                        encoder
                            .encode_item_delimiter(to)
                            .map_err(io::Error::other)?;
                    }
                    encoder
                        .encode_sequence_delimiter(to)
                        .map_err(io::Error::other)?;
                } else {
                    let mut content = Vec::new();
                    for item in sequence.items() {
                        let mut body = Vec::new();
                        write_elements(encoder, item, Tag(0, 0)..Tag(0xffff, 0xffff), &mut body)?;
                        encoder
                            .encode_item_header(&mut content, body.len() as u32)
                            .map_err(io::Error::other)?;
                        content.extend(body);
                    }
                    let length = Length(content.len() as u32);
                    encoder
                        .encode_element_header(to, header(length))
                        .map_err(io::Error::other)?;
                    to.extend(content);
                }
            }
            // Pixels are written by their own functions.
            Value::PixelSequence(_) => {}
        }
    }
    Ok(())
}

fn write_primitive(
    encoder: &DynEncoder<'static, Vec<u8>>,
    tag: Tag,
    vr: VR,
    value: &PrimitiveValue,
    to: &mut Vec<u8>,
) -> io::Result<()> {
    let length = match value {
        PrimitiveValue::U8(bytes) => bytes.len(),
        other => other.calculate_byte_len(),
    };
    let padded = length.next_multiple_of(2);
    let header = DataElementHeader::new(tag, vr, Length(padded as u32));
    encoder
        .encode_element_header(to, header)
        .map_err(io::Error::other)?;
    encoder
        .encode_primitive(to, value)
        .map_err(io::Error::other)?;
    if padded > length {
        // PS3.5 6.2: text is padded with a space, UIDs and bytes with NULL.
        to.push(match vr {
            VR::UI | VR::OB | VR::UN => 0,
            _ => b' ',
        });
    }
    Ok(())
}
