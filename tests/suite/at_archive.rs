//! Steps that wait for the archive: what the prearchive holds until then, and what goes on from there.

use std::fs;

use dicom_core::VR;
use dicom_dictionary_std::tags;
use serde_json::{Value, json};

use crate::dicom;
use crate::done::Done;
use crate::site::Site;

const ARCHIVE: &str = "/data/services/archive";

/// New UIDs, no birth date; and a word for each time that it has run over a file.
const LATE: &str = r#"fn anonymize(ds, ctx) {
    for uid in ["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"] {
        ds.set(uid, pseudonym::uid(ds.get(uid)));
    }
    ds.remove("PatientBirthDate");
    ds.set("DerivationDescription", `${ds.get("DerivationDescription") ?? ""}late ${ctx.session};`);
    keep()
}"#;

const EARLY: &str = r#"fn anonymize(ds, ctx) {
    ds.set("DerivationDescription", `${ds.get("DerivationDescription") ?? ""}early;`);
    keep()
}"#;

const UIDS: [&str; 3] = ["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"];

fn late(site: &Site, code: &str) {
    let touched: Vec<&str> = UIDS
        .into_iter()
        .chain([
            "PatientBirthDate",
            "DerivationDescription",
            "InstanceNumber",
        ])
        .collect();
    site.rhai("late", "anonymize", &touched, &touched, code);
}

/// A site whose projects run `early` at import and `late` at archiving.
fn site() -> Site {
    let site = Site::new();
    late(&site, LATE);
    let touched = ["DerivationDescription"];
    site.rhai("early", "anonymize", &touched, &touched, EARLY);
    site.policy("P", &policy(0, json!({})));
    site.policy("AUTO", &policy(4, json!({})));
    site
}

fn policy(code: u8, more: Value) -> Value {
    let mut policy = json!({
        "identified_prearchive": true,
        "anonymize": [{ "module": "late", "at": "archive" }, { "module": "early" }],
        "route": { "module": "xnat-routing", "settings": { "prearchive_code": code } },
    });
    for (key, value) in more.as_object().unwrap() {
        policy[key] = value.clone();
    }
    policy
}

const LABELS: [(&str, &str); 2] = [("SUBJECT_ID", "S1"), ("EXPT_LABEL", "E1")];

fn import(site: &Site, project: &str, below: &str) -> Done {
    site.import(project, below, &LABELS)
}

fn uri(done: &Done) -> String {
    done.session()["uri"].as_str().unwrap().to_owned()
}

/// An element of every instance below a folder, in the order of their numbers.
fn texts(site: &Site, folder: &str, tag: dicom_core::Tag) -> Vec<String> {
    let mut found: Vec<_> = site
        .instances(folder)
        .iter()
        .map(|file| {
            let path = site.path(folder).join(file);
            let number = dicom::text(&path, tags::INSTANCE_NUMBER).unwrap();
            (number, dicom::text(&path, tag).unwrap_or_default())
        })
        .collect();
    found.sort();
    found.into_iter().map(|(_, text)| text).collect()
}

#[test]
fn a_step_at_archiving_must_be_announced_by_its_policy() {
    let site = site();
    dicom::study(&site.inbox("P/s"), 1, 1, 1);
    site.policy(
        "P",
        &json!({ "anonymize": [{ "module": "late", "at": "archive" }] }),
    );
    let done = import(&site, "P", "P/s");
    assert_eq!(done.state(), "Failed");
    for part in [
        "rules/projects/P/policy.json",
        "/anonymize/0/at",
        "identified_prearchive",
    ] {
        assert!(done.resolution().contains(part), "{}", done.resolution());
    }
    assert_eq!(site.files("prearchive"), Vec::<String>::new());
}

/// What a session was promised at archiving is done then, wherever the rules have it by now.
#[test]
fn a_step_that_has_moved_to_the_import_still_runs_over_what_waits() {
    let site = site();
    let step = |module: &str, at: &str| json!({ "module": module, "at": at });
    let both = json!({ "anonymize": [step("late", "archive"), step("early", "archive")] });
    site.policy("P", &policy(0, both));
    dicom::study(&site.inbox("P/s"), 1, 1, 2);
    let waits = import(&site, "P", "P/s");
    assert_eq!(waits.session()["identified"], true);

    let moved = json!({ "anonymize": [step("late", "import"), step("early", "archive")] });
    site.policy("P", &policy(0, moved));
    // Files that wait for less can't come to stand among those that wait for more.
    dicom::study(&site.inbox("P/more"), 1, 1, 4);
    let more = import(&site, "P", "P/more");
    assert_eq!(
        more.session()["status"],
        "CONFLICT",
        "{}",
        more.resolution()
    );
    assert_eq!(
        texts(&site, &waits.folder(), tags::DERIVATION_DESCRIPTION),
        [""; 2]
    );

    let archived = site.post_form("ada", ARCHIVE, &[("src", &uri(&waits))]);
    assert_eq!(archived.status, 200, "{}", archived.text());
    let folder = "archive/P/arc001/E1";
    assert_eq!(
        texts(&site, folder, tags::DERIVATION_DESCRIPTION),
        ["late E1;early;"; 2]
    );
    assert_eq!(texts(&site, folder, tags::PATIENT_BIRTH_DATE), [""; 2]);
}

