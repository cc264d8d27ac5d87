//! Where a session goes: prearchive codes, and what keeps it from the archive.

use serde_json::{Value, json};

use crate::dicom;
use crate::done::Done;
use crate::site::Site;

/// A rule that fails on the second slice.
const SECOND_FAILS: &str = r#"fn anonymize(ds, ctx) {
    if ds.get("InstanceNumber") == "2" { throw "no"; }
    keep()
}"#;

#[test]
fn code_0_waits_in_the_prearchive_and_code_4_archives() {
    let site = Site::new();
    dicom::study(&site.inbox("P/s"), 1, 1, 2);
    let waiting = site.import("P", "P/s", &[("SUBJECT_ID", "S1"), ("EXPT_LABEL", "E1")]);
    assert_eq!(waiting.session()["status"], "READY");
    assert!(waiting.folder().starts_with("prearchive/P/"));
    assert!(waiting.folder().ends_with("/E1"));
    let archived = site.import("AUTO", "P/s", &[("SUBJECT_ID", "S1"), ("EXPT_LABEL", "E1")]);
    assert_eq!(archived.session()["status"], "ARCHIVED");
    assert_eq!(archived.folder(), "archive/AUTO/arc001/E1");
    assert_eq!(
        archived.resolution(),
        "/archive/projects/AUTO/subjects/S1/experiments/E1"
    );
    assert_eq!(
        site.instances("archive/AUTO/arc001/E1/SCANS/1/DICOM").len(),
        2
    );
    assert_eq!(site.instances("prearchive").len(), 2);
}

#[test]
fn a_code_set_over_rest_holds_for_the_next_import() {
    let site = Site::new();
    dicom::study(&site.inbox("P/one"), 1, 1, 1);
    dicom::study(&site.inbox("P/two"), 2, 1, 1);
    assert_eq!(site.import("P", "P/one", &[]).session()["status"], "READY");
    assert_eq!(
        site.call("otto", "PUT", "/data/projects/P/prearchive_code/4", &[])
            .status,
        200
    );
    assert_eq!(
        site.get("ada", "/data/projects/P/prearchive_code").text(),
        "4"
    );
    assert_eq!(
        site.import("P", "P/two", &[]).session()["status"],
        "ARCHIVED"
    );
}

#[test]
fn a_rules_failure_keeps_a_session_from_the_archive() {
    let site = Site::new();
    dicom::study(&site.inbox("AUTO/s"), 1, 1, 3);
    site.rhai(
        "second",
        "anonymize",
        &["InstanceNumber"],
        &[],
        SECOND_FAILS,
    );
    // Even where the route rule does not care.
    site.rhai(
        "always",
        "route",
        &[],
        &[],
        r#"fn route(summary, ctx) { archive("always") }"#,
    );
    for route in [
        json!({ "module": "xnat-routing", "settings": { "prearchive_code": 4 } }),
        json!({ "module": "always" }),
    ] {
        site.policy(
            "AUTO",
            &json!({ "anonymize": [{ "module": "second" }], "route": route }),
        );
        let done = site.import("AUTO", "AUTO/s", &[("EXPT_LABEL", "E1")]);
        assert_eq!(
            (done.state(), done.outcomes().as_str()),
            ("Completed", "2 stored, 1 failed")
        );
        assert_eq!(done.session()["status"], "READY", "{route}");
        assert_eq!(site.files("archive"), Vec::<String>::new());
        let uri = format!("/data{}", done.session()["uri"].as_str().unwrap());
        assert_eq!(site.call("ada", "DELETE", &uri, &[]).status, 200);
    }
}

