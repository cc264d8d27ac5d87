//! Imports of a file that comes with the call: they go the way of everything in the inbox, answer where it went,
//! and leave nothing behind.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;

use dicom_core::VR;
use dicom_dictionary_std::tags;
use serde_json::json;

use crate::answer::{Answer, authorization};
use crate::archives;
use crate::dicom;
use crate::server::wait_for;
use crate::site::Site;

const IMPORT: &str = "/data/services/import";
const NOTHING: Vec<String> = Vec::new();

/// A study of so many files, packed.
fn study(site: &Site, number: u32, files: u32) -> Vec<u8> {
    let folder = site.path(&format!("study-{number}"));
    fs::create_dir_all(&folder).unwrap();
    dicom::study(&folder, number, 1, files);
    let archive = site.path(&format!("study-{number}.zip"));
    archives::zip(&folder, &archive);
    fs::read(archive).unwrap()
}

fn tgz(folder: &Path) -> Vec<u8> {
    let packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let mut tar = tar::Builder::new(packed);
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        tar.append_path_with_name(&path, path.file_name().unwrap())
            .unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap()
}

fn upload(site: &Site, user: &str, query: &[(&str, &str)], kind: &str, body: &[u8]) -> Answer {
    site.upload(user, IMPORT, query, kind, body)
}

/// As xnatpy and others send it.
fn zip(site: &Site, query: &[(&str, &str)], body: &[u8]) -> Answer {
    upload(site, "ada", query, "application/zip", body)
}

fn check_nothing_left(site: &Site) {
    assert_eq!(site.files("uploads"), NOTHING);
    assert_eq!(site.files("staging"), NOTHING);
}

#[test]
fn a_zip_becomes_a_session_with_a_report_and_is_gone() {
    let site = Site::new();
    let body = study(&site, 1, 3);
    let query = [("project", "P"), ("subject", "S1"), ("session", "E1")];
    let answer = zip(&site, &query, &body);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.kind, "text/uri-list");
    assert_eq!(
        answer.header("link"),
        "</xapi/dicom/1>; rel=\"describedby\""
    );
    let uri = answer.text().strip_suffix("\r\n").unwrap();
    assert!(
        uri.starts_with("/data/prearchive/projects/P/") && uri.ends_with("/E1"),
        "{uri}"
    );
    let row = &site.get("ada", uri).rows()[0];
    assert_eq!(
        (&row["subject"], &row["status"]),
        (&json!("S1"), &json!("READY"))
    );
    check_nothing_left(&site);

    let done = site.ended("/xapi/dicom/1");
    assert_eq!(done.outcomes(), "3 stored");
    for name in ["1-1.dcm", "1-2.dcm", "1-3.dcm"] {
        let stored = done.file(name)["stored"].as_str().unwrap();
        let stored = site.path(&done.folder()).join(stored);
        let source = site.path("study-1").join(name);
        assert_eq!(dicom::pixels(&stored), dicom::pixels(&source), "{name}");
        // The site's rules have run.
        let name = dicom::text(&stored, dicom_dictionary_std::tags::PATIENT_NAME);
        assert_eq!(name.as_deref(), Some("S1"));
    }
    let again = zip(&site, &query, &body);
    assert_eq!(
        (again.status, again.text()),
        (200, answer.text()),
        "known already"
    );
    let retried = site.call("ada", "POST", "/xapi/dicom/1/retry", &[]);
    assert_eq!(retried.status, 409, "it is not kept: {}", retried.text());
}

