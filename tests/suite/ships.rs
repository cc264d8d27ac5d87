//! Modules that ship, used by an import: an ultrasound's burned-in text, compressed pictures, labels of templates.

use std::fs;
use std::path::{Path, PathBuf};

use dicom_core::value::DataSetSequence;
use dicom_core::{DataElement, PrimitiveValue, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::InMemDicomObject;
use serde_json::json;
use sluice::sample::{Corpus, Kind, Syntax};

use crate::dicom;
use crate::site::Site;

const ROWS: usize = 48;
const COLUMNS: usize = 64;
const FRAMES: usize = 3;
/// Where the console writes the name.
const BANNER: usize = 6;

/// The study's first file as a cine loop of an ultrasound in RGB, with a white banner that runs through all frames.
fn ultrasound(path: &Path, rows: usize) {
    let mut object = dicom::open(path);
    object.put_str(
        tags::SOP_CLASS_UID,
        VR::UI,
        uids::ULTRASOUND_MULTI_FRAME_IMAGE_STORAGE,
    );
    object.put_str(tags::MODALITY, VR::CS, "US");
    object.put_str(tags::MANUFACTURER, VR::LO, "ACME Medical Systems");
    object.put_str(tags::MANUFACTURER_MODEL_NAME, VR::LO, "Sono 7");
    object.put_str(tags::BURNED_IN_ANNOTATION, VR::CS, "YES");
    object.put_str(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "RGB");
    object.put_str(tags::NUMBER_OF_FRAMES, VR::IS, FRAMES.to_string());
    for (tag, number) in [
        (tags::SAMPLES_PER_PIXEL, 3),
        (tags::PLANAR_CONFIGURATION, 0),
        (tags::BITS_ALLOCATED, 8),
        (tags::BITS_STORED, 8),
        (tags::HIGH_BIT, 7),
        (tags::PIXEL_REPRESENTATION, 0),
        (tags::ROWS, rows as u16),
        (tags::COLUMNS, COLUMNS as u16),
    ] {
        object.put(DataElement::new(tag, VR::US, PrimitiveValue::from(number)));
    }
    let icon = InMemDicomObject::from_element_iter([DataElement::new(
        tags::ROWS,
        VR::US,
        PrimitiveValue::from(1_u16),
    )]);
    let icons = DataSetSequence::from(vec![icon]);
    object.put(DataElement::new(tags::ICON_IMAGE_SEQUENCE, VR::SQ, icons));
    let bytes = PrimitiveValue::U8(picture(rows).into());
    object.put(DataElement::new(tags::PIXEL_DATA, VR::OB, bytes));
    object.write_to_file(path).unwrap();
}

fn picture(rows: usize) -> Vec<u8> {
    let sample = |at: usize| match at / 3 / COLUMNS % rows {
        0..BANNER => 255,
        _ => 10 + (at % 200) as u8,
    };
    (0..rows * COLUMNS * 3 * FRAMES).map(sample).collect()
}

fn only_stored(site: &Site) -> PathBuf {
    let stored = site.instances("prearchive");
    assert_eq!(stored.len(), 1, "{stored:?}");
    site.path("prearchive").join(&stored[0])
}

fn redacting(settings: serde_json::Value) -> serde_json::Value {
    json!({
        "anonymize": [{ "module": "redact-regions", "settings": settings }, { "module": "ps315-basic" }],
        "route": { "module": "xnat-routing", "settings": { "prearchive_code": 0 } },
    })
}

#[test]
fn an_ultrasound_of_a_known_device_is_redacted_and_one_of_another_size_is_held() {
    let site = Site::new();
    let device = json!({ "name": "room 3", "manufacturer": "acme*", "model": "Sono 7", "rows": ROWS, "columns": COLUMNS,
        "black": [[0, 0, COLUMNS, BANNER]], "verified": true });
    site.policy("P", &redacting(json!({ "devices": [device] })));
    let folder = site.inbox("P/known");
    dicom::study(&folder, 0, 1, 1);
    ultrasound(&folder.join("1-1.dcm"), ROWS);
    let done = site.import(
        "P",
        "P/known",
        &[("SUBJECT_ID", "S1"), ("EXPT_LABEL", "E1")],
    );
    assert_eq!(done.outcomes(), "1 stored");

    let stored = only_stored(&site);
    let mut expected = picture(ROWS);
    for (at, byte) in expected.iter_mut().enumerate() {
        if at / 3 / COLUMNS % ROWS < BANNER {
            *byte = 0;
        }
    }
    assert!(dicom::pixels(&stored) == expected);
    let text = |tag| dicom::text(&stored, tag).unwrap_or_default();
    assert_eq!(text(tags::BURNED_IN_ANNOTATION).trim(), "NO");
    assert!(text(tags::DEIDENTIFICATION_METHOD).starts_with("Sluice redact-regions"));
    let object = dicom::open(&stored);
    assert!(
        object
            .element_opt(tags::ICON_IMAGE_SEQUENCE)
            .unwrap()
            .is_none()
    );
    let codes = object
        .element(tags::DEIDENTIFICATION_METHOD_CODE_SEQUENCE)
        .unwrap();
    let codes: Vec<String> = codes
        .items()
        .unwrap()
        .iter()
        .map(|item| {
            item.element(tags::CODE_VALUE)
                .unwrap()
                .to_str()
                .unwrap()
                .into_owned()
        })
        .collect();
    assert_eq!(codes, ["113101", "113100"]);

    let folder = site.inbox("P/unknown");
    dicom::study(&folder, 1, 1, 1);
    ultrasound(&folder.join("1-1.dcm"), ROWS + 1);
    let done = site.import(
        "P",
        "P/unknown",
        &[("SUBJECT_ID", "S2"), ("EXPT_LABEL", "E2")],
    );
    assert_eq!(done.outcomes(), "1 quarantined");
    assert!(
        done.reason("1-1.dcm").contains("no region is known"),
        "{}",
        done.reason("1-1.dcm")
    );
    only_stored(&site);
}

/// A CT of the corpus, which says that it is written over.
fn written_over(folder: &Path, syntax: Syntax) -> PathBuf {
    let corpus = Corpus {
        syntax,
        rows: 32,
        columns: 32,
        slices: 1,
        first_study: 5,
        ..Corpus::new(Kind::Ct)
    };
    let scratch = tempfile::tempdir().unwrap();
    corpus.write(scratch.path()).unwrap();
    fs::create_dir_all(folder).unwrap();
    let to = folder.join("1.dcm");
    fs::copy(scratch.path().join("study_006/series_01/IM00001.dcm"), &to).unwrap();
    to
}

#[test]
fn a_compressed_picture_is_redacted_as_the_same_picture_uncompressed() {
    let device = json!({ "name": "ct", "rows": 32, "columns": 32, "black": [[0, 0, 20, 8]], "verified": true });
    let mut pictures = Vec::new();
    for syntax in [Syntax::Explicit, Syntax::Rle] {
        let site = Site::new();
        site.policy("P", &redacting(json!({ "devices": [device] })));
        written_over(&site.inbox("P/s"), syntax);
        let done = site.import("P", "P/s", &[("SUBJECT_ID", "S1"), ("EXPT_LABEL", "E1")]);
        assert_eq!(done.outcomes(), "1 stored");
        let stored = only_stored(&site);
        let object = dicom::open(&stored);
        assert_eq!(
            object.meta().transfer_syntax(),
            uids::EXPLICIT_VR_LITTLE_ENDIAN
        );
        let pixels = dicom::pixels(&stored);
        assert_eq!(pixels.len(), 32 * 32 * 2);
        assert!(
            pixels[..40].iter().all(|byte| *byte == 0)
                && pixels[40..64].iter().any(|byte| *byte != 0)
        );
        pictures.push(pixels);
    }
    assert!(pictures[0] == pictures[1]);
}

#[test]
fn a_picture_that_nothing_can_unpack_fails_and_its_source_stays() {
    let site = Site::new();
    let device = json!({ "name": "ct", "rows": 32, "columns": 32, "black": [[0, 0, 20, 8]], "verified": true });
    site.policy("P", &redacting(json!({ "devices": [device] })));
    let source = written_over(&site.inbox("P/s"), Syntax::Rle);
    // RLE Lossless and JPEG-LS have UIDs of other lengths: the meta information is written anew.
    let mut object = dicom::open(&source);
    object.meta_mut().set_transfer_syntax(
        &dicom_transfer_syntax_registry::entries::JPEG_LS_LOSSLESS_IMAGE_COMPRESSION,
    );
    object.write_to_file(&source).unwrap();
    let done = site.import(
        "P",
        "P/s",
        &[
            ("SUBJECT_ID", "S1"),
            ("EXPT_LABEL", "E1"),
            ("cleanupAfterImport", "true"),
        ],
    );
    assert_eq!(done.outcomes(), "1 failed");
    assert!(
        done.reason("1.dcm")
            .contains("could not make a region black"),
        "{}",
        done.reason("1.dcm")
    );
    assert!(source.exists());
    assert_eq!(
        site.instances("prearchive").len() + site.instances("quarantine").len(),
        0
    );
}

#[test]
fn labels_come_from_folders_and_from_a_table_beside_the_policy() {
    let site = Site::new();
    let folder = site.inbox("P/in/SUB 7/baseline");
    dicom::study(&folder, 0, 1, 2);
    let id = dicom::text(&folder.join("1-1.dcm"), tags::PATIENT_ID).unwrap();
    let policy = |settings: serde_json::Value| {
        json!({ "label": { "module": "template-labels", "tables": { "subjects": "subjects.csv" }, "settings": settings },
                "leak_check": "quarantine", "anonymize": [{ "module": "ps315-basic" }] })
    };
    site.rules("projects/P/subjects.csv", "key,value\nnobody,S0\n");
    site.policy(
        "P",
        &policy(json!({ "subject": "{PatientID|lookup:subjects}", "session": "{path[1]}" })),
    );
    let done = site.import("P", "P/in", &[]);
    assert_eq!(done.state(), "Failed");
    let reason = done.reason("SUB 7/baseline/1-1.dcm");
    assert!(
        reason.contains("PatientID is not listed in table subjects"),
        "{reason}"
    );
    assert!(!reason.contains(&id), "{reason}");

    site.rules(
        "projects/P/subjects.csv",
        format!("key,value\n\"{id}\",S42\n"),
    );
    site.policy(
        "P",
        &policy(
            json!({ "subject": "{PatientID|lookup:subjects}", "session": "{path[0]}_{path[1]}" }),
        ),
    );
    let done = site.import("P", "P/in", &[]);
    // What a label was made of is no leak.
    assert_eq!(done.outcomes(), "2 stored");
    let session = done.session();
    assert_eq!(
        (&session["subject"], &session["label"]),
        (&json!("S42"), &json!("SUB_7_baseline"))
    );
}
