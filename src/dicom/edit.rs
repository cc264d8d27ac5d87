//! Finding and changing elements of an instance by path, by pattern, or in one walk.
//!
//! What may be edited is decided above, in the rules; here is only what keeps an instance valid.

mod set;

use super::instance::Instance;
use super::path::{Items, Location, Pattern, Place, Step, TagPattern};
use super::sign::is_signed;
use super::source::Source;
use super::text::Charset;
use super::tree::{Dataset, Element, Encoding, Sequence, Value};
use super::value;
use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;
use std::sync::Arc;

/// Where an element stands: what is needed to read or write its value.
#[derive(Clone)]
pub struct Scope<'a> {
    pub source: &'a Source,
    pub encoding: Encoding,
    pub charset: Charset,
    /// Whether pixels are, see [`super::sign`].
    pub is_signed: bool,
    pub manner: Manner,
}

/// How values are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Manner {
    /// As the VR asks for them (PS3.5 6.2).
    #[default]
    Checked,
    /// As they are given, as DicomEdit has it: any text fits a VR of text, items that lead to a number are
    /// made, a new element that nobody knows is UN.
    AsGiven,
}

impl Scope<'_> {
    pub fn text(&self, element: &Element) -> Option<String> {
        value::text(element, self.source, self.encoding, &self.charset)
    }
}

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

fn is_pixels(tag: Tag) -> bool {
    matches!(
        tag,
        tags::PIXEL_DATA | tags::FLOAT_PIXEL_DATA | tags::DOUBLE_FLOAT_PIXEL_DATA
    )
}

/// The first place on the way that no rule may edit.
pub fn protected_place(location: &Location) -> Option<&Place> {
    let (top, below) = location.split_first()?;
    match is_protected(top.tag) {
        true => Some(top),
        false => below.iter().find(|place| is_protected_below(place.tag)),
    }
}

/// Whether a pattern may not name it outright, at the top or at any depth (`*/X`). At any depth, groups 0000 and
/// 0002 are what somebody left in a dataset or an item, where they have no place (PS3.7 6.3.1, PS3.10 7.1): the file
/// meta information itself is not reached so.
pub fn is_protected_by_name(tag: Tag, anywhere: bool) -> bool {
    is_protected(tag) && !(anywhere && is_out_of_place(tag))
}

fn is_out_of_place(tag: Tag) -> bool {
    matches!(tag.group(), 0x0000 | 0x0002)
}

