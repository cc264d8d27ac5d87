//! Values by VR: read and written in both byte orders, and what a VR refuses.

use super::encoder::{Node, dataset, encode, file, leaf, sequence, transfer_syntax};
use crate::dicom::path::Pattern;
use crate::dicom::text::Charset;
use crate::dicom::tree::{Element, Value};
use crate::dicom::{Encoding, Instance, Source, Span, Tag, VR, tags, value};

fn text(vr: VR, bytes: &[u8], encoding: Encoding) -> Option<String> {
    let element = Element {
        tag: Tag(0x0009, 0x1001),
        vr,
        span: Span::default(),
        value: Value::Edited(bytes.to_vec()),
    };
    value::text(
        &element,
        &Source::memory(Vec::new()),
        encoding,
        &Charset::default(),
    )
}

fn bytes(vr: VR, text: &str, encoding: Encoding) -> Result<Vec<u8>, String> {
    value::encode(text, vr, encoding, &Charset::default())
}

#[test]
fn numbers_are_decimal_in_both_byte_orders() {
    let cases: [(VR, &str, &[u8]); 11] = [
        (VR::US, "1\\65535", &[1, 0, 0xFF, 0xFF]),
        (VR::SS, "-2", &[0xFE, 0xFF]),
        (
            VR::UL,
            "4294967295\\1",
            &[0xFF, 0xFF, 0xFF, 0xFF, 1, 0, 0, 0],
        ),
        (VR::SL, "-2147483648", &[0, 0, 0, 0x80]),
        (VR::UV, "18446744073709551615", &[0xFF; 8]),
        (VR::SV, "-1", &[0xFF; 8]),
        (VR::FL, "0.5", &[0, 0, 0, 0x3F]),
        (VR::FL, "0.1", &[0xCD, 0xCC, 0xCC, 0x3D]),
        (VR::FD, "-2.25", &[0, 0, 0, 0, 0, 0, 2, 0xC0]),
        (VR::FD, "NaN", &[0, 0, 0, 0, 0, 0, 0xF8, 0x7F]),
        (VR::US, "", &[]),
    ];
    for (vr, shown, little) in cases {
        let size = match vr {
            VR::US | VR::SS => 2,
            VR::UL | VR::SL | VR::FL => 4,
            _ => 8,
        };
        let big: Vec<u8> = little
            .chunks(size)
            .flat_map(|c| c.iter().rev().copied())
            .collect();
        assert_eq!(
            text(vr, little, Encoding::ExplicitLittle).as_deref(),
            Some(shown)
        );
        assert_eq!(
            text(vr, little, Encoding::ImplicitLittle).as_deref(),
            Some(shown)
        );
        assert_eq!(
            text(vr, &big, Encoding::ExplicitBig).as_deref(),
            Some(shown)
        );
        assert_eq!(
            bytes(vr, shown, Encoding::ExplicitLittle).as_deref(),
            Ok(little)
        );
        assert_eq!(bytes(vr, shown, Encoding::ExplicitBig), Ok(big));
    }
}

#[test]
fn bytes_behind_the_last_whole_number_are_left_out() {
    assert_eq!(
        text(VR::US, &[1, 0, 7], Encoding::ExplicitLittle).as_deref(),
        Some("1")
    );
    assert_eq!(
        text(VR::AT, &[0x10, 0, 0x20, 0, 1], Encoding::ExplicitLittle).as_deref(),
        Some("(0010,0020)")
    );
}

#[test]
fn tags_are_written_as_they_are_read() {
    let little = [0x10, 0x00, 0x20, 0x00, 0xE0, 0x7F, 0x10, 0x00];
    let big = [0x00, 0x10, 0x00, 0x20, 0x7F, 0xE0, 0x00, 0x10];
    let shown = "(0010,0020)\\(7FE0,0010)";
    assert_eq!(
        text(VR::AT, &little, Encoding::ExplicitLittle).as_deref(),
        Some(shown)
    );
    assert_eq!(
        text(VR::AT, &big, Encoding::ExplicitBig).as_deref(),
        Some(shown)
    );
    assert_eq!(
        bytes(VR::AT, shown, Encoding::ExplicitLittle),
        Ok(little.to_vec())
    );
    assert_eq!(
        bytes(VR::AT, "0010,0020", Encoding::ExplicitBig),
        Ok(big[..4].to_vec())
    );
    for bad in ["PatientID", "(0010)", "(0010,00200)", "(zz10,0020)"] {
        assert!(
            bytes(VR::AT, bad, Encoding::ExplicitLittle).is_err(),
            "{bad}"
        );
    }
}

