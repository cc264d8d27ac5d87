//! Sessions in CONFLICT, and each way out: another label, another place, one of the two deleted, merged.

use std::fs;

use dicom_core::VR;
use dicom_dictionary_std::tags;
use serde_json::Value;

use crate::dicom;
use crate::site::Site;

const ARCHIVE: &str = "/data/services/archive";

fn uri(session: &Value) -> String {
    session["uri"].as_str().unwrap().to_owned()
}

/// A site where E1 is a waiting study's label and another study's that is in conflict over it.
fn in_conflict() -> (Site, String, String) {
    let site = Site::new();
    dicom::study(&site.inbox("P/one"), 1, 1, 1);
    dicom::study(&site.inbox("P/two"), 2, 1, 2);
    let labels = [("SUBJECT_ID", "S1"), ("EXPT_LABEL", "E1")];
    let first = site.import("P", "P/one", &labels);
    let second = site.import("P", "P/two", &labels);
    assert_eq!(second.session()["status"], "CONFLICT");
    let (first, second) = (uri(first.session()), uri(second.session()));
    (site, first, second)
}

fn conflicts(site: &Site, uri: &str) -> Vec<Value> {
    let answer = site.get("ada", &format!("/data{uri}/conflicts")).json();
    answer.as_array().unwrap().clone()
}

fn status(site: &Site, uri: &str) -> Value {
    site.get("ada", &format!("/data{uri}")).rows()[0]["status"].clone()
}

#[test]
fn a_session_says_what_stands_in_its_way() {
    let (site, first, second) = in_conflict();
    let found = conflicts(&site, &second);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!(found[0]["code"], "label");
    assert_eq!(found[0]["session"], format!("/data{first}").as_str());
    assert!(!found[0]["detail"].as_str().unwrap().is_empty());
    assert_eq!(conflicts(&site, &first), Vec::<Value>::new());
    let path = format!("/data{second}/conflicts");
    assert_eq!(site.get("bob", &path).status, 403);
    assert_eq!(site.get("eve", &path).status, 404);
    let refused = site.post_form("ada", ARCHIVE, &[("src", &second)]);
    assert_eq!(refused.status, 409);
    assert!(
        refused.text().contains("another label"),
        "{}",
        refused.text()
    );
}

#[test]
fn another_label_in_the_prearchive_ends_a_conflict() {
    let (site, first, second) = in_conflict();
    let path = format!("/data{second}");
    let put = |user: &str, query: &[(&str, &str)]| site.call(user, "PUT", &path, query);
    assert_eq!(put("bob", &[("label", "E2")]).status, 403);
    assert_eq!(put("ada", &[]).status, 400);
    for bad in ["../E2", ".E2", "E 2", "E\u{e4}"] {
        assert_eq!(put("ada", &[("label", bad)]).status, 400, "{bad}");
    }
    assert_eq!(
        put("ada", &[("label", "E1")]).status,
        409,
        "it is still taken"
    );
    assert_eq!(status(&site, &second), "CONFLICT");

    let stamped = |uri: &str| {
        let files = site.get("ada", &format!("/data{uri}/scans/1/files")).rows();
        let body = site.get("ada", files[0]["URI"].as_str().unwrap()).body;
        let copy = site.path("copy.dcm");
        fs::write(&copy, body).unwrap();
        dicom::text(&copy, tags::PATIENT_ID)
    };
    let before = stamped(&second);
    let moved = put("ada", &[("label", "E2"), ("subject", "S2")]);
    assert_eq!(moved.status, 200, "{}", moved.text());
    let now = moved.text().trim_end().strip_prefix("/data").unwrap();
    assert!(now.ends_with("/E2"), "{now}");
    let row = &site.get("ada", &format!("/data{now}")).rows()[0];
    for (column, value) in [("status", "READY"), ("name", "E2"), ("subject", "S2")] {
        assert_eq!(row[column], value);
    }
    assert_eq!(stamped(now), before, "no rule runs again");
    assert_eq!(site.get("ada", &path).status, 404);
    assert_eq!(conflicts(&site, now), Vec::<Value>::new());
    let folder = |uri: &str| uri.replace("/prearchive/projects/", "prearchive/");
    assert_eq!(site.instances(&folder(now)).len(), 2);
    assert!(!site.path(&folder(&second)).exists());
    assert_eq!(site.instances(&folder(&first)).len(), 1);
    for uri in [first.as_str(), now] {
        let archived = site.post_form("ada", ARCHIVE, &[("src", uri)]);
        assert_eq!(archived.status, 200, "{}", archived.text());
    }
    assert_eq!(site.instances("archive/P/arc001/E2").len(), 2);
}

#[test]
fn a_conflict_ends_when_one_of_the_two_is_deleted() {
    let (site, first, second) = in_conflict();
    let gone = site.call("ada", "DELETE", &format!("/data{first}"), &[]);
    assert_eq!(gone.status, 200);
    assert_eq!(conflicts(&site, &second), Vec::<Value>::new());
    let archived = site.post_form("ada", ARCHIVE, &[("src", &second)]);
    assert_eq!(archived.status, 200, "{}", archived.text());
    assert_eq!(site.instances("archive/P/arc001/E1").len(), 2);

    let (site, first, second) = in_conflict();
    let gone = site.call("ada", "DELETE", &format!("/data{second}"), &[]);
    assert_eq!(gone.status, 200);
    assert_eq!(status(&site, &first), "READY");
    assert_eq!(
        site.post_form("ada", ARCHIVE, &[("src", &first)]).status,
        200
    );
}

