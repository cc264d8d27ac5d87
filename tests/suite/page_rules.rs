//! Rules on the page, and the calls that it makes for them.

mod back;
mod files;
mod tries;

use std::fs;

use serde_json::{Value, json};

use crate::browser::{Browser, unescaped, value};
use crate::dicom;
use crate::site::Site;

const CODE: &str =
    "fn anonymize(ds, ctx) {\n    ds.set(\"PatientName\", ctx.subject);\n    keep()\n}\n";

/// Project P with a module of the folder, and a study in its inbox.
fn site() -> Site {
    let site = Site::new();
    site.rhai("mine", "anonymize", &[], &["PatientName"], CODE);
    let policy = json!({ "anonymize": [{ "module": "mine" }, { "module": "ps315-basic" }] });
    let put = "/xapi/rules/projects/P/policy?reason=first";
    assert_eq!(site.put_json("otto", put, &policy).status, 200);
    dicom::study(&site.inbox("P/s"), 1, 1, 2);
    site
}

fn active(site: &Site) -> Value {
    let all = site.get("root", "/xapi/rules/status").json();
    let of = |status: &&Value| status["project"] == "P";
    all.as_array().unwrap().iter().find(of).unwrap()["active"].clone()
}

fn policy(site: &Site) -> Value {
    site.get("otto", "/xapi/rules/projects/P/policy").json()
}

fn on_disk(site: &Site, path: &str) -> String {
    fs::read_to_string(site.path("rules").join(path)).unwrap()
}

/// The page's text of a policy's form, with the policy that it holds.
fn form<'a>(page: &'a str, more: &[(&'a str, &'a str)]) -> Vec<(String, String)> {
    let mut form = vec![
        ("fields".to_owned(), "true".to_owned()),
        ("policy".to_owned(), value(page, "policy")),
        ("base".to_owned(), value(page, "base")),
    ];
    form.extend(more.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())));
    form
}

fn post(browser: &Browser, path: &str, form: &[(String, String)]) -> crate::answer::Answer {
    let form: Vec<_> = form.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    browser.post(path, &form)
}

#[test]
fn what_is_active_where_since_when_by_whom_and_why_is_shown() {
    let site = site();
    site.rules("projects/AUTO/policy.json", "{ \"leak_chek\": 1 }");
    let browser = Browser::log_in(&site, "otto");
    let list = browser.view("/rules");
    for expected in [
        "href=\"/rules/P\"",
        "<td>otto</td><td>first</td>",
        "the folder is broken",
        "/leak_chek: unknown key (did you mean &quot;leak_check&quot;?)",
        "href=\"/rules/~modules/mine\"",
    ] {
        assert!(list.contains(expected), "{expected}\n{list}");
    }
    assert!(!list.contains("~site"), "the site's rules are no owner's");
    assert!(!list.contains("OTHER"));

    let page = browser.view("/rules/P");
    let gates = page.split("<ol class=\"gates\"").nth(1).unwrap();
    let gates = gates.split("</ol>").next().unwrap();
    let order = [
        ">inbox<",
        "xnat-labels",
        "xnat-default",
        "mine",
        "ps315-basic",
        "xnat-routing",
        ">stored<",
    ];
    let places: Vec<_> = order.iter().map(|name| gates.find(name).unwrap()).collect();
    assert!(places.is_sorted(), "{gates}");
    assert!(
        gates.contains("anonymize · the project&#39;s")
            || gates.contains("anonymize · the project's"),
        "{gates}"
    );
    let root = Browser::log_in(&site, "root");
    assert!(root.view("/rules/~site").contains("xnat-default"));
}

#[test]
fn who_does_not_own_a_project_sees_none_of_its_rules_and_changes_none() {
    let site = site();
    let before = active(&site);
    for (user, status) in [("ada", 403), ("bob", 403), ("eve", 404)] {
        let browser = Browser::log_in(&site, user);
        for path in ["/rules/P", "/rules/P/edit", "/rules/P/files/site.das"] {
            assert_eq!(browser.get(path).status, status, "{user}, {path}");
        }
        let list = browser.view("/rules");
        assert!(!list.contains("<td>first</td>"), "{list}");
        let save = [("policy", "{}"), ("base", ""), ("do", "save")];
        assert_eq!(browser.post("/rules/P/edit", &save).status, status);
    }
    let nobody = site.call("", "GET", "/rules/P", &[]);
    assert!(nobody.text().contains("name=\"password\""));
    assert_eq!(active(&site), before);
}

