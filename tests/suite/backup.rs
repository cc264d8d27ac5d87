//! Backup and restore by the command line, beside a server that runs and imports.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use dicom_dictionary_std::tags;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::dicom;
use crate::done::folder_of;
use crate::server::{sluice, wait_for};
use crate::site::Site;

/// Gives each study, series and instance another UID, and an accession number, from the project's key.
const PSEUDONYMS: &str = r#"fn anonymize(ds, ctx) {
    for name in ["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"] {
        ds.set(name, pseudonym::uid(ds.get(name)));
    }
    ds.set("AccessionNumber", pseudonym::label("accession", ds.get("AccessionNumber"), 8));
    keep()
}"#;

const UIDS: [&str; 4] = [
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "SOPInstanceUID",
    "AccessionNumber",
];

/// A rule that takes a while over each file.
const SLOW: &str = "fn anonymize(ds, ctx) { let n = 0; while n < 300000 { n += 1; } keep() }";

/// A site with a session in the prearchive under pseudonyms, and one in the archive.
fn site() -> Site {
    let mut site = Site::prepared();
    site.rhai("pseudonyms", "anonymize", &UIDS, &UIDS, PSEUDONYMS);
    site.policy("P", &json!({ "anonymize": [{ "module": "pseudonyms" }] }));
    dicom::study(&site.inbox("P/s"), 1, 2, 2);
    dicom::study(&site.inbox("AUTO/s"), 2, 1, 3);
    site.serve(&[]);
    site
}

fn backup(site: &Site, arguments: &[&str]) -> PathBuf {
    let file = site.path("backup.tar");
    let mut all = vec!["backup", "--out", file.to_str().unwrap()];
    all.extend(arguments);
    site.command(&all, "");
    file
}

fn restored(file: &Path) -> (Site, String) {
    let site = Site::empty();
    let told = site.command(&["restore", "--from", file.to_str().unwrap()], "");
    (site, told)
}

/// A command that must fail, with its one line of reason.
fn refused(data: &Path, arguments: &[&str]) -> String {
    let output = sluice(data, arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{arguments:?}");
    let reason = String::from_utf8(output.stderr).unwrap();
    assert_eq!(reason.lines().count(), 1, "{reason}");
    reason
}

/// All files of a session, as a user downloads them: names and checksums.
fn downloaded(site: &Site, session: &Value) -> Vec<(String, String)> {
    let listing = format!("/data{}/scans/ALL/files", session["uri"].as_str().unwrap());
    let rows = site.get("otto", &listing).rows();
    let mut files: Vec<_> = rows
        .iter()
        .map(|row| {
            let answer = site.get("otto", row["URI"].as_str().unwrap());
            assert_eq!(answer.status, 200);
            let sum = hex::encode(Sha256::digest(&answer.body));
            (row["Name"].as_str().unwrap().to_owned(), sum)
        })
        .collect();
    files.sort();
    files
}

/// What the project's key made of a session's instances.
fn pseudonyms(site: &Site, folder: &str) -> Vec<Vec<Option<String>>> {
    let files = site.instances(folder).into_iter();
    let mut all: Vec<_> = files
        .map(|file| {
            let file = site.path(folder).join(file);
            let tags = [
                tags::STUDY_INSTANCE_UID,
                tags::SERIES_INSTANCE_UID,
                tags::SOP_INSTANCE_UID,
                tags::ACCESSION_NUMBER,
            ];
            tags.map(|tag| dicom::text(&file, tag)).to_vec()
        })
        .collect();
    all.sort();
    all
}

#[test]
fn a_server_goes_on_from_its_backup_with_the_same_users_sessions_and_pseudonyms() {
    let first = site();
    let waiting = first.import("P", "P/s", &[("EXPT_LABEL", "E1"), ("SUBJECT_ID", "S1")]);
    let archived = first.import("AUTO", "AUTO/s", &[]);
    let all = first.get("root", "/xapi/dicom/list/all").json();
    let file = backup(&first, &["--with-files"]);
    let mode = fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "it holds keys and patients' data");
    assert_eq!(first.files(".backup"), ["lock"]);

    let (mut second, _) = restored(&file);
    second.serve(&[]);
    assert_eq!(second.get("root", "/xapi/dicom/list/all").json(), all);
    assert_eq!(second.call("eve", "GET", "/data/JSESSION", &[]).status, 200);
    assert_eq!(
        second.call("nobody", "GET", "/data/JSESSION", &[]).status,
        401
    );
    for done in [&waiting, &archived] {
        assert_eq!(
            downloaded(&second, done.session()),
            downloaded(&first, done.session())
        );
        let folder = folder_of(done.session());
        assert_eq!(second.files(&folder), first.files(&folder), "catalogs too");
        for name in first.files(&folder) {
            let below = format!("{folder}/{name}");
            let same =
                fs::read(second.path(&below)).unwrap() == fs::read(first.path(&below)).unwrap();
            assert!(same, "{below}");
        }
        let report = second
            .get("root", &format!("/xapi/dicom/{}/report", done.id()))
            .json();
        assert_eq!(Some(report), done.report);
    }
    // The same study again: under the same key it is the same, byte for byte.
    dicom::study(&second.inbox("P/s"), 1, 2, 2);
    let again = second.import("P", "P/s", &[("EXPT_LABEL", "E1"), ("SUBJECT_ID", "S1")]);
    assert_eq!(again.outcomes(), "4 duplicate");
    assert_eq!(again.id(), 3, "numbers go on");
    // And under another label it gets the same UIDs.
    let other = second.import("P", "P/s", &[("EXPT_LABEL", "E2"), ("SUBJECT_ID", "S1")]);
    assert_eq!(
        pseudonyms(&second, &other.folder()),
        pseudonyms(&first, &waiting.folder())
    );
    dicom::study(&second.inbox("AUTO/t"), 7, 1, 1);
    let next = second.import("AUTO", "AUTO/t", &[]);
    assert_eq!(next.session()["experimentId"], "SLUICE_E00002");
}

