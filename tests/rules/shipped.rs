//! The modules that ship, on their defaults: XNAT's labels, routing and default script.

use crate::dataset::file;
use crate::support::*;
use sluice::dicom::Instance;
use sluice::rules::{Decision, Labels, Verdict};

const COMMENTS: (u16, u16) = (0x0010, 0x4000);
const STUDY_COMMENTS: (u16, u16) = (0x0032, 0x4000);
const NAME: (u16, u16) = (0x0010, 0x0010);
const ID: (u16, u16) = (0x0010, 0x0020);

fn labels_of(changes: &[((u16, u16), &str, &str)], parameters: &[(&str, &str)]) -> Labels {
    let set = Rules::new().pinned();
    set.label(instance(changes), &run_with(parameters))
        .1
        .unwrap()
}

fn pair(labels: Labels) -> (String, String) {
    (labels.subject, labels.session)
}

fn both(subject: &str, session: &str) -> (String, String) {
    (subject.to_owned(), session.to_owned())
}

#[test]
fn labels_come_from_the_header_sanitised() {
    assert_eq!(pair(labels_of(&[], &[])), both("Doe_John", "4711"));
    assert_eq!(
        pair(labels_of(&[(ID, "LO", "a b/c.d")], &[])),
        both("Doe_John", "a_b_c_d")
    );
}

#[test]
fn the_requests_labels_win() {
    let comment = [(COMMENTS, "LT", "Subject:A Session:B")];
    let given = [
        ("SUBJECT_ID", "S.1"),
        ("EXPT_LABEL", "E-1"),
        ("session", "no"),
    ];
    assert_eq!(pair(labels_of(&comment, &given)), both("S.1", "E-1"));
    assert_eq!(
        pair(labels_of(&comment, &[("session", "E2")])),
        both("A", "E2")
    );
}

#[test]
fn assignments_follow_xnats_grammar() {
    for (comment, subject, session) in [
        ("Subject:A Session:B", "A", "B"),
        ("subject : A; SESSION: B-2,", "A", "B-2"),
        ("Project:P, Subject:A", "A", "4711"),
        // The last one counts, as XNAT's expression is greedy.
        ("Session:A Session:B", "Doe_John", "B"),
        // The key must stand alone, and so must the value.
        ("xSession:B", "Doe_John", "4711"),
        ("Session:B/2", "Doe_John", "4711"),
        // Lines are crossed only right beside the assignment.
        ("Subject:A\nSession:B", "A", "B"),
        ("one\ntwo Session:B", "Doe_John", "4711"),
        ("Session:B two\nthree", "Doe_John", "4711"),
        ("Session:", "Doe_John", "4711"),
        ("", "Doe_John", "4711"),
    ] {
        let found = pair(labels_of(&[(COMMENTS, "LT", comment)], &[]));
        assert_eq!(found, both(subject, session), "{comment:?}");
    }
}

#[test]
fn the_first_element_with_an_assignment_counts() {
    let changes = [
        (COMMENTS, "LT", "AA:true"),
        (STUDY_COMMENTS, "LT", "Session:B AA:false"),
    ];
    let labels = labels_of(&changes, &[]);
    assert_eq!((labels.auto_archive, &*labels.session), (Some(true), "B"));
    assert_eq!(
        labels_of(&[(COMMENTS, "LT", "aa: T")], &[]).auto_archive,
        Some(true)
    );
    assert_eq!(
        labels_of(&[(COMMENTS, "LT", "AA:maybe")], &[]).auto_archive,
        None
    );
}

#[test]
fn blank_headers_still_give_labels() {
    assert_eq!(
        pair(labels_of(&[(ID, "LO", "")], &[])),
        both("Doe_John", "dicom_upload")
    );
    assert_eq!(
        pair(labels_of(&[(NAME, "PN", "")], &[])),
        both("4711", "4711")
    );
}

#[test]
fn a_long_text_is_searched_within_the_limits() {
    // LT holds at most 10240 characters (PS3.5 6.2).
    for (word, session) in [
        ("word ", "B"),
        ("session ", "B"),
        ("session:x,", "B"),
        ("session\n", "4711"),
    ] {
        let long = word.repeat(10_000 / word.len()) + "Session:B";
        assert_eq!(
            labels_of(&[(COMMENTS, "LT", &long)], &[]).session,
            session,
            "{word}"
        );
    }
}

#[test]
fn the_default_script_stamps_project_subject_and_session() {
    let set = Rules::new().pinned();
    for (path, expected) in [
        ("StudyDescription", "DEMO"),
        ("PatientName", "S1"),
        ("PatientID", "E1"),
        ("PatientBirthDate", "19700102"),
    ] {
        let done = anonymize(&set, patient(), &run(), &labels());
        assert_eq!(done.verdict, Ok(Verdict::Keep));
        assert_eq!(element(done.instance, path).as_deref(), Some(expected));
    }
}

