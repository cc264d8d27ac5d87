//! Requests: their ends, several at once, and over a restart.

use std::collections::BTreeSet;
use std::fs;

use dicom_core::VR;
use dicom_dictionary_std::tags;
use serde_json::json;

use crate::dicom;
use crate::site::Site;

/// Queues imports into AUTO, all at the same time.
fn queue_at_once(site: &Site, folders: &[String]) -> Vec<String> {
    std::thread::scope(|scope| {
        let calls = folders.iter();
        let calls: Vec<_> = calls
            .map(|below| scope.spawn(move || site.queue("AUTO", below, &[])))
            .collect();
        calls.into_iter().map(|call| call.join().unwrap()).collect()
    })
}

#[test]
fn defect_04_requests_at_once_do_not_count_each_others_files() {
    let mut site = Site::prepared();
    site.serve(&[("SLUICE_WORKERS", "4")]);
    let mut folders = Vec::new();
    for number in 0..12 {
        let below = format!("P/s{number}");
        match number % 2 {
            0 => dicom::study(&site.inbox(&below), number, 1, 1 + number / 2),
            _ => fs::write(site.inbox(&below).join("notes.txt"), "no picture").unwrap(),
        }
        folders.push(below);
    }
    let addresses = queue_at_once(&site, &folders);
    for (number, address) in addresses.iter().enumerate() {
        let done = site.ended(address);
        if number % 2 == 0 {
            let expected = format!("{} stored", 1 + number / 2);
            assert_eq!((done.state(), done.outcomes()), ("Completed", expected));
        } else {
            assert_eq!(
                (done.state(), done.outcomes().as_str()),
                ("Failed", "1 not_dicom")
            );
            assert!(done.resolution().starts_with("No valid DICOM files found"));
        }
    }
}

#[test]
fn defect_08_every_request_ends_and_names_its_sessions() {
    let site = Site::new();
    dicom::study(&site.inbox("P/s"), 1, 1, 1);
    std::fs::write(site.inbox("P/none").join("notes.txt"), "no picture").unwrap();
    let waiting = site.import("P", "P/s", &[]);
    let archived = site.import("AUTO", "P/s", &[]);
    let nothing = site.import("P", "P/none", &[]);
    assert_eq!(
        (waiting.state(), &waiting.session()["status"]),
        ("Completed", &json!("READY"))
    );
    assert_eq!(
        (archived.state(), &archived.session()["status"]),
        ("Completed", &json!("ARCHIVED"))
    );
    assert_eq!(nothing.state(), "Failed");
    assert!(
        nothing
            .resolution()
            .starts_with("No valid DICOM files found")
    );
    assert_eq!(nothing.sessions().len(), 0);
    // A session that waits does not keep its request in the list of active ones.
    assert_eq!(
        site.get("root", "/xapi/dicom/list/active").json(),
        json!([])
    );
    for done in [&waiting, &archived] {
        let uri = format!("/data{}", done.session()["uri"].as_str().unwrap());
        assert_eq!(site.get("ada", &uri).status, 200, "{uri}");
    }
}

#[test]
fn defect_09_a_session_that_can_not_be_built_fails_its_request() {
    let mut site = Site::new();
    dicom::study(&site.inbox("P/s"), 1, 1, 2);
    fs::write(site.path("prearchive/P"), "in the way").unwrap();
    let done = site.import("P", "P/s", &[("cleanupAfterImport", "true")]);
    assert_eq!(
        (done.state(), done.outcomes().as_str()),
        ("Failed", "2 failed")
    );
    assert!(
        done.resolution().contains("can't be put into place"),
        "{}",
        done.resolution()
    );
    assert_eq!(done.sessions().len(), 0);
    assert_eq!(site.files("inbox/P").len(), 2);
    site.interrupt();
}

