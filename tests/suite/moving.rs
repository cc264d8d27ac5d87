//! A waiting session's move to another project: what shows there has been through that project's rules.

use dicom_dictionary_std::tags;
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::dicom;
use crate::done::folder_of;
use crate::site::Site;

const MOVE: &str = "/data/services/prearchive/move";
const ARCHIVE: &str = "/data/services/archive";
const LABELS: [(&str, &str); 2] = [("SUBJECT_ID", "S1"), ("EXPT_LABEL", "E1")];

/// Project AUTO's own step: its name behind what is there, and UIDs under the project's key.
const MARK: &str = r#"fn anonymize(ds, ctx) {
    ds.set("StudyInstanceUID", pseudonym::uid(ds.get("StudyInstanceUID")));
    ds.remove("PatientBirthDate");
    ds.set("DerivationDescription", `${ds.get("DerivationDescription") ?? ""}${ctx.project} ${ctx.session};`);
    keep()
}"#;

fn mark(site: &Site) {
    let touched = [
        "StudyInstanceUID",
        "PatientBirthDate",
        "DerivationDescription",
    ];
    site.rhai("mark", "anonymize", &touched, &touched, MARK);
    site.policy("P", &json!({ "anonymize": [{ "module": "mark" }] }));
    site.policy("AUTO", &json!({ "anonymize": [{ "module": "mark" }] }));
}

/// A session E1 of subject S1 in P's prearchive: two series of two slices. Its address.
fn waiting(site: &Site) -> String {
    dicom::study(&site.inbox("P/s"), 1, 2, 2);
    let done = site.import("P", "P/s", &LABELS);
    assert_eq!(done.outcomes(), "4 stored");
    done.session()["uri"].as_str().unwrap().to_owned()
}

fn moved(site: &Site, user: &str, uri: &str, more: &[(&str, &str)]) -> Answer {
    let mut form = vec![("src", uri), ("newProject", "AUTO")];
    form.extend(more);
    site.post_form(user, MOVE, &form)
}

fn rows(site: &Site, project: &str) -> Vec<Value> {
    site.get("root", &format!("/data/prearchive/projects/{project}"))
        .rows()
}

/// That a move was refused, and that all is as it was.
fn stays(site: &Site, answer: &Answer, status: u16, why: &str) {
    assert_eq!(answer.status, status, "{}", answer.text());
    assert!(answer.text().contains(why), "{}", answer.text());
    let there = rows(site, "P");
    assert_eq!(there.len(), 1);
    assert_eq!(there[0]["status"], "READY");
    assert_eq!(site.instances(&folder(&there[0])).len(), 4);
    assert_eq!(site.files("staging"), Vec::<String>::new());
}

fn folder(row: &Value) -> String {
    let uri = row["url"].as_str().unwrap();
    uri.trim_start_matches('/')
        .replace("prearchive/projects/", "prearchive/")
}

fn texts(site: &Site, folder: &str, tag: dicom_core::Tag) -> Vec<String> {
    let files = site.instances(folder);
    let texts = files
        .iter()
        .map(|file| dicom::text(&site.path(folder).join(file), tag));
    texts.map(Option::unwrap_or_default).collect()
}

