//! Headers of elements and items, decoded where the parser stands, which stays there.

use super::Parser;
use crate::dicom::ReadError;
use crate::dicom::source::Span;
use crate::dicom::tree::Encoding;
use dicom_core::Tag;
use dicom_core::header::DataElementHeader;
use dicom_encoding::decode::Decode;
use dicom_encoding::decode::explicit_be::ExplicitVRBigEndianDecoder;
use dicom_encoding::decode::explicit_le::ExplicitVRLittleEndianDecoder;
use dicom_encoding::decode::implicit_le::ImplicitVRLittleEndianDecoder;

impl Parser<'_> {
    pub(super) fn header(
        &mut self,
        encoding: Encoding,
    ) -> Result<(DataElementHeader, u64), ReadError> {
        let left = self.source.len().saturating_sub(self.at);
        let span = Span {
            start: self.at,
            len: left.min(12),
        };
        let at = self.at;
        let mut bytes = self.source.load(span)?;
        let decoded = match encoding {
            Encoding::ImplicitLittle => {
                ImplicitVRLittleEndianDecoder::with_std_dict().decode_header(&mut bytes)
            }
            Encoding::ExplicitLittle => {
                ExplicitVRLittleEndianDecoder::default().decode_header(&mut bytes)
            }
            Encoding::ExplicitBig => {
                ExplicitVRBigEndianDecoder::default().decode_header(&mut bytes)
            }
        };
        // The decoder reads from memory, so that it can only fail for want of bytes.
        decoded
            .map(|(header, len)| (header, len as u64))
            .map_err(|_| ReadError::CutShort {
                at,
                wanted: 8,
                left,
            })
    }

    pub(super) fn item_header(&mut self, encoding: Encoding) -> Result<(Tag, u32), ReadError> {
        let bytes = self.source.load(Span {
            start: self.at,
            len: 8,
        })?;
        let (tag, len) = bytes.split_at(4);
        let half = |b: &[u8]| [b[0], b[1]];
        let word = [len[0], len[1], len[2], len[3]];
        Ok(match encoding {
            Encoding::ExplicitBig => (
                Tag(
                    u16::from_be_bytes(half(tag)),
                    u16::from_be_bytes(half(&tag[2..])),
                ),
                u32::from_be_bytes(word),
            ),
            _ => (
                Tag(
                    u16::from_le_bytes(half(tag)),
                    u16::from_le_bytes(half(&tag[2..])),
                ),
                u32::from_le_bytes(word),
            ),
        })
    }

    pub(super) fn peek_group(&mut self) -> Result<Option<u16>, ReadError> {
        if self.at + 2 > self.source.len() {
            return Ok(None);
        }
        let bytes = self.source.load(Span {
            start: self.at,
            len: 2,
        })?;
        Ok(Some(u16::from_le_bytes([bytes[0], bytes[1]])))
    }
}
