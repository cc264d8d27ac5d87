//! Clean-up: exactly the sources that are stored go, every other file stays.

use std::fs;
use std::os::unix::fs::symlink;

use dicom_core::VR;
use dicom_dictionary_std::tags;
use serde_json::json;

use crate::dicom;
use crate::site::Site;

const CLEAN: (&str, &str) = ("cleanupAfterImport", "true");

#[test]
fn stored_sources_and_proved_duplicates_go_and_all_others_stay() {
    let site = Site::new();
    let folder = site.inbox("P/s");
    dicom::study(&folder.join("study"), 1, 2, 5);
    let file = |name: &str| folder.join("study").join(name);
    dicom::cut(&file("1-2.dcm"), 300);
    dicom::cut(&file("1-3.dcm"), 995);
    fs::copy(file("1-1.dcm"), file("1-1-copy.dcm")).unwrap();
    fs::copy(file("1-1.dcm"), file("1-1-other.dcm")).unwrap();
    dicom::edit(
        &file("1-1-other.dcm"),
        &[(tags::IMAGE_COMMENTS, VR::LT, "other")],
    );
    fs::write(file("notes.txt"), "keep me").unwrap();
    symlink("1-1.dcm", file("link.dcm")).unwrap();
    // Series 2: the first slice fails, with a copy beside it, the second is rejected, the third filtered.
    fs::copy(file("2-1.dcm"), file("2-1-copy.dcm")).unwrap();
    dicom::edit(
        &file("2-3.dcm"),
        &[(tags::SERIES_DESCRIPTION, VR::LO, "localizer")],
    );
    let code = r#"fn anonymize(ds, ctx) {
        if ds.get("SeriesNumber") != "2" { return keep(); }
        switch ds.get("InstanceNumber") { "1" => throw "no", "2" => reject("no"), _ => keep() }
    }"#;
    site.rhai(
        "some",
        "anonymize",
        &["SeriesNumber", "InstanceNumber"],
        &[],
        code,
    );
    site.policy(
        "P",
        &json!({
            "anonymize": [{ "module": "some" }],
            "series_filters": { "mode": "blacklist", "list": ["localizer"] },
        }),
    );
    let done = site.import("P", "P/s", &[CLEAN]);
    assert_eq!(done.state(), "Completed");
    assert_eq!(
        done.outcomes(),
        "5 stored, 2 duplicate, 1 conflict, 1 filtered, 1 rejected, 1 failed, 1 not_dicom, 1 unreadable, 2 cut_short"
    );
    let left = [
        "study/1-1-other.dcm",
        "study/1-2.dcm",
        "study/1-3.dcm",
        "study/2-1-copy.dcm",
        "study/2-1.dcm",
        "study/2-2.dcm",
        "study/2-3.dcm",
        "study/link.dcm",
        "study/notes.txt",
    ];
    let sorted = |mut names: Vec<String>| {
        names.sort();
        names
    };
    assert_eq!(
        site.files("inbox/P/s"),
        sorted(left.map(str::to_owned).to_vec())
    );
    assert_eq!(done.file("study/1-4.dcm")["cleaned"], true);
    assert_eq!(site.instances("prearchive").len(), 5);
}

#[test]
fn sources_whose_content_is_stored_already_go_too() {
    let site = Site::new();
    dicom::study(&site.inbox("AUTO/s"), 1, 1, 3);
    site.import("AUTO", "AUTO/s", &[]);
    assert_eq!(site.files("inbox/AUTO").len(), 3);
    let again = site.import("AUTO", "AUTO/s", &[CLEAN]);
    assert_eq!(again.outcomes(), "3 duplicate");
    assert_eq!(site.files("inbox/AUTO"), Vec::<String>::new());
    assert_eq!(site.instances("archive").len(), 3);
}

#[test]
fn a_quarantined_session_is_stored_and_its_sources_go() {
    let site = Site::new();
    dicom::study(&site.inbox("P/s"), 1, 1, 2);
    site.policy("P", &json!({ "leak_check": "quarantine" }));
    let done = site.import("P", "P/s", &[CLEAN]);
    assert_eq!(done.outcomes(), "2 quarantined");
    assert_eq!(site.instances(&done.folder()).len(), 2);
    assert_eq!(site.files("inbox/P"), Vec::<String>::new());
}

#[test]
fn files_beside_the_imported_folder_are_not_touched() {
    let site = Site::new();
    dicom::study(&site.inbox("P/s"), 1, 1, 2);
    dicom::study(&site.inbox("P/s2"), 2, 1, 2);
    site.import("P", "P/s", &[CLEAN]);
    assert_eq!(site.files("inbox/P"), ["s2/1-1.dcm", "s2/1-2.dcm"]);
}