#[test]
fn the_other_project_s_rules_have_run_over_every_file() {
    let site = Site::new();
    mark(&site);
    let uri = waiting(&site);
    let before = rows(&site, "P").remove(0);
    let uids_before = texts(&site, &folder(&before), tags::STUDY_INSTANCE_UID);
    let answer = moved(&site, "ada", &uri, &[]);
    let there = answer.rows();
    assert_eq!(there, rows(&site, "AUTO"), "the rows where they are now");
    assert_eq!(there.len(), 1);
    for (column, value) in [
        ("project", "AUTO"),
        ("subject", "S1"),
        ("name", "E1"),
        ("status", "READY"),
    ] {
        assert_eq!(there[0][column], value, "{column}");
    }
    assert_eq!(there[0]["timestamp"], before["timestamp"]);
    let home = folder(&there[0]);
    assert_eq!(
        texts(&site, &home, tags::DERIVATION_DESCRIPTION),
        vec!["P E1;AUTO E1;"; 4]
    );
    assert_eq!(
        texts(&site, &home, tags::STUDY_DESCRIPTION),
        vec!["AUTO"; 4],
        "the site's stamp"
    );
    let uids = texts(&site, &home, tags::STUDY_INSTANCE_UID);
    assert!(
        uids.iter()
            .all(|uid| *uid == uids[0] && *uid != uids_before[0]),
        "{uids:?}"
    );
    assert_eq!(there[0]["tag"], uids[0].as_str());
    // Nothing is left behind, and the label is free there.
    assert_eq!(rows(&site, "P").len(), 0);
    assert!(site.files("prearchive/P").is_empty() && site.files("staging").is_empty());
    assert_eq!(site.get("ada", &format!("/data{uri}")).status, 404);
    dicom::study(&site.inbox("P/t"), 2, 1, 1);
    let other = site.import("P", "P/t", &LABELS);
    assert_eq!(other.session()["status"], "READY");
    // It goes on under that project's rules.
    let there_uri = there[0]["url"].as_str().unwrap();
    let review = site.get("ada", &format!("/data{there_uri}/review")).json();
    assert_eq!(
        review["report"],
        Value::Null,
        "the request is of another project"
    );
    assert!(
        review["reason"]
            .as_str()
            .unwrap()
            .contains("moved from project P by ada"),
        "{review}"
    );
    assert!(review["ruleSet"].is_string());
    let archived = site.post_form("ada", ARCHIVE, &[("src", there_uri)]);
    assert_eq!(
        archived.text(),
        "/data/archive/projects/AUTO/subjects/S1/experiments/E1\r\n"
    );
}

#[test]
fn labels_come_from_the_project_s_rule_or_the_call() {
    let site = Site::new();
    let code =
        r#"fn label(ds, ctx) { #{ subject: "by-rule", session: `R-${ds.get("PatientID")}` } }"#;
    site.rhai("own", "label", &["PatientID"], &[], code);
    site.policy("AUTO", &json!({ "label": { "module": "own" } }));
    let uri = waiting(&site);
    let there = moved(&site, "ada", &uri, &[]).rows();
    assert_eq!(
        (&there[0]["subject"], &there[0]["name"]),
        (&"by-rule".into(), &"R-E1".into())
    );
    // As the site's stamp has it.
    let home = folder(&there[0]);
    assert_eq!(texts(&site, &home, tags::PATIENT_ID), vec!["R-E1"; 4]);
    let form = [
        ("src", there[0]["url"].as_str().unwrap()),
        ("newProject", "P"),
        ("subject", "S9"),
        ("session", "E9"),
    ];
    let back = site.post_form("ada", MOVE, &form).rows();
    assert_eq!(
        (&back[0]["subject"], &back[0]["name"]),
        (&"S9".into(), &"E9".into())
    );
    assert_eq!(
        site.post_form("ada", MOVE, &[("src", "x"), ("newProject", "P")])
            .status,
        404
    );
    let back = back[0]["url"].as_str().unwrap();
    let bad = moved(&site, "ada", back, &[("session", "a/b")]);
    assert_eq!(bad.status, 400);
}

#[test]
fn what_the_project_does_not_let_in_does_not_come_in() {
    let site = Site::new();
    let uri = waiting(&site);
    let code = r#"fn anonymize(ds, ctx) { throw "broken" }"#;
    site.rhai("broken", "anonymize", &[], &[], code);
    site.policy("AUTO", &json!({ "anonymize": [{ "module": "broken" }] }));
    stays(
        &site,
        &moved(&site, "ada", &uri, &[]),
        409,
        "rules failed on 4 of 4 files",
    );
    let code = r#"fn anonymize(ds, ctx) { if ds.get("SeriesNumber") == "2" { reject("not this") } else { keep() } }"#;
    site.rhai("choosy", "anonymize", &["SeriesNumber"], &[], code);
    site.policy("AUTO", &json!({ "anonymize": [{ "module": "choosy" }] }));
    stays(&site, &moved(&site, "ada", &uri, &[]), 409, "leaveOut=true");
    let filter = json!({ "mode": "blacklist", "list": ["[SeriesNumber]", "^1$", "^2$"] });
    site.policy("AUTO", &json!({ "series_filters": filter }));
    stays(&site, &moved(&site, "ada", &uri, &[]), 409, "series filter");
    site.policy("AUTO", &json!({ "anonymize": [{ "module": "choosy" }] }));
    let there = moved(&site, "ada", &uri, &[("leaveOut", "true")]).rows();
    assert_eq!(site.instances(&folder(&there[0])).len(), 2);
    assert!(site.files("prearchive/P").is_empty());
}

