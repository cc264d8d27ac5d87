//! Archives in the inbox.

use std::fs;

use crate::archives::{packed, study};
use crate::site::Site;

const CLEAN: (&str, &str) = ("cleanupAfterImport", "true");

#[test]
fn defect_12_a_tar_gz_is_an_archive() {
    let site = Site::new();
    let archive = site.inbox("P").join("s.tar.gz");
    fs::write(&archive, packed("s.tar.gz", &study(1, 3))).unwrap();
    let done = site.import("P", "P/s.tar.gz", &[]);
    assert_eq!(
        (done.state(), done.outcomes().as_str()),
        ("Completed", "3 stored")
    );
}

#[test]
fn defect_13_an_archive_is_unpacked_by_the_worker_and_goes_only_once_it_is_stored() {
    let site = crate::workers::busy();
    let archive = site.inbox("P").join("s.zip");
    fs::write(&archive, packed("s.zip", &study(2, 3))).unwrap();
    let address = site.queue("P", "P/s.zip", &[CLEAN]);
    // Answered, and nothing is unpacked: the one worker is at something else.
    assert_eq!(site.get("root", &address).json()["status"], "Queued");
    let unpacked = |site: &Site| {
        let staged = site.files("staging");
        staged
            .iter()
            .filter(|file| file.contains("unpacked"))
            .count()
    };
    assert_eq!(unpacked(&site), 0);
    assert!(archive.exists());
    assert_eq!(site.ended(&address).outcomes(), "3 stored");
    assert!(!archive.exists(), "it is stored, and was to be removed");

    // What is not stored is not removed, and what was unpacked never stays.
    site.rhai(
        "no",
        "anonymize",
        &[],
        &[],
        r#"fn anonymize(ds, ctx) { reject("no") }"#,
    );
    site.policy(
        "P",
        &serde_json::json!({ "anonymize": [{ "module": "no" }] }),
    );
    fs::write(&archive, packed("s.zip", &study(3, 3))).unwrap();
    assert_eq!(
        site.import("P", "P/s.zip", &[CLEAN]).outcomes(),
        "3 rejected"
    );
    assert!(archive.exists());
    assert_eq!(site.files("staging"), Vec::<String>::new());
}
