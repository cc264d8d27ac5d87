//! Random datasets: what is not edited stays as it is, an edit writes what the model says, and no damage to
//! a file makes the parser panic.

use super::encoder::{Dataset, Item, Node, Value, encode, file, transfer_syntax};
use crate::dicom::edit::{Change, Reach};
use crate::dicom::path::{Location, Pattern};
use crate::dicom::{Encoding, Instance, Tag, VR, dictionary};
use proptest::collection::{btree_set, vec};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// One of each VR, in many groups.
const LEAVES: [&str; 32] = [
    "RetrieveAETitle",
    "PatientAge",
    "FrameIncrementPointer",
    "Modality",
    "StudyDate",
    "SliceThickness",
    "AcquisitionDateTime",
    "RealWorldValueSlope",
    "RecommendedDisplayFrameRateInFloat",
    "SeriesNumber",
    "StudyDescription",
    "PatientComments",
    "EncapsulatedDocument",
    "DoublePointCoordinatesData",
    "PointCoordinatesData",
    "LongPrimitivePointIndexList",
    "ExtendedOffsetTable",
    "RedPaletteColorLookupTableData",
    "PatientName",
    "AccessionNumber",
    "ReferencePixelX0",
    "TagAngleSecondAxis",
    "InstitutionAddress",
    "SelectorSVValue",
    "StudyTime",
    "LongCodeValue",
    "StudyInstanceUID",
    "RegionFlags",
    "RetrieveURL",
    "Rows",
    "TextValue",
    "SelectorUVValue",
];
const SEQUENCES: [&str; 4] = [
    "ReferencedStudySequence",
    "ConceptNameCodeSequence",
    "ContentSequence",
    "RequestAttributesSequence",
];
/// In none of the lists above: what is set anew.
const NEW: &str = "PersonName";

fn tag_of(keyword: &str) -> Tag {
    dictionary::tag_of(keyword).expect(keyword)
}

fn encodings() -> impl Strategy<Value = Encoding> {
    prop_oneof![
        Just(Encoding::ImplicitLittle),
        Just(Encoding::ExplicitLittle),
        Just(Encoding::ExplicitBig),
    ]
}

fn leaves(encoding: Encoding) -> impl Strategy<Value = Node> {
    let standard = proptest::sample::select(LEAVES.to_vec()).prop_map(|keyword| {
        let tag = tag_of(keyword);
        (tag, dictionary::vr_of(tag).expect(keyword))
    });
    let private = (0x1001u16..0x1009).prop_map(move |element| (Tag(0x0029, element), VR::UN));
    // Odd lengths occur, although PS3.5 7.1.1 forbids them.
    (
        prop_oneof![4 => standard, 1 => private],
        vec(any::<u8>(), 0..20),
    )
        .prop_map(move |((tag, vr), bytes)| Node {
            tag,
            vr: if encoding == Encoding::ImplicitLittle {
                dictionary::vr_of(tag).unwrap_or(VR::UN)
            } else {
                vr
            },
            value: Value::Bytes(bytes),
        })
}

fn datasets(encoding: Encoding) -> impl Strategy<Value = Dataset> {
    let with_lengths = move |nodes: Vec<Node>, lengths: bool| {
        let nodes: BTreeMap<Tag, Node> = nodes.into_iter().map(|n| (n.tag, n)).collect();
        let groups = nodes.keys().map(|tag| tag.group());
        Dataset {
            lengths: groups.filter(|_| lengths).collect(),
            nodes: nodes.into_values().collect(),
        }
    };
    let flat = (vec(leaves(encoding), 0..5), proptest::bool::weighted(0.3))
        .prop_map(move |(nodes, lengths)| with_lengths(nodes, lengths));
    flat.prop_recursive(4, 40, 4, move |inner| {
        let items = vec((any::<bool>(), inner), 0..3);
        let sequences = (
            proptest::sample::select(SEQUENCES.to_vec()),
            any::<bool>(),
            items,
        )
            .prop_map(move |(keyword, undefined, items)| Node {
                tag: tag_of(keyword),
                vr: VR::SQ,
                value: Value::Items {
                    undefined,
                    items: items
                        .into_iter()
                        .map(|(undefined, dataset)| Item { undefined, dataset })
                        .collect(),
                },
            });
        (
            vec(leaves(encoding), 0..4),
            vec(sequences, 1..3),
            proptest::bool::weighted(0.3),
        )
            .prop_map(move |(mut nodes, sequences, lengths)| {
                nodes.extend(sequences);
                with_lengths(nodes, lengths)
            })
    })
}

