//! How much the leak check finds: identifiers planted in headers that hold nothing of the patient otherwise, in
//! many forms and places; and how often it speaks of headers that hold none. The figures are in `rules/leak-check.md`.

mod patients;

use super::{Identifiers, needles, not_as_labels};
use crate::dicom::Instance;
use crate::rules::pseudonym::Pseudonyms;
use crate::rules::{Labels, Run};
use dicom_core::value::DataSetSequence;
use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::{FileMetaTableBuilder, InMemDicomObject};
use std::fmt::Write as _;
use std::io::{Seek, Write as _};
use std::sync::Arc;

use patients::{ADDRESS, COMMENT, FOLDER, PATIENTS, Patient, TELEPHONE};

impl Patient {
    fn original(&self) -> Instance {
        let texts = [
            (tags::PATIENT_NAME, VR::PN, self.name.to_owned()),
            (tags::PATIENT_ID, VR::LO, self.id.to_owned()),
            (tags::PATIENT_BIRTH_DATE, VR::DA, self.born()),
            (tags::ACCESSION_NUMBER, VR::SH, self.accession.to_owned()),
            (tags::PATIENT_ADDRESS, VR::LO, ADDRESS.to_owned()),
            (
                tags::PATIENT_TELEPHONE_NUMBERS,
                VR::SH,
                TELEPHONE.to_owned(),
            ),
            (tags::PATIENT_COMMENTS, VR::LT, COMMENT.to_owned()),
        ];
        read(texts.map(|(tag, vr, text)| DataElement::new(tag, vr, PrimitiveValue::from(text))))
    }

    fn identifiers(&self) -> Arc<Identifiers> {
        let run = Run {
            project: "P".into(),
            parameters: Arc::new([("ward".to_owned(), "Ward Nightingale".to_owned())].into()),
            file: format!("{FOLDER}/scans/1.dcm"),
            received: "20260102030405".into(),
            pseudonyms: Arc::new(Pseudonyms::new(&[7; 32])),
        };
        let labels = Labels {
            subject: "S1".into(),
            session: "E1".into(),
            ..Labels::default()
        };
        Identifiers::of(not_as_labels(needles(&self.original(), &run), &labels))
    }
}

impl Patient {
    fn finds_in(&self, result: &Instance) -> bool {
        !self.identifiers().findings(result, "1.dcm").is_empty()
    }
}

type Element = DataElement<InMemDicomObject, dicom_object::mem::InMemFragment>;

fn read(elements: impl IntoIterator<Item = Element>) -> Instance {
    read_behind(&[], None, elements)
}

/// Through a file, so that what is long is not in memory; with a preamble, and (0002,0102).
fn read_behind(
    preamble: &[u8],
    information: Option<Vec<u8>>,
    elements: impl IntoIterator<Item = Element>,
) -> Instance {
    let ordinary = [
        (tags::SPECIFIC_CHARACTER_SET, VR::CS, "ISO_IR 192"),
        (tags::SOP_CLASS_UID, VR::UI, uids::CT_IMAGE_STORAGE),
        (
            tags::SOP_INSTANCE_UID,
            VR::UI,
            "2.25.31415926535897932384626433832795028841",
        ),
        (tags::STUDY_DATE, VR::DA, "20240117"),
        (tags::MODALITY, VR::CS, "CT"),
        (tags::MANUFACTURER, VR::LO, "ACME"),
        (tags::SLICE_THICKNESS, VR::DS, "1.25"),
    ];
    let ordinary =
        ordinary.map(|(tag, vr, text)| DataElement::new(tag, vr, PrimitiveValue::from(text)));
    let mut object = InMemDicomObject::from_element_iter(ordinary);
    for element in elements {
        object.put(element);
    }
    let mut meta = FileMetaTableBuilder::new()
        .transfer_syntax(uids::EXPLICIT_VR_LITTLE_ENDIAN)
        .media_storage_sop_class_uid(uids::CT_IMAGE_STORAGE)
        .media_storage_sop_instance_uid("2.25.1");
    if let Some(information) = information {
        meta = meta
            .private_information_creator_uid("2.25.2")
            .private_information(information);
    }
    let mut bytes = Vec::new();
    let whole = object.with_meta(meta).expect("meta information");
    whole.write_all(&mut bytes).expect("a file in memory");
    bytes[..preamble.len()].copy_from_slice(preamble);
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(&bytes).expect("written");
    file.rewind().expect("at its start");
    Instance::read(file).expect("a valid file")
}

