//! Rules in both languages that behave and misbehave: a file whose rule gives no good answer is stored
//! nowhere, keeps its source, is named with the reason, and disturbs nobody else's import.

use dicom_dictionary_std::tags;
use serde_json::{Value, json};

use crate::dicom;
use crate::done::Done;
use crate::site::Site;

/// Deeds of `unruly`, with a part of the reason that the report then gives, and the code that is counted.
const UNRULY: [(&str, &str, &str); 10] = [
    ("err", "told to err", "rule-error"),
    ("trap", "unruly broke", "rule-broke"),
    ("lookup-nowhere", "no table", "rule-broke"),
    ("undeclared-write", "writes", "rule-undeclared-write"),
    ("undeclared-read", "reads", "rule-undeclared-read"),
    ("loop", "longer than its limit", "rule-too-long"),
    ("flood", "longer than its limit", "rule-too-long"),
    ("recurse", "nests its calls too deeply", "rule-too-deep"),
    ("eat", "more memory than its limit", "rule-too-large"),
    (
        "huge-string",
        "more memory than its limit",
        "rule-too-large",
    ),
];

/// What a Rhai rule does with the second slice, with a part of the reason, and the code.
const RHAI: [(&str, &str, &str); 14] = [
    (r#"throw "told to throw""#, "told to throw", "rule-error"),
    ("timestamp()", "Function not found", "rule-error"),
    (
        r#"ds.set("InstitutionName", "x")"#,
        "writes",
        "rule-undeclared-write",
    ),
    (
        r#"try { ds.set("InstitutionName", "x") } catch {}"#,
        "writes",
        "rule-undeclared-write",
    ),
    (
        r#"try { ds.get("PatientBirthDate") } catch {}"#,
        "reads",
        "rule-undeclared-read",
    ),
    (
        r#"ds.get("PatientBirthDate")"#,
        "reads",
        "rule-undeclared-read",
    ),
    ("loop { }", "longer than its limit", "rule-too-long"),
    (
        r#"loop { ds.get("InstanceNumber"); }"#,
        "longer than its limit",
        "rule-too-long",
    ),
    ("anonymize(ds, ctx)", "too deeply", "rule-too-deep"),
    (
        r#"let s = "x"; loop { s += s; }"#,
        "more memory",
        "rule-too-large",
    ),
    (
        r#"let s = "x"; s.pad(100000000, "x")"#,
        "more memory",
        "rule-too-large",
    ),
    (
        "let a = []; loop { a.push(a); }",
        "more memory",
        "rule-too-large",
    ),
    (
        r#"try { pseudonym::lookup("t", "x") } catch {}"#,
        "no table",
        "rule-broke",
    ),
    (r#"return "no verdict""#, "expected keep()", "rule-broke"),
];

/// That the failures of a module are counted under their codes.
fn assert_counted(site: &Site, module: &str, code: &str, files: u32) {
    let metrics = site.get("root", "/metrics");
    let line =
        format!("sluice_rule_failures_total{{code=\"{code}\",module=\"{module}\"}} {files}\n");
    assert!(metrics.text().contains(&line), "{line}{}", metrics.text());
}

/// Imports three slices into P, of which the rule in its chain fails some, while AUTO imports as ever.
fn import_beside_another(site: &Site, number: u32, step: Value) -> Done {
    let names = [format!("P/s{number}"), format!("AUTO/s{number}")];
    for (name, study) in names.iter().zip([2 * number, 2 * number + 1]) {
        dicom::study(&site.inbox(name), study, 1, 3);
    }
    site.policy("P", &json!({ "anonymize": [step] }));
    let misbehaved = site.queue("P", &names[0], &[("cleanupAfterImport", "true")]);
    let other = site.queue("AUTO", &names[1], &[]);
    let other = site.ended(&other);
    assert_eq!(
        (other.state(), other.outcomes().as_str()),
        ("Completed", "3 stored")
    );
    assert_eq!(other.session()["status"], "ARCHIVED");
    site.ended(&misbehaved)
}

#[test]
fn a_rhai_rule_edits_what_it_declares() {
    let site = Site::new();
    let folder = site.inbox("P/s");
    dicom::study(&folder, 1, 1, 1);
    let code = r#"fn anonymize(ds, ctx) {
        ds.set("PatientName", "Rhai^" + ctx.subject);
        ds.remove("*/(0010,1040)");
        ds.blank("InstitutionName");
        keep()
    }"#;
    site.rhai(
        "edits",
        "anonymize",
        &[],
        &["PatientName", "*/(0010,1040)", "InstitutionName"],
        code,
    );
    site.policy("P", &json!({ "anonymize": [{ "module": "edits" }] }));
    let done = site.import("P", "P/s", &[("SUBJECT_ID", "S1")]);
    let stored = site
        .path(&done.folder())
        .join(done.file("1-1.dcm")["stored"].as_str().unwrap());
    assert_eq!(
        dicom::text(&stored, tags::PATIENT_NAME).as_deref(),
        Some("Rhai^S1")
    );
    assert_eq!(dicom::text(&stored, tags::PATIENT_ADDRESS), None);
    assert_eq!(
        dicom::text(&stored, tags::INSTITUTION_NAME).as_deref(),
        Some("")
    );
    let source = folder.join("1-1.dcm");
    assert_eq!(
        dicom::text(&source, tags::PATIENT_NAME).as_deref(),
        Some("SMITH^JOHN^Q^MR^JR")
    );
    assert_eq!(dicom::pixels(&stored), dicom::pixels(&source));
}

#[test]
fn a_wasm_rule_edits_what_it_declares() {
    let site = Site::new();
    let folder = site.inbox("P/s");
    dicom::study(&folder, 1, 1, 1);
    site.unruly();
    site.policy(
        "P",
        &json!({ "anonymize": [{ "module": "unruly", "settings": { "do": "edit" } }] }),
    );
    let done = site.import("P", "P/s", &[("SUBJECT_ID", "S1")]);
    let stored = site
        .path(&done.folder())
        .join(done.file("1-1.dcm")["stored"].as_str().unwrap());
    assert_eq!(
        dicom::text(&stored, tags::PATIENT_NAME).as_deref(),
        Some("S1")
    );
    assert_eq!(dicom::text(&stored, tags::PATIENT_ADDRESS), None);
    let study = dicom::text(&stored, tags::STUDY_INSTANCE_UID).unwrap();
    assert!(study.starts_with("2.25."), "{study}");
    assert_eq!(
        dicom::pixels(&stored),
        dicom::pixels(&folder.join("1-1.dcm"))
    );
}

#[test]
fn a_reject_in_either_language_keeps_the_file_out() {
    let site = Site::new();
    site.unruly();
    let wasm = import_beside_another(
        &site,
        1,
        json!({ "module": "unruly", "settings": { "do": "reject" } }),
    );
    assert_eq!(
        (wasm.state(), wasm.outcomes().as_str()),
        ("Failed", "3 rejected")
    );
    assert_eq!(wasm.reason("1-1.dcm"), "told to reject");
    let code = r#"fn anonymize(ds, ctx) {
        if ds.get("InstanceNumber") == "2" { reject("the second") } else { keep() }
    }"#;
    site.rhai("second", "anonymize", &["InstanceNumber"], &[], code);
    let rhai = import_beside_another(&site, 2, json!({ "module": "second" }));
    assert_eq!(
        (rhai.state(), rhai.outcomes().as_str()),
        ("Completed", "2 stored, 1 rejected")
    );
    assert_eq!(rhai.reason("1-2.dcm"), "the second");
    assert_eq!(site.files("inbox/P/s2"), ["1-2.dcm"]);
}

