//! Rules tried on files that are not kept.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::json;

use super::{CODE, active, site};
use crate::answer::authorization;
use crate::browser::{Browser, multipart, value};
use crate::dicom;

#[test]
fn rules_are_tried_on_a_file_of_the_inbox_and_on_one_that_is_brought() {
    let site = site();
    let browser = Browser::log_in(&site, "otto");
    let page = browser.view("/rules/~try?project=P");
    assert!(
        page.contains("value=\"s\"") && page.contains(">s/</button>"),
        "{page}"
    );
    let opened = browser.post("/rules/~try", &[("project", "P"), ("folder", "s")]);
    assert!(opened.text().contains("1-1.dcm ("), "{}", opened.text());
    let path = site.path("inbox/P/s/1-1.dcm");
    let name = dicom::text(&path, dicom_dictionary_std::tags::PATIENT_NAME).unwrap();
    let wish = [
        ("project", "P"),
        ("folder", "s"),
        ("path", path.to_str().unwrap()),
        ("subject", "S7"),
        ("do", "try"),
    ];
    let told = browser.post("/rules/~try", &wish);
    assert_eq!(told.status, 200);
    let of_inbox = told.text();
    let file = fs::read(&path).unwrap();
    let fields = [("project", "P"), ("folder", ""), ("subject", "S7")];
    let told = browser.post_file("/rules/~try", &fields, &file);
    assert_eq!(told.status, 200, "{}", told.text());
    for page in [of_inbox, told.text()] {
        for expected in [
            "<code>PatientName</code><br><small>set</small></td><td class=\"value\">",
            // The site's step comes first, and leaves nothing to do for the project's.
            "<td class=\"value\">S7</td><td>xnat-default <small>1.0.0, line ",
            "<h3>S7 / ",
            "<span class=\"badge plain\">prearchive</span>",
            &format!("<td class=\"value\">{name}</td>"),
        ] {
            // The site's step may have given the name before.
            let is_name = expected.contains(&name);
            assert!(
                page.contains(expected) || is_name && page.contains(&name),
                "{expected}\n{page}"
            );
        }
    }
    assert_eq!(
        site.files("uploads"),
        Vec::<String>::new(),
        "what is tried is not kept"
    );
    assert_eq!(site.files("staging"), Vec::<String>::new());
    assert_eq!(site.get("root", "/xapi/dicom/list/all").json(), json!([]));
    // A member imports, and sees no values.
    let member = Browser::log_in(&site, "ada");
    let told = member.post_file("/rules/~try", &fields, &file);
    let told = told.text();
    assert!(
        told.contains("<code>PatientName</code>") && !told.contains(&name),
        "{told}"
    );
    assert!(told.contains("Values are shown to owners"), "{told}");
    let stranger = Browser::log_in(&site, "eve");
    assert!([400, 403, 404].contains(&stranger.post_file("/rules/~try", &fields, &file).status));
    let nothing = browser.post_file("/rules/~try", &fields, b"no DICOM");
    assert!(
        nothing.text().contains("not DICOM") || nothing.text().contains("not dicom"),
        "{}",
        nothing.text()
    );
}

#[test]
fn changes_are_tried_before_they_are_saved() {
    let site = site();
    let before = active(&site);
    let browser = Browser::log_in(&site, "root");
    let path = "/rules/~modules/mine/files/rule.rhai";
    let page = browser.view(path);
    let code = CODE.replace("ctx.subject", "\"Candidate\"");
    let checked = browser.post(
        path,
        &[
            ("text", &code),
            ("base", &value(&page, "base")),
            ("do", "check"),
        ],
    );
    let changes = value(checked.text(), "changes");
    let asked = browser.post("/rules/~try", &[("changes", &changes), ("project", "P")]);
    assert!(asked.text().contains("not saved"), "{}", asked.text());
    assert_eq!(value(asked.text(), "changes"), changes, "they go along");
    let file = fs::read(site.path("inbox/P/s/1-1.dcm")).unwrap();
    let fields = [("project", "P"), ("changes", changes.as_str())];
    let told = browser.post_file("/rules/~try", &fields, &file);
    assert!(
        told.text().contains("<td class=\"value\">Candidate</td>"),
        "{}",
        told.text()
    );
    let (kind, body) = multipart(&[("PROJECT_ID", "P")], &file);
    let now = site
        .upload("root", "/xapi/rules/explain", &[], &kind, &body)
        .json();
    assert_eq!(
        now["rule_set"], before["ruleSet"],
        "the active rules are what they were"
    );
    assert_eq!(active(&site), before);
    let broken = json!({ "modules/mine/rule.rhai": "fn (" }).to_string();
    let told = browser.post_file(
        "/rules/~try",
        &[("project", "P"), ("changes", &broken)],
        &file,
    );
    assert_eq!(told.status, 400);
    assert!(
        told.text().contains("rules/modules/mine/rule.rhai: line 1"),
        "{}",
        told.text()
    );
}

#[test]
fn a_try_is_bounded() {
    let site = site();
    let address = site.server().base.replace("http://", "");
    let mut stream = TcpStream::connect(address).unwrap();
    let head = format!(
        "POST /xapi/rules/explain?PROJECT_ID=P HTTP/1.1\r\nHost: sluice\r\nAuthorization: {}\r\n\
         Content-Type: application/dicom\r\nContent-Length: {}\r\n\r\n",
        authorization("otto").unwrap(),
        257 * 1024 * 1024
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut start = [0; 12];
    stream.read_exact(&mut start).unwrap();
    assert_eq!(&start, b"HTTP/1.1 413");
    assert_eq!(site.files("uploads"), Vec::<String>::new());
}

#[test]
fn what_is_made_black_is_seen_before_and_after() {
    let site = site();
    let code = "fn anonymize(ds, ctx) { ds.redact(0, 0, 8, 8); keep() }";
    site.rhai(
        "black",
        "anonymize",
        &["PixelData"],
        &["PixelData", "*/IconImageSequence"],
        code,
    );
    let policy = json!({ "anonymize": [{ "module": "black" }] });
    site.policy("P", &policy);
    let file = fs::read(site.path("inbox/P/s/1-1.dcm")).unwrap();
    let (kind, body) = multipart(&[("PROJECT_ID", "P")], &file);
    let told = |user| {
        site.upload(user, "/xapi/rules/explain", &[], &kind, &body)
            .json()
    };
    let pictures = &told("otto")["files"][0]["pictures"];
    let png = |name: &str| pictures[name].as_str().unwrap();
    let (before, after) = (png("before"), png("after"));
    assert!(before.starts_with("iVBORw0KGgo") && after.starts_with("iVBORw0KGgo"));
    assert_ne!(before, after);
    assert_eq!(
        told("ada")["files"][0].get("pictures"),
        None,
        "a member sees none"
    );
    let page = Browser::log_in(&site, "otto").post_file("/rules/~try", &[("project", "P")], &file);
    let shown = page
        .text()
        .matches("<img src=\"data:image/png;base64,iVBORw0KGgo")
        .count();
    assert_eq!(shown, 2, "{}", page.text());
}
