//! Sessions that are held: who sees what of them, what a review tells, release and purge.

use std::fs;

use serde_json::{Value, json};

use crate::dicom;
use crate::site::Site;

const RELEASE: &str = "/data/services/prearchive/release";
const PURGE: &str = "/data/services/prearchive/purge";

/// Asks for a look at the second slice.
const REVIEW: &str = r#"fn anonymize(ds, ctx) {
    if ds.get("InstanceNumber") == "2" { quarantine("burned-in text") } else { keep() }
}"#;

/// A site whose project AUTO holds a session E1 of three slices for review.
fn held() -> (Site, String) {
    let site = Site::new();
    dicom::study(&site.inbox("AUTO/s"), 1, 1, 3);
    site.rhai("review", "anonymize", &["InstanceNumber"], &[], REVIEW);
    site.policy("AUTO", &policy(true));
    let labels = [("SUBJECT_ID", "S1"), ("EXPT_LABEL", "E1")];
    let done = site.import("AUTO", "AUTO/s", &labels);
    assert_eq!(done.outcomes(), "3 quarantined");
    let uri = done.session()["uri"].as_str().unwrap().to_owned();
    (site, uri)
}

fn policy(reviewed: bool) -> Value {
    let chain = match reviewed {
        true => json!([{ "module": "review" }]),
        false => json!([]),
    };
    json!({
        "anonymize": chain,
        "leak_check": "report",
        "route": { "module": "xnat-routing", "settings": { "prearchive_code": 4 } },
    })
}

fn status(site: &Site, uri: &str) -> Value {
    site.get("ada", &format!("/data{uri}")).rows()[0]["status"].clone()
}

fn folder(area: &str, uri: &str) -> String {
    uri.replace("/prearchive/projects", area)
}

#[test]
fn a_review_tells_why_and_where_and_no_value() {
    let (site, uri) = held();
    let row = &site.get("ada", "/data/prearchive/projects/AUTO").rows()[0];
    assert_eq!(
        (&row["status"], &row["url"]),
        (&json!("QUARANTINED"), &json!(uri))
    );
    let path = format!("/data{uri}/review");
    let review = site.get("ada", &path).json();
    assert_eq!(review["status"], "QUARANTINED");
    assert_eq!(review["reason"], "burned-in text");
    assert_eq!(review["report"], "/xapi/dicom/1/report");
    assert_eq!(review["identified"], false);
    let files = review["files"].as_array().unwrap();
    assert_eq!(files.len(), 3, "{review:#}");
    let asked: Vec<_> = files
        .iter()
        .filter(|f| f["quarantine"] == "burned-in text")
        .collect();
    assert_eq!(asked.len(), 1);
    let on_disk = site.instances(&folder("quarantine", &uri));
    assert!(on_disk.contains(&asked[0]["file"].as_str().unwrap().to_owned()));
    // The generated headers have the patient's ID in OtherPatientIDs, which no rule here removes.
    let leaks = review["leaks"].as_array().unwrap();
    let leak = leaks
        .iter()
        .find(|leak| leak["tag"] == "(0010,1000)")
        .unwrap();
    assert_eq!(
        (&leak["kind"], &leak["files"]),
        (&json!("patient-id"), &json!(3))
    );
    let of_file = files[0]["leaks"].as_array().unwrap();
    assert!(of_file.contains(&json!({ "kind": "patient-id", "tag": "(0010,1000)" })));
    // And so does the report, file by file.
    let report = site.get("ada", "/xapi/dicom/1/report").json();
    assert_eq!(report["files"][0]["leaks"], files[0]["leaks"]);

    let source = site.inbox("AUTO/s").join("1-1.dcm");
    let id = dicom::text(&source, dicom_dictionary_std::tags::PATIENT_ID).unwrap();
    assert!(!review.to_string().contains(&id));
    assert_eq!(site.get("eve", &path).status, 404);
}

