//! XNAT's services on waiting sessions and experiments: rebuild, actions, batches, new labels, removal.

use std::fs;

use crate::archives;
use crate::dicom;
use crate::site::Site;
use crate::uploads;

const REBUILD: &str = "/data/services/prearchive/rebuild";
const ARCHIVE: &str = "/data/services/archive";

/// A session of project P, of two series of two slices; its address.
fn waiting(site: &Site, number: u32, label: &str) -> String {
    let below = format!("P/{label}-{number}");
    dicom::study(&site.inbox(&below), number, 2, 2);
    let done = site.import("P", &below, &[("SUBJECT_ID", "S1"), ("EXPT_LABEL", label)]);
    done.session()["uri"].as_str().unwrap().to_owned()
}

fn folder(site: &Site, uri: &str) -> std::path::PathBuf {
    site.path(
        &uri.trim_start_matches('/')
            .replace("prearchive/projects/", "prearchive/"),
    )
}

fn status(site: &Site, uri: &str) -> (String, String) {
    let review = site.get("otto", &format!("/data{uri}/review")).json();
    let text = |name: &str| review[name].as_str().unwrap_or_default().to_owned();
    (text("status"), text("reason"))
}

fn act(site: &Site, user: &str, method: &str, uri: &str, form: &[(&str, &str)]) -> u16 {
    let address = format!("/data{uri}");
    match method {
        "POST" => site.post_form(user, &address, form).status,
        _ => site.call(user, method, &address, form).status,
    }
}

#[test]
fn a_rebuild_says_what_the_files_say() {
    let site = Site::new();
    let uri = waiting(&site, 1, "E1");
    let home = folder(&site, &uri);
    let of_scan = |scan: &str| {
        let listing = format!("/data{uri}/scans/{scan}/files");
        site.get("ada", &listing).rows()
    };
    let whole = site.post_form("ada", REBUILD, &[("src", &uri)]).rows();
    assert_eq!(whole[0]["status"], "READY");
    assert_eq!(of_scan("ALL").len(), 4);

    // One is gone, one is another, one was put there.
    let files = of_scan("1");
    let path = |row: &serde_json::Value| {
        home.join("SCANS/1/DICOM")
            .join(row["Name"].as_str().unwrap())
    };
    fs::remove_file(path(&files[0])).unwrap();
    dicom::edit(
        &path(&files[1]),
        &[(
            dicom_dictionary_std::tags::SERIES_DESCRIPTION,
            dicom_core::VR::LO,
            "other words",
        )],
    );
    fs::copy(path(&files[1]), home.join("SCANS/1/DICOM/by-hand.dcm")).unwrap();
    site.post_form("ada", REBUILD, &[("src", &uri)]).rows();
    let (state, reason) = status(&site, &uri);
    assert_eq!(state, "READY");
    for part in [
        "1 files are gone",
        "1 files in its folder were put there by hand",
    ] {
        assert!(reason.contains(part), "{reason}");
    }
    let now = of_scan("1");
    assert_eq!(
        now.len(),
        1,
        "what has not been through the rules is no part of it"
    );
    let size = fs::metadata(path(&now[0])).unwrap().len();
    assert_eq!(now[0]["Size"], size.to_string().as_str());
    let scans = site.get("ada", &format!("/data{uri}/scans")).rows();
    assert_eq!(scans[0]["series_description"], "other words");
    let catalog = fs::read_to_string(home.join("SCANS/1/DICOM/scan_1_catalog.xml")).unwrap();
    assert_eq!(catalog.matches("<cat:entry ").count(), 1);

    // What can't be read is told, and can be mended.
    let broken = path(&now[0]);
    let whole = fs::read(&broken).unwrap();
    fs::write(&broken, "nothing").unwrap();
    site.post_form("ada", REBUILD, &[("src", &uri)]).rows();
    let (state, reason) = status(&site, &uri);
    assert_eq!(state, "ERROR");
    assert!(reason.contains("1 files can't be read"), "{reason}");
    fs::write(&broken, whole).unwrap();
    assert_eq!(act(&site, "ada", "POST", &uri, &[("action", "build")]), 200);
    assert_eq!(status(&site, &uri).0, "READY");

    fs::remove_dir_all(home.join("SCANS")).unwrap();
    site.post_form("ada", REBUILD, &[("src", &uri)]).rows();
    let (state, reason) = status(&site, &uri);
    assert!(
        state == "ERROR" && reason.contains("no file is left"),
        "{state} {reason}"
    );
    assert_eq!(site.post_form("ada", ARCHIVE, &[("src", &uri)]).status, 400);
}

