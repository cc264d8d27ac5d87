//! Edits, compared byte for byte with the dataset that should come of them.

use super::encoder::{Dataset, dataset, encode, file, leaf, sequence, transfer_syntax};
use crate::dicom::edit::{Change, EditProblem, Reach};
use crate::dicom::path::{Location, Pattern};
use crate::dicom::{Encoding, Instance, Tag, VR, tags};
use std::collections::BTreeSet;

const EXPLICIT: Encoding = Encoding::ExplicitLittle;
const REQUEST: Tag = tags::REQUEST_ATTRIBUTES_SEQUENCE;
const STEP: Tag = tags::SCHEDULED_PROCEDURE_STEP_DESCRIPTION;

fn open(model: &Dataset, encoding: Encoding) -> Instance {
    Instance::from_bytes(bytes(model, encoding)).expect("a valid file")
}

fn bytes(model: &Dataset, encoding: Encoding) -> Vec<u8> {
    file(transfer_syntax(encoding), &encode(model, encoding))
}

fn set(instance: &mut Instance, path: &str, text: &str) -> Result<(), EditProblem> {
    instance.set(&Pattern::parse_path(path).expect(path), text)
}

fn assert_is(instance: &Instance, model: &Dataset, encoding: Encoding) {
    assert_eq!(instance.to_bytes().expect("bytes"), bytes(model, encoding));
}

#[test]
fn setting_creates_sequences_and_items_in_tag_order() {
    for encoding in [Encoding::ImplicitLittle, EXPLICIT, Encoding::ExplicitBig] {
        let before = leaf(tags::PATIENT_ID, VR::LO, b"ID");
        let after = leaf(tags::TEXT_VALUE, VR::UT, b"text");
        let mut instance = open(&dataset(vec![before.clone(), after.clone()]), encoding);
        set(
            &mut instance,
            "RequestAttributesSequence[0]/ScheduledProcedureStepDescription",
            "one",
        )
        .expect("set");
        set(
            &mut instance,
            "RequestAttributesSequence[1]/ScheduledProcedureStepDescription",
            "two",
        )
        .expect("set");
        let items = vec![
            vec![leaf(STEP, VR::LO, b"one ")],
            vec![leaf(STEP, VR::LO, b"two ")],
        ];
        let model = dataset(vec![before, sequence(REQUEST, items), after]);
        assert_is(&instance, &model, encoding);
    }
}

#[test]
fn a_new_item_may_only_be_the_next() {
    let model = dataset(vec![sequence(REQUEST, vec![vec![]])]);
    let mut instance = open(&model, EXPLICIT);
    let path = "RequestAttributesSequence[2]/ScheduledProcedureStepDescription";
    assert!(matches!(
        set(&mut instance, path, "x"),
        Err(EditProblem::Path { .. })
    ));
    assert!(!instance.is_touched());
}

#[test]
fn what_does_not_fit_leaves_nothing_behind() {
    let model = dataset(vec![
        leaf(tags::PATIENT_ID, VR::LO, b"ID"),
        sequence(REQUEST, vec![vec![leaf(STEP, VR::LO, b"one ")]]),
    ]);
    let mut instance = open(&model, EXPLICIT);
    for path in [
        "PatientComments",
        "RequestAttributesSequence[0]/ScheduledProcedureStepDescription",
        "RequestAttributesSequence[1]/ScheduledProcedureStepDescription",
        "PerformedProtocolCodeSequence[0]/CodeMeaning",
        "PerformedProtocolCodeSequence[0]/EquivalentCodeSequence[0]/CodeMeaning",
        "(0029,{ACME}01)",
        "PerformedProtocolCodeSequence[0]/(0029,{ACME}01)",
    ] {
        let error = set(&mut instance, path, "Müller").expect_err(path);
        assert!(matches!(error, EditProblem::Value { .. }), "{error}");
        assert!(!instance.is_touched(), "{path}");
        assert_is(&instance, &model, EXPLICIT);
    }
}

