//! Sources and their clean-up, and the inbox's wall.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Stdio;

use dicom_core::VR;
use dicom_dictionary_std::tags;
use serde_json::json;

use crate::dicom;
use crate::server::sluice;
use crate::site::Site;

const CLEAN: (&str, &str) = ("cleanupAfterImport", "true");

#[test]
fn defect_01_clean_up_deletes_what_is_stored_and_nothing_else() {
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
fn defect_02_sources_outlive_an_archiving_that_fails() {
    let mut site = Site::new();
    dicom::study(&site.inbox("AUTO/one"), 1, 1, 2);
    dicom::study(&site.inbox("AUTO/two"), 2, 1, 2);
    for name in ["one", "two"] {
        for slice in ["1-1.dcm", "1-2.dcm"] {
            let file = site.inbox(&format!("AUTO/{name}")).join(slice);
            dicom::edit(&file, &[(tags::PATIENT_ID, VR::LO, "SAME")]);
        }
    }
    let pixels = dicom::pixels(&site.inbox("AUTO/two").join("1-1.dcm"));
    // The archive refuses the second: its files are in the prearchive, and only then gone from the inbox.
    site.import("AUTO", "AUTO/one", &[CLEAN]);
    let refused = site.import("AUTO", "AUTO/two", &[CLEAN]);
    assert_eq!(refused.session()["status"], "CONFLICT");
    let stored = refused.file("1-1.dcm")["stored"].as_str().unwrap();
    let stored = site.path(&refused.folder()).join(stored);
    assert_eq!(dicom::pixels(&stored), pixels);
    assert_eq!(site.files("inbox/AUTO"), Vec::<String>::new());

    // The archive can't be written to: nothing is gone.
    dicom::study(&site.inbox("AUTO/three"), 3, 1, 2);
    fs::rename(site.path("archive/AUTO"), site.path("archive/away")).unwrap();
    fs::write(site.path("archive/AUTO"), "in the way").unwrap();
    let failed = site.import("AUTO", "AUTO/three", &[CLEAN]);
    assert_eq!(failed.state(), "Failed");
    assert!(
        failed.resolution().contains("can't be put into place"),
        "{}",
        failed.resolution()
    );
    assert_eq!(site.files("inbox/AUTO").len(), 2);
    site.interrupt();
}

#[test]
fn defect_03_sources_stay_unless_clean_up_is_asked_for() {
    let site = Site::new();
    for (number, more) in [&[][..], &[("cleanupAfterImport", "false")]]
        .into_iter()
        .enumerate()
    {
        let below = format!("P/s{number}");
        dicom::study(&site.inbox(&below), number as u32, 1, 2);
        let done = site.import("P", &below, more);
        assert_eq!(done.outcomes(), "2 stored");
        assert_eq!(done.status["cleanupAfterImport"], false);
        assert_eq!(site.files(&format!("inbox/{below}")).len(), 2);
    }
}

#[test]
fn defect_05_the_inbox_is_a_folder_and_no_prefix_or_pattern() {
    let mut site = Site::prepared();
    // Each of these means something in a pattern.
    let root = site.path("in.box+(1)[x]^$ %");
    let beside = site.path("in.box+(1)[x]^$ %2");
    dicom::study(&root.join("P/a(b)+"), 1, 1, 2);
    dicom::study(&beside.join("P/s"), 2, 1, 2);
    site.serve(&[("SLUICE_INBOX", root.to_str().unwrap())]);
    let call = |path: &std::path::Path| {
        let query = [
            ("import-handler", "inbox"),
            ("PROJECT_ID", "P"),
            ("path", path.to_str().unwrap()),
        ];
        site.call("ada", "POST", "/data/services/import", &query)
    };
    assert_eq!(call(&beside.join("P/s")).status, 400);
    assert_eq!(call(&root).status, 400);
    let answer = call(&root.join("P/a(b)+"));
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(site.ended(answer.text().trim_end()).outcomes(), "2 stored");
    // No inbox at all is not every inbox.
    let empty = Site::empty();
    let output = sluice(&empty.path(""), &["serve", "--listen", "127.0.0.1:0"])
        .env("SLUICE_INBOX", "")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(output.status.code().map(|code| code == 0), Some(false));
}

#[test]
fn defect_06_a_link_does_not_lead_the_walk_out_of_the_inbox() {
    let site = Site::new();
    dicom::study(&site.path("outside"), 2, 1, 1);
    dicom::study(&site.inbox("OTHER/s"), 3, 1, 1);
    let folder = site.inbox("P/s");
    dicom::study(&folder, 1, 1, 1);
    symlink(site.path("outside/1-1.dcm"), folder.join("file-link.dcm")).unwrap();
    symlink("../../OTHER/s", folder.join("folder-link")).unwrap();
    symlink("1-1.dcm", folder.join("own-link.dcm")).unwrap();
    let done = site.import("P", "P/s", &[("cleanupAfterImport", "true")]);
    assert_eq!(
        (done.state(), done.outcomes().as_str()),
        ("Completed", "1 stored, 3 unreadable")
    );
    for link in ["file-link.dcm", "folder-link", "own-link.dcm"] {
        assert!(
            done.reason(link).contains("symbolic link"),
            "{}",
            done.reason(link)
        );
    }
    assert_eq!(
        site.files("inbox/P"),
        ["s/file-link.dcm", "s/folder-link", "s/own-link.dcm"]
    );
    assert_eq!(site.files("outside"), ["1-1.dcm"]);
    assert_eq!(site.files("inbox/OTHER"), ["s/1-1.dcm"]);
}

#[test]
fn defect_07_a_request_of_which_nothing_is_left_fails() {
    let site = Site::new();
    let folder = site.inbox("P/s");
    dicom::study(&folder, 1, 1, 2);
    site.policy(
        "P",
        &json!({ "series_filters": { "mode": "whitelist", "list": ["no such series"] } }),
    );
    let filtered = site.import("P", "P/s", &[("cleanupAfterImport", "true")]);
    assert_eq!(
        (filtered.state(), filtered.outcomes().as_str()),
        ("Failed", "2 filtered")
    );
    assert!(filtered.resolution().contains("2 filtered"));
    assert_eq!(site.files("prearchive"), Vec::<String>::new());
    assert_eq!(site.files("inbox/P").len(), 2);
    // And what a rule rejects is no success either.
    let code = r#"fn anonymize(ds, ctx) { reject("not wanted") }"#;
    site.rhai("never", "anonymize", &[], &[], code);
    site.policy("P", &json!({ "anonymize": [{ "module": "never" }] }));
    let rejected = site.import("P", "P/s", &[CLEAN]);
    assert_eq!(
        (rejected.state(), rejected.outcomes().as_str()),
        ("Failed", "2 rejected")
    );
    assert_eq!(rejected.sessions().len(), 0);
    assert_eq!(site.files("inbox/P").len(), 2);
}

#[test]
fn defect_14_an_inbox_that_is_gone_fails_the_request_and_deletes_nothing() {
    let mut site = Site::prepared();
    site.slow_rule("P");
    dicom::study(&site.inbox("P/slow"), 1, 1, Site::slow_files());
    dicom::study(&site.inbox("AUTO/s"), 2, 1, 3);
    site.serve(&[("SLUICE_WORKERS", "1")]);
    let slow = site.queue("P", "P/slow", &[]);
    site.staged();
    let waiting = site.queue("AUTO", "AUTO/s", &[CLEAN]);
    fs::rename(site.path("inbox"), site.path("unmounted")).unwrap();
    assert_eq!(site.get("root", &waiting).json()["status"], "Queued");
    site.ended(&slow);
    let done = site.ended(&waiting);
    assert_eq!(done.state(), "Failed");
    assert!(done.resolution().starts_with("No session folder was found"));
    assert_eq!(site.files("unmounted/AUTO").len(), 3);
    assert_eq!(site.files("archive"), Vec::<String>::new());
}
