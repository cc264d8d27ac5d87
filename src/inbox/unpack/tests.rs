//! Archives as nobody should make them, and some that are odd and fine.

use super::*;
use crate::inbox::{Format, Found};
use std::fs;
use std::io::{Read, Write};

const LIMITS: Limits = Limits {
    bytes: 100 * MB,
    member_bytes: 90 * MB,
    entries: 1000,
    ratio: 100,
};

struct Outcome {
    _folder: tempfile::TempDir,
    members: Result<Vec<Found>, UnpackError>,
}

fn unpacked(bytes: &[u8], format: Format) -> Outcome {
    let folder = tempfile::tempdir().expect("temp");
    let path = folder.path().join("archive");
    fs::write(&path, bytes).expect("archive");
    let file = File::open(path).expect("archive");
    let into = folder.path().join("unpacked");
    let members = unpack(&file, format, &into, &LIMITS, &mut |_| true);
    Outcome {
        _folder: folder,
        members,
    }
}

impl Outcome {
    /// Each member's path, and its content or what is wrong with it.
    fn listed(&self) -> Vec<(String, String)> {
        let members = self.members.as_ref().expect("unpacked");
        let content = |found: &Found| match found.open() {
            Ok(mut file) => {
                let mut text = String::new();
                file.read_to_string(&mut text).expect("text");
                text
            }
            Err(trouble) => format!("! {trouble}"),
        };
        members.iter().map(|m| (m.display(), content(m))).collect()
    }

    fn why(&self) -> String {
        self.members.as_ref().expect_err("refused").to_string()
    }
}

fn pairs(listed: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(path, content): &(&str, &str)| ((*path).to_owned(), (*content).to_owned());
    listed.iter().map(owned).collect()
}

fn tar_of(fill: impl FnOnce(&mut ::tar::Builder<Vec<u8>>)) -> Vec<u8> {
    let mut builder = ::tar::Builder::new(Vec::new());
    fill(&mut builder);
    builder.into_inner().expect("tar")
}

fn add(builder: &mut ::tar::Builder<Vec<u8>>, name: &str, content: &[u8]) {
    let mut header = ::tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    builder
        .append_data(&mut header, name, content)
        .expect("member");
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(bytes).expect("gzip");
    gz.finish().expect("gzip")
}

fn zip_of(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ::zip::ZipWriter::new(io::Cursor::new(Vec::new()));
    let options = ::zip::write::SimpleFileOptions::default()
        .compression_method(::zip::CompressionMethod::Stored);
    for (name, content) in members {
        zip.start_file(*name, options).expect("member");
        zip.write_all(content).expect("member");
    }
    zip.finish().expect("zip").into_inner()
}

#[test]
fn members_come_in_the_order_of_a_walk() {
    let names = ["b", "a/c", "a.d", "a/b/x", "B"];
    let members: Vec<(&str, &[u8])> = names.iter().map(|n| (*n, n.as_bytes())).collect();
    let listed = unpacked(&zip_of(&members), Format::Zip).listed();
    let paths: Vec<&str> = listed.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(paths, ["B", "a/b/x", "a/c", "a.d", "b"]);
    assert!(listed.iter().all(|(path, content)| path == content));
}

#[test]
fn links_devices_and_sparse_forms_are_named() {
    let bytes = tar_of(|builder| {
        add(builder, "file", b"content");
        for (kind, name) in [
            (::tar::EntryType::Symlink, "symlink"),
            (::tar::EntryType::Link, "hard"),
            (::tar::EntryType::Char, "device"),
            (::tar::EntryType::Fifo, "pipe"),
        ] {
            let mut header = ::tar::Header::new_gnu();
            header.set_entry_type(kind);
            header.set_size(0);
            builder
                .append_link(&mut header, name, "file")
                .expect("link");
        }
        let sparse = [("GNU.sparse.major", b"1".as_slice())];
        builder.append_pax_extensions(sparse).expect("pax");
        add(builder, "sparse", b"1\n0\n5\nbytes");
        let mut folder = ::tar::Header::new_gnu();
        folder.set_entry_type(::tar::EntryType::Directory);
        folder.set_size(0);
        builder
            .append_data(&mut folder, "folder/", io::empty())
            .expect("folder");
    });
    let link = "! a symbolic link: not followed";
    assert_eq!(
        unpacked(&bytes, Format::Tar).listed(),
        pairs(&[
            ("device", "! not a regular file"),
            ("file", "content"),
            ("hard", "! a hard link to another member: not followed"),
            ("pipe", "! not a regular file"),
            (
                "sparse",
                "! it is packed by a method that is not supported: sparse pax"
            ),
            ("symlink", link),
        ])
    );
}

#[test]
fn long_names_and_pax_names_are_taken() {
    let long = format!("{}/{}", "d".repeat(255), "f".repeat(255));
    let bytes = tar_of(|builder| {
        add(builder, &long, b"gnu");
        builder
            .append_pax_extensions([("path", "pax/ü".as_bytes())])
            .expect("pax");
        add(builder, "short", b"pax");
    });
    assert_eq!(
        unpacked(&bytes, Format::Tar).listed(),
        pairs(&[(&long, "gnu"), ("pax/ü", "pax")])
    );
}

#[test]
fn a_sparse_file_of_the_gnu_form_is_as_long_as_it_says() {
    let mut header = ::tar::Header::new_gnu();
    header.set_entry_type(::tar::EntryType::GNUSparse);
    header.set_path("sparse").expect("path");
    header.set_size(3);
    let gnu = header.as_gnu_mut().expect("gnu");
    // Three bytes at 512 of 515, in octal.
    gnu.sparse[0].offset = *b"00000001000\0";
    gnu.sparse[0].numbytes = *b"00000000003\0";
    gnu.realsize = *b"00000001003\0";
    header.set_cksum();
    let bytes = tar_of(|builder| builder.append(&header, b"end".as_slice()).expect("member"));
    let content = format!("{}end", "\0".repeat(512));
    assert_eq!(
        unpacked(&bytes, Format::Tar).listed(),
        pairs(&[("sparse", &content)])
    );
}