#[test]
fn what_waits_identifies_and_what_is_archived_does_not() {
    let site = site();
    let sources = site.inbox("P/s");
    dicom::study(&sources, 1, 2, 2);
    let done = import(&site, "P", "P/s");
    assert_eq!(done.outcomes(), "4 stored");
    let session = done.session();
    assert_eq!(
        (&session["status"], &session["identified"]),
        (&json!("READY"), &json!(true))
    );
    assert_eq!(session["archiveRuleSet"], Value::Null);
    let birth = dicom::text(&sources.join("1-1.dcm"), tags::PATIENT_BIRTH_DATE).unwrap();
    assert!(birth.len() == 8);
    let folder = done.folder();
    assert_eq!(
        texts(&site, &folder, tags::PATIENT_BIRTH_DATE),
        [birth.as_str(); 4]
    );
    assert_eq!(
        texts(&site, &folder, tags::DERIVATION_DESCRIPTION),
        ["early;"; 4]
    );

    // Members see the session and its lists; its bytes only who may see patients' names.
    let waiting = uri(&done);
    let listing = format!("/data{waiting}/scans/ALL/files");
    let rows = site.get("ada", &listing).rows();
    assert_eq!(rows.len(), 4);
    let file = rows[0]["URI"].as_str().unwrap();
    let refused = site.get("ada", file);
    assert_eq!(refused.status, 403);
    assert!(
        refused.text().contains("only an owner"),
        "{}",
        refused.text()
    );
    for user in ["otto", "root"] {
        assert_eq!(site.get(user, file).status, 200, "{user}");
    }
    assert_eq!(site.get("bob", file).status, 403);
    assert_eq!(
        site.get("ada", &format!("/data{waiting}/review")).json()["identified"],
        true
    );

    let before = texts(&site, &folder, tags::SOP_INSTANCE_UID);
    let archived = site.post_form("ada", ARCHIVE, &[("src", &waiting)]);
    assert_eq!(archived.status, 200, "{}", archived.text());
    assert_eq!(
        site.files("prearchive"),
        Vec::<String>::new(),
        "nothing identified is left"
    );
    let folder = "archive/P/arc001/E1";
    assert_eq!(texts(&site, folder, tags::PATIENT_BIRTH_DATE), [""; 4]);
    assert_eq!(
        texts(&site, folder, tags::DERIVATION_DESCRIPTION),
        ["early;late E1;"; 4]
    );
    let after = texts(&site, folder, tags::SOP_INSTANCE_UID);
    assert!(after.iter().all(|uid| !before.contains(uid)));

    // Names, catalog, rows and the session's own UID are those of the new dataset.
    let study = &texts(&site, folder, tags::STUDY_INSTANCE_UID)[0];
    assert!(
        site.instances(folder)
            .iter()
            .all(|file| file.contains(study.as_str()))
    );
    let mut named = 0;
    for scan in ["1", "2"] {
        let resource = format!("{folder}/SCANS/{scan}/DICOM");
        let catalog = fs::read_to_string(
            site.path(&resource)
                .join(format!("scan_{scan}_catalog.xml")),
        )
        .unwrap();
        named += after
            .iter()
            .filter(|uid| catalog.contains(uid.as_str()))
            .count();
        assert!(before.iter().all(|uid| !catalog.contains(uid.as_str())));
        let series = &texts(&site, &resource, tags::SERIES_INSTANCE_UID)[0];
        let shown = format!("/data/projects/P/experiments/E1/scans/{scan}");
        let shown = site.get("ada", &shown).json();
        assert_eq!(shown["items"][0]["data_fields"]["UID"], series.as_str());
    }
    assert_eq!(named, 4);
    let shown = site.get("ada", "/data/projects/P/experiments/E1").json();
    let fields = &shown["items"][0]["data_fields"];
    assert_eq!(fields["UID"], study.as_str());
    assert_eq!(fields["rule_set"], done.status["ruleSet"]);
    assert_eq!(fields["archive_rule_set"], done.status["ruleSet"]);
    let files = site
        .get("ada", "/data/projects/P/experiments/E1/scans/ALL/files")
        .rows();
    assert_eq!(files.len(), 4);
    for file in files {
        assert_eq!(site.get("ada", file["URI"].as_str().unwrap()).status, 200);
    }
    // The request still tells where its session is.
    let status = site.get("ada", "/xapi/dicom/1").json();
    assert_eq!(status["sessions"].as_array().unwrap().len(), 1);
    assert_eq!(status["sessions"][0]["status"], "ARCHIVED");
    assert_eq!(status["sessions"][0]["identified"], false);
}

