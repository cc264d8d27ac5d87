//! Many requests at once, and a server that dies in the middle of one.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;

use serde_json::json;

use crate::database;
use crate::dicom;
use crate::server::wait_for;
use crate::site::Site;

/// A rule that takes a while over each file.
pub const SLOW: &str = "fn anonymize(ds, ctx) { let n = 0; while n < 300000 { n += 1; } keep() }";

#[test]
fn twelve_requests_at_once_end_exactly_once_each() {
    let mut site = Site::prepared();
    site.serve(&[("SLUICE_WORKERS", "4")]);
    // Nine studies of their own, and one that three requests bring in at the same time.
    let mut folders = Vec::new();
    for number in 0..9 {
        let below = format!("P/s{number}");
        dicom::study(&site.inbox(&below), number, 1, 3);
        folders.push(below);
    }
    dicom::study(&site.inbox("P/shared"), 100, 1, 6);
    folders.extend(["P/shared", "P/shared", "P/shared"].map(str::to_owned));
    let addresses: Vec<String> = std::thread::scope(|scope| {
        let site = &site;
        let calls = folders
            .iter()
            .map(|below| scope.spawn(move || site.queue("AUTO", below, &[])));
        let calls: Vec<_> = calls.collect();
        calls.into_iter().map(|call| call.join().unwrap()).collect()
    });
    let done: Vec<_> = addresses
        .iter()
        .map(|address| site.ended(address))
        .collect();
    let stored = |done: &crate::done::Done| done.status["counts"]["stored"].as_u64().unwrap();
    for done in &done {
        assert_eq!(done.state(), "Completed", "{}", done.resolution());
    }
    for done in &done[..9] {
        assert_eq!(done.outcomes(), "3 stored");
    }
    assert_eq!(
        done[9..].iter().map(stored).sum::<u64>(),
        6,
        "of the shared study"
    );
    assert_eq!(site.instances("archive").len(), 9 * 3 + 6);
    assert_eq!(
        site.get("ada", "/data/projects/AUTO/experiments")
            .rows()
            .len(),
        10
    );
    let ids: std::collections::BTreeSet<i64> = done.iter().map(crate::done::Done::id).collect();
    assert_eq!(ids, (1..=12).collect());

    let mut request_to_ends: BTreeMap<i64, u32> = BTreeMap::new();
    for line in site.stop() {
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        if line["fields"]["message"] == "import ends" {
            let id = line["fields"]["request"].as_i64().unwrap();
            *request_to_ends.entry(id).or_default() += 1;
        }
    }
    assert_eq!(request_to_ends, (1..=12).map(|id| (id, 1)).collect());
}

#[test]
fn a_request_whose_server_was_killed_is_taken_up_again() {
    let mut site = Site::prepared();
    site.rhai("slow", "anonymize", &[], &[], SLOW);
    site.policy("P", &json!({ "anonymize": [{ "module": "slow" }] }));
    dicom::study(&site.inbox("P/s"), 1, 1, 60);
    site.serve(&[]);
    let address = site.queue("P", "P/s", &[("EXPT_LABEL", "E1")]);
    wait_for("the first staged files", || {
        (site.instances("staging").len() > 2).then_some(())
    });
    site.kill();
    assert!(site.instances("staging").len() > 2, "it died in the middle");
    assert_eq!(
        site.files("prearchive"),
        Vec::<String>::new(),
        "nothing of it is visible"
    );

    site.serve(&[]);
    let done = site.ended(&address);
    assert_eq!(
        (done.state(), done.outcomes().as_str()),
        ("Completed", "60 stored")
    );
    assert_eq!(site.instances(&done.folder()).len(), 60);
    assert_eq!(site.instances("prearchive").len(), 60);
    assert_eq!(site.files("staging"), Vec::<String>::new());
    assert_eq!(
        site.get("ada", "/data/prearchive/projects/P").rows().len(),
        1
    );
    assert_eq!(site.files("inbox/P").len(), 60);
}

#[test]
fn a_request_whose_server_was_killed_after_the_clean_up_completes() {
    let mut site = Site::prepared();
    dicom::study(&site.inbox("P/s"), 1, 1, 3);
    site.serve(&[]);
    let more = [("EXPT_LABEL", "E1"), ("cleanupAfterImport", "true")];
    let address = site.queue("P", "P/s", &more);
    let first = site.ended(&address);
    assert_eq!(site.files("inbox/P"), Vec::<String>::new());
    site.kill();
    // As if it had been killed just before the request's last row was written.
    unfinish(&site, first.id(), "Processed");

    site.serve(&[]);
    let again = site.ended(&address);
    assert_eq!(again.state(), "Completed", "{}", again.resolution());
    assert_eq!(again.session()["uri"], first.session()["uri"]);
    assert!(
        again
            .resolution()
            .contains(again.session()["uri"].as_str().unwrap())
    );
    assert_eq!(site.instances("prearchive").len(), 3);
}