fn text(tag: Tag, vr: VR, text: impl Into<String>) -> Vec<Element> {
    vec![DataElement::new(tag, vr, PrimitiveValue::from(text.into()))]
}

fn free_text(words: impl Into<String>) -> Vec<Element> {
    text(tags::IMAGE_COMMENTS, VR::LT, words)
}

fn private(vr: VR, bytes: Vec<u8>) -> Vec<Element> {
    let creator = PrimitiveValue::from("ACME 1.0");
    vec![
        DataElement::new(Tag(0x0019, 0x0010), VR::LO, creator),
        DataElement::new(Tag(0x0019, 0x1001), vr, PrimitiveValue::U8(bytes.into())),
    ]
}

fn nested(depth: usize, inner: Vec<Element>) -> Vec<Element> {
    (0..depth).fold(inner, |elements, _| {
        let item = InMemDicomObject::from_element_iter(elements);
        let sequence = DataSetSequence::from(vec![item]);
        vec![DataElement::new(
            tags::REFERENCED_IMAGE_SEQUENCE,
            VR::SQ,
            sequence,
        )]
    })
}

/// Whether a header in which elements were planted is spoken of.
fn finds(patient: &Patient, planted: Vec<Element>) -> bool {
    patient.finds_in(&read(planted))
}

/// A row of the table: how it was planted, what share of it has to be found, and all plantings.
struct Row {
    what: &'static str,
    /// In percent; none where nothing is promised.
    floor: Option<usize>,
    found: usize,
    of: usize,
}

