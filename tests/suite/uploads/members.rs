//! What an upload holds: bad members, names, sizes, and what is stored already.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use dicom_core::VR;
use dicom_dictionary_std::tags;
use serde_json::json;

use super::{IMPORT, check_nothing_left, upload, zip};
use crate::answer::authorization;
use crate::archives;
use crate::dicom;
use crate::server::wait_for;
use crate::site::Site;

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
    assert_eq!(refused.status, 409, "{}", refused.text());
    let replaced = zip(&site, &with("delete"), &other);
    assert_eq!((replaced.status, replaced.text()), (200, first.text()));
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
