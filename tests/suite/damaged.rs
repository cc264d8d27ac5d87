//! Files that can't be imported: named in the report as what they are, and left where they lie.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;
use std::time::SystemTime;

use serde_json::json;

use sluice::sample::{Expected, write_hostile};

use crate::dicom;
use crate::site::Site;

#[test]
fn what_is_not_dicom_is_named_so() {
    let site = Site::new();
    let folder = site.inbox("P/s");
    dicom::study(&folder, 1, 1, 1);
    fs::write(folder.join("notes.txt"), "Scanned on Tuesday.").unwrap();
    fs::write(folder.join("empty"), "").unwrap();
    let done = site.import("P", "P/s", &[]);
    assert_eq!(
        (done.state(), done.outcomes().as_str()),
        ("Completed", "1 stored, 2 not_dicom")
    );
    assert_eq!(done.outcome("notes.txt"), "not_dicom");
    assert_eq!(done.outcome("empty"), "not_dicom");
}

#[test]
fn what_is_cut_short_in_header_or_pixels_is_named_so() {
    let site = Site::new();
    let folder = site.inbox("P/s");
    dicom::study(&folder, 1, 1, 4);
    dicom::cut(&folder.join("1-2.dcm"), 300);
    dicom::cut(&folder.join("1-3.dcm"), 995);
    let whole = fs::read(folder.join("1-4.dcm")).unwrap();
    fs::write(folder.join("1-4.dcm"), &whole[..whole.len() - 2]).unwrap();
    let done = site.import("P", "P/s", &[]);
    assert_eq!(
        (done.state(), done.outcomes().as_str()),
        ("Completed", "1 stored, 3 cut_short")
    );
    assert_eq!(site.instances("prearchive").len(), 1);
    assert_eq!(site.files("inbox/P").len(), 4);
}

#[test]
fn only_links_in_the_folder_are_a_failed_request() {
    let site = Site::new();
    dicom::study(&site.path("outside"), 2, 1, 1);
    let folder = site.inbox("P/s");
    symlink(site.path("outside/1-1.dcm"), folder.join("link.dcm")).unwrap();
    let done = site.import("P", "P/s", &[]);
    assert_eq!(
        (done.state(), done.outcomes().as_str()),
        ("Failed", "1 unreadable")
    );
    assert_eq!(site.files("prearchive"), Vec::<String>::new());
}

#[test]
fn a_pipe_in_the_folder_does_not_hold_up_the_import() {
    let site = Site::new();
    let folder = site.inbox("P/s");
    dicom::study(&folder, 1, 1, 1);
    let made = Command::new("mkfifo").arg(folder.join("pipe")).status();
    assert!(made.unwrap().success());
    let done = site.import("P", "P/s", &[]);
    assert_eq!(done.outcomes(), "1 stored, 1 unreadable");
    assert_eq!(done.reason("pipe"), "not a regular file");
}

#[test]
fn a_file_that_changes_while_it_is_read_is_not_stored_and_stays() {
    let site = Site::new();
    let folder = site.inbox("P/s");
    dicom::study(&folder, 1, 1, 2);
    let code = "fn anonymize(ds, ctx) { let n = 0; while n < 1000000 { n += 1; } keep() }";
    site.rhai("slow", "anonymize", &[], &[], code);
    site.policy("P", &json!({ "anonymize": [{ "module": "slow" }] }));
    let address = site.queue("P", "P/s", &[("cleanupAfterImport", "true")]);
    // As a scanner would that is still writing: again and again, for as long as the import runs.
    let growing = fs::File::options().write(true).open(folder.join("1-2.dcm"));
    let growing = growing.unwrap();
    let ended = |status: &serde_json::Value| status["finished"].is_i64();
    while !ended(&site.get("ada", &address).json()) {
        growing.set_modified(SystemTime::now()).unwrap();
    }
    let done = site.ended(&address);
    assert_eq!(
        (done.state(), done.outcomes().as_str()),
        ("Completed", "1 stored, 1 changed")
    );
    assert_eq!(done.outcome("1-2.dcm"), "changed");
    assert_eq!(site.files("inbox/P"), ["s/1-2.dcm"]);
}

#[test]
fn a_folder_of_trouble_is_reported_file_by_file_and_cleaned_of_what_is_stored() {
    let site = Site::new();
    let folder = site.inbox("P/s");
    let hostile = write_hostile(&folder, 1).unwrap();
    let labels = [("EXPT_LABEL", "E1"), ("cleanupAfterImport", "true")];
    let done = site.import("P", "P/s", &labels);
    assert_eq!(done.state(), "Completed", "{}", done.resolution());
    assert_eq!(
        done.status["counts"]["found"].as_u64(),
        Some(hostile.len() as u64)
    );
    for file in &hostile {
        let shown = file.path.to_string_lossy();
        let outcome = done.outcome(&shown);
        let fits = match file.expected {
            Expected::Stored => outcome == "stored",
            Expected::Duplicate => outcome == "duplicate",
            Expected::Conflict => outcome == "conflict",
            Expected::NotDicom => outcome == "not_dicom",
            Expected::CutShort => outcome == "cut_short",
            Expected::Broken => matches!(outcome, "cut_short" | "unreadable"),
            Expected::Reported => true,
        };
        assert!(
            fits,
            "{shown}: {:?}, {outcome} {}",
            file.expected,
            done.reason(&shown)
        );
        let gone = matches!(outcome, "stored" | "duplicate");
        assert_eq!(
            folder.join(&file.path).exists(),
            !gone,
            "{shown}: {outcome}"
        );
    }
    let stored = done.status["counts"]["stored"].as_u64().unwrap();
    assert_eq!(site.instances("prearchive").len() as u64, stored);
}