#[test]
fn text_is_padded_by_its_vr_and_read_without_padding() {
    let little = Encoding::ExplicitLittle;
    assert_eq!(bytes(VR::UI, "1.2.3", little), Ok(b"1.2.3\0".to_vec()));
    assert_eq!(bytes(VR::LO, "abc", little), Ok(b"abc ".to_vec()));
    assert_eq!(bytes(VR::UN, "abc", little), Ok(b"abc\0".to_vec()));
    assert_eq!(bytes(VR::LO, "", little), Ok(Vec::new()));
    assert_eq!(text(VR::UI, b"1.2.3\0", little).as_deref(), Some("1.2.3"));
    assert_eq!(text(VR::SH, b" ab ", little).as_deref(), Some("ab"));
    // Blanks at the start mean something in long text.
    assert_eq!(text(VR::LT, b"  ab ", little).as_deref(), Some("  ab"));
    assert_eq!(text(VR::UN, b"abc\0", little).as_deref(), Some("abc"));
    assert_eq!(text(VR::UN, b"\x01\x02", little), None);
    assert_eq!(text(VR::OB, b"abcd", little), None);
}

/// PS3.5 6.2.2: whoever didn't know the element passed it on as UN, in little endian.
#[test]
fn an_unknown_vr_is_the_standards_where_it_has_one() {
    use super::encoder::{dataset, encode, file, leaf, transfer_syntax};
    let big = Encoding::ExplicitBig;
    let nodes = |name: &[u8], rows| {
        dataset(vec![
            leaf(tags::SPECIFIC_CHARACTER_SET, VR::CS, b"ISO_IR 100"),
            leaf(tags::PATIENT_NAME, VR::UN, name),
            leaf(tags::ROWS, VR::UN, rows),
        ])
    };
    let bytes = |name: &[u8], rows| file(transfer_syntax(big), &encode(&nodes(name, rows), big));
    let mut instance = Instance::from_bytes(bytes(b"M\xfcller", &[1, 0])).expect("a valid file");
    assert_eq!(instance.text(tags::PATIENT_NAME).as_deref(), Some("Müller"));
    assert_eq!(instance.text(tags::ROWS).as_deref(), Some("1"));
    for (path, text) in [("PatientName", "Größe"), ("Rows", "2")] {
        let path = Pattern::parse_path(path).expect(path);
        instance.set(&path, text).expect("set");
    }
    assert_eq!(
        instance.to_bytes().expect("bytes"),
        bytes(b"Gr\xf6\xdfe ", &[2, 0])
    );
}

#[test]
fn values_are_split_where_the_vr_allows_several() {
    assert_eq!(value::split("a\\ b \\", VR::LO), ["a", "b", ""]);
    assert_eq!(value::split("a\\b", VR::LT), ["a\\b"]);
    assert_eq!(value::split("", VR::LO), [""; 0]);
}

#[test]
fn a_vr_refuses_what_no_reader_expects_in_it() {
    let bad = [
        (VR::US, "65536"),
        (VR::US, "-1"),
        (VR::US, "one"),
        (VR::SL, "2147483648"),
        (VR::FD, "1,5"),
        (VR::DA, "1 January"),
        (VR::DA, "2024-01-01x"),
        (VR::TM, "noon"),
        (VR::DT, "tomorrow"),
        (VR::AS, "30"),
        (VR::AS, "0030Y"),
        (VR::AS, "03XY"),
        (VR::IS, "1.5"),
        (VR::IS, "3000000000"),
        (VR::DS, "1.2.3"),
        (VR::DS, "inf"),
        (VR::DS, "12345678901234567"),
        (VR::UI, "1.2.a"),
        (VR::CS, "lower"),
        (VR::CS, "MORE THAN SIXTEEN"),
        (VR::SH, "more than sixteen"),
        (VR::LO, "line\nend"),
        (VR::AE, "ü"),
        (VR::LO, "ü"),
        (VR::OB, "abc"),
        (VR::OW, "abc"),
    ];
    for (vr, text) in bad {
        let error = bytes(vr, text, Encoding::ExplicitLittle).expect_err(text);
        assert!(!error.contains(text), "{error} tells the value");
    }
    let long = "x".repeat(65);
    assert!(bytes(VR::LO, &long, Encoding::ExplicitLittle).is_err());
    assert!(bytes(VR::PN, &long, Encoding::ExplicitLittle).is_err());
    assert!(bytes(VR::UT, &long, Encoding::ExplicitLittle).is_ok());
}