#[test]
fn a_route_rule_that_fails_leaves_the_session_in_the_prearchive() {
    let site = Site::new();
    dicom::study(&site.inbox("AUTO/s"), 1, 1, 1);
    site.rhai(
        "broken",
        "route",
        &[],
        &[],
        r#"fn route(summary, ctx) { throw "no" }"#,
    );
    site.policy("AUTO", &json!({ "route": { "module": "broken" } }));
    let done = site.import("AUTO", "AUTO/s", &[]);
    assert_eq!(
        (done.state(), done.outcomes().as_str()),
        ("Completed", "1 stored")
    );
    assert_eq!(done.session()["status"], "READY");
    let reason = done.report.as_ref().unwrap()["sessions"][0]["reason"].clone();
    assert!(
        reason.as_str().unwrap().contains("broken failed"),
        "{reason}"
    );
}

#[test]
fn a_route_rule_sees_the_session_and_decides() {
    let site = Site::new();
    dicom::study(&site.inbox("P/s"), 1, 2, 2);
    let code = r#"fn route(summary, ctx) {
        let count = 0;
        for series in summary.series { count += series.count; }
        if summary.study.modality == "CT" && count == 4 && summary.counts.found == 4 { archive("four slices of CT") }
        else { prearchive("something else") }
    }"#;
    site.rhai("counting", "route", &[], &[], code);
    site.policy("P", &json!({ "route": { "module": "counting" } }));
    let done = site.import("P", "P/s", &[]);
    assert_eq!(done.session()["status"], "ARCHIVED");
    let reason = &done.report.as_ref().unwrap()["sessions"][0]["reason"];
    assert_eq!(reason, "four slices of CT");
}

#[test]
fn a_route_rule_sees_what_the_schema_says_at_an_import_and_where_one_is_explained() {
    let site = Site::new();
    let folder = site.inbox("P/s");
    dicom::study(&folder, 1, 2, 2);
    let code = "fn route(summary, ctx) { prearchive(summary.to_json()) }";
    site.rhai("telling", "route", &[], &[], code);
    site.policy("P", &json!({ "route": { "module": "telling" } }));
    let labels = [("SUBJECT_ID", "S1"), ("EXPT_LABEL", "E1")];
    let source = [("PROJECT_ID", "P"), ("path", folder.to_str().unwrap())];
    let query = [source, labels].concat();
    let told = site
        .call("otto", "GET", "/xapi/rules/explain", &query)
        .json();
    let mut explained = told["studies"][0]["summary"].clone();
    let done = site.import("P", "P/s", &labels);
    let reason = done.report.as_ref().unwrap()["sessions"][0]["reason"].clone();
    let mut seen: Value = serde_json::from_str(reason.as_str().unwrap()).unwrap();

    let schema: Value =
        serde_json::from_str(include_str!("../../schemas/session-summary.schema.json")).unwrap();
    let members: Vec<&String> = schema["properties"].as_object().unwrap().keys().collect();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for summary in [&explained, &seen] {
        let errors: Vec<String> = validator
            .iter_errors(summary)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert_eq!(errors, Vec::<String>::new());
        let left_out = members.iter().find(|member| summary.get(member).is_none());
        assert_eq!(left_out, None, "{summary:#}");
    }
    // A call to import has parameters that one to explain has not.
    for summary in [&mut explained, &mut seen] {
        summary["parameters"] = Value::Null;
    }
    assert_eq!(explained, seen);
}

#[test]
fn a_label_rule_that_fails_fails_the_study_and_no_other() {
    let site = Site::new();
    dicom::study(&site.inbox("P/s/good"), 1, 1, 1);
    dicom::study(&site.inbox("P/s/bad"), 2, 1, 2);
    let code = r#"fn label(ds, ctx) {
        if ctx.path.starts_with("bad/") { throw "no label"; }
        #{ subject: "S1", session: "E1" }
    }"#;
    site.rhai("labels", "label", &[], &[], code);
    site.policy("P", &json!({ "label": { "module": "labels" } }));
    let done = site.import("P", "P/s", &[]);
    assert_eq!(
        (done.state(), done.outcomes().as_str()),
        ("Completed", "1 stored, 2 failed")
    );
    assert_eq!(done.session()["label"], "E1");
    assert!(done.reason("bad/1-1.dcm").contains("no label"));
}

