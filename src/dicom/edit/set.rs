//! Setting one element by its path, with what has to be there for it: sequences, items, private blocks.

use super::look::{creator_of, find_tag, inner_scope, item_number};
use super::{EditProblem, Manner, Scope, encode};
use crate::dicom::path::{Pattern, Place, Step, TagPattern, location_text};
use crate::dicom::source::Span;
use crate::dicom::tree::{Dataset, Element, Encoding, Item, Sequence, Value};
use crate::dicom::{sign, value};
use dicom_core::{Tag, VR};

/// The highest number of an item, where those that lead to it are made: what a slip of the pen may cost.
const MOST_ITEMS: usize = 10_000;

/// Sets the element that the steps lead to from here, creating what is missing on the way. What was created
/// goes again if the value doesn't fit.
pub(super) fn set(
    dataset: &mut Dataset,
    steps: &[Step],
    path: &Pattern,
    text: &str,
    scope: &Scope<'_>,
) -> Result<(), EditProblem> {
    let fail = |why: String| EditProblem::Path {
        path: path.to_string(),
        why,
    };
    let Some((
        Step::Element {
            tag: pattern,
            items,
        },
        rest,
    )) = steps.split_first()
    else {
        return Err(fail(
            "holds wildcards where one element is asked for".into(),
        ));
    };
    let (tag, reserved) = match find_tag(dataset, pattern, scope.source) {
        Some(tag) => (tag, None),
        None => {
            let (tag, creator) = reserve_block(dataset, pattern, scope).map_err(fail)?;
            (tag, Some(creator))
        }
    };
    if tag.group() % 2 == 1
        && tag.element() > 0xFF
        && scope.manner == Manner::Checked
        && creator_of(dataset, tag, scope.source).is_none()
    {
        return Err(fail(
            "nobody reserved this private block here: name the creator, (gggg,{CREATOR}ee)".into(),
        ));
    }
    let done = if rest.is_empty() {
        set_value(dataset, tag, path, text, scope)
    } else {
        set_in_item(dataset, tag, item_number(*items), rest, path, text, scope)
    };
    match (&done, reserved) {
        (Ok(()), _) => dataset.touch(tag.group()),
        (Err(_), Some(creator)) => dataset.elements.retain(|e| e.tag != creator),
        (Err(_), None) => {}
    }
    done
}

/// The same below an item of a sequence.
fn set_in_item(
    dataset: &mut Dataset,
    tag: Tag,
    number: u32,
    rest: &[Step],
    path: &Pattern,
    text: &str,
    scope: &Scope<'_>,
) -> Result<(), EditProblem> {
    let fail = |why: String| EditProblem::Path {
        path: path.to_string(),
        why,
    };
    let (at, is_new) = match dataset.position(tag) {
        Ok(at) => (at, false),
        Err(at) => {
            dataset.elements.insert(at, new_sequence(tag, scope));
            (at, true)
        }
    };
    let done = match dataset.elements[at].sequence_mut() {
        Some(sequence) => set_below(sequence, number as usize, rest, path, text, scope),
        None => Err(fail(format!(
            "{} is no sequence here",
            location_text(&[Place {
                tag,
                creator: None,
                item: None
            }])
        ))),
    };
    if done.is_err() && is_new {
        dataset.elements.remove(at);
    }
    done
}

fn set_below(
    sequence: &mut Sequence,
    number: usize,
    rest: &[Step],
    path: &Pattern,
    text: &str,
    scope: &Scope<'_>,
) -> Result<(), EditProblem> {
    let count = sequence.items.len();
    let is_made = scope.manner == Manner::AsGiven && number < MOST_ITEMS;
    if number > count && !is_made {
        return Err(EditProblem::Path {
            path: path.to_string(),
            why: format!("the sequence has {count} items here, so item {number} can't be the next"),
        });
    }
    let undefined = sequence.items.first().is_some_and(|i| i.undefined);
    while sequence.items.len() <= number {
        sequence.items.push(Item {
            span: Span::default(),
            undefined,
            dataset: Dataset::default(),
            new: true,
        });
    }
    let inner = inner_scope(scope, sequence, &sequence.items[number].dataset);
    let item = &mut sequence.items[number].dataset;
    let done = set(item, rest, path, text, &inner);
    match done.is_ok() {
        true => sequence.touched |= number >= count,
        false => sequence.items.truncate(count),
    }
    done
}