#[test]
fn what_goes_to_the_archive_at_once_never_lies_identified_anywhere() {
    let site = site();
    dicom::study(&site.inbox("AUTO/s"), 1, 1, 3);
    let done = import(&site, "AUTO", "AUTO/s");
    assert_eq!(
        (done.outcomes().as_str(), &done.session()["status"]),
        ("3 stored", &json!("ARCHIVED"))
    );
    assert_eq!(done.session()["archiveRuleSet"], done.status["ruleSet"]);
    assert_eq!(site.files("prearchive"), Vec::<String>::new());
    let folder = done.folder();
    assert_eq!(
        texts(&site, &folder, tags::DERIVATION_DESCRIPTION),
        ["early;late E1;"; 3]
    );
    assert_eq!(texts(&site, &folder, tags::PATIENT_BIRTH_DATE), [""; 3]);
    // The same once more: new UIDs are the same ones.
    let more = [LABELS[0], LABELS[1], ("overwrite", "append")];
    let again = site.import("AUTO", "AUTO/s", &more);
    assert_eq!(
        (again.state(), again.outcomes().as_str()),
        ("Completed", "3 duplicate")
    );
    // And other content under one of them is seen.
    let changed = site.inbox("AUTO/s").join("1-1.dcm");
    dicom::edit(&changed, &[(tags::IMAGE_COMMENTS, VR::LT, "other;")]);
    let differs = site.import("AUTO", "AUTO/s", &more);
    assert_eq!(differs.outcomes(), "2 duplicate, 1 conflict");
    let modules = done.report.as_ref().unwrap()["modules"].as_array().unwrap();
    let late: Vec<_> = modules.iter().filter(|m| m["at"] == "archive").collect();
    assert_eq!((late.len(), &late[0]["module"]), (1, &json!("late")));
}

#[test]
fn the_rest_of_a_waiting_study_takes_it_along_and_no_step_runs_twice() {
    let site = site();
    dicom::study(&site.inbox("P/s"), 1, 1, 4);
    for name in ["1-3.dcm", "1-4.dcm"] {
        let late = site.inbox("P/late").join(name);
        fs::rename(site.inbox("P/s").join(name), late).unwrap();
    }
    let first = import(&site, "P", "P/s");
    assert_eq!(first.session()["status"], "READY");
    assert_eq!(
        import(&site, "P", "P/s").outcomes(),
        "2 duplicate",
        "as they wait"
    );
    site.policy("P", &policy(4, json!({})));
    let second = import(&site, "P", "P/late");
    assert_eq!(second.outcomes(), "2 stored");
    assert_eq!(second.session()["status"], "ARCHIVED");
    let folder = "archive/P/arc001/E1";
    assert_eq!(
        texts(&site, folder, tags::DERIVATION_DESCRIPTION),
        ["early;late E1;"; 4]
    );
    assert_eq!(site.files("prearchive"), Vec::<String>::new());
}