fn rows() -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    let mut tell = |what, floor, found: bool| {
        if rows.iter().all(|row| row.what != what) {
            rows.push(Row {
                what,
                floor,
                found: 0,
                of: 0,
            });
        }
        if let Some(row) = rows.iter_mut().find(|row| row.what == what) {
            row.of += 1;
            row.found += usize::from(found);
        }
    };
    let all = Some(100);
    for p in &PATIENTS {
        for value in [p.name, p.id, &p.born(), p.accession] {
            for (tag, vr) in [
                (tags::SERIES_DESCRIPTION, VR::LO),
                (tags::IMAGE_COMMENTS, VR::LT),
                (tags::TEXT_VALUE, VR::UT),
                (tags::OPERATORS_NAME, VR::PN),
            ] {
                tell(
                    "as it was, in an element of text",
                    all,
                    finds(p, text(tag, vr, value)),
                );
            }
            for depth in [1, 3] {
                let planted = nested(depth, text(tags::SERIES_DESCRIPTION, VR::LO, value));
                tell("in nested sequences", all, finds(p, planted));
            }
            let bytes = format!("\0\u{1}{value}\0\0").into_bytes();
            for vr in [VR::OB, VR::UN] {
                tell(
                    "in private and unknown bytes",
                    all,
                    finds(p, private(vr, bytes.clone())),
                );
            }
            let mut long = vec![0; 3 << 20];
            for at in [100_000, (1 << 20) - 5] {
                long[at..at + value.len()].copy_from_slice(value.as_bytes());
                tell(
                    "in bytes of several MB",
                    all,
                    finds(p, private(VR::OB, long.clone())),
                );
                long.fill(0);
            }
            let wide = value.encode_utf16().flat_map(u16::to_le_bytes).collect();
            tell("in UTF-16 bytes", all, finds(p, private(VR::OB, wide)));
            let of_meta = read_behind(&[], Some(bytes.clone()), []);
            tell("in the file meta information", all, p.finds_in(&of_meta));
            let in_front = read_behind(&bytes, None, []);
            tell("in the preamble", all, p.finds_in(&in_front));
        }
        let file_name = format!("{}.{}.dcm", p.id, p.in_text());
        let found = p.identifiers().findings(&read([]), &file_name);
        tell("in the file's name", all, !found.is_empty());

        for order in [
            p.in_text(),
            format!("{}, {}", p.family, p.given),
            format!("{}_{}", p.given, p.family),
            format!("{}{}", p.family, p.given),
        ] {
            tell(
                "name, parts in another order",
                all,
                finds(p, free_text(format!("seen: {order} today"))),
            );
        }
        for case in [p.in_text().to_uppercase(), p.in_text().to_lowercase()] {
            tell("name, other case", all, finds(p, free_text(case)));
        }
        if let Some(plain) = p.plain {
            tell(
                "name, without accents",
                all,
                finds(p, free_text(format!("Pt {plain} supine"))),
            );
        }
        if let Some(encoding) = p.encoding {
            let planted = format!("{} {}", p.family, p.given);
            let (bytes, ..) = encoding.encode(&planted);
            let found = finds(p, private(VR::UN, bytes.to_vec()));
            tell("name, in bytes of another character set", all, found);
        }
        tell(
            "family name alone",
            Some(75),
            finds(p, free_text(format!("report for {} sent", p.family))),
        );

        let [y, m, d] = p.born;
        let month = [
            "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
        ][m.parse::<usize>().expect("a month") - 1];
        for date in [
            format!("{y}-{m}-{d}"),
            format!("{d}.{m}.{y}"),
            format!("{m}/{d}/{y}"),
            format!("{d}/{m}/{y}"),
            format!("{d}{m}{y}"),
            format!("{d} {month} {y}"),
            format!("{month} {d}, {y}"),
            format!("{d}-{month}-{y}").to_uppercase(),
        ] {
            tell(
                "birth date, written otherwise",
                all,
                finds(p, free_text(format!("DOB {date}."))),
            );
        }
        let planted = text(
            tags::ACQUISITION_DATE_TIME,
            VR::DT,
            format!("{}120000", p.born()),
        );
        tell("birth date, in a date with time", all, finds(p, planted));
        let short = format!("{d}.{m}.{}", &y[2..]);
        tell(
            "birth date, two digits for the year",
            None,
            finds(p, free_text(format!("DOB {short}"))),
        );

        for words in [
            "as compared with {} of last week",
            "see ({}), stable",
            "accession:{};priority:2",
        ] {
            let words = words.replace("{}", p.accession);
            tell(
                "accession number, in a sentence",
                all,
                finds(p, free_text(words)),
            );
        }
        let bare = |id: &str| id.replace(|c: char| !c.is_alphanumeric(), "");
        let label = |id: &str| id.replace(|c: char| !c.is_alphanumeric() && c != '-', "_");
        for id in [p.id, p.accession] {
            for written in [bare(id), label(id), id.to_lowercase()] {
                tell(
                    "IDs, without separators or in lower case",
                    all,
                    finds(p, free_text(written)),
                );
            }
        }
        if p.id.bytes().all(|b| b.is_ascii_digit()) {
            let uid = format!("1.2.840.99.{}.1", p.id.trim_start_matches('0'));
            let in_uid = finds(p, text(tags::FRAME_OF_REFERENCE_UID, VR::UI, uid));
            tell("IDs, as a part of a UID", Some(50), in_uid);
        }
        for number in [
            "+49301234-5678",
            "+49 (30) 1234 5678",
            "493012345678",
            "+49/30/12345678",
        ] {
            tell(
                "telephone, other separators",
                all,
                finds(p, free_text(format!("call {number} after"))),
            );
        }
        tell(
            "telephone, without the country's code",
            None,
            finds(p, free_text("call 030 12345678")),
        );
        for line in [ADDRESS, "Springfield", "17 Willow Lane"] {
            tell(
                "address, whole or a line of it",
                all,
                finds(p, free_text(format!("to {line} by bus"))),
            );
        }
        for line in COMMENT.split("\r\n").chain([COMMENT]) {
            tell(
                "comment, whole or a line of it",
                all,
                finds(p, text(tags::TEXT_VALUE, VR::UT, line)),
            );
        }
        tell(
            "comment, reworded",
            None,
            finds(p, free_text("She lives in Ashford with a sister")),
        );
        tell(
            "folder of the source",
            all,
            finds(p, free_text(format!("from {FOLDER} on disk"))),
        );
        tell(
            "parameter of the call",
            all,
            finds(p, free_text("ward nightingale")),
        );

        let mut typo: Vec<char> = p.family.chars().collect();
        let last = typo.len() - 1;
        typo.swap(0, last);
        let typo: String = typo.into_iter().collect();
        tell(
            "name, misspelt",
            None,
            finds(p, free_text(format!("Pt {typo} supine"))),
        );
        let initial = |name: &str| name.chars().next().unwrap_or('?');
        let initials = format!("{}.{}.", initial(p.given), initial(p.family));
        tell("name, initials", None, finds(p, free_text(initials)));
    }
    rows
}