#[test]
fn a_wasm_rule_that_misbehaves_fails_its_files_closed() {
    let site = Site::new();
    site.unruly();
    for (number, (deed, reason, code)) in (1..).zip(UNRULY) {
        let step = json!({ "module": "unruly", "settings": { "do": deed } });
        let done = import_beside_another(&site, number, step);
        assert_eq!(
            (done.state(), done.outcomes().as_str()),
            ("Failed", "3 failed"),
            "{deed}"
        );
        for file in ["1-1.dcm", "1-2.dcm", "1-3.dcm"] {
            assert!(
                done.reason(file).contains(reason),
                "{deed}: {}",
                done.reason(file)
            );
        }
        assert_eq!(site.files(&format!("inbox/P/s{number}")).len(), 3, "{deed}");
        let so_far = &UNRULY[..number as usize];
        let alike = so_far.iter().filter(|(_, _, other)| *other == code).count() as u32;
        assert_counted(&site, "unruly", code, 3 * alike);
    }
    assert_eq!(site.files("prearchive"), Vec::<String>::new());
}

#[test]
fn a_rhai_rule_that_misbehaves_fails_its_file_closed() {
    let site = Site::new();
    for (number, (deed, reason, code)) in (1..).zip(RHAI) {
        let script = format!(
            "fn anonymize(ds, ctx) {{ if ds.get(\"InstanceNumber\") == \"2\" {{ {deed}; }} keep() }}"
        );
        let name = format!("rule{number}");
        site.rhai(&name, "anonymize", &["InstanceNumber"], &[], &script);
        let done = import_beside_another(&site, number, json!({ "module": name }));
        assert_eq!(
            (done.state(), done.outcomes().as_str()),
            ("Completed", "2 stored, 1 failed"),
            "{deed}"
        );
        assert!(
            done.reason("1-2.dcm").contains(reason),
            "{deed}: {}",
            done.reason("1-2.dcm")
        );
        assert!(done.reason("1-2.dcm").contains(&name), "the rule is named");
        assert_eq!(
            site.files(&format!("inbox/P/s{number}")),
            ["1-2.dcm"],
            "{deed}"
        );
        assert_eq!(site.instances(&done.folder()).len(), 2, "{deed}");
        assert_counted(&site, &name, code, 1);
    }
}

