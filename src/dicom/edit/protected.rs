//! What no rule may edit, as Sluice derives it itself, and what no walk that edits shows.

use crate::dicom::path::{Location, Place};
use crate::dicom::tree::{Element, Value};
use crate::dicom::value;
use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;

/// What Sluice derives itself, and no rule may edit: group lengths and file meta information, item
/// delimiters, the character set that all text of the dataset is in, and the pixels: at the top level.
pub fn is_protected(tag: Tag) -> bool {
    tag.element() == 0
        || matches!(tag.group(), 0x0000 | 0x0002)
        || tag == tags::SPECIFIC_CHARACTER_SET
        || is_pixels(tag)
}

/// The same in an item. Pixels there are another picture of the patient, such as an icon (PS3.3 C.7.6.1.1.6): they
/// go with the item that they are in.
pub fn is_protected_below(tag: Tag) -> bool {
    is_protected(tag) && !is_pixels(tag)
}

/// Whether a pattern may not name it outright, at the top or at any depth (`*/X`). At any depth, groups 0000 and
/// 0002 are what somebody left in a dataset or an item, where they have no place (PS3.7 6.3.1, PS3.10 7.1): the file
/// meta information itself is not reached so.
pub fn is_protected_by_name(tag: Tag, anywhere: bool) -> bool {
    is_protected(tag) && !(anywhere && is_out_of_place(tag))
}

/// The first place on the way that no rule may edit.
pub fn protected_place(location: &Location) -> Option<&Place> {
    let (top, below) = location.split_first()?;
    match is_protected(top.tag) {
        true => Some(top),
        false => below.iter().find(|place| is_protected_below(place.tag)),
    }
}

/// Whether no walk of a dataset shows it: what is protected there, and is what its tag says. A length of a private
/// group is as private as its group, and may go with it (PS3.5 7.2: nobody needs one).
pub(super) fn is_passed_over(element: &Element, is_top: bool) -> bool {
    let tag = element.tag;
    if is_out_of_place(tag) {
        return false;
    }
    if tag.element() == 0 {
        return !element.is_private() && is_group_length(element);
    }
    match is_top {
        true => is_protected(tag),
        false => is_protected_below(tag),
    }
}

fn is_pixels(tag: Tag) -> bool {
    matches!(
        tag,
        tags::PIXEL_DATA | tags::FLOAT_PIXEL_DATA | tags::DOUBLE_FLOAT_PIXEL_DATA
    )
}

fn is_out_of_place(tag: Tag) -> bool {
    matches!(tag.group(), 0x0000 | 0x0002)
}

/// PS3.5 7.2: one number of 32 bits.
fn is_group_length(element: &Element) -> bool {
    let len = match &element.value {
        Value::Source(span) => span.len,
        Value::Edited(bytes) => bytes.len() as u64,
        Value::Fragments(_) | Value::Sequence(_) => return false,
    };
    value::known_vr(element.tag, element.vr) == VR::UL && len == 4
}
