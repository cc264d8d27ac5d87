//! A project's new pseudonym key: other pseudonyms from then on, and a study of before known for what it is.

use std::process::Stdio;

use dicom_dictionary_std::tags;
use serde_json::json;

use crate::dicom;
use crate::done::Done;
use crate::server::sluice;
use crate::site::Site;

const UIDS: [&str; 3] = ["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"];

const PSEUDONYMS: &str = r#"fn anonymize(ds, ctx) {
    for name in ["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"] {
        ds.set(name, pseudonym::uid(ds.get(name)));
    }
    keep()
}"#;

const LABELS: [(&str, &str); 2] = [("EXPT_LABEL", "E1"), ("SUBJECT_ID", "S1")];

fn site() -> Site {
    let mut site = Site::prepared();
    site.rhai("pseudonyms", "anonymize", &UIDS, &UIDS, PSEUDONYMS);
    for project in ["P", "AUTO"] {
        let code = if project == "AUTO" { 4 } else { 0 };
        site.policy(
            project,
            &json!({
                "anonymize": [{ "module": "pseudonyms" }],
                "route": { "module": "xnat-routing", "settings": { "prearchive_code": code } },
            }),
        );
    }
    dicom::study(&site.inbox("P/s"), 1, 1, 2);
    site.serve(&[]);
    site
}

fn rotate(site: &Site, project: &str) -> String {
    site.command(&["project", "rotate-key", project, "--confirm"], "")
}

/// The Study Instance UID of what a request stored.
fn study_uid(site: &Site, done: &Done) -> String {
    let file = site
        .path(&done.folder())
        .join(site.instances(&done.folder())[0].clone());
    dicom::text(&file, tags::STUDY_INSTANCE_UID).unwrap()
}

#[test]
fn a_new_key_must_be_confirmed_and_gives_new_pseudonyms() {
    let site = site();
    let before = site.import("P", "P/s", &LABELS);
    let output = sluice(&site.path(""), &["project", "rotate-key", "P"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--confirm"));
    assert_eq!(
        site.import("P", "P/s", &LABELS).outcomes(),
        "2 duplicate",
        "nothing was changed"
    );

    assert!(rotate(&site, "P").contains("key number 2"));
    let after = site.import("P", "P/s", &[("EXPT_LABEL", "E2")]);
    assert_eq!(after.outcomes(), "2 stored");
    assert_ne!(study_uid(&site, &before), study_uid(&site, &after));
    assert!(rotate(&site, "P").contains("key number 3"));
    let later = site.import("P", "P/s", &[("EXPT_LABEL", "E3")]);
    assert_ne!(study_uid(&site, &after), study_uid(&site, &later));
}

#[test]
fn a_study_of_before_is_not_mixed_with_its_new_pseudonyms() {
    for project in ["P", "AUTO"] {
        let site = site();
        let before = site.import(project, "P/s", &[]);
        let files = site.files(&before.folder());
        let uid = study_uid(&site, &before);
        rotate(&site, project);

        let after = site.import(project, "P/s", &[("cleanupAfterImport", "true")]);
        assert_eq!(
            (after.state(), after.outcomes().as_str()),
            ("Completed", "2 stored")
        );
        assert_eq!(after.session()["status"], "CONFLICT");
        assert_ne!(after.folder(), before.folder());
        assert_eq!(site.files(&before.folder()), files);
        assert_ne!(study_uid(&site, &after), uid);
        let reason = after.report.as_ref().unwrap()["sessions"][0]["reason"]
            .as_str()
            .unwrap();
        assert!(reason.contains("earlier pseudonym key"), "{reason}");

        // Once more: what is in conflict takes it, nothing else does.
        dicom::study(&site.inbox("P/s"), 1, 1, 2);
        let again = site.import(project, "P/s", &[]);
        assert_eq!(again.outcomes(), "2 duplicate");
        assert_eq!(
            site.instances("prearchive").len() + site.instances("archive").len(),
            4
        );

        // By hand it goes under another label, and not silently over the first.
        let uri = after.session()["uri"].as_str().unwrap();
        let archive = |more: &[(&str, &str)]| {
            let form = [&[("src", uri)], more].concat();
            site.post_form("ada", "/data/services/archive", &form)
                .status
        };
        assert_eq!(archive(&[]), 409);
        assert_eq!(archive(&[("overwrite", "append")]), 409);
        assert_eq!(archive(&[("session", "E9")]), 200);
    }
}

#[test]
fn the_label_is_free_for_the_new_key_when_the_session_of_before_is_deleted() {
    let site = site();
    let before = site.import("P", "P/s", &LABELS);
    rotate(&site, "P");
    let uri = format!("/data{}", before.session()["uri"].as_str().unwrap());
    assert_eq!(site.call("ada", "DELETE", &uri, &[]).status, 200);
    let after = site.import("P", "P/s", &LABELS);
    assert_eq!(after.session()["status"], "READY");
    assert_eq!(after.session()["label"], "E1");
}

#[test]
fn where_the_rules_keep_the_uids_the_study_goes_on_in_its_session() {
    let site = site();
    site.policy("P", &json!({}));
    let before = site.import("P", "P/s", &LABELS);
    rotate(&site, "P");
    assert_eq!(site.import("P", "P/s", &LABELS).outcomes(), "2 duplicate");
    dicom::study(&site.inbox("P/more"), 1, 1, 3);
    let more = site.import("P", "P/more", &LABELS);
    assert_eq!(more.outcomes(), "1 stored, 2 duplicate");
    assert_eq!(more.session()["uri"], before.session()["uri"]);
    assert_eq!(more.session()["status"], "READY");
    // And from the prearchive to the archive, with what comes later still.
    let routing = json!({ "module": "xnat-routing", "settings": { "prearchive_code": 4 } });
    site.policy("P", &json!({ "route": routing }));
    dicom::study(&site.inbox("P/last"), 1, 1, 4);
    let last = site.import("P", "P/last", &LABELS);
    assert_eq!(last.session()["status"], "ARCHIVED");
    assert_eq!(site.instances("archive/P/arc001/E1").len(), 4);
    site.policy("P", &json!({}));
    dicom::study(&site.inbox("P/late"), 1, 1, 5);
    let late = site.import(
        "P",
        "P/late",
        &[("SUBJECT_ID", "S1"), ("cleanupAfterImport", "false")],
    );
    assert_eq!(late.state(), "Completed");
    // Another study is still another study.
    dicom::study(&site.inbox("P/other"), 2, 1, 1);
    let other = site.import("AUTO", "P/other", &LABELS);
    assert_eq!(other.session()["status"], "ARCHIVED");
}