#[test]
fn a_path_must_suit_what_is_there() {
    let model = dataset(vec![
        leaf(tags::PATIENT_ID, VR::LO, b"ID"),
        sequence(REQUEST, vec![]),
    ]);
    let mut instance = open(&model, EXPLICIT);
    for path in [
        "PatientID[0]/CodeMeaning",
        "RequestAttributesSequence",
        "(0029,1001)",
    ] {
        assert!(set(&mut instance, path, "x").is_err(), "{path}");
        assert!(!instance.is_touched(), "{path}");
    }
}

#[test]
fn private_blocks_are_found_or_reserved() {
    let creator = |block, name: &[u8]| leaf(Tag(0x29, block), VR::LO, name);
    let model = dataset(vec![
        creator(0x10, b"OTHER "),
        creator(0x11, b"ACME"),
        leaf(Tag(0x29, 0x1102), VR::SH, b"two "),
        leaf(Tag(0x29, 0x1203), VR::UN, b"of nobody "),
    ]);
    let mut instance = open(&model, EXPLICIT);
    set(&mut instance, "(0029,{ACME}02)", "zwei").expect("set");
    set(&mut instance, "(0029,{ACME}01)", "one").expect("set");
    set(&mut instance, "(0029,{NEW}01)", "new").expect("set");
    let expected = dataset(vec![
        creator(0x10, b"OTHER "),
        creator(0x11, b"ACME"),
        // 0x12 is in use, if by nobody.
        creator(0x13, b"NEW "),
        leaf(Tag(0x29, 0x1101), VR::LO, b"one "),
        leaf(Tag(0x29, 0x1102), VR::SH, b"zwei"),
        leaf(Tag(0x29, 0x1203), VR::UN, b"of nobody "),
        leaf(Tag(0x29, 0x1301), VR::LO, b"new "),
    ]);
    assert_is(&instance, &expected, EXPLICIT);
}

#[test]
fn a_private_block_in_an_item_is_the_items_own() {
    let top = leaf(Tag(0x29, 0x10), VR::LO, b"ACME");
    let mut instance = open(
        &dataset(vec![top.clone(), sequence(REQUEST, vec![vec![]])]),
        EXPLICIT,
    );
    set(
        &mut instance,
        "RequestAttributesSequence[0]/(0029,{ACME}01)",
        "x",
    )
    .expect("set");
    let item = vec![top.clone(), leaf(Tag(0x29, 0x1001), VR::LO, b"x ")];
    assert_is(
        &instance,
        &dataset(vec![top, sequence(REQUEST, vec![item])]),
        EXPLICIT,
    );
}

#[test]
fn a_private_value_in_implicit_vr_is_of_unknown_vr() {
    let mut instance = open(&dataset(vec![]), Encoding::ImplicitLittle);
    set(&mut instance, "(0029,{ACME}01)", "abc").expect("set");
    let expected = dataset(vec![
        leaf(Tag(0x29, 0x10), VR::LO, b"ACME"),
        leaf(Tag(0x29, 0x1001), VR::UN, b"abc\0"),
    ]);
    assert_is(&instance, &expected, Encoding::ImplicitLittle);
}

/// A reader that takes the other one would see what was to be replaced.
#[test]
fn an_element_that_stands_there_twice_is_set_once() {
    let name = |name: &[u8]| leaf(tags::PATIENT_NAME, VR::PN, name);
    let (id, sex) = (
        leaf(tags::PATIENT_ID, VR::LO, b"ID"),
        leaf(tags::PATIENT_SEX, VR::CS, b"F "),
    );
    let twice = dataset(vec![
        name(b"Doe^Jane"),
        name(b"Roe^Jane"),
        id.clone(),
        name(b"Poe^Jane"),
        sex.clone(),
    ]);
    let mut instance = open(&twice, EXPLICIT);
    set(&mut instance, "PatientName", "subject").expect("set");
    assert_is(
        &instance,
        &dataset(vec![name(b"subject "), id, sex]),
        EXPLICIT,
    );
}