fn new_sequence(tag: Tag, scope: &Scope<'_>) -> Element {
    let sequence = Sequence {
        items: Vec::new(),
        undefined: false,
        encoding: scope.encoding,
        touched: true,
    };
    Element {
        tag,
        vr: VR::SQ,
        span: Span::default(),
        value: Value::Sequence(sequence),
    }
}

fn set_value(
    dataset: &mut Dataset,
    tag: Tag,
    path: &Pattern,
    text: &str,
    scope: &Scope<'_>,
) -> Result<(), EditProblem> {
    let location = path.location();
    match dataset.position(tag) {
        Ok(at) => {
            let element = &mut dataset.elements[at];
            if element.sequence().is_some() && scope.manner == Manner::AsGiven {
                super::blank(element);
                return Ok(());
            }
            if element.sequence().is_some() {
                return Err(EditProblem::Value {
                    path: path.to_string(),
                    why: "a sequence takes items, not a value".into(),
                });
            }
            element.value = Value::Edited(encode(
                tag,
                element.vr,
                text,
                scope,
                scope.manner,
                &location,
            )?);
            remove_others(dataset, at);
        }
        Err(at) => {
            let vr = new_vr(tag, text, scope);
            if vr == VR::SQ && scope.manner == Manner::AsGiven {
                dataset.elements.insert(at, new_sequence(tag, scope));
                return Ok(());
            }
            let value = Value::Edited(encode(tag, vr, text, scope, scope.manner, &location)?);
            dataset.elements.insert(
                at,
                Element {
                    tag,
                    vr,
                    span: Span::default(),
                    value,
                },
            );
        }
    }
    Ok(())
}

/// Of an element that stands there twice, readers take the first or the last: none may keep the old value.
fn remove_others(dataset: &mut Dataset, at: usize) {
    if !dataset.disordered {
        return;
    }
    let tag = dataset.elements[at].tag;
    let mut index = 0;
    dataset.elements.retain(|element| {
        let stays = index == at || element.tag != tag;
        index += 1;
        stays
    });
}

/// The VR of a new element: the standard's; for a private or unknown one, text of its length
/// (in implicit VR nobody can tell, so it is UN as for any reader).
fn new_vr(tag: Tag, text: &str, scope: &Scope<'_>) -> VR {
    match sign::vr_of(tag, scope.is_signed) {
        Some(vr) => vr,
        None if scope.manner == Manner::AsGiven => VR::UN,
        None if scope.encoding == Encoding::ImplicitLittle => VR::UN,
        None if text.chars().count() <= 64 => VR::LO,
        None => VR::UT,
    }
}

/// Reserves the first free block of the group for a creator (PS3.5 7.8.1). Answers the element's tag in it,
/// and the creator's.
fn reserve_block(
    dataset: &mut Dataset,
    pattern: &TagPattern,
    scope: &Scope<'_>,
) -> Result<(Tag, Tag), String> {
    let (nominal, Some(creator)) = pattern.nominal() else {
        return Err("names no single element".into());
    };
    let group = nominal.group();
    let is_free = |block: &u16| {
        !dataset.elements.iter().any(|e| {
            e.tag.group() == group && (e.tag.element() == *block || e.tag.element() >> 8 == *block)
        })
    };
    let block = (0x10..=0xFF)
        .find(is_free)
        .ok_or("the group has no free private block")?;
    let tag = Tag(group, block);
    let bytes = value::encode(&creator, VR::LO, scope.encoding, &scope.charset)?;
    let at = dataset.position(tag).unwrap_or_else(|at| at);
    dataset.elements.insert(
        at,
        Element {
            tag,
            vr: VR::LO,
            span: Span::default(),
            value: Value::Edited(bytes),
        },
    );
    Ok((Tag(group, block << 8 | nominal.element()), tag))
}
