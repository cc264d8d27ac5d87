//! Odd files that are read, and hostile ones that are refused.

use super::encoder::{Item, Node, Value, dataset, encode, file, leaf, sequence, transfer_syntax};
use crate::dicom::edit::{Change, Reach, Scope};
use crate::dicom::path::{Location, Pattern};
use crate::dicom::{Element, Encoding, Instance, ReadError, Tag, VR, tags};
use std::io::Write as _;

const IMPLICIT: Encoding = Encoding::ImplicitLittle;
const EXPLICIT: Encoding = Encoding::ExplicitLittle;
const REQUEST: Tag = tags::REQUEST_ATTRIBUTES_SEQUENCE;

fn read(declared: Encoding, dataset: &[u8]) -> Result<Instance, ReadError> {
    Instance::from_bytes(file(transfer_syntax(declared), dataset))
}

fn patient() -> Node {
    leaf(tags::PATIENT_ID, VR::LO, b"ID-12345")
}

#[test]
fn zeros_behind_the_dataset_are_kept_however_many() {
    for count in [1, 7, 8, 4096, 3_000_000] {
        let mut bytes = encode(&dataset(vec![patient()]), EXPLICIT);
        bytes.resize(bytes.len() + count, 0);
        let mut instance = read(EXPLICIT, &bytes).expect("padded");
        assert_eq!(instance.dataset.elements.len(), 1);
        assert_eq!(instance.dataset.padding.len, count as u64);
        let path = Pattern::parse_path("PatientID").expect("a path");
        instance.set(&path, "ID-12346").expect("set");
        let written = instance.to_bytes().expect("bytes");
        assert_eq!(written.len(), file(transfer_syntax(EXPLICIT), &bytes).len());
    }
}

#[test]
fn the_encoding_is_what_the_dataset_is_in() {
    let model = dataset(vec![
        leaf(tags::IMAGE_TYPE, VR::CS, b"DERIVED\\SECONDARY "),
        patient(),
        sequence(REQUEST, vec![vec![patient()]]),
    ]);
    for (declared, actual) in [
        (EXPLICIT, IMPLICIT),
        (IMPLICIT, EXPLICIT),
        (IMPLICIT, IMPLICIT),
        (EXPLICIT, EXPLICIT),
    ] {
        let mut instance = read(declared, &encode(&model, actual)).expect("read all the same");
        assert_eq!(instance.encoding(), actual);
        assert_eq!(instance.transfer_syntax(), transfer_syntax(declared));
        let path = Pattern::parse_path("RequestAttributesSequence/PatientID").expect("a path");
        instance.set(&path, "X").expect("set");
        let expected = dataset(vec![
            model.nodes[0].clone(),
            patient(),
            sequence(REQUEST, vec![vec![leaf(tags::PATIENT_ID, VR::LO, b"X ")]]),
        ]);
        let expected = file(transfer_syntax(declared), &encode(&expected, actual));
        assert_eq!(instance.to_bytes().expect("bytes"), expected);
    }
}

/// As a length, the letters of a first element's VR lie within a file that is large enough. What is read so has the
/// header for its value, and no rule sees the patient in it.
#[test]
fn letters_of_a_vr_are_no_length_however_much_follows() {
    let undefined = Value::Items {
        undefined: true,
        items: vec![],
    };
    let references = Tag(0x0008, 0x1110);
    let firsts = [
        leaf(Tag(0x0008, 0x0000), VR::UL, &[0; 4]),
        leaf(tags::SPECIFIC_CHARACTER_SET, VR::CS, b"ISO_IR 100"),
        leaf(tags::SOP_INSTANCE_UID, VR::UI, b"1.2.3.4\0"),
        leaf(Tag(0x0008, 0x0001), VR::UN, b"odd "),
        sequence(references, vec![vec![patient()]]),
        Node {
            tag: references,
            vr: VR::SQ,
            value: undefined,
        },
    ];
    let pixels = leaf(tags::PIXEL_DATA, VR::OW, &vec![0; 3_000_000]);
    for first in firsts {
        let nodes = vec![first.clone(), patient(), pixels.clone()];
        for written in [EXPLICIT, IMPLICIT] {
            let bytes = encode(&dataset(nodes.clone()), written);
            let instance = read(IMPLICIT, &bytes).expect("read all the same");
            assert_eq!(instance.encoding(), written, "{first:?}");
            let path = Pattern::parse_path("PatientID").expect("a path");
            assert!(instance.look_up(&path).is_some(), "{first:?}");
        }
    }
}

