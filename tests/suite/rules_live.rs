//! Rules changed on a running server: what becomes active, what does not, who may, and going back.

use serde_json::{Value, json};

use crate::dicom;
use crate::site::Site;

fn route(code: u32) -> Value {
    json!({ "route": { "module": "xnat-routing", "settings": { "prearchive_code": code } } })
}

/// The newest first.
fn history(site: &Site, project: &str) -> Vec<Value> {
    let versions = format!("/xapi/rules/versions?project={project}");
    let answer = site.get("root", &versions).json();
    answer.as_array().unwrap().clone()
}

fn status(site: &Site, project: &str) -> Value {
    let all = site.get("root", "/xapi/rules/status").json();
    let of = |status: &&Value| status["project"] == project;
    all.as_array().unwrap().iter().find(of).unwrap().clone()
}

#[test]
fn a_policy_put_over_rest_is_active_at_once_and_names_who_and_why() {
    let site = Site::new();
    dicom::study(&site.inbox("P/s"), 1, 1, 1);
    let policy = "/xapi/rules/projects/P/policy?reason=as+agreed";
    assert_eq!(site.put_json("otto", policy, &route(4)).status, 200);
    let done = site.import("P", "P/s", &[]);
    assert_eq!(done.session()["status"], "ARCHIVED");
    let newest = &history(&site, "P")[0];
    assert_eq!(newest["username"], "otto");
    assert_eq!(newest["reason"], "as agreed");
    assert_eq!(newest["ruleSet"], done.status["ruleSet"]);
    let read = site.get("otto", "/xapi/rules/projects/P/policy").json();
    assert_eq!(read, route(4));
}

#[test]
fn a_bad_policy_is_refused_with_its_place_and_changes_nothing() {
    let site = Site::new();
    let before = status(&site, "P");
    let answer = site.put_json("otto", "/xapi/rules/projects/P/policy", &route(3));
    assert_eq!(answer.status, 400);
    assert!(
        answer.text().contains("/route/settings/prearchive_code"),
        "{}",
        answer.text()
    );
    assert_eq!(status(&site, "P"), before);
    assert!(!site.path("rules/projects/P/policy.json").exists());
    // The site's policy has to suit every project.
    let site_policy = json!({ "anonymize": [{ "module": "none" }] });
    let answer = site.put_json("root", "/xapi/rules/site/policy", &site_policy);
    assert_eq!(answer.status, 400);
    assert_eq!(status(&site, "P"), before);
}

#[test]
fn an_edit_on_disk_is_staged_without_an_import() {
    let site = Site::new();
    let before = status(&site, "P")["active"]["ruleSet"].clone();
    site.policy("P", &route(4));
    let edited = crate::server::wait_for("the change", || {
        let newest = history(&site, "P").first()?.clone();
        (newest["ruleSet"] != before).then_some(newest)
    });
    assert_eq!(edited["username"], "(files)");
    site.rules("projects/P/policy.json", "nonsense");
    let broken = status(&site, "P");
    assert!(broken["error"].as_str().unwrap().contains("policy.json"));
    assert_eq!(broken["active"]["ruleSet"], edited["ruleSet"]);
}

#[test]
fn a_module_that_fails_its_own_test_never_goes_live() {
    let site = Site::new();
    let before = status(&site, "P")["active"]["ruleSet"].clone();
    let expecting = |verdict: &str| {
        let case = json!({
            "dataset": { "00100010": { "vr": "PN", "Value": [{ "Alphabetic": "Doe^J" }] } },
            "expect": { "verdict": verdict },
        });
        site.rules("modules/mine/tests/one.json", case.to_string());
    };
    let code = "fn anonymize(ds, ctx) { keep() }";
    site.rhai("mine", "anonymize", &[], &[], code);
    expecting("reject");
    let policy = json!({ "anonymize": [{ "module": "mine" }] });
    let put = "/xapi/rules/projects/P/policy";
    let answer = site.put_json("otto", put, &policy);
    assert_eq!(answer.status, 400);
    let text = answer.text();
    assert!(
        text.contains("modules/mine/tests/one.json") && text.contains("expected reject"),
        "{text}"
    );
    // Nor by an edit on disk.
    site.policy("P", &policy);
    let broken = status(&site, "P");
    assert!(broken["error"].as_str().unwrap().contains("one.json"));
    assert_eq!(broken["active"]["ruleSet"], before);
    expecting("keep");
    let mended = status(&site, "P");
    assert_eq!(mended["error"], Value::Null);
    assert_eq!(mended["active"]["ruleSet"], mended["draft"]);
    assert_ne!(mended["active"]["ruleSet"], before);
}

