//! Sessions over REST, from the prearchive to the archive, and what then lies on disk.

use std::fs;

use crate::dicom;
use crate::site::Site;

const ARCHIVE: &str = "/data/services/archive";

/// A site with a session E1 of subject S1 in P's prearchive: two series of two slices.
fn site() -> (Site, String, String) {
    let site = Site::new();
    dicom::study(&site.inbox("P/s"), 1, 2, 2);
    let done = site.import("P", "P/s", &[("SUBJECT_ID", "S1"), ("EXPT_LABEL", "E1")]);
    let uri = done.session()["uri"].as_str().unwrap().to_owned();
    let folder = done.folder();
    (site, uri, folder)
}

/// Every file that a listing names can be fetched, and is what lies on disk; how many there are.
fn files_are_those_on_disk(site: &Site, listing: &str, folder: &str) -> usize {
    let rows = site.get("ada", listing).rows();
    for row in &rows {
        let uri = row["URI"].as_str().unwrap();
        let answer = site.get("ada", uri);
        assert_eq!(
            (answer.status, answer.kind.as_str()),
            (200, "application/dicom"),
            "{uri}"
        );
        let scan = uri
            .split('/')
            .skip_while(|step| *step != "scans")
            .nth(1)
            .unwrap();
        let below = format!(
            "{folder}/SCANS/{scan}/DICOM/{}",
            row["Name"].as_str().unwrap()
        );
        assert!(
            answer.body == fs::read(site.path(&below)).unwrap(),
            "{below}"
        );
        assert_eq!(row["Size"], answer.body.len().to_string().as_str());
    }
    rows.len()
}

/// Each scan's catalog names every file of it, and nothing else.
fn catalogs_name_every_file(site: &Site, folder: &str) {
    for scan in ["1", "2"] {
        let resource = format!("{folder}/SCANS/{scan}/DICOM");
        let catalog = site
            .path(&resource)
            .join(format!("scan_{scan}_catalog.xml"));
        let catalog = fs::read_to_string(catalog).unwrap();
        let files = site.instances(&resource);
        assert_eq!(catalog.matches("<cat:entry ").count(), files.len());
        for file in files {
            assert!(
                catalog.contains(&format!("URI=\"{file}\"")),
                "{file}: {catalog}"
            );
        }
    }
}

#[test]
fn a_session_is_listed_and_shown_with_its_files() {
    let (site, uri, folder) = site();
    let rows = site.get("ada", "/data/prearchive/projects/P").rows();
    assert_eq!(rows.len(), 1);
    for (column, value) in [
        ("project", "P"),
        ("subject", "S1"),
        ("name", "E1"),
        ("folderName", "E1"),
        ("status", "READY"),
        ("url", &uri),
    ] {
        assert_eq!(rows[0][column], value, "{column}");
    }
    assert_eq!(
        site.get("ada", &format!("/data{uri}?format=json")).rows(),
        rows
    );
    let scans = site.get("ada", &format!("/data{uri}/scans")).rows();
    let ids: Vec<&str> = scans
        .iter()
        .map(|scan| scan["ID"].as_str().unwrap())
        .collect();
    assert_eq!(ids, ["1", "2"]);
    assert_eq!(scans[0]["xsiType"], "xnat:ctScanData");
    let listing = format!("/data{uri}/scans/ALL/files");
    assert_eq!(files_are_those_on_disk(&site, &listing, &folder), 4);
    catalogs_name_every_file(&site, &folder);
    assert_eq!(site.get("eve", "/data/prearchive").rows().len(), 0);
    assert_ne!(site.get("eve", &format!("/data{uri}")).status, 200);
}

#[test]
fn a_session_is_archived_and_then_an_experiment() {
    let (site, uri, before) = site();
    let bob = site.post_form("bob", ARCHIVE, &[("src", &uri)]);
    assert_eq!(bob.status, 403);
    let answer = site.post_form("ada", ARCHIVE, &[("src", &uri)]);
    let experiment = "/data/archive/projects/P/subjects/S1/experiments/E1";
    assert_eq!(
        (answer.status, answer.text()),
        (200, &*format!("{experiment}\r\n"))
    );

    assert!(!site.path(&before).exists());
    assert_eq!(
        site.get("ada", "/data/prearchive/projects/P").rows().len(),
        0
    );
    let rows = site.get("ada", "/data/projects/P/experiments").rows();
    assert_eq!(rows.len(), 1);
    assert_eq!(
        (&rows[0]["label"], &rows[0]["xsiType"]),
        (&"E1".into(), &"xnat:ctSessionData".into())
    );
    let subjects = site.get("ada", "/data/projects/P/subjects").rows();
    assert_eq!(subjects[0]["label"], "S1");
    let item = site.get("ada", &format!("{experiment}?format=json")).json();
    assert_eq!(item["items"][0]["data_fields"]["label"], "E1");
    assert_eq!(
        site.get("ada", &format!("{experiment}/scans")).rows().len(),
        2
    );
    let folder = "archive/P/arc001/E1";
    let listing = format!("{experiment}/scans/ALL/files");
    assert_eq!(files_are_those_on_disk(&site, &listing, folder), 4);
    catalogs_name_every_file(&site, folder);
    // The request shows where its session is now.
    let status = site.get("ada", "/xapi/dicom/1").json();
    assert_eq!(status["sessions"][0]["status"], "ARCHIVED");
    let again = site.post_form("ada", ARCHIVE, &[("src", &uri)]);
    assert_eq!(again.status, 404);
}

