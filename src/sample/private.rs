//! Private blocks as Siemens and GE scanners write them: known creators, opaque blobs with names inside,
//! a private sequence, and a sequence hidden in an element of unknown VR.

use dicom_core::{PrimitiveValue, Tag, VR};
use dicom_dictionary_std::tags;

use super::Kind;
use super::encode;
use super::header::{Header, Lengths, bytes};
use super::random::Random;

/// Adds the blocks; `identifying` is text that a rule has to find and remove.
pub(super) fn add(header: &mut Header, kind: Kind, random: &mut Random, identifying: &str) {
    siemens(header, kind, random, identifying);
    metrics(header, random);
    ge(header, random, identifying);
    nested(header, identifying);
    if kind == Kind::Mr {
        // Elements behind the pixels, which a reader that stops at them never sees.
        header
            .private_creator(0x7fe1, 0x10, "SIEMENS CSA NON-IMAGE")
            .private(0x7fe1, 0x10, 0x10, VR::OB, identifying);
    }
}

fn siemens(header: &mut Header, kind: Kind, random: &mut Random, identifying: &str) {
    if kind == Kind::Mr {
        header
            .private_creator(0x0019, 0x10, "SIEMENS MR HEADER")
            .private(0x0019, 0x10, 0x08, VR::CS, "IMAGE NUM 4")
            .private(0x0019, 0x10, 0x09, VR::LO, "1.0")
            .private(0x0019, 0x10, 0x0c, VR::IS, "1000")
            .private(0x0019, 0x10, 0x0d, VR::CS, "DIRECTIONAL");
        let direction = PrimitiveValue::F64(
            [0.5, -0.5, std::f64::consts::FRAC_1_SQRT_2]
                .as_slice()
                .into(),
        );
        header.put(Tag(0x0019, 0x100e), VR::FD, direction);
    } else {
        header.private_creator(0x0019, 0x10, "SIEMENS CT VA0  COAD");
    }
    header
        .private_creator(0x0021, 0x10, "SIEMENS MED")
        .private(0x0021, 0x10, 0x10, VR::DS, "0.0")
        .private(0x0021, 0x10, 0x20, VR::LO, identifying)
        .private_creator(0x0029, 0x10, "SIEMENS CSA HEADER")
        .private_creator(0x0029, 0x11, "SIEMENS MEDCOM HEADER2")
        .private(0x0029, 0x10, 0x08, VR::CS, "IMAGE NUM 4")
        .private(0x0029, 0x10, 0x09, VR::LO, "20200101")
        .private(
            0x0029,
            0x10,
            0x10,
            VR::OB,
            csa("Image", random, identifying, 90),
        )
        .private(0x0029, 0x10, 0x18, VR::CS, "SERIES")
        .private(
            0x0029,
            0x10,
            0x20,
            VR::OB,
            csa("Series", random, identifying, 60),
        )
        .private(0x0029, 0x11, 0x60, VR::LO, "com");
}

/// Many small elements that no dictionary knows, so that in implicit VR they are UN.
fn metrics(header: &mut Header, random: &mut Random) {
    header.private_creator(0x0055, 0x20, "ACME METRICS");
    for element in 0x00..0x18 {
        let tag = Tag(0x0055, 0x2000 | element);
        let number = random.between(0, 10_000) as u16;
        match element % 4 {
            0 => header.put(
                tag,
                VR::DS,
                bytes(format!("{}.{}", number / 100, number % 100)),
            ),
            1 => header.put(tag, VR::IS, bytes(number.to_string())),
            2 => header.put(tag, VR::LO, bytes(format!("VALUE {element}"))),
            _ => header.put(tag, VR::US, PrimitiveValue::U16([number].as_slice().into())),
        };
    }
}

fn ge(header: &mut Header, random: &mut Random, identifying: &str) {
    header
        .private_creator(0x0009, 0x10, "GEMS_IDEN_01")
        .private(0x0009, 0x10, 0x01, VR::LO, "GE_GENESIS_FF")
        .private(0x0009, 0x10, 0x02, VR::SH, "CT01")
        .private(0x0009, 0x10, 0x04, VR::SH, "HiSpeed CT/i")
        .private_creator(0x0043, 0x10, "GEMS_PARM_01")
        .private(0x0043, 0x10, 0x12, VR::UN, random.next().to_le_bytes())
        .private(0x0043, 0x10, 0x29, VR::UN, identifying);
}

fn nested(header: &mut Header, identifying: &str) {
    let mut item = Header::new();
    item.text(tags::PATIENT_NAME, "SMITH^JOHN")
        .private_creator(0x0029, 0x10, "SIEMENS CSA NON-IMAGE")
        .private(0x0029, 0x10, 0x08, VR::CS, "NESTED")
        .private(0x0029, 0x10, 0x10, VR::OB, identifying);
    // PS3.5 6.2.2, note on UN: a sequence of unknown VR is encoded in implicit VR little endian.
    let hidden = encode::sequence_in_unknown(&item);
    header
        .private_creator(0x0077, 0x10, "ACME RESEARCH 1.0")
        .sequence(Tag(0x0077, 0x1001), Lengths::Defined, vec![item])
        .private(0x0077, 0x10, 0x02, VR::UN, hidden);
}

/// A blob in the manner of a Siemens CSA header: a signature, then named values in fixed cells.
fn csa(label: &str, random: &mut Random, identifying: &str, count: u32) -> Vec<u8> {
    let mut blob = b"SV10\x04\x03\x02\x01".to_vec();
    blob.extend(count.to_le_bytes());
    blob.extend(77u32.to_le_bytes());
    for index in 0..count {
        let mut name = format!("{label}Tag{index:03}").into_bytes();
        name.resize(64, 0);
        let mut value = match index % 17 {
            3 => identifying.to_owned(),
            _ => format!(
                "{}.{:08}",
                random.between(0, 500),
                random.between(0, 100_000_000)
            ),
        }
        .into_bytes();
        value.push(0);
        let length = value.len() as u32;
        value.resize(value.len().next_multiple_of(4), 0);
        blob.extend(name);
        for cell in [
            1,
            u32::from_le_bytes(*b"LO\0\0"),
            0,
            6,
            77,
            length,
            length,
            77,
            length,
        ] {
            blob.extend(cell.to_le_bytes());
        }
        blob.extend(value);
    }
    blob
}
