//! From studies to sessions: several in a folder, merged with what is stored, and labels that collide.

use std::fs;

use serde_json::json;

use crate::dicom;
use crate::site::Site;

#[test]
fn two_studies_in_a_folder_become_two_sessions() {
    for (project, state) in [("P", "READY"), ("AUTO", "ARCHIVED")] {
        let site = Site::new();
        dicom::study(&site.inbox("P/both/one"), 1, 1, 2);
        dicom::study(&site.inbox("P/both/two"), 2, 1, 3);
        let done = site.import(project, "P/both", &[]);
        assert_eq!(
            (done.state(), done.outcomes().as_str()),
            ("Completed", "5 stored")
        );
        let folders: Vec<String> = done.sessions().iter().map(crate::done::folder_of).collect();
        assert_eq!(folders.len(), 2);
        assert!(
            done.sessions()
                .iter()
                .all(|session| session["status"] == state)
        );
        assert_eq!(site.instances(&folders[0]).len(), 2);
        assert_eq!(site.instances(&folders[1]).len(), 3);
        for session in done.sessions() {
            assert!(done.resolution().contains(session["uri"].as_str().unwrap()));
        }
    }
}

#[test]
fn one_label_for_two_studies_fails_and_stores_nothing() {
    let site = Site::new();
    dicom::study(&site.inbox("AUTO/both/one"), 1, 1, 2);
    dicom::study(&site.inbox("AUTO/both/two"), 2, 1, 2);
    let more = [("EXPT_LABEL", "E1"), ("cleanupAfterImport", "true")];
    let done = site.import("AUTO", "AUTO/both", &more);
    assert_eq!(
        (done.state(), done.outcomes().as_str()),
        ("Failed", "4 failed")
    );
    assert!(done.resolution().contains("`one`") && done.resolution().contains("`two`"));
    assert_eq!(done.sessions().len(), 0);
    assert_eq!(
        site.files("archive").len() + site.files("prearchive").len(),
        0
    );
    assert_eq!(site.files("inbox/AUTO").len(), 4);
    // Neither study holds the label now.
    let one = site.import("AUTO", "AUTO/both/two", &[("EXPT_LABEL", "E1")]);
    assert_eq!(one.session()["status"], "ARCHIVED");
}

#[test]
fn more_files_of_a_study_join_its_session_in_the_prearchive() {
    let site = Site::new();
    let folder = site.inbox("P/s");
    dicom::study(&folder, 1, 2, 2);
    fs::create_dir(folder.join("late")).unwrap();
    for name in ["1-2.dcm", "2-2.dcm"] {
        fs::rename(folder.join(name), site.inbox("P/late").join(name)).unwrap();
    }
    fs::remove_dir(folder.join("late")).unwrap();
    let first = site.import("P", "P/s", &[("EXPT_LABEL", "E1")]);
    let second = site.import("P", "P/late", &[("EXPT_LABEL", "E1")]);
    assert_eq!(
        (first.outcomes(), second.outcomes()),
        ("2 stored".into(), "2 stored".into())
    );
    assert_eq!(first.session()["uri"], second.session()["uri"]);
    assert_eq!(second.session()["status"], "READY");
    assert_eq!(site.instances(&second.folder()).len(), 4);
    let rows = site.get("ada", "/data/prearchive/projects/P").rows();
    assert_eq!(rows.len(), 1);
    let uri = format!("/data{}/scans/ALL/files", rows[0]["url"].as_str().unwrap());
    assert_eq!(site.get("ada", &uri).rows().len(), 4);
    for scan in ["1", "2"] {
        let catalog = site
            .path(&second.folder())
            .join(format!("SCANS/{scan}/DICOM/scan_{scan}_catalog.xml"));
        let catalog = fs::read_to_string(catalog).unwrap();
        assert_eq!(catalog.matches("<cat:entry ").count(), 2, "{catalog}");
    }
}

#[test]
fn more_files_of_a_study_join_its_experiment_in_the_archive() {
    let site = Site::new();
    dicom::study(&site.inbox("AUTO/s"), 1, 1, 4);
    for name in ["1-3.dcm", "1-4.dcm"] {
        fs::rename(
            site.inbox("AUTO/s").join(name),
            site.inbox("AUTO/late").join(name),
        )
        .unwrap();
    }
    let first = site.import("AUTO", "AUTO/s", &[]);
    let second = site.import("AUTO", "AUTO/late", &[]);
    assert_eq!(second.outcomes(), "2 stored");
    assert_eq!(
        second.session()["experimentId"],
        first.session()["experimentId"]
    );
    assert_eq!(second.session()["status"], "ARCHIVED");
    assert_eq!(site.instances(&second.folder()).len(), 4);
    assert_eq!(site.files("prearchive"), Vec::<String>::new());
}

#[test]
fn a_label_taken_by_another_study_is_a_conflict_in_the_prearchive() {
    let site = Site::new();
    dicom::study(&site.inbox("P/one"), 1, 1, 1);
    dicom::study(&site.inbox("P/two"), 2, 1, 2);
    let first = site.import("P", "P/one", &[("EXPT_LABEL", "E1")]);
    let second = site.import("P", "P/two", &[("EXPT_LABEL", "E1")]);
    assert_eq!(
        (second.state(), second.outcomes().as_str()),
        ("Completed", "2 stored")
    );
    assert_eq!(second.session()["status"], "CONFLICT");
    assert!(second.resolution().contains("CONFLICT"));
    assert_ne!(first.folder(), second.folder());
    assert_eq!(site.instances(&first.folder()).len(), 1);
    assert_eq!(site.instances(&second.folder()).len(), 2);
}