#[test]
fn a_destination_in_the_archive_is_gone_to_at_once_or_says_why_not() {
    let site = Site::new();
    study(&site, 1, 2);
    let body = tgz(&site.path("study-1"));
    let dest = ("dest", "/archive/projects/P/subjects/S1/experiments/E1");
    let answer = upload(&site, "ada", &[dest], "application/x-tar", &body);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let uri = "/data/archive/projects/P/subjects/S1/experiments/E1";
    assert_eq!(answer.text(), format!("{uri}\r\n"));
    assert_eq!(
        site.get("ada", &format!("{uri}/scans/ALL/files"))
            .rows()
            .len(),
        2
    );

    let other = study(&site, 2, 1);
    let taken = zip(&site, &[dest], &other);
    assert_eq!(taken.status, 409, "{}", taken.text());
    assert_eq!(
        site.get("ada", "/xapi/dicom/2").status,
        404,
        "nothing was queued"
    );
    let append = zip(&site, &[dest, ("overwrite", "append")], &other);
    assert_eq!(append.status, 409, "{}", append.text());
    assert!(
        append.text().contains("/data/prearchive/projects/P/"),
        "{}",
        append.text()
    );
    check_nothing_left(&site);
}

#[test]
fn a_form_may_bring_file_and_fields_in_any_order() {
    let site = Site::new();
    let file = study(&site, 1, 1);
    let mut body =
        b"--b0\r\nContent-Disposition: form-data; name=\"image_archive\"; filename=\"x.zip\"\r\n\
        Content-Type: application/octet-stream\r\n\r\n"
            .to_vec();
    body.extend(&file);
    for (name, value) in [
        ("project", "P"),
        ("session", "E1"),
        ("import-handler", "SI"),
        ("quarantine", "true"),
    ] {
        body.extend(
            format!("\r\n--b0\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}")
                .bytes(),
        );
    }
    let kind = "multipart/form-data; boundary=b0";
    let whole = [&body[..], b"\r\n--b0--\r\n"].concat();
    let answer = upload(&site, "ada", &[], kind, &whole);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let row = &site.get("ada", answer.text().trim()).rows()[0];
    assert_eq!(
        (&row["name"], &row["status"]),
        (&json!("E1"), &json!("QUARANTINED"))
    );

    // Cut short, and with two files.
    assert_eq!(upload(&site, "ada", &[], kind, &body).status, 400);
    let second = b"\r\n--b0\r\nContent-Disposition: form-data; name=\"b\"; filename=\"y\"\r\n\r\ny\r\n--b0--\r\n";
    let two = [&body[..], second].concat();
    let two = upload(&site, "ada", &[], kind, &two);
    assert!(
        two.status == 400 && two.text().contains("one uploaded resource"),
        "{}",
        two.text()
    );
    check_nothing_left(&site);
}

#[test]
fn objects_that_are_sent_one_by_one_join_their_session() {
    let site = Site::new();
    study(&site, 1, 3);
    let query = [
        ("import-handler", "gradual-DICOM"),
        ("PROJECT_ID", "P"),
        ("EXPT_LABEL", "E1"),
    ];
    let mut uris = Vec::new();
    for name in ["1-1.dcm", "1-2.dcm", "1-3.dcm"] {
        let object = fs::read(site.path("study-1").join(name)).unwrap();
        let answer = upload(&site, "ada", &query, "application/dicom", &object);
        assert_eq!(answer.status, 200, "{}", answer.text());
        uris.push(answer.text().trim().to_owned());
    }
    uris.dedup();
    let [uri] = &uris[..] else {
        panic!("one session: {uris:?}")
    };
    assert_eq!(
        site.get("ada", &format!("{uri}/scans/1/files"))
            .rows()
            .len(),
        3
    );

    site.rhai(
        "no",
        "anonymize",
        &[],
        &[],
        "fn anonymize(ds, ctx) { reject(\"no\") }",
    );
    site.policy("P", &json!({ "anonymize": [{ "module": "no" }] }));
    study(&site, 2, 1);
    let object = fs::read(site.path("study-2/1-1.dcm")).unwrap();
    let rejected = wait_for("the new rules", || {
        let answer = upload(&site, "ada", &query[..2], "application/dicom", &object);
        answer.text().is_empty().then_some(answer)
    });
    assert_eq!(rejected.status, 200);
    let unreadable = upload(&site, "ada", &query, "application/dicom", b"no object");
    assert_eq!(unreadable.status, 400, "{}", unreadable.text());
    check_nothing_left(&site);
}

