//! Datasets and items that are in another encoding than their surroundings declare. Some writers leave
//! implicit VR in a file whose transfer syntax is explicit, or nest what they got from elsewhere.

use crate::dicom::ReadError;
use crate::dicom::source::{Source, Span};
use crate::dicom::tree::Encoding;
use crate::dicom::write::has_short_length;
use dicom_core::{Tag, VR};

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
        Encoding::ImplicitLittle => match VR::from_binary(vr) {
            Some(vr) if !implicit || explicit_is_likelier(source, vr, at, at + left) => {
                Encoding::ExplicitLittle
            }
            _ => declared,
        },
        _ => declared,
    })
}

/// Whether an element that can be read both ways has a VR. As a length its letters are so large a number that the
/// value would hold the rest of the header, whose elements no rule would see: that it is one must show in what
/// follows it, and with a VR nothing may follow that makes sense.
fn explicit_is_likelier(source: &Source, vr: VR, at: u64, end: u64) -> bool {
    let number = |at: u64, len: u64| {
        let bytes = source.read(Span { start: at, len }).ok()?;
        let little = |number: u32, byte: &u8| number << 8 | u32::from(*byte);
        Some(bytes.iter().rev().fold(0, little))
    };
    let tag = |at| Some(Tag(number(at, 2)? as u16, number(at + 2, 2)? as u16));
    let (value, len) = match has_short_length(vr) {
        true => (at + 8, number(at + 6, 2)),
        false => (at + 12, number(at + 8, 4)),
    };
    let goes_on = match len {
        None => false,
        Some(UNDEFINED) => tag(value).is_some_and(|first| first == ITEM || is_end(first)),
        Some(len) => {
            let next = value + u64::from(len);
            let has_vr = || {
                let vr = number(next + 4, 2)? as u16;
                VR::from_binary(vr.to_le_bytes())
            };
            next == end || tag(next).is_some_and(is_end) || has_vr().is_some()
        }
    };
    if goes_on {
        return true;
    }
    let next = at + 8 + u64::from(number(at + 4, 4).unwrap_or(UNDEFINED));
    let follows = |next| is_end(next) || tag(at).is_some_and(|first| next > first);
    next != end && !tag(next).is_some_and(follows)
}

const ITEM: Tag = Tag(0xFFFE, 0xE000);

/// PS3.5 7.5: the end of an item, or of a sequence.
fn is_end(tag: Tag) -> bool {
    matches!(tag, Tag(0xFFFE, 0xE00D | 0xE0DD))
}