#[test]
fn a_label_is_free_again_when_its_session_is_deleted() {
    let site = Site::new();
    dicom::study(&site.inbox("P/one"), 1, 1, 1);
    dicom::study(&site.inbox("P/two"), 2, 1, 1);
    let first = site.import("P", "P/one", &[("EXPT_LABEL", "E1")]);
    let uri = format!("/data{}", first.session()["uri"].as_str().unwrap());
    assert_eq!(site.call("ada", "DELETE", &uri, &[]).status, 200);
    let second = site.import("P", "P/two", &[("EXPT_LABEL", "E1")]);
    assert_eq!(second.session()["status"], "READY");
}

#[test]
fn a_label_is_free_again_when_the_route_rule_rejects_the_session() {
    let site = Site::new();
    dicom::study(&site.inbox("P/one"), 1, 1, 1);
    dicom::study(&site.inbox("P/two"), 2, 1, 1);
    site.rhai(
        "no",
        "route",
        &[],
        &[],
        r#"fn route(summary, ctx) { reject("not wanted") }"#,
    );
    site.policy("P", &json!({ "route": { "module": "no" } }));
    let first = site.import("P", "P/one", &[("EXPT_LABEL", "E1")]);
    assert_eq!(
        (first.state(), first.outcomes().as_str()),
        ("Failed", "1 rejected")
    );
    assert_eq!(first.reason("1-1.dcm"), "not wanted");
    assert_eq!(site.files("prearchive"), Vec::<String>::new());
    site.policy("P", &json!({}));
    let second = site.import("P", "P/two", &[("EXPT_LABEL", "E1")]);
    assert_eq!(second.session()["status"], "READY");
}

#[test]
fn a_conflict_is_resolved_by_another_label() {
    let site = Site::new();
    dicom::study(&site.inbox("P/one"), 1, 1, 1);
    dicom::study(&site.inbox("P/two"), 2, 1, 2);
    site.import("P", "P/one", &[("EXPT_LABEL", "E1")]);
    let second = site.import("P", "P/two", &[("EXPT_LABEL", "E1")]);
    let uri = second.session()["uri"].as_str().unwrap();
    let taken = site.post_form("ada", "/data/services/archive", &[("src", uri)]);
    assert_eq!(taken.status, 409);
    let form = [("src", uri), ("session", "E2")];
    let free = site.post_form("ada", "/data/services/archive", &form);
    assert_eq!(free.status, 200, "{}", free.text());
    assert_eq!(site.instances("archive/P/arc001/E2").len(), 2);
    assert_eq!(site.instances("prearchive").len(), 1);
}

#[test]
fn a_study_under_another_label_is_another_session() {
    let site = Site::new();
    dicom::study(&site.inbox("P/s"), 1, 1, 2);
    site.import("P", "P/s", &[("EXPT_LABEL", "E1")]);
    let second = site.import("P", "P/s", &[("EXPT_LABEL", "E2")]);
    assert_eq!(second.outcomes(), "2 stored");
    assert_eq!(second.session()["label"], "E2");
    assert_eq!(site.instances("prearchive").len(), 4);
}

#[test]
fn the_rest_of_a_study_takes_its_waiting_session_to_the_archive() {
    let site = Site::new();
    dicom::study(&site.inbox("P/s"), 1, 1, 4);
    for name in ["1-3.dcm", "1-4.dcm"] {
        let late = site.inbox("P/late").join(name);
        fs::rename(site.inbox("P/s").join(name), late).unwrap();
    }
    let first = site.import("P", "P/s", &[("EXPT_LABEL", "E1")]);
    assert_eq!(first.session()["status"], "READY");
    let routing = json!({ "module": "xnat-routing", "settings": { "prearchive_code": 4 } });
    site.policy("P", &json!({ "route": routing }));
    let second = site.import("P", "P/late", &[("EXPT_LABEL", "E1")]);
    assert_eq!(second.outcomes(), "2 stored");
    assert_eq!(second.session()["status"], "ARCHIVED");
    assert_eq!(site.instances("archive/P/arc001/E1").len(), 4);
    assert_eq!(site.files("prearchive"), Vec::<String>::new());
}

#[test]
fn what_waits_beside_its_experiment_is_merged_when_asked_to() {
    let site = Site::new();
    dicom::study(&site.inbox("AUTO/s"), 1, 1, 3);
    for name in ["1-2.dcm", "1-3.dcm"] {
        let late = site.inbox("AUTO/late").join(name);
        fs::rename(site.inbox("AUTO/s").join(name), late).unwrap();
    }
    let first = site.import("AUTO", "AUTO/s", &[]);
    site.policy("AUTO", &json!({}));
    let late = site.import("AUTO", "AUTO/late", &[]);
    assert_eq!(late.session()["status"], "READY");
    assert_eq!(late.session()["label"], first.session()["label"]);
    let uri = late.session()["uri"].as_str().unwrap();
    let alone = site.post_form("ada", "/data/services/archive", &[("src", uri)]);
    assert_eq!(alone.status, 409);
    assert_eq!(site.instances(&first.folder()).len(), 1);
    let form = [("src", uri), ("overwrite", "append")];
    let merged = site.post_form("ada", "/data/services/archive", &form);
    assert_eq!(merged.status, 200, "{}", merged.text());
    assert_eq!(site.instances(&first.folder()).len(), 3);
    assert_eq!(site.files("prearchive"), Vec::<String>::new());
    assert_eq!(
        site.get("ada", "/data/projects/AUTO/experiments")
            .rows()
            .len(),
        1
    );
    let catalog = site
        .path(&first.folder())
        .join("SCANS/1/DICOM/scan_1_catalog.xml");
    let catalog = fs::read_to_string(catalog).unwrap();
    assert_eq!(catalog.matches("<cat:entry ").count(), 3, "{catalog}");
}
