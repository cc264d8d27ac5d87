//! The import call, as XNAT documents it.

use std::fs;
use std::process::Command;

use crate::dicom;
use crate::site::Site;

const IMPORT: &str = "/data/services/import";

#[test]
fn the_answer_is_the_address_of_the_status_and_the_sources_stay() {
    let site = Site::new();
    dicom::study(&site.inbox("P/b/c"), 1, 1, 2);
    let labels = [("SUBJECT_ID", "test_subj"), ("EXPT_LABEL", "test_exp")];
    let answer = site.call_import("ada", "P", "P/b/c", &labels);
    assert_eq!(answer.status, 200);
    assert_eq!(answer.kind, "text/uri-list");
    assert_eq!(answer.text(), "/xapi/dicom/1\r\n");

    let done = site.ended("/xapi/dicom/1");
    assert_eq!(
        (done.state(), done.outcomes().as_str()),
        ("Completed", "2 stored")
    );
    assert_eq!(done.session()["label"], "test_exp");
    assert_eq!(done.session()["subject"], "test_subj");
    assert_eq!(done.status["cleanupAfterImport"], false);
    assert_eq!(site.files("inbox/P"), ["b/c/1-1.dcm", "b/c/1-2.dcm"]);
}

#[test]
fn parameters_are_taken_from_a_form() {
    let site = Site::new();
    let folder = site.inbox("P/s");
    dicom::study(&folder, 1, 1, 1);
    let form = [
        ("import-handler", "inbox"),
        ("PROJECT_ID", "P"),
        ("path", folder.to_str().unwrap()),
        ("SUBJECT_ID", "S_form"),
        ("session", "E_form"),
        ("cleanupAfterImport", "true"),
    ];
    let answer = site.post_form("ada", IMPORT, &form);
    assert_eq!(answer.text(), "/xapi/dicom/1\r\n");
    let done = site.ended("/xapi/dicom/1");
    assert_eq!(done.session()["label"], "E_form");
    assert_eq!(done.session()["subject"], "S_form");
    assert_eq!(
        site.files("inbox/P"),
        Vec::<String>::new(),
        "cleaned up, as asked"
    );
}

#[test]
fn session_is_another_name_for_the_label_and_the_label_wins() {
    let site = Site::new();
    dicom::study(&site.inbox("P/one"), 1, 1, 1);
    dicom::study(&site.inbox("P/two"), 2, 1, 1);
    let one = site.import("P", "P/one", &[("session", "by_session")]);
    assert_eq!(one.session()["label"], "by_session");
    assert_eq!(one.status["parameters"]["EXPT_LABEL"], "by_session");
    let both = [("session", "by_session"), ("EXPT_LABEL", "by_label")];
    let two = site.import("P", "P/two", &both);
    assert_eq!(two.session()["label"], "by_label");
}

#[test]
fn labels_that_are_not_given_come_from_the_header() {
    let site = Site::new();
    let folder = site.inbox("P/s");
    dicom::study(&folder, 1, 1, 1);
    let id = dicom::text(
        &folder.join("1-1.dcm"),
        dicom_dictionary_std::tags::PATIENT_ID,
    );
    let done = site.import("P", "P/s", &[]);
    assert_eq!(done.session()["label"].as_str(), id.as_deref());
    assert_eq!(done.session()["subject"], "SMITH_JOHN_Q_MR_JR");
}

#[test]
fn the_documented_curl_call_works() {
    let site = Site::new();
    let folder = site.inbox("P/b/c");
    dicom::study(&folder, 1, 1, 1);
    let url = format!(
        "{}{IMPORT}?import-handler=inbox&cleanupAfterImport=false&PROJECT_ID=P\
         &SUBJECT_ID=test_subj&EXPT_LABEL=test_exp&path={}",
        site.server().base,
        folder.display()
    );
    let curl = Command::new("curl")
        .args([
            "--silent",
            "--show-error",
            "-u",
            "ada:ada",
            "-X",
            "POST",
            &url,
        ])
        .output()
        .unwrap();
    assert!(
        curl.status.success(),
        "{}",
        String::from_utf8_lossy(&curl.stderr)
    );
    assert_eq!(String::from_utf8(curl.stdout).unwrap(), "/xapi/dicom/1\r\n");
    let done = site.ended("/xapi/dicom/1");
    assert_eq!(
        (done.state(), done.outcomes().as_str()),
        ("Completed", "1 stored")
    );
    assert_eq!(done.session()["label"], "test_exp");
}

#[test]
fn what_is_stored_has_the_pixels_of_its_source_and_the_stamp_of_the_site() {
    use dicom_dictionary_std::tags;
    let site = Site::new();
    let folder = site.inbox("P/s");
    dicom::study(&folder, 1, 2, 2);
    let labels = [("SUBJECT_ID", "S1"), ("EXPT_LABEL", "E1")];
    let done = site.import("P", "P/s", &labels);
    for name in ["1-1.dcm", "1-2.dcm", "2-1.dcm", "2-2.dcm"] {
        let stored = done.file(name)["stored"].as_str().unwrap();
        let stored = site.path(&done.folder()).join(stored);
        assert_eq!(
            dicom::pixels(&stored),
            dicom::pixels(&folder.join(name)),
            "{name}"
        );
        assert_eq!(
            dicom::text(&stored, tags::PATIENT_NAME).as_deref(),
            Some("S1")
        );
        assert_eq!(
            dicom::text(&stored, tags::PATIENT_ID).as_deref(),
            Some("E1")
        );
        assert_eq!(
            dicom::text(&stored, tags::STUDY_DESCRIPTION).as_deref(),
            Some("P")
        );
        let size = fs::metadata(&stored).unwrap().len();
        assert!(size > 0);
    }
    let bytes: u64 = site
        .instances(&done.folder())
        .iter()
        .map(|file| {
            fs::metadata(site.path(&done.folder()).join(file))
                .unwrap()
                .len()
        })
        .sum();
    assert_eq!(done.status["bytes"].as_u64(), Some(bytes));
}