#[test]
fn an_owner_releases_a_session_into_the_prearchive_and_no_further() {
    let (site, uri) = held();
    let form = [("src", uri.as_str()), ("reason", "only a scale bar")];
    for (user, status) in [("ada", 403), ("eve", 404)] {
        assert_eq!(
            site.post_form(user, RELEASE, &form).status,
            status,
            "{user}"
        );
    }
    for bad in [("format", "zip"), ("sortBy", "none"), ("limit", "x")] {
        let form = [form[0], bad];
        assert_eq!(site.post_form("otto", RELEASE, &form).status, 400);
    }
    assert_eq!(status(&site, &uri), "QUARANTINED");
    let before = site.files(&folder("quarantine", &uri));
    let rows = site.post_form("otto", RELEASE, &form).rows();
    assert_eq!(
        rows[0]["status"], "READY",
        "not archived, whatever the project's code"
    );
    assert_eq!(
        (&rows[0]["url"], &rows[0]["autoarchive"]),
        (&json!(uri), &json!("Manual"))
    );
    assert_eq!(site.files(&folder("prearchive", &uri)), before);
    assert_eq!(site.files("quarantine"), Vec::<String>::new());
    assert_eq!(site.files("archive"), Vec::<String>::new());
    let reason = site.get("ada", &format!("/data{uri}/review")).json()["reason"].clone();
    assert_eq!(reason, "released from quarantine by otto: only a scale bar");
    // Its bytes are an editor's now, and so is the rest of its way.
    let files = site
        .get("ada", &format!("/data{uri}/scans/ALL/files"))
        .rows();
    assert_eq!(
        site.get("ada", files[0]["URI"].as_str().unwrap()).status,
        200
    );
    assert_eq!(site.post_form("otto", RELEASE, &form).status, 409);
    let archived = site.post_form("ada", "/data/services/archive", &[("src", &uri)]);
    assert_eq!(archived.status, 200, "{}", archived.text());
}

#[test]
fn a_session_that_waits_in_the_place_of_a_released_one_is_asked_about() {
    let (site, uri) = held();
    // The same study, without the rule: what is held is a duplicate, so one more slice is what comes.
    site.policy("AUTO", &policy(false));
    let more = [
        ("SUBJECT_ID", "S1"),
        ("EXPT_LABEL", "E1"),
        ("dest", "/prearchive"),
    ];
    dicom::study(&site.inbox("AUTO/more"), 1, 1, 4);
    let done = site.import("AUTO", "AUTO/more", &more);
    assert_eq!(done.outcomes(), "1 stored, 3 duplicate");
    let waiting = done.session()["uri"].as_str().unwrap().to_owned();
    let alone = site.post_form("otto", RELEASE, &[("src", &uri)]);
    assert_eq!(alone.status, 409);
    assert!(alone.text().contains(&waiting), "{}", alone.text());
    assert_eq!(status(&site, &uri), "QUARANTINED");
    let form = [("src", uri.as_str()), ("overwrite", "append")];
    let rows = site.post_form("otto", RELEASE, &form).rows();
    assert_eq!(
        (&rows[0]["url"], &rows[0]["status"]),
        (&json!(waiting), &json!("READY"))
    );
    assert_eq!(site.instances(&folder("prearchive", &waiting)).len(), 4);
    assert_eq!(site.files("quarantine"), Vec::<String>::new());
    assert_eq!(site.get("ada", "/data/prearchive").rows().len(), 1);
}

