//! Character sets as they occur in real files: the bytes of pydicom's charset files, and the text that
//! pydicom reads there.

use super::encoder::{dataset, encode, file, leaf, sequence};
use crate::dicom::path::Pattern;
use crate::dicom::text::Charset;
use crate::dicom::{Encoding, Instance, Tag, VR, tags};

const CASES: [(&[u8], &[u8], &str); 17] = [
    (b"", b"Doe^John", "Doe^John"),
    (b"ISO_IR 127", b"\xe2\xc8\xc7\xe6\xea^\xe4\xe6\xd2\xc7\xd1 ", "قباني^لنزار"),
    (b"ISO_IR 100", b"\xc4neas^R\xfcdiger ", "Äneas^Rüdiger"),
    (b"ISO_IR 126", b"\xc4\xe9\xef\xed\xf5\xf3\xe9\xef\xf2 ", "Διονυσιος"),
    (b"ISO_IR 138", b"\xf9\xf8\xe5\xef^\xe3\xe1\xe5\xf8\xe4 ", "שרון^דבורה"),
    (b"ISO_IR 144", b"\xbb\xee\xdace\xdc\xd1yp\xd3", "Люкceмбypг"),
    (b"ISO_IR 101", b"\xa3\xf3d\xbc ", "Łódź"),
    (b"ISO_IR 109", b"\xa1\xbf", "Ħż"),
    (b"ISO_IR 110", b"\xa5\xc8", "ĨČ"),
    (b"ISO_IR 148", b"\xde\xf0", "Şğ"),
    (b"ISO_IR 166", b"\xb9\xd2\xc2 ", "นาย"),
    (b"ISO_IR 203", b"\xa4\xbd", "€œ"),
    (
        b"\\ISO 2022 IR 87 ",
        b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B",
        "Yamada^Tarou=山田^太郎=やまだ^たろう",
    ),
    (
        b"ISO 2022 IR 13\\ISO 2022 IR 87 ",
        b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J=\x1b$B$d$^$@\x1b(J^\x1b$B$?$m$&\x1b(J",
        "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう",
    ),
    (b"\\ISO 2022 IR 149", b"\x1b$)C\xb1\xe8\xc8\xf1\xc1\xdf\x1b(B ", "김희중"),
    (b"ISO_IR 192", b"Wang^XiaoDong=\xe7\x8e\x8b^\xe5\xb0\x8f\xe6\x9d\xb1", "Wang^XiaoDong=王^小東"),
    (b"GB18030 ", b"Wang^XiaoDong=\xcd\xf5^\xd0\xa1\xb6\xab", "Wang^XiaoDong=王^小东"),
];

#[test]
fn names_in_every_character_set_read_as_pydicom_reads_them() {
    for (terms, name, text) in CASES {
        for encoding in [
            Encoding::ImplicitLittle,
            Encoding::ExplicitLittle,
            Encoding::ExplicitBig,
        ] {
            let nodes = vec![
                leaf(tags::SPECIFIC_CHARACTER_SET, VR::CS, terms),
                leaf(tags::PATIENT_NAME, VR::PN, name),
            ];
            let bytes = file(
                super::encoder::transfer_syntax(encoding),
                &encode(&dataset(nodes), encoding),
            );
            let instance = Instance::from_bytes(bytes).expect("a valid file");
            assert_eq!(instance.text(tags::PATIENT_NAME).as_deref(), Some(text));
        }
    }
}

#[test]
fn names_in_every_character_set_are_written_so_that_they_read_the_same() {
    for (terms, _, text) in CASES {
        let nodes = vec![leaf(tags::SPECIFIC_CHARACTER_SET, VR::CS, terms)];
        let bytes = file(
            "1.2.840.10008.1.2.1",
            &encode(&dataset(nodes), Encoding::ExplicitLittle),
        );
        let mut instance = Instance::from_bytes(bytes).expect("a valid file");
        let path = Pattern::parse_path("PatientName").expect("a path");
        instance.set(&path, text).expect("the set can hold it");
        let again =
            Instance::from_bytes(instance.to_bytes().expect("bytes")).expect("a valid file");
        assert_eq!(again.text(tags::PATIENT_NAME).as_deref(), Some(text));
    }
}

/// As in pydicom's chrSQEncoding.dcm and chrSQEncoding1.dcm.
#[test]
fn an_item_has_the_character_set_of_its_own_or_of_what_is_around_it() {
    let terms = b"ISO 2022 IR 13\\ISO 2022 IR 87 ";
    let name = b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B ";
    let of_item = vec![
        leaf(tags::SPECIFIC_CHARACTER_SET, VR::CS, terms),
        leaf(tags::PATIENT_NAME, VR::PN, name),
    ];
    let inherited = vec![leaf(tags::PATIENT_NAME, VR::PN, name)];
    let tag = Tag(0x0032, 0x1064);
    let cases = [
        (b"ISO_IR 100".as_slice(), of_item),
        (terms.as_slice(), inherited),
    ];
    for (top, item) in cases {
        let nodes = vec![
            leaf(tags::SPECIFIC_CHARACTER_SET, VR::CS, top),
            sequence(tag, vec![item]),
        ];
        let bytes = file(
            "1.2.840.10008.1.2.1",
            &encode(&dataset(nodes), Encoding::ExplicitLittle),
        );
        let mut instance = Instance::from_bytes(bytes).expect("a valid file");
        let path = Pattern::parse_path("(0032,1064)[0]/PatientName").expect("a path");
        let text = |instance: &Instance| {
            let (element, scope, _) = instance.look_up(&path).expect("there");
            scope.text(element)
        };
        assert_eq!(text(&instance).as_deref(), Some("ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎"));
        instance
            .set(&path, "ﾔﾏﾀﾞ=山")
            .expect("the item's set holds it");
        assert_eq!(text(&instance).as_deref(), Some("ﾔﾏﾀﾞ=山"));
        assert!(
            instance.set(&path, "Müller").is_err(),
            "neither set holds it"
        );
    }
}

/// Values that pydicom's own tests decode (PS3.5 K.2, and JIS X 0212 beside JIS X 0208).
#[test]
fn code_extensions_switch_and_fall_back() {
    let cases: [(&[&str], &[u8], VR, &str); 5] = [
        (
            &["", "ISO 2022 IR 58"],
            b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab",
            VR::PN,
            "Zhang^XiaoDong=张^小东",
        ),
        (
            &["", "ISO 2022 IR 87", "ISO 2022 IR 159"],
            b"\x1b$B;3\x1b$(D\x30\x21\x1b(B",
            VR::LO,
            "山丂",
        ),
        // A line end brings back the first set, and so does each value.
        (
            &["ISO 2022 IR 100", "ISO 2022 IR 144"],
            b"\x1b-L\xbb\r\n\xc4\\\xc4",
            VR::LT,
            "Л\r\nÄ\\Ä",
        ),
        (
            &["ISO 2022 IR 100", "ISO 2022 IR 126"],
            b"J\xe9\x1b-F\xc4",
            VR::LO,
            "JéΔ",
        ),
        // What is unknown counts as ASCII; bytes above it are read somehow, but never lost.
        (&["ISO_IR 999"], b"abc", VR::LO, "abc"),
    ];
    for (terms, bytes, vr, text) in cases {
        let charset = Charset::from_terms(terms.iter().copied());
        assert_eq!(charset.decode(bytes, vr), text);
        let again = charset.encode(text, vr).expect("the set can hold it");
        assert_eq!(charset.decode(&again, vr), text);
    }
}

/// The examples of PS3.5 H.3.1, I.2.1 and J.3.
#[test]
fn decodes_and_encodes_the_standards_examples() {
    let cases: [(&[&str], &[u8], &str); 4] = [
            (
                &["", "ISO 2022 IR 87"],
                b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B",
                "Yamada^Tarou=山田^太郎=やまだ^たろう",
            ),
            (
                &["", "ISO 2022 IR 149"],
                b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf",
                "Hong^Gildong=洪^吉洞=홍^길동",
            ),
            (&["ISO_IR 192"], "Wang^XiaoDong=王^小东".as_bytes(), "Wang^XiaoDong=王^小东"),
            (&["ISO_IR 13", "ISO 2022 IR 87"], b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3", "ﾔﾏﾀﾞ^ﾀﾛｳ"),
        ];
    for (terms, bytes, text) in cases {
        let charset = Charset::from_terms(terms.iter().copied());
        assert_eq!(charset.decode(bytes, VR::PN), text);
        assert_eq!(charset.encode(text, VR::PN).expect(text), bytes, "{text}");
    }
}

/// PS3.5 6.1.2.5.3: a set other than that which is active needs its escape, and in a name needs it again behind
/// each delimiter. Some writers name a set of two bytes as the first.
#[test]
fn a_set_of_two_bytes_is_escaped_into_also_where_it_is_the_first() {
    let cases: [(&str, &[u8], &str); 2] = [
        (
            "ISO 2022 IR 87",
            b"\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B",
            "山田^太郎",
        ),
        ("ISO 2022 IR 159", b"\x1b$(D\x30\x21\x1b(B^A", "丂^A"),
    ];
    for (term, bytes, text) in cases {
        let charset = Charset::from_terms([term]);
        assert_eq!(charset.decode(bytes, VR::PN), text);
        assert_eq!(charset.encode(text, VR::PN).expect(text), bytes, "{text}");
    }
    // Not valid, and not lost.
    let charset = Charset::from_terms(["ISO 2022 IR 87"]);
    assert_eq!(charset.decode(b"\xbb\xb3", VR::PN), "山");
}

#[test]
fn refuses_what_the_set_cannot_hold() {
    assert_eq!(
        Charset::from_terms(["ISO_IR 100"]).encode("Łódź", VR::LO),
        Err('Ł')
    );
    assert_eq!(Charset::default().encode("Müller", VR::LO), Err('ü'));
}

/// The codecs write these with bytes below 0xA0, which a reader takes for a delimiter (PS3.5 6.1.2.3).
#[test]
fn refuses_what_would_be_written_as_a_delimiter() {
    for (terms, refused) in [
        (["ISO_IR 13", ""], '¥'),
        (["ISO_IR 13", ""], '‾'),
        (["ISO 2022 IR 13", "ISO 2022 IR 87"], '¥'),
        (["", "ISO 2022 IR 87"], '¥'),
        (["", "ISO 2022 IR 58"], '乗'),
        (["", "ISO 2022 IR 58"], '乛'),
    ] {
        let charset = Charset::from_terms(terms);
        let text = format!("A{refused}B");
        assert_eq!(charset.encode(&text, VR::LO), Err(refused), "{terms:?}");
    }
}

/// The codecs know more than the sets: C1 controls that Windows gave to signs, and rows of other makers.
#[test]
fn refuses_what_only_a_kin_of_the_set_holds() {
    for (terms, refused) in [
        (["ISO_IR 100", ""], "’–€\u{85}"),
        (["ISO_IR 101", ""], "\u{85}"),
        (["ISO_IR 148", ""], "’–€"),
        (["ISO_IR 166", ""], "’–€"),
        (["ISO_IR 126", ""], "€₯ͺ"),
        (["ISO_IR 138", ""], "\u{200E}"),
        (["", "ISO 2022 IR 149"], "갂뷁힣€®"),
        (["", "ISO 2022 IR 58"], "東€ⅰ︵ɑ䂖\u{E000}"),
        (["", "ISO 2022 IR 87"], "①㈱纊ｱ"),
        // UTF-8 can't be switched to (PS3.3 C.12.1.1.2).
        (["", "ISO_IR 192"], "ü東"),
        (["ISO 2022 IR 100", "GB18030"], "東"),
    ] {
        let charset = Charset::from_terms(terms);
        for c in refused.chars() {
            let text = format!("A{c}B");
            assert_eq!(charset.encode(&text, VR::LO), Err(c), "{terms:?}");
        }
    }
}

#[test]
fn what_the_sets_hold_is_written_still() {
    for (terms, held) in [
        (["ISO_IR 100", ""], "\u{A0}¥ÿ"),
        (["ISO_IR 166", ""], "ก๛"),
        (["ISO_IR 126", ""], "Ά£ώ"),
        (["ISO_IR 13", ""], "｡ｱﾟ"),
        (["", "ISO 2022 IR 149"], "가힝伽詰㉠"),
        (["", "ISO 2022 IR 58"], "啊齄①Ⅰāㄅ─"),
        (["", "ISO 2022 IR 87"], "、亜腕熙ぁヶАα─"),
        (["ISO 2022 IR 6", "ISO 2022 IR 159"], "丂"),
    ] {
        let charset = Charset::from_terms(terms);
        let bytes = charset.encode(held, VR::LO).expect(held);
        assert_eq!(charset.decode(&bytes, VR::LO), held, "{terms:?}");
    }
}

#[test]
fn a_second_byte_that_looks_like_a_backslash_is_no_separator() {
    let charset = Charset::from_terms(["GB18030"]);
    let bytes = charset.encode("誠", VR::LO).expect("in GB18030");
    assert!(
        bytes.contains(&b'\\'),
        "the case needs a 0x5C second byte: {bytes:x?}"
    );
    assert_eq!(charset.decode(&bytes, VR::LO), "誠");
}