#[test]
fn a_rule_that_fails_at_archiving_leaves_everything_where_it_was() {
    let site = site();
    dicom::study(&site.inbox("P/s"), 1, 1, 3);
    let done = import(&site, "P", "P/s");
    let waiting = uri(&done);
    let before = site.files(&done.folder());
    let fails = LATE.replacen(
        '{',
        r#"{ if ds.get("InstanceNumber") == "2" { throw "no"; }"#,
        1,
    );
    late(&site, &fails);
    let refused = site.post_form("ada", ARCHIVE, &[("src", &waiting)]);
    assert_eq!(refused.status, 409);
    assert!(
        refused.text().contains("rules failed on 1 of 3 files"),
        "{}",
        refused.text()
    );
    assert_eq!(site.files(&done.folder()), before);
    assert_eq!(site.files("archive"), Vec::<String>::new());
    assert_eq!(site.files("staging"), Vec::<String>::new());
    let review = site.get("ada", &format!("/data{waiting}/review")).json();
    assert_eq!(review["status"], "ERROR");
    assert!(
        review["reason"].as_str().unwrap().contains("late failed"),
        "{review:#}"
    );

    // Mended, it goes on; under the rules of that moment, which are recorded beside those of the import.
    late(&site, &LATE.replace("late ", "later "));
    let archived = site.post_form("ada", ARCHIVE, &[("src", &waiting), ("session", "E2")]);
    assert_eq!(archived.status, 200, "{}", archived.text());
    let folder = "archive/P/arc001/E2";
    assert_eq!(
        texts(&site, folder, tags::DERIVATION_DESCRIPTION),
        ["early;later E2;"; 3]
    );
    let session = &site.get("ada", "/xapi/dicom/1").json()["sessions"][0];
    assert_eq!(session["ruleSet"], done.status["ruleSet"]);
    assert_ne!(session["archiveRuleSet"], done.status["ruleSet"]);
    assert!(session["archiveRuleSet"].as_str().unwrap().len() == 64);
}

#[test]
fn on_the_way_to_the_archive_a_failing_rule_stops_its_file_and_the_session() {
    let site = site();
    dicom::study(&site.inbox("AUTO/s"), 1, 1, 3);
    let fails = LATE.replacen(
        '{',
        r#"{ if ds.get("InstanceNumber") == "2" { throw "no"; }"#,
        1,
    );
    late(&site, &fails);
    let done = import(&site, "AUTO", "AUTO/s");
    assert_eq!(done.outcomes(), "2 stored, 1 failed");
    assert_eq!(done.session()["status"], "READY");
    assert_eq!(
        done.session()["identified"],
        false,
        "what waits has been through the steps"
    );
    assert_eq!(site.files("archive"), Vec::<String>::new());
    let waiting = uri(&done);
    assert_eq!(
        site.post_form("ada", ARCHIVE, &[("src", &waiting)]).status,
        200
    );
    let folder = "archive/AUTO/arc001/E1";
    assert_eq!(
        texts(&site, folder, tags::DERIVATION_DESCRIPTION),
        ["early;late E1;"; 2]
    );
}

#[test]
fn without_its_steps_a_session_is_not_archived() {
    let site = site();
    dicom::study(&site.inbox("P/s"), 1, 1, 1);
    let done = import(&site, "P", "P/s");
    site.policy("P", &json!({ "identified_prearchive": true }));
    let refused = site.post_form("ada", ARCHIVE, &[("src", &uri(&done))]);
    assert_eq!(refused.status, 409);
    assert!(refused.text().contains("no step"), "{}", refused.text());
    assert_eq!(site.files("archive"), Vec::<String>::new());
    // Nor do files that are anonymized by now join those that are not.
    dicom::study(&site.inbox("P/more"), 1, 1, 2);
    let more = import(&site, "P", "P/more");
    assert_eq!(
        more.session()["status"],
        "CONFLICT",
        "{}",
        more.resolution()
    );
    assert_eq!(site.instances(&done.folder()).len(), 1);
    assert_eq!(more.session()["identified"], false);
}

