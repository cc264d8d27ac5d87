//! The other pictures of an instance, beside that of which regions are made black.

use crate::dicom::edit::{Change, EditProblem, Reach, Wanted};
use crate::dicom::instance::Instance;
use crate::dicom::path::location_text;
use crate::dicom::tree::{Dataset, Value};
use dicom_dictionary_std::tags;
use std::borrow::Cow;

impl Instance {
    /// Removes icons at any depth: they show the same picture (PS3.3 C.7.6.1.1.6), and so what is made black in it.
    /// Answers their paths.
    pub(super) fn remove_icons(&mut self) -> Result<Vec<Cow<'static, str>>, EditProblem> {
        let mut removed = Vec::new();
        let icons = Reach::Anywhere(Wanted::One(tags::ICON_IMAGE_SEQUENCE));
        self.edit(icons, &mut |location, _, _| {
            removed.push(location_text(location).into_owned().into());
            Change::Remove
        })?;
        Ok(removed)
    }
}

/// Whether something else than the picture and its icons is compressed. The transfer syntax says how all of them are
/// (PS3.5 A.4): once the picture is unpacked, a reader would take the rest for unpacked too.
pub(super) fn has_other_fragments(dataset: &Dataset) -> bool {
    let mut others = dataset
        .elements
        .iter()
        .filter(|element| element.tag != tags::PIXEL_DATA);
    others.any(|element| match &element.value {
        Value::Sequence(_) if element.tag == tags::ICON_IMAGE_SEQUENCE => false,
        Value::Sequence(sequence) => {
            (sequence.items.iter()).any(|item| has_fragments(&item.dataset))
        }
        value => matches!(value, Value::Fragments(_)),
    })
}

fn has_fragments(dataset: &Dataset) -> bool {
    let own = dataset.get(tags::PIXEL_DATA).map(|element| &element.value);
    matches!(own, Some(Value::Fragments(_))) || has_other_fragments(dataset)
}
