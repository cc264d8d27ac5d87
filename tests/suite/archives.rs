//! Archives in the inbox: imported as a folder of the same content would be, bad members named, bad archives
//! refused as a whole, and nothing left of what was unpacked.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::SystemTime;

use serde_json::{Value, json};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::dicom;
use crate::done::Done;
use crate::server::wait_for;
use crate::site::Site;
use crate::workers::{SLOW, unfinish};

const CLEAN: (&str, &str) = ("cleanupAfterImport", "true");
const NOTHING: Vec<String> = Vec::new();

/// What an archive is made of: names and content, in order.
pub type Members = Vec<(String, Vec<u8>)>;

/// The files of a folder, by their paths in it.
fn members(folder: &Path) -> Members {
    let mut members = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(folder).unwrap().to_str().unwrap();
            members.push((name.to_owned(), fs::read(&path).unwrap()));
        }
    }
    // Not in the order of a walk.
    members.sort_by(|a, b| b.cmp(a));
    members
}

fn zip_bytes(members: &Members, method: CompressionMethod) -> Vec<u8> {
    let mut zip = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(method);
    zip.add_directory("folder/", options).unwrap();
    for (name, content) in members {
        zip.start_file(name.as_str(), options).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// Packs a folder.
pub fn zip(folder: &Path, archive: &Path) {
    let bytes = zip_bytes(&members(folder), CompressionMethod::Deflated);
    fs::write(archive, bytes).unwrap();
}

fn tar_bytes(members: &Members) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, content) in members {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, name, content.as_slice())
            .unwrap();
    }
    tar.into_inner().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(bytes).unwrap();
    gz.finish().unwrap()
}

/// An archive's bytes, as its extension says.
pub fn packed(name: &str, members: &Members) -> Vec<u8> {
    match name.rsplit('.').next().unwrap() {
        "zip" => zip_bytes(members, CompressionMethod::Deflated),
        "ZIP" => zip_bytes(members, CompressionMethod::Stored),
        "tar" => tar_bytes(members),
        _ => gzip(&tar_bytes(members)),
    }
}

/// A study's files, unpacked nowhere in the inbox.
pub fn study(number: u32, slices: u32) -> Members {
    let scratch = tempfile::tempdir().unwrap();
    dicom::study(scratch.path(), number, 1, slices);
    members(scratch.path())
}

/// The report's files without what differs from request to request, and each session's files with their bytes.
fn traces(site: &Site, done: &Done) -> (Value, BTreeMap<String, Vec<u8>>) {
    let report = done.report.as_ref().unwrap();
    let mut stored = BTreeMap::new();
    for session in done.sessions() {
        let folder = crate::done::folder_of(session);
        for file in site.instances(&folder) {
            let bytes = fs::read(site.path(&folder).join(&file)).unwrap();
            let label = session["label"].as_str().unwrap();
            stored.insert(format!("{label}/{file}"), bytes);
        }
    }
    let traces = json!({
        "files": report["files"], "counts": report["counts"],
        "sessions": report["sessions"].as_array().unwrap().iter()
            .map(|s| json!([s["label"], s["subject"], s["state"], s["leaks"]])).collect::<Vec<_>>(),
    });
    (traces, stored)
}