#[test]
fn a_setting_is_changed_by_a_form_of_its_schema_and_saved_after_its_difference_was_shown() {
    let site = site();
    let browser = Browser::log_in(&site, "otto");
    let page = browser.view("/rules/P/edit");
    for expected in [
        "Move dates by whole days, by one offset for a subject",
        "type=\"number\" id=\"a1.s.max_shift_days\"",
        "min=\"1\" max=\"36500\" placeholder=\"365\"",
        "name=\"a1.s.retain_uids\"",
    ] {
        assert!(page.contains(expected), "{expected}\n{page}");
    }
    let filled = [
        ("a0.module", "mine"),
        ("a0.on", "true"),
        ("a0.at", "import"),
        ("a1.module", "ps315-basic"),
        ("a1.on", "true"),
        ("a1.at", "import"),
        ("a1.s", "sent"),
        ("a1.s.retain_modified_dates", "true"),
        ("a1.s.max_shift_days", "30"),
        (
            "a1.s.retain_safe_private",
            "*/(0019,{SIEMENS MR HEADER}0C)\r\n",
        ),
        ("label.module", ""),
        ("route.module", ""),
        ("leak_check", "report"),
        ("overwrite", ""),
        ("file_names", ""),
        ("do", "check"),
    ];
    let before = active(&site);
    let checked = post(&browser, "/rules/P/edit", &form(&page, &filled));
    assert_eq!(checked.status, 200, "{}", checked.text());
    let checked = checked.text();
    assert!(
        checked.contains("<span class=\"added\">+        &quot;max_shift_days&quot;: 30,"),
        "{checked}"
    );
    assert!(
        !checked.contains("-{"),
        "what is as it was is not in the difference: {checked}"
    );
    assert_eq!(active(&site), before, "looking changes nothing");
    let save = [
        ("policy", value(checked, "policy")),
        ("base", value(checked, "base")),
        ("reason", "dates may stay".into()),
        ("do", "save".into()),
    ];
    let save = save.map(|(name, value)| (name.to_owned(), value));
    let saved = post(&browser, "/rules/P/edit", &save);
    assert_eq!(saved.status, 200, "{}", saved.text());
    assert!(
        saved.text().contains("The rules are changed"),
        "{}",
        saved.text()
    );
    let now = policy(&site);
    let settings = json!({
        "retain_modified_dates": true, "max_shift_days": 30, "retain_safe_private": ["*/(0019,{SIEMENS MR HEADER}0C)"]
    });
    assert_eq!(now["anonymize"][1]["settings"], settings);
    assert_eq!(now["leak_check"], "report");
    let active = active(&site);
    assert_eq!(
        (&active["username"], &active["reason"]),
        (&json!("otto"), &json!("dates may stay"))
    );
    // Of two who change it at once, the second is told.
    let again = post(&browser, "/rules/P/edit", &save);
    assert_eq!(again.status, 400);
    assert!(
        again
            .text()
            .contains("Somebody has changed the policy meanwhile"),
        "{}",
        again.text()
    );
}

#[test]
fn a_setting_that_is_wrong_is_told_at_its_input_and_nothing_is_saved() {
    let site = site();
    let before = active(&site);
    let browser = Browser::log_in(&site, "otto");
    let page = browser.view("/rules/P/edit");
    let filled = |days| {
        [
            ("a1.module", "ps315-basic"),
            ("a1.on", "true"),
            ("a1.s", "sent"),
            ("a1.s.max_shift_days", days),
            ("do", "check"),
        ]
    };
    for (days, why) in [("many", "is no number"), ("0", "0 is less than 1")] {
        let told = post(&browser, "/rules/P/edit", &form(&page, &filled(days)));
        assert_eq!(told.status, 400);
        let told = told.text();
        let input = told.split("id=\"a1.s.max_shift_days\"").nth(1).unwrap();
        assert!(
            input
                .split('>')
                .next()
                .unwrap()
                .contains(&format!("value=\"{days}\"")),
            "{told}"
        );
        let problem = told
            .split("id=\"a1.s.max_shift_days-problem\">")
            .nth(1)
            .unwrap();
        assert!(
            problem.split("</p>").next().unwrap().contains(why),
            "{told}"
        );
        assert!(!told.contains("value=\"save\""), "{told}");
    }
    assert_eq!(active(&site), before);
}

