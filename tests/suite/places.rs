//! Where a file comes to stand: inside its session, under a name of its own, whatever its header or its source's
//! name say; and beside what others do to the session at the same moment.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};

use dicom_core::VR;
use dicom_dictionary_std::tags;
use serde_json::json;

use crate::dicom;
use crate::site::Site;

const LABELS: [(&str, &str); 2] = [("SUBJECT_ID", "S1"), ("EXPT_LABEL", "E1")];

/// Scans of one number are told apart by a text of the header.
#[test]
fn no_modality_leads_out_of_the_session() {
    let site = Site::new();
    let outside = tempfile::tempdir().unwrap();
    let climb = format!(
        "X/../../../../../../../../../..{}/y",
        outside.path().display()
    );
    for (folder, modality) in [("climbs", climb.as_str()), ("both", "PT/CT")] {
        let inbox = site.inbox(&format!("P/{folder}"));
        dicom::study(&inbox, 1, 2, 2);
        for slice in ["2-1.dcm", "2-2.dcm"] {
            dicom::edit(
                &inbox.join(slice),
                &[
                    (tags::SERIES_NUMBER, VR::IS, "1"),
                    (tags::MODALITY, VR::LO, modality),
                ],
            );
        }
        let labels = [("SUBJECT_ID", "S1"), ("EXPT_LABEL", folder)];
        let done = site.import("P", &format!("P/{folder}"), &labels);
        assert_eq!(done.state(), "Completed", "{}", done.resolution());
        assert_eq!(site.instances(&done.folder()).len(), 4);
        let uri = done.session()["uri"].as_str().unwrap();
        let deleted = site.call("ada", "DELETE", &format!("/data{uri}"), &[]);
        assert_eq!(deleted.status, 200);
    }
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
    assert_eq!(site.files("staging"), [""; 0]);
}

#[test]
fn a_file_that_is_called_like_a_catalog_is_not_written_over() {
    let site = Site::new();
    site.policy("P", &json!({ "file_names": "source" }));
    let inbox = site.inbox("P/s");
    dicom::study(&inbox, 1, 1, 2);
    fs::rename(inbox.join("1-1.dcm"), inbox.join("scan_1_catalog.xml")).unwrap();
    let done = site.import("P", "P/s", &LABELS);
    let names = site.instances(&done.folder());
    assert_eq!(names.len(), 2, "{names:?}");
    for name in names {
        dicom::open(&site.path(&done.folder()).join(name));
    }
    let catalog = site
        .path(&done.folder())
        .join("SCANS/1/DICOM/scan_1_catalog.xml");
    let catalog = fs::read_to_string(catalog).unwrap();
    assert_eq!(catalog.matches("<cat:entry ").count(), 2, "{catalog}");
}

/// What is in a session that is being deleted is as good as gone.
#[cfg(feature = "failpoints")]
#[test]
fn nothing_is_stored_already_in_a_session_that_is_being_deleted() {
    let mut site = Site::prepared();
    site.serve(&[("FAILPOINTS", "delete.marked=1*sleep(1500)")]);
    dicom::study(&site.inbox("P/s"), 1, 1, 3);
    let first = site.import("P", "P/s", &LABELS);
    let uri = first.session()["uri"].as_str().unwrap().to_owned();
    let again = std::thread::scope(|scope| {
        let deletion = scope.spawn(|| site.call("ada", "DELETE", &format!("/data{uri}"), &[]));
        crate::server::wait_for("the deletion", || {
            let rows = site.get("ada", "/data/prearchive/projects/P").rows();
            (rows[0]["status"] == "DELETING").then_some(())
        });
        let again = site.import("P", "P/s", &LABELS);
        assert_eq!(deletion.join().unwrap().status, 200);
        again
    });
    assert_eq!(again.state(), "Completed", "{}", again.resolution());
    assert_eq!(site.instances(&again.folder()).len(), 3);
}

/// What is lost on the disk is told before anything is begun, and can be imported again.
#[test]
fn a_stored_file_that_is_gone_is_told_of_and_stored_again() {
    let site = Site::new();
    dicom::study(&site.inbox("P/s"), 1, 1, 3);
    let first = site.import("P", "P/s", &LABELS);
    let (folder, uri) = (
        first.folder(),
        first.session()["uri"].as_str().unwrap().to_owned(),
    );
    let lost = site.path(&folder).join(&site.instances(&folder)[1]);
    fs::remove_file(&lost).unwrap();
    let archive = || site.post_form("ada", "/data/services/archive", &[("src", &uri)]);
    let refused = archive();
    assert!(
        refused.status != 200 && refused.text().contains("gone from its folder"),
        "{}",
        refused.text()
    );
    assert_eq!(site.files("archive"), [""; 0], "nothing was begun");

    let again = site.import("P", "P/s", &LABELS);
    assert_eq!(
        again.outcomes(),
        "1 stored, 2 duplicate",
        "{}",
        again.resolution()
    );
    assert!(lost.is_file());
    let archived = archive();
    assert_eq!(archived.status, 200, "{}", archived.text());
    assert_eq!(site.instances("archive").len(), 3);
}

/// Each upload changes the session that the folder is planned into.
#[test]
fn a_folder_ends_beside_any_number_of_uploads_of_its_study() {
    let site = Site::new();
    let folder = site.inbox("P/s");
    dicom::study(&folder, 1, 4, 60);
    let uploads: Vec<Vec<u8>> = (1..=60)
        .map(|slice| {
            let path = folder.join(format!("4-{slice}.dcm"));
            let bytes = fs::read(&path).unwrap();
            fs::remove_file(path).unwrap();
            bytes
        })
        .collect();
    let query = [
        ("import-handler", "gradual-DICOM"),
        ("PROJECT_ID", "P"),
        LABELS[0],
        LABELS[1],
    ];
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for uploads in uploads.chunks(20) {
            let (site, ended) = (&site, &ended);
            scope.spawn(move || {
                for object in uploads {
                    let sent = site.upload(
                        "ada",
                        "/data/services/import",
                        &query,
                        "application/dicom",
                        object,
                    );
                    assert_eq!(sent.status, 200, "{}", sent.text());
                    if ended.load(Ordering::Relaxed) {
                        break;
                    }
                }
            });
        }
        let done = site.import("P", "P/s", &LABELS);
        ended.store(true, Ordering::Relaxed);
        assert_eq!(done.state(), "Completed", "{}", done.resolution());
        assert_eq!(done.sessions().len(), 1);
    });
}
