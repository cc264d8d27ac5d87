//! Sources that vanish, change, grow and lose their rights under the import, and folders that may not be written to.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use dicom_dictionary_std::tags;
use serde_json::json;

use crate::random::Random;
use crate::server::wait_for;
use crate::site::Site;
use crate::{dicom, forms};

const ROUNDS: (&str, u32) = ("SLUICE_TEST_ROUNDS", 10);
const FILES: u32 = 40;

/// What has the server obey rights: root does not, unless it is taken what makes it root.
fn powerless() -> Option<&'static [&'static str]> {
    if fs::metadata("/proc/self").unwrap().uid() != 0 {
        return Some(&[]);
    }
    let tried = Command::new("unshare").args(["-U", "true"]).output();
    tried
        .is_ok_and(|output| output.status.success())
        .then_some(&["unshare", "-U"])
}

fn set_rights(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// Pixels by instance, of every file of a folder.
fn pixels(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path());
    files
        .map(|file| {
            let uid = dicom::text(&file, tags::SOP_INSTANCE_UID).unwrap();
            (uid, dicom::pixels(&file))
        })
        .collect()
}

/// What somebody does to a file that an import may be reading.
fn disturb(file: &Path, random: &mut Random) {
    // It may be gone: that is one of the things that are done.
    let done = match random.below(5) {
        0 => fs::remove_file(file),
        1 => fs::rename(file, file.with_extension("moved")),
        2 => fs::write(file, b"written over"),
        3 => fs::File::options()
            .write(true)
            .open(file)
            .and_then(|f| f.set_len(700)),
        _ => fs::read(file).and_then(|mut bytes| {
            // A copy with other pixels takes its place.
            if let Some(last) = bytes.last_mut() {
                *last ^= 0xff;
            }
            let beside = file.with_extension("new");
            fs::write(&beside, bytes)?;
            fs::rename(beside, file)
        }),
    };
    drop(done);
}

#[test]
fn what_is_done_to_sources_meanwhile_is_never_stored_by_halves() {
    let rounds = forms::size(ROUNDS.0, ROUNDS.1);
    let mut random = Random::new();
    let site = Site::new();
    let code = "fn anonymize(ds, ctx) { let n = 0; while n < 60000 { n += 1; } keep() }";
    site.rhai("slow", "anonymize", &[], &[], code);
    site.policy("P", &json!({ "anonymize": [{ "module": "slow" }] }));
    let mut outcome_to_files: BTreeMap<String, u64> = BTreeMap::new();
    for round in 0..rounds {
        let below = format!("P/s{round}");
        let folder = site.inbox(&below);
        dicom::study(&folder, round, 1, FILES);
        let mut originals = pixels(&folder);
        let address = site.queue("P", &below, &[]);
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    let file = format!("1-{}.dcm", 1 + random.below(FILES as usize));
                    disturb(&folder.join(file), &mut random);
                    std::thread::sleep(std::time::Duration::from_millis(3));
                }
            });
            wait_for("the end", || {
                let status = site.get("root", &address).json();
                status["finished"].is_i64().then_some(())
            });
            over.store(true, Ordering::Relaxed);
        });
        let done = site.ended(&address);
        for (name, count) in done.status["counts"].as_object().unwrap() {
            *outcome_to_files.entry(name.clone()).or_default() += count.as_u64().unwrap();
        }
        for session in done.sessions() {
            let folder = site.path(&crate::done::folder_of(session));
            for file in site.instances(&crate::done::folder_of(session)) {
                let file = folder.join(file);
                let uid = dicom::text(&file, tags::SOP_INSTANCE_UID).unwrap();
                let original = originals.remove(&uid).expect("one of the study");
                let found = dicom::pixels(&file);
                // The source, or the copy that took its place before it was read.
                let mut copy = original.clone();
                *copy.last_mut().unwrap() ^= 0xff;
                assert!(
                    found == original || found == copy,
                    "{address}: {}",
                    file.display()
                );
            }
        }
    }
    let of = |name: &str| outcome_to_files.get(name).copied().unwrap_or_default();
    assert!(
        of("stored") > 0 && of("changed") > 0,
        "{outcome_to_files:?}"
    );
    forms::told(
        "sources removed, moved, cut, replaced while they are read",
        &format!(
            "{rounds} imports, {} files: {} stored, {} changed, {} of no use",
            of("found"),
            of("stored"),
            of("changed"),
            of("found") - of("stored") - of("changed")
        ),
        "found is the sum, no stored file is a half one",
    );
}

