//! What an import may do to what is stored already: nothing, add to it, or replace it.

use std::fs;

use dicom_core::VR;
use dicom_dictionary_std::tags;
use serde_json::{Value, json};

use crate::dicom;
use crate::done::Done;
use crate::site::Site;

/// Gives an instance another content under its identity.
fn change(site: &Site, below: &str, comment: &str) {
    let file = site.path("inbox").join(below);
    dicom::edit(&file, &[(tags::IMAGE_COMMENTS, VR::LT, comment)]);
}

fn routing(code: u8) -> Value {
    json!({ "module": "xnat-routing", "settings": { "prearchive_code": code } })
}

/// Where the import put the instances of a file of the inbox.
fn comment_of(site: &Site, done: &Done, file: &str) -> Option<String> {
    let stored = done.file(file)["stored"].as_str().unwrap();
    dicom::text(
        &site.path(&done.folder()).join(stored),
        tags::IMAGE_COMMENTS,
    )
}

/// The files that a session's history keeps.
fn history(site: &Site, folder: &str) -> Vec<String> {
    let mut files = site.files(folder);
    files.retain(|file| file.contains("/.history/"));
    files
}

fn instances(site: &Site, folder: &str) -> usize {
    let files = site.instances(folder);
    files.iter().filter(|f| !f.contains("/.history/")).count()
}

#[test]
fn code_5_replaces_and_keeps_what_was_there() {
    let site = Site::new();
    site.policy("AUTO", &json!({ "route": routing(5) }));
    dicom::study(&site.inbox("AUTO/s"), 1, 1, 2);
    let first = site.import("AUTO", "AUTO/s", &[("EXPT_LABEL", "E1")]);
    assert_eq!(first.session()["status"], "ARCHIVED");
    let folder = first.folder();
    let stored = site
        .path(&folder)
        .join(first.file("1-1.dcm")["stored"].as_str().unwrap());
    let before = fs::read(&stored).unwrap();

    change(&site, "AUTO/s/1-1.dcm", "second");
    let clean = [("overwrite", "delete"), ("cleanupAfterImport", "true")];
    for (more, comment) in [(&[][..], "second"), (&clean[..], "third")] {
        change(&site, "AUTO/s/1-1.dcm", comment);
        let parameters: Vec<_> = [("SUBJECT_ID", first.session()["subject"].as_str().unwrap())]
            .into_iter()
            .chain(more.iter().copied())
            .collect();
        // The label comes from the header and is that of another session; so it is given by the label rule.
        site.rhai(
            "labels",
            "label",
            &[],
            &[],
            r#"fn label(ds, ctx) { #{ subject: ctx.parameter("SUBJECT_ID"), session: "E1" } }"#,
        );
        site.policy(
            "AUTO",
            &json!({ "route": routing(5), "label": { "module": "labels" } }),
        );
        let again = site.import("AUTO", "AUTO/s", &parameters);
        assert_eq!(
            (again.state(), again.outcomes().as_str()),
            ("Completed", "1 stored, 1 duplicate")
        );
        assert_eq!(again.file("1-1.dcm")["replaced"], true);
        assert!(again.file("1-2.dcm").get("replaced").is_none());
        assert_eq!(again.session()["status"], "ARCHIVED");
        assert_eq!(
            comment_of(&site, &again, "1-1.dcm").as_deref(),
            Some(comment)
        );
    }
    assert_eq!(instances(&site, &folder), 2);
    let kept = history(&site, &folder);
    assert_eq!(kept.len(), 2, "{kept:?}");
    assert!(
        kept.iter()
            .any(|file| fs::read(site.path(&folder).join(file)).unwrap() == before)
    );
    assert_eq!(
        site.files("inbox/AUTO"),
        Vec::<String>::new(),
        "what replaced is stored"
    );
    let catalog = site.path(&folder).join("SCANS/1/DICOM/scan_1_catalog.xml");
    let catalog = fs::read_to_string(catalog).unwrap();
    assert_eq!(catalog.matches("<cat:entry ").count(), 2, "{catalog}");
    let uri = format!(
        "/data{}/scans/ALL/files",
        first.session()["uri"].as_str().unwrap()
    );
    assert_eq!(site.get("ada", &uri).rows().len(), 2);
}

