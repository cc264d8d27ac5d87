//! Finding elements: by a path that leads to one, or in a walk that shows them all, each with its scope.

use crate::dicom::instance::Instance;
use crate::dicom::path::{Items, Location, Pattern, Place, Step, TagPattern};
use crate::dicom::sign::is_signed;
use crate::dicom::source::Source;
use crate::dicom::text::Charset;
use crate::dicom::tree::{Dataset, Element, Encoding, Sequence};
use crate::dicom::value;
use dicom_core::Tag;
use std::sync::Arc;

/// Where an element stands: what is needed to read or write its value.
#[derive(Clone)]
pub struct Scope<'a> {
    pub source: &'a Source,
    pub encoding: Encoding,
    pub charset: Charset,
    /// Whether pixels are, see [`crate::dicom::sign`].
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

impl Instance {
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

    fn top_scope(&self) -> Scope<'_> {
        Scope {
            source: self.source(),
            encoding: self.encoding,
            charset: self.charset.clone(),
            is_signed: is_signed(&self.dataset, self.source(), self.encoding, false),
            manner: Manner::Checked,
        }
    }
}

pub(super) fn meta_scope(file: &Source, manner: Manner) -> Scope<'_> {
    Scope {
        source: file,
        encoding: Encoding::ExplicitLittle,
        charset: Charset::default(),
        is_signed: false,
        manner,
    }
}

pub(super) fn inner_scope<'a>(
    around: &Scope<'a>,
    sequence: &Sequence,
    item: &Dataset,
) -> Scope<'a> {
    Scope {
        source: around.source,
        encoding: sequence.encoding,
        charset: Charset::of(item, around.source, &around.charset),
        is_signed: is_signed(item, around.source, sequence.encoding, around.is_signed),
        manner: around.manner,
    }
}

pub(super) fn item_number(items: Items) -> u32 {
    match items {
        Items::Index(number) => number,
        Items::Unsaid | Items::Every => 0,
    }
}

/// The tag that a step of a path means in this very dataset.
pub(super) fn find_tag(dataset: &Dataset, pattern: &TagPattern, source: &Source) -> Option<Tag> {
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

/// Who reserved the block of a private element (PS3.5 7.8.1), in its own dataset or item.
pub(super) fn creator_of(dataset: &Dataset, tag: Tag, source: &Source) -> Option<Arc<str>> {
    let block = tag.element() >> 8;
    if tag.group().is_multiple_of(2) || block < 0x10 {
        return None;
    }
    creator_text(dataset.get(Tag(tag.group(), block))?, source)
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

fn creator_text(element: &Element, source: &Source) -> Option<Arc<str>> {
    let text = String::from_utf8_lossy(value::bytes(element, source)?).into_owned();
    Some(text.trim_matches([' ', '\0']).into())
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