#[test]
fn what_may_not_be_read_or_written_is_said_and_nothing_is_lost() {
    const WHAT: &str = "permission denied";
    let Some(wrapper) = powerless() else {
        forms::told(WHAT, "none", "not checked: root obeys no rights here");
        return;
    };
    let mut site = Site::prepared();
    let folder = site.inbox("P/s");
    dicom::study(&folder, 1, 1, 4);
    dicom::study(&folder.join("shut"), 2, 1, 2);
    dicom::study(&site.inbox("P/closed"), 3, 1, 2);
    dicom::study(&site.inbox("AUTO/s"), 4, 1, 2);
    set_rights(&folder.join("1-2.dcm"), 0o000);
    set_rights(&folder.join("shut"), 0o000);
    set_rights(&site.path("inbox/P/closed"), 0o000);
    site.serve_within(wrapper, &[]);
    let clean = ("cleanupAfterImport", "true");

    // Read: what can be is stored, the rest is named and stays.
    let done = site.import("P", "P/s", &[clean]);
    assert_eq!(done.state(), "Completed", "{}", done.resolution());
    assert_eq!(done.outcomes(), "3 stored, 2 unreadable");
    for name in ["1-2.dcm", "shut"] {
        assert!(done.reason(name).contains("permission denied"), "{name}");
    }
    set_rights(&folder.join("shut"), 0o755);
    assert_eq!(
        site.files("inbox/P/s"),
        ["1-2.dcm", "shut/1-1.dcm", "shut/1-2.dcm"]
    );
    let answer = site.call_import("ada", "P", "P/closed", &[]);
    match answer.status {
        // Refused at the call, or failed by its worker.
        400 => {}
        _ => assert_eq!(site.ended(answer.text().trim_end()).state(), "Failed"),
    }
    set_rights(&site.path("inbox/P/closed"), 0o755);
    assert_eq!(site.files("inbox/P/closed").len(), 2);

    // Written: nothing is stored, nothing is lost, and it goes on once it may.
    let archive = site.path("archive");
    set_rights(&archive, 0o555);
    let failed = site.import("AUTO", "AUTO/s", &[clean]);
    assert_eq!(failed.state(), "Failed");
    let why = failed.resolution();
    assert!(why.to_lowercase().contains("permission denied"), "{why}");
    assert_eq!(site.files("inbox/AUTO").len(), 2);
    set_rights(&archive, 0o755);
    wait_for("the end of the commit", || {
        (site.instances("archive").len() == 2 && site.files("staging").is_empty()).then_some(())
    });
    let staging = site.path("staging");
    set_rights(&staging, 0o555);
    let failed = site.import("P", "P/closed", &[clean]);
    assert_eq!(failed.state(), "Failed");
    set_rights(&staging, 0o755);
    assert_eq!(site.files("inbox/P/closed").len(), 2);
    let again = site.import("P", "P/closed", &[clean]);
    assert_eq!(again.outcomes(), "2 stored", "{}", again.resolution());

    // Clean-up: what can't be removed is said, and is stored all the same.
    dicom::study(&site.inbox("P/kept"), 5, 1, 2);
    let kept = site.path("inbox/P/kept");
    set_rights(&kept, 0o555);
    let done = site.import("P", "P/kept", &[clean]);
    set_rights(&kept, 0o755);
    assert_eq!(done.outcomes(), "2 stored");
    assert_eq!(
        done.file("1-1.dcm")["cleaned"],
        false,
        "{:#}",
        done.file("1-1.dcm")
    );
    assert_eq!(site.files("inbox/P/kept").len(), 2);
    forms::told(
        WHAT,
        "sources, folders, archive, staging, clean-up",
        "said, nothing lost",
    );
}
