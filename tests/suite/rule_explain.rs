//! `sluice rule explain`: what the chain would do to files, without doing it.

use std::fs;

use serde_json::{Value, json};

use crate::dicom;
use crate::server::{run, sluice};
use crate::site::Site;

const CODE: &str = "fn anonymize(ds, ctx) {
    if ds.get(\"InstanceNumber\") == \"3\" { return reject(\"third\"); }
    if ds.get(\"InstanceNumber\") == \"2\" { ds.remove(\"StationName\"); }
    ds.set(\"PatientName\", ctx.subject);
    keep()
}
";

/// Project P with a rule of its own, and a study of three files beside it.
fn site() -> Site {
    let site = Site::prepared();
    site.rhai(
        "mine",
        "anonymize",
        &["InstanceNumber"],
        &["PatientName", "StationName"],
        CODE,
    );
    site.policy(
        "P",
        &json!({
            "anonymize": [{ "module": "mine" }], "leak_check": "report",
            "series_filters": { "mode": "blacklist", "list": ["[Modality]", "MR"] },
            "route": { "module": "xnat-routing", "settings": { "prearchive_code": 4 } },
        }),
    );
    dicom::study(&site.path("in"), 0, 1, 3);
    fs::write(site.path("in/notes.txt"), "no DICOM").unwrap();
    fs::copy(site.path("in/1-1.dcm"), site.path("in/again.dcm")).unwrap();
    site
}

fn explain(site: &Site, more: &[&str]) -> String {
    let folder = site.path("in");
    let arguments = [
        "rule",
        "explain",
        "--project",
        "P",
        folder.to_str().unwrap(),
    ];
    run(&site.path(""), &[&arguments, more].concat(), "")
}

fn file<'a>(told: &'a Value, path: &str) -> &'a Value {
    let files = told["files"].as_array().unwrap();
    files.iter().find(|file| file["path"] == path).unwrap()
}

#[test]
fn every_edit_is_told_with_its_place_and_values() {
    let site = site();
    let told: Value =
        serde_json::from_str(&explain(&site, &["--json", "--var", "SUBJECT_ID=S1"])).unwrap();
    let outcome = |path| file(&told, path)["outcome"].as_str().unwrap().to_owned();
    assert_eq!(
        ["1-1.dcm", "1-2.dcm", "1-3.dcm", "again.dcm", "notes.txt"].map(outcome),
        ["stored", "stored", "rejected", "duplicate", "not_dicom"]
    );
    let steps = &file(&told, "1-2.dcm")["steps"];
    assert_eq!(steps[0]["step"]["module"], "xnat-default");
    assert_eq!(steps[1]["step"]["scope"], "project");
    // The site's step had given the name already.
    let edits = &steps[1]["edits"];
    assert_eq!(edits.as_array().unwrap().len(), 1, "{edits:#}");
    let station = dicom::text(
        &site.path("in/1-2.dcm"),
        dicom_dictionary_std::tags::STATION_NAME,
    );
    assert_eq!(
        edits[0],
        json!({ "path": "StationName", "action": "remove", "line": 3, "column": 45, "before": station, "after": null })
    );
    let study = &told["studies"][0];
    assert_eq!(study["labels"]["subject"], "S1");
    assert_eq!(study["route"]["to"], "archive");
    assert_eq!(study["summary"]["counts"]["rejected"], 1);
    assert!(
        study["leaks"]
            .as_array()
            .unwrap()
            .iter()
            .any(|leak| leak["kind"] == "birth-date"),
        "{study:#}"
    );
}

#[test]
fn files_that_fare_alike_are_told_together() {
    let site = site();
    let text = explain(&site, &[]);
    for expected in [
        "  label     xnat-labels 1.2.0 (built-in)\n",
        "  1-1.dcm: stored\n",
        "  1-3.dcm: rejected: third\n",
        "      remove (line 3) StationName: \"SCANNER",
        "of no study\n",
        "again.dcm: duplicate: the same SOP instance with the same content as 1-1.dcm",
        "  xnat-routing: archive: prearchive code 4",
        "identifying values still stand (reported)",
    ] {
        assert!(text.contains(expected), "{expected}\n{text}");
    }
    // In full once, then what differs.
    assert_eq!(
        text.matches("set (line 4) StudyDescription").count(),
        1,
        "{text}"
    );
    assert!(text.contains("as above in "), "{text}");
    let verbose = explain(&site, &["--verbose"]);
    assert_eq!(
        verbose.matches("set (line 4) StudyDescription").count(),
        3,
        "{verbose}"
    );
}

#[test]
fn a_failure_is_told_with_its_line_and_what_was_done_before() {
    let site = site();
    let code = CODE.replace("keep()", "ds.set(\"PatientID\", \"x\"); keep()");
    site.rhai(
        "mine",
        "anonymize",
        &["InstanceNumber"],
        &["PatientName", "StationName"],
        &code,
    );
    let text = explain(&site, &[]);
    assert!(
        text.contains(
            "mine at line 5, column 8 writes PatientID, which its manifest does not declare"
        ),
        "{text}"
    );
    site.policy(
        "P",
        &json!({ "series_filters": { "mode": "blacklist", "list": ["[Modality]", "CT"] } }),
    );
    assert!(
        explain(&site, &[]).contains(
            "filtered: project's series filter: line 2 of the blacklist holds for Modality"
        )
    );
}

#[test]
fn nothing_is_written_and_what_is_missing_is_said() {
    let site = site();
    let before = site.files("");
    explain(&site, &[]);
    let relevant = |files: Vec<String>| -> Vec<String> {
        // SQLite keeps its own files beside the database.
        files
            .into_iter()
            .filter(|name| !name.starts_with("sluice.db"))
            .collect()
    };
    assert_eq!(relevant(site.files("")), relevant(before));
    for (arguments, reason) in [
        (
            ["rule", "explain", "--project", "NONE", "/"],
            "there is no project NONE",
        ),
        (
            ["rule", "explain", "--project", "P", "/nowhere"],
            "/nowhere: No such file",
        ),
    ] {
        let output = sluice(&site.path(""), &arguments).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(said.contains(reason), "{said}");
    }
}