#[test]
fn a_vr_takes_what_is_valid_in_it() {
    let good = [
        (VR::DA, "20240229"),
        (VR::DA, "2024.02.29"),
        (VR::TM, "235959.999999"),
        (VR::DT, "20240229235959.000000+0100"),
        (VR::AS, "030Y"),
        (VR::IS, "-2147483648"),
        (VR::IS, "+1"),
        (VR::DS, "-1.5E-3"),
        (VR::DS, "1\\2\\3"),
        (VR::CS, "ORIGINAL\\PRIMARY"),
        (VR::PN, "Doe^John^^Dr=group two"),
        (VR::LT, "lines\r\nand\ttabs"),
        (VR::UR, "https://example.org/?a=b"),
    ];
    for (vr, text) in good {
        assert!(bytes(vr, text, Encoding::ExplicitLittle).is_ok(), "{text}");
    }
    for vr in [
        VR::DA,
        VR::DT,
        VR::TM,
        VR::AS,
        VR::IS,
        VR::DS,
        VR::FD,
        VR::AT,
        VR::PN,
        VR::CS,
        VR::LO,
    ] {
        assert!(
            bytes(vr, value::dummy(vr), Encoding::ExplicitLittle).is_ok(),
            "{vr:?}"
        );
    }
}

/// PS3.6 has "US or SS" for these; Pixel Representation tells, of an item that of the dataset around it.
#[test]
fn pixel_values_are_signed_where_pixels_are() {
    let lowest = |signed: Option<u8>, item: Vec<Node>| {
        let mut nodes = vec![
            leaf(tags::SMALLEST_IMAGE_PIXEL_VALUE, VR::SS, &[0xFE, 0xFF]),
            sequence(tags::MODALITY_LUT_SEQUENCE, vec![item]),
        ];
        let sign = signed.map(|sign| leaf(tags::PIXEL_REPRESENTATION, VR::US, &[sign, 0]));
        nodes.splice(0..0, sign);
        dataset(nodes)
    };
    let own = |sign: u8| leaf(tags::PIXEL_REPRESENTATION, VR::US, &[sign, 0]);
    let value = leaf(tags::SMALLEST_IMAGE_PIXEL_VALUE, VR::SS, &[0xFF, 0xFF]);
    let inner = "ModalityLUTSequence[0]/SmallestImagePixelValue";
    let cases = [
        (lowest(Some(1), vec![value.clone()]), ["-2", "-1"]),
        (
            lowest(Some(1), vec![own(0), value.clone()]),
            ["-2", "65535"],
        ),
        (lowest(Some(0), vec![value.clone()]), ["65534", "65535"]),
        (lowest(None, vec![own(1), value.clone()]), ["65534", "-1"]),
    ];
    for (model, expected) in cases {
        let implicit = Encoding::ImplicitLittle;
        let bytes = file(transfer_syntax(implicit), &encode(&model, implicit));
        let mut instance = Instance::from_bytes(bytes.clone()).expect("a valid file");
        let paths = ["SmallestImagePixelValue", inner];
        for (path, text) in paths.into_iter().zip(expected) {
            let path = Pattern::parse_path(path).expect("a path");
            let (element, scope, _) = instance.look_up(&path).expect("there");
            assert_eq!(scope.text(element).as_deref(), Some(text), "{path}");
        }
        // What is set is written as it is read, and nothing else changes.
        let path = Pattern::parse_path(inner).expect("a path");
        instance.set(&path, expected[1]).expect("in its range");
        assert_eq!(instance.to_bytes().expect("bytes"), bytes);
    }

    // A new element, where its VR is written.
    let explicit = Encoding::ExplicitLittle;
    let model = dataset(vec![own(1)]);
    let bytes = file(transfer_syntax(explicit), &encode(&model, explicit));
    let mut instance = Instance::from_bytes(bytes).expect("a valid file");
    for path in ["SmallestImagePixelValue", inner] {
        let path = Pattern::parse_path(path).expect("a path");
        instance.set(&path, "-1").expect("signed");
        let (element, _, _) = instance.look_up(&path).expect("there");
        assert_eq!(element.vr, VR::SS);
    }
}