#[test]
fn a_backup_without_files_says_so_and_they_can_be_copied_beside_it() {
    let first = site();
    let done = first.import("P", "P/s", &[("EXPT_LABEL", "E1")]);
    let file = backup(&first, &[]);
    let (mut second, told) = restored(&file);
    assert!(
        told.contains("The files of 1 sessions are not in the backup"),
        "{told}"
    );
    assert_eq!(second.files("prearchive"), Vec::<String>::new());
    for name in first.files("prearchive") {
        let to = second.path("prearchive").join(&name);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(first.path("prearchive").join(&name), to).unwrap();
    }
    second.serve(&[]);
    assert_eq!(
        downloaded(&second, done.session()),
        downloaded(&first, done.session())
    );
}

#[test]
fn a_backup_while_imports_run_is_consistent_and_what_ran_is_queued_again() {
    let mut first = Site::prepared();
    first.rhai("slow", "anonymize", &[], &[], SLOW);
    first.policy("P", &json!({ "anonymize": [{ "module": "slow" }] }));
    dicom::study(&first.inbox("P/slow"), 1, 1, 60);
    for number in 0..6 {
        dicom::study(&first.inbox(&format!("AUTO/s{number}")), 10 + number, 1, 3);
    }
    first.serve(&[("SLUICE_WORKERS", "3")]);
    let slow = first.queue("P", "P/slow", &[]);
    wait_for("the first staged files", || {
        (first.instances("staging").len() > 2).then_some(())
    });
    let busy: Vec<String> = (0..6)
        .map(|n| first.queue("AUTO", &format!("AUTO/s{n}"), &[]))
        .collect();
    let file = backup(&first, &["--with-files"]);
    for address in busy.iter().chain([&slow]) {
        assert_eq!(first.ended(address).state(), "Completed");
    }

    let (mut second, told) = restored(&file);
    assert!(told.contains("were not finished"), "{told}");
    assert!(
        second
            .command(&["request", "show", "1"], "")
            .starts_with("1\tQueued")
    );
    // What the copied database calls stored is there, whole.
    let stored = second.instances("archive").len();
    assert_eq!(stored % 3, 0, "whole sessions");
    // The sources of the slow one came along, those of the others did not.
    dicom::study(&second.inbox("P/slow"), 1, 1, 60);
    second.serve(&[]);
    for id in 1..=7 {
        // A queued request's path is that of the first server, which is not this one's inbox.
        let done = second.ended(&format!("/xapi/dicom/{id}"));
        match done.state() {
            "Completed" => assert_eq!(downloaded(&second, done.session()).len(), 3),
            _ => assert!(
                done.resolution().starts_with("No session folder was found"),
                "{}",
                done.resolution()
            ),
        }
    }
    let experiments = second.get("ada", "/data/projects/AUTO/experiments").rows();
    assert_eq!(experiments.len() * 3, stored);
}