#[test]
fn the_record_of_a_clean_up_goes_once_its_request_has_ended() {
    let mut site = Site::prepared();
    dicom::study(&site.inbox("P/s"), 1, 1, 1);
    site.serve(&[]);
    let done = site.import("P", "P/s", &[("cleanupAfterImport", "true")]);
    let record = site.path(&format!("reports/{}.cleanup", done.id()));
    assert!(!record.exists());
    site.kill();
    // As if it had been killed just before it removed the record.
    fs::write(&record, "{}").unwrap();
    site.serve(&[]);
    wait_for("the record's end", || (!record.exists()).then_some(()));
}

/// Puts a request's row back to what it was while a worker, dead by now, had it.
pub fn unfinish(site: &Site, id: i64, status: &str) {
    change(
        site,
        &format!(
            "UPDATE requests SET status = '{status}', finished = NULL, resolution = NULL,
                    worker = 'dead', instance = 'dead', lease_until = 0 WHERE id = {id}"
        ),
    );
}

/// Changes one row of the database behind a server's back.
pub fn change(site: &Site, statement: &str) {
    assert_eq!(database::execute(site.data(), statement), 1);
}

#[test]
fn a_request_that_a_shutdown_interrupts_is_queued_again() {
    let mut site = Site::prepared();
    site.rhai("slow", "anonymize", &[], &[], SLOW);
    site.policy("P", &json!({ "anonymize": [{ "module": "slow" }] }));
    dicom::study(&site.inbox("P/s"), 1, 1, 60);
    site.serve(&[]);
    let address = site.queue("P", "P/s", &[]);
    wait_for("the first staged files", || {
        (site.instances("staging").len() > 2).then_some(())
    });
    site.interrupt();
    assert_eq!(site.files("staging"), Vec::<String>::new());
    assert_eq!(
        site.command(&["request", "list", "--active"], "")
            .lines()
            .count(),
        1
    );

    site.serve(&[]);
    let done = site.ended(&address);
    assert_eq!(
        (done.state(), done.outcomes().as_str()),
        ("Completed", "60 stored")
    );
    assert_eq!(site.instances("prearchive").len(), 60);
}

/// A site with one worker that is busy with a request from AUTO for a while.
pub fn busy() -> Site {
    let mut site = Site::prepared();
    site.rhai("slow", "anonymize", &[], &[], SLOW);
    site.policy("AUTO", &json!({ "anonymize": [{ "module": "slow" }] }));
    dicom::study(&site.inbox("AUTO/s"), 1, 1, 60);
    site.serve(&[("SLUICE_WORKERS", "1")]);
    site.queue("AUTO", "AUTO/s", &[]);
    site
}

/// The request is still in the queue: what was changed before now was changed before its claim.
fn is_queued(site: &Site, address: &str) {
    assert_eq!(site.get("root", address).json()["status"], "Queued");
}

#[test]
fn rights_that_are_lost_while_a_request_waits_fail_it() {
    let site = busy();
    dicom::study(&site.inbox("P/s"), 2, 1, 1);
    let address = site.queue("P", "P/s", &[]);
    site.command(&["project", "grant", "P", "ada", "collaborator"], "");
    is_queued(&site, &address);
    let done = site.ended(&address);
    assert_eq!(done.state(), "Failed");
    assert!(
        done.resolution().contains("no longer edit"),
        "{}",
        done.resolution()
    );
    assert_eq!(site.files("prearchive/P"), Vec::<String>::new());
}

#[test]
fn a_folder_that_becomes_a_link_while_a_request_waits_is_not_followed() {
    let site = busy();
    dicom::study(&site.inbox("OTHER/secret"), 2, 1, 1);
    dicom::study(&site.inbox("P/s"), 3, 1, 1);
    let address = site.queue("P", "P/s", &[("cleanupAfterImport", "true")]);
    fs::remove_dir_all(site.path("inbox/P/s")).unwrap();
    symlink("../OTHER/secret", site.path("inbox/P/s")).unwrap();
    is_queued(&site, &address);
    let done = site.ended(&address);
    assert_eq!(done.state(), "Failed");
    assert!(done.resolution().starts_with("No session folder was found"));
    assert_eq!(site.files("prearchive/P"), Vec::<String>::new());
    assert_eq!(site.files("inbox/OTHER"), ["secret/1-1.dcm"]);
}