#[test]
fn a_rebuild_ends_a_conflict_that_is_over() {
    let site = Site::new();
    let first = waiting(&site, 1, "E1");
    let second = waiting(&site, 2, "E1");
    assert_eq!(status(&site, &second).0, "CONFLICT");
    site.post_form("ada", REBUILD, &[("src", &second)]).rows();
    assert_eq!(status(&site, &second).0, "CONFLICT");
    assert_eq!(act(&site, "ada", "DELETE", &first, &[]), 200);
    site.post_form("ada", REBUILD, &[("src", &second)]).rows();
    assert_eq!(status(&site, &second).0, "READY");
}

#[test]
fn a_session_in_somebody_s_hands_is_locked() {
    let site = Site::new();
    let uri = waiting(&site, 1, "E1");
    for state in ["BUILDING", "MOVING", "ARCHIVING", "DELETING"] {
        site.sql(&format!("UPDATE sessions SET state = '{state}'"));
        assert_eq!(
            site.post_form("ada", REBUILD, &[("src", &uri)]).status,
            409,
            "{state}"
        );
        for form in [
            &[("action", "build")][..],
            &[("action", "commit")],
            &[("action", "reset-status")],
            &[("action", "move"), ("newProject", "AUTO")],
        ] {
            assert_eq!(
                act(&site, "ada", "POST", &uri, form),
                409,
                "{state} {form:?}"
            );
        }
        assert_eq!(
            site.post_form("ada", ARCHIVE, &[("src", &uri)]).status,
            403,
            "{state}"
        );
        assert_eq!(act(&site, "ada", "DELETE", &uri, &[]), 403, "{state}");
    }
    site.sql("UPDATE sessions SET state = 'READY'");
    assert_eq!(act(&site, "ada", "DELETE", &uri, &[]), 200);
}

#[test]
fn actions_do_what_xnat_s_do() {
    let site = Site::new();
    let uri = waiting(&site, 1, "E1");
    assert_eq!(act(&site, "ada", "POST", &uri, &[("action", "dance")]), 400);
    assert_eq!(act(&site, "ada", "POST", &uri, &[]), 400);
    assert_eq!(act(&site, "ada", "PUT", &uri, &[("action", "build")]), 200);
    assert_eq!(
        act(
            &site,
            "ada",
            "POST",
            &uri,
            &[("action", "set-status"), ("status", "ERROR")]
        ),
        200
    );
    assert_eq!(status(&site, &uri).0, "ERROR");
    assert_eq!(
        act(
            &site,
            "ada",
            "POST",
            &uri,
            &[("action", "set-status"), ("status", "ARCHIVING")]
        ),
        400
    );
    assert_eq!(
        act(&site, "ada", "POST", &uri, &[("action", "reset-status")]),
        200
    );
    assert_eq!(status(&site, &uri).0, "READY");
    let commit = |uri: &str| {
        let request = [("action", "commit")];
        site.call_once("ada", &format!("/data{uri}"), &request)
    };
    let kept = commit(&uri);
    assert_eq!(
        (kept.status, kept.text()),
        (200, &*format!("/data{uri}\r\n"))
    );
    site.sql("UPDATE sessions SET auto_archive = 1");
    let archived = commit(&uri);
    let experiment = "/data/archive/projects/P/subjects/S1/experiments/E1";
    assert_eq!(
        (archived.status, archived.header("location")),
        (301, experiment)
    );

    let uri = waiting(&site, 2, "E2");
    let form = [("action", "move"), ("newProject", "AUTO")];
    let moved = site.call_once("ada", &format!("/data{uri}"), &form);
    assert_eq!(moved.status, 301);
    let there = moved.header("location").to_owned();
    assert_eq!(there, format!("/data{uri}").replace("/P/", "/AUTO/"));
    assert_eq!(site.get("ada", &there).rows()[0]["project"], "AUTO");
}

