//! /metrics: what a monitoring system sees, and that it sees no patient.

use std::collections::BTreeMap;
use std::fs;

use serde_json::json;

use crate::dicom;
use crate::site::Site;

/// Each line's name and labels, with its value.
fn parse(text: &str) -> BTreeMap<String, f64> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (name, value) = line.rsplit_once(' ').unwrap();
            (name.to_owned(), value.parse().unwrap())
        })
        .collect()
}

#[test]
fn metrics_tell_of_imports_rules_and_calls_and_of_no_patient() {
    let site = Site::new();
    dicom::study(&site.inbox("P/Zqxv"), 1, 1, 3);
    fs::write(site.inbox("P/Zqxv").join("Zqxv.txt"), "no picture").unwrap();
    let code = r#"fn anonymize(ds, ctx) {
        if ds.get("InstanceNumber") == "2" { throw "Zqxv" } keep()
    }"#;
    site.rhai("second", "anonymize", &["InstanceNumber"], &[], code);
    site.policy("P", &json!({ "anonymize": [{ "module": "second" }] }));
    let labels = [("SUBJECT_ID", "Zqxv_S"), ("EXPT_LABEL", "Zqxv_E")];
    let done = site.import("P", "P/Zqxv", &labels);
    assert_eq!(done.outcomes(), "2 stored, 1 failed, 1 not_dicom");
    assert_eq!(site.get("ada", "/xapi/dicom/99?q=Zqxv").status, 404);
    assert_eq!(site.get("ada", "/Zqxv/nowhere").status, 404);

    let answer = site.get("root", "/metrics");
    assert!(
        answer.kind.starts_with("application/openmetrics-text"),
        "{}",
        answer.kind
    );
    let text = answer.text();
    assert!(text.ends_with("# EOF\n"));
    for planted in ["Zqxv", "\"ada\"", "\"root\"", "\"P\"", "inbox/"] {
        assert!(!text.contains(planted), "{planted}: {text}");
    }
    let metrics = parse(text);
    for (name, value) in [
        ("sluice_requests{status=\"Completed\"}", 1.0),
        ("sluice_requests{status=\"Queued\"}", 0.0),
        ("sluice_queue_depth", 0.0),
        ("sluice_queue_oldest_seconds", 0.0),
        ("sluice_imports_running", 0.0),
        (
            "sluice_import_duration_seconds_count{status=\"Completed\"}",
            1.0,
        ),
        ("sluice_files_total{outcome=\"stored\"}", 2.0),
        ("sluice_files_total{outcome=\"failed\"}", 1.0),
        ("sluice_files_total{outcome=\"not_dicom\"}", 1.0),
        ("sluice_files_total{outcome=\"duplicate\"}", 0.0),
        (
            "sluice_stored_bytes_total",
            done.status["bytes"].as_f64().unwrap(),
        ),
        (
            "sluice_rule_failures_total{code=\"rule-error\",module=\"second\"}",
            1.0,
        ),
        // The label and route rules that ship ran once each, the project's for each file.
        (
            "sluice_rule_call_duration_seconds_count{module=\"second\",version=\"1.0.0\"}",
            3.0,
        ),
        (
            "sluice_rule_call_duration_seconds_count{module=\"xnat-labels\",version=\"1.2.0\"}",
            1.0,
        ),
        (
            "sluice_rule_call_duration_seconds_count{module=\"xnat-routing\",version=\"1.1.0\"}",
            1.0,
        ),
        ("sluice_sessions{state=\"READY\"}", 1.0),
        ("sluice_sessions{state=\"ARCHIVED\"}", 0.0),
        ("sluice_commits_recovered_total", 0.0),
        ("sluice_webhook_pending", 0.0),
        (
            "sluice_http_requests_total{method=\"POST\",route=\"/data/services/import\",status=\"200\"}",
            1.0,
        ),
        (
            "sluice_http_requests_total{method=\"GET\",route=\"(none)\",status=\"404\"}",
            1.0,
        ),
    ] {
        assert_eq!(metrics.get(name), Some(&value), "{name} in {text}");
    }
    assert!(metrics["process_resident_memory_bytes"] > 1_000_000.0);
    let version = format!(
        "sluice_build_info{{version=\"{}\"}}",
        env!("CARGO_PKG_VERSION")
    );
    assert_eq!(metrics[&version], 1.0);
    let of = "{module=\"second\",version=\"1.0.0\"}";
    assert!(metrics[&format!("sluice_rule_steps_total{of}")] > 3.0);
    let peak = metrics[&format!("sluice_rule_memory_peak_bytes{of}")];
    assert!((1.0..16.0 * 1024.0 * 1024.0).contains(&peak), "{peak}");
    let durations =
        "sluice_http_request_duration_seconds_count{method=\"GET\",route=\"/xapi/dicom/{id}\"}";
    assert!(metrics[durations] >= 1.0);
}

#[test]
fn a_queue_shows_with_its_depth() {
    let mut site = Site::prepared();
    site.slow_rule("P");
    dicom::study(&site.inbox("P/s"), 1, 1, Site::slow_files());
    site.serve(&[("SLUICE_WORKERS", "1")]);
    site.queue("P", "P/s", &[]);
    site.staged();
    site.queue("P", "P/s", &[]);
    site.queue("P", "P/s", &[]);
    let metrics = parse(site.get("root", "/metrics").text());
    assert_eq!(metrics["sluice_queue_depth"], 2.0);
    assert_eq!(metrics["sluice_imports_running"], 1.0);
    assert_eq!(metrics["sluice_requests{status=\"Queued\"}"], 2.0);
    for id in 1..=3 {
        site.call("root", "DELETE", &format!("/xapi/dicom/{id}"), &[]);
        site.ended(&format!("/xapi/dicom/{id}"));
    }
}

#[test]
fn who_may_read_the_metrics_is_a_setting() {
    for (setting, nobody, ada, root) in [
        (None, 401, 403, 200),
        (Some("open"), 200, 200, 200),
        (Some("off"), 404, 404, 404),
    ] {
        let mut site = Site::prepared();
        if let Some(setting) = setting {
            let text = format!("metrics = \"{setting}\"\n");
            fs::write(site.path("sluice.toml"), text).unwrap();
        }
        site.serve(&[]);
        let status = |user: &str| site.get(user, "/metrics").status;
        assert_eq!(
            (status(""), status("ada"), status("root")),
            (nobody, ada, root),
            "{setting:?}"
        );
    }
}
