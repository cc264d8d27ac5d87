//! Whole files as they are written: deflated, from disk, with file meta information made new.

use super::encoder::{Dataset, dataset, encode, file, leaf, transfer_syntax};
use crate::dicom::path::Pattern;
use crate::dicom::{Encoding, Instance, Span, Tag, VR, tags};
use dicom_encoding::transfer_syntax::{Codec, TransferSyntaxIndex};
use dicom_transfer_syntax_registry::TransferSyntaxRegistry;
use std::io::{Seek, SeekFrom, Write};

const EXPLICIT: Encoding = Encoding::ExplicitLittle;
const DEFLATED: &str = "1.2.840.10008.1.2.1.99";

fn model(name: &[u8], pixels: usize) -> Dataset {
    let noise = |at: usize| (at * at / 7) as u8;
    dataset(vec![
        leaf(tags::SOP_CLASS_UID, VR::UI, b"1.2.840.10008.5.1.4.1.1.7\0"),
        leaf(tags::SOP_INSTANCE_UID, VR::UI, b"1.2.3.4\0"),
        leaf(tags::PATIENT_NAME, VR::PN, name),
        leaf(
            tags::PIXEL_DATA,
            VR::OW,
            &(0..pixels).map(noise).collect::<Vec<_>>(),
        ),
        leaf(Tag(0xFFFC, 0xFFFC), VR::OB, &[0; 10]),
    ])
}

fn set(instance: &mut Instance, path: &str, text: &str) {
    let path = Pattern::parse_path(path).expect(path);
    instance.set(&path, text).expect("set");
}

pub(super) fn deflate(bytes: &[u8]) -> Vec<u8> {
    let syntax = TransferSyntaxRegistry.get(DEFLATED).expect("known");
    let Codec::Dataset(Some(codec)) = syntax.codec() else {
        panic!("no codec");
    };
    let mut deflated = Vec::new();
    let mut writer = codec.adapt_writer(Box::new(&mut deflated));
    writer.write_all(bytes).expect("in memory");
    drop(writer);
    deflated
}

#[test]
fn a_deflated_file_is_copied_or_deflated_anew() {
    let before = encode(&model(b"Doe^John", 100_000), EXPLICIT);
    let bytes = file(DEFLATED, &deflate(&before));
    assert!(bytes.len() < before.len(), "the case is deflated");
    let mut instance = Instance::from_bytes(bytes.clone()).expect("a valid file");
    assert_eq!(instance.to_bytes().expect("bytes"), bytes);
    set(&mut instance, "PatientName", "X");
    let written = instance.to_bytes().expect("bytes");
    assert_eq!(written.len() % 2, 0);
    let again = Instance::from_bytes(written).expect("a valid file again");
    let expected = encode(&model(b"X ", 100_000), EXPLICIT);
    let all = Span::new(0, again.source().len());
    assert_eq!(again.source().loaded(all), Some(expected.as_slice()));
}

#[test]
fn a_file_on_disk_is_written_as_one_in_memory() {
    for pixels in [0, 10, 64 * 1024, 1_000_000] {
        for encoding in [Encoding::ImplicitLittle, EXPLICIT, Encoding::ExplicitBig] {
            let whole = |name: &[u8]| {
                file(
                    transfer_syntax(encoding),
                    &encode(&model(name, pixels), encoding),
                )
            };
            let mut from = tempfile::tempfile().expect("a file");
            from.write_all(&whole(b"Doe^John")).expect("written");
            from.seek(SeekFrom::Start(0)).expect("rewound");
            let mut instance = Instance::read(from).expect("a valid file");
            assert_eq!(content(&instance), whole(b"Doe^John"));
            set(&mut instance, "PatientName", "Somebody^Else");
            assert_eq!(content(&instance), whole(b"Somebody^Else "));
            assert_eq!(
                instance.to_bytes().expect("bytes"),
                whole(b"Somebody^Else ")
            );
        }
    }
}

fn content(instance: &Instance) -> Vec<u8> {
    let mut to = tempfile::NamedTempFile::new().expect("a file");
    let told = instance.write(to.as_file_mut()).expect("written");
    let bytes = std::fs::read(to.path()).expect("read");
    assert_eq!(bytes.len() as u64, told.size);
    assert_eq!(told.digest, instance.digest_as_written().expect("digest"));
    bytes
}

#[test]
fn another_sop_instance_gets_file_meta_information_of_its_own() {
    let bytes = file(
        transfer_syntax(EXPLICIT),
        &encode(&model(b"Doe^John", 10), EXPLICIT),
    );
    let mut instance = Instance::from_bytes(bytes).expect("a valid file");
    set(&mut instance, "SOPInstanceUID", "1.2.3.5");
    let written = instance.to_bytes().expect("bytes");
    assert_eq!(written[..132], [[0; 128].as_slice(), b"DICM"].concat());
    let again = Instance::from_bytes(written).expect("a valid file again");
    let of_meta = |tag| again.meta.get(tag).and_then(|e| again.meta_text(e));
    assert_eq!(
        of_meta(tags::MEDIA_STORAGE_SOP_INSTANCE_UID).as_deref(),
        Some("1.2.3.5")
    );
    assert_eq!(
        of_meta(tags::TRANSFER_SYNTAX_UID).as_deref(),
        Some(transfer_syntax(EXPLICIT))
    );
    assert_eq!(again.text(tags::PATIENT_NAME).as_deref(), Some("Doe^John"));
}

#[test]
fn the_meta_of_the_same_instance_stays_as_it_is() {
    let bytes = file(
        transfer_syntax(EXPLICIT),
        &encode(&model(b"Doe^John", 10), EXPLICIT),
    );
    let mut instance = Instance::from_bytes(bytes.clone()).expect("a valid file");
    set(&mut instance, "PatientName", "Roe^Jane");
    let written = instance.to_bytes().expect("bytes");
    let start = bytes.len() - encode(&model(b"Doe^John", 10), EXPLICIT).len();
    assert_eq!(written[..start], bytes[..start]);
}
