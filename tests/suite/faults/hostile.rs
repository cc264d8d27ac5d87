//! Input that is made to do harm: refused, or handled within the limits, while another project's imports go on as
//! ever and the server stays small.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use flate2::write::GzEncoder;
use flate2::{Compress, Compression, FlushCompress};
use rustix::fs::{Mode, OFlags, mkdirat, openat};
use serde_json::{Value, json};

use crate::server::wait_for;
use crate::site::Site;
use crate::{dicom, forms};

/// What the server may come to need, whatever is imported.
const MOST_MEMORY: u64 = 150 << 20;

const EMPTY_FILES: (&str, u32) = ("SLUICE_TEST_EMPTY_FILES", 50_000);
/// The default of `import_max_files`.
const MAX_FILES: u32 = 200_000;
const CLEAN: (&str, &str) = ("cleanupAfterImport", "true");

/// Another project's import, and what the server has needed so far.
fn others_are_unharmed(site: &Site, number: u32) -> u64 {
    let below = format!("AUTO/other{number}");
    dicom::study(&site.inbox(&below), 1000 + number, 1, 2);
    let done = site.import("AUTO", &below, &[CLEAN]);
    assert_eq!(done.outcomes(), "2 stored", "{}", done.resolution());
    let peak = site.server().memory("VmHWM");
    assert!(peak < MOST_MEMORY, "{} MB", peak >> 20);
    peak >> 20
}

/// A megabyte of zeros, deflated so that it can be put behind itself.
fn deflated_megabyte() -> Vec<u8> {
    let mut packed = Vec::with_capacity(64 << 10);
    let mut deflate = Compress::new(Compression::best(), false);
    let zeros = vec![0; 1 << 20];
    // What ends in a full flush refers to nothing before it.
    let flush = FlushCompress::Full;
    deflate.compress_vec(&zeros, &mut packed, flush).unwrap();
    packed
}

/// A zip with one member of so many megabytes of zeros, which says of itself that it has `claimed` bytes.
fn zip_bomb(path: &Path, megabytes: u32, claimed: u64) {
    let name = b"1.dcm";
    let block = deflated_megabyte();
    let packed = block.len() as u64 * u64::from(megabytes) + 2;
    // APPNOTE 4.3.7, 4.3.12, 4.3.16; sizes in the extra field of ZIP64 (4.5.3).
    let mut local = b"PK\x03\x04\x2d\0\0\0\x08\0\0\0\0\0\0\0\0\0".to_vec();
    local.extend([0xff; 8]);
    local.extend([name.len() as u8, 0, 20, 0]);
    local.extend(name);
    let extra = [
        &b"\x01\0\x10\0"[..],
        &claimed.to_le_bytes(),
        &packed.to_le_bytes(),
    ]
    .concat();
    local.extend(&extra);
    let mut file = std::io::BufWriter::new(File::create(path).unwrap());
    file.write_all(&local).unwrap();
    for _ in 0..megabytes {
        file.write_all(&block).unwrap();
    }
    file.write_all(b"\x03\0").unwrap();
    let mut directory = b"PK\x01\x02\x2d\x03\x2d\0\0\0\x08\0\0\0\0\0\0\0\0\0".to_vec();
    directory.extend([0xff; 8]);
    directory.extend([name.len() as u8, 0, 20, 0]);
    directory.extend([0; 14]);
    directory.extend(name);
    directory.extend(&extra);
    let at = (local.len() as u64 + packed) as u32;
    file.write_all(&directory).unwrap();
    let mut end = b"PK\x05\x06\0\0\0\0\x01\0\x01\0".to_vec();
    end.extend((directory.len() as u32).to_le_bytes());
    end.extend(at.to_le_bytes());
    end.extend([0, 0]);
    file.write_all(&end).unwrap();
    file.flush().unwrap();
}

/// The same as a gzipped tar.
fn tgz_bomb(path: &Path, megabytes: u32) {
    let mut header = tar::Header::new_gnu();
    header.set_path("1.dcm").unwrap();
    header.set_size(u64::from(megabytes) << 20);
    header.set_mode(0o644);
    header.set_cksum();
    let mut start = GzEncoder::new(Vec::new(), Compression::none());
    start.write_all(header.as_bytes()).unwrap();
    start.flush().unwrap();
    let block = deflated_megabyte();
    let mut file = File::create(path).unwrap();
    file.write_all(start.get_ref()).unwrap();
    for _ in 0..megabytes {
        file.write_all(&block).unwrap();
    }
    file.write_all(b"\x03\0\0\0\0\0\0\0\0\0").unwrap();
}