#[test]
fn code_4_adds_and_refuses_to_replace() {
    let site = Site::new();
    dicom::study(&site.inbox("AUTO/s"), 1, 1, 3);
    let late = site.inbox("AUTO/late").join("1-3.dcm");
    fs::rename(site.inbox("AUTO/s").join("1-3.dcm"), late).unwrap();
    let first = site.import("AUTO", "AUTO/s", &[]);
    let before = site.files(&first.folder());
    fs::copy(
        site.inbox("AUTO/s").join("1-1.dcm"),
        site.inbox("AUTO/late").join("1-1.dcm"),
    )
    .unwrap();
    change(&site, "AUTO/late/1-1.dcm", "other");
    let second = site.import("AUTO", "AUTO/late", &[("cleanupAfterImport", "true")]);
    assert_eq!(second.outcomes(), "1 stored, 1 conflict");
    assert_eq!(second.outcome("1-1.dcm"), "conflict");
    assert_eq!(second.session()["status"], "READY");
    assert_eq!(site.files(&first.folder()), before);
    assert_eq!(site.files("inbox/AUTO/late"), ["1-1.dcm"]);
    // What did not differ waits to be merged.
    let uri = second.session()["uri"].as_str().unwrap();
    let form = [("src", uri), ("overwrite", "append")];
    let merged = site.post_form("ada", "/data/services/archive", &form);
    assert_eq!(merged.status, 200, "{}", merged.text());
    assert_eq!(instances(&site, &first.folder()), 3);
}

#[test]
fn a_call_that_says_delete_replaces_in_the_prearchive_too() {
    let site = Site::new();
    dicom::study(&site.inbox("P/s"), 1, 1, 2);
    let first = site.import("P", "P/s", &[("EXPT_LABEL", "E1")]);
    change(&site, "P/s/1-2.dcm", "other");
    for setting in [None, Some("append")] {
        let mut more = vec![("EXPT_LABEL", "E1")];
        more.extend(setting.map(|setting| ("overwrite", setting)));
        let refused = site.import("P", "P/s", &more);
        assert_eq!(refused.outcomes(), "1 duplicate, 1 conflict", "{setting:?}");
    }
    let more = [("EXPT_LABEL", "E1"), ("overwrite", "delete")];
    let replaced = site.import("P", "P/s", &more);
    assert_eq!(replaced.outcomes(), "1 stored, 1 duplicate");
    assert_eq!(replaced.file("1-2.dcm")["replaced"], true);
    assert_eq!(replaced.session()["uri"], first.session()["uri"]);
    assert_eq!(replaced.session()["status"], "READY");
    assert_eq!(
        comment_of(&site, &replaced, "1-2.dcm").as_deref(),
        Some("other")
    );
    assert_eq!(instances(&site, &first.folder()), 2);
    assert_eq!(history(&site, &first.folder()).len(), 1);
    // Nothing differs now.
    assert_eq!(site.import("P", "P/s", &more).outcomes(), "2 duplicate");
}

#[test]
fn a_calls_own_setting_is_narrower_than_code_5() {
    let site = Site::new();
    site.policy("AUTO", &json!({ "route": routing(5) }));
    dicom::study(&site.inbox("AUTO/s"), 1, 1, 2);
    let first = site.import("AUTO", "AUTO/s", &[]);
    let before = site.files(&first.folder());
    change(&site, "AUTO/s/1-1.dcm", "other");
    let again = site.import("AUTO", "AUTO/s", &[("overwrite", "append")]);
    assert_eq!(again.outcomes(), "1 duplicate, 1 conflict");
    assert_eq!(site.files(&first.folder()), before);
}

#[test]
fn none_lets_nothing_join_what_is_there() {
    let site = Site::new();
    dicom::study(&site.inbox("P/s"), 1, 1, 2);
    let late = site.inbox("P/late").join("1-2.dcm");
    fs::rename(site.inbox("P/s").join("1-2.dcm"), late).unwrap();
    let none = ("overwrite", "none");
    let first = site.import("P", "P/s", &[none]);
    assert_eq!(first.session()["status"], "READY", "nothing was there");
    // At the call, where the label is known.
    let label = first.session()["label"].as_str().unwrap().to_owned();
    let refused = site.call_import("ada", "P", "P/late", &[none, ("EXPT_LABEL", &label)]);
    assert_eq!(refused.status, 409);
    let waiting = first.session()["uri"].as_str().unwrap();
    assert!(refused.text().contains(waiting), "{}", refused.text());
    // At the worker, where it is not; and what comes after joins what is in conflict.
    let second = site.import("P", "P/late", &[none]);
    assert_eq!(second.outcomes(), "1 stored");
    assert_eq!(second.session()["status"], "CONFLICT");
    assert_ne!(second.session()["uri"], first.session()["uri"]);
    assert_eq!(instances(&site, &first.folder()), 1);
    assert_eq!(
        site.import("P", "P/late", &[none]).outcomes(),
        "1 duplicate"
    );
    // The two are put together in the archive.
    let uri = second.session()["uri"].as_str().unwrap();
    let codes: Vec<_> = site
        .get("ada", &format!("/data{uri}/conflicts"))
        .json()
        .as_array()
        .unwrap()
        .iter()
        .map(|conflict| conflict["code"].clone())
        .collect();
    assert_eq!(codes, ["waiting"]);
    for (src, overwrite) in [(waiting, "none"), (uri, "append")] {
        let form = [("src", src), ("overwrite", overwrite)];
        let archived = site.post_form("ada", "/data/services/archive", &form);
        assert_eq!(archived.status, 200, "{}", archived.text());
    }
    assert_eq!(instances(&site, &format!("archive/P/arc001/{label}")), 2);
    assert_eq!(site.files("prearchive"), Vec::<String>::new());
}