#[test]
fn group_lengths_follow_edits_at_every_depth() {
    for encoding in [Encoding::ImplicitLittle, EXPLICIT, Encoding::ExplicitBig] {
        let with_lengths = |nodes: Vec<super::encoder::Node>, groups: &[u16]| Dataset {
            lengths: BTreeSet::from_iter(groups.iter().copied()),
            ..dataset(nodes)
        };
        let id = leaf(tags::PATIENT_ID, VR::LO, b"ID");
        let name = |name: &[u8]| leaf(tags::PATIENT_NAME, VR::PN, name);
        let nested = |name_bytes: &[u8]| {
            let mut node = sequence(REQUEST, vec![vec![name(name_bytes)]]);
            if let super::encoder::Value::Items { items, .. } = &mut node.value {
                items[0].dataset.lengths = BTreeSet::from([0x10]);
            }
            node
        };
        let model = with_lengths(
            vec![name(b"Doe^John"), id.clone(), nested(b"Doe^John")],
            &[0x10, 0x40],
        );
        let mut instance = open(&model, encoding);
        set(
            &mut instance,
            "RequestAttributesSequence[0]/PatientName",
            "X",
        )
        .expect("set");
        let count = instance.edit(Reach::Everything, &mut |location, _, _| match location {
            [place] if place.tag == tags::PATIENT_NAME => Change::Remove,
            _ => Change::Keep,
        });
        assert_eq!(count, Ok(1));
        let expected = with_lengths(vec![id, nested(b"X ")], &[0x10, 0x40]);
        assert_is(&instance, &expected, encoding);
    }
}

#[test]
fn group_lengths_and_pixels_are_never_shown_to_be_edited() {
    let model = Dataset {
        lengths: BTreeSet::from([0x10, 0x7FE0]),
        ..dataset(vec![
            leaf(tags::SPECIFIC_CHARACTER_SET, VR::CS, b"ISO_IR 100"),
            leaf(tags::PATIENT_ID, VR::LO, b"ID"),
            leaf(tags::PIXEL_DATA, VR::OW, &[1, 2]),
        ])
    };
    let mut instance = open(&model, EXPLICIT);
    let mut seen = Vec::new();
    let count = instance.edit(Reach::Everything, &mut |location, _, _| {
        seen.extend(location.iter().map(|place| place.tag));
        Change::Remove
    });
    assert_eq!((count, seen), (Ok(1), vec![tags::PATIENT_ID]));
}

/// PS3.3 C.7.6.1.1.6: an icon is another picture of the patient, and goes with its item.
#[test]
fn pixels_are_kept_at_the_top_and_go_with_an_item() {
    for pixels in [
        tags::PIXEL_DATA,
        tags::FLOAT_PIXEL_DATA,
        tags::DOUBLE_FLOAT_PIXEL_DATA,
    ] {
        let own = leaf(pixels, VR::OB, &[1, 2]);
        let icon = |items| sequence(tags::ICON_IMAGE_SEQUENCE, vec![items]);
        let model = dataset(vec![
            icon(vec![leaf(tags::ROWS, VR::US, &[1, 0]), own.clone()]),
            own.clone(),
        ]);
        let mut instance = open(&model, EXPLICIT);
        let remove = |location: &Location| match location.len() {
            1 if location[0].tag != pixels => Change::Keep,
            _ => Change::Remove,
        };
        let removed = instance.edit(Reach::Everything, &mut |location, _, _| remove(location));
        assert_eq!(removed, Ok(2));
        assert_is(&instance, &dataset(vec![icon(vec![]), own]), EXPLICIT);
    }
}

#[test]
fn a_value_must_fit_its_length_field() {
    let long = "x".repeat(70_000);
    let mut explicit = open(
        &dataset(vec![leaf(Tag(0x10, 0x21B0), VR::LT, b"")]),
        EXPLICIT,
    );
    assert!(set(&mut explicit, "AdditionalPatientHistory", &long).is_err());
    set(&mut explicit, "TextValue", &long).expect("UT has four bytes for its length");
    let again = Instance::from_bytes(explicit.to_bytes().expect("bytes")).expect("a valid file");
    assert_eq!(again.text(tags::TEXT_VALUE), Some(long));
    let mut instance = open(
        &dataset(vec![leaf(tags::PATIENT_ID, VR::LO, b"")]),
        EXPLICIT,
    );
    instance
        .edit(Reach::Everything, &mut |_, _, _| {
            Change::Bytes(vec![0; 70_000])
        })
        .expect("the bytes are the rule's business");
    assert!(instance.to_bytes().is_err());
}
