//! Several servers and workers on one database and one folder.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;

use crate::server::{Server, wait_for};
use crate::site::Site;
use crate::{database, dicom};

/// A rule that takes long enough for a kill to hit it.
const SLOW: &str = "fn anonymize(ds, ctx) { let n = 0; while n < 60000 { n += 1; } keep() }";

const REQUESTS: u32 = 100;
const FILES: u32 = 3;

/// A worker dies when this many more requests have ended.
const ENDED_PER_KILL: usize = 9;

#[test]
fn each_of_a_hundred_requests_ends_once_while_workers_are_killed() {
    let mut site = Site::prepared();
    site.rhai("slow", "anonymize", &[], &[], SLOW);
    for project in ["P", "AUTO"] {
        let route = json!({ "module": "xnat-routing", "settings":
            { "prearchive_code": if project == "P" { 0 } else { 4 } } });
        let policy = json!({ "anonymize": [{ "module": "slow" }], "route": route });
        site.policy(project, &policy);
    }
    site.serve(&[("SLUICE_WORKERS", "1")]);
    let mut second = Server::start(site.data(), &[("SLUICE_WORKERS", "1")]);
    let worker = || Server::start_worker(site.data(), &[("SLUICE_WORKERS", "1")]);
    let mut workers = [worker(), worker(), worker()];

    let mut next_kill = ENDED_PER_KILL;
    let mut killed = 0;
    // From the first request on: some have ended before the last is there.
    let mut kill_in_turn = |site: &Site| {
        let ended = ended(site);
        if ended >= next_kill && ended + ENDED_PER_KILL < REQUESTS as usize {
            workers[killed % 3].kill();
            workers[killed % 3] = worker();
            killed += 1;
            next_kill = ended + ENDED_PER_KILL;
        }
        ended
    };
    let addresses: Vec<String> = (0..REQUESTS)
        .map(|number| {
            let project = if number % 3 == 0 { "AUTO" } else { "P" };
            let below = format!("{project}/s{number}");
            dicom::study(&site.inbox(&below), number, 1, FILES);
            let cleanup = if number % 2 == 0 { "true" } else { "false" };
            let address = site.queue(project, &below, &[("cleanupAfterImport", cleanup)]);
            kill_in_turn(&site);
            address
        })
        .collect();
    wait_for("the end of all", || {
        let ended = kill_in_turn(&site);
        std::thread::sleep(Duration::from_millis(20));
        (ended == REQUESTS as usize).then_some(())
    });
    assert!(killed >= 3, "only {killed} workers died");

    for (number, address) in addresses.iter().enumerate() {
        let done = site.ended(address);
        assert_eq!(done.state(), "Completed", "{number}: {}", done.resolution());
        assert_eq!(done.outcomes(), format!("{FILES} stored"), "{number}");
        let left = if number % 2 == 0 { 0 } else { FILES as usize };
        let project = if number % 3 == 0 { "AUTO" } else { "P" };
        let source = format!("inbox/{project}/s{number}");
        assert_eq!(site.files(&source).len(), left, "{source}");
    }
    let stored = (REQUESTS * FILES) as usize;
    let areas = ["prearchive", "archive"].map(|area| site.instances(area).len());
    assert_eq!(areas.iter().sum::<usize>(), stored);
    let ends = database::pairs(
        site.data(),
        "SELECT r.id, COUNT(*) FROM requests r JOIN audit a
           ON a.object = 'request/' || CAST(r.id AS TEXT) AND a.action = 'request.completed' GROUP BY r.id",
    );
    let expected: BTreeMap<i64, i64> = (1..=i64::from(REQUESTS)).map(|id| (id, 1)).collect();
    assert_eq!(ends.into_iter().collect::<BTreeMap<_, _>>(), expected);
    for worker in &mut workers {
        assert!(worker.terminate().success());
    }
    assert!(second.terminate().success());
    site.stop();
    assert_eq!(site.files("run"), Vec::<String>::new(), "locks of the dead");
}

fn ended(site: &Site) -> usize {
    let all = site.get("root", "/xapi/dicom/list/all").json();
    let ended = |r: &&serde_json::Value| r["finished"].is_i64();
    all.as_array().unwrap().iter().filter(ended).count()
}

#[test]
fn a_project_that_queues_much_does_not_hold_up_another() {
    let mut site = Site::prepared();
    site.rhai("slow", "anonymize", &[], &[], SLOW);
    site.policy("P", &json!({ "anonymize": [{ "module": "slow" }] }));
    site.serve(&[("SLUICE_WORKERS", "2")]);
    let mut large = Vec::new();
    for number in 0..6 {
        let below = format!("P/s{number}");
        dicom::study(&site.inbox(&below), number, 1, 60);
        large.push(site.queue("P", &below, &[]));
    }
    dicom::study(&site.inbox("AUTO/small"), 100, 1, 1);
    let small = site.queue("AUTO", "AUTO/small", &[]);
    assert_eq!(site.ended(&small).state(), "Completed");
    let waiting = large
        .iter()
        .filter(|address| site.get("root", address).json()["status"] == "Queued")
        .count();
    assert!(
        waiting >= 3,
        "the small one ended among the first: {waiting} still wait"
    );
    for address in &large {
        site.ended(address);
    }
}