#[test]
fn the_basic_profile_runs_on_its_defaults() {
    let rules = Rules::new();
    rules.site(r#"{ "anonymize": [{ "module": "ps315-basic" }] }"#);
    let done = anonymize(&rules.pinned(), patient(), &run(), &labels());
    assert_eq!(done.verdict, Ok(Verdict::Keep));
    assert_ne!(
        element(done.instance, "PatientName").as_deref(),
        Some("Doe^John")
    );
}

fn route(code: u8, parameters: &[(&str, &str)], change: (&str, serde_json::Value)) -> Decision {
    let rules = Rules::new();
    let policy = format!(
        r#"{{ "route": {{ "module": "xnat-routing", "settings": {{ "prearchive_code": {code} }} }} }}"#
    );
    let mut summary = summary();
    *summary.pointer_mut(change.0).unwrap() = change.1;
    let set = rules.project(&policy).pinned();
    set.route(&summary.to_string(), &run_with(parameters), &labels())
        .unwrap()
}

fn summary() -> serde_json::Value {
    serde_json::json!({
        "project": "DEMO", "subject": "S1", "session": "E1", "failed": 0, "study": {}, "series": [],
        "counts": { "stored": 3, "duplicate": 0, "filtered": 0, "rejected": 0, "failed": 0, "quarantined": 0,
                    "conflict": 0, "not_dicom": 0, "cut_short": 0, "changed": 0 },
        "differing": 0, "leaks": [], "conflicts": [], "labels": { "auto_archive": null }, "parameters": {}
    })
}

#[test]
fn prearchive_codes_decide_where_nothing_else_does() {
    let clean = || ("/failed", 0.into());
    assert_eq!(
        route(0, &[], clean()),
        Decision::Prearchive("prearchive code 0".into())
    );
    assert_eq!(
        route(4, &[], clean()),
        Decision::Archive("prearchive code 4".into())
    );
    assert_eq!(
        route(5, &[], clean()),
        Decision::ArchiveOverwrite("prearchive code 5".into())
    );
}

#[test]
fn failures_and_conflicts_keep_a_session_in_the_prearchive() {
    assert_eq!(
        route(5, &[], ("/failed", 1.into())),
        Decision::Prearchive("1 file failed".into())
    );
    assert_eq!(
        route(5, &[], ("/counts/conflict", 2.into())),
        Decision::Prearchive("2 files in conflict with one already met".into())
    );
    let conflicts = serde_json::json!([{ "code": "study-uid", "detail": "" }, { "code": "subject", "detail": "" }]);
    assert_eq!(
        route(5, &[], ("/conflicts", conflicts)),
        Decision::Prearchive("conflict: study-uid, subject".into())
    );
}

#[test]
fn the_wish_to_archive_follows_xnats_precedence() {
    let wish = |wish: bool| ("/labels/auto_archive", wish.into());
    let none = || ("/failed", 0.into());
    let study = "the study says so (AA)";
    let destination = "the request's destination";
    assert_eq!(route(0, &[], wish(true)), Decision::Archive(study.into()));
    assert_eq!(
        route(5, &[("AA", "true")], wish(false)),
        Decision::Prearchive(study.into())
    );
    assert_eq!(
        route(0, &[("dest", "/data/archive/projects/P")], none()),
        Decision::Archive(destination.into())
    );
    assert_eq!(
        route(4, &[("dest", "/prearchive"), ("AA", "true")], none()),
        Decision::Prearchive(destination.into())
    );
    assert_eq!(
        route(4, &[("auto-archive", "false")], none()),
        Decision::Prearchive("the request's auto-archive".into())
    );
    assert_eq!(
        route(0, &[("AA", "true"), ("overwrite_files", "true")], none()),
        Decision::ArchiveOverwrite("the request's AA".into())
    );
}

#[test]
fn instances_that_differ_from_stored_ones_are_archived_only_to_replace_them() {
    let differing = |conflict: u8| {
        let mut summary = summary();
        summary["counts"]["conflict"] = conflict.into();
        summary["differing"] = 2.into();
        summary["conflicts"] = serde_json::json!([{ "code": "instance", "detail": "" }]);
        ("", summary)
    };
    let overwrite = Decision::ArchiveOverwrite("prearchive code 5".into());
    assert_eq!(route(5, &[], differing(2)), overwrite);
    let met_twice = "3 files in conflict with one already met";
    assert_eq!(
        route(5, &[], differing(3)),
        Decision::Prearchive(met_twice.into())
    );
    for parameters in [&[("overwrite", "append")][..], &[("overwrite", "none")]] {
        let decision = route(5, parameters, differing(2));
        assert!(matches!(decision, Decision::Prearchive(_)), "{decision:?}");
    }
    for parameters in [
        &[("overwrite", "delete")][..],
        &[("overwrite", "override")],
        &[("overwrite_files", "true")],
    ] {
        assert_eq!(
            route(4, parameters, differing(2)),
            Decision::ArchiveOverwrite("prearchive code 4".into())
        );
    }
    assert!(matches!(
        route(4, &[], differing(2)),
        Decision::Prearchive(_)
    ));
}

/// What Table E.1-1 speaks of, where it has no place: at the top, in an item, and in a sequence in disguise.
#[test]
fn the_basic_profile_reaches_what_is_out_of_place() {
    let rules = Rules::new();
    rules.site(r#"{ "anonymize": [{ "module": "ps315-basic" }] }"#);
    let serde_json::Value::Object(elements) = serde_json::json!({
        "0000,1000 UI": "1.2.99",
        "0008,0000 LO": "1.2.99",
        "0008,2218 UN": { "hex": "feff00e00e0000001000004006000000312e322e3939feffdde000000000" },
        "0011,0000 LO": "1.2.99",
        "0018,9346 SQ": [{ "0000,1000 UI": "1.2.99", "0002,0003 UI": "1.2.99", "0002,0102 OB": { "hex": "312e322e3939" } }],
    }) else {
        unreachable!()
    };
    let instance = Instance::from_bytes(file(&elements)).unwrap();
    let done = anonymize(&rules.pinned(), instance, &run(), &labels());
    assert_eq!(done.verdict, Ok(Verdict::Keep));
    let bytes = done.instance.to_bytes().unwrap();
    assert!(!bytes.windows(6).any(|text| text == b"1.2.99"));
}