/// Names that are words, IDs that are numbers: among texts that are nobody's.
fn false_alarms() -> Vec<(&'static str, usize, usize)> {
    let patients = [
        ("Mark^Grace", "1234", "2024"),
        ("Head^Chester", "5120", "100200"),
        ("Young^Angela", "0001", "A100"),
        ("Long^Marie", "512512", "20240299"),
        ("Smith^Anna", "900117", "7781"),
    ];
    let words = [
        "Markers placed, overhead view",
        "AXIAL T1 POST CONTRAST",
        "Chest PA and lateral, markedly rotated",
        "Youngest series: Angelaic phantom",
        "Longitudinal relaxation, headers kept",
        "Slice 512x512, 1250 ms, 12345 counts",
        "Blacksmiths' tool kit, Annapurna protocol",
        "dicom export of scans, original primary",
        "Gracefully degraded mark-up",
    ];
    let numbers = [
        (tags::SLICE_LOCATION, VR::DS, "1234.5"),
        (tags::SLICE_LOCATION, VR::DS, "-512.512"),
        (tags::INSTANCE_NUMBER, VR::IS, "51201"),
        (tags::ACQUISITION_TIME, VR::TM, "123456.789"),
        (
            tags::FRAME_OF_REFERENCE_UID,
            VR::UI,
            "1.2.840.113619.2.1234.5120.7781",
        ),
        (
            tags::FRAME_OF_REFERENCE_UID,
            VR::UI,
            "2.25.99001171234512090011700",
        ),
    ];
    let bytes: Vec<u8> = (0..1_000_000_u32)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 23) as u8)
        .collect();
    let mut counts = [
        ("texts with words that names are in", 0, 0),
        ("numbers and UIDs", 0, 0),
        ("1 MB of noise", 0, 0),
    ];
    for (name, id, accession) in patients {
        let patient = Patient {
            name,
            id,
            accession,
            ..PATIENTS[0]
        };
        let mut tell = |at: usize, alarmed: bool| {
            counts[at].2 += 1;
            counts[at].1 += usize::from(alarmed);
        };
        for words in words {
            tell(0, finds(&patient, free_text(words)));
        }
        for (tag, vr, number) in numbers {
            tell(1, finds(&patient, text(tag, vr, number)));
        }
        tell(2, finds(&patient, private(VR::OB, bytes.clone())));
    }
    counts.to_vec()
}

/// What stands before the dataset is searched where it goes into the file that is stored, and only there.
#[test]
fn file_meta_and_preamble_are_searched_as_they_will_be_written() {
    let patient = &PATIENTS[0];
    let source = || read_behind(patient.id.as_bytes(), Some(patient.id.into()), []);
    let told = |instance: &Instance| -> Vec<String> {
        let findings = patient.identifiers().findings(instance, "1.dcm");
        findings.into_iter().map(|finding| finding.tag).collect()
    };
    let set = |instance: &mut Instance, path: &str, value: &str| {
        let path = crate::dicom::path::Pattern::parse_path(path).expect("a path");
        instance.set(&path, value).expect("set");
    };
    assert_eq!(told(&source()), ["(0002,0102)", "preamble"]);
    let mut touched = source();
    set(&mut touched, "PatientName", "X");
    assert_eq!(told(&touched), ["(0002,0102)", "preamble"]);
    for (path, value) in [
        ("PatientIdentityRemoved", "YES"),
        ("SOPInstanceUID", "1.2.3"),
    ] {
        let mut made_afresh = source();
        set(&mut made_afresh, path, value);
        assert!(told(&made_afresh).is_empty(), "{path}");
    }
}

#[test]
fn the_readme_has_the_figures_that_are_measured_and_what_is_promised_is_kept() {
    let (rows, alarms) = (rows(), false_alarms());
    let mut table = String::from("| planted | found | |\n|---|---|---|\n");
    for row in &rows {
        let note = match row.floor {
            Some(_) => "",
            None => "not looked for",
        };
        writeln!(
            table,
            "| {} | {} of {} | {note} |",
            row.what, row.found, row.of
        )
        .expect("text");
    }
    table += "\n| nothing planted | false alarms |\n|---|---|\n";
    for (what, alarmed, of) in &alarms {
        writeln!(table, "| {what} | {alarmed} of {of} |").expect("text");
    }
    println!("{table}");
    for row in &rows {
        let floor = row.floor.unwrap_or(0);
        assert!(
            100 * row.found >= floor * row.of,
            "{}: {} of {}",
            row.what,
            row.found,
            row.of
        );
    }
    for (what, alarmed, of) in alarms {
        assert!(10 * alarmed <= of, "{what}: {alarmed} of {of}");
    }
    assert!(
        include_str!("../../../rules/leak-check.md").contains(&table),
        "rules/leak-check.md has other figures: put in the table above"
    );
}
