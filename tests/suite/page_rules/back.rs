//! Changing rules after a rollback, where what is active is not what the folder holds.

use serde_json::{Value, json};

use super::{active, site};
use crate::browser::{Browser, unescaped, value};

const PUT: &str = "/xapi/rules/projects/P/policy?reason=second";

#[test]
fn a_change_after_a_rollback_starts_from_what_is_active_and_brings_nothing_back_unseen() {
    let site = site();
    let first = active(&site)["ruleSet"].as_str().unwrap().to_owned();
    let policy = json!({ "leak_check": "report" });
    assert_eq!(site.put_json("otto", PUT, &policy).status, 200);
    let second = active(&site)["ruleSet"].clone();
    let browser = Browser::log_in(&site, "otto");
    let apart = "What is active is not what the rules folder holds";
    assert!(!browser.view("/rules/P/edit").contains(apart));
    let form = [("project", "P"), ("ruleSet", first.as_str())];
    let back = site.post_form("otto", "/xapi/rules/rollback", &form);
    assert_eq!(back.status, 200);

    let page = browser.view("/rules/P/edit?as=text");
    assert!(page.contains(apart), "{page}");
    assert!(unescaped(&page).contains("\"module\":\"ps315-basic\""));
    let folder = browser.view("/rules/P/edit?as=text&from=folder");
    assert!(unescaped(&folder).contains("\"leak_check\":\"report\""));

    let check = |policy: &Value| {
        let changes = json!({ "changes": { "projects/P/policy.json": policy.to_string() } });
        let checked = site.post_json("otto", "/xapi/rules/check", &changes);
        checked.json()["diff"].as_str().unwrap().to_owned()
    };
    let diff = check(&policy);
    assert!(
        diff.contains("-      \"module\": \"ps315-basic\""),
        "{diff}"
    );
    assert!(diff.contains("+  \"leak_check\": \"report\""), "{diff}");
    let of_first = json!({ "anonymize": [{ "module": "mine" }, { "module": "ps315-basic" }] });
    assert_eq!(check(&of_first), "");
    let base = value(&folder, "base");
    let text = policy.to_string();
    let form = [("text", text.as_str()), ("base", &base), ("do", "save")];
    assert_eq!(browser.post("/rules/P/edit", &form).status, 200);
    let now = active(&site);
    assert_eq!(
        (&now["ruleSet"], &now["username"]),
        (&second, &json!("otto"))
    );
}

#[test]
fn what_the_folder_holds_already_is_active_when_it_is_put_again() {
    let site = site();
    let first = active(&site)["ruleSet"].as_str().unwrap().to_owned();
    let policy = json!({ "leak_check": "report" });
    site.put_json("otto", PUT, &policy);
    let second = active(&site)["ruleSet"].clone();
    let form = [("project", "P"), ("ruleSet", first.as_str())];
    site.post_form("otto", "/xapi/rules/rollback", &form);
    assert_eq!(active(&site)["ruleSet"], json!(first));
    let again = "/xapi/rules/projects/P/policy?reason=after+all";
    assert_eq!(site.put_json("otto", again, &policy).status, 200);
    let now = active(&site);
    assert_eq!(
        (&now["ruleSet"], &now["reason"]),
        (&second, &json!("after all"))
    );
}
