//! The space that is kept free: an import that would use it waits, says so, and fails before it would.

use std::fs;

use serde_json::Value;

use crate::dicom;
use crate::server::wait_for;
use crate::site::Site;

/// More than any disk has.
const ALL: (&str, &str) = ("SLUICE_RESERVE_MB", "4000000000");

#[test]
fn without_space_an_import_waits_says_so_and_goes_on_when_there_is_some() {
    let mut site = Site::prepared();
    dicom::study(&site.inbox("P/s"), 1, 1, 2);
    site.serve(&[ALL]);
    let address = site.queue("P", "P/s", &[]);
    let waits = |status: &Value| (status["waiting"] == "disk").then_some(());
    wait_for("an import that waits", || {
        waits(&site.get("ada", &address).json())
    });
    let log = site.interrupt();
    let told = log.iter().filter(|l| l.contains("waits for space"));
    assert_eq!(told.count(), 1, "{log:#?}");
    assert_eq!(site.files("staging"), Vec::<String>::new());

    site.serve(&[]);
    let done = site.ended(&address);
    assert_eq!(done.outcomes(), "2 stored");
    assert!(done.status["waiting"].is_null(), "{:#}", done.status);
}

#[test]
fn an_import_that_waited_in_vain_fails_and_keeps_its_sources() {
    let mut site = Site::prepared();
    dicom::study(&site.inbox("P/s"), 1, 1, 2);
    site.serve(&[ALL, ("SLUICE_DISK_WAIT_SECONDS", "0")]);
    let done = site.import("P", "P/s", &[("cleanupAfterImport", "true")]);
    assert_eq!(done.state(), "Failed");
    let why = done.resolution();
    assert!(
        why.starts_with("disk: ") && why.contains("reserve 4000000000 MB"),
        "{why}"
    );
    assert!(done.status["waiting"].is_null(), "{:#}", done.status);
    assert_eq!(site.files("inbox/P").len(), 2);
    assert_eq!(site.files("prearchive"), Vec::<String>::new());
}

#[test]
fn a_commit_that_the_disk_stops_is_finished_when_the_disk_allows() {
    let site = Site::new();
    let archive = site.inbox("AUTO").join("s.tar");
    let mut tar = tar::Builder::new(fs::File::create(&archive).unwrap());
    dicom::study(&site.path("scratch"), 1, 1, 2);
    tar.append_dir_all("s", site.path("scratch")).unwrap();
    tar.into_inner().unwrap();
    // Something in the way of the session's folder, as an error that lasts for a while.
    fs::write(site.path("archive/AUTO"), "").unwrap();
    let clean = ("cleanupAfterImport", "true");
    let done = site.import("AUTO", "AUTO/s.tar", &[clean, ("EXPT_LABEL", "E1")]);
    assert_eq!(done.state(), "Failed");
    let why = done.resolution();
    assert!(why.contains("can't be put into place"), "{why}");
    assert!(archive.exists());
    let staged = site.files("staging");
    assert_eq!(
        staged.len(),
        2,
        "what is to be committed, and no more: {staged:?}"
    );

    fs::remove_file(site.path("archive/AUTO")).unwrap();
    wait_for("the end of the commit", || {
        let status = site.get("ada", "/xapi/dicom/1").json();
        (status["sessions"][0]["status"] == "ARCHIVED").then_some(())
    });
    let instances = site.instances("archive");
    assert_eq!(instances.len(), 2, "{instances:?}");
    let again = site.import("AUTO", "AUTO/s.tar", &[clean]);
    assert!(!archive.exists(), "{}", again.resolution());
}