/// The other way round: a true length that reads like a VR, here `LO` and `DS`.
#[test]
fn lengths_like_letters_of_a_vr_are_lengths() {
    for len in [0x4F4C_usize, 0x5344] {
        let item = vec![leaf(Tag(0x0008, 0x0104), VR::LO, &vec![b'a'; len - 16])];
        let first = sequence(Tag(0x0008, 0x1110), vec![item]);
        let bytes = encode(&dataset(vec![first, patient()]), IMPLICIT);
        assert_eq!(bytes[4..8], (len as u32).to_le_bytes());
        let instance = read(IMPLICIT, &bytes).expect("read");
        assert_eq!(instance.encoding(), IMPLICIT);
    }
}

#[test]
fn items_in_another_encoding_are_read_and_edited_in_it() {
    let inner = encode(&dataset(vec![patient()]), IMPLICIT);
    let mut value = vec![0xFE, 0xFF, 0x00, 0xE0];
    value.extend((inner.len() as u32).to_le_bytes());
    value.extend(&inner);
    // As the encoder writes a value of SQ, header and length are right.
    let mut instance = read(
        EXPLICIT,
        &encode(&dataset(vec![leaf(REQUEST, VR::SQ, &value)]), EXPLICIT),
    )
    .expect("read");
    let path = Pattern::parse_path("RequestAttributesSequence/PatientID").expect("a path");
    let (element, scope, _) = instance.look_up(&path).expect("found");
    assert_eq!(scope.text(element).as_deref(), Some("ID-12345"));
    instance.set(&path, "ID-54321").expect("set");
    let at = value.len() - 8;
    value[at..].copy_from_slice(b"ID-54321");
    let expected = encode(&dataset(vec![leaf(REQUEST, VR::SQ, &value)]), EXPLICIT);
    assert_eq!(
        instance.to_bytes().expect("bytes"),
        file(transfer_syntax(EXPLICIT), &expected)
    );
}

/// PS3.5 6.2.2: what a writer did not know is UN, be it a sequence.
#[test]
fn sequences_inside_unknown_values_are_seen() {
    for (outer, inner) in [
        (EXPLICIT, IMPLICIT),
        (EXPLICIT, EXPLICIT),
        (IMPLICIT, IMPLICIT),
    ] {
        let content = encode(&dataset(vec![patient()]), inner);
        let mut value = vec![0xFE, 0xFF, 0x00, 0xE0];
        value.extend((content.len() as u32).to_le_bytes());
        value.extend(content);
        let nodes = vec![
            leaf(Tag(0x29, 0x10), VR::LO, b"ACME"),
            leaf(Tag(0x29, 0x1001), VR::UN, &value),
        ];
        let instance = read(outer, &encode(&dataset(nodes), outer)).expect("read");
        let path = Pattern::parse_path("(0029,{ACME}01)/PatientID").expect("a path");
        let (element, scope, _) = instance.look_up(&path).expect("found");
        assert_eq!(scope.text(element).as_deref(), Some("ID-12345"));
    }
}

#[test]
fn nothing_reaches_past_what_it_is_in() {
    let open_ended = |items| Node {
        tag: tags::CONTENT_SEQUENCE,
        vr: VR::SQ,
        value: Value::Items {
            undefined: true,
            items,
        },
    };
    let item = Item {
        undefined: true,
        dataset: dataset(vec![patient()]),
    };
    let node = sequence(REQUEST, vec![vec![open_ended(vec![item])]]);
    let good = encode(&dataset(vec![node]), EXPLICIT);
    read(EXPLICIT, &good).expect("the case itself is valid");
    // The lengths of the sequence and of its item, cut so that the inner delimiters lie outside.
    for at in [8, 16] {
        let mut bad = good.clone();
        bad[at] -= 8;
        let error = read(EXPLICIT, &bad).expect_err("lengths that lie");
        assert!(matches!(error, ReadError::Malformed { .. }), "{error}");
    }
}

#[test]
fn depth_and_number_of_nodes_are_bounded() {
    let mut node = patient();
    for _ in 0..100 {
        node = sequence(tags::CONTENT_SEQUENCE, vec![vec![node]]);
    }
    let deep = read(EXPLICIT, &encode(&dataset(vec![node]), EXPLICIT));
    assert!(matches!(deep, Err(ReadError::TooDeep { .. })));
    let empty = [0x10, 0x00, 0x20, 0x00, 0, 0, 0, 0].repeat(4_000_001);
    assert!(matches!(
        read(IMPLICIT, &empty),
        Err(ReadError::TooManyNodes { .. })
    ));
}