#[test]
fn a_bomb_of_ten_gigabytes_is_refused() {
    const MEGABYTES: u32 = 10 << 10;
    let site = Site::new();
    let inbox = site.inbox("P");
    zip_bomb(
        &inbox.join("says.zip"),
        MEGABYTES,
        u64::from(MEGABYTES) << 20,
    );
    zip_bomb(&inbox.join("lies.zip"), MEGABYTES, 5000);
    tgz_bomb(&inbox.join("bomb.tgz"), MEGABYTES);
    let names = ["says.zip", "lies.zip", "bomb.tgz"];
    let mut peak = 0;
    for (number, name) in names.into_iter().enumerate() {
        let address = site.queue("P", &format!("P/{name}"), &[CLEAN]);
        peak = others_are_unharmed(&site, number as u32);
        let done = site.ended(&address);
        // One that lies is found out by its first byte too many: the member is no good, and nothing else is there.
        let (state, why) = (done.state(), done.resolution());
        assert_eq!(state, "Failed", "{name}: {why}");
        let is_told = why.contains("archive_max_ratio") || done.outcomes() == "1 unreadable";
        assert!(is_told, "{name}: {why}");
        assert!(inbox.join(name).exists());
    }
    assert_eq!(site.files("prearchive"), Vec::<String>::new());
    forms::told(
        "bombs of 10 GB (zip, one that lies, tgz)",
        &format!("{} archives", names.len()),
        &format!("refused, others unharmed, peak {peak} MB"),
    );
}

#[test]
fn a_folder_of_very_many_empty_files_is_handled() {
    let count = forms::size(EMPTY_FILES.0, EMPTY_FILES.1);
    let mut site = Site::new();
    let folder = site.inbox("P/s");
    for number in 0..count {
        // Folders of a thousand, and an odd one.
        let part = folder.join(format!("{}", number / 1000));
        if number % 1000 == 0 {
            fs::create_dir(&part).unwrap();
        }
        File::create(part.join(format!("{number}"))).unwrap();
    }
    dicom::study(&folder.join("x"), 1, 1, 2);
    let address = site.queue("P", "P/s", &[CLEAN]);
    let mut number = 0;
    let status = wait_for("the end", || {
        others_are_unharmed(&site, number);
        number += 1;
        let status = site.get("root", &address).json();
        status["finished"].is_i64().then_some(status)
    });
    let peak = site.server().memory("VmHWM") >> 20;
    assert!(peak < MOST_MEMORY >> 20, "{peak} MB");
    if count > MAX_FILES {
        // Too many to be known at once: said before any is read.
        let why = status["resolution"].as_str().unwrap();
        assert!(why.contains("import_max_files"), "{why}");
        assert!(folder.join("x/1-1.dcm").exists());
        assert_eq!(site.files("prearchive"), Vec::<String>::new());
        forms::told(
            "empty files in one request",
            &format!("{count} files"),
            &format!("refused, {number} other imports unharmed, peak {peak} MB"),
        );
        return;
    }
    let counts = &status["counts"];
    assert_eq!(counts["stored"], 2, "{status:#}");
    assert_eq!(counts["not_dicom"], count, "{status:#}");
    assert_eq!(counts["found"], count + 2);
    // Each of them is named; the report is too large to be read as one document here.
    let report = site.get("root", &format!("{address}/report"));
    let named = report.text().matches("\"not_dicom\"").count();
    assert!(named >= count as usize, "{named}");
    let peak = site.server().memory("VmHWM") >> 20;
    site.interrupt();
    forms::told(
        "empty files in one request",
        &format!("{count} files"),
        &format!("each named, {number} other imports unharmed, peak {peak} MB"),
    );
}

