//! Sources that others still work on: what changed, went or came while a folder was imported is named, and
//! nothing of it is stored.

use std::fs::{self, File};
use std::time::SystemTime;

use crate::dicom;
use crate::server::wait_for;
use crate::site::Site;

#[test]
fn what_was_just_written_is_looked_at_again_before_anything_is_stored() {
    let mut site = Site::prepared();
    let folder = site.inbox("P/s");
    dicom::study(&folder, 1, 1, 4);
    // Time enough to see that all are staged and to change some.
    site.serve(&[("SLUICE_SETTLE_SECONDS", "12")]);
    let address = site.queue("P", "P/s", &[("cleanupAfterImport", "true")]);
    // All are read and staged: from here on only the second look can notice.
    wait_for("four staged files", || {
        let counts = site.get("ada", &address).json()["counts"].clone();
        (counts["staged"] == 4).then_some(())
    });
    let writer = File::options().write(true).open(folder.join("1-1.dcm"));
    writer.unwrap().set_modified(SystemTime::now()).unwrap();
    fs::remove_file(folder.join("1-2.dcm")).unwrap();
    fs::rename(folder.join("1-3.dcm"), folder.join("renamed.dcm")).unwrap();
    let done = site.ended(&address);
    assert_eq!(
        (done.state(), done.outcomes().as_str()),
        ("Completed", "1 stored, 4 changed")
    );
    assert!(done.reason("1-1.dcm").contains("changed after it was read"));
    assert!(done.reason("1-2.dcm").contains("removed or renamed"));
    assert!(done.reason("1-3.dcm").contains("removed or renamed"));
    assert!(done.reason("renamed.dcm").contains("appeared"));
    assert_eq!(done.outcome("1-4.dcm"), "stored");
    assert_eq!(site.instances(&done.folder()).len(), 1);
    assert_eq!(site.files("inbox/P"), ["s/1-1.dcm", "s/renamed.dcm"]);
}

#[test]
fn what_was_written_before_is_not_waited_for() {
    let mut site = Site::prepared();
    let folder = site.inbox("P/s");
    dicom::study(&folder, 1, 1, 2);
    let long_ago = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
    for name in ["1-1.dcm", "1-2.dcm"] {
        let file = File::options().write(true).open(folder.join(name)).unwrap();
        file.set_modified(long_ago).unwrap();
    }
    // Beyond the deadline of these tests.
    site.serve(&[("SLUICE_SETTLE_SECONDS", "100000")]);
    let done = site.import("P", "P/s", &[]);
    assert_eq!(done.outcomes(), "2 stored");
}
