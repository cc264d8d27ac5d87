//! What is removed after the time that the settings give, by the server and by hand, and what stays.

use std::fs;

use dicom_core::VR;
use dicom_dictionary_std::tags;
use serde_json::json;

use crate::dicom;
use crate::done::Done;
use crate::site::Site;

/// Has everything that is in the database have happened so many days earlier.
fn age(site: &Site, days: i64) {
    let ms = days * 24 * 60 * 60 * 1000;
    site.sql(&format!(
        "UPDATE requests SET finished = finished - {ms};
         UPDATE commits SET finished = finished - {ms};
         UPDATE audit SET at = at - {ms};
         UPDATE logins SET expires = expires - {ms}"
    ));
}

/// A site with an experiment of two files, from request 1.
fn imported() -> (Site, Done) {
    let mut site = Site::prepared();
    dicom::study(&site.inbox("AUTO/s"), 1, 1, 2);
    site.serve(&[]);
    let done = site.import("AUTO", "AUTO/s", &[("EXPT_LABEL", "E1")]);
    assert_eq!(done.session()["status"], "ARCHIVED");
    (site, done)
}

fn maintenance(site: &Site, arguments: &[&str]) -> String {
    let mut all = vec!["maintenance"];
    all.extend(arguments);
    site.command(&all, "")
}

#[test]
fn nothing_goes_unless_the_settings_give_it_an_end() {
    let (site, done) = imported();
    age(&site, 10_000);
    let told = maintenance(&site, &[]);
    assert!(
        told.starts_with("0\trequests\n0\treports\n0\treplaced files\n0\taudit rows\n"),
        "{told}"
    );
    assert_eq!(
        site.get("root", "/xapi/dicom/1/report").json(),
        done.report.unwrap()
    );
}

#[test]
fn ended_requests_go_with_their_reports_and_sessions_stay() {
    let (site, done) = imported();
    age(&site, 10);
    let keep = ["--keep-requests-days", "20"];
    assert!(maintenance(&site, &keep).starts_with("0\trequests\n"));
    let keep = ["--keep-requests-days", "5"];
    let told = maintenance(&site, &[&keep[..], &["--dry-run"]].concat());
    assert!(told.starts_with("1\trequests\n1\treports\n"), "{told}");
    assert_eq!(
        site.get("root", "/xapi/dicom/1").status,
        200,
        "it was only asked"
    );
    let told = maintenance(&site, &keep);
    assert!(told.starts_with("1\trequests\n1\treports\n"), "{told}");
    assert_eq!(site.get("root", "/xapi/dicom/1").status, 404);
    assert_eq!(site.files("reports"), Vec::<String>::new());

    // The session that it made is there, its study is known, and no number comes twice.
    assert_eq!(site.instances(&done.folder()).len(), 2);
    let again = site.import("AUTO", "AUTO/s", &[]);
    assert_eq!(again.id(), 2);
    let experiments = site.get("ada", "/data/projects/AUTO/experiments").rows();
    assert!(!experiments.is_empty());
}

/// Found by an hour of all at once: each change of a session left a row for good.
#[test]
fn a_change_is_forgotten_when_nothing_of_it_is_left() {
    let (site, done) = imported();
    let of_nothing = |more: &[&str]| {
        let keep = [&["--keep-requests-days", "5"][..], more].concat();
        let told = maintenance(&site, &keep);
        let line =
            (told.lines()).find_map(|line| line.strip_suffix("\tcommits of which nothing is left"));
        line.unwrap().parse::<u32>().unwrap()
    };
    age(&site, 10);
    assert_eq!(
        of_nothing(&["--dry-run"]),
        0,
        "its files are in the archive"
    );
    let experiment = done.session()["uri"].as_str().unwrap().to_owned();
    let all = [("removeFiles", "true")];
    let answer = site.call("otto", "DELETE", &format!("/data{experiment}"), &all);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(of_nothing(&["--dry-run"]), 1, "its request goes too");
    assert_eq!(of_nothing(&[]), 1);
    assert_eq!(of_nothing(&[]), 0);
    assert_eq!(site.import("AUTO", "AUTO/s", &[]).outcomes(), "2 stored");
}