#[test]
fn what_can_not_be_imported_is_refused_and_leaves_nothing() {
    let site = Site::new();
    let body = study(&site, 1, 2);
    let project = ("project", "P");
    for (user, query, wanted) in [
        ("", vec![project], 401),
        ("ada", vec![("project", "none")], 400),
        ("ada", vec![("project", "OTHER")], 400),
        ("bob", vec![project], 400),
        ("ada", vec![project, ("import-handler", "XAR")], 404),
        ("ada", vec![project, ("dest", "/nowhere")], 400),
        (
            "ada",
            vec![project, ("dest", "/archive/projects/AUTO")],
            400,
        ),
        ("ada", vec![project, ("session", "a/b")], 400),
        ("ada", vec![project, ("quarantine", "perhaps")], 400),
        ("ada", vec![project, ("overwrite", "perhaps")], 400),
    ] {
        let answer = upload(&site, user, &query, "application/zip", &body);
        assert_eq!(answer.status, wanted, "{user} {query:?}: {}", answer.text());
    }
    let text = zip(&site, &[project], b"no archive");
    assert_eq!(text.status, 400, "{}", text.text());
    assert_eq!(site.get("root", "/xapi/dicom/list/all").json(), json!([]));

    // Only the import finds that it is damaged; an upload's path is no path of the inbox.
    let damaged = zip(&site, &[project], &body[..body.len() / 2]);
    assert_eq!(damaged.status, 400, "{}", damaged.text());
    let request = site.get("ada", "/xapi/dicom/1").json();
    assert_eq!(request["status"], "Failed");
    let path = request["sessionPath"].as_str().unwrap();
    let query = [
        ("import-handler", "inbox"),
        ("PROJECT_ID", "P"),
        ("path", path),
    ];
    assert_eq!(site.call("ada", "POST", IMPORT, &query).status, 400);
    assert_eq!(
        site.get("ada", "/data/prearchive").rows(),
        Vec::<serde_json::Value>::new()
    );
    check_nothing_left(&site);
}

#[test]
fn an_upload_that_breaks_off_leaves_nothing() {
    let site = Site::new();
    let body = study(&site, 1, 2);
    let address = site
        .server()
        .base
        .strip_prefix("http://")
        .unwrap()
        .to_owned();
    let mut stream = TcpStream::connect(address).unwrap();
    let head = format!(
        "POST {IMPORT}?project=P HTTP/1.1\r\nHost: sluice\r\nAuthorization: {}\r\n\
         Content-Type: application/zip\r\nContent-Length: {}\r\n\r\n",
        authorization("ada").unwrap(),
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&body[..body.len() / 2]).unwrap();
    wait_for("the part that has come", || {
        (!site.files("uploads").is_empty()).then_some(())
    });
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    _ = stream.read_to_end(&mut Vec::new());
    wait_for("its end", || site.files("uploads").is_empty().then_some(()));
    assert_eq!(site.get("root", "/xapi/dicom/list/all").json(), json!([]));
}

#[test]
fn an_upload_whose_server_was_killed_is_imported_by_the_next() {
    let mut site = Site::prepared();
    site.slow_rule("P");
    site.serve_doomed(&[]);
    let body = study(&site, 1, Site::slow_files());
    let address = site
        .server()
        .base
        .strip_prefix("http://")
        .unwrap()
        .to_owned();
    let mut stream = TcpStream::connect(address).unwrap();
    let head = format!(
        "POST {IMPORT}?project=P&session=E1 HTTP/1.1\r\nHost: sluice\r\nAuthorization: {}\r\n\
         Content-Type: application/zip\r\nContent-Length: {}\r\n\r\n",
        authorization("ada").unwrap(),
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&body).unwrap();
    site.staged();
    site.kill();
    // One more, which had not come to its end.
    let half = site.path("uploads/.coming/gone-1");
    fs::create_dir_all(&half).unwrap();
    fs::write(half.join("part"), &body[..100]).unwrap();
    site.serve(&[]);
    let done = site.ended("/xapi/dicom/1");
    assert_eq!(done.state(), "Completed");
    assert_eq!(done.session()["label"], "E1");
    wait_for("the end of the uploads", || {
        site.files("uploads").is_empty().then_some(())
    });
}