#[test]
fn a_rule_that_makes_two_files_the_same_instance_stores_the_first() {
    let site = Site::new();
    dicom::study(&site.inbox("P/s"), 1, 1, 2);
    let code = r#"fn anonymize(ds, ctx) { ds.set("SOPInstanceUID", "1.2.3"); keep() }"#;
    site.rhai("same", "anonymize", &[], &["SOPInstanceUID"], code);
    site.policy("P", &json!({ "anonymize": [{ "module": "same" }] }));
    for expected in ["1 stored, 1 conflict", "1 duplicate, 1 conflict"] {
        let done = site.import("P", "P/s", &[]);
        assert_eq!(
            (done.state(), done.outcomes().as_str()),
            ("Completed", expected)
        );
        assert_eq!(done.outcome("1-2.dcm"), "conflict", "whichever was faster");
        assert_eq!(site.instances("prearchive").len(), 1);
    }
    let cleaned = site.import("P", "P/s", &[("cleanupAfterImport", "true")]);
    assert_eq!(cleaned.outcomes(), "1 duplicate, 1 conflict");
    assert_eq!(site.files("inbox/P"), ["s/1-2.dcm"]);
}

#[test]
fn the_module_that_ships_runs_in_the_server() {
    let site = Site::new();
    let folder = site.inbox("AUTO/s");
    dicom::study(&folder, 1, 1, 2);
    site.policy(
        "AUTO",
        &json!({
            "anonymize": [{ "module": "ps315-basic" }],
            "route": { "module": "xnat-routing", "settings": { "prearchive_code": 4 } },
        }),
    );
    let done = site.import(
        "AUTO",
        "AUTO/s",
        &[("SUBJECT_ID", "S1"), ("EXPT_LABEL", "E1")],
    );
    assert_eq!(
        (done.state(), done.outcomes().as_str()),
        ("Completed", "2 stored")
    );
    for file in site.instances(&done.folder()) {
        let stored = site.path(&done.folder()).join(file);
        let removed = dicom::text(&stored, tags::PATIENT_IDENTITY_REMOVED);
        assert_eq!(removed.as_deref(), Some("YES"));
        let bytes = std::fs::read(&stored).unwrap();
        let holds = |text: &str| {
            bytes
                .windows(text.len())
                .any(|window| window == text.as_bytes())
        };
        assert!(!holds("SMITH") && !holds("MRN"), "{}", stored.display());
    }
}