#[test]
fn what_is_held_under_a_taken_label_stays_until_it_has_another() {
    let (site, _) = held();
    site.policy("AUTO", &policy(true));
    let labels = [("SUBJECT_ID", "S1"), ("EXPT_LABEL", "E1")];
    dicom::study(&site.inbox("AUTO/other"), 2, 1, 2);
    let other = site.import("AUTO", "AUTO/other", &labels);
    assert_eq!(other.outcomes(), "2 quarantined", "{}", other.resolution());
    let uri = other.session()["uri"].as_str().unwrap();
    let refused = site.post_form("otto", RELEASE, &[("src", uri)]);
    assert_eq!(refused.status, 409);
    assert!(
        refused.text().contains("another study"),
        "{}",
        refused.text()
    );
    let path = format!("/data{uri}");
    assert_eq!(
        site.call("ada", "PUT", &path, &[("label", "E2")]).status,
        403
    );
    let moved = site.call("otto", "PUT", &path, &[("label", "E2")]);
    assert_eq!(moved.status, 200, "{}", moved.text());
    let now = moved.text().trim_end().strip_prefix("/data").unwrap();
    assert_eq!(
        status(&site, now),
        "QUARANTINED",
        "another label is no release"
    );
    let rows = site.post_form("otto", RELEASE, &[("src", now)]).rows();
    assert_eq!(
        (&rows[0]["status"], &rows[0]["name"]),
        (&json!("READY"), &json!("E2"))
    );
}

#[test]
fn only_owners_purge_what_is_held() {
    let (site, uri) = held();
    let path = format!("/data{uri}");
    let form = [("src", uri.as_str())];
    assert_eq!(site.call("ada", "DELETE", &path, &[]).status, 403);
    for service in [PURGE, "/data/services/prearchive/delete"] {
        assert_eq!(
            site.post_form("ada", service, &form).status,
            403,
            "{service}"
        );
    }
    assert_eq!(site.instances("quarantine").len(), 3);
    let rows = site.post_form("otto", PURGE, &form).rows();
    assert_eq!(rows[0]["url"], uri.as_str());
    assert_eq!(site.get("otto", &path).status, 404);
    assert_eq!(site.files("quarantine"), Vec::<String>::new());
    assert_eq!(
        site.files("inbox/AUTO").len(),
        3,
        "sources are not a session's"
    );
    // A project's owner does it by DELETE as well.
    let labels = [("SUBJECT_ID", "S1"), ("EXPT_LABEL", "E1")];
    let again = site.import("AUTO", "AUTO/s", &labels);
    let path = format!("/data{}", again.session()["uri"].as_str().unwrap());
    assert_eq!(site.call("otto", "DELETE", &path, &[]).status, 200);
}

#[test]
fn the_command_line_does_the_same_while_the_server_runs() {
    let (site, uri) = held();
    let list = |more: &[&str]| site.command(&[&["session", "list"], more].concat(), "");
    let line = format!("QUARANTINED\tAUTO\tS1\tE1\t{uri}\n");
    assert_eq!(list(&[]), line);
    assert_eq!(list(&["--state", "quarantined", "--project", "AUTO"]), line);
    assert_eq!(list(&["--state", "READY"]), "");
    assert_eq!(list(&["--project", "P"]), "");
    let released = site.command(&["session", "release", &uri, "--reason", "seen"], "");
    assert_eq!(released, line.replace("QUARANTINED", "READY"));
    assert_eq!(status(&site, &uri), "READY");
    let archived = site.command(
        &[
            "session",
            "archive",
            &format!("/data{uri}"),
            "--label",
            "E7",
        ],
        "",
    );
    assert!(
        archived.contains("/archive/projects/AUTO/subjects/S1/experiments/E7"),
        "{archived}"
    );
    assert_eq!(site.instances("archive/AUTO/arc001/E7").len(), 3);

    let labels = [("SUBJECT_ID", "S1"), ("EXPT_LABEL", "E8")];
    let again = site.import("AUTO", "AUTO/s", &labels);
    let uri = again.session()["uri"].as_str().unwrap();
    site.command(&["session", "purge", uri], "");
    assert_eq!(site.files("quarantine"), Vec::<String>::new());
    for (arguments, why) in [
        (["session", "purge", uri], "no such session"),
        (
            ["session", "release", "/archive/x"],
            "/prearchive/projects/",
        ),
        (["session", "archive", uri], "no such session"),
    ] {
        let output = crate::server::sluice(&site.path(""), &arguments)
            .output()
            .unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && error.contains(why), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
    assert!(fs::read_dir(site.path("archive")).unwrap().next().is_some());
}
