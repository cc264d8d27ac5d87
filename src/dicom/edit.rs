//! Changing elements of an instance by path, by pattern, or in one walk. How they are found stands in `edit/look.rs`.
//!
//! What may be edited is decided above, in the rules; here is only what keeps an instance valid.

mod look;
mod protected;
mod set;

use super::instance::Instance;
use super::path::{Location, Pattern, Place};
use super::sign::is_signed;
use super::text::Charset;
use super::tree::{Dataset, Element, Encoding, Value};
use super::value;
use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;
use look::{creator_of, inner_scope, meta_scope};
use protected::is_passed_over;

pub use look::{Manner, Scope};
pub use protected::{is_protected, is_protected_below, is_protected_by_name, protected_place};

/// What a visitor wants done with an element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    Keep,
    Remove,
    /// No value, or no items.
    Blank,
    /// A value in the element's VR; not for sequences.
    Text(String),
    /// The same as it is given, see [`Manner::AsGiven`].
    AsGiven(String),
    Bytes(Vec<u8>),
}

/// Which elements a walk shows to its visitor, so that one who wants few need not look at all.
#[derive(Clone, Copy)]
pub enum Reach<'a> {
    Everything,
    /// Those with such a tag at the top, and all that is below them.
    Top(Wanted<'a>),
    /// Those with such a tag at any depth, and all that is below them.
    Anywhere(Wanted<'a>),
}

/// Tags that a walk is to show.
#[derive(Clone, Copy)]
pub enum Wanted<'a> {
    One(Tag),
    Those(&'a dyn Fn(Tag) -> bool),
}

impl Wanted<'_> {
    fn holds(self, tag: Tag) -> bool {
        match self {
            Self::One(one) => one == tag,
            Self::Those(holds) => holds(tag),
        }
    }
}

/// Why an edit can't be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditProblem {
    #[error("{path}: {why}")]
    Path { path: String, why: String },
    #[error("{path}: {why}")]
    Value { path: String, why: String },
    /// The pixels are such that no region of them can be made black.
    #[error("PixelData: {why}")]
    Pixels { why: String },
}