#[test]
fn a_label_that_could_leave_its_folder_fails_the_study() {
    let site = Site::new();
    dicom::study(&site.inbox("P/s"), 1, 1, 1);
    for labels in [
        r#"#{ subject: "S1", session: "../../../x" }"#,
        r#"#{ subject: "../x", session: "E1" }"#,
        r#"#{ subject: "S1", session: "E1", scan: "../../x" }"#,
        r#"#{ subject: "S1", session: "" }"#,
    ] {
        let code = format!("fn label(ds, ctx) {{ {labels} }}");
        site.rhai("labels", "label", &[], &[], &code);
        site.policy("P", &json!({ "label": { "module": "labels" } }));
        let done = site.import("P", "P/s", &[]);
        assert_eq!(
            (done.state(), done.outcomes().as_str()),
            ("Failed", "1 failed"),
            "{labels}"
        );
    }
    assert_eq!(site.files("prearchive"), Vec::<String>::new());
}

/// A session for each modality.
const BY_MODALITY: &str = r#"fn route(summary, ctx) {
    let modality_to_series = #{};
    for series in summary.series {
        let uids = modality_to_series[series.modality] ?? [];
        uids.push(series.series_uid);
        modality_to_series[series.modality] = uids;
    }
    let parts = [];
    for modality in modality_to_series.keys() {
        parts.push(#{
            series: modality_to_series[modality],
            session: `${summary.session}_${modality}`,
            to: if modality == "CT" { archive("for the study") } else { prearchive("to be looked at") },
        });
    }
    split(parts)
}"#;

/// Two series of CT and one of PET, in one study.
fn pet_ct(site: &Site, below: &str) {
    let folder = site.inbox(below);
    dicom::study(&folder, 1, 3, 2);
    for name in ["3-1.dcm", "3-2.dcm"] {
        dicom::edit(
            &folder.join(name),
            &[(
                dicom_dictionary_std::tags::MODALITY,
                dicom_core::VR::CS,
                "PT",
            )],
        );
    }
}

/// What the report tells of the sessions that were made.
fn told(done: &Done) -> Vec<Value> {
    let report = done.report.as_ref().unwrap();
    report["sessions"].as_array().unwrap().clone()
}

#[test]
fn a_study_is_split_by_its_series() {
    let site = Site::new();
    pet_ct(&site, "P/s");
    site.rhai("split", "route", &[], &[], BY_MODALITY);
    site.policy("P", &json!({ "route": { "module": "split" } }));
    let labels = [("SUBJECT_ID", "S1"), ("EXPT_LABEL", "E1")];
    let first = site.import("P", "P/s", &labels);
    assert_eq!(first.outcomes(), "6 stored");
    let sessions = told(&first);
    let field =
        |name: &str| -> Vec<&str> { sessions.iter().map(|s| s[name].as_str().unwrap()).collect() };
    assert_eq!(field("label"), ["E1_CT", "E1_PT"]);
    assert_eq!(field("state"), ["ARCHIVED", "READY"]);
    assert_eq!(field("reason"), ["for the study", "to be looked at"]);
    assert_eq!(site.instances("archive/P/arc001/E1_CT").len(), 4);
    assert_eq!(site.instances("prearchive/P").len(), 2);
    // The label that no part has taken is free.
    dicom::study(&site.inbox("P/other"), 2, 1, 1);
    site.policy("P", &json!({}));
    let other = site.import("P", "P/other", &labels);
    assert_eq!(other.session()["status"], "READY");

    // Again, with clean-up: all of it is known, each part under its own label.
    site.policy("P", &json!({ "route": { "module": "split" } }));
    let labels = [
        ("SUBJECT_ID", "S1"),
        ("EXPT_LABEL", "E1"),
        ("cleanupAfterImport", "true"),
    ];
    let again = site.import("P", "P/s", &[labels[0], ("EXPT_LABEL", "E9"), labels[2]]);
    assert_eq!(again.outcomes(), "6 stored", "under another label");
    assert_eq!(site.files("inbox/P/s"), Vec::<String>::new());
    pet_ct(&site, "P/s");
    let again = site.import("P", "P/s", &[labels[0], ("EXPT_LABEL", "E9"), labels[2]]);
    assert_eq!(again.outcomes(), "6 duplicate");
    assert_eq!(site.files("inbox/P/s"), Vec::<String>::new());
}