#[test]
fn sessions_are_archived_and_deleted_together() {
    let site = Site::new();
    let uris: Vec<String> = (1..=3)
        .map(|n| waiting(&site, n, &format!("E{n}")))
        .collect();
    let form = [("src", uris[0].as_str()), ("src", &uris[1])];
    let labelled = [form[0], form[1], ("session", "X")];
    assert_eq!(site.post_form("ada", ARCHIVE, &labelled).status, 400);
    let held = [form[0], ("quarantine", "true")];
    assert_eq!(site.post_form("ada", ARCHIVE, &held).status, 400);
    let rows = site.post_form("ada", ARCHIVE, &form).rows();
    assert_eq!(rows.len(), 2);
    assert!(rows.iter().all(|row| row["status"] == "ARCHIVED"));
    assert_eq!(
        site.get("ada", "/data/projects/P/experiments").rows().len(),
        2
    );
    let delete = "/data/services/prearchive/delete";
    let told = site
        .post_form("ada", delete, &[("src", &uris[2]), ("async", "true")])
        .rows();
    assert_eq!(told[0]["name"], "E3");
    crate::server::wait_for("the deletion", || {
        let rows = site.get("ada", "/data/prearchive/projects/P").rows();
        rows.is_empty().then_some(())
    });
}

/// What can't be undone is not done by a call that is answered 400.
#[test]
fn an_answer_that_can_not_be_given_is_refused_before_anything_is_done() {
    let site = Site::new();
    let first = waiting(&site, 1, "E1");
    let second = waiting(&site, 2, "E2");
    let before = site.get("otto", "/data/prearchive").rows();
    let sources = [("src", first.as_str()), ("src", second.as_str())];
    let project = ("newProject", "AUTO");
    for path in [
        "/data/services/prearchive/delete",
        "/data/services/prearchive/purge",
        "/data/services/prearchive/move",
        REBUILD,
        ARCHIVE,
    ] {
        for bad in [
            ("format", "zip"),
            ("format", "none"),
            ("sortBy", "none"),
            ("sortOrder", "up"),
            ("limit", "x"),
        ] {
            let form = [&sources[..], &[project, bad]].concat();
            let answer = site.post_form("otto", path, &form);
            assert_eq!(answer.status, 400, "{path} {bad:?}: {}", answer.text());
            let now = site.get("otto", "/data/prearchive").rows();
            assert_eq!(now, before, "{path} {bad:?}");
        }
    }
    let one = [sources[0], ("redirect", "perhaps")];
    assert_eq!(site.post_form("otto", ARCHIVE, &one).status, 400);
    assert_eq!(site.get("otto", "/data/prearchive").rows(), before);
}

#[test]
fn an_experiment_gets_another_label_with_its_folder() {
    let site = Site::new();
    for (number, label) in [(1, "E1"), (2, "E2")] {
        let uri = waiting(&site, number, label);
        assert_eq!(site.post_form("ada", ARCHIVE, &[("src", &uri)]).status, 200);
    }
    let address = "/data/projects/P/subjects/S1/experiments/E1";
    let put = |user: &str, address: &str, label: &str| {
        site.call(user, "PUT", address, &[("label", label)])
    };
    for (user, label, status) in [
        ("bob", "N1", 403),
        ("eve", "N1", 404),
        ("ada", "a/b", 400),
        ("ada", "E2", 409),
        ("ada", "", 400),
    ] {
        assert_eq!(put(user, address, label).status, status, "{user} {label}");
    }
    let before = site.get("ada", &format!("{address}?format=json")).json();
    let renamed = put("ada", address, "N1");
    let id = before["items"][0]["data_fields"]["ID"].as_str().unwrap();
    assert_eq!((renamed.status, renamed.text()), (200, id));
    assert_eq!(site.get("ada", address).status, 404);
    let files = site
        .get("ada", &format!("/data/experiments/{id}/scans/ALL/files"))
        .rows();
    assert_eq!(files.len(), 4);
    for file in files {
        assert_eq!(site.get("ada", file["URI"].as_str().unwrap()).status, 200);
    }
    assert_eq!(site.instances("archive/P/arc001/N1").len(), 4);
    assert!(!site.path("archive/P/arc001/E1").exists());
    // The label is free for another study, and it can be taken back by XNAT's path after that is gone.
    let uri = waiting(&site, 3, "E1");
    assert_eq!(site.post_form("ada", ARCHIVE, &[("src", &uri)]).status, 200);
    let by_path = [("xnat:ctSessionData/label", "N3")];
    assert_eq!(site.call("ada", "PUT", address, &by_path).status, 200);
    assert_eq!(
        put("ada", &format!("/data/experiments/{id}"), "E1").status,
        200
    );
    assert_eq!(site.instances("archive/P/arc001/E1").len(), 4);
}