fn item(inner: &[u8], encoding: Encoding) -> Vec<u8> {
    let len = inner.len() as u32;
    let (mut bytes, len) = match encoding {
        Encoding::ExplicitBig => (vec![0xFF, 0xFE, 0xE0, 0x00], len.to_be_bytes()),
        _ => (vec![0xFE, 0xFF, 0x00, 0xE0], len.to_le_bytes()),
    };
    bytes.extend(len);
    bytes.extend(inner);
    bytes
}

/// A public sequence in another VR, with what other writers leave behind its items. Opened, it is edited like any,
/// and what nobody edits is written as it was.
#[test]
fn public_sequences_in_other_vrs_are_opened() {
    const BIG: Encoding = Encoding::ExplicitBig;
    let delimiter: &[u8] = &[0xFE, 0xFF, 0xDD, 0xE0, 0, 0, 0, 0];
    let big_delimiter: &[u8] = &[0xFF, 0xFE, 0xE0, 0xDD, 0, 0, 0, 0];
    let long = vec![0; 100_000];
    let cases: Vec<(Encoding, VR, Encoding, &[u8])> = vec![
        (EXPLICIT, VR::UN, IMPLICIT, delimiter),
        (EXPLICIT, VR::UN, EXPLICIT, delimiter),
        (EXPLICIT, VR::UN, EXPLICIT, &[0, 0]),
        (EXPLICIT, VR::UN, EXPLICIT, &[0; 16]),
        (EXPLICIT, VR::OB, EXPLICIT, &[]),
        (EXPLICIT, VR::OB, EXPLICIT, &long),
        (EXPLICIT, VR::OW, IMPLICIT, delimiter),
        (EXPLICIT, VR::LO, EXPLICIT, &[]),
        (EXPLICIT, VR::UT, IMPLICIT, &[]),
        (BIG, VR::UN, BIG, big_delimiter),
        (BIG, VR::UN, IMPLICIT, &[0; 4]),
        (BIG, VR::OB, BIG, &[]),
    ];
    for (outer, vr, inner, tail) in cases {
        let whole = |id: &[u8], tail: &[u8]| {
            let id = leaf(tags::PATIENT_ID, VR::LO, id);
            let mut value = item(&encode(&dataset(vec![id]), inner), inner);
            value.extend(tail);
            let nodes = vec![
                leaf(REQUEST, vr, &value),
                leaf(tags::TEXT_VALUE, VR::UT, b"t "),
            ];
            file(transfer_syntax(outer), &encode(&dataset(nodes), outer))
        };
        let what = format!("{outer:?} {vr:?} {inner:?} {}", tail.len());
        let bytes = whole(b"ID-12345", tail);
        let mut instance = Instance::from_bytes(bytes.clone()).expect(&what);
        assert_eq!(instance.closed_sequence(), None, "{what}");
        let path = Pattern::parse_path("TextValue").expect("a path");
        instance.set(&path, "t").expect("set");
        assert_eq!(instance.to_bytes().expect("bytes"), bytes, "{what}");
        let path = Pattern::parse_path("RequestAttributesSequence/PatientID").expect("a path");
        instance.set(&path, "ID-54321").expect(&what);
        assert_eq!(
            instance.to_bytes().expect("bytes"),
            whole(b"ID-54321", &[]),
            "{what}"
        );
    }
}

#[test]
fn public_sequences_that_cannot_be_opened_are_told() {
    let patient = encode(&dataset(vec![patient()]), EXPLICIT);
    let mut behind = item(&patient, EXPLICIT);
    behind.extend(b"Doe^John");
    let too_long = [&[0xFE, 0xFF, 0x00, 0xE0, 0xFF, 0, 0, 0], &patient[..]].concat();
    for (vr, value) in [
        (VR::UN, behind.clone()),
        (VR::OB, behind),
        (VR::OW, too_long),
        (VR::LO, b"Doe^John".to_vec()),
        (VR::OB, vec![1; 100_000]),
    ] {
        let closed = leaf(REQUEST, vr, &value);
        for (model, path) in [
            (dataset(vec![closed.clone()]), "RequestAttributesSequence"),
            (
                dataset(vec![sequence(
                    tags::CONTENT_SEQUENCE,
                    vec![vec![closed.clone()]],
                )]),
                "ContentSequence[0]/RequestAttributesSequence",
            ),
        ] {
            let bytes = encode(&model, EXPLICIT);
            let instance = read(EXPLICIT, &bytes).expect("read");
            assert_eq!(instance.closed_sequence().as_deref(), Some(path), "{vr:?}");
        }
    }
    for value in [&[][..], &[0; 6]] {
        let bytes = encode(&dataset(vec![leaf(REQUEST, VR::UN, value)]), EXPLICIT);
        assert_eq!(
            read(EXPLICIT, &bytes).expect("read").closed_sequence(),
            None
        );
    }
}