#[test]
fn the_longest_names_any_bytes_and_the_deepest_folders_are_handled() {
    let site = Site::new();
    let folder = site.inbox("P/s");
    let scratch = site.path("scratch");
    dicom::study(&scratch, 1, 1, 8);
    let from = |slice: u32| fs::read(scratch.join(format!("1-{slice}.dcm"))).unwrap();
    let bytes: Vec<u8> = (1..=255).filter(|byte| *byte != b'/').collect();
    let names = [
        vec![b'n'; 255],
        vec![0xff; 255],
        bytes,
        b"\xc3\x28\xa0\xa1".to_vec(),
        b"\x1b[31mred\r\n".to_vec(),
    ];
    for (name, slice) in names.iter().zip(1..) {
        fs::write(folder.join(OsStr::from_bytes(name)), from(slice)).unwrap();
    }
    // Folders whose path is longer than any call takes, one level more than is entered.
    let mut deep = File::open(&folder).unwrap();
    for level in 1..=101 {
        let name = "d".repeat(255);
        mkdirat(&deep, &name, Mode::RWXU).unwrap();
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        deep = File::from(openat(&deep, &name, flags, Mode::empty()).unwrap());
        if level == 50 || level == 101 {
            let flags = OFlags::WRONLY | OFlags::CREATE;
            let file = openat(&deep, "f", flags, Mode::RWXU).unwrap();
            let slice = if level == 50 { 6 } else { 7 };
            File::from(file).write_all(&from(slice)).unwrap();
        }
    }
    let done = site.import("P", "P/s", &[]);
    assert_eq!(done.state(), "Completed", "{}", done.resolution());
    assert_eq!(done.outcomes(), "6 stored, 1 unreadable");
    let peak = others_are_unharmed(&site, 0);
    // No such byte gets into a stored name.
    for file in site.instances("prearchive") {
        let is_plain = file.bytes().all(|b| b.is_ascii_graphic() || b == b' ');
        assert!(is_plain, "{file:?}");
    }
    forms::told(
        "names of 255 bytes and not UTF-8, folders 101 deep",
        &format!("{} names", names.len()),
        &format!("stored or named, peak {peak} MB"),
    );
}

/// A file with so many sequences in each other, and a name at the bottom.
fn nested(good: &[u8], pixels: usize, depth: usize) -> Vec<u8> {
    let open = b"\x40\0\x30\xa7SQ\0\0\xff\xff\xff\xff\xfe\xff\0\xe0\xff\xff\xff\xff";
    let close = b"\xfe\xff\x0d\xe0\0\0\0\0\xfe\xff\xdd\xe0\0\0\0\0";
    let name = b"\x10\0\x10\0PN\x08\0DEEP^PHI";
    [
        &good[..pixels],
        &open.repeat(depth),
        name,
        &close.repeat(depth),
        &good[pixels..],
    ]
    .concat()
}

#[test]
fn sequences_ten_thousand_deep_are_edited_to_the_bottom_or_refused() {
    let site = Site::new();
    let folder = site.inbox("P/s");
    dicom::study(&folder, 1, 1, 4);
    // (7FE0,0010) OW: the files are in explicit VR little endian.
    let pixel_data = b"\xe0\x7f\x10\0OW";
    let depths = [10, 1_000, 10_000];
    for (slice, depth) in (1..).zip(depths) {
        let path = folder.join(format!("1-{slice}.dcm"));
        let good = fs::read(&path).unwrap();
        let pixels = good.windows(6).position(|w| w == pixel_data).unwrap();
        fs::write(&path, nested(&good, pixels, depth)).unwrap();
    }
    site.policy(
        "P",
        &json!({ "anonymize": [{ "module": "ps315-basic" }], "leak_check": "report" }),
    );
    let done = site.import("P", "P/s", &[]);
    assert_eq!(done.state(), "Completed", "{}", done.resolution());
    assert_eq!(done.outcome("1-1.dcm"), "stored");
    assert_eq!(done.outcome("1-4.dcm"), "stored");
    let files: &Vec<Value> = done.report.as_ref().unwrap()["files"].as_array().unwrap();
    for file in files.iter().filter(|file| file["outcome"] != "stored") {
        let why = file["reason"].as_str().unwrap();
        assert!(why.contains("deep"), "{why}");
    }
    for file in site.instances("prearchive") {
        let bytes = fs::read(site.path("prearchive").join(file)).unwrap();
        assert!(!bytes.windows(8).any(|w| w == b"DEEP^PHI"));
    }
    let peak = others_are_unharmed(&site, 0);
    forms::told(
        "sequences in sequences",
        "10, 1000 and 10000 deep",
        &format!("edited to the bottom or refused, peak {peak} MB"),
    );
}
