//! Where an upload goes: `dest`, the project by the header, and what belongs to none.

use std::fs;

use dicom_core::VR;
use dicom_dictionary_std::tags;
use serde_json::json;

use super::{NOTHING, check_nothing_left, study, tgz, upload, zip};
use crate::archives;
use crate::dicom;
use crate::site::Site;

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
    assert_eq!((again.status, again.text()), (200, archived.text()));
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
        assert_eq!(site.get(user, uri).status, 403, "{user}");
        assert_eq!(
            site.get(user, &format!("{uri}/scans")).status,
            403,
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
    assert_eq!(refused.status, 400, "{}", refused.text());
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