#[test]
fn an_owner_removes_an_experiment_with_its_files_and_no_other() {
    let site = Site::new();
    let uri = waiting(&site, 1, "E1");
    assert_eq!(site.post_form("ada", ARCHIVE, &[("src", &uri)]).status, 200);
    // The same study once more.
    let again = site.import(
        "P",
        "P/E1-1",
        &[
            ("SUBJECT_ID", "S2"),
            ("EXPT_LABEL", "E1"),
            ("overwrite", "append"),
        ],
    );
    let waits = again.sessions().len();
    let kept = site.instances("prearchive").len();
    let address = "/data/projects/P/experiments/E1?removeFiles=true";
    for (user, status) in [("", 401), ("bob", 403), ("ada", 403), ("eve", 404)] {
        assert_eq!(
            site.call(user, "DELETE", address, &[]).status,
            status,
            "{user}"
        );
    }
    assert_eq!(site.instances("archive/P/arc001/E1").len(), 4);
    assert_eq!(site.call("otto", "DELETE", address, &[]).status, 200);
    assert_eq!(
        site.get("otto", "/data/projects/P/experiments/E1").status,
        404
    );
    assert!(site.files("archive").is_empty());
    assert_eq!(site.instances("prearchive").len(), kept, "{waits}");
}

#[test]
fn a_waiting_session_of_the_label_of_an_experiment_is_deleted_alone() {
    let site = Site::new();
    let uri = waiting(&site, 1, "E1");
    let other = waiting(&site, 2, "E1");
    assert_eq!(status(&site, &other).0, "CONFLICT");
    assert_eq!(site.post_form("ada", ARCHIVE, &[("src", &uri)]).status, 200);
    assert_eq!(act(&site, "ada", "DELETE", &other, &[]), 200);
    assert_eq!(site.instances("archive/P/arc001/E1").len(), 4);
}

#[test]
fn sessions_without_a_project_are_an_administrator_s() {
    let site = Site::new();
    let list = "/data/prearchive/projects/Unassigned";
    assert_eq!(site.get("root", list).rows().len(), 0);
    for user in ["ada", "otto", "eve"] {
        assert_eq!(site.get(user, list).status, 403, "{user}");
    }
    // Of no project's study, and without a word in the call.
    let (folder, archive) = (site.path("study"), site.path("study.zip"));
    dicom::study(&folder, 1, 1, 2);
    archives::zip(&folder, &archive);
    let labels = [("session", "E1"), ("subject", "S1")];
    let answer = uploads::zip(&site, &labels, &fs::read(archive).unwrap());
    assert_eq!(answer.status, 200, "{}", answer.text());
    let uri = answer.text().trim().trim_start_matches("/data").to_owned();
    let uri = uri.as_str();
    assert_eq!(site.get("root", list).rows().len(), 1);
    assert_eq!(site.get("ada", list).status, 403, "whatever roles say");
    assert_eq!(site.get("ada", "/data/prearchive").rows().len(), 0);
    assert_eq!(site.get("ada", &format!("/data{uri}/scans")).status, 403);
    assert_eq!(site.post_form("root", ARCHIVE, &[("src", uri)]).status, 400);
    let form = [("src", uri), ("newProject", "P")];
    let move_ = "/data/services/prearchive/move";
    assert_eq!(site.post_form("ada", move_, &form).status, 403);
    assert_eq!(
        site.post_form("root", move_, &form).rows()[0]["project"],
        "P"
    );
    assert_eq!(site.get("root", list).rows().len(), 0);
}