#[test]
fn leaks_are_looked_for_on_the_way_to_the_archive_and_not_before() {
    let site = site();
    dicom::study(&site.inbox("P/s"), 1, 1, 2);
    dicom::study(&site.inbox("AUTO/s"), 1, 1, 2);
    // The headers name their patient in more elements than the late rule knows.
    let check = json!({ "leak_check": "quarantine" });
    site.policy("P", &policy(0, check.clone()));
    site.policy("AUTO", &policy(4, check));
    let waiting = import(&site, "P", "P/s");
    assert_eq!(waiting.session()["status"], "READY");
    assert!(
        waiting.report.as_ref().unwrap()["sessions"][0]
            .get("leaks")
            .is_none()
    );
    let refused = site.post_form("ada", ARCHIVE, &[("src", &uri(&waiting))]);
    assert_eq!(refused.status, 409);
    assert!(
        refused.text().contains("held for review"),
        "{}",
        refused.text()
    );
    let row = &site.get("ada", "/data/prearchive/projects/P").rows()[0];
    assert_eq!(row["status"], "QUARANTINED");
    assert!(refused.text().contains(row["url"].as_str().unwrap()));
    let review = site
        .get(
            "ada",
            &format!("/data{}/review", row["url"].as_str().unwrap()),
        )
        .json();
    assert_eq!(
        review["identified"], false,
        "what is held is what the steps made"
    );
    assert!(!review["leaks"].as_array().unwrap().is_empty());
    assert_eq!(site.files("prearchive"), Vec::<String>::new());
    assert_eq!(site.files("archive"), Vec::<String>::new());

    let held = import(&site, "AUTO", "AUTO/s");
    assert_eq!(held.outcomes(), "2 quarantined");
    let leaks = held.report.as_ref().unwrap()["sessions"][0]["leaks"]
        .as_array()
        .unwrap()
        .clone();
    assert!(
        leaks.iter().any(|leak| leak["tag"] == "(0010,1000)"),
        "{leaks:#?}"
    );
    assert!(
        leaks.iter().all(|leak| leak["tag"] != "(0010,0030)"),
        "the birth date is gone"
    );
    assert_eq!(
        texts(&site, &held.folder(), tags::DERIVATION_DESCRIPTION),
        ["early;late E1;"; 2]
    );
    assert_eq!(site.files("archive"), Vec::<String>::new());
}

#[test]
fn a_second_copy_that_waited_adds_nothing_to_the_archive() {
    let site = site();
    dicom::study(&site.inbox("P/s"), 1, 1, 2);
    let first = import(&site, "P", "P/s");
    assert_eq!(
        site.post_form("ada", ARCHIVE, &[("src", &uri(&first))])
            .status,
        200
    );
    let folder = "archive/P/arc001/E1";
    let before = site.files(folder);
    // What waits is not compared with the archive: until the steps run nobody knows what it will be.
    let more = [LABELS[0], LABELS[1], ("overwrite", "append")];
    let second = site.import("P", "P/s", &more);
    assert_eq!(second.outcomes(), "2 stored");
    assert_eq!(second.session()["status"], "READY");
    let waiting = uri(&second);
    let alone = site.post_form("ada", ARCHIVE, &[("src", &waiting)]);
    assert_eq!(alone.status, 409, "{}", alone.text());
    let merged = site.post_form(
        "ada",
        ARCHIVE,
        &[("src", &waiting), ("overwrite", "append")],
    );
    assert_eq!(merged.status, 200, "{}", merged.text());
    assert_eq!(site.files(folder), before);
    assert_eq!(site.files("prearchive"), Vec::<String>::new());
}