#[test]
fn what_is_archived_already_is_merged_as_the_call_says() {
    let site = Site::new();
    dicom::study(&site.inbox("P/s"), 1, 1, 3);
    let late = site.inbox("P/late").join("1-3.dcm");
    fs::rename(site.inbox("P/s").join("1-3.dcm"), late).unwrap();
    let first = site.import("P", "P/s", &[("EXPT_LABEL", "E1"), ("dest", "/archive")]);
    assert_eq!(first.session()["status"], "ARCHIVED");
    // Under another label everything is stored again: one as it was, one changed, one new.
    for name in ["1-1.dcm", "1-2.dcm"] {
        fs::copy(
            site.inbox("P/s").join(name),
            site.inbox("P/late").join(name),
        )
        .unwrap();
    }
    let changed = site.inbox("P/late").join("1-2.dcm");
    dicom::edit(&changed, &[(tags::IMAGE_COMMENTS, VR::LT, "other")]);
    site.rules("site/policy.json", r#"{ "anonymize": [] }"#);
    let bare = site.import("P", "P/s", &[("EXPT_LABEL", "E0")]);
    let second = site.import("P", "P/late", &[("EXPT_LABEL", "E2")]);
    let subject = ("subject", first.session()["subject"].as_str().unwrap());
    let src = uri(second.session());
    let relabelled = [("src", src.as_str()), ("session", "E1"), subject];
    assert_eq!(site.post_form("ada", ARCHIVE, &relabelled).status, 409);
    assert_eq!(status(&site, &src), "CONFLICT");
    let append = [relabelled.as_slice(), &[("overwrite", "append")]].concat();
    let refused = site.post_form("ada", ARCHIVE, &append);
    assert_eq!(refused.status, 409);
    assert!(
        refused.text().contains("overwrite=delete") && refused.text().contains("2 instances"),
        "the stamp of the site makes both differ: {}",
        refused.text()
    );
    let before = site.instances(&first.folder());
    assert_eq!(before.len(), 2);
    let delete = [relabelled.as_slice(), &[("overwrite", "delete")]].concat();
    let merged = site.post_form("ada", ARCHIVE, &delete);
    assert_eq!(merged.status, 200, "{}", merged.text());
    let after = site.instances(&first.folder());
    let kept = after.iter().filter(|f| f.contains("/.history/")).count();
    assert_eq!((after.len(), kept), (5, 2), "{after:?}");
    // The same once more adds nothing, and is no conflict.
    let src = uri(bare.session());
    let again = [
        ("src", src.as_str()),
        ("session", "E1"),
        subject,
        ("overwrite", "append"),
    ];
    let refused = site.post_form("ada", ARCHIVE, &again);
    assert_eq!(refused.status, 409, "1-2.dcm differs now");
    let listed: Vec<_> = conflicts(&site, &src)
        .iter()
        .map(|c| c["code"].clone())
        .collect();
    assert_eq!(
        listed,
        Vec::<Value>::new(),
        "under its own label nothing is in its way"
    );
}

#[test]
fn a_session_that_waits_beside_its_experiment_lists_it_and_each_difference() {
    let site = Site::new();
    dicom::study(&site.inbox("AUTO/s"), 1, 1, 2);
    let first = site.import("AUTO", "AUTO/s", &[("EXPT_LABEL", "E1")]);
    let changed = site.inbox("AUTO/s").join("1-2.dcm");
    dicom::edit(&changed, &[(tags::IMAGE_COMMENTS, VR::LT, "other")]);
    let waiting = site.import(
        "AUTO",
        "AUTO/s",
        &[("EXPT_LABEL", "E2"), ("dest", "/prearchive")],
    );
    let src = uri(waiting.session());
    let moved = site.call("ada", "PUT", &format!("/data{src}"), &[("label", "E1")]);
    assert_eq!(moved.status, 200, "{}", moved.text());
    let now = moved.text().trim_end().strip_prefix("/data").unwrap();
    let found = conflicts(&site, now);
    let codes: Vec<_> = found.iter().map(|c| c["code"].as_str().unwrap()).collect();
    assert_eq!(codes, ["experiment", "instance"], "{found:#?}");
    let experiment = format!("/data{}", uri(first.session()));
    assert!(found.iter().all(|c| c["session"] == experiment.as_str()));
    let refused = site.post_form("ada", ARCHIVE, &[("src", now)]);
    assert!(
        refused.status == 409 && refused.text().contains(&experiment),
        "{}",
        refused.text()
    );
}

#[test]
fn more_of_a_study_in_conflict_joins_it_and_is_in_conflict_too() {
    let (site, first, second) = in_conflict();
    dicom::study(&site.inbox("P/more"), 2, 1, 3);
    let labels = [("SUBJECT_ID", "S1"), ("EXPT_LABEL", "E1"), ("AA", "true")];
    let more = site.import("P", "P/more", &labels);
    assert_eq!(more.outcomes(), "1 stored, 2 duplicate");
    assert_eq!(
        (uri(more.session()), &more.session()["status"]),
        (second.clone(), &Value::from("CONFLICT"))
    );
    assert_eq!(site.instances(&more.folder()).len(), 3);
    // The other subject's part of a study has a place of its own.
    let labels = [("SUBJECT_ID", "S2"), ("EXPT_LABEL", "E1")];
    dicom::study(&site.inbox("P/other"), 1, 1, 2);
    let other = site.import("P", "P/other", &labels);
    assert_eq!(other.session()["status"], "CONFLICT");
    assert!(![first.clone(), second].contains(&uri(other.session())));
    assert_eq!(status(&site, &first), "READY");
}