#[test]
fn steps_are_added_moved_and_removed_by_buttons() {
    let site = site();
    let browser = Browser::log_in(&site, "otto");
    let page = browser.view("/rules/P/edit");
    let act = |page: &str, wanted: &str, module: &str| {
        let steps = [
            ("a0.on", "true"),
            ("a1.on", "true"),
            ("new.module", module),
            ("do", wanted),
        ];
        let answer = post(&browser, "/rules/P/edit", &form(page, &steps));
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.text().to_owned()
    };
    let page = act(&page, "add", "redact-regions");
    assert!(
        page.contains("The regions that ship, which nobody has verified"),
        "its settings are there at once"
    );
    let page = act(&page, "up:2", "");
    let page = act(&page, "remove:0", "");
    let chain: Value = serde_json::from_str(&value(&page, "policy")).unwrap();
    let names: Vec<_> = chain["anonymize"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| step["module"].clone())
        .collect();
    assert_eq!(names, ["redact-regions", "ps315-basic"]);
    assert_eq!(
        policy(&site)["anonymize"][0]["module"],
        "mine",
        "nothing is saved yet"
    );
}

#[test]
fn a_policy_is_written_as_json_with_errors_at_their_lines() {
    let site = site();
    let browser = Browser::log_in(&site, "otto");
    let page = browser.view("/rules/P/edit?as=text");
    assert!(
        unescaped(&page).contains("\"module\":\"ps315-basic\""),
        "{page}"
    );
    let base = value(&page, "base");
    let wrong = "{\r\n  \"leak_check\": \"of\",\r\n  \"anonymize\": []\r\n}";
    let told = browser.post(
        "/rules/P/edit",
        &[("text", wrong), ("base", &base), ("do", "check")],
    );
    let told = told.text();
    assert!(
        told.contains(", line 2, column 3: /leak_check: &quot;of&quot; is not one of"),
        "{told}"
    );
    assert!(
        told.contains("   2 |   &quot;leak_check&quot;: &quot;of&quot;,"),
        "{told}"
    );
    let cut = browser.post(
        "/rules/P/edit",
        &[("text", "{\n"), ("base", &base), ("do", "save")],
    );
    assert_eq!(cut.status, 400);
    assert!(cut.text().contains("is no JSON"), "{}", cut.text());
    assert_eq!(policy(&site)["anonymize"][0]["module"], "mine");
    let good = browser.post(
        "/rules/P/edit",
        &[
            ("text", "{ \"anonymize\": [] }\r\n"),
            ("base", &base),
            ("do", "save"),
        ],
    );
    assert_eq!(good.status, 200);
    assert_eq!(
        on_disk(&site, "projects/P/policy.json"),
        "{ \"anonymize\": [] }\n"
    );
}

#[test]
fn the_history_shows_differences_and_leads_back() {
    let site = site();
    let put = "/xapi/rules/projects/P/policy?reason=second";
    let first = active(&site)["ruleSet"].as_str().unwrap().to_owned();
    assert_eq!(
        site.put_json("otto", put, &json!({ "leak_check": "report" }))
            .status,
        200
    );
    let second = active(&site)["ruleSet"].as_str().unwrap().to_owned();
    let browser = Browser::log_in(&site, "otto");
    let page = browser.view("/rules/P");
    let diff = format!("/rules/P/diff?from={first}&amp;to={second}");
    assert!(page.contains(&diff), "{page}");
    assert!(page.contains("<td>otto</td><td>second</td>"), "{page}");
    let diff = browser.view(&unescaped(&diff));
    assert!(
        diff.contains("<span class=\"file\">--- project/policy.json</span>"),
        "{diff}"
    );
    let earlier = browser.view(&format!("/rules/P?version={first}"));
    assert!(
        earlier.contains("Go back to this version") && earlier.contains("ps315-basic"),
        "{earlier}"
    );
    let back = [("version", first.as_str()), ("reason", "too early")];
    let done = browser.post("/rules/P/rollback", &back);
    assert!(done.text().contains("is active again"), "{}", done.text());
    let now = active(&site);
    assert_eq!(
        (&now["ruleSet"], &now["reason"]),
        (&json!(first), &json!("too early"))
    );
    assert!(browser.view("/rules").contains("rolled back"));
    let refused = browser.post("/rules/P/rollback", &[("version", "äöüäöüäöü")]);
    assert_eq!(refused.status, 404);
}

#[test]
fn where_a_candidate_disagrees_is_counted_and_leads_to_the_import() {
    let site = site();
    site.rhai(
        "next",
        "anonymize",
        &[],
        &["StationName"],
        "fn anonymize(ds, ctx) { reject(\"all\") }",
    );
    site.policy(
        "P",
        &json!({ "anonymize": [], "shadow": { "anonymize": [{ "module": "next" }] } }),
    );
    let done = site.import("P", "P/s", &[]);
    let page = Browser::log_in(&site, "otto").view("/rules/P");
    assert!(
        page.contains("Beside 1 import: 2 files, 1 session; disagreements: 2 outcomes"),
        "{page}"
    );
    assert!(
        page.contains(&format!("<a href=\"/imports/{}\">Import", done.id())),
        "{page}"
    );
}