#[test]
fn an_archive_gives_what_a_folder_of_the_same_content_gives() {
    let site = Site::new();
    let folder = site.inbox("P/s");
    dicom::study(&folder.join("b/one"), 1, 2, 2);
    dicom::study(&folder.join("B"), 2, 1, 2);
    fs::copy(folder.join("b/one/1-1.dcm"), folder.join("b.dcm")).unwrap();
    dicom::cut(&folder.join("b/one/2-1.dcm"), 995);
    fs::write(folder.join("notes.txt"), "Scanned on Tuesday.").unwrap();
    fs::write(
        folder.join("inner.zip"),
        zip_bytes(&study(3, 1), CompressionMethod::Stored),
    )
    .unwrap();
    let long = format!("{}.dcm", "l".repeat(250));
    fs::copy(folder.join("B/1-2.dcm"), folder.join(&long)).unwrap();
    // Labels by the path, and what the rules are told of it kept in the files.
    site.rhai(
        "by-path",
        "label",
        &[],
        &[],
        r#"fn label(ds, ctx) { let parts = ctx.path.split("/");
            #{ subject: "S_" + parts[0].to_upper()[0], session: "E_" + ds.get("StudyInstanceUID")[-1] + parts.len() } }"#,
    );
    site.rhai(
        "stamp",
        "anonymize",
        &[],
        &["ImageComments", "StudyInstanceUID"],
        r#"fn anonymize(ds, ctx) { ds.set("ImageComments", ctx.path);
            ds.set("StudyInstanceUID", pseudonym::uid("x")); keep() }"#,
    );
    site.rules(
        "modules/by-path/module.json",
        json!({ "name": "by-path", "version": "1.0.0", "interface": "1", "kind": "label", "engine": "rhai",
                "entry": "rule.rhai", "reads": ["StudyInstanceUID"],
                "limits": { "operations": 100_000, "memory_mb": 16, "deadline_ms": 10_000 } })
        .to_string(),
    );
    site.policy(
        "P",
        &json!({ "label": { "module": "by-path" }, "anonymize": [{ "module": "stamp" }],
                 "leak_check": "report", "file_names": "source" }),
    );
    let content = members(&folder);
    let forget = |done: &Done| {
        for session in done.sessions() {
            let path = format!("/data{}", session["uri"].as_str().unwrap());
            assert_eq!(site.call("ada", "DELETE", &path, &[]).status, 200);
        }
    };
    let of_folder = site.import("P", "P/s", &[]);
    assert_eq!(of_folder.state(), "Completed", "{}", of_folder.resolution());
    assert_eq!(
        of_folder.outcomes(),
        "5 stored, 2 duplicate, 2 not_dicom, 1 cut_short"
    );
    let expected = traces(&site, &of_folder);
    assert_eq!(expected.1.len(), 5);
    forget(&of_folder);
    for name in ["s.zip", "s.ZIP", "s.tar", "s.tgz", "s.tar.gz", "S.Tar.Gz"] {
        fs::write(site.inbox("P").join(name), packed(name, &content)).unwrap();
        let done = site.import("P", &format!("P/{name}"), &[]);
        assert_eq!(done.state(), "Completed", "{name}: {}", done.resolution());
        let found = traces(&site, &done);
        assert_eq!(found.0, expected.0, "{name}");
        assert!(found.1 == expected.1, "{name}: other bytes or names");
        assert_eq!(done.report.as_ref().unwrap()["archive"], json!({}));
        forget(&done);
    }
    assert!(of_folder.report.as_ref().unwrap()["archive"].is_null());
}

#[test]
fn what_is_no_archive_is_refused_at_the_call() {
    let site = Site::new();
    let inbox = site.inbox("P");
    fs::write(inbox.join("a.rar"), "x").unwrap();
    fs::write(inbox.join("tar"), "x").unwrap();
    fs::write(inbox.join("empty.zip"), "").unwrap();
    fs::write(inbox.join("real.zip"), "x").unwrap();
    fs::write(site.inbox("OTHER").join("o.zip"), "x").unwrap();
    symlink("real.zip", inbox.join("link.zip")).unwrap();
    symlink("../OTHER/o.zip", inbox.join("other.zip")).unwrap();
    for (name, why) in [
        ("a.rar", "does not have an archive extension"),
        ("tar", "does not have an archive extension"),
        ("empty.zip", "The specified archive is empty."),
        ("link.zip", "The path parameter must give"),
        ("other.zip", "The path parameter must give"),
        ("none.zip", "The path parameter must give"),
    ] {
        let answer = site.call_import("ada", "P", &format!("P/{name}"), &[]);
        assert_eq!(answer.status, 400, "{name}");
        assert!(answer.text().contains(why), "{name}: {}", answer.text());
    }
    assert_eq!(site.get("root", "/xapi/dicom/list/all").json(), json!([]));
}

