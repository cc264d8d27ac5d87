//! The log tells what happened and to which request, and no value of a header, file name, label or rule.

use std::fs;

use dicom_core::VR;
use dicom_dictionary_std::tags;
use serde_json::json;

use crate::archives;
use crate::dicom;
use crate::forms;
use crate::site::Site;

/// In everything that could name a patient here, and nowhere else.
const PLANTED: &str = "Zqxv";

/// A study in a folder whose name, file names and header hold the planted text.
fn plant(site: &Site, folder: &str, number: u32) {
    let folder = site.inbox(folder);
    dicom::study(&folder, number, 1, 3);
    for index in 1..=3 {
        let file = folder.join(format!("Zqxv-file-{index}.dcm"));
        fs::rename(folder.join(format!("1-{index}.dcm")), &file).unwrap();
        dicom::edit(
            &file,
            &[
                (tags::PATIENT_NAME, VR::PN, "Zqxv^Name"),
                (tags::PATIENT_ID, VR::LO, &format!("Zqxv-id-{number}")),
                (tags::PATIENT_COMMENTS, VR::LT, "Zqxv comment"),
                (tags::ACCESSION_NUMBER, VR::SH, "Zqxv-acc"),
                (tags::SERIES_DESCRIPTION, VR::LO, "Zqxv series"),
            ],
        );
    }
}