/// Each level could be read in two ways, and fail in both only behind all that is below it.
#[test]
fn what_could_be_read_in_many_ways_is_not_read_in_all_of_them() {
    let mut value = encode(&dataset(vec![patient()]), EXPLICIT);
    for _ in 0..60 {
        value = item(
            &encode(&dataset(vec![leaf(REQUEST, VR::UN, &value)]), EXPLICIT),
            EXPLICIT,
        );
        value.extend(b"behind");
    }
    let read = read(
        EXPLICIT,
        &encode(&dataset(vec![leaf(REQUEST, VR::UN, &value)]), EXPLICIT),
    );
    assert!(matches!(read, Err(ReadError::TooManyNodes { .. })));
}

/// In implicit VR the parser knows no VR of a private element.
#[test]
fn a_large_private_value_stays_in_the_file_unless_it_holds_items() {
    let creator = leaf(Tag(0x0029, 0x0010), VR::LO, b"ACME");
    let tag = Tag(0x0029, 0x1001);
    let large = vec![b'x'; 1 << 20];
    let items = {
        let text = leaf(tags::TEXT_VALUE, VR::UT, &large);
        let hidden = sequence(tag, vec![vec![text]]);
        Node {
            vr: VR::UN,
            ..hidden
        }
    };
    // It looks like items, and is none.
    let mut odd = large.clone();
    odd[..4].copy_from_slice(&[0xFE, 0xFF, 0x00, 0xE0]);
    let text = leaf(tags::TEXT_VALUE, VR::UN, &large);
    for (node, is_loaded) in [
        (leaf(tag, VR::UN, &large), false),
        (leaf(tag, VR::UN, &odd), true),
        (leaf(tag, VR::UN, &large[..1 << 16]), true),
        (text, true),
        (items, true),
    ] {
        for encoding in [Encoding::ImplicitLittle, Encoding::ExplicitLittle] {
            let model = dataset(vec![creator.clone(), node.clone()]);
            let bytes = file(transfer_syntax(encoding), &encode(&model, encoding));
            let mut on_disk = tempfile::tempfile().expect("a file");
            on_disk.write_all(&bytes).expect("written");
            let mut instance = Instance::read(on_disk).expect("a valid file");
            let element = instance.dataset.get(node.tag).expect("the element");
            let loaded = instance.bytes(element).is_some() || element.sequence().is_some();
            assert_eq!(loaded, is_loaded, "{encoding:?} {:?}", node.vr);

            // A digest is the same of what is written and of what is read back, the value untouched or not.
            let id = Pattern::parse_path("PatientID").expect("a path");
            instance.set(&id, "4711").expect("set");
            assert_digest_holds(&instance);
            if element_is_leaf(&instance, node.tag) {
                for value in [&large, &odd] {
                    let mut change = |_: &Location, element: &Element, _: &Scope<'_>| match element
                        .tag
                        == node.tag
                    {
                        true => Change::Bytes(value.clone()),
                        false => Change::Keep,
                    };
                    instance
                        .edit(Reach::Everything, &mut change)
                        .expect("edited");
                    assert_digest_holds(&instance);
                }
            }
        }
    }
}

fn element_is_leaf(instance: &Instance, tag: Tag) -> bool {
    let element = instance.dataset.get(tag);
    element.is_some_and(|element| element.sequence().is_none())
}

fn assert_digest_holds(instance: &Instance) {
    let told = instance.digest_as_written().expect("digest");
    let mut written = tempfile::tempfile().expect("a file");
    instance.write(&mut written).expect("written");
    let again = Instance::read(written).expect("a valid file");
    assert_eq!(again.digest_as_read().expect("digest"), told);
}