#[test]
fn an_archive_goes_only_if_all_its_members_are_safe() {
    let site = Site::new();
    let inbox = site.inbox("P");
    let mut content = study(1, 2);
    fs::write(inbox.join("whole.zip"), packed("zip", &content)).unwrap();
    fs::write(inbox.join("again.tgz"), packed("tgz", &content)).unwrap();
    content.push(("notes.txt".into(), b"Scanned on Tuesday.".to_vec()));
    fs::write(inbox.join("notes.zip"), packed("zip", &content)).unwrap();

    let kept = site.import("P", "P/whole.zip", &[]);
    assert_eq!(kept.outcomes(), "2 stored");
    assert!(inbox.join("whole.zip").exists());
    let again = site.import("P", "P/again.tgz", &[CLEAN]);
    assert_eq!(again.outcomes(), "2 duplicate");
    assert_eq!(
        again.report.as_ref().unwrap()["archive"],
        json!({ "cleaned": true })
    );
    assert!(!inbox.join("again.tgz").exists());
    let notes = site.import("P", "P/notes.zip", &[CLEAN]);
    assert_eq!(notes.outcomes(), "2 duplicate, 1 not_dicom");
    let archive = &notes.report.as_ref().unwrap()["archive"];
    assert_eq!(
        *archive,
        json!({ "cleaned": false, "left": "1 of its 3 members are not stored, first `notes.txt`" })
    );
    assert_eq!(site.files("inbox/P"), ["notes.zip", "whole.zip"]);
}

#[test]
fn an_archive_without_files_fails_and_stays() {
    let site = Site::new();
    let path = site.inbox("P").join("folders.zip");
    fs::write(path, packed("zip", &Vec::new())).unwrap();
    let done = site.import("P", "P/folders.zip", &[CLEAN]);
    assert_eq!(done.state(), "Failed");
    assert!(done.resolution().contains("No valid DICOM files"));
    assert_eq!(site.files("inbox/P"), ["folders.zip"]);
}

/// Flips a bit of the first place that holds `bytes`, or puts others there.
fn patch(archive: &mut [u8], bytes: &[u8], with: &[u8]) {
    let at = archive.windows(bytes.len()).position(|w| w == bytes);
    archive[at.unwrap()..][..with.len()].copy_from_slice(with);
}

#[test]
fn a_bad_member_is_named_and_the_rest_is_imported() {
    let site = Site::new();
    let good = study(1, 2);
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    let mut zip = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let mut add = |name: &str, content: &[u8]| {
        zip.start_file(name, options).unwrap();
        zip.write_all(content).unwrap();
    };
    for (name, content) in &good {
        add(name, content);
    }
    for name in [
        "../climbs.dcm",
        "a/../../climbs.dcm",
        "/root.dcm",
        "C:\\drive.dcm",
        "..\\back.dcm",
    ] {
        add(name, &good[0].1);
    }
    add("twice.XXX", b"one");
    add("twice.YYY", b"two");
    add("locked", b"locked content");
    add("damaged", b"damaged content");
    add("method", b"method content");
    add("n\u{e9}", b"name");
    add("nested.zip", &zip_bytes(&good, CompressionMethod::Stored));
    zip.add_symlink("link", "../../etc/passwd", options)
        .unwrap();
    let mut bytes = zip.finish().unwrap().into_inner();
    // The same name twice, in the header before the data and in the directory.
    patch(&mut bytes, b"twice.YYY", b"twice.XXX");
    patch(&mut bytes, b"twice.YYY", b"twice.XXX");
    patch(&mut bytes, b"damaged content", b"Damaged content");
    // A name in Latin-1, in the directory.
    while bytes.windows(3).any(|w| w == "n\u{e9}".as_bytes()) {
        patch(&mut bytes, "n\u{e9}".as_bytes(), b"n\xe9x");
    }
    // Fields of an entry of the directory (APPNOTE 4.3.12): the flags are 38 bytes before the name, the method 36.
    let entry = |bytes: &[u8], name: &[u8]| {
        let place = bytes.windows(name.len()).rposition(|w| w == name);
        place.unwrap()
    };
    let locked = entry(&bytes, b"locked");
    bytes[locked - 38] |= 1;
    let method = entry(&bytes, b"method");
    bytes[method - 36] = 14;
    fs::write(site.inbox("P").join("bad.zip"), bytes).unwrap();

    let done = site.import("P", "P/bad.zip", &[CLEAN]);
    assert_eq!(done.state(), "Completed", "{}", done.resolution());
    assert_eq!(done.outcomes(), "2 stored, 3 not_dicom, 10 unreadable");
    let report = done.report.as_ref().unwrap();
    let reasons: Vec<(&str, &str)> = report["files"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|file| file["outcome"] == "unreadable")
        .map(|file| {
            (
                file["path"].as_str().unwrap(),
                file["reason"].as_str().unwrap(),
            )
        })
        .collect();
    let climbs = "its name climbs out of the archive";
    assert_eq!(
        reasons,
        [
            ("a/climbs.dcm", climbs),
            ("back.dcm", climbs),
            ("climbs.dcm", climbs),
            ("damaged", reasons[3].1),
            ("drive.dcm", "its name names a drive"),
            ("link", "a symbolic link: not followed"),
            ("locked", "it is encrypted"),
            (
                "method",
                "it is packed by a method that is not supported: LZMA"
            ),
            ("root.dcm", "its name starts at the root"),
            ("twice.XXX", "a member of this name came before it"),
        ]
    );
    assert!(reasons[3].1.contains("checksum"), "{}", reasons[3].1);
    assert_eq!(done.outcome("n\u{fffd}x"), "not_dicom");
    assert_eq!(done.outcome("nested.zip"), "not_dicom");
    assert_eq!(
        site.files("inbox/P"),
        ["bad.zip"],
        "not all of it is stored"
    );
    assert!(!site.path("inbox/climbs.dcm").exists() && !site.path("climbs.dcm").exists());
}