#[test]
fn what_is_to_be_reviewed_is_held_in_the_other_project() {
    let site = Site::new();
    let uri = waiting(&site);
    site.rhai(
        "look",
        "anonymize",
        &[],
        &[],
        r#"fn anonymize(ds, ctx) { quarantine("look at it") }"#,
    );
    site.policy("AUTO", &json!({ "anonymize": [{ "module": "look" }] }));
    let there = moved(&site, "ada", &uri, &[]).rows();
    assert_eq!(
        (&there[0]["project"], &there[0]["status"]),
        (&"AUTO".into(), &"QUARANTINED".into())
    );
    assert_eq!(site.instances("quarantine/AUTO").len(), 4);
    assert!(site.files("prearchive").is_empty());
    let again = there[0]["url"].as_str().unwrap();
    let again = site.post_form("otto", MOVE, &[("src", again), ("newProject", "P")]);
    assert_eq!(again.status, 409, "an owner releases it first");
}

/// With a step that waits for the archive.
fn late(site: &Site, project: &str) {
    let touched = ["PatientBirthDate", "DerivationDescription"];
    let code = r#"fn anonymize(ds, ctx) {
        ds.remove("PatientBirthDate");
        ds.set("DerivationDescription", `late ${ctx.project};`);
        keep()
    }"#;
    site.rhai("late", "anonymize", &touched, &touched, code);
    let steps = json!([{ "module": "late", "at": "archive" }]);
    site.policy(
        project,
        &json!({ "identified_prearchive": true, "anonymize": steps }),
    );
}

#[test]
fn what_identifies_patients_goes_only_where_that_is_allowed() {
    let site = Site::new();
    late(&site, "P");
    let uri = waiting(&site);
    stays(
        &site,
        &moved(&site, "otto", &uri, &[]),
        403,
        "policy of project AUTO",
    );
    late(&site, "AUTO");
    // A member, who may not see its bytes, could own the other project.
    stays(&site, &moved(&site, "ada", &uri, &[]), 403, "only an owner");
    let there = moved(&site, "otto", &uri, &[]).rows();
    let there = there[0]["url"].as_str().unwrap();
    let review = site.get("otto", &format!("/data{there}/review")).json();
    assert_eq!(review["identified"], true);
    let zip = site.get("ada", &format!("/data{there}?format=zip"));
    assert_eq!(zip.status, 403);
    let archived = site.post_form("otto", ARCHIVE, &[("src", there)]);
    assert_eq!(archived.status, 200, "{}", archived.text());
    let home = "archive/AUTO/arc001/E1";
    assert_eq!(
        texts(&site, home, tags::DERIVATION_DESCRIPTION),
        vec!["late AUTO;"; 4]
    );
    assert_eq!(texts(&site, home, tags::PATIENT_BIRTH_DATE), vec![""; 4]);
}

#[test]
fn what_was_anonymous_waits_for_the_other_project_s_late_steps() {
    let site = Site::new();
    let uri = waiting(&site);
    late(&site, "AUTO");
    let there = moved(&site, "ada", &uri, &[]).rows();
    let there = there[0]["url"].as_str().unwrap();
    let review = site.get("ada", &format!("/data{there}/review")).json();
    assert_eq!(review["identified"], true);
}

#[test]
fn a_session_that_is_there_stands_in_the_way() {
    let site = Site::new();
    let uri = waiting(&site);
    // The same study, and another one of that label.
    dicom::study(&site.inbox("AUTO/s"), 1, 2, 2);
    site.call("otto", "PUT", "/data/projects/AUTO/prearchive_code/0", &[]);
    let same = site.import("AUTO", "AUTO/s", &LABELS);
    stays(
        &site,
        &moved(&site, "ada", &uri, &[]),
        409,
        "AUTO has a session of that label",
    );
    let same = same.session()["uri"].as_str().unwrap();
    assert_eq!(
        site.call("ada", "DELETE", &format!("/data{same}"), &[])
            .status,
        200
    );
    dicom::study(&site.inbox("AUTO/t"), 2, 1, 1);
    let other = site.import("AUTO", "AUTO/t", &LABELS);
    stays(
        &site,
        &moved(&site, "ada", &uri, &[]),
        409,
        "AUTO has a session of that label",
    );
    assert_eq!(rows(&site, "AUTO").len(), 1);
    assert_eq!(site.instances(&folder_of(other.session())).len(), 1);
    let there = moved(&site, "ada", &uri, &[("session", "E2")]).rows();
    assert_eq!(there[0]["name"], "E2");
}