/// What a member of an archive may be that is no DICOM object.
fn with_bad(name: &str, content: Vec<u8>) -> Vec<u8> {
    let mut members = archives::study(1, 2);
    members.push((name.to_owned(), content));
    archives::packed("upload.zip", &members)
}

#[test]
fn one_bad_member_fails_the_call_unless_it_may_be_ignored() {
    let site = Site::new();
    let (dicom_zip, ignore) = (
        ("import-handler", "DICOM-zip"),
        ("Ignore-Unparsable", "true"),
    );
    let mut object = archives::study(1, 3).remove(0).1;
    object.truncate(object.len() - 100);
    let notes = with_bad("notes.txt", b"Scanned on Tuesday.".to_vec());
    let cut = with_bad("z/cut.dcm", object);
    let outside = with_bad("../../outside.dcm", b"x".to_vec());
    let project = ("project", "P");
    for (query, body) in [
        (vec![project, dicom_zip], &notes),
        (vec![project, dicom_zip], &cut),
        (vec![project, dicom_zip], &outside),
        (vec![project, ("import-handler", "SI")], &cut),
        (vec![project], &outside),
    ] {
        let answer = zip(&site, &query, body);
        assert_eq!(answer.status, 400, "{query:?}: {}", answer.text());
        assert!(answer.text().contains("Ignore-Unparsable"), "{query:?}");
    }
    assert_eq!(site.get("root", "/data/prearchive").rows().len(), 0);
    let failed = site.ended("/xapi/dicom/1");
    assert_eq!(failed.state(), "Failed");
    assert_eq!(failed.outcomes(), "2 failed, 1 not_dicom");

    let bodies = [&notes, &cut, &outside];
    for (label, body) in ["E1", "E2", "E3"].into_iter().zip(bodies) {
        let query = [project, dicom_zip, ignore, ("session", label)];
        let answer = zip(&site, &query, body);
        // The same study under another label is another session.
        assert_eq!(answer.status, 200, "{label}: {}", answer.text());
        assert!(
            answer
                .header("warning")
                .contains("1 of 3 files were not stored"),
            "{label}: {}",
            answer.header("warning")
        );
    }
    let tolerant = zip(&site, &[project, ("session", "E4")], &notes);
    assert_eq!(tolerant.status, 200, "{}", tolerant.text());
    let all_bad = archives::packed("x.zip", &vec![("a.txt".into(), b"x".to_vec())]);
    let nothing = zip(&site, &[project, dicom_zip, ignore], &all_bad);
    assert_eq!(nothing.status, 400, "{}", nothing.text());
    assert!(!site.path("outside.dcm").exists());
    check_nothing_left(&site);
}

#[test]
fn members_named_alike_but_for_case_are_both_stored() {
    let site = Site::new();
    let mut members = archives::study(1, 2);
    members[0].0 = "image.dcm".into();
    members[1].0 = "IMAGE.DCM".into();
    for kind in ["x.tar", "x.zip"] {
        let query = [("project", "P"), ("session", &kind[2..])];
        let answer = zip(&site, &query, &archives::packed(kind, &members));
        assert_eq!(answer.status, 200, "{}", answer.text());
        let files = format!("{}/scans/1/files", answer.text().trim());
        assert_eq!(site.get("ada", &files).rows().len(), 2);
    }
}