#[test]
fn going_back_takes_effect_at_once_and_shows_what_differs() {
    let site = Site::new();
    for n in 0..3 {
        dicom::study(&site.inbox(&format!("P/s{n}")), n, 1, 1);
    }
    let policy = "/xapi/rules/projects/P/policy";
    site.put_json("otto", policy, &route(4));
    let first = site.import("P", "P/s0", &[]);
    site.put_json("otto", policy, &route(0));
    let second = site.import("P", "P/s1", &[]);
    assert_eq!(second.session()["status"], "READY");
    let (old, new) = (
        first.status["ruleSet"].as_str().unwrap(),
        second.status["ruleSet"].as_str().unwrap(),
    );
    let diff = site.get("otto", &format!("/xapi/rules/diff?from={old}&to={new}"));
    let diff = diff.text();
    assert!(diff.contains("--- project/policy.json"), "{diff}");
    assert!(
        diff.contains("+{") && diff.contains("\"prearchive_code\":0"),
        "{diff}"
    );

    // What is printed of a hash is enough, but for what could be many.
    let short = site.get(
        "otto",
        &format!("/xapi/rules/diff?from={}&to={}", &old[..12], &new[..8]),
    );
    assert_eq!(short.text(), diff);
    for given in [&old[..7], "00000000", "%25%25%25%25%25%25%25%25"] {
        let none = site.get("otto", &format!("/xapi/rules/diff?from={given}&to={new}"));
        assert_eq!(none.status, 404);
        assert!(
            none.text().contains("at least 8 characters"),
            "{}",
            none.text()
        );
    }
    let chain = format!("/xapi/rules/projects/P/chain?version={}", &old[..12]);
    assert_eq!(site.get("otto", &chain).json()["rule_set"], old);

    let back = json!({ "project": "P", "ruleSet": old[..12], "reason": "too early" });
    let answer = site.post_json("otto", "/xapi/rules/rollback", &back);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let third = site.import("P", "P/s2", &[]);
    assert_eq!(third.session()["status"], "ARCHIVED");
    assert_eq!(third.status["ruleSet"], first.status["ruleSet"]);
    assert_eq!(history(&site, "P")[0]["reason"], "too early");
}

#[test]
fn an_owner_goes_back_no_further_than_the_sites_rules_allow() {
    let site = Site::new();
    let before = status(&site, "P")["active"]["ruleSet"].clone();
    let stricter = json!({ "leak_check": "quarantine" });
    let answer = site.put_json("root", "/xapi/rules/site/policy", &stricter);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let form = [("project", "P"), ("ruleSet", before.as_str().unwrap())];
    let answer = site.post_form("otto", "/xapi/rules/rollback", &form);
    assert_eq!(answer.status, 403);
    let answer = site.post_form("root", "/xapi/rules/rollback", &form);
    assert_eq!(answer.status, 200, "an administrator may");
}

#[test]
fn rules_are_for_owners_of_the_project_and_administrators() {
    let site = Site::new();
    let active = status(&site, "P")["active"]["ruleSet"].clone();
    let active = active.as_str().unwrap();
    for user in ["ada", "bob"] {
        assert_eq!(site.get(user, "/xapi/rules/status").json(), json!([]));
        let versions = site.get(user, "/xapi/rules/versions?project=P");
        assert_eq!(versions.status, 403, "{user}");
        let put = site.put_json(user, "/xapi/rules/projects/P/policy", &json!({}));
        assert_eq!(put.status, 403, "{user}");
        let version = site.get(user, &format!("/xapi/rules/versions/{active}"));
        assert_eq!(version.status, 404, "{user}");
        let form = [("project", "P"), ("ruleSet", active)];
        let back = site.post_form(user, "/xapi/rules/rollback", &form);
        assert_eq!(back.status, 403, "{user}");
    }
    let foreign = site.get("otto", "/xapi/rules/projects/OTHER/policy");
    assert_eq!(foreign.status, 404);
    assert_eq!(site.get("otto", "/xapi/rules/versions").status, 403);
    let put = site.put_json("otto", "/xapi/rules/site/policy", &json!({}));
    assert_eq!(put.status, 403);
    let files = site.get("otto", &format!("/xapi/rules/versions/{active}"));
    assert!(
        files.text().contains("shipped/xnat-routing/module.json"),
        "{}",
        files.text()
    );
}

#[test]
fn policies_switch_two_hundred_times_while_imports_run() {
    let site = Site::new();
    let mark = |n: u32| {
        format!(r#"fn anonymize(ds, ctx) {{ ds.set("StudyDescription", "mark {n}"); keep() }}"#)
    };
    let mut addresses = Vec::new();
    let mut hash_to_mark = std::collections::BTreeMap::new();
    for n in 0..200 {
        match n % 3 {
            2 => site.rules("projects/P/policy.json", "{ broken"),
            _ => {
                let name = format!("m{n}");
                site.rhai(&name, "anonymize", &[], &["StudyDescription"], &mark(n));
                site.policy("P", &json!({ "anonymize": [{ "module": name }] }));
                let hash = status(&site, "P")["active"]["ruleSet"].clone();
                hash_to_mark.insert(hash.as_str().unwrap().to_owned(), n);
            }
        }
        if n % 10 == 0 {
            let below = format!("P/s{n}");
            dicom::study(&site.inbox(&below), n, 1, 5);
            addresses.push(site.queue("P", &below, &[]));
            let other = format!("AUTO/s{n}");
            dicom::study(&site.inbox(&other), 1000 + n, 1, 1);
            let other = site.queue("AUTO", &other, &[]);
            assert_eq!(site.ended(&other).state(), "Completed", "another project");
        }
    }
    for address in &addresses {
        let done = site.ended(address);
        assert_eq!(done.state(), "Completed", "{}", done.resolution());
        assert_eq!(done.outcomes(), "5 stored");
        let hash = done.status["ruleSet"].as_str().unwrap();
        let mark = format!("mark {}", hash_to_mark[hash]);
        for file in site.instances(&done.folder()) {
            let path = site.path(&done.folder()).join(file);
            let bytes = std::fs::read(path).unwrap();
            let found = bytes.windows(mark.len()).any(|w| w == mark.as_bytes());
            assert!(found, "not under {hash} as a whole");
        }
    }
}