#[test]
fn defect_10_each_session_of_a_request_has_a_state_of_its_own() {
    let mut site = Site::prepared();
    let write = |below: &str, number: u32, label: &str| {
        dicom::study(&site.inbox(below), number, 1, 1);
        let file = site.inbox(below).join("1-1.dcm");
        dicom::edit(&file, &[(tags::PATIENT_ID, VR::LO, label)]);
    };
    write("AUTO/first", 0, "TAKEN");
    // One that the archive refuses, met first in one request and last in the other.
    for (request, order) in [("x", ["TAKEN", "X1", "X2"]), ("y", ["Y1", "Y2", "TAKEN"])] {
        for (place, label) in order.iter().enumerate() {
            let number = 10 + place as u32 + if request == "x" { 0 } else { 10 };
            write(&format!("AUTO/{request}/{place}"), number, label);
        }
    }
    site.serve(&[("SLUICE_WORKERS", "4")]);
    assert_eq!(
        site.import("AUTO", "AUTO/first", &[]).session()["status"],
        "ARCHIVED"
    );
    for address in queue_at_once(&site, &["AUTO/x".into(), "AUTO/y".into()]) {
        let done = site.ended(&address);
        assert_eq!(
            (done.state(), done.outcomes().as_str()),
            ("Completed", "3 stored")
        );
        assert!(
            done.resolution().starts_with("3 sessions"),
            "{}",
            done.resolution()
        );
        let states: BTreeSet<(&str, bool)> = done
            .sessions()
            .iter()
            .map(|session| {
                let label = session["label"].as_str().unwrap();
                (session["status"].as_str().unwrap(), label == "TAKEN")
            })
            .collect();
        assert_eq!(states, [("ARCHIVED", false), ("CONFLICT", true)].into());
    }
}

#[test]
fn defect_11_rules_that_are_unknown_fail_the_request_before_its_walk() {
    let mut site = Site::prepared();
    dicom::study(&site.inbox("P/s"), 1, 1, 2);
    dicom::study(&site.inbox("AUTO/s"), 2, 1, 2);
    site.policy("P", &json!({ "label": { "module": "nonesuch" } }));
    site.serve(&[]);
    let done = site.import("P", "P/s", &[("cleanupAfterImport", "true")]);
    assert_eq!((done.state(), done.outcomes().as_str()), ("Failed", ""));
    assert!(
        done.resolution().contains("nonesuch"),
        "{}",
        done.resolution()
    );
    assert_eq!(site.files("inbox/P").len(), 2);
    // The same worker goes on.
    assert_eq!(site.import("AUTO", "AUTO/s", &[]).state(), "Completed");
    let path = site.path("inbox/P/s");
    let query = [
        ("import-handler", "nonesuch"),
        ("PROJECT_ID", "P"),
        ("path", path.to_str().unwrap()),
    ];
    let answer = site.call("ada", "POST", "/data/services/import", &query);
    assert_eq!(answer.status, 400);
}

#[test]
fn defect_15_a_restart_loses_no_request_of_the_queue() {
    let mut site = Site::prepared();
    site.slow_rule("P");
    dicom::study(&site.inbox("P/slow"), 100, 1, Site::slow_files());
    let folders: Vec<String> = (0..6).map(|number| format!("AUTO/s{number}")).collect();
    for (number, below) in (0..).zip(&folders) {
        dicom::study(&site.inbox(below), number, 1, 2);
    }
    site.serve(&[("SLUICE_WORKERS", "1")]);
    let slow = site.queue("P", "P/slow", &[]);
    site.staged();
    let addresses = queue_at_once(&site, &folders);
    for address in &addresses {
        assert_eq!(site.get("root", address).json()["status"], "Queued");
    }
    site.kill();

    site.serve(&[("SLUICE_WORKERS", "3")]);
    for address in &addresses {
        let done = site.ended(address);
        assert_eq!(
            (done.state(), done.outcomes().as_str()),
            ("Completed", "2 stored")
        );
    }
    assert_eq!(site.ended(&slow).state(), "Completed");
    let experiments = site.get("ada", "/data/projects/AUTO/experiments").rows();
    assert_eq!(experiments.len(), 6);
    assert_eq!(site.instances("archive").len(), 12);
}