#[test]
fn a_call_that_says_how_to_overwrite_may_name_an_experiment() {
    let site = Site::new();
    dicom::study(&site.inbox("AUTO/s"), 1, 1, 2);
    dicom::study(&site.inbox("AUTO/other"), 2, 1, 1);
    let late = site.inbox("AUTO/late").join("1-2.dcm");
    fs::rename(site.inbox("AUTO/s").join("1-2.dcm"), late).unwrap();
    let label = ("EXPT_LABEL", "E1");
    let first = site.import("AUTO", "AUTO/s", &[label]);
    for more in [vec![label], vec![label, ("overwrite", "none")]] {
        let refused = site.call_import("ada", "AUTO", "AUTO/late", &more);
        assert_eq!(refused.status, 409);
        let stored = first.session()["uri"].as_str().unwrap();
        assert!(refused.text().contains(stored), "{}", refused.text());
    }
    let joined = site.import("AUTO", "AUTO/late", &[label, ("overwrite", "append")]);
    assert_eq!(joined.outcomes(), "1 stored");
    assert_eq!(joined.session()["status"], "ARCHIVED");
    assert_eq!(instances(&site, &first.folder()), 2);
    // Another study is not let in under the label.
    let other = site.import("AUTO", "AUTO/other", &[label, ("overwrite", "delete")]);
    assert_eq!(other.session()["status"], "CONFLICT");
    assert_eq!(instances(&site, &first.folder()), 2);
    let bad = site.call_import("ada", "AUTO", "AUTO/s", &[("overwrite", "sometimes")]);
    assert_eq!(bad.status, 400);
}

#[test]
fn a_project_cannot_loosen_the_sites_rule_for_overwriting() {
    let site = Site::new();
    site.rules("site/policy.json", r#"{ "overwrite": "append" }"#);
    site.policy(
        "AUTO",
        &json!({ "route": routing(5), "overwrite": "delete" }),
    );
    dicom::study(&site.inbox("AUTO/s"), 1, 1, 2);
    let first = site.import("AUTO", "AUTO/s", &[]);
    let before = site.files(&first.folder());
    change(&site, "AUTO/s/1-1.dcm", "other");
    for more in [
        &[][..],
        &[("overwrite", "delete")],
        &[("overwrite_files", "true")],
    ] {
        let again = site.import("AUTO", "AUTO/s", more);
        assert_eq!(again.outcomes(), "1 duplicate, 1 conflict", "{more:?}");
    }
    assert_eq!(site.files(&first.folder()), before);

    // Nor by archiving what waits: from P, where the site's rule holds as well.
    site.policy("P", &json!({ "overwrite": "delete" }));
    dicom::study(&site.inbox("P/s"), 1, 1, 1);
    let archived = site.import("P", "P/s", &[("EXPT_LABEL", "E1"), ("dest", "/archive")]);
    assert_eq!(archived.session()["status"], "ARCHIVED");
    change(&site, "P/s/1-1.dcm", "other");
    let waiting = site.import("P", "P/s", &[("EXPT_LABEL", "E2")]);
    let uri = waiting.session()["uri"].as_str().unwrap();
    let form = [("src", uri), ("session", "E1"), ("overwrite", "delete")];
    let refused = site.post_form("ada", "/data/services/archive", &form);
    assert_eq!(refused.status, 403, "{}", refused.text());
    assert!(refused.text().contains("overwrite=append"));
    site.rules("site/policy.json", "{}");
    let replaced = site.post_form("ada", "/data/services/archive", &form);
    assert_eq!(replaced.status, 200, "{}", replaced.text());
    assert_eq!(history(&site, &archived.folder()).len(), 1);
}