impl Instance {
    /// Visits each element that may be edited, as far as `reach` says, in dataset order, and does what the visitor
    /// decides. Answers how many elements were changed.
    ///
    /// # Errors
    /// The first value that doesn't fit; what was changed before it stays changed.
    pub fn edit(
        &mut self,
        reach: Reach<'_>,
        decide: &mut dyn FnMut(&Location, &Element, &Scope<'_>) -> Change,
    ) -> Result<u32, EditProblem> {
        let Self {
            file,
            inflated,
            dataset,
            charset,
            encoding,
            ..
        } = self;
        let source = inflated.as_ref().unwrap_or(file);
        let scope = Scope {
            source,
            encoding: *encoding,
            charset: charset.clone(),
            is_signed: is_signed(dataset, source, *encoding, false),
            manner: Manner::Checked,
        };
        edit(dataset, &scope, &mut Vec::new(), reach, decide)
    }

    /// Sets one element, creating it and what leads to it: sequences, items, private blocks.
    ///
    /// # Errors
    /// If the path can't exist here, or the value doesn't fit the VR or the character set.
    pub fn set(&mut self, path: &Pattern, text: &str) -> Result<(), EditProblem> {
        self.set_in(path, text, Manner::Checked)
    }

    /// The same with the value as it is given, and in the file meta information too.
    ///
    /// # Errors
    /// As for [`Instance::set`].
    pub fn set_as_given(&mut self, path: &Pattern, text: &str) -> Result<(), EditProblem> {
        self.set_in(path, text, Manner::AsGiven)
    }

    /// Visits each element of the file meta information that may be edited: not its length, nor what says how
    /// the dataset is encoded.
    ///
    /// # Errors
    /// As for [`Instance::edit`].
    pub fn edit_meta(
        &mut self,
        decide: &mut dyn FnMut(&Location, &Element, &Scope<'_>) -> Change,
    ) -> Result<u32, EditProblem> {
        let scope = meta_scope(&self.file, Manner::Checked);
        let mut count = 0;
        let mut index = 0;
        while index < self.meta.elements.len() {
            let element = &mut self.meta.elements[index];
            let tag = element.tag;
            if tag.element() == 0 || tag == tags::TRANSFER_SYNTAX_UID {
                index += 1;
                continue;
            }
            let location = [Place {
                tag,
                creator: None,
                item: None,
            }];
            match decide(&location, element, &scope) {
                Change::Keep => {
                    index += 1;
                    continue;
                }
                Change::Remove => _ = self.meta.elements.remove(index),
                change => {
                    edit_value(element, change, &scope, &location)?;
                    index += 1;
                }
            }
            count += 1;
            self.meta.touch(tag.group());
        }
        Ok(count)
    }

    fn set_in(&mut self, path: &Pattern, text: &str, manner: Manner) -> Result<(), EditProblem> {
        let Self {
            file,
            inflated,
            dataset,
            meta,
            charset,
            encoding,
            ..
        } = self;
        if manner == Manner::AsGiven && path.is_in_meta() {
            return set::set(meta, &path.steps, path, text, &meta_scope(file, manner));
        }
        let source = inflated.as_ref().unwrap_or(file);
        let scope = Scope {
            source,
            encoding: *encoding,
            charset: charset.clone(),
            is_signed: is_signed(dataset, source, *encoding, false),
            manner,
        };
        set::set(dataset, &path.steps, path, text, &scope)?;
        if path.plain_tag() == Some((tags::SPECIFIC_CHARACTER_SET, false)) {
            *charset = Charset::of(dataset, scope.source, &Charset::default());
        }
        Ok(())
    }
}

fn edit(
    dataset: &mut Dataset,
    scope: &Scope<'_>,
    location: &mut Vec<Place>,
    reach: Reach<'_>,
    decide: &mut dyn FnMut(&Location, &Element, &Scope<'_>) -> Change,
) -> Result<u32, EditProblem> {
    let mut count = 0;
    let mut index = 0;
    let mut end = dataset.elements.len();
    if let (Reach::Top(Wanted::One(tag)), false) = (reach, dataset.disordered) {
        // It stands in one place, if anywhere.
        match dataset.position(tag) {
            Ok(at) => (index, end) = (at, at + 1),
            Err(_) => return Ok(0),
        }
    }
    while index < end {
        let tag = dataset.elements[index].tag;
        let is_wanted = match reach {
            Reach::Everything => true,
            Reach::Top(wanted) | Reach::Anywhere(wanted) => wanted.holds(tag),
        };
        let is_way =
            matches!(reach, Reach::Anywhere(_)) && dataset.elements[index].sequence().is_some();
        let is_kept = is_passed_over(&dataset.elements[index], location.is_empty());
        if is_kept || !(is_wanted || is_way) {
            index += 1;
            continue;
        }
        let creator = creator_of(dataset, tag, scope.source);
        location.push(Place {
            tag,
            creator,
            item: None,
        });
        let element = &mut dataset.elements[index];
        let mut next = index + 1;
        let (change, below) = match is_wanted {
            true => (decide(location, element, scope), Reach::Everything),
            false => (Change::Keep, reach),
        };
        let changed = match change {
            Change::Keep => {
                count += edit_items(element, scope, location, below, decide)?;
                false
            }
            Change::Remove => {
                dataset.elements.remove(index);
                (next, end) = (index, end - 1);
                true
            }
            change => {
                edit_value(element, change, scope, location)?;
                true
            }
        };
        if changed {
            count += 1;
            dataset.touch(tag.group());
        }
        location.pop();
        index = next;
    }
    Ok(count)
}

/// Does a change that leaves the element where it is.
fn edit_value(
    element: &mut Element,
    change: Change,
    scope: &Scope<'_>,
    location: &Location,
) -> Result<(), EditProblem> {
    let encoded =
        |text: &str, manner| encode(element.tag, element.vr, text, scope, manner, location);
    match change {
        Change::Keep | Change::Remove => {}
        Change::Blank => blank(element),
        Change::Text(text) => element.value = Value::Edited(encoded(&text, scope.manner)?),
        Change::AsGiven(text) => element.value = Value::Edited(encoded(&text, Manner::AsGiven)?),
        Change::Bytes(bytes) => element.value = Value::Edited(bytes),
    }
    Ok(())
}

fn blank(element: &mut Element) {
    match &mut element.value {
        Value::Sequence(sequence) => {
            sequence.items.clear();
            sequence.touched = true;
        }
        value => *value = Value::Edited(Vec::new()),
    }
}

/// The value's bytes; a value that outgrows a 16-bit length field doesn't fit (PS3.5 7.1.2).
fn encode(
    tag: Tag,
    vr: VR,
    text: &str,
    scope: &Scope<'_>,
    manner: Manner,
    location: &Location,
) -> Result<Vec<u8>, EditProblem> {
    let fail = |why: String| EditProblem::Value {
        path: super::path::location_text(location).into(),
        why,
    };
    let encoding = match vr {
        // As it is read.
        VR::UN => Encoding::ImplicitLittle,
        _ => scope.encoding,
    };
    let text_vr = value::known_vr(tag, vr);
    let encoded = match manner {
        Manner::Checked => value::encode(text, text_vr, encoding, &scope.charset),
        Manner::AsGiven => value::encode_as_given(text, text_vr, encoding, &scope.charset),
    };
    let bytes = encoded.map_err(fail)?;
    let short = scope.encoding != Encoding::ImplicitLittle && super::write::has_short_length(vr);
    if short && bytes.len() > usize::from(u16::MAX) {
        return Err(fail(format!(
            "longer than the 65,534 bytes that {} can hold here",
            vr.to_string()
        )));
    }
    Ok(bytes)
}

fn edit_items(
    element: &mut Element,
    scope: &Scope<'_>,
    location: &mut Vec<Place>,
    reach: Reach<'_>,
    decide: &mut dyn FnMut(&Location, &Element, &Scope<'_>) -> Change,
) -> Result<u32, EditProblem> {
    let Some(sequence) = element.sequence_mut() else {
        return Ok(0);
    };
    let depth = location.len() - 1;
    let mut count = 0;
    for index in 0..sequence.items.len() {
        location[depth].item = Some(index as u32);
        let inner = inner_scope(scope, sequence, &sequence.items[index].dataset);
        count += edit(
            &mut sequence.items[index].dataset,
            &inner,
            location,
            reach,
            decide,
        )?;
    }
    location[depth].item = None;
    Ok(count)
}