/// A dataset with pixels, perhaps a sequence passed on as UN, and zeros behind it all.
fn files() -> impl Strategy<Value = (Encoding, Dataset, usize)> {
    encodings().prop_flat_map(|encoding| {
        let pixels = (any::<bool>(), vec(vec(any::<u8>(), 0..9), 1..4));
        (
            Just(encoding),
            datasets(encoding),
            proptest::option::of(pixels),
            proptest::option::of(datasets(Encoding::ImplicitLittle)),
            0usize..20,
        )
            .prop_map(|(encoding, mut dataset, pixels, unknown, padding)| {
                if let Some(inner) = unknown
                    && encoding != Encoding::ImplicitLittle
                {
                    let item = Item {
                        undefined: true,
                        dataset: inner,
                    };
                    insert(
                        &mut dataset,
                        Node {
                            tag: tag_of("PerformedProtocolCodeSequence"),
                            vr: VR::UN,
                            value: Value::Items {
                                undefined: true,
                                items: vec![item],
                            },
                        },
                    );
                }
                if let Some((encapsulated, fragments)) = pixels {
                    let (vr, value) = match (encapsulated, encoding) {
                        (true, Encoding::ExplicitLittle) => (VR::OB, Value::Fragments(fragments)),
                        _ => (VR::OW, Value::Bytes(fragments.concat())),
                    };
                    let tag = tag_of("PixelData");
                    insert(&mut dataset, Node { tag, vr, value });
                }
                (encoding, dataset, padding)
            })
    })
}

fn bytes_of(encoding: Encoding, dataset: &Dataset, padding: usize) -> Vec<u8> {
    let mut bytes = encode(dataset, encoding);
    bytes.resize(bytes.len() + padding, 0);
    file(transfer_syntax(encoding), &bytes)
}

/// The steps to every element that an edit may go to, and to every item.
fn places(dataset: &Dataset, at: &[(Tag, u32)], elements: &mut Vec<Steps>, items: &mut Vec<Steps>) {
    items.push((at.to_vec(), None));
    for node in &dataset.nodes {
        if node.tag.group() == 0x7FE0 {
            continue;
        }
        elements.push((at.to_vec(), Some(node.tag)));
        if let Value::Items { items: inner, .. } = &node.value {
            for (index, item) in inner.iter().enumerate() {
                let mut below = at.to_vec();
                below.push((node.tag, index as u32));
                places(&item.dataset, &below, elements, items);
            }
        }
    }
}

/// Sequences with the item gone into, and the element in the last of them.
type Steps = (Vec<(Tag, u32)>, Option<Tag>);

fn is_at(location: &Location, (items, tag): &Steps) -> bool {
    let steps = items.iter().map(|(tag, item)| (*tag, Some(*item)));
    let wanted = steps.chain(tag.map(|tag| (tag, None)));
    location.iter().map(|p| (p.tag, p.item)).eq(wanted)
}

fn path(items: &[(Tag, u32)], last: &str) -> Pattern {
    let text: String = items
        .iter()
        .map(|(tag, item)| format!("({:04X},{:04X})[{item}]/", tag.group(), tag.element()))
        .collect();
    Pattern::parse_path(&(text + last)).expect("a path")
}

fn inner<'a>(dataset: &'a mut Dataset, items: &[(Tag, u32)]) -> &'a mut Dataset {
    let Some(((tag, index), rest)) = items.split_first() else {
        return dataset;
    };
    let node = dataset.nodes.iter_mut().find(|n| n.tag == *tag);
    match &mut node.expect("a sequence").value {
        Value::Items { items, .. } => inner(&mut items[*index as usize].dataset, rest),
        _ => panic!("no sequence"),
    }
}

fn insert(dataset: &mut Dataset, node: Node) {
    let at = dataset.nodes.partition_point(|n| n.tag < node.tag);
    dataset.nodes.insert(at, node);
}

#[derive(Debug, Clone)]
enum Edit {
    Remove,
    Blank,
    Bytes(Vec<u8>),
    SetNew,
}

