//! Several servers and workers on one database and one folder, and projects that share them.

use serde_json::json;

use crate::dicom;
use crate::site::Site;

/// A rule that takes a while over each file.
const SLOW: &str = "fn anonymize(ds, ctx) { let n = 0; while n < 60000 { n += 1; } keep() }";

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
