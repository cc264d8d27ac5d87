//! Verifying a request: what it stored, derived again from its sources.

use std::fs;

use dicom_core::VR;
use dicom_dictionary_std::tags;
use serde_json::{Value, json};

use crate::dicom;
use crate::done::Done;
use crate::server::sluice;
use crate::site::Site;

const LABELS: [(&str, &str); 2] = [("SUBJECT_ID", "S1"), ("EXPT_LABEL", "E1")];

/// Exit status, what was printed as JSON, and the reason.
fn verify(site: &Site, id: i64) -> (Option<i32>, Value, String) {
    let id = id.to_string();
    let output = sluice(&site.path(""), &["request", "verify", &id, "--json"])
        .output()
        .unwrap();
    (
        output.status.code(),
        serde_json::from_slice(&output.stdout).unwrap_or_default(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

fn counts(told: &Value) -> Vec<(String, u64)> {
    let counts = told["counts"].as_object().unwrap().iter();
    let counts = counts.map(|(name, count)| (name.clone(), count.as_u64().unwrap()));
    counts.filter(|(_, count)| *count > 0).collect()
}

fn stored(site: &Site, done: &Done, source: &str) -> std::path::PathBuf {
    let below = done.file(source)["stored"].as_str().unwrap();
    site.path(&done.folder()).join(below)
}

#[test]
fn what_is_stored_is_what_the_pinned_rules_make_of_the_sources() {
    let site = Site::new();
    let policy = json!({ "anonymize": [{ "module": "ps315-basic" }] });
    site.policy("P", &policy);
    dicom::study(&site.inbox("P/s"), 1, 2, 2);
    let done = site.import("P", "P/s", &LABELS);
    assert_eq!(done.outcomes(), "4 stored");
    // Other rules hold today; it is asked of those of then.
    site.policy("P", &json!({}));
    let before = site.files("prearchive");
    let (status, told, error) = verify(&site, done.id());
    assert_eq!((status, error.as_str()), (Some(0), ""));
    assert_eq!(counts(&told), [("same".to_owned(), 4)]);
    assert_eq!(told["ruleSet"], done.status["ruleSet"]);
    assert_eq!(site.files("prearchive"), before);
}

#[test]
fn a_difference_is_named_and_its_values_only_to_who_may_see_them() {
    let site = Site::new();
    dicom::study(&site.inbox("P/s"), 1, 1, 3);
    let done = site.import("P", "P/s", &LABELS);
    let there = stored(&site, &done, "1-2.dcm");
    dicom::edit(&there, &[(tags::PATIENT_NAME, VR::PN, "Changed^By^Hand")]);
    let (status, told, error) = verify(&site, done.id());
    assert_eq!(status, Some(1));
    assert!(error.contains("1 of 3 files differ"), "{error}");
    let file = &told["files"][1];
    assert_eq!(
        (&file["path"], &file["check"]),
        (&json!("1-2.dcm"), &json!("different"))
    );
    let difference = &file["difference"];
    assert_eq!(difference["tag"], "PatientName");
    assert_eq!(
        (&difference["derived"], &difference["stored"]),
        (&json!("S1"), &json!("Changed^By^Hand"))
    );
    let address = format!("/xapi/dicom/{}/verify", done.id());
    // ada is a member, root an administrator; eve has nothing to do with it.
    let told = site.call("ada", "POST", &address, &[]).json();
    assert_eq!(told["files"][1]["difference"]["tag"], "PatientName");
    assert!(!told.to_string().contains("By^Hand"), "{told:#}");
    let told = site.call("root", "POST", &address, &[]).json();
    assert!(told.to_string().contains("By^Hand"), "{told:#}");
    assert_eq!(site.call("eve", "POST", &address, &[]).status, 404);
    // One pixel.
    let there = stored(&site, &done, "1-3.dcm");
    let mut bytes = fs::read(&there).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&there, bytes).unwrap();
    let (_, told, _) = verify(&site, done.id());
    assert_eq!(told["files"][2]["difference"]["tag"], "PixelData");
    assert_eq!(told["files"][2]["difference"]["byte"], last);
}

#[test]
fn sources_that_are_gone_or_changed_are_said_and_the_stored_files_digest_still_holds() {
    let site = Site::new();
    let folder = site.inbox("P/s");
    dicom::study(&folder, 1, 1, 4);
    let done = site.import("P", "P/s", &LABELS);
    fs::remove_file(folder.join("1-1.dcm")).unwrap();
    fs::remove_file(folder.join("1-2.dcm")).unwrap();
    dicom::edit(
        &folder.join("1-3.dcm"),
        &[(tags::PATIENT_COMMENTS, VR::LT, "later")],
    );
    let there = stored(&site, &done, "1-2.dcm");
    dicom::edit(&there, &[(tags::PATIENT_NAME, VR::PN, "Changed")]);
    let (status, told, _) = verify(&site, done.id());
    let checks: Vec<&Value> = (told["files"].as_array().unwrap().iter())
        .map(|file| &file["check"])
        .collect();
    assert_eq!(
        checks,
        ["source_gone", "different", "source_changed", "same"]
    );
    assert_eq!(status, Some(1));
    let (status, _, error) = verify(&site, 77);
    assert_eq!(status, Some(1));
    assert!(error.contains("no request of that number"), "{error}");
}

#[test]
fn what_was_cleaned_up_deleted_or_archived_by_further_steps_is_no_difference() {
    let site = Site::new();
    dicom::study(&site.inbox("P/gone"), 1, 1, 2);
    let cleaned = site.import("P", "P/gone", &[("cleanupAfterImport", "true")]);
    let (status, told, _) = verify(&site, cleaned.id());
    assert_eq!(
        (status, counts(&told)),
        (Some(0), vec![("sourceGone".to_owned(), 2)])
    );

    dicom::study(&site.inbox("P/s"), 2, 1, 2);
    let done = site.import("P", "P/s", &LABELS);
    let uri = format!("/data{}", done.session()["uri"].as_str().unwrap());
    assert_eq!(site.call("otto", "DELETE", &uri, &[]).status, 200);
    let (status, told, _) = verify(&site, done.id());
    assert_eq!(
        (status, counts(&told)),
        (Some(0), vec![("asRecorded".to_owned(), 2)])
    );
}

#[test]
fn members_of_an_archive_are_derived_again_and_steps_at_archiving_too() {
    let site = Site::new();
    let touched = ["PatientBirthDate", "SOPInstanceUID", "SeriesInstanceUID"];
    site.rhai(
        "late",
        "anonymize",
        &touched,
        &touched,
        "fn anonymize(ds, ctx) {
            for uid in [\"SeriesInstanceUID\", \"SOPInstanceUID\"] { ds.set(uid, pseudonym::uid(ds.get(uid))); }
            ds.remove(\"PatientBirthDate\");
            keep()
        }",
    );
    let policy = |code: u8| {
        json!({ "identified_prearchive": true,
            "anonymize": [{ "module": "late", "at": "archive" }],
            "route": { "module": "xnat-routing", "settings": { "prearchive_code": code } } })
    };
    site.policy("P", &policy(0));
    site.policy("AUTO", &policy(4));
    for (project, number) in [("P", 1), ("AUTO", 2)] {
        let folder = site.inbox(&format!("{project}/packed"));
        dicom::study(&folder, number, 1, 2);
        let tar = std::process::Command::new("tar")
            .args(["-cf", "../packed.tar", "."])
            .current_dir(&folder)
            .status();
        assert!(tar.unwrap().success());
        let done = site.import(project, &format!("{project}/packed.tar"), &LABELS);
        assert_eq!(done.outcomes(), "2 stored");
        let (status, told, error) = verify(&site, done.id());
        assert_eq!(
            (status, counts(&told)),
            (Some(0), vec![("same".to_owned(), 2)]),
            "{error}"
        );
    }
    assert_eq!(site.files("staging"), Vec::<String>::new());
}
