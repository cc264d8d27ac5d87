//! Public sequences whose value can't be read as items. What is in them no rule sees, and nothing that is to be
//! done at any depth reaches it.

use super::instance::Instance;
use super::parse::is_sequence;
use super::path::{Place, location_text};
use super::source::Source;
use super::tree::{Dataset, Element, Value};

impl Instance {
    /// The path of the first element that is a sequence by the dictionary (PS3.6), has a value, and has none that
    /// could be read as items. What a rule gave it is no such value.
    pub fn closed_sequence(&self) -> Option<String> {
        let mut location = Vec::new();
        find(&self.dataset, self.source(), &mut location)
            .then(|| location_text(&location).into_owned())
    }
}

/// Leaves the way to it in `location`.
fn find(dataset: &Dataset, source: &Source, location: &mut Vec<Place>) -> bool {
    for element in &dataset.elements {
        location.push(Place {
            tag: element.tag,
            creator: None,
            item: None,
        });
        let depth = location.len() - 1;
        match element.sequence() {
            Some(sequence) => {
                for (index, item) in sequence.items.iter().enumerate() {
                    location[depth].item = u32::try_from(index).ok();
                    if find(&item.dataset, source, location) {
                        return true;
                    }
                }
            }
            None if is_closed(element, source) => return true,
            None => {}
        }
        location.pop();
    }
    false
}

fn is_closed(element: &Element, source: &Source) -> bool {
    let span = match element.value {
        Value::Source(span) | Value::Fragments(span) => span,
        Value::Edited(_) | Value::Sequence(_) => return false,
    };
    // Zeros fill up what is empty.
    let is_empty = |bytes: &[u8]| bytes.iter().all(|byte| *byte == 0);
    span.len > 0 && is_sequence(element.tag) && !source.loaded(span).is_some_and(is_empty)
}
