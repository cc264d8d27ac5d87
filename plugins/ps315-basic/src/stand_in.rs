//! Stand-ins for sequences that must have an item: what the profile's D means for a sequence.
//!
//! The items of these hold codes out of fixed lists, so dummies in place of their values would not be
//! valid. The walk removes the sequence; one item that says nothing takes its place.

use crate::refused::OrRefused;
use crate::sluice::rules::dicom::Dataset;

/// A valid item for a sequence at the top of the dataset, which is where its module has it.
struct StandIn {
    sequence: &'static str,
    /// Kept from the first item that was there: a reference within the dataset.
    reference: Option<&'static str>,
    values: &'static [(&'static str, &'static str)],
}

const STAND_INS: [StandIn; 2] = [
    // A structured report's tree, PS3.3 C.17.3: a comment that it was removed.
    StandIn {
        sequence: "ContentSequence",
        reference: None,
        values: &[
            ("RelationshipType", "CONTAINS"),
            ("ValueType", "TEXT"),
            ("ConceptNameCodeSequence[0]/CodeValue", "121106"),
            ("ConceptNameCodeSequence[0]/CodingSchemeDesignator", "DCM"),
            ("ConceptNameCodeSequence[0]/CodeMeaning", "Comment"),
            ("TextValue", "Removed by de-identification"),
        ],
    },
    // A presentation state's annotations, PS3.3 C.10.5: a text that is not shown.
    StandIn {
        sequence: "GraphicAnnotationSequence",
        reference: Some("GraphicLayer"),
        values: &[
            ("TextObjectSequence[0]/UnformattedTextValue", "Removed"),
            (
                "TextObjectSequence[0]/AnchorPointAnnotationUnits",
                "DISPLAY",
            ),
            ("TextObjectSequence[0]/AnchorPoint", "0\\0"),
            ("TextObjectSequence[0]/AnchorPointVisibility", "N"),
        ],
    },
];

/// The stand-ins that a dataset needs.
pub struct Needed(Vec<(&'static StandIn, Option<String>)>);

impl Needed {
    /// Looks before the walk, while the sequences are there.
    pub fn of(ds: &Dataset) -> Self {
        let needed = STAND_INS.iter().filter(|s| ds.exists(s.sequence));
        Needed(
            needed
                .map(|s| {
                    (
                        s,
                        s.reference
                            .and_then(|name| ds.get(&format!("{}[0]/{name}", s.sequence))),
                    )
                })
                .collect(),
        )
    }

    /// Puts them in place after the walk.
    pub fn put(self, ds: &Dataset) -> Result<(), String> {
        for (stand_in, reference) in self.0 {
            let set = |name: &str, value: &str| {
                ds.set(&format!("{}[0]/{name}", stand_in.sequence), value)
                    .or_refused(name)
            };
            if let (Some(name), Some(value)) = (stand_in.reference, reference) {
                set(name, &value)?;
            }
            for (name, value) in stand_in.values {
                set(name, value)?;
            }
        }
        Ok(())
    }
}