#[test]
fn a_report_can_go_before_its_request() {
    let (mut site, _) = imported();
    age(&site, 10);
    let told = maintenance(
        &site,
        &["--keep-reports-days", "5", "--keep-requests-days", "20"],
    );
    assert!(told.starts_with("0\trequests\n1\treports\n"), "{told}");
    assert_eq!(
        site.get("root", "/xapi/dicom/1").json()["status"],
        "Completed"
    );
    assert_eq!(site.get("root", "/xapi/dicom/1/report").status, 404);
    site.interrupt();
}

#[test]
fn a_server_removes_at_its_start_what_is_due_and_logs_numbers_only() {
    let (mut site, _) = imported();
    age(&site, 10);
    site.interrupt();
    fs::write(
        site.path("sluice.toml"),
        "keep_requests_days = 5\nkeep_audit_days = 5\n",
    )
    .unwrap();
    site.serve(&[]);
    let line = site.server().wait_for_line("kept long enough");
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["fields"]["requests"], 1);
    assert_eq!(line["fields"]["reports"], 1);
    assert!(line["fields"]["audit_rows"].as_u64().unwrap() > 0);
    assert_eq!(site.get("root", "/xapi/dicom/list/all").json(), json!([]));
}

#[test]
fn a_request_that_waits_is_not_removed_however_old() {
    let mut site = Site::prepared();
    dicom::study(&site.inbox("P/s"), 1, 1, 1);
    site.serve(&[]);
    site.import("P", "P/s", &[]);
    site.interrupt();
    age(&site, 10);
    site.sql("UPDATE requests SET finished = NULL, status = 'Queued', created = 1, timestamp = 1");
    assert!(
        maintenance(&site, &["--keep-requests-days", "1"]).starts_with("0\trequests\n0\treports\n")
    );
    site.serve(&[]);
    assert_eq!(site.ended("/xapi/dicom/1").state(), "Completed");
}

#[test]
fn replaced_files_go_and_those_in_their_place_stay() {
    let site = Site::new();
    dicom::study(&site.inbox("P/one"), 1, 1, 2);
    let one = [("EXPT_LABEL", "E1"), ("SUBJECT_ID", "S1")];
    let first = site.import("P", "P/one", &one);
    let archive = |uri: &str, more: &[(&str, &str)]| {
        let form = [&[("src", uri)], more].concat();
        let answer = site.post_form("ada", "/data/services/archive", &form);
        assert_eq!(answer.status, 200, "{}", answer.text());
    };
    archive(first.session()["uri"].as_str().unwrap(), &[]);
    // The same instances with other content, stored beside the experiment, then put over it.
    for name in ["1-1.dcm", "1-2.dcm"] {
        let file = site.inbox("P/one").join(name);
        dicom::edit(&file, &[(tags::IMAGE_COMMENTS, VR::LT, "other")]);
    }
    let two = [("EXPT_LABEL", "E2"), ("SUBJECT_ID", "S1")];
    let second = site.import("P", "P/one", &two);
    assert_eq!(second.outcomes(), "2 stored");
    let over = [
        ("session", "E1"),
        ("overwrite", "append"),
        ("overwrite_files", "true"),
    ];
    archive(second.session()["uri"].as_str().unwrap(), &over);
    let folder = "archive/P/arc001/E1";
    let history = |site: &Site| {
        let files = site.instances(folder).into_iter();
        files.filter(|file| file.contains("/.history/")).count()
    };
    assert_eq!((site.instances(folder).len(), history(&site)), (4, 2));

    age(&site, 10);
    // Requests go, and what tells where replaced files are stays.
    let told = maintenance(&site, &["--keep-requests-days", "5"]);
    assert!(
        told.starts_with("2\trequests\n2\treports\n0\treplaced files"),
        "{told}"
    );
    assert!(maintenance(&site, &["--keep-history-days", "20"]).contains("0\treplaced files"));
    let told = maintenance(&site, &["--keep-history-days", "5", "--dry-run"]);
    assert!(told.contains("2\treplaced files"), "{told}");
    assert_eq!(history(&site), 2);
    let told = maintenance(&site, &["--keep-history-days", "5"]);
    assert!(told.contains("2\treplaced files"), "{told}");
    assert_eq!((site.instances(folder).len(), history(&site)), (2, 0));
    let listing = "/data/archive/projects/P/subjects/S1/experiments/E1/scans/ALL/files";
    for row in site.get("ada", listing).rows() {
        assert_eq!(site.get("ada", row["URI"].as_str().unwrap()).status, 200);
    }
}
