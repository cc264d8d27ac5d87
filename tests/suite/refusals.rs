//! Import calls that are refused: with a reason, and with nothing queued.

use std::os::unix::fs::symlink;

use crate::answer::Answer;
use crate::dicom;
use crate::site::Site;

const IMPORT: &str = "/data/services/import";

/// The text that a page of `/data` shows.
fn shown(answer: &Answer) -> String {
    let page = answer.text();
    let (_, rest) = page.split_once("<h3>").unwrap();
    rest.split_once("</h3>").unwrap().0.to_owned()
}

fn nothing_is_queued(site: &Site) {
    let all = site.get("root", "/xapi/dicom/list/all").json();
    assert_eq!(all, serde_json::json!([]));
}

/// A site with a study in P, in the folder `P/s`.
fn site() -> Site {
    let site = Site::new();
    dicom::study(&site.inbox("P/s"), 1, 1, 1);
    site
}

#[test]
fn without_credentials_or_with_wrong_ones_it_is_401() {
    let site = site();
    assert_eq!(site.call_import("", "P", "P/s", &[]).status, 401);
    assert_eq!(site.call_import("nobody", "P", "P/s", &[]).status, 401);
    site.command(&["user", "password", "eve", "--password-stdin"], "other");
    assert_eq!(site.call_import("eve", "P", "P/s", &[]).status, 401);
    nothing_is_queued(&site);
}

#[test]
fn missing_and_bad_parameters_are_400_with_the_reason() {
    let site = site();
    let path = site.path("inbox/P/s");
    let path = path.to_str().unwrap();
    let inbox = ("import-handler", "inbox");
    let cases: [(&[(&str, &str)], &str); 8] = [
        (&[inbox, ("PROJECT_ID", "P")], "path parameter"),
        (
            &[inbox, ("PROJECT_ID", "P"), ("path", " ")],
            "path parameter",
        ),
        (&[inbox, ("path", path)], "PROJECT_ID"),
        (&[("PROJECT_ID", "P"), ("path", path)], "upload format"),
        (
            &[
                ("import-handler", "nonsense"),
                ("PROJECT_ID", "P"),
                ("path", path),
            ],
            "upload format",
        ),
        (
            &[inbox, ("PROJECT_ID", "NONE"), ("path", path)],
            "destination project",
        ),
        (
            &[
                inbox,
                ("PROJECT_ID", "P"),
                ("path", path),
                ("cleanupAfterImport", "maybe"),
            ],
            "cleanupAfterImport",
        ),
        (&[inbox, ("project", "P"), ("path", path)], "PROJECT_ID"),
    ];
    for (query, reason) in cases {
        let answer = site.call("ada", "POST", IMPORT, query);
        assert_eq!(answer.status, 400, "{query:?}");
        assert!(
            shown(&answer).contains(reason),
            "{query:?}: {}",
            shown(&answer)
        );
    }
    nothing_is_queued(&site);
}

#[test]
fn a_destination_that_the_user_may_not_edit_is_400() {
    let site = site();
    dicom::study(&site.inbox("OTHER/s"), 1, 1, 1);
    let foreign = site.call_import("ada", "OTHER", "P/s", &[]);
    let missing = site.call_import("ada", "NONE", "P/s", &[]);
    assert_eq!((foreign.status, missing.status), (400, 400));
    assert_eq!(
        shown(&foreign),
        shown(&missing),
        "which of them exists is not told"
    );
    nothing_is_queued(&site);
}

