//! Where each stored instance comes from, as the report tells it.

use dicom_core::VR;
use dicom_dictionary_std::tags;
use serde_json::{Value, json};

use crate::dicom;
use crate::done::Done;
use crate::site::Site;

/// What the report says was done to a file: module, action and tag.
fn acts(done: &Done, path: &str) -> Vec<(String, String, String)> {
    let report = done.report.as_ref().unwrap();
    let trail = done.file(path)["trail"].as_u64().unwrap() as usize;
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let act = |place: &Value| {
        let act = &report["acts"][place.as_u64().unwrap() as usize];
        let module = &report["modules"][act["module"].as_u64().unwrap() as usize];
        (
            text(&module["module"]),
            text(&act["action"]),
            text(&act["tag"]),
        )
    };
    let trail = report["trails"][trail].as_array().unwrap();
    trail.iter().map(act).collect()
}

#[test]
fn digests_and_actions_are_told_of_what_is_stored() {
    let site = Site::new();
    site.rhai(
        "mine",
        "anonymize",
        &["InstanceNumber"],
        &["StationName", "PixelData"],
        "fn anonymize(ds, ctx) {
            let number = ds.get(\"InstanceNumber\");
            if number == \"3\" { return reject(\"third\"); }
            if number == \"2\" { ds.remove(\"StationName\"); ds.redact(0, 0, 4, 4); }
            keep()
        }",
    );
    site.policy("P", &json!({ "anonymize": [{ "module": "mine" }] }));
    let folder = site.inbox("P/s");
    dicom::study(&folder, 1, 1, 4);
    // A value that the report must not tell.
    dicom::edit(
        &folder.join("1-4.dcm"),
        &[(tags::IMAGE_COMMENTS, VR::LT, "SECRET-WORD")],
    );
    let done = site.import("P", "P/s", &[("SUBJECT_ID", "S1"), ("EXPT_LABEL", "E1")]);
    assert_eq!(done.outcomes(), "3 stored, 1 rejected");

    let set = |tag: &str| ("xnat-default".into(), "set".into(), tag.to_owned());
    let usual = acts(&done, "1-1.dcm");
    assert!(usual.contains(&set("PatientName")) && usual.contains(&set("PatientID")));
    assert_eq!(acts(&done, "1-4.dcm"), usual);
    assert_eq!(
        done.file("1-1.dcm")["trail"],
        done.file("1-4.dcm")["trail"],
        "the same course is told once"
    );
    let more = acts(&done, "1-2.dcm");
    let mine = |action: &str, tag: &str| ("mine".into(), action.into(), tag.into());
    assert_eq!(
        more[usual.len()..],
        [mine("remove", "StationName"), mine("redact", "PixelData")]
    );
    assert_eq!(done.file("1-2.dcm")["redacted"], true);
    assert_eq!(done.file("1-1.dcm")["redacted"], Value::Null);

    // Nothing of what is not stored; no value of anything.
    for key in ["headerIn", "headerOut", "trail"] {
        assert_eq!(done.file("1-3.dcm")[key], Value::Null);
    }
    let acts = done.report.as_ref().unwrap()["acts"].to_string();
    assert!(!acts.contains("S1") && !acts.contains("SECRET"), "{acts}");

    // They are the digests of the files themselves, and what is in differs from what is out.
    let digest = |path: &std::path::Path| {
        let file = std::fs::File::open(path).unwrap();
        let instance = sluice::dicom::Instance::read(file).unwrap();
        instance
            .digest_as_read()
            .unwrap()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    };
    for name in ["1-1.dcm", "1-2.dcm", "1-4.dcm"] {
        let file = done.file(name);
        let stored = site
            .path(&done.folder())
            .join(file["stored"].as_str().unwrap());
        assert_eq!(
            file["headerIn"],
            digest(&folder.join(name)).as_str(),
            "{name}"
        );
        assert_eq!(file["headerOut"], digest(&stored).as_str(), "{name}");
        assert_ne!(file["headerIn"], file["headerOut"]);
    }
}

#[test]
fn the_report_is_as_its_schema_says() {
    let site = Site::new();
    dicom::study(&site.inbox("P/s"), 1, 1, 3);
    std::fs::write(site.path("inbox/P/s/notes.txt"), "no DICOM").unwrap();
    let done = site.import("P", "P/s", &[]);
    let schema: Value =
        serde_json::from_str(include_str!("../../schemas/import-report.schema.json")).unwrap();
    let schema = jsonschema::validator_for(&schema).unwrap();
    let report = done.report.unwrap();
    let errors: Vec<String> = schema
        .iter_errors(&report)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert_eq!(errors, Vec::<String>::new());
}