#[test]
fn a_damaged_backup_is_refused_before_anything_is_written() {
    let first = site();
    first.import("P", "P/s", &[]);
    let file = backup(&first, &["--with-files"]);
    let whole = fs::read(&file).unwrap();
    let target = Site::empty();
    let new = target.path("new");
    let attempt = |bytes: &[u8]| {
        let damaged = target.path("damaged.tar");
        fs::write(&damaged, bytes).unwrap();
        let reason = refused(&new, &["restore", "--from", damaged.to_str().unwrap()]);
        assert!(!new.exists(), "{reason}");
        reason
    };
    // In the middle of what an entry holds: what pads it to whole blocks means nothing.
    let places: Vec<usize> = tar::Archive::new(&whole[..])
        .entries()
        .unwrap()
        .map(Result::unwrap)
        .filter(|entry| entry.size() > 0)
        .map(|entry| (entry.raw_file_position() + entry.size() / 2) as usize)
        .collect();
    // The last is the manifest, whose every byte need not mean something.
    let last = places.len() - 2;
    for at in [0, last / 4, last / 2, last * 3 / 4, last] {
        let mut bytes = whole.clone();
        bytes[places[at]] ^= 1;
        attempt(&bytes);
    }
    for length in [0, 100, 1000, whole.len() / 2, whole.len() - 8192] {
        assert!(attempt(&whole[..length]).contains("damaged"));
    }
    assert!(attempt(b"no tar at all").contains("damaged"));
}

#[test]
fn what_is_there_is_never_written_over() {
    let first = site();
    let file = backup(&first, &[]);
    let path = file.to_str().unwrap();
    let reason = refused(&first.path(""), &["backup", "--out", path]);
    assert!(reason.contains("exists"), "{reason}");
    let reason = refused(&first.path(""), &["restore", "--from", path]);
    assert!(reason.contains("not empty"), "{reason}");
    // A database that is in use is no target either.
    let other = Site::empty();
    let url = crate::database::url_of(first.data());
    let new = other.path("new");
    let reason = refused(&new, &["restore", "--from", path, "--database", &url]);
    assert!(reason.contains("not empty"), "{reason}");
    assert!(!new.join("sluice.db").exists() && !new.join("rules").exists());
    assert_eq!(first.get("root", "/data/projects").rows().len(), 3);
}

#[test]
fn a_backup_of_a_later_version_is_refused() {
    let first = site();
    let file = backup(&first, &[]);
    let mut archive = tar::Archive::new(fs::File::open(&file).unwrap());
    let later = first.path("later.tar");
    let mut out = tar::Builder::new(fs::File::create(&later).unwrap());
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().into_owned();
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut entry, &mut bytes).unwrap();
        if path == Path::new("manifest.json") {
            let mut manifest: Value = serde_json::from_slice(&bytes).unwrap();
            manifest["schemaVersion"] = 999.into();
            bytes = manifest.to_string().into_bytes();
        }
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o600);
        out.append_data(&mut header, &path, bytes.as_slice())
            .unwrap();
    }
    out.into_inner().unwrap();
    let new = first.path("new");
    let reason = refused(&new, &["restore", "--from", later.to_str().unwrap()]);
    assert!(reason.contains("version 999"), "{reason}");
    assert!(!new.join("sluice.db").exists());
}

#[test]
fn settings_that_name_a_database_are_put_aside() {
    let first = Site::prepared();
    let url = sluice::store::sqlite_url(&first.path("sluice.db"));
    fs::write(
        first.path("sluice.toml"),
        format!("workers = 3\ndatabase = \"{url}\"\n"),
    )
    .unwrap();
    let (second, told) = restored(&backup(&first, &[]));
    assert!(told.contains("sluice.toml.from-backup"), "{told}");
    assert!(!second.path("sluice.toml").exists());
    assert!(second.path("sluice.toml.from-backup").exists());
    // It works on its own database.
    second.command(&["project", "create", "NEW"], "");
    assert!(!first.command(&["project", "list"], "").contains("NEW"));

    fs::remove_file(first.path("backup.tar")).unwrap();
    fs::write(first.path("sluice.toml"), "workers = 3\n").unwrap();
    let (second, _) = restored(&backup(&first, &[]));
    assert_eq!(
        fs::read_to_string(second.path("sluice.toml")).unwrap(),
        "workers = 3\n"
    );
}
