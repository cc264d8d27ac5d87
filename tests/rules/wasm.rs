//! Rules in WebAssembly: the three worlds, and a module that misbehaves as told.

use crate::support::*;
use sluice::rules::{Anonymized, Decision, RuleFailure, Verdict};

fn told(deed: &str) -> Anonymized {
    let rules = Rules::new();
    rules.fixture("unruly");
    rules.site(&format!(
        r#"{{ "anonymize": [{{ "module": "unruly", "settings": {{ "do": "{deed}" }} }}] }}"#
    ));
    anonymize(&rules.pinned(), patient(), &run(), &labels())
}

fn failed(deed: &str) -> RuleFailure {
    told(deed).verdict.unwrap_err()
}

#[test]
fn declared_edits_are_made() {
    let done = told("edit");
    assert_eq!(done.verdict, Ok(Verdict::Keep));
    assert_eq!(element(done.instance, "PatientName").as_deref(), Some("S1"));
    assert_eq!(element(told("edit").instance, "(0010,1040)"), None);
    let uid = run().pseudonyms.uid("1.2.3");
    assert_eq!(
        element(told("edit").instance, "StudyInstanceUID"),
        Some(uid)
    );
}

#[test]
fn verdicts_and_errors_come_through() {
    assert_eq!(
        told("reject").verdict,
        Ok(Verdict::Reject("told to reject".to_owned()))
    );
    assert_eq!(
        told("quarantine").verdict,
        Ok(Verdict::Quarantine("told to quarantine".to_owned()))
    );
    assert_eq!(failed("err").to_string(), "unruly failed: told to err");
    let trap = failed("trap");
    assert!(matches!(trap, RuleFailure::Broke { .. }), "{trap}");
}

#[test]
fn runs_on_many_threads_do_not_disturb_each_other() {
    let rules = Rules::new();
    rules.fixture("unruly");
    rules.site(r#"{ "anonymize": [{ "module": "unruly", "settings": { "do": "edit" } }] }"#);
    let set = rules.pinned();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..50 {
                    let done = anonymize(&set, patient(), &run(), &labels());
                    assert_eq!(done.verdict, Ok(Verdict::Keep));
                }
            });
        }
    });
}

#[test]
fn label_and_route_worlds_run() {
    let rules = Rules::new();
    rules.fixture("label-wasm").fixture("route-wasm");
    rules.site(r#"{ "label": { "module": "label-wasm" }, "route": { "module": "route-wasm" } }"#);
    let set = rules.pinned();
    let labels = set.label(patient(), &run()).1.unwrap();
    assert_eq!((&*labels.subject, &*labels.session), ("4711", "W_7"));
    let route = |summary: &str| set.route(summary, &run(), &labels);
    assert_eq!(
        route(r#"{ "failed": 0 }"#),
        Ok(Decision::Archive("no file failed".to_owned()))
    );
    assert_eq!(
        route(r#"{ "failed": 2 }"#),
        Ok(Decision::Prearchive("2 failed".to_owned()))
    );
    assert!(matches!(route("no JSON"), Err(RuleFailure::Error { .. })));
}

#[test]
fn a_component_of_another_kind_is_refused_when_the_policy_loads() {
    let rules = Rules::new();
    rules.fixture("route-wasm");
    let wasm = std::fs::read(rules.path().join("modules/route-wasm/rule.wasm")).unwrap();
    let manifest = r#"{ "name": "x", "version": "1.0.0", "interface": "1", "kind": "anonymize", "engine": "wasm", "entry": "rule.wasm" }"#;
    rules
        .write("modules/x/module.json", manifest)
        .write("modules/x/rule.wasm", wasm);
    rules.site(r#"{ "anonymize": [{ "module": "x" }] }"#);
    let error = rules.pin().err().unwrap().to_string();
    assert!(
        error.starts_with("rules/modules/x/rule.wasm: ") && error.contains("anonymize"),
        "{error}"
    );
    rules.write("modules/x/rule.wasm", b"\0asm nonsense");
    assert!(rules.pin().is_err());
}

#[test]
fn a_region_of_the_picture_is_made_black() {
    let rules = Rules::new();
    rules.fixture("unruly");
    rules.site(r#"{ "anonymize": [{ "module": "unruly", "settings": { "do": "redact" } }] }"#);
    let done = anonymize(&rules.pinned(), picture(), &run(), &labels());
    assert_eq!(done.verdict, Ok(Verdict::Keep));
    assert_eq!(
        pixels(done.instance),
        [1, 2, 3, 4, 5, 0, 0, 8, 9, 10, 11, 12]
    );
    // The patient's file has no pixels.
    assert_eq!(
        failed("redact").to_string(),
        "unruly failed: the redaction was refused"
    );
}

#[test]
fn keys_are_looked_up_in_the_policys_table() {
    let rules = Rules::new();
    rules.fixture("unruly");
    let policy = |deed: &str| {
        format!(
            r#"{{ "anonymize": [{{ "module": "unruly", "settings": {{ "do": "{deed}" }}, "tables": {{ "subjects": "s.csv" }} }}] }}"#
        )
    };
    rules.project(&policy("lookup"));
    for (table, name) in [("1.2.3,Listed", "Listed"), ("1.2,Listed", "not listed")] {
        rules.write("projects/DEMO/s.csv", format!("key,value\n{table}\n"));
        let done = anonymize(&rules.pinned(), patient(), &run(), &labels());
        assert_eq!(done.verdict, Ok(Verdict::Keep));
        assert_eq!(element(done.instance, "PatientName").as_deref(), Some(name));
    }
    rules.project(&policy("lookup-nowhere"));
    let failure = anonymize(&rules.pinned(), patient(), &run(), &labels())
        .verdict
        .unwrap_err();
    assert_eq!(failure.code(), "rule-broke");
    assert!(
        failure
            .to_string()
            .contains("there is no table \"nowhere\""),
        "{failure}"
    );
}