#[test]
fn what_is_too_large_is_refused_packed_and_unpacked() {
    let mut site = Site::prepared();
    site.serve(&[("SLUICE_ARCHIVE_MAX_MB", "1")]);
    let zeros = vec![0; 3 << 20];
    let large = zip(&site, &[("project", "P")], &zeros);
    assert_eq!(large.status, 413, "{}", large.text());
    // Nobody says beforehand how much comes.
    let mut form =
        b"--b\r\nContent-Disposition: form-data; name=\"a\"; filename=\"a.zip\"\r\n\r\n".to_vec();
    form.extend(&zeros);
    let address = site.server().base.replace("http://", "");
    let mut stream = TcpStream::connect(address).unwrap();
    let head = format!(
        "POST {IMPORT}?project=P HTTP/1.1\r\nHost: sluice\r\nAuthorization: {}\r\nTransfer-Encoding: chunked\r\n\
         Content-Type: multipart/form-data; boundary=b\r\n\r\n{:x}\r\n",
        authorization("ada").unwrap(),
        form.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    // The server may hang up in the middle.
    _ = stream.write_all(&form);
    let mut start = [0; 12];
    _ = stream.read_exact(&mut start);
    assert!(
        [*b"HTTP/1.1 413", [0; 12]].contains(&start),
        "{}",
        String::from_utf8_lossy(&start)
    );
    wait_for("its end", || site.files("uploads").is_empty().then_some(()));
    let bomb = archives::packed("x.zip", &vec![("a.dcm".into(), zeros)]);
    let bomb = zip(
        &site,
        &[("project", "P"), ("Ignore-Unparsable", "true")],
        &bomb,
    );
    assert_eq!(bomb.status, 400, "{}", bomb.text());
    assert!(bomb.text().contains("archive_max_mb"), "{}", bomb.text());
    check_nothing_left(&site);
}

/// A study whose description is that text.
fn described(site: &Site, number: u32, description: &str) -> Vec<u8> {
    let folder = site.path(&format!("described-{number}"));
    dicom::study(&folder, number, 1, 1);
    let change = (tags::STUDY_DESCRIPTION, VR::LO, description);
    dicom::edit(&folder.join("1-1.dcm"), &[change]);
    let archive = site.path(&format!("described-{number}.zip"));
    archives::zip(&folder, &archive);
    fs::read(archive).unwrap()
}

#[test]
fn the_header_names_the_project_where_the_call_does_not() {
    let site = Site::new();
    let body = described(&site, 1, "P");
    let answer = zip(&site, &[("session", "E1")], &body);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(
        answer.text().starts_with("/data/prearchive/projects/P/"),
        "{}",
        answer.text()
    );
    let request = site.get("ada", "/xapi/dicom/1").json();
    assert_eq!(request["parameters"]["PROJECT_ID"], "P");
    let verified = site.command(&["request", "verify", "1"], "");
    assert!(!verified.contains("differ"), "{verified}");
    let archived = zip(&site, &[("dest", "/archive")], &described(&site, 2, "AUTO"));
    assert!(
        archived.text().starts_with("/data/archive/projects/AUTO/"),
        "{}",
        archived.text()
    );
    // One object, by its type alone.
    let object = fs::read(site.path("described-2/1-1.dcm")).unwrap();
    let again = upload(
        &site,
        "ada",
        &[("dest", "/archive")],
        "application/dicom",
        &object,
    );
    assert_eq!(again.status, 200, "{}", again.text());
    assert_eq!(site.ended("/xapi/dicom/3").outcomes(), "1 duplicate");

    // Of two projects.
    let both = site.path("both");
    fs::create_dir_all(&both).unwrap();
    for number in [1, 2] {
        let from = site.path(&format!("described-{number}/1-1.dcm"));
        fs::copy(from, both.join(format!("{number}.dcm"))).unwrap();
    }
    let mixed = upload(&site, "ada", &[], "application/x-gzip", &tgz(&both));
    assert_eq!(mixed.status, 400, "{}", mixed.text());
    assert!(
        mixed.text().contains("several projects (P, AUTO)"),
        "{}",
        mixed.text()
    );
    check_nothing_left(&site);
}

#[test]
fn what_belongs_to_no_project_of_the_callers_is_the_administrators() {
    let site = Site::new();
    site.policy(
        "P",
        &json!({ "route": { "module": "xnat-routing", "settings": { "prearchive_code": 4 } } }),
    );
    let body = described(&site, 1, "OTHER");
    let answer = zip(&site, &[("session", "E1"), ("subject", "S1")], &body);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let uri = answer.text().trim();
    assert!(
        uri.starts_with("/data/prearchive/projects/Unassigned/"),
        "{uri}"
    );
    for user in ["ada", "eve"] {
        assert_eq!(site.get(user, uri).status, 404, "{user}");
        assert_eq!(
            site.get(user, &format!("{uri}/scans")).status,
            404,
            "{user}"
        );
        assert!(
            site.get(user, "/data/prearchive").rows().is_empty(),
            "{user}"
        );
    }
    let rows = site.get("root", "/data/prearchive").rows();
    assert_eq!(
        (&rows[0]["project"], &rows[0]["name"]),
        (&json!("Unassigned"), &json!("E1"))
    );
    // The site's rules have run.
    let stored = site.instances("prearchive/Unassigned");
    let stored = site.path("prearchive/Unassigned").join(&stored[0]);
    assert_eq!(
        dicom::text(&stored, tags::PATIENT_NAME).as_deref(),
        Some("S1")
    );
    let projects = site.get("root", "/data/projects").rows();
    assert!(projects.iter().all(|project| project["ID"] != "Unassigned"));

    // It is never archived, whoever wants it.
    let source = [("src", uri)];
    let refused = site.call("root", "POST", "/data/services/archive", &source);
    assert_eq!(refused.status, 409, "{}", refused.text());
    let wanted = upload(
        &site,
        "eve",
        &[("dest", "/archive"), ("session", "E2")],
        "application/zip",
        &described(&site, 2, "P"),
    );
    assert_eq!(wanted.status, 409, "{}", wanted.text());
    assert!(
        wanted.text().contains("belongs to no project"),
        "{}",
        wanted.text()
    );
    assert_eq!(site.instances("archive"), NOTHING);
    // Its administrator sends it where it belongs.
    let direct = upload(&site, "root", &[], "application/zip", &body);
    assert!(
        direct.text().contains("/projects/OTHER/"),
        "{}",
        direct.text()
    );
}

#[test]
fn a_dest_says_where_and_under_which_names() {
    let site = Site::new();
    let body = |number| archives::packed("x.zip", &archives::study(number, 1));
    for (number, query, wanted, label) in [
        (
            1,
            vec![("dest", "/prearchive/projects/AUTO")],
            "/data/prearchive/projects/AUTO/",
            None,
        ),
        (
            2,
            vec![("dest", "/data/prearchive/projects/P/20200101_000000000/E2")],
            "/data/prearchive/projects/P/",
            Some("E2"),
        ),
        (
            3,
            vec![
                ("dest", "/archive/projects/P/subjects/S3"),
                ("session", "E3"),
            ],
            "/data/archive/projects/P/subjects/S3/",
            Some("E3"),
        ),
        (
            4,
            vec![
                ("PROJECT_ID", "P"),
                ("EXPT_LABEL", "E4"),
                ("prearchive_code", "1"),
            ],
            "/data/archive/projects/P/",
            Some("E4"),
        ),
        (
            5,
            vec![
                ("project", "P"),
                ("session", "E5"),
                ("Direct-Archive", "true"),
            ],
            "/data/archive/projects/P/",
            Some("E5"),
        ),
        (
            6,
            vec![("project", "AUTO"), ("prearchive_code", "0")],
            "/data/prearchive/projects/AUTO/",
            None,
        ),
    ] {
        let answer = zip(&site, &query, &body(number));
        assert_eq!(answer.status, 200, "{query:?}: {}", answer.text());
        let uri = answer.text().trim();
        assert!(uri.starts_with(wanted), "{query:?}: {uri}");
        assert!(
            label.is_none_or(|label| uri.ends_with(label)),
            "{query:?}: {uri}"
        );
    }
    // To the archive it can't be: held for review it may be.
    let query = [
        ("dest", "/archive/projects/P"),
        ("session", "E7"),
        ("quarantine", "true"),
    ];
    let held = zip(&site, &query, &body(7));
    assert_eq!(held.status, 200, "{}", held.text());
    assert_eq!(
        site.get("otto", held.text().trim()).rows()[0]["status"],
        "QUARANTINED"
    );
}

#[test]
fn what_is_stored_is_added_to_or_replaced_as_the_call_says() {
    let site = Site::new();
    let mut members = archives::study(1, 2);
    let second = members.remove(0);
    let project = [("project", "P"), ("session", "E1")];
    let with = |overwrite| [project[0], project[1], ("overwrite", overwrite)];
    let first = zip(&site, &project, &archives::packed("x.zip", &members));
    assert_eq!(first.status, 200, "{}", first.text());
    let more = archives::packed("x.zip", &vec![second]);
    assert_eq!(zip(&site, &with("none"), &more).status, 409);
    let added = zip(&site, &with("append"), &more);
    assert_eq!((added.status, added.text()), (200, first.text()));

    let path = site.path("other.dcm");
    fs::write(&path, &members[0].1).unwrap();
    dicom::edit(&path, &[(tags::SERIES_DESCRIPTION, VR::LO, "other")]);
    let other = archives::packed("x.zip", &vec![("a".into(), fs::read(&path).unwrap())]);
    let refused = zip(&site, &with("append"), &other);
    assert_eq!(refused.status, 400, "{}", refused.text());
    let replaced = zip(&site, &with("delete"), &other);
    assert_eq!((replaced.status, replaced.text()), (200, first.text()));
    check_nothing_left(&site);
}

#[test]
fn a_page_of_another_site_uploads_nothing() {
    let site = Site::new();
    let session = site.get("ada", "/data/JSESSION").text().to_owned();
    let address = site.server().base.replace("http://", "");
    let mut stream = TcpStream::connect(address).unwrap();
    let body = archives::packed("x.zip", &archives::study(1, 1));
    let head = format!(
        "POST {IMPORT}?project=P HTTP/1.1\r\nHost: sluice\r\nOrigin: https://elsewhere.example\r\n\
         Cookie: JSESSIONID={session}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    _ = stream.write_all(&body);
    let mut start = [0; 12];
    stream.read_exact(&mut start).unwrap();
    assert_eq!(&start, b"HTTP/1.1 403");
    assert_eq!(site.get("root", "/xapi/dicom/list/all").json(), json!([]));
    check_nothing_left(&site);
}

#[test]
fn objects_keep_the_clients_names_where_the_policy_says_so() {
    let site = Site::new();
    site.policy("P", &json!({ "file_names": "source" }));
    let members = archives::study(1, 3);
    let send = |number: usize, file_name: Option<&str>, more: &[(&str, &str)]| {
        let object = &members[number].1;
        let mut query = vec![
            ("import-handler", "gradual-DICOM"),
            ("PROJECT_ID", "P"),
            ("EXPT_LABEL", "E1"),
        ];
        query.extend(more);
        let answer = match file_name {
            None => upload(&site, "ada", &query, "application/octet-stream", object),
            Some(name) => {
                let head = format!(
                    "--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"{name}\"\r\n\r\n"
                );
                let body = [head.as_bytes(), object, b"\r\n--b--\r\n"].concat();
                upload(
                    &site,
                    "ada",
                    &query,
                    "multipart/form-data; boundary=b",
                    &body,
                )
            }
        };
        assert_eq!(answer.status, 200, "{}", answer.text());
        let files = site.get("ada", &format!("{}/scans/1/files", answer.text().trim()));
        let names = files
            .rows()
            .into_iter()
            .map(|row| row["Name"].as_str().unwrap().to_owned());
        names.collect::<Vec<_>>()
    };
    assert_eq!(send(0, Some("IM_1.dcm"), &[]), ["IM_1.dcm"]);
    let named = send(1, Some("IM_2.dcm"), &[("rename", "true")]);
    assert!(!named.contains(&"IM_2.dcm".to_owned()), "{named:?}");
    let bare = send(2, None, &[]);
    assert!(!bare.contains(&"upload.dcm".to_owned()), "{bare:?}");
    assert_eq!(bare.len(), 3);
}
