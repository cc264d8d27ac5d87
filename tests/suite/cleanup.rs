//! Clean-up: exactly the sources that are stored go, every other file stays.

use serde_json::json;

use crate::dicom;
use crate::site::Site;

const CLEAN: (&str, &str) = ("cleanupAfterImport", "true");

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
