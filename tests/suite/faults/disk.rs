//! A disk that is really full, database and all: a small file system of its own under the server.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use crate::server::wait_for;
use crate::site::Site;
use crate::{dicom, forms};

const FILLS: (&str, u32) = ("SLUICE_TEST_FILLS", 1);
const FILES: u32 = 40;

/// Puts all of the data folder but the inbox onto a file system of a few MB, which only the server sees.
const ONTO_A_SMALL_DISK: &str = r#"
    small=$(mktemp -d) && mount -t tmpfs -o size=24m tmpfs "$small" || exit 1
    for entry in "$DATA"/*; do
        [ "$entry" = "$DATA/inbox" ] || cp -a "$entry" "$small/" || exit 1
    done
    mkdir "$small/inbox" && mount --bind "$DATA/inbox" "$small/inbox" && mount --rbind "$small" "$DATA" || exit 1
    exec "$@""#;

/// Whether this machine lets a test have file systems of its own.
pub fn may_mount() -> bool {
    let tried = Command::new("unshare")
        .args(["-Urm", "sh", "-c", "mount -t tmpfs tmpfs /mnt"])
        .output();
    tried.is_ok_and(|output| output.status.success())
}

/// Writes until nothing more fits.
fn fill(path: &Path) {
    let mut file = File::create(path).unwrap();
    let mut size = 1 << 20;
    while size > 0 {
        if file.write_all(&vec![b'x'; size]).is_err() {
            size /= 2;
        }
    }
}

#[test]
fn a_disk_that_is_full_stops_an_import_and_loses_nothing() {
    const WHAT: &str = "a disk that is full, database and all";
    if !may_mount() {
        forms::told(
            WHAT,
            "none",
            "not checked: no file system can be mounted here",
        );
        return;
    }
    let fills = forms::size(FILLS.0, FILLS.1);
    let mut site = Site::prepared();
    site.slow_rule("P");
    site.inbox("P");
    let data = site.data().to_str().unwrap().to_owned();
    let wrapper = ["unshare", "-Urm", "sh", "-c", ONTO_A_SMALL_DISK, "sh"];
    let environment = [
        ("DATA", &*data),
        ("SLUICE_RESERVE_MB", "0"),
        ("SLUICE_DISK_WAIT_SECONDS", "0"),
    ];
    site.serve_within(&wrapper, &environment);
    let seen = |below: &str| site.server().seen(&site.path(below));
    let stored = || {
        let mut folders = vec![seen("prearchive")];
        let mut files = 0;
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten() {
                let path = entry.unwrap().path();
                match path.is_dir() {
                    true => folders.push(path),
                    false => files += usize::from(path.extension().is_some_and(|e| e == "dcm")),
                }
            }
        }
        files
    };
    let mut expected = 0;
    for number in 0..fills {
        let below = format!("P/s{number}");
        dicom::study(&site.inbox(&below), number, 1, FILES);
        let address = site.queue("P", &below, &[("cleanupAfterImport", "true")]);
        wait_for("the first staged files", || {
            let counts = &site.get("root", &address).json()["counts"];
            (counts["staged"].as_u64().unwrap_or_default() > 2).then_some(())
        });
        fill(&seen("ballast"));
        assert_eq!(site.get("", "/healthz").status, 200);
        wait_for("word of it", || {
            let is_said =
                |line: &String| line.contains("no space is left") || line.contains("disk is full");
            let status = site.try_call("root", "GET", &address, &[]);
            let failed = status.is_ok_and(|a| a.text().contains("no space is left"));
            (failed || site.server().log().iter().any(is_said)).then_some(())
        });
        fs::remove_file(seen("ballast")).unwrap();
        let done = site.ended(&address);
        let sources = site.files(&format!("inbox/{below}")).len();
        match done.state() {
            "Failed" => {
                assert_eq!(sources, FILES as usize, "{}", done.resolution());
                // Nothing is in its way now.
                let answer =
                    site.call_import("ada", "P", &below, &[("cleanupAfterImport", "true")]);
                let log = site.server().log();
                let last = &log[log.len().saturating_sub(12)..];
                assert_eq!(answer.status, 200, "{last:#?}");
                let again = site.ended(answer.text().trim_end());
                assert_eq!(again.state(), "Completed", "{}", again.resolution());
            }
            _ => assert_eq!(done.outcomes(), format!("{FILES} stored")),
        }
        expected += FILES as usize;
        assert_eq!(stored(), expected);
        assert_eq!(site.files(&format!("inbox/{below}")), Vec::<String>::new());
    }
    forms::told(
        WHAT,
        &format!("{fills} imports"),
        "each failed with its sources kept, or completed when there was room",
    );
}