#[test]
fn a_damaged_archive_is_refused_as_a_whole() {
    let site = Site::new();
    let content = study(1, 3);
    let cut = |bytes: Vec<u8>, by: usize| bytes[..bytes.len() - by].to_vec();
    let mut flipped = packed("tgz", &content);
    // The stored checksum of gzip: the last eight bytes but four (RFC 1952 2.3.1).
    let at = flipped.len() - 8;
    flipped[at] ^= 1;
    let tar = tar_bytes(&content);
    let archives = [
        ("cut.zip", cut(packed("zip", &content), 30)),
        ("cut.tar", cut(tar.clone(), 3000)),
        // Its members are whole, the mark behind them is missing.
        ("mark.tar", cut(tar.clone(), 1024)),
        ("cut.tgz", cut(packed("tgz", &content), 500)),
        ("checksum.tgz", flipped),
        ("no.zip", b"PK, or so it says".to_vec()),
        ("no.tar", vec![b'x'; 2000]),
        ("no.tgz", b"\x1f\x8b and nothing".to_vec()),
    ];
    for (name, bytes) in archives {
        fs::write(site.inbox("P").join(name), bytes).unwrap();
        let done = site.import("P", &format!("P/{name}"), &[CLEAN]);
        assert_eq!(done.state(), "Failed", "{name}: {}", done.resolution());
        let why = done.resolution();
        assert!(why.contains("damaged or cut short"), "{name}: {why}");
        assert!(site.inbox("P").join(name).exists(), "{name}");
    }
    assert_eq!(site.files("prearchive"), NOTHING);
    assert_eq!(site.files("staging"), NOTHING);
}

#[test]
fn an_archive_that_breaks_a_limit_is_refused_as_a_whole() {
    let mut site = Site::prepared();
    site.serve(&[
        ("SLUICE_ARCHIVE_MAX_ENTRIES", "20"),
        ("SLUICE_ARCHIVE_MAX_MB", "90"),
        ("SLUICE_ARCHIVE_MAX_MEMBER_MB", "72"),
        ("SLUICE_ARCHIVE_MAX_RATIO", "100"),
    ]);
    let zeros = |megabytes: usize| vec![0; megabytes * 1024 * 1024];
    let empty = |count: usize| (0..count).map(|n| (format!("{n}"), Vec::new())).collect();
    let noise = |megabytes: usize| {
        // Not to be packed: a multiplier's high bytes.
        let mut state = 1_u64;
        let mut next = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 56) as u8
        };
        (0..megabytes * 1024 * 1024)
            .map(|_| next())
            .collect::<Vec<u8>>()
    };
    let many: Members = empty(21);
    let with = |more: Vec<(&str, Vec<u8>)>| {
        let mut members = study(1, 1);
        members.extend(more.into_iter().map(|(name, c)| (name.to_owned(), c)));
        members
    };
    let bomb = with(vec![("a", zeros(40)), ("b", zeros(40))]);
    let large = with(vec![("a", zeros(73))]);
    let all = with(vec![("a", noise(50)), ("b", noise(50))]);
    for (kind, content, setting) in [
        ("zip", &many, "archive_max_entries"),
        ("tgz", &many, "archive_max_entries"),
        ("zip", &bomb, "archive_max_ratio"),
        ("tgz", &bomb, "archive_max_ratio"),
        ("zip", &large, "archive_max_member_mb"),
        ("tgz", &large, "archive_max_member_mb"),
        ("tar", &all, "archive_max_mb"),
    ] {
        let name = format!("{setting}.{kind}");
        fs::write(site.inbox("P").join(&name), packed(&name, content)).unwrap();
        let done = site.import("P", &format!("P/{name}"), &[CLEAN]);
        assert_eq!(done.state(), "Failed", "{name}");
        assert!(
            done.resolution().contains(setting),
            "{name}: {}",
            done.resolution()
        );
        assert!(site.inbox("P").join(&name).exists());
    }
    // Empty images are small: the ratio does not matter to them.
    let blank = with(vec![("blank", zeros(60))]);
    fs::write(site.inbox("P").join("blank.zip"), packed("zip", &blank)).unwrap();
    let done = site.import("P", "P/blank.zip", &[]);
    assert_eq!(done.outcomes(), "1 stored, 1 not_dicom");
}