#[test]
fn a_size_that_can_not_be_is_refused_before_anything_is_read() {
    let mut header = ::tar::Header::new_gnu();
    header.set_path("huge").expect("path");
    header.set_size(u64::MAX / 2);
    header.set_cksum();
    let mut bytes = header.as_bytes().to_vec();
    bytes.extend([0; 2048]);
    let why = unpacked(&bytes, Format::Tar).why();
    assert!(why.contains("archive_max_member_mb"), "{why}");
}

#[test]
fn headers_are_not_read_without_end() {
    let mut header = ::tar::Header::new_gnu();
    header.set_entry_type(::tar::EntryType::GNULongName);
    header.set_path("././@LongLink").expect("path");
    header.set_size(80 * MB);
    header.set_cksum();
    let mut bytes = header.as_bytes().to_vec();
    bytes.resize(bytes.len() + 80 * 1024 * 1024, b'a');
    add_end(&mut bytes);
    let why = unpacked(&gzip(&bytes), Format::Tar).why();
    assert!(why.contains("headers of a member are too long"), "{why}");
}

fn add_end(tar: &mut Vec<u8>) {
    tar.extend([0; 1024]);
}

#[test]
fn gzip_in_parts_and_padded_is_read() {
    let tar = tar_of(|builder| {
        add(builder, "a", b"one");
        add(builder, "b", b"two");
    });
    let (front, back) = tar.split_at(700);
    let mut bytes = [gzip(front), gzip(back)].concat();
    let expected = pairs(&[("a", "one"), ("b", "two")]);
    assert_eq!(unpacked(&bytes, Format::Tar).listed(), expected);
    bytes.extend([0; 20_000]);
    assert_eq!(unpacked(&bytes, Format::Tar).listed(), expected);
    assert_eq!(unpacked(&tar, Format::Tar).listed(), expected);
}

#[test]
fn what_follows_the_end_mark_is_not_lost_without_a_word() {
    let one = tar_of(|builder| add(builder, "a", b"one"));
    let two = tar_of(|builder| add(builder, "b", b"two"));
    let joined = [
        [&one[..], &two].concat(),
        [gzip(&one), gzip(&two)].concat(),
        gzip(&[&one[..], &two].concat()),
        [gzip(&one), b"garbage".to_vec()].concat(),
    ];
    for bytes in joined {
        let why = unpacked(&bytes, Format::Tar).why();
        assert!(why.contains("more follows its end mark"), "{why}");
    }
}

#[test]
fn what_follows_the_end_in_a_gzip_counts_too() {
    let mut tar = tar_of(|builder| add(builder, "a", b"one"));
    tar.resize(tar.len() + 70 * 1024 * 1024, 0);
    let why = unpacked(&gzip(&tar), Format::Tar).why();
    assert!(why.contains("archive_max_ratio"), "{why}");
}

#[test]
fn members_that_share_bytes_are_a_bomb() {
    let mut bytes = zip_of(&[("aa", b"0123456789"), ("bb", b"0123456789")]);
    // Both entries of the directory name the first member's header; its offset is 4 bytes before the name.
    let at = bytes.windows(2).rposition(|w| w == b"bb").expect("entry");
    bytes[at - 4..at].fill(0);
    let why = unpacked(&bytes, Format::Zip).why();
    assert!(why.contains("share bytes"), "{why}");
}

#[test]
fn a_directory_with_more_or_fewer_entries_than_it_says_is_damaged() {
    let mut bytes = zip_of(&[("a", b"1"), ("b", b"2")]);
    // The counts in the end record (APPNOTE 4.3.16).
    let end = bytes.len() - 22;
    bytes[end + 8] = 1;
    bytes[end + 10] = 1;
    assert!(matches!(
        unpacked(&bytes, Format::Zip).members,
        Err(UnpackError::Damaged(_))
    ));
}

#[test]
fn zip64_and_windows_names_are_read_and_deep_paths_named() {
    let mut zip = ::zip::ZipWriter::new(io::Cursor::new(Vec::new()));
    let options = ::zip::write::SimpleFileOptions::default().large_file(true);
    let deep = format!("{}file", "d/".repeat(100));
    let fits = format!("{}file", "d/".repeat(99));
    for name in ["large", "a\\b\\c", &deep, &fits] {
        zip.start_file(name, options).expect("member");
        zip.write_all(b"content").expect("member");
    }
    let bytes = zip.finish().expect("zip").into_inner();
    let listed = unpacked(&bytes, Format::Zip).listed();
    let deep_told = (deep, "! folders nest deeper than 100".to_owned());
    assert!(listed.contains(&deep_told), "{listed:?}");
    for path in ["large", "a/b/c", &fits] {
        assert!(listed.contains(&(path.to_owned(), "content".to_owned())));
    }
    assert_eq!(listed.len(), 4);
}

#[test]
fn the_caller_may_stop_it() {
    let folder = tempfile::tempdir().expect("temp");
    let path = folder.path().join("archive");
    fs::write(&path, zip_of(&[("a", b"1"), ("b", b"2")])).expect("archive");
    let file = File::open(path).expect("archive");
    let into = folder.path().join("unpacked");
    let mut left = 1;
    let stopped = unpack(&file, Format::Zip, &into, &LIMITS, &mut |_| {
        left -= 1;
        left >= 0
    });
    assert!(matches!(stopped, Err(UnpackError::Stopped)));
}