/// Whether no walk of a dataset shows it: what is protected there, and is what its tag says. A length of a private
/// group is as private as its group, and may go with it (PS3.5 7.2: nobody needs one).
fn is_passed_over(element: &Element, is_top: bool) -> bool {
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

/// PS3.5 7.2: one number of 32 bits.
fn is_group_length(element: &Element) -> bool {
    let len = match &element.value {
        Value::Source(span) => span.len,
        Value::Edited(bytes) => bytes.len() as u64,
        Value::Fragments(_) | Value::Sequence(_) => return false,
    };
    value::known_vr(element.tag, element.vr) == VR::UL && len == 4
}

/// Who reserved the block of a private element (PS3.5 7.8.1), in its own dataset or item.
pub fn creator_of(dataset: &Dataset, tag: Tag, source: &Source) -> Option<Arc<str>> {
    let block = tag.element() >> 8;
    if tag.group().is_multiple_of(2) || block < 0x10 {
        return None;
    }
    creator_text(dataset.get(Tag(tag.group(), block))?, source)
}

fn creator_text(element: &Element, source: &Source) -> Option<Arc<str>> {
    let text = String::from_utf8_lossy(value::bytes(element, source)?).into_owned();
    Some(text.trim_matches([' ', '\0']).into())
}

impl Instance {
    fn top_scope(&self) -> Scope<'_> {
        Scope {
            source: self.source(),
            encoding: self.encoding,
            charset: self.charset.clone(),
            is_signed: is_signed(&self.dataset, self.source(), self.encoding, false),
            manner: Manner::Checked,
        }
    }

    /// The element that a path leads to, of the dataset or the file meta information.
    pub fn look_up(&self, path: &Pattern) -> Option<(&Element, Scope<'_>, Vec<Place>)> {
        let (mut dataset, mut scope) = if path.is_in_meta() {
            (&self.meta, meta_scope(self.meta_source(), Manner::Checked))
        } else {
            (&self.dataset, self.top_scope())
        };
        let mut location = Vec::with_capacity(path.steps.len());
        for (index, step) in path.steps.iter().enumerate() {
            let Step::Element { tag, items } = step else {
                return None;
            };
            let element = dataset.get(find_tag(dataset, tag, scope.source)?)?;
            let creator = creator_of(dataset, element.tag, scope.source);
            if index + 1 == path.steps.len() {
                location.push(Place {
                    tag: element.tag,
                    creator,
                    item: None,
                });
                return Some((element, scope, location));
            }
            let number = item_number(*items);
            location.push(Place {
                tag: element.tag,
                creator,
                item: Some(number),
            });
            let sequence = element.sequence()?;
            dataset = &sequence.items.get(number as usize)?.dataset;
            scope = inner_scope(&scope, sequence, dataset);
        }
        None
    }

    /// Visits each element, at every depth, in dataset order; the visitor answers whether to go below it.
    pub fn walk(&self, visit: &mut dyn FnMut(&Location, &Element, &Scope<'_>) -> bool) {
        walk(&self.dataset, &self.top_scope(), &mut Vec::new(), visit);
    }

    /// The same for the file meta information.
    pub fn walk_meta(&self, visit: &mut dyn FnMut(&Location, &Element, &Scope<'_>) -> bool) {
        let scope = meta_scope(self.meta_source(), Manner::Checked);
        walk(&self.meta, &scope, &mut Vec::new(), visit);
    }

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

fn meta_scope(file: &Source, manner: Manner) -> Scope<'_> {
    Scope {
        source: file,
        encoding: Encoding::ExplicitLittle,
        charset: Charset::default(),
        is_signed: false,
        manner,
    }
}

fn item_number(items: Items) -> u32 {
    match items {
        Items::Index(number) => number,
        Items::Unsaid | Items::Every => 0,
    }
}

fn inner_scope<'a>(around: &Scope<'a>, sequence: &Sequence, item: &Dataset) -> Scope<'a> {
    Scope {
        source: around.source,
        encoding: sequence.encoding,
        charset: Charset::of(item, around.source, &around.charset),
        is_signed: is_signed(item, around.source, sequence.encoding, around.is_signed),
        manner: around.manner,
    }
}

/// The tag that a step of a path means in this very dataset.
fn find_tag(dataset: &Dataset, pattern: &TagPattern, source: &Source) -> Option<Tag> {
    match pattern {
        TagPattern::Exact(tag) => Some(*tag),
        TagPattern::Digits { .. } => None,
        TagPattern::Private { creator, .. } => {
            let (nominal, _) = pattern.nominal();
            let blocks = blocks_of(dataset, nominal.group(), creator, source);
            let tags: Vec<Tag> = blocks
                .map(|block| Tag(nominal.group(), block << 8 | nominal.element()))
                .collect();
            tags.iter()
                .copied()
                .find(|tag| dataset.get(*tag).is_some())
                .or(tags.first().copied())
        }
    }
}

fn blocks_of<'a>(
    dataset: &'a Dataset,
    group: u16,
    creator: &'a str,
    source: &'a Source,
) -> impl Iterator<Item = u16> + 'a {
    let creators = dataset
        .elements
        .iter()
        .filter(move |e| e.tag.group() == group && (0x10..=0xFF).contains(&e.tag.element()));
    creators
        .filter(move |e| creator_text(e, source).as_deref() == Some(creator))
        .map(|e| e.tag.element())
}

fn walk(
    dataset: &Dataset,
    scope: &Scope<'_>,
    location: &mut Vec<Place>,
    visit: &mut dyn FnMut(&Location, &Element, &Scope<'_>) -> bool,
) {
    for element in &dataset.elements {
        let creator = creator_of(dataset, element.tag, scope.source);
        location.push(Place {
            tag: element.tag,
            creator,
            item: None,
        });
        if visit(location, element, scope)
            && let Some(sequence) = element.sequence()
        {
            let depth = location.len() - 1;
            for (index, item) in sequence.items.iter().enumerate() {
                location[depth].item = Some(index as u32);
                let inner = inner_scope(scope, sequence, &item.dataset);
                walk(&item.dataset, &inner, location, visit);
            }
        }
        location.pop();
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
