//! A disk that refuses once: the request fails and says so; what it had begun to commit is put into place as
//! soon as the disk allows.

use super::scenario::NEW;
use crate::server::wait_for;
use crate::site::Site;
use crate::snapshot;

/// Before anything is written down: nothing is stored.
const BEFORE: [&str; 2] = ["stage.disk", "stage.sync"];
/// In the middle of a commit.
const WITHIN: [&str; 3] = ["place.disk", "catalog.disk", "place.sync"];
/// After it, in what is written of it.
const AFTER: &str = "whole.disk";

pub const POINTS: [&str; 6] = [BEFORE[0], BEFORE[1], WITHIN[0], WITHIN[1], WITHIN[2], AFTER];

/// Runs a new session's import on a disk that refuses at a point the first time it is passed.
fn refused(point: &str) -> Site {
    let mut site = NEW.template();
    let sources = site.files("inbox");
    site.serve(&[("FAILPOINTS", &format!("{point}=1*return"))]);
    wait_for(point, || NEW.advance(&site).then_some(()));
    let status = site.get("root", "/xapi/dicom/1").json();
    assert_eq!(status["status"], "Failed", "{point}");
    let why = status["resolution"].as_str().unwrap();
    assert!(why.contains("no space is left"), "{point}: {why}");
    assert_eq!(site.files("inbox"), sources, "{point}");
    site
}

/// What the undisturbed import puts into the prearchive, by its content.
fn stored(lines: Vec<String>) -> Vec<String> {
    let is_file = |line: &String| line.starts_with("prearchive/");
    lines.into_iter().filter(is_file).collect()
}

#[test]
fn before_a_commit_nothing_is_stored() {
    for point in BEFORE {
        let mut site = refused(point);
        site.interrupt();
        for area in ["prearchive", "archive", "staging"] {
            assert_eq!(site.files(area), Vec::<String>::new(), "{point}");
        }
        let left = snapshot::of(&site);
        let labels: Vec<_> = left.iter().filter(|l| l.starts_with("label")).collect();
        assert!(labels.is_empty(), "{point}: {labels:?}");
    }
}

#[test]
fn a_commit_is_gone_on_with() {
    let mut golden = NEW.template();
    NEW.run(&mut golden, &[]);
    let golden = stored(snapshot::of(&golden));
    for point in WITHIN.into_iter().chain([AFTER]) {
        let mut site = refused(point);
        // By itself, within seconds.
        wait_for("the session", || {
            let rows = site.get("otto", "/data/prearchive/projects/P").rows();
            let is_ready = rows.iter().any(|row| row["status"] == "READY");
            (is_ready && site.files("staging").is_empty()).then_some(())
        });
        site.interrupt();
        assert_eq!(stored(snapshot::of(&site)), golden, "{point}");
    }
}