fn edits() -> impl Strategy<Value = Edit> {
    prop_oneof![
        Just(Edit::Remove),
        Just(Edit::Blank),
        vec(any::<u8>(), 0..12).prop_map(|mut bytes| {
            bytes.resize(bytes.len().next_multiple_of(2), 0);
            Edit::Bytes(bytes)
        }),
        Just(Edit::SetNew),
    ]
}

/// Makes an edit at a random place in both, and answers whether there was a place for it.
fn make(instance: &mut Instance, model: &mut Dataset, edit: &Edit, at: usize) -> bool {
    let (mut elements, mut items) = (Vec::new(), Vec::new());
    places(model, &[], &mut elements, &mut items);
    if let Edit::SetNew = edit {
        let (steps, _) = items[at % items.len()].clone();
        instance
            .set(&path(&steps, NEW), "New^Name")
            .expect("a new element");
        let node = Node {
            tag: tag_of(NEW),
            vr: VR::PN,
            value: Value::Bytes(b"New^Name".to_vec()),
        };
        let dataset = inner(model, &steps);
        dataset.nodes.retain(|n| n.tag != node.tag);
        insert(dataset, node);
        return true;
    }
    if elements.is_empty() {
        return false;
    }
    let place = elements[at % elements.len()].clone();
    let dataset = inner(model, &place.0);
    let at = dataset.nodes.iter().position(|n| Some(n.tag) == place.1);
    let at = at.expect("an element");
    let change = match (edit, &mut dataset.nodes[at].value) {
        (Edit::Bytes(bytes), Value::Bytes(old)) => {
            old.clone_from(bytes);
            Change::Bytes(bytes.clone())
        }
        (Edit::Remove, _) => {
            dataset.nodes.remove(at);
            Change::Remove
        }
        (_, Value::Items { items, .. }) => {
            items.clear();
            Change::Blank
        }
        (_, value) => {
            *value = Value::Bytes(Vec::new());
            Change::Blank
        }
    };
    let count = instance.edit(
        Reach::Everything,
        &mut |location, _, _| match is_at(location, &place) {
            true => change.clone(),
            false => Change::Keep,
        },
    );
    assert_eq!(count, Ok(1));
    true
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn edits_write_what_they_say_and_leave_all_else((encoding, mut model, padding) in files(),
                                                   edits in vec((edits(), any::<usize>()), 1..4)) {
        let bytes = bytes_of(encoding, &model, padding);
        let mut instance = Instance::from_bytes(bytes.clone()).expect("a valid file");
        prop_assert_eq!(instance.to_bytes().expect("bytes"), bytes.clone());
        let as_read = instance.digest_as_read().expect("digest");
        for (edit, at) in &edits {
            make(&mut instance, &mut model, edit, *at);
        }
        let written = instance.to_bytes().expect("bytes");
        prop_assert_eq!(instance.digest_as_written().expect("digest") == as_read, written == bytes);
        prop_assert_eq!(&written, &bytes_of(encoding, &model, padding));
        let again = Instance::from_bytes(written).expect("a valid file again");
        prop_assert_eq!(again.encoding(), encoding);
        prop_assert_eq!(
            instance.digest_as_written().expect("digest"),
            again.digest_as_read().expect("digest")
        );
    }

    #[test]
    fn damaged_files_are_read_or_refused((encoding, model, padding) in files(),
                                        wounds in vec((any::<usize>(), any::<u8>()), 0..6),
                                        cut in proptest::option::of(any::<usize>()),
                                        hits in btree_set(any::<usize>(), 0..3)) {
        let mut bytes = bytes_of(encoding, &model, padding);
        for (at, byte) in wounds {
            let at = 132 + at % (bytes.len() - 132);
            bytes[at] = byte;
        }
        for at in hits {
            // Lengths are where it hurts.
            let at = 132 + at % (bytes.len() - 135);
            bytes[at..at + 4].copy_from_slice(&[0xFF; 4]);
        }
        if let Some(cut) = cut {
            bytes.truncate(cut % bytes.len());
        }
        if let Ok(mut instance) = Instance::from_bytes(bytes.clone()) {
            prop_assert_eq!(instance.to_bytes().expect("bytes"), bytes);
            let _ = instance.edit(Reach::Everything, &mut |_, element, scope| match scope.text(element) {
                Some(text) if text.len() % 2 == 1 => Change::Remove,
                Some(_) => Change::Blank,
                None => Change::Keep,
            });
            let _ = instance.to_bytes();
        }
    }
}
