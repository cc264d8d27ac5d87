//! How an upload comes in: as a body or a form, cut short, refused, and by a server that is killed.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::json;

use super::{IMPORT, check_nothing_left, study, upload, zip};
use crate::answer::authorization;
use crate::archives;
use crate::dicom;
use crate::server::wait_for;
use crate::site::Site;

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
    // Known already, by whatever name it is called; by a tool that calls every body a form.
    let form = "application/x-www-form-urlencoded";
    for more in [
        &query[..],
        &[
            ("project", "P"),
            ("session", "E1"),
            ("subject", "S1"),
            ("inbody", "true"),
        ],
    ] {
        let again = upload(&site, "ada", more, form, &body);
        match more.len() {
            4 => assert_eq!((again.status, again.text()), (200, answer.text())),
            _ => assert_eq!(again.status, 400, "{}", again.text()),
        }
    }
    let retried = site.call("ada", "POST", "/xapi/dicom/1/retry", &[]);
    assert_eq!(retried.status, 409, "it is not kept: {}", retried.text());
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

/// `curl -F`: XNAT takes parameters from the parts of a form too, and the inbox needs no file.
#[test]
fn a_form_of_several_parts_may_bring_nothing_but_parameters() {
    let site = Site::new();
    let folder = site.inbox("P/s");
    dicom::study(&folder, 1, 1, 1);
    let kind = "multipart/form-data; boundary=b0";
    let form = |fields: &[(&str, &str)]| {
        let parts = fields.iter().map(|(name, value)| {
            format!("--b0\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
        });
        (parts.collect::<String>() + "--b0--\r\n").into_bytes()
    };
    let fields = [
        ("import-handler", "inbox"),
        ("PROJECT_ID", "P"),
        ("EXPT_LABEL", "E1"),
        ("cleanupAfterImport", "0"),
        ("path", folder.to_str().unwrap()),
    ];
    let answer = upload(&site, "ada", &[], kind, &form(&fields));
    assert_eq!(answer.text(), "/xapi/dicom/1\r\n");
    let done = site.ended("/xapi/dicom/1");
    assert_eq!(done.outcomes(), "1 stored");
    assert_eq!(site.files("inbox/P").len(), 1, "0 is no");
    // The same where the query says which handler it is for, and what can't be.
    let handler = [("import-handler", "inbox"), ("overwrite", "append")];
    let answer = upload(&site, "ada", &handler, kind, &form(&fields[1..]));
    assert_eq!(answer.text(), "/xapi/dicom/2\r\n");
    site.ended("/xapi/dicom/2");
    let nothing = upload(&site, "ada", &[], kind, &form(&fields[1..]));
    assert!(
        nothing.status == 400 && nothing.text().contains("Unable to identify"),
        "{}",
        nothing.text()
    );
    let perhaps = [("cleanupAfterImport", "1"), fields[0], fields[1], fields[4]];
    assert_eq!(upload(&site, "ada", &[], kind, &form(&perhaps)).status, 400);
    check_nothing_left(&site);

    let uri = done.session()["uri"].as_str().unwrap();
    let sources = form(&[("src", uri)]);
    for (path, status) in [
        ("/data/services/prearchive/rebuild", 200),
        ("/data/services/archive", 200),
        ("/data/services/archive", 404),
    ] {
        let answer = site.upload("ada", path, &[], kind, &sources);
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
    }
    let login = form(&[("username", "ada"), ("password", "ada")]);
    let answer = site.upload("", "/data/services/auth", &[], kind, &login);
    assert_eq!((answer.status, answer.text().len()), (200, 32));
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
