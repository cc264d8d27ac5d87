//! A candidate beside the rules: it changes nothing, and what it would have changed is told.

use serde_json::{Value, json};

use crate::dicom;
use crate::done::Done;
use crate::server::run;
use crate::site::Site;

const LABELS: [(&str, &str); 2] = [("SUBJECT_ID", "S1"), ("EXPT_LABEL", "E1")];

fn module(site: &Site, name: &str, code: &str) {
    let writes = ["StationName", "PatientBirthDate"];
    site.rhai(name, "anonymize", &["InstanceNumber"], &writes, code);
}

fn site(shadow: &Value) -> Site {
    let site = Site::new();
    module(
        &site,
        "mine",
        "fn anonymize(ds, ctx) { ds.set(\"StationName\", \"X\"); keep() }",
    );
    module(
        &site,
        "next",
        "fn anonymize(ds, ctx) {
            let number = ds.get(\"InstanceNumber\");
            if number == \"2\" { return reject(\"second\"); }
            if number == \"3\" { ds.set(\"PatientName\", \"undeclared\"); }
            if number == \"4\" { loop { } }
            if number == \"5\" { ds.remove(\"PatientBirthDate\"); }
            ds.set(\"StationName\", \"X\");
            keep()
        }",
    );
    let policy = json!({ "anonymize": [{ "module": "mine" }], "shadow": shadow });
    site.policy("P", &policy);
    dicom::study(&site.inbox("P/s"), 1, 1, 6);
    site
}

fn import(site: &Site) -> Done {
    let done = site.import("P", "P/s", &LABELS);
    assert_eq!(done.outcomes(), "6 stored");
    assert_eq!(done.session()["status"], "READY");
    // What is stored is what the rules make of it, and nobody else.
    let id = done.id().to_string();
    let told = run(&site.path(""), &["request", "verify", &id], "");
    assert_eq!(told, "6\tthe same\n");
    done
}

fn shadow(done: &Done) -> &Value {
    &done.report.as_ref().unwrap()["shadow"]
}

#[test]
fn a_candidate_changes_nothing_and_its_disagreements_are_told() {
    let site = site(&json!({
        "anonymize": [{ "module": "next" }],
        "route": { "module": "xnat-routing", "settings": { "prearchive_code": 4 } }
    }));
    let done = import(&site);
    let told = shadow(&done);
    assert_eq!(
        told["counts"],
        json!({ "files": 6, "outcome": 1, "output": 1, "errors": 2, "sessions": 1, "labels": 0, "route": 0 }),
        "with failures its route would keep the session in the prearchive too"
    );
    let files = told["files"].as_array().unwrap();
    let name = |file: &Value| {
        let report = done.report.as_ref().unwrap();
        report["files"][file["file"].as_u64().unwrap() as usize]["path"].clone()
    };
    let summary: Vec<(Value, &Value, bool)> = files
        .iter()
        .map(|file| (name(file), &file["outcome"], file["code"].is_string()))
        .collect();
    let (stored, rejected, failed) = (json!("stored"), json!("rejected"), json!("failed"));
    assert_eq!(
        summary,
        [
            (json!("1-2.dcm"), &rejected, false),
            (json!("1-3.dcm"), &failed, true),
            (json!("1-4.dcm"), &failed, true),
            (json!("1-5.dcm"), &stored, false),
        ]
    );
    assert!(files[3]["headerOut"].is_string());
    assert_eq!(told["sessions"], json!([]));

    // Owners see the numbers; so do the metrics.
    let address = "/xapi/rules/shadow?project=P";
    assert_eq!(site.get("ada", address).status, 403);
    let views = site.get("otto", address).json();
    assert_eq!(views[0]["candidate"], told["ruleSet"]);
    assert_eq!(views[0]["counts"], told["counts"]);
    assert_eq!(views[0]["disagreements"][0]["request"], done.id());
    let metrics = site.get("root", "/metrics").text().to_owned();
    for line in [
        "sluice_shadow_files_total 6",
        "sluice_shadow_disagreements_total{result=\"errors\"} 2",
        "sluice_shadow_disagreements_total{result=\"outcome\"} 1",
    ] {
        assert!(metrics.contains(line), "{line}\n{metrics}");
    }

    let schema: Value =
        serde_json::from_str(include_str!("../../schemas/import-report.schema.json")).unwrap();
    let schema = jsonschema::validator_for(&schema).unwrap();
    assert!(schema.is_valid(done.report.as_ref().unwrap()));
}

#[test]
fn one_that_agrees_is_told_as_such_and_labels_are_compared() {
    let same = site(&json!({ "anonymize": [{ "module": "mine" }] }));
    let done = import(&same);
    assert_eq!(shadow(&done)["files"], json!([]));
    assert_eq!(shadow(&done)["counts"]["files"], 6);
    assert_eq!(shadow(&done)["sessions"], json!([]));
    same.rhai(
        "names",
        "label",
        &["PatientID"],
        &[],
        "fn label(ds, ctx) { #{ subject: \"OTHER\", session: \"OTHER_1\" } }",
    );
    same.policy(
        "P",
        &json!({ "anonymize": [{ "module": "mine" }], "shadow": {
            "label": { "module": "names" },
            "route": { "module": "xnat-routing", "settings": { "prearchive_code": 4 } }
        } }),
    );
    dicom::study(&same.inbox("P/t"), 2, 1, 1);
    let done = same.import("P", "P/t", &[("SUBJECT_ID", "S2"), ("EXPT_LABEL", "E2")]);
    assert_eq!(done.session()["label"], "E2");
    assert_eq!(
        shadow(&done)["sessions"],
        json!([{ "session": "E2", "labels": { "subject": "OTHER", "session": "OTHER_1" }, "route": "archive" }])
    );
    // Its label is nobody's: another study may bear it.
    dicom::study(&same.inbox("P/u"), 3, 1, 1);
    let done = same.import("P", "P/u", &[("EXPT_LABEL", "OTHER_1")]);
    assert_eq!(
        (done.outcomes().as_str(), &done.session()["status"]),
        ("1 stored", &json!("READY"))
    );
}

#[test]
fn one_that_cannot_be_used_harms_nothing_and_is_said() {
    let site = site(&json!({ "anonymize": [{ "module": "missing" }] }));
    let done = import(&site);
    let told = shadow(&done);
    assert_eq!(
        (&told["ruleSet"], &told["counts"]["errors"]),
        (&Value::Null, &json!(1))
    );
    assert!(told["code"].is_string());
    let status = site.get("otto", "/xapi/rules/status").json().to_string();
    assert!(
        status.contains("the shadow can't be used") && status.contains("missing"),
        "{status}"
    );
    // A misspelt policy is refused as any other.
    let policy = json!({ "shadow": { "anonymise": [] } });
    let answer = site.put_json("otto", "/xapi/rules/projects/P/policy", &policy);
    assert_eq!(answer.status, 400);
    assert!(
        answer.text().contains("/shadow/anonymise"),
        "{}",
        answer.text()
    );
}

#[test]
fn an_owners_candidate_loosens_nothing() {
    let site = site(&json!({ "anonymize": [], "leak_check": "off", "file_names": "source" }));
    site.rules(
        "site/policy.json",
        json!({ "leak_check": "quarantine", "anonymize": [{ "module": "xnat-default" }] })
            .to_string(),
    );
    let done = site.import("P", "P/s", &LABELS);
    assert_eq!(done.session()["status"], "QUARANTINED");
    assert_eq!(done.outcomes(), "6 quarantined");
    assert!(site.instances("prearchive").is_empty());
}