#[test]
fn rights_on_both_projects_are_needed() {
    let site = Site::new();
    let uri = waiting(&site);
    for (user, project, status) in [
        ("ada", "OTHER", 404),
        ("bob", "AUTO", 403),
        ("eve", "AUTO", 404),
        ("ada", "P", 409),
        ("ada", "", 400),
        ("root", "NONE", 404),
    ] {
        let form = [("src", uri.as_str()), ("newProject", project)];
        stays(&site, &site.post_form(user, MOVE, &form), status, "");
    }
    site.command(&["project", "grant", "OTHER", "ada", "collaborator"], "");
    let form = [("src", uri.as_str()), ("newProject", "OTHER")];
    stays(&site, &site.post_form("ada", MOVE, &form), 403, "");
    site.command(&["project", "grant", "OTHER", "ada", "member"], "");
    assert_eq!(
        site.post_form("ada", MOVE, &form).rows()[0]["project"],
        "OTHER"
    );
}

#[test]
fn several_sessions_move_with_one_call_and_one_that_can_t_holds_up_none() {
    let site = Site::new();
    let first = waiting(&site);
    dicom::study(&site.inbox("P/t"), 2, 1, 1);
    let second = site.import("P", "P/t", &[("SUBJECT_ID", "S2"), ("EXPT_LABEL", "E2")]);
    let second = second.session()["uri"].as_str().unwrap().to_owned();
    let none = "/prearchive/projects/P/20200101_000000000/none";
    let form = [
        ("src", first.as_str()),
        ("src", none),
        ("newProject", "AUTO"),
    ];
    assert_eq!(
        site.post_form("ada", MOVE, &form).status,
        404,
        "all are looked up first"
    );
    assert_eq!(rows(&site, "P").len(), 2);
    let form = [
        ("src", first.as_str()),
        ("src", second.as_str()),
        ("newProject", "AUTO"),
        ("session", "one"),
    ];
    assert_eq!(
        site.post_form("ada", MOVE, &form).status,
        400,
        "one label for two"
    );
    dicom::study(&site.inbox("AUTO/u"), 3, 1, 1);
    site.import("AUTO", "AUTO/u", &LABELS);
    let form = [
        ("src", first.as_str()),
        ("src", second.as_str()),
        ("newProject", "AUTO"),
    ];
    assert_eq!(site.post_form("ada", MOVE, &form).status, 409);
    assert_eq!(rows(&site, "P")[0]["name"], "E1");
    assert_eq!(rows(&site, "AUTO")[0]["name"], "E2");
}

#[test]
fn a_call_that_does_not_wait_is_answered_with_the_rows() {
    let site = Site::new();
    let uri = waiting(&site);
    let told = moved(&site, "ada", &uri, &[("async", "true")]).rows();
    assert_eq!(told[0]["url"], uri.as_str());
    crate::server::wait_for("the move", || {
        (rows(&site, "AUTO").len() == 1).then_some(())
    });
    assert_eq!(rows(&site, "P").len(), 0);
}

#[test]
fn an_archive_call_may_name_another_project() {
    let site = Site::new();
    mark(&site);
    let uri = waiting(&site);
    let form = [("src", uri.as_str()), ("project", "OTHER")];
    assert_eq!(site.post_form("ada", ARCHIVE, &form).status, 404);
    let form = [
        ("src", uri.as_str()),
        ("project", "AUTO"),
        ("session", "E7"),
    ];
    let answer = site.post_form("ada", ARCHIVE, &form);
    assert_eq!(
        answer.text(),
        "/data/archive/projects/AUTO/subjects/S1/experiments/E7\r\n"
    );
    let home = "archive/AUTO/arc001/E7";
    assert_eq!(
        texts(&site, home, tags::DERIVATION_DESCRIPTION),
        vec!["P E1;AUTO E7;"; 4]
    );
}
