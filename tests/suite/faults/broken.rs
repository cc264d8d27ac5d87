//! A disk that breaks, by failpoints: reading a source, listing its folder, and writing where it is to be stored.

use std::collections::BTreeSet;

use sluice::sample::{Corpus, Kind};

use crate::server::wait_for;
use crate::site::Site;
use crate::{dicom, forms};

const CLEAN: [(&str, &str); 1] = [("cleanupAfterImport", "true")];

/// Where a source may turn out to be unreadable.
const READING: [&str; 3] = ["source.read", "source.copied", "walk.listed"];

/// Two slices whose pixels are copied from file to file.
fn large(site: &Site, below: &str) {
    let corpus = Corpus {
        slices: 3,
        series: 1,
        rows: 512,
        columns: 512,
        ..Corpus::new(Kind::Ct)
    };
    corpus.write(&site.inbox(below)).unwrap();
}

#[test]
fn a_source_on_a_broken_disk_is_named_and_the_others_are_stored() {
    let in_sources = crate::crash::points::in_sources("read_point");
    assert_eq!(in_sources, BTreeSet::from(READING.map(str::to_owned)));
    for (point, outcomes) in [
        ("source.read=2*off->1*return", "2 stored, 1 unreadable"),
        ("source.copied=1*off->1*return", "2 stored, 1 unreadable"),
    ] {
        let mut site = Site::prepared();
        large(&site, "P/s");
        let before = site.files("inbox/P").len();
        site.serve(&[("FAILPOINTS", point)]);
        let done = site.import("P", "P/s", &CLEAN);
        assert_eq!(done.state(), "Completed", "{point}: {}", done.resolution());
        assert_eq!(done.outcomes(), outcomes, "{point}");
        let files = done.report.as_ref().unwrap()["files"].as_array().unwrap();
        let unread = files.iter().find(|f| f["outcome"] == "unreadable").unwrap();
        let why = unread["reason"].as_str().unwrap();
        assert!(why.contains("can't be read"), "{point}: {why}");
        assert_eq!(site.files("inbox/P").len(), before - 2, "{point}");
        let again = site.import("P", "P/s", &CLEAN);
        assert_eq!(again.outcomes(), "1 stored", "{point}");
        assert_eq!(site.files("inbox/P"), Vec::<String>::new(), "{point}");
    }
    // A folder that can't be listed, whenever that is met: its files are not known, and not touched.
    let mut unlisted = 0;
    for passes in 0..14 {
        let mut site = Site::prepared();
        dicom::study(&site.inbox("P/s/a"), 1, 1, 2);
        dicom::study(&site.inbox("P/s/b"), 2, 1, 2);
        let point = format!("walk.listed={passes}*off->1*return->off");
        site.serve(&[("FAILPOINTS", &point)]);
        let answer = site.call_import("ada", "P", "P/s", &CLEAN);
        let stored = match answer.status {
            200 => {
                let done = site.ended(answer.text().trim_end());
                unlisted += usize::from(done.outcomes().contains("1 unreadable"));
                done.status["counts"]["stored"].as_u64().unwrap() as usize
            }
            // Met at the call itself.
            _ => 0,
        };
        let left = site.files("inbox/P");
        assert_eq!(left.len() + stored, 4, "{point}: {left:?}");
    }
    assert!(unlisted > 0, "no import met it");
    forms::told(
        "EIO in reading sources",
        &format!("{} places", READING.len()),
        "named as unreadable, the others stored",
    );
}

#[test]
fn where_it_is_to_be_stored_a_broken_disk_fails_the_import_and_keeps_the_sources() {
    let points = crate::crash::points::in_sources("disk_point");
    for point in &points {
        let mut site = Site::prepared();
        dicom::study(&site.inbox("P/s"), 1, 1, 3);
        site.serve(&[("FAILPOINTS", &format!("{point}=1*return(broken)"))]);
        let done = site.import("P", "P/s", &CLEAN);
        assert_eq!(done.state(), "Failed", "{point}");
        let why = done.resolution();
        assert!(why.contains("Input/output error"), "{point}: {why}");
        assert_eq!(site.files("inbox/P").len(), 3, "{point}");
        // What it had begun goes on by itself; then the same call finds all stored.
        wait_for("an import that nothing is in the way of", || {
            let again = site.import("P", "P/s", &CLEAN);
            (again.state() == "Completed").then_some(())
        });
        assert_eq!(site.instances("prearchive").len(), 3, "{point}");
        assert_eq!(site.files("inbox/P"), Vec::<String>::new(), "{point}");
    }
    forms::told(
        "EIO in writing",
        &format!("{} places", points.len()),
        "failed, sources kept, the next import stores all",
    );
}
