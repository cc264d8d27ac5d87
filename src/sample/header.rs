//! A header under construction: `dicom-object` with the few calls that building one takes.
//!
//! Text is kept as the bytes that go into the file, since `dicom-object` can't write code extensions.

use dicom_core::dictionary::{DataDictionary, DataDictionaryEntry};
use dicom_core::value::DataSetSequence;
use dicom_core::{DataElement, Length, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::StandardDataDictionary;
use dicom_object::InMemDicomObject;

/// How a sequence and its items say where they end (PS3.5 7.5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lengths {
    Defined,
    Undefined,
}

#[derive(Debug, Clone)]
pub(super) struct Header(pub(super) InMemDicomObject);

impl Header {
    pub(super) fn new() -> Self {
        Header(InMemDicomObject::new_empty())
    }

    /// A standard element of a text VR.
    pub(super) fn text(&mut self, tag: Tag, value: impl AsRef<[u8]>) -> &mut Self {
        self.put(tag, vr_of(tag), bytes(value))
    }

    /// Several elements at once.
    pub(super) fn texts(&mut self, values: &[(Tag, &str)]) -> &mut Self {
        for (tag, value) in values {
            self.text(*tag, value);
        }
        self
    }

    pub(super) fn numbers(&mut self, tag: Tag, values: &[u16]) -> &mut Self {
        self.put(tag, VR::US, PrimitiveValue::U16(values.into()))
    }

    pub(super) fn double(&mut self, tag: Tag, value: f64) -> &mut Self {
        self.put(tag, VR::FD, PrimitiveValue::F64([value].as_slice().into()))
    }

    pub(super) fn sequence(&mut self, tag: Tag, lengths: Lengths, items: Vec<Header>) -> &mut Self {
        // The encoder computes the length; here it only says which style is wanted.
        let mark = match lengths {
            Lengths::Defined => Length(0),
            Lengths::Undefined => Length::UNDEFINED,
        };
        let items: Vec<_> = items.into_iter().map(|item| item.0).collect();
        self.0.put(DataElement::new(
            tag,
            VR::SQ,
            DataSetSequence::new(items, mark),
        ));
        self
    }

    pub(super) fn put(&mut self, tag: Tag, vr: VR, value: PrimitiveValue) -> &mut Self {
        self.0.put(DataElement::new(tag, vr, value));
        self
    }

    /// The creator of a private block (PS3.5 7.8.1): block 0x10 holds the elements (group,10xx).
    pub(super) fn private_creator(&mut self, group: u16, block: u8, creator: &str) -> &mut Self {
        self.put(Tag(group, block.into()), VR::LO, bytes(creator))
    }

    pub(super) fn private(
        &mut self,
        group: u16,
        block: u8,
        element: u8,
        vr: VR,
        value: impl AsRef<[u8]>,
    ) -> &mut Self {
        self.put(
            Tag(group, u16::from(block) << 8 | u16::from(element)),
            vr,
            bytes(value),
        )
    }
}

/// An item of the Code Sequence macro (PS3.3 8.8).
pub(super) fn code(value: &str, scheme: &str, meaning: &str) -> Header {
    use dicom_dictionary_std::tags::{CODE_MEANING, CODE_VALUE, CODING_SCHEME_DESIGNATOR};
    let mut item = Header::new();
    item.texts(&[
        (CODE_VALUE, value),
        (CODING_SCHEME_DESIGNATOR, scheme),
        (CODE_MEANING, meaning),
    ]);
    item
}

pub(super) fn bytes(value: impl AsRef<[u8]>) -> PrimitiveValue {
    PrimitiveValue::U8(value.as_ref().into())
}

fn vr_of(tag: Tag) -> VR {
    StandardDataDictionary
        .by_tag(tag)
        .map_or(VR::UN, |entry| entry.vr().relaxed())
}
