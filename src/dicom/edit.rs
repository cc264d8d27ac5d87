//! Finding and changing elements of an instance by path, by pattern, or in one walk.
//!
//! What may be edited is decided above, in the rules; here is only what keeps an instance valid.

use super::instance::Instance;
use super::path::{Items, Location, Pattern, Place, Step, TagPattern};
use super::source::{Source, Span};
use super::text::Charset;
use super::tree::{Dataset, Element, Encoding, Item, Sequence, Value};
use super::{dictionary, value};
use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;
use std::sync::Arc;

/// Where an element stands: what is needed to read or write its value.
#[derive(Clone)]
pub struct Scope<'a> {
    pub source: &'a Source,
    pub encoding: Encoding,
    pub charset: Arc<Charset>,
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
    Bytes(Vec<u8>),
}

/// Why an edit can't be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditProblem {
    #[error("{path}: {why}")]
    Path { path: String, why: String },
    #[error("{path}: {why}")]
    Value { path: String, why: String },
}

/// What Sluice derives itself, and no rule may edit: group lengths and file meta information, item
/// delimiters, the character set that all text of the dataset is in, and the pixels.
pub fn is_protected(tag: Tag) -> bool {
    tag.element() == 0
        || matches!(tag.group(), 0x0000 | 0x0002)
        || tag == tags::SPECIFIC_CHARACTER_SET
        || matches!(
            tag,
            tags::PIXEL_DATA | tags::FLOAT_PIXEL_DATA | tags::DOUBLE_FLOAT_PIXEL_DATA
        )
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
            charset: Arc::new(self.charset()),
        }
    }

    /// The element that a path leads to, of the dataset or the file meta information.
    pub fn look_up(&self, path: &Pattern) -> Option<(&Element, Scope<'_>, Vec<Place>)> {
        let is_meta = matches!(path.steps.first(), Some(Step::Element { tag: TagPattern::Exact(tag), .. }) if tag.group() == 2);
        let (mut dataset, mut scope) = if is_meta {
            let scope = Scope {
                source: self.meta_source(),
                encoding: Encoding::ExplicitLittle,
                charset: Arc::default(),
            };
            (&self.meta, scope)
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

    /// Visits each element that may be edited, at every depth, in dataset order, and does what the visitor
    /// decides. Answers how many elements were changed.
    ///
    /// # Errors
    /// The first value that doesn't fit; what was changed before it stays changed.
    pub fn edit(
        &mut self,
        decide: &mut dyn FnMut(&Location, &Element, &Scope<'_>) -> Change,
    ) -> Result<u32, EditProblem> {
        let charset = Arc::new(self.charset());
        let encoding = self.encoding;
        let Self {
            file,
            inflated,
            dataset,
            ..
        } = self;
        let source = inflated.as_ref().unwrap_or(file);
        edit(
            dataset,
            &Scope {
                source,
                encoding,
                charset,
            },
            &mut Vec::new(),
            decide,
        )
    }

    /// Sets one element, creating it and what leads to it: sequences, items, private blocks.
    ///
    /// # Errors
    /// If the path can't exist here, or the value doesn't fit the VR or the character set.
    pub fn set(&mut self, path: &Pattern, text: &str) -> Result<(), EditProblem> {
        let charset = Arc::new(self.charset());
        let encoding = self.encoding;
        let Self {
            file,
            inflated,
            dataset,
            ..
        } = self;
        let source = inflated.as_ref().unwrap_or(file);
        set(
            dataset,
            &path.steps,
            path,
            text,
            &Scope {
                source,
                encoding,
                charset,
            },
        )
    }
}

fn item_number(items: Items) -> u32 {
    match items {
        Items::Index(number) => number,
        Items::Unsaid | Items::Every => 0,
    }
}

fn inner_scope<'a>(around: &Scope<'a>, sequence: &Sequence, item: &Dataset) -> Scope<'a> {
    let charset = match item.get(tags::SPECIFIC_CHARACTER_SET) {
        Some(_) => Arc::new(Charset::of(item, around.source, &around.charset)),
        None => around.charset.clone(),
    };
    Scope {
        source: around.source,
        encoding: sequence.encoding,
        charset,
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
    decide: &mut dyn FnMut(&Location, &Element, &Scope<'_>) -> Change,
) -> Result<u32, EditProblem> {
    let mut count = 0;
    let mut index = 0;
    while index < dataset.elements.len() {
        let tag = dataset.elements[index].tag;
        if is_protected(tag) {
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
        let changed = match decide(location, element, scope) {
            Change::Keep => {
                count += edit_items(element, scope, location, decide)?;
                false
            }
            Change::Remove => {
                dataset.elements.remove(index);
                next = index;
                true
            }
            Change::Blank => {
                blank(element);
                true
            }
            Change::Text(text) => {
                element.value =
                    Value::Edited(encode(element.tag, element.vr, &text, scope, location)?);
                true
            }
            Change::Bytes(bytes) => {
                element.value = Value::Edited(bytes);
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
    location: &Location,
) -> Result<Vec<u8>, EditProblem> {
    let fail = |why: String| EditProblem::Value {
        path: super::path::location_text(location),
        why,
    };
    let text_vr = if vr == VR::UN {
        dictionary::vr_of(tag).unwrap_or(VR::UN)
    } else {
        vr
    };
    let bytes = value::encode(text, text_vr, scope.encoding, &scope.charset).map_err(fail)?;
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
        count += edit(&mut sequence.items[index].dataset, &inner, location, decide)?;
    }
    location[depth].item = None;
    Ok(count)
}

/// Sets the element that the steps lead to from here, creating what is missing on the way.
fn set(
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
    let tag = match find_tag(dataset, pattern, scope.source) {
        Some(tag) => tag,
        None => reserve_block(dataset, pattern, scope).map_err(fail)?,
    };
    if tag.group() % 2 == 1
        && tag.element() > 0xFF
        && creator_of(dataset, tag, scope.source).is_none()
    {
        return Err(fail(
            "nobody reserved this private block here: name the creator, (gggg,{CREATOR}ee)".into(),
        ));
    }
    if rest.is_empty() {
        return set_value(dataset, tag, path, text, scope);
    }
    let at = match dataset.position(tag) {
        Ok(at) => at,
        Err(at) => {
            let sequence = Sequence {
                items: Vec::new(),
                undefined: false,
                encoding: scope.encoding,
                touched: true,
            };
            dataset.elements.insert(
                at,
                Element {
                    tag,
                    vr: VR::SQ,
                    span: Span::default(),
                    value: Value::Sequence(sequence),
                },
            );
            at
        }
    };
    let element = &mut dataset.elements[at];
    let Some(sequence) = element.sequence_mut() else {
        return Err(fail(format!(
            "{} is no sequence here",
            super::path::location_text(&[Place {
                tag,
                creator: None,
                item: None
            }])
        )));
    };
    let number = item_number(*items) as usize;
    if number > sequence.items.len() {
        return Err(fail(format!(
            "the sequence has {} items here, so item {number} can't be the next",
            sequence.items.len()
        )));
    }
    if number == sequence.items.len() {
        let undefined = sequence.items.first().is_some_and(|i| i.undefined);
        sequence.items.push(Item {
            span: Span::default(),
            undefined,
            dataset: Dataset::default(),
            new: true,
        });
        sequence.touched = true;
    }
    let inner = inner_scope(scope, sequence, &sequence.items[number].dataset);
    set(
        &mut sequence.items[number].dataset,
        rest,
        path,
        text,
        &inner,
    )?;
    dataset.touch(tag.group());
    Ok(())
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
            if element.sequence().is_some() {
                return Err(EditProblem::Value {
                    path: path.to_string(),
                    why: "a sequence takes items, not a value".into(),
                });
            }
            element.value = Value::Edited(encode(tag, element.vr, text, scope, &location)?);
        }
        Err(at) => {
            let vr = new_vr(tag, text, scope.encoding);
            let value = Value::Edited(encode(tag, vr, text, scope, &location)?);
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
    dataset.touch(tag.group());
    Ok(())
}

/// The VR of a new element: the standard's; for a private or unknown one, text of its length
/// (in implicit VR nobody can tell, so it is UN as for any reader).
fn new_vr(tag: Tag, text: &str, encoding: Encoding) -> VR {
    match dictionary::vr_of(tag) {
        Some(vr) => vr,
        None if encoding == Encoding::ImplicitLittle => VR::UN,
        None if text.chars().count() <= 64 => VR::LO,
        None => VR::UT,
    }
}

/// Reserves the first free block of the group for a creator (PS3.5 7.8.1).
fn reserve_block(
    dataset: &mut Dataset,
    pattern: &TagPattern,
    scope: &Scope<'_>,
) -> Result<Tag, String> {
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
    dataset.touch(group);
    Ok(Tag(group, block << 8 | nominal.element()))
}
