//! Datasets and items that are in another encoding than their surroundings declare. Some writers leave
//! implicit VR in a file whose transfer syntax is explicit, or nest what they got from elsewhere.

use crate::dicom::ReadError;
use crate::dicom::source::{Source, Span};
use crate::dicom::tree::Encoding;
use dicom_core::VR;

const UNDEFINED: u32 = 0xFFFF_FFFF;

/// The encoding of the elements at `at`, told by the first: the declared one wherever it makes sense.
pub fn actual(
    source: &mut Source,
    declared: Encoding,
    at: u64,
    end: u64,
) -> Result<Encoding, ReadError> {
    let left = end.min(source.len()).saturating_sub(at);
    if left < 8 || declared == Encoding::ExplicitBig {
        return Ok(declared);
    }
    let head = source.load(Span {
        start: at,
        len: left.min(12),
    })?;
    if head.starts_with(&[0xFE, 0xFF]) {
        return Ok(declared);
    }
    let fits = |at: usize| {
        let word = head.get(at..at + 4).and_then(|b| b.try_into().ok());
        let len = word.map_or(UNDEFINED, u32::from_le_bytes);
        len == UNDEFINED || u64::from(len) <= left - (at as u64 + 4).min(left)
    };
    let vr = [head[4], head[5]];
    let looks_like_vr = vr.iter().all(u8::is_ascii_uppercase);
    let implicit = fits(4);
    Ok(match declared {
        // A VR of two zero bytes is written for unknown ones, with a length of four bytes as UN has.
        Encoding::ExplicitLittle if vr == [0, 0] && fits(8) => declared,
        Encoding::ExplicitLittle if !looks_like_vr && implicit => Encoding::ImplicitLittle,
        Encoding::ImplicitLittle if VR::from_binary(vr).is_some() && !implicit => {
            Encoding::ExplicitLittle
        }
        _ => declared,
    })
}
