//! What becomes of sound files: stored, duplicate, conflict, filtered, rejected, failed, quarantined.

use std::fs;

use dicom_core::VR;
use dicom_dictionary_std::tags;
use serde_json::json;

use crate::dicom;
use crate::site::Site;

#[test]
fn stored_files_are_in_the_session_and_nowhere_else() {
    let site = Site::new();
    dicom::study(&site.inbox("P/s"), 1, 2, 3);
    let done = site.import("P", "P/s", &[("EXPT_LABEL", "E1")]);
    assert_eq!(done.outcomes(), "6 stored");
    let stored: Vec<&str> = done.report.as_ref().unwrap()["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| file["stored"].as_str().unwrap())
        .collect();
    let mut sorted = stored.clone();
    sorted.sort_unstable();
    assert_eq!(site.instances(&done.folder()), sorted);
    assert_eq!(site.instances("prearchive").len(), 6);
    assert_eq!(site.instances("archive").len(), 0);
    assert_eq!(site.instances("quarantine").len(), 0);
}

#[test]
fn the_same_file_twice_in_a_folder_is_a_duplicate() {
    let site = Site::new();
    let folder = site.inbox("P/s");
    dicom::study(&folder, 1, 1, 2);
    fs::copy(folder.join("1-1.dcm"), folder.join("again.dcm")).unwrap();
    let done = site.import("P", "P/s", &[]);
    assert_eq!(
        (done.state(), done.outcomes().as_str()),
        ("Completed", "2 stored, 1 duplicate")
    );
    assert_eq!(done.outcome("again.dcm"), "duplicate");
    assert!(done.reason("again.dcm").contains("1-1.dcm"));
    assert_eq!(site.instances("prearchive").len(), 2);
}

#[test]
fn a_folder_imported_twice_is_all_duplicates() {
    for project in ["P", "AUTO"] {
        let site = Site::new();
        dicom::study(&site.inbox("P/s"), 1, 1, 3);
        let first = site.import(project, "P/s", &[]);
        let before = site.files(&first.folder());
        let second = site.import(project, "P/s", &[]);
        assert_eq!(
            (second.state(), second.outcomes().as_str()),
            ("Completed", "3 duplicate")
        );
        assert_eq!(site.files(&first.folder()), before);
        assert_eq!(
            site.instances("prearchive").len() + site.instances("archive").len(),
            3
        );
    }
}

#[test]
fn other_content_under_a_known_identity_is_a_conflict_and_the_first_is_kept() {
    let site = Site::new();
    let folder = site.inbox("P/s");
    dicom::study(&folder, 1, 1, 2);
    fs::copy(folder.join("1-1.dcm"), folder.join("other.dcm")).unwrap();
    dicom::edit(
        &folder.join("other.dcm"),
        &[(tags::IMAGE_COMMENTS, VR::LT, "other")],
    );
    let done = site.import("P", "P/s", &[]);
    assert_eq!(
        (done.state(), done.outcomes().as_str()),
        ("Completed", "2 stored, 1 conflict")
    );
    assert_eq!(done.outcome("other.dcm"), "conflict");
    assert_eq!(done.session()["status"], "READY");

    // And against what is stored.
    let stored = site
        .path(&done.folder())
        .join(done.file("1-1.dcm")["stored"].as_str().unwrap());
    let bytes = fs::read(&stored).unwrap();
    fs::remove_file(folder.join("1-1.dcm")).unwrap();
    let again = site.import("P", "P/s", &[]);
    assert_eq!(again.outcomes(), "1 duplicate, 1 conflict");
    assert_eq!(again.outcome("other.dcm"), "conflict");
    assert_eq!(fs::read(&stored).unwrap(), bytes);
    assert!(folder.join("other.dcm").exists());
}

#[test]
fn a_conflict_keeps_a_session_from_the_archive() {
    let site = Site::new();
    let folder = site.inbox("AUTO/s");
    dicom::study(&folder, 1, 1, 1);
    fs::copy(folder.join("1-1.dcm"), folder.join("other.dcm")).unwrap();
    dicom::edit(
        &folder.join("other.dcm"),
        &[(tags::IMAGE_COMMENTS, VR::LT, "other")],
    );
    let done = site.import("AUTO", "AUTO/s", &[]);
    assert_eq!(done.outcomes(), "1 stored, 1 conflict");
    assert_eq!(done.session()["status"], "READY");
    assert_eq!(site.files("archive"), Vec::<String>::new());
}

#[test]
fn the_series_filter_keeps_a_series_out() {
    let site = Site::new();
    dicom::study(&site.inbox("P/s"), 1, 2, 2);
    site.policy(
        "P",
        &json!({ "series_filters": { "mode": "blacklist", "list": ["[SeriesNumber]", "^2$"] } }),
    );
    let done = site.import("P", "P/s", &[]);
    assert_eq!(
        (done.state(), done.outcomes().as_str()),
        ("Completed", "2 stored, 2 filtered")
    );
    assert_eq!(done.outcome("2-1.dcm"), "filtered");
    assert!(done.reason("2-1.dcm").contains("blacklist"));
    assert_eq!(site.instances("prearchive").len(), 2);
    assert_eq!(site.files("inbox/P").len(), 4);
}

#[test]
fn a_copy_of_a_file_that_is_not_stored_does_not_complete_a_request() {
    let site = Site::new();
    let folder = site.inbox("P/s");
    dicom::study(&folder, 1, 1, 1);
    fs::copy(folder.join("1-1.dcm"), folder.join("copy.dcm")).unwrap();
    site.rhai(
        "never",
        "anonymize",
        &[],
        &[],
        r#"fn anonymize(ds, ctx) { reject("never") }"#,
    );
    site.policy("P", &json!({ "anonymize": [{ "module": "never" }] }));
    let done = site.import("P", "P/s", &[("cleanupAfterImport", "true")]);
    assert_eq!(
        done.state(),
        "Failed",
        "nothing is stored: {}",
        done.resolution()
    );
    assert_eq!(done.outcome("1-1.dcm"), "rejected");
    assert_eq!(site.files("prearchive"), Vec::<String>::new());
    assert_eq!(site.files("inbox/P").len(), 2);
}

#[test]
fn a_rules_quarantine_holds_the_session_for_review() {
    let site = Site::new();
    dicom::study(&site.inbox("AUTO/s"), 1, 1, 2);
    let code = r#"fn anonymize(ds, ctx) {
        if ds.get("InstanceNumber") == "2" { quarantine("burned-in text") } else { keep() }
    }"#;
    site.rhai("review", "anonymize", &["InstanceNumber"], &[], code);
    site.policy(
        "AUTO",
        &json!({
            "anonymize": [{ "module": "review" }],
            "route": { "module": "xnat-routing", "settings": { "prearchive_code": 4 } },
        }),
    );
    let done = site.import("AUTO", "AUTO/s", &[]);
    assert_eq!(
        (done.state(), done.outcomes().as_str()),
        ("Completed", "2 quarantined")
    );
    assert_eq!(done.session()["status"], "QUARANTINED");
    assert!(done.resolution().contains("QUARANTINED"));
    assert!(done.reason("1-2.dcm").contains("burned-in text"));
    assert_eq!(
        site.instances("archive").len() + site.instances("prearchive").len(),
        0
    );
    assert_eq!(site.instances(&done.folder()).len(), 2);
    // Its bytes are for owners: ada is a member only.
    let files = site.get(
        "otto",
        &format!(
            "/data{}/scans/ALL/files",
            done.session()["uri"].as_str().unwrap()
        ),
    );
    let uri = files.rows()[0]["URI"].as_str().unwrap().to_owned();
    assert_eq!(site.get("ada", &uri).status, 403);
    assert_eq!(site.get("otto", &uri).status, 200);
}

#[test]
fn a_leak_puts_a_session_into_quarantine_and_the_report_tells_where() {
    let site = Site::new();
    dicom::study(&site.inbox("AUTO/s"), 1, 1, 2);
    site.policy(
        "AUTO",
        &json!({
            "leak_check": "quarantine",
            "route": { "module": "xnat-routing", "settings": { "prearchive_code": 4 } },
        }),
    );
    let done = site.import(
        "AUTO",
        "AUTO/s",
        &[("SUBJECT_ID", "S1"), ("EXPT_LABEL", "E1")],
    );
    assert_eq!(
        (done.state(), done.outcomes().as_str()),
        ("Completed", "2 quarantined")
    );
    assert_eq!(done.session()["status"], "QUARANTINED");
    let report = done.report.as_ref().unwrap();
    let leaks = report["sessions"][0]["leaks"].as_array().unwrap();
    // The generated headers have the patient's ID in OtherPatientIDs, which the site's rule leaves.
    assert!(
        leaks.iter().any(|leak| leak["tag"] == "(0010,1000)"),
        "{leaks:#?}"
    );
    assert_eq!(
        site.instances("archive").len() + site.instances("prearchive").len(),
        0
    );
}
