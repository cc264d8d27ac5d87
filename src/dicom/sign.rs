//! What PS3.6 has as "US or SS": SS where Pixel Representation (0028,0103) says that pixels are signed (PS3.3
//! C.7.6.3.1.1, PS3.5 A.1), which an item takes over from the dataset around it. Where VRs are written, they say it.

use super::source::Source;
use super::tree::{Dataset, Encoding, Value};
use super::{dictionary, value};
use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;

/// Whether the pixels of a dataset or item are signed: by its own word, else as around it.
pub fn is_signed(dataset: &Dataset, source: &Source, encoding: Encoding, around: bool) -> bool {
    let element = dataset.get(tags::PIXEL_REPRESENTATION);
    let Some(&[first, second]) = element.and_then(|element| value::bytes(element, source)) else {
        return around;
    };
    let word = match encoding {
        Encoding::ExplicitBig => u16::from_be_bytes([first, second]),
        Encoding::ImplicitLittle | Encoding::ExplicitLittle => u16::from_le_bytes([first, second]),
    };
    word == 1
}

/// The VR that the standard gives a tag among such pixels.
pub fn vr_of(tag: Tag, is_signed: bool) -> Option<VR> {
    match is_signed && dictionary::is_us_or_ss(tag) {
        true => Some(VR::SS),
        false => dictionary::vr_of(tag),
    }
}

/// Corrects what the parser took from the dictionary: in implicit VR it sees elements before it knows.
pub fn resolve(dataset: &mut Dataset, source: &Source, encoding: Encoding, around: bool) {
    let is_signed = is_signed(dataset, source, encoding, around);
    let is_implicit = encoding == Encoding::ImplicitLittle;
    for element in &mut dataset.elements {
        if let Value::Sequence(sequence) = &mut element.value {
            for item in &mut sequence.items {
                resolve(&mut item.dataset, source, sequence.encoding, is_signed);
            }
        } else if is_signed
            && is_implicit
            && element.vr == VR::US
            && dictionary::is_us_or_ss(element.tag)
        {
            element.vr = VR::SS;
        }
    }
}