#[test]
fn no_value_of_a_header_file_name_label_or_rule_is_logged() {
    let mut site = Site::prepared();
    site.serve(&[("SLUICE_LOG", "debug")]);
    let code = r#"fn anonymize(ds, ctx) {
        switch ds.get("InstanceNumber") {
            "1" => throw "Zqxv error text, " + ds.get("PatientName"),
            "2" => reject("Zqxv reject, " + ds.get("PatientID")),
            _ => keep()
        }
    }"#;
    site.rhai("some", "anonymize", &["*"], &[], code);
    site.rhai(
        "throws",
        "route",
        &[],
        &[],
        r#"fn route(summary, ctx) { throw "Zqxv route " + summary.session }"#,
    );
    site.rhai(
        "unlabelled",
        "label",
        &["*"],
        &[],
        r#"fn label(ds, ctx) { throw "Zqxv " + ds.get("PatientName") }"#,
    );

    // Stored, failed and rejected; then a duplicate and a conflict of labels; all with planted labels.
    plant(&site, "P/Zqxv-folder", 1);
    plant(&site, "P/Zqxv-other", 2);
    fs::write(site.inbox("P/Zqxv-folder").join("Zqxv-notes.txt"), PLANTED).unwrap();
    site.policy("P", &json!({ "anonymize": [{ "module": "some" }], "route": { "module": "throws" }, "leak_check": "report" }));
    let labels = [
        ("SUBJECT_ID", "Zqxv_S"),
        ("EXPT_LABEL", "Zqxv_E"),
        ("Zqxv-name", "Zqxv-value"),
    ];
    let some = site.import("P", "P/Zqxv-folder", &labels);
    assert_eq!(
        some.outcomes(),
        "1 stored, 1 rejected, 1 failed, 1 not_dicom"
    );
    assert!(some.reason("Zqxv-file-1.dcm").contains("Zqxv error text"));
    site.import("P", "P/Zqxv-folder", &labels);
    let other = site.import("P", "P/Zqxv-other", &labels);
    assert_eq!(other.session()["status"], "CONFLICT");
    site.policy("P", &json!({ "label": { "module": "unlabelled" } }));
    assert_eq!(site.import("P", "P/Zqxv-other", &[]).state(), "Failed");
    site.policy(
        "OTHER",
        &json!({ "anonymize": [{ "module": "Zqxv-module" }] }),
    );
    plant(&site, "OTHER/Zqxv", 3);
    let broken = site.call_import("root", "OTHER", "OTHER/Zqxv", &[]);
    // Under the version that was good.
    assert_eq!(site.ended(broken.text().trim_end()).state(), "Completed");

    // Archived, with a request that removes its sources; a label that is taken; paths that are refused.
    plant(&site, "AUTO/Zqxv", 4);
    let archived = site.import(
        "AUTO",
        "AUTO/Zqxv",
        &[("EXPT_LABEL", "Zqxv_A"), ("cleanupAfterImport", "true")],
    );
    assert_eq!(archived.outcomes(), "3 stored");
    plant(&site, "AUTO/Zqxv", 5);
    assert_eq!(
        site.call_import("ada", "AUTO", "AUTO/Zqxv", &[("EXPT_LABEL", "Zqxv_A")])
            .status,
        409
    );
    assert_eq!(
        site.call_import("ada", "P", "P/Zqxv-missing", &[]).status,
        400
    );
    assert_eq!(
        site.call_import("ada", "P", "P/Zqxv-other", &[("SUBJECT_ID", "Zqxv/ü")])
            .status,
        400
    );
    assert_eq!(
        site.call_import("Zqxv-user", "P", "P/Zqxv-other", &[])
            .status,
        401
    );

    // Listings, downloads, archiving, deleting.
    for uri in [&some, &other].map(|done| done.session()["uri"].as_str().unwrap().to_owned()) {
        let files = site
            .get("ada", &format!("/data{uri}/scans/ALL/files"))
            .rows();
        assert_eq!(
            site.get("ada", files[0]["URI"].as_str().unwrap()).status,
            200
        );
        site.post_form("ada", "/data/services/archive", &[("src", &uri)]);
        site.call("ada", "DELETE", &format!("/data{uri}"), &[]);
    }
    assert_eq!(
        site.get("ada", "/data/projects/P/subjects/Zqxv_S/experiments/Zqxv_X")
            .status,
        404
    );
    assert_eq!(site.get("ada", "/Zqxv/nowhere").status, 404);

    // Uploads, settings, names of users, targets of notices, and what the page shows of it all. (A project's id is an
    // id: rules are told to be active by it.)
    let upload = [
        ("import-handler", "DICOM-zip"),
        ("project", "P"),
        ("session", "Zqxv_U"),
    ];
    let body = archives::packed("Zqxv.zip", &archives::study(6, 2));
    let import = "/data/services/import";
    site.upload("ada", import, &upload, "application/zip", &body);
    site.upload("ada", import, &upload, "application/zip", b"Zqxv no zip");
    let script = "version \"6.1\"\n(0010,0010) := \"Zqxv script\"\n";
    assert_eq!(
        site.put_text("root", "/xapi/anonymize/projects/P", script)
            .status,
        200
    );
    site.put_text("root", "/xapi/anonymize/projects/P", "Zqxv is no script");
    let filters =
        json!({ "contents": { "mode": "blacklist", "list": "Zqxv series", "enabled": "true" } });
    site.put_json(
        "root",
        "/data/projects/P/config/seriesImportFilter/config",
        &filters,
    );
    site.send(
        "root",
        "POST",
        "/xapi/webhooks",
        &json!({ "url": "http://localhost:1/Zqxv" }),
    );
    site.post_form(
        "",
        "/login",
        &[("username", "Zqxv-user"), ("password", "Zqxv-password")],
    );
    for page in [
        "/",
        "/?q=Zqxv",
        "/prearchive?project=Zqxv",
        "/rules/Zqxv",
        "/imports/1",
        "/xapi/dicom/list/all?q=Zqxv",
    ] {
        site.get("ada", page);
    }
    site.import("P", "P/Zqxv-other", &[("EXPT_LABEL", "Zqxv_V")]);
    let metrics = site.get("root", "/metrics");
    assert_eq!(metrics.status, 200);
    let metrics = metrics.text().to_lowercase();
    let told = metrics.lines().filter(|line| line.contains("zqxv"));
    assert_eq!(told.collect::<Vec<_>>(), Vec::<&str>::new());

    let log = site.stop();
    assert!(log.len() > 100, "debug lines are there: {}", log.len());
    assert!(
        log.iter().any(|line| line.contains("\"rule-error\"")),
        "failures are told by their code"
    );
    let told: Vec<&String> = log
        .iter()
        .filter(|line| line.to_lowercase().contains("zqxv"))
        .collect();
    assert!(told.is_empty(), "{told:#?}");
    forms::told(
        "values of headers, labels, names and rules, planted",
        &format!("{} lines of the log, the metrics", log.len()),
        "none found",
    );
}

#[test]
fn a_request_is_told_from_its_start_to_its_end() {
    let mut site = Site::new();
    dicom::study(&site.inbox("P/s"), 1, 1, 2);
    site.import("P", "P/s", &[]);
    let log = site.stop();
    let lines: Vec<serde_json::Value> = log
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let of_request: Vec<&str> = lines
        .iter()
        .filter(|line| line["fields"]["request"] == 1)
        .map(|line| line["fields"]["message"].as_str().unwrap())
        .collect();
    assert_eq!(
        of_request,
        ["import queued", "import starts", "import ends"]
    );
    let end = lines
        .iter()
        .find(|line| line["fields"]["message"] == "import ends")
        .unwrap();
    assert_eq!(
        (&end["fields"]["found"], &end["fields"]["stored"]),
        (&json!(2), &json!(2))
    );
    assert_eq!(end["fields"]["status"], "Completed");
    let answered = lines
        .iter()
        .find(|line| line["fields"]["message"] == "answered")
        .unwrap();
    assert!(
        answered["span"]["id"]
            .as_str()
            .is_some_and(|id| id.len() == 16)
    );
}
