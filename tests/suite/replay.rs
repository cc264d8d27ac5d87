//! Replaying a request under other rules, and having rules explained over REST: nothing is stored by either.

use std::fs;

use serde_json::{Value, json};

use crate::dicom;
use crate::server::run;
use crate::site::Site;

const LABELS: [(&str, &str); 2] = [("SUBJECT_ID", "S1"), ("EXPT_LABEL", "E1")];

fn mine(site: &Site, code: &str) {
    site.rhai("mine", "anonymize", &["InstanceNumber"], &["*"], code);
}

fn replay(site: &Site, id: i64, more: &[&str]) -> Value {
    let id = id.to_string();
    let arguments = [&["request", "replay", &id, "--json"], more].concat();
    serde_json::from_str(&run(&site.path(""), &arguments, "")).unwrap()
}

#[test]
fn what_a_candidate_would_change_is_named_for_each_file_and_session() {
    let site = Site::new();
    mine(
        &site,
        "fn anonymize(ds, ctx) { ds.set(\"StationName\", \"X\"); keep() }",
    );
    let policy = |code: u8| {
        json!({ "anonymize": [{ "module": "mine" }],
            "route": { "module": "xnat-routing", "settings": { "prearchive_code": code } } })
    };
    site.policy("P", &policy(0));
    dicom::study(&site.inbox("P/s"), 1, 1, 4);
    let done = site.import("P", "P/s", &LABELS);
    assert_eq!(done.outcomes(), "4 stored");
    let told = replay(&site, done.id(), &[]);
    assert_eq!(
        (&told["counts"]["filesChanged"], &told["files"]),
        (&json!(0), &json!([])),
        "the same rules change nothing"
    );

    // The folder as it is now: another value, another action, a reject; another route.
    mine(
        &site,
        "fn anonymize(ds, ctx) {
            let number = ds.get(\"InstanceNumber\");
            if number == \"2\" { return reject(\"second\"); }
            if number == \"3\" { ds.remove(\"StationName\"); return keep(); }
            ds.set(\"StationName\", if number == \"4\" { \"Y\" } else { \"X\" });
            keep()
        }",
    );
    // Broken is not active: the folder is not what is told of.
    site.rules("projects/P/policy.json", "{");
    let told = replay(&site, done.id(), &[]);
    assert_eq!(told["counts"]["filesChanged"], 0, "still what is active");
    site.policy("P", &policy(4));
    assert_eq!(site.get("root", "/xapi/rules/status").status, 200);
    let (before, reports) = (site.files("prearchive"), site.files("reports"));
    let told = replay(&site, done.id(), &[]);
    assert_eq!(told["ruleSet"], done.status["ruleSet"]);
    assert_ne!(told["ruleSet"], told["candidate"]);
    let files = told["files"].as_array().unwrap();
    let paths: Vec<&Value> = files.iter().map(|file| &file["path"]).collect();
    assert_eq!(paths, ["1-2.dcm", "1-3.dcm", "1-4.dcm"]);
    assert_eq!(
        files[0]["outcome"],
        json!({ "before": "stored", "after": "rejected" })
    );
    assert_eq!(files[0]["reason"]["after"], "second");
    let act = |action: &str| json!([{ "module": "mine", "action": action, "tag": "StationName" }]);
    assert_eq!(
        (&files[1]["noLonger"], &files[1]["newly"]),
        (&act("set"), &act("remove"))
    );
    assert_eq!(
        (&files[2]["newly"], &files[2]["output"]),
        (&json!([]), &json!(true)),
        "only the value differs"
    );
    let session = &told["sessions"][0];
    assert_eq!(session["label"], "E1");
    assert_eq!(session["route"]["before"]["to"], "prearchive");
    assert_eq!(session["route"]["after"]["to"], "archive");
    assert_eq!(session["labels"], Value::Null);
    assert_eq!(
        (site.files("prearchive"), site.files("reports")),
        (before, reports)
    );
    assert_eq!(site.instances("archive"), Vec::<String>::new());
}

#[test]
fn a_folder_of_rules_may_be_named_and_what_is_gone_is_counted() {
    let site = Site::new();
    let folder = site.inbox("P/s");
    dicom::study(&folder, 1, 1, 3);
    let done = site.import("P", "P/s", &[]);
    fs::remove_file(folder.join("1-1.dcm")).unwrap();
    let rules = site.path("tried");
    fs::create_dir_all(rules.join("projects/P")).unwrap();
    let policy = json!({ "series_filters": { "mode": "blacklist", "list": ["[Modality]", "CT"] } });
    fs::write(rules.join("projects/P/policy.json"), policy.to_string()).unwrap();
    let told = replay(&site, done.id(), &["--rules", rules.to_str().unwrap()]);
    assert_eq!(told["counts"]["sourceGone"], 1);
    assert_eq!(told["counts"]["filesChanged"], 2);
    assert_eq!(told["files"][0]["outcome"]["after"], "filtered");
    // Nothing is left of the session.
    let session = &told["sessions"][0];
    assert_eq!(session["labels"]["after"]["labels"], Value::Null);
    assert!(session["labels"]["before"]["labels"]["session"].is_string());
    let id = done.id().to_string();
    let text = run(
        &site.path(""),
        &["request", "replay", &id, "--rules", rules.to_str().unwrap()],
        "",
    );
    assert!(
        text.starts_with("1 of 1 sessions and 2 of 2 files would change\n1 files are no longer"),
        "{text}"
    );
}

#[test]
fn explaining_over_rest_shows_values_to_who_may_see_them_and_is_audited() {
    let site = Site::new();
    let folder = site.inbox("P/s");
    dicom::study(&folder, 1, 1, 2);
    let name = dicom::text(
        &folder.join("1-1.dcm"),
        dicom_dictionary_std::tags::PATIENT_NAME,
    )
    .unwrap();
    let path = folder.to_str().unwrap();
    let query = [("PROJECT_ID", "P"), ("path", path), ("SUBJECT_ID", "S7")];
    let ask =
        |user: &str, query: &[(&str, &str)]| site.call(user, "GET", "/xapi/rules/explain", query);
    let told = ask("otto", &query).json();
    assert_eq!(told["studies"][0]["labels"]["subject"], "S7");
    let is_name = |edit: &&Value| edit["path"] == "PatientName";
    let edits = told["files"][0]["steps"][0]["edits"].as_array().unwrap();
    let edit = edits.iter().find(is_name).unwrap();
    assert_eq!(
        (&edit["before"], &edit["after"]),
        (&json!(name), &json!("S7"))
    );
    // A member sees what is done, not to what.
    let answer = ask("ada", &query);
    assert!(!answer.text().contains(&name));
    let told = answer.json();
    let edits = told["files"][0]["steps"][0]["edits"].as_array().unwrap();
    let edit = edits.iter().find(is_name).unwrap();
    assert_eq!(
        (&edit["action"], &edit["before"], &edit["after"]),
        (&json!("set"), &Value::Null, &Value::Null)
    );
    assert_eq!(told["studies"][0]["summary"], Value::Null);
    // One file, and who may not import may not ask.
    let file = folder.join("1-2.dcm");
    let one = [("PROJECT_ID", "P"), ("path", file.to_str().unwrap())];
    assert_eq!(ask("otto", &one).json()["files"][0]["path"], "1-2.dcm");
    for user in ["bob", "eve"] {
        assert_eq!(ask(user, &query).status, 400, "{user}");
    }
    let used = ["otto", "ada", "otto"].map(|user| (user.to_owned(), "rules.explain".to_owned()));
    let audit = site.audit("project/P");
    let explained: Vec<_> = audit
        .into_iter()
        .filter(|(_, action)| action == "rules.explain")
        .collect();
    assert_eq!(explained, used);
    assert_eq!(site.files("prearchive"), Vec::<String>::new());
}