#[test]
fn a_rules_reject_and_quarantine_hold_at_archiving_too() {
    let site = site();
    dicom::study(&site.inbox("P/s"), 1, 1, 3);
    let done = import(&site, "P", "P/s");
    let rejects = LATE.replacen(
        '{',
        r#"{ if ds.get("InstanceNumber") == "2" { return reject("a scout"); }"#,
        1,
    );
    let holds = LATE.replacen('{', r#"{ if ds.get("InstanceNumber") == "2" { ds.remove("PatientBirthDate"); return quarantine("look"); }"#, 1);
    late(&site, &rejects);
    assert_eq!(
        site.post_form("ada", ARCHIVE, &[("src", &uri(&done))])
            .status,
        200
    );
    assert_eq!(
        texts(&site, "archive/P/arc001/E1", tags::INSTANCE_NUMBER),
        ["1", "3"]
    );

    let second = site.import("P", "P/s", &[("EXPT_LABEL", "E2")]);
    late(&site, &holds);
    let waiting = uri(&second);
    let refused = site.post_form("ada", ARCHIVE, &[("src", &waiting)]);
    assert_eq!(refused.status, 409);
    let rows = site.get("ada", "/data/prearchive/projects/P").rows();
    let now = rows[0]["url"].as_str().unwrap();
    assert_eq!((rows.len(), &rows[0]["status"]), (1, &json!("QUARANTINED")));
    let review = site.get("ada", &format!("/data{now}/review")).json();
    assert_eq!(review["reason"], "look");
    assert_eq!(review["files"].as_array().unwrap().len(), 1);
    // Released, it is archived as it is: the steps have run.
    let released = site.post_form("otto", "/data/services/prearchive/release", &[("src", now)]);
    assert_eq!(released.rows()[0]["status"], "READY");
    assert_eq!(site.post_form("ada", ARCHIVE, &[("src", now)]).status, 200);
    let comments = texts(&site, "archive/P/arc001/E2", tags::DERIVATION_DESCRIPTION);
    assert_eq!(comments, ["early;late E2;", "early;", "early;late E2;"]);
}

#[test]
fn the_command_line_archives_through_the_same_steps() {
    let site = site();
    dicom::study(&site.inbox("P/s"), 1, 1, 2);
    let done = import(&site, "P", "P/s");
    site.command(&["session", "archive", &uri(&done)], "");
    let folder = "archive/P/arc001/E1";
    assert_eq!(
        texts(&site, folder, tags::DERIVATION_DESCRIPTION),
        ["early;late E1;"; 2]
    );
    assert_eq!(site.files("prearchive"), Vec::<String>::new());
}

#[test]
fn what_is_held_before_the_steps_have_run_is_identified_until_it_is_archived() {
    let site = site();
    dicom::study(&site.inbox("P/s"), 1, 1, 2);
    let holds = EARLY.replace("keep()", r#"quarantine("look")"#);
    let touched = ["DerivationDescription"];
    site.rhai("early", "anonymize", &touched, &touched, &holds);
    let held = import(&site, "P", "P/s");
    assert_eq!(held.outcomes(), "2 quarantined");
    assert_eq!(held.session()["identified"], true);
    let waiting = uri(&held);
    let direct = site.post_form("otto", ARCHIVE, &[("src", &waiting)]);
    assert_eq!(direct.status, 409);
    assert!(direct.text().contains("quarantine"), "{}", direct.text());
    let form = [("src", waiting.as_str())];
    let released = site.post_form("otto", "/data/services/prearchive/release", &form);
    assert_eq!(released.rows()[0]["status"], "READY");
    let files = format!("/data{waiting}/scans/ALL/files");
    let rows = site.get("ada", &files).rows();
    let file = rows[0]["URI"].as_str().unwrap();
    assert_eq!(
        site.get("ada", file).status,
        403,
        "a release anonymizes nothing"
    );
    assert_eq!(site.get("otto", file).status, 200);
    assert_eq!(site.post_form("ada", ARCHIVE, &form).status, 200);
    let folder = "archive/P/arc001/E1";
    assert_eq!(
        texts(&site, folder, tags::DERIVATION_DESCRIPTION),
        ["early;late E1;"; 2]
    );
    assert_eq!(texts(&site, folder, tags::PATIENT_BIRTH_DATE), [""; 2]);
}

#[test]
fn a_source_that_joins_what_waits_and_is_left_out_at_archiving_is_not_cleaned_up() {
    let site = site();
    dicom::study(&site.inbox("P/s"), 1, 1, 4);
    for name in ["1-2.dcm", "1-4.dcm"] {
        let late = site.inbox("P/late").join(name);
        fs::rename(site.inbox("P/s").join(name), late).unwrap();
    }
    import(&site, "P", "P/s");
    let rejects = LATE.replacen(
        '{',
        r#"{ if ds.get("InstanceNumber") == "2" { return reject("a scout"); }"#,
        1,
    );
    late(&site, &rejects);
    site.policy("P", &policy(4, json!({})));
    let more = [LABELS[0], LABELS[1], ("cleanupAfterImport", "true")];
    let second = site.import("P", "P/late", &more);
    assert_eq!(second.outcomes(), "1 stored, 1 rejected");
    assert_eq!(second.reason("1-2.dcm"), "a scout");
    assert_eq!(second.session()["status"], "ARCHIVED");
    assert_eq!(site.files("inbox/P/late"), ["1-2.dcm"]);
    let numbers = texts(&site, "archive/P/arc001/E1", tags::INSTANCE_NUMBER);
    assert_eq!(numbers, ["1", "3", "4"]);
}

#[test]
fn what_joins_a_waiting_session_and_is_then_held_is_told_as_held() {
    let site = site();
    dicom::study(&site.inbox("P/s"), 1, 1, 2);
    let moved = site.inbox("P/late").join("1-2.dcm");
    fs::rename(site.inbox("P/s").join("1-2.dcm"), moved).unwrap();
    import(&site, "P", "P/s");
    late(&site, &LATE.replace("keep()", r#"quarantine("look")"#));
    site.policy("P", &policy(4, json!({})));
    let second = import(&site, "P", "P/late");
    assert_eq!(second.outcomes(), "1 quarantined");
    assert_eq!(second.session()["status"], "QUARANTINED");
    assert_eq!(second.session()["identified"], false);
    assert_eq!(site.instances(&second.folder()).len(), 2);
    assert_eq!(site.files("prearchive"), Vec::<String>::new());
    assert_eq!(site.files("archive"), Vec::<String>::new());
}
