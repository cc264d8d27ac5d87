//! Looking at sessions over REST: thumbnails, headers, summaries and the list of what waits.

use std::fs;
use std::path::Path;

use dicom_dictionary_std::tags;
use serde_json::{Value, json};
use sluice::sample::{Corpus, Kind, Syntax};

use crate::dicom;
use crate::site::Site;

const DUMP: &str = "/data/services/dicomdump";

/// Imports what is in P's folder `s` as ada, into the prearchive.
fn waiting(site: &Site) -> String {
    let done = site.import("P", "P/s", &[("SUBJECT_ID", "S1"), ("EXPT_LABEL", "E1")]);
    done.session()["uri"].as_str().unwrap().to_owned()
}

/// A picture's width, height and kind of colour, by its header (PNG 11.2.2).
fn picture(png: &[u8]) -> (u32, u32, u8) {
    assert_eq!(
        &png[..8],
        b"\x89PNG\r\n\x1a\n",
        "{}",
        String::from_utf8_lossy(png)
    );
    let number = |at: usize| u32::from_be_bytes(png[at..at + 4].try_into().unwrap());
    (number(16), number(20), png[25])
}

fn compressed(folder: &Path) {
    let corpus = Corpus {
        syntax: Syntax::Rle,
        first_study: 5,
        slices: 1,
        rows: 300,
        columns: 512,
        ..Corpus::new(Kind::Tiny)
    };
    corpus.write(folder).unwrap();
}

#[test]
fn a_thumbnail_is_made_of_the_middle_instance_and_known_again() {
    let site = Site::new();
    dicom::study(&site.inbox("P/s"), 1, 1, 3);
    let uri = waiting(&site);
    let path = format!("/data{uri}/scans/1/thumbnail");
    let answer = site.get("ada", &path);
    assert_eq!((answer.status, answer.kind.as_str()), (200, "image/png"));
    assert_eq!(picture(&answer.body), (16, 16, 0));
    assert_eq!(answer.header("cache-control"), "private, no-cache");
    let tag = answer.header("etag").to_owned();
    let again = site.open("ada", &path, &[("If-None-Match", &tag)]);
    assert_eq!(again.status(), 304);
    let other = site.open("ada", &path, &[("If-None-Match", "\"other\"")]);
    assert_eq!(other.status(), 200);
    let none = format!("/data{uri}/scans/7/thumbnail");
    assert_eq!(site.get("ada", &none).status, 404);

    let archived = site.post_form("ada", "/data/services/archive", &[("src", &uri)]);
    assert_eq!(archived.status, 200, "{}", archived.text());
    let there = "/data/projects/P/subjects/S1/experiments/E1/scans/1/thumbnail";
    let answer = site.get("bob", there);
    assert_eq!((answer.status, picture(&answer.body)), (200, (16, 16, 0)));
    assert_eq!(site.get("eve", there).status, 404);
}

#[test]
fn compressed_pixels_are_shown_and_damaged_ones_refused() {
    let site = Site::new();
    compressed(&site.inbox("P/s"));
    let uri = waiting(&site);
    let path = format!("/data{uri}/scans/1/thumbnail");
    let answer = site.get("ada", &path);
    assert_eq!(picture(&answer.body), (256, 150, 0));
    // What is stored is damaged behind the server's back: its RLE header counts no segments.
    let folder = uri.replace("/prearchive/projects", "prearchive");
    let stored = site.path(&folder).join(&site.instances(&folder)[0]);
    let mut bytes = fs::read(&stored).unwrap();
    let pixels = bytes
        .windows(4)
        .position(|four| four == [0xE0, 0x7F, 0x10, 0x00]);
    let pixels = pixels.unwrap();
    // Behind tag, VR and length come the offset table's item and that of the fragment.
    let table = u32::from_le_bytes(bytes[pixels + 16..pixels + 20].try_into().unwrap());
    let header = pixels + 12 + 8 + table as usize + 8;
    bytes[header..header + 64].fill(0);
    fs::write(&stored, bytes).unwrap();
    let answer = site.get("ada", &path);
    assert_eq!(answer.status, 422);
    assert!(answer.text().contains("segments"), "{}", answer.text());
    fs::write(&stored, "no DICOM at all").unwrap();
    assert_eq!(site.get("ada", &path).status, 422);
}

#[test]
fn of_many_frames_one_is_read() {
    let site = Site::new();
    let corpus = Corpus {
        first_study: 5,
        slices: 300,
        ..Corpus::new(Kind::Enhanced)
    };
    let written = corpus.write(&site.inbox("P/s")).unwrap();
    assert!(written.bytes > 150_000_000);
    let uri = waiting(&site);
    let before = site.server().peak_memory();
    let answer = site.get("ada", &format!("/data{uri}/scans/1/thumbnail"));
    assert_eq!(picture(&answer.body), (256, 256, 0));
    let more = site.server().peak_memory() - before;
    assert!(more < 50_000_000, "{more} bytes more");
}

fn header(site: &Site, user: &str, source: &str, fields: &[&str]) -> Vec<Value> {
    let mut query = vec![("src", source)];
    query.extend(fields.iter().map(|field| ("field", *field)));
    site.call(user, "GET", DUMP, &query).rows()
}

fn looks(site: &Site) -> Vec<String> {
    let rows = site.audit("session/1").into_iter();
    let looks = rows.filter(|(_, action)| action == "session.header");
    looks.map(|(user, _)| user).collect()
}

