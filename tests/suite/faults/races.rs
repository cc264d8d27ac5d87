//! Somebody who swaps sources for links between the walk and the reading, again and again: what the links lead to is
//! never stored, and never removed.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use dicom_core::VR;
use dicom_dictionary_std::tags;
use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::site::Site;
use crate::{archives, dicom, forms};

const ROUNDS: (&str, u32) = ("SLUICE_TEST_RACES", 40);
const SECRET: &str = "ZQXV-SECRET";

/// Changes places of pairs until it is told to stop; answers how often.
fn swap(pairs: &[(PathBuf, PathBuf)], stop: &AtomicBool, swaps: &AtomicU64) {
    while !stop.load(Ordering::Relaxed) {
        for (one, other) in pairs {
            // One of them may have been imported and removed.
            if renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE).is_ok() {
                swaps.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

/// Whether a file below the folder has the text anywhere.
fn holds_secret(site: &Site, area: &str) -> Option<String> {
    let holds = |file: &String| {
        let bytes = fs::read(site.path(area).join(file)).unwrap();
        bytes.windows(SECRET.len()).any(|w| w == SECRET.as_bytes())
    };
    site.files(area).into_iter().find(holds)
}

fn secrets(folder: &Path) {
    dicom::study(folder, 500, 1, 3);
    for slice in 1..=3 {
        let file = folder.join(format!("1-{slice}.dcm"));
        dicom::edit(&file, &[(tags::IMAGE_COMMENTS, VR::LT, SECRET)]);
    }
}

#[test]
fn what_a_link_leads_to_is_never_stored_nor_removed() {
    let rounds = forms::size(ROUNDS.0, ROUNDS.1);
    let mut site = Site::new();
    let outside = tempfile::tempdir().unwrap();
    secrets(outside.path());
    let foreign = site.inbox("OTHER/secret");
    secrets(&foreign);
    archives::zip(outside.path(), &outside.path().join("s.zip"));
    let aside = tempfile::tempdir_in(site.data()).unwrap();
    let (stop, swaps) = (AtomicBool::new(false), AtomicU64::new(0));
    let (mut met, mut stored) = (0, 0);
    for round in 0..rounds {
        let below = format!("P/r{round}");
        let folder = site.inbox(&below);
        // A file, a folder in it, the folder that is named in the call, and an archive.
        dicom::study(&folder, round, 1, 12);
        dicom::study(&folder.join("in"), 600 + round, 1, 3);
        let archive = site.inbox("P").join(format!("r{round}.zip"));
        archives::zip(&folder.join("in"), &archive);
        let link = |name: &str, to: &Path| {
            let path = aside.path().join(format!("{name}{round}"));
            symlink(to, &path).unwrap();
            path
        };
        let mut pairs = vec![
            (folder.join("in"), link("in", outside.path())),
            (archive, link("zip", &outside.path().join("s.zip"))),
        ];
        for slice in 1..=12 {
            let secret = outside.path().join(format!("1-{}.dcm", 1 + slice % 3));
            let file = folder.join(format!("1-{slice}.dcm"));
            pairs.push((file, link(&format!("f{slice}-"), &secret)));
        }
        if round % 4 == 0 {
            pairs.push((folder.clone(), link("r", &foreign)));
        }
        stop.store(false, Ordering::Relaxed);
        std::thread::scope(|scope| {
            scope.spawn(|| swap(&pairs, &stop, &swaps));
            let clean = (
                "cleanupAfterImport",
                if round % 2 == 0 { "true" } else { "false" },
            );
            let calls = [below.clone(), format!("{below}/in"), format!("{below}.zip")];
            for below in calls {
                let answer = site.call_import("ada", "P", &below, &[clean]);
                if answer.status != 200 {
                    // Refused at the call: it was a link at that moment.
                    met += 1;
                    continue;
                }
                let done = site.ended(answer.text().trim_end());
                let counts = &done.status["counts"];
                stored += counts["stored"].as_u64().unwrap();
                met += counts["unreadable"].as_u64().unwrap() + counts["changed"].as_u64().unwrap();
            }
            stop.store(true, Ordering::Relaxed);
        });
    }
    for area in ["prearchive", "archive", "quarantine", "reports"] {
        assert_eq!(holds_secret(&site, area), None, "{area}");
    }
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 4);
    assert_eq!(site.files("inbox/OTHER/secret").len(), 3);
    let swaps = swaps.into_inner();
    assert!(met > 0 && stored > 0, "{met} met, {stored} stored");
    site.stop();
    forms::told(
        "sources swapped for links between walk and read",
        &format!("{} imports, {swaps} swaps, {met} met", 3 * rounds),
        "no secret stored, none removed",
    );
}