#[test]
fn an_archive_that_changes_while_it_is_read_is_not_stored_and_stays() {
    let site = Site::new();
    let path = site.inbox("P").join("s.zip");
    fs::write(&path, packed("zip", &study(1, 2))).unwrap();
    site.rhai("slow", "anonymize", &[], &[], SLOW);
    site.policy("P", &json!({ "anonymize": [{ "module": "slow" }] }));
    let address = site.queue("P", "P/s.zip", &[CLEAN]);
    let growing = File::options().write(true).open(&path).unwrap();
    let ended = |status: &Value| status["finished"].is_i64();
    while !ended(&site.get("ada", &address).json()) {
        growing.set_modified(SystemTime::now()).unwrap();
    }
    let done = site.ended(&address);
    assert_eq!(
        (done.state(), done.outcomes().as_str()),
        ("Failed", "2 changed")
    );
    assert!(done.resolution().contains("changed while it was read"));
    assert_eq!(site.files("prearchive"), NOTHING);
    assert_eq!(site.files("inbox/P"), ["s.zip"]);
}

#[test]
fn what_was_unpacked_is_private_and_gone_after_a_crash() {
    let mut site = Site::prepared();
    site.rhai("slow", "anonymize", &[], &[], SLOW);
    site.policy("P", &json!({ "anonymize": [{ "module": "slow" }] }));
    fs::write(site.inbox("P").join("s.zip"), packed("zip", &study(1, 40))).unwrap();
    site.serve(&[]);
    let address = site.queue("P", "P/s.zip", &[CLEAN]);
    wait_for("the first staged files", || {
        (site.instances("staging").len() > 42).then_some(())
    });
    site.kill();
    let unpacked = site.path("staging/1-1/unpacked");
    let mode = std::os::unix::fs::MetadataExt::mode(&fs::metadata(&unpacked).unwrap());
    assert_eq!(mode & 0o777, 0o700);
    site.serve(&[]);
    let done = site.ended(&address);
    assert_eq!(done.outcomes(), "40 stored");
    assert_eq!(site.files("staging"), NOTHING);
    assert!(!unpacked.exists());
    assert_eq!(site.files("inbox/P"), NOTHING);
}

#[test]
fn an_archive_that_was_cleaned_up_before_a_crash_completes() {
    let mut site = Site::prepared();
    fs::write(site.inbox("P").join("s.tar"), packed("tar", &study(1, 2))).unwrap();
    site.serve(&[]);
    let address = site.queue("P", "P/s.tar", &[CLEAN]);
    let first = site.ended(&address);
    assert_eq!(site.files("inbox/P"), NOTHING);
    site.kill();
    unfinish(&site, first.id(), "Processed");
    site.serve(&[]);
    let again = site.ended(&address);
    assert_eq!(again.state(), "Completed", "{}", again.resolution());
    assert_eq!(again.outcomes(), "2 stored");
    assert_eq!(again.session()["uri"], first.session()["uri"]);
}