#[test]
fn one_text_for_every_path_that_is_not_the_callers() {
    let site = site();
    dicom::study(&site.inbox("OTHER/secret"), 2, 1, 1);
    dicom::study(&site.path("inbox2/P/s"), 3, 1, 1);
    dicom::study(&site.path("outside"), 4, 1, 1);
    symlink(site.path("outside"), site.path("inbox/P/out")).unwrap();
    symlink("../OTHER/secret", site.path("inbox/P/over")).unwrap();
    symlink("OTHER", site.path("inbox/LINK")).unwrap();
    let paths = [
        "inbox/P/missing",
        "outside",
        "inbox2/P/s",
        "inbox/P/../OTHER/secret",
        "inbox/P/../../outside",
        "inbox/P/out",
        "inbox/P/over",
        "inbox/LINK/secret",
        "inbox/OTHER/secret",
        "inbox/OTHER/missing",
        "inbox",
    ];
    let mut texts = std::collections::BTreeSet::new();
    for below in paths {
        let path = site.path(below);
        for path in [path.to_str().unwrap(), &format!("{}/", path.display())] {
            let query = [
                ("import-handler", "inbox"),
                ("PROJECT_ID", "P"),
                ("path", path),
            ];
            let answer = site.call("ada", "POST", IMPORT, &query);
            assert_eq!(answer.status, 400, "{path}");
            texts.insert(shown(&answer));
        }
    }
    let relative = [
        ("import-handler", "inbox"),
        ("PROJECT_ID", "P"),
        ("path", "P/s"),
    ];
    texts.insert(shown(&site.call("ada", "POST", IMPORT, &relative)));
    // A collaborator may read P and not edit it; eve sees nothing of it.
    for user in ["bob", "eve"] {
        let answer = site.call_import(user, "P", "P/s", &[]);
        assert_eq!(answer.status, 400);
        texts.insert(shown(&answer));
    }
    assert_eq!(texts.len(), 1, "{texts:?}");
    nothing_is_queued(&site);
}

#[test]
fn an_empty_folder_and_a_file_are_400() {
    let site = site();
    site.inbox("P/empty/below/below");
    let empty = site.call_import("ada", "P", "P/empty", &[]);
    assert_eq!(empty.status, 400);
    assert_eq!(
        shown(&empty),
        "Specified directory does not contain any files."
    );
    let file = site.call_import("ada", "P", "P/s/1-1.dcm", &[]);
    assert_eq!(file.status, 400);
    nothing_is_queued(&site);
}

#[test]
fn labels_that_could_not_be_a_folders_name_are_400() {
    let site = site();
    let long = "x".repeat(65);
    for name in ["SUBJECT_ID", "EXPT_LABEL", "session"] {
        for label in [
            "Müller", "a/b", "..", "../x", ".hidden", "a b", "a\\b", "a\nb", "名", &long,
        ] {
            let answer = site.call_import("ada", "P", "P/s", &[(name, label)]);
            assert_eq!(answer.status, 400, "{name}={label}");
            assert!(shown(&answer).contains(name), "{}", shown(&answer));
        }
    }
    nothing_is_queued(&site);
}

#[test]
fn a_label_that_the_archive_has_is_409() {
    let site = site();
    dicom::study(&site.inbox("AUTO/s"), 1, 1, 1);
    let done = site.import("AUTO", "AUTO/s", &[("EXPT_LABEL", "TAKEN")]);
    assert_eq!(done.session()["status"], "ARCHIVED");
    let id = done.session()["experimentId"].as_str().unwrap();
    dicom::study(&site.inbox("AUTO/t"), 2, 1, 1);
    for label in ["TAKEN", id] {
        for name in ["EXPT_LABEL", "session"] {
            let answer = site.call_import("ada", "AUTO", "AUTO/t", &[(name, label)]);
            assert_eq!(answer.status, 409, "{name}={label}");
            assert!(shown(&answer).contains("already exists"));
        }
    }
    // In another project the label is free.
    let answer = site.call_import("ada", "P", "AUTO/t", &[("EXPT_LABEL", "TAKEN")]);
    assert_eq!(answer.status, 200);
    site.ended("/xapi/dicom/2");
    let all = site.get("root", "/xapi/dicom/list/all").json();
    assert_eq!(all.as_array().unwrap().len(), 2);
}