#[test]
fn a_split_that_can_t_be_followed_keeps_the_study_together() {
    let site = Site::new();
    for (number, parts, why) in [
        (1, "[]", "3 series out of all parts"),
        (
            2,
            r#"[#{ series: all + ["1.2.3"], to: archive("x") }]"#,
            "one that the session has not",
        ),
        (
            3,
            r#"[#{ series: all, session: "a/b", to: archive("x") }]"#,
            "folder's name",
        ),
        (
            4,
            r#"[#{ series: all, to: split([]) }]"#,
            "split inside of a split",
        ),
        (5, "[#{ serie: [] }]", "did you mean"),
    ] {
        dicom::study(&site.inbox(&format!("P/s{number}")), number, 3, 1);
        let code = format!(
            "fn route(summary, ctx) {{
                let all = [];
                for series in summary.series {{ all.push(series.series_uid); }}
                split({parts})
            }}"
        );
        site.rhai("split", "route", &[], &[], &code);
        site.policy("P", &json!({ "route": { "module": "split" } }));
        let done = site.import("P", &format!("P/s{number}"), &[]);
        assert_eq!(done.outcomes(), "3 stored");
        assert_eq!(done.session()["status"], "READY");
        let reason = told(&done)[0]["reason"].as_str().unwrap().to_owned();
        assert!(reason.contains(why), "{parts}: {reason}");
    }
}

#[test]
fn a_file_that_fails_keeps_every_part_from_the_archive() {
    let site = Site::new();
    pet_ct(&site, "P/s");
    site.rhai("split", "route", &[], &[], BY_MODALITY);
    site.rhai(
        "some",
        "anonymize",
        &["InstanceNumber", "Modality"],
        &[],
        r#"fn anonymize(ds, ctx) {
        if ds.get("Modality") == "PT" && ds.get("InstanceNumber") == "2" { throw "no"; }
        keep()
    }"#,
    );
    site.policy(
        "P",
        &json!({ "anonymize": [{ "module": "some" }], "route": { "module": "split" } }),
    );
    let done = site.import("P", "P/s", &[("EXPT_LABEL", "E1")]);
    assert_eq!(done.outcomes(), "5 stored, 1 failed");
    for session in told(&done) {
        assert_eq!(session["state"], "READY", "{session}");
    }
}

#[test]
fn a_rule_sees_what_is_stored_of_the_study() {
    let site = Site::new();
    dicom::study(&site.inbox("P/a"), 1, 1, 2);
    dicom::study(&site.inbox("P/b"), 1, 2, 2);
    let code = r#"fn route(summary, ctx) {
        let told = [];
        for s in summary.stored { told.push(`${s.area} ${s.session} ${s.count} in ${s.scans.len()}`); }
        prearchive(`stored: ${told}`)
    }"#;
    site.rhai("sees", "route", &[], &[], code);
    site.policy("P", &json!({ "route": { "module": "sees" } }));
    let label = ("EXPT_LABEL", "E1");
    let reason = |done: &Done| told(done)[0]["reason"].clone();
    assert_eq!(reason(&site.import("P", "P/a", &[label])), "stored: []");
    assert_eq!(
        reason(&site.import("P", "P/b", &[label])),
        r#"stored: ["prearchive E1 2 in 1"]"#
    );
}