#[test]
fn a_header_is_told_as_xnat_tells_it_and_the_look_is_audited() {
    let site = Site::new();
    dicom::study(&site.inbox("P/s"), 1, 1, 2);
    let source = site.inbox("P/s").join("1-1.dcm");
    let id = dicom::text(&source, tags::STUDY_ID).unwrap();
    let uri = waiting(&site);
    let scan = format!("{uri}/scans/1");
    let rows = header(&site, "ada", &scan, &[]);
    let of = |tag: &str| {
        let mut rows = rows.iter();
        rows.find(|row| row["tag1"] == tag && row["tag2"] == "")
            .unwrap_or_else(|| panic!("{tag}"))
    };
    let study = of("(0020,0010)");
    assert_eq!(study["value"], id.trim());
    assert_eq!(
        (&study["vr"], &study["desc"], &study["path"]),
        (&json!("SH"), &json!("StudyID"), &json!("(0020,0010)"))
    );
    let first = of("(0020,0013)");
    assert_eq!(first["value"], "1", "the first of its instances");
    assert_eq!(of("(0002,0010)")["vr"], "UI");
    assert_eq!(of("(7FE0,0010)")["value"], "(512 bytes)");
    // What is in a sequence names that and itself.
    let nested = rows.iter().find(|row| row["tag2"] != "").unwrap();
    let text = |name: &str| nested[name].as_str().unwrap();
    assert!(text("path").starts_with(&format!("{}[0]/", text("tag1"))));
    assert!(text("path").ends_with(text("tag2")), "{nested}");
    // By name and by number; another file.
    let some = header(&site, "ada", &scan, &["StudyID", "00080060"]);
    let tags: Vec<_> = some.iter().map(|row| row["tag1"].clone()).collect();
    assert_eq!(tags, ["(0008,0060)", "(0020,0010)"]);
    let files = site.get("ada", &format!("/data{scan}/files")).rows();
    let last = files.last().unwrap()["URI"].as_str().unwrap();
    let some = header(&site, "ada", last, &["InstanceNumber"]);
    assert_eq!(some[0]["value"], "2");

    let refused = [("src", scan.as_str()), ("field", "StudyI")];
    assert_eq!(site.call("ada", "GET", DUMP, &refused).status, 400);
    let src = [("src", scan.as_str())];
    assert_eq!(site.call("eve", "GET", DUMP, &src).status, 404);
    assert_eq!(looks(&site), ["ada", "ada", "ada"]);
}

#[test]
fn held_sessions_are_shown_to_owners_alone() {
    let site = Site::new();
    dicom::study(&site.inbox("P/s"), 1, 1, 1);
    site.policy("P", &json!({ "leak_check": "quarantine" }));
    let uri = waiting(&site);
    for path in [
        format!("/data{uri}/scans/1/thumbnail"),
        format!("{DUMP}?src={uri}"),
    ] {
        let answers = ["eve", "bob", "ada", "otto"].map(|user| site.get(user, &path).status);
        assert_eq!(answers, [404, 403, 403, 200], "{path}");
    }
    let visible = |user: &str| {
        let summary = site.get(user, &format!("/data{uri}/summary")).json();
        (summary["status"].clone(), summary["filesVisible"].clone())
    };
    assert_eq!(visible("ada"), (json!("QUARANTINED"), json!(false)));
    assert_eq!(visible("otto"), (json!("QUARANTINED"), json!(true)));
    assert_eq!(looks(&site), ["otto"], "who was refused has seen nothing");
}

#[test]
fn the_list_is_cut_into_pages_and_searched() {
    let site = Site::new();
    for (number, label) in [(1, "E1"), (2, "E2"), (3, "OTHER3")] {
        dicom::study(&site.inbox(&format!("P/{label}")), number, 2, 2);
        let labels = [("SUBJECT_ID", "S1"), ("EXPT_LABEL", label)];
        site.import("P", &format!("P/{label}"), &labels);
    }
    let list = |user: &str, query: &[(&str, &str)]| {
        let answer = site.call(user, "GET", "/xapi/prearchive", query);
        let rows = answer.json().as_array().unwrap().clone();
        let labels = rows.iter().map(|row| row["label"].as_str().unwrap());
        let labels = labels.collect::<Vec<_>>().join(" ");
        (labels, answer.header("x-total-count").to_owned(), rows)
    };
    let (labels, total, rows) = list("ada", &[]);
    assert_eq!((labels.as_str(), total.as_str()), ("OTHER3 E2 E1", "3"));
    assert_eq!(
        (&rows[0]["scans"], &rows[0]["files"], &rows[0]["modality"]),
        (&json!(2), &json!(4), &json!("CT"))
    );
    let (labels, total, _) = list("ada", &[("limit", "1"), ("offset", "1")]);
    assert_eq!((labels.as_str(), total.as_str()), ("E2", "3"));
    assert_eq!(list("ada", &[("q", "other")]).0, "OTHER3");
    assert_eq!(list("ada", &[("status", "CONFLICT")]).0, "");
    assert_eq!(list("ada", &[("project", "OTHER")]).0, "");
    for user in ["bob", "eve"] {
        assert_eq!(list(user, &[]).1, "0", "{user}");
    }
    for bad in [("limit", "0"), ("status", "GONE")] {
        let answer = site.call("ada", "GET", "/xapi/prearchive", &[bad]);
        assert_eq!(answer.status, 400);
    }
}
