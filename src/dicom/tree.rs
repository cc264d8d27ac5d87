//! An instance as a tree in which every node remembers the bytes it came from.
//!
//! What nobody edits is written back as those bytes, so odd encodings survive and a re-encoder can't
//! damage what no rule touched. Editing lives in [`super::edit`], writing in [`super::write`].

use super::source::Span;
use dicom_core::{Tag, VR};

/// How the elements of a dataset are encoded (PS3.5 7.1, Annex A).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    ImplicitLittle,
    ExplicitLittle,
    ExplicitBig,
}

/// A dataset: the whole of an instance, or an item of a sequence.
#[derive(Debug, Clone, Default)]
pub struct Dataset {
    /// In the order of the file, which is that of the tags in all but broken files.
    pub elements: Vec<Element>,
    /// The groups in which an element was added, removed or changed.
    pub touched_groups: Vec<u16>,
    /// Whether some element does not follow the one before it, as in broken files.
    pub(super) disordered: bool,
    /// Zeros behind the last element of a file, written back as they are.
    pub padding: Span,
}

#[derive(Debug, Clone)]
pub struct Element {
    pub tag: Tag,
    /// As the file or the dictionary has it; UN where neither knows.
    pub vr: VR,
    /// Header, value and delimiter in the source. Meaningless once edited.
    pub span: Span,
    pub value: Value,
}

#[derive(Debug, Clone)]
pub enum Value {
    /// As in the source, perhaps not loaded.
    Source(Span),
    /// As in the source, in fragments up to a delimiter (PS3.5 A.4), never loaded.
    Fragments(Span),
    /// Edited: encoded in the dataset's encoding, of even length.
    Edited(Vec<u8>),
    Sequence(Sequence),
}

#[derive(Debug, Clone)]
pub struct Sequence {
    pub items: Vec<Item>,
    /// With a delimiter instead of a length (PS3.5 7.5).
    pub undefined: bool,
    /// Of the items: that of the dataset around it but for UN with undefined length,
    /// which is implicit little endian whatever the transfer syntax says (PS3.5 6.2.2 note 4).
    pub encoding: Encoding,
    /// An item was added or removed, or the sequence is new.
    pub touched: bool,
}

#[derive(Debug, Clone)]
pub struct Item {
    pub span: Span,
    pub undefined: bool,
    pub dataset: Dataset,
    /// Not in the source.
    pub new: bool,
}

impl Dataset {
    /// Where the element stands, or where it would be inserted. Files with elements out of order are
    /// searched from the front.
    pub fn position(&self, tag: Tag) -> Result<usize, usize> {
        let at = self.elements.partition_point(|e| e.tag < tag);
        match self.elements.get(at) {
            Some(e) if e.tag == tag => Ok(at),
            _ if !self.disordered => Err(at),
            _ => match self.elements.iter().position(|e| e.tag == tag) {
                Some(found) => Ok(found),
                None => Err(at),
            },
        }
    }

    pub fn get(&self, tag: Tag) -> Option<&Element> {
        self.position(tag).ok().map(|at| &self.elements[at])
    }

    pub fn touch(&mut self, group: u16) {
        if !self.touched_groups.contains(&group) {
            self.touched_groups.push(group);
        }
    }

    /// Whether anything here or below differs from the source.
    pub fn is_touched(&self) -> bool {
        !self.touched_groups.is_empty() || self.elements.iter().any(Element::is_touched)
    }
}

impl Element {
    pub fn is_touched(&self) -> bool {
        match &self.value {
            Value::Source(_) | Value::Fragments(_) => false,
            Value::Edited(_) => true,
            Value::Sequence(s) => s.is_touched(),
        }
    }

    pub fn is_private(&self) -> bool {
        self.tag.group() % 2 == 1
    }

    pub fn sequence(&self) -> Option<&Sequence> {
        match &self.value {
            Value::Sequence(s) => Some(s),
            _ => None,
        }
    }

    pub fn sequence_mut(&mut self) -> Option<&mut Sequence> {
        match &mut self.value {
            Value::Sequence(s) => Some(s),
            _ => None,
        }
    }
}

impl Sequence {
    pub fn is_touched(&self) -> bool {
        self.touched || self.items.iter().any(|i| i.new || i.dataset.is_touched())
    }
}