#[test]
fn an_archive_call_takes_another_subject_and_label() {
    let (site, uri, _) = site();
    let form = [("src", uri.as_str()), ("subject", "S2"), ("session", "E2")];
    let answer = site.post_form("ada", ARCHIVE, &form);
    assert_eq!(
        answer.text(),
        "/data/archive/projects/P/subjects/S2/experiments/E2\r\n"
    );
    assert_eq!(site.instances("archive/P/arc001/E2").len(), 4);
    // The first label is free for another study.
    dicom::study(&site.inbox("P/t"), 2, 1, 1);
    let other = site.import("P", "P/t", &[("EXPT_LABEL", "E1")]);
    assert_eq!(other.session()["status"], "READY");
}

/// XNAT's other names for the same, and all in one; what contradicts itself archives nothing.
#[test]
fn an_archive_call_takes_the_import_calls_names_and_dest() {
    let (site, uri, _) = site();
    let call = |user: &str, more: &[(&str, &str)]| {
        let form = [&[("src", uri.as_str())], more].concat();
        site.post_form(user, "/data/services/archive", &form)
    };
    let dest = "/archive/projects/P/subjects/S9/experiments/E9";
    for contradiction in [
        [("subject", "S8"), ("SUBJECT_ID", "S9")],
        [("session", "E8"), ("EXPT_LABEL", "E9")],
        [("dest", dest), ("subject", "S8")],
        [("dest", dest), ("EXPT_LABEL", "E8")],
        [("dest", dest), ("project", "AUTO")],
        [("dest", "/prearchive/projects/P"), ("subject", "S9")],
        [("dest", "/nowhere"), ("subject", "S9")],
    ] {
        let answer = call("ada", &contradiction);
        assert_eq!(answer.status, 400, "{contradiction:?}: {}", answer.text());
    }
    assert_eq!(
        call("ada", &[("dest", "/archive/projects/OTHER")]).status,
        404
    );
    let labels = [("SUBJECT_ID", "S9"), ("EXPT_LABEL", "E9")];
    let answer = call("ada", &labels);
    let wanted = format!("/data{dest}\r\n");
    assert_eq!((answer.status, answer.text()), (200, wanted.as_str()));
}

#[test]
fn an_archive_call_takes_a_session_to_the_project_that_dest_names() {
    let (site, uri, _) = site();
    // The older form: `project` says where it waits.
    let steps: Vec<&str> = uri.rsplit('/').collect();
    let dest = "/data/archive/projects/AUTO/subjects/S9/experiments/E9";
    let form = [
        ("project", "P"),
        ("timestamp", steps[1]),
        ("folder", steps[0]),
        ("dest", dest),
    ];
    let answer = site.post_form("ada", "/data/services/archive", &form);
    let wanted = format!("{dest}\r\n");
    assert_eq!((answer.status, answer.text()), (200, wanted.as_str()));
}

#[test]
fn a_deleted_session_is_gone_from_rest_and_disk() {
    let (site, uri, folder) = site();
    let path = format!("/data{uri}");
    assert_eq!(site.call("bob", "DELETE", &path, &[]).status, 403);
    assert_eq!(site.instances(&folder).len(), 4);
    assert_eq!(site.call("ada", "DELETE", &path, &[]).status, 200);
    assert_eq!(site.get("ada", &path).status, 404);
    assert_eq!(site.get("ada", "/data/prearchive").rows().len(), 0);
    assert!(!site.path(&folder).exists());
    // What was deleted can be imported again.
    let again = site.import("P", "P/s", &[("SUBJECT_ID", "S1"), ("EXPT_LABEL", "E1")]);
    assert_eq!(
        (again.outcomes().as_str(), &again.session()["status"]),
        ("4 stored", &"READY".into())
    );
}
