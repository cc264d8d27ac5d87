//! Modules and scripts: changed by who may, never broken while they are live.

use serde_json::{Value, json};

use super::{CODE, active, form, on_disk, post, site};
use crate::browser::{Browser, value};

const BROKEN: &str =
    "fn anonymize(ds, ctx) {\n    ds.set(\"PatientNam\", ctx.subject);\n    keep()\n}\n";

#[test]
fn a_broken_rule_is_shown_with_its_line_and_is_not_live() {
    let site = site();
    let before = active(&site);
    let browser = Browser::log_in(&site, "root");
    let path = "/rules/~modules/mine/files/rule.rhai";
    let page = browser.view(path);
    let base = value(&page, "base");
    for wanted in ["check", "save"] {
        let told = browser.post(path, &[("text", BROKEN), ("base", &base), ("do", wanted)]);
        assert_eq!(told.status, 400, "{wanted}");
        let told = told.text();
        assert!(
            told.contains("rules/modules/mine/rule.rhai</code>, line 2"),
            "{told}"
        );
        assert!(told.contains("PatientName"), "a hint: {told}");
        assert!(
            told.contains("   2 |     ds.set(&quot;PatientNam&quot;, ctx.subject);"),
            "{told}"
        );
        assert!(
            told.contains("ds.set(&quot;PatientNam&quot;, ctx.subject);\n    keep()"),
            "the text is kept: {told}"
        );
    }
    assert_eq!(on_disk(&site, "modules/mine/rule.rhai"), CODE);
    assert_eq!(active(&site), before);
    assert_eq!(
        site.import("P", "P/s", &[]).status["ruleSet"],
        before["ruleSet"]
    );

    let good = CODE.replace("ctx.subject", "\"X\"");
    let checked = browser.post(path, &[("text", &good), ("base", &base), ("do", "check")]);
    let checked = checked.text();
    assert!(
        checked
            .contains("<span class=\"added\">+    ds.set(&quot;PatientName&quot;, &quot;X&quot;);"),
        "{checked}"
    );
    assert!(
        checked.contains("Live with the next import into P (1 project)"),
        "{checked}"
    );
    let saved = browser.post(
        path,
        &[
            ("text", &good),
            ("base", &base),
            ("reason", "all alike"),
            ("do", "save"),
        ],
    );
    assert!(
        saved.text().contains("rule.rhai is saved"),
        "{}",
        saved.text()
    );
    let now = active(&site);
    assert_ne!(now["ruleSet"], before["ruleSet"]);
    assert_eq!(
        (&now["username"], &now["reason"]),
        (&json!("root"), &json!("all alike"))
    );
    assert_eq!(
        site.audit("module/mine"),
        [("root".to_owned(), "rules.module".to_owned())]
    );
}

#[test]
fn an_owner_reads_shipped_modules_and_touches_none_of_the_sites() {
    let site = site();
    let browser = Browser::log_in(&site, "otto");
    let page = browser.view("/rules/~modules/xnat-default/files/rule.rhai");
    assert!(
        page.contains("fn anonymize") && !page.contains("<textarea"),
        "{page}"
    );
    let own = browser.view("/rules/~modules/mine");
    assert!(
        !own.contains("Run its tests") && own.contains("Site administrators see and change them"),
        "{own}"
    );
    let path = "/rules/~modules/mine/files/rule.rhai";
    assert_eq!(browser.get(path).status, 403);
    assert_eq!(
        browser.post(path, &[("text", CODE), ("do", "save")]).status,
        403
    );
    assert_eq!(
        browser
            .post(path, &[("text", CODE), ("do", "check")])
            .status,
        403
    );
    let site_policy = [("policy", "{}"), ("base", ""), ("do", "save")];
    assert_eq!(browser.post("/rules/~site/edit", &site_policy).status, 403);
    assert_eq!(on_disk(&site, "modules/mine/rule.rhai"), CODE);
    // Nor by way of a candidate.
    let changes = json!({ "modules/mine/rule.rhai": CODE }).to_string();
    let path = site.path("inbox/P/s");
    let form = [
        ("PROJECT_ID", "P"),
        ("path", path.to_str().unwrap()),
        ("changes", &changes),
    ];
    assert_eq!(
        site.post_form("otto", "/xapi/rules/explain", &form).status,
        403
    );
}

#[test]
fn a_shipped_module_can_not_be_changed() {
    let site = site();
    let path = "/xapi/rules/modules/xnat-default/files/rule.rhai";
    let answer = site.put_text("root", path, "fn anonymize(ds, ctx) { keep() }");
    assert_eq!(answer.status, 409);
    assert!(!site.path("rules/modules/xnat-default").exists());
    let stray = site.put_text("root", "/xapi/rules/modules/mine/files/other.rhai", CODE);
    assert_eq!(stray.status, 400, "{}", stray.text());
    for name in ["..%2Fx", ".hidden", "a%20b"] {
        let answer = site.put_text(
            "root",
            &format!("/xapi/rules/modules/mine/files/{name}"),
            CODE,
        );
        assert_eq!(answer.status, 400, "{name}");
    }
}

#[test]
fn what_is_broken_elsewhere_does_not_stand_in_the_way_of_mending_a_module() {
    let site = site();
    site.rules("projects/AUTO/policy.json", "{");
    let path = "/xapi/rules/modules/mine/files/rule.rhai?reason=mended";
    let good = CODE.replace("ctx.subject", "\"X\"");
    let answer = site.put_text("root", path, &good);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(active(&site)["reason"], "mended");
    // The manifest is a promise, which the code does not keep with this.
    let manifest = on_disk(&site, "modules/mine/module.json").replace("mine", "yours");
    let answer = site.put_text(
        "root",
        "/xapi/rules/modules/mine/files/module.json",
        &manifest,
    );
    assert_eq!(answer.status, 400);
    assert!(
        answer.text().contains("is not the folder's name"),
        "{}",
        answer.text()
    );
}

#[test]
fn a_script_beside_the_policy_is_written_with_errors_at_their_lines() {
    let site = site();
    let browser = Browser::log_in(&site, "otto");
    let path = "/rules/P/files/project.das";
    let page = browser.view(path);
    let base = value(&page, "base");
    let wrong = "version \"6.3\"\r\n(0010,0010) := \r\n";
    let told = browser.post(path, &[("text", wrong), ("base", &base), ("do", "save")]);
    assert_eq!(told.status, 400);
    assert!(
        told.text()
            .contains("rules/projects/P/project.das</code>, line "),
        "{}",
        told.text()
    );
    assert!(!site.path("rules/projects/P/project.das").exists());
    let good = "version \"6.3\"\r\n(0010,0010) := \"Nobody\"\r\n";
    let saved = browser.post(path, &[("text", good), ("base", &base), ("do", "save")]);
    assert!(
        saved.text().contains("project.das is saved"),
        "{}",
        saved.text()
    );
    assert_eq!(
        on_disk(&site, "projects/P/project.das"),
        good.replace("\r\n", "\n")
    );
    let page = browser.view("/rules/P/edit");
    let steps = [
        ("a0.on", "true"),
        ("a1.on", "true"),
        ("new.script", "project.das"),
        ("do", "add"),
    ];
    let added = post(&browser, "/rules/P/edit", &form(&page, &steps));
    let chain: Value = serde_json::from_str(&value(added.text(), "policy")).unwrap();
    assert_eq!(chain["anonymize"][2], json!({ "script": "project.das" }));
    assert_eq!(
        site.put_json("otto", "/xapi/rules/projects/P/policy", &chain)
            .status,
        200
    );
    let before = active(&site);
    // Once it is named, a change of it is a new version.
    let next = "/xapi/rules/projects/P/files/project.das?reason=other+name";
    assert_eq!(
        site.put_text("otto", next, "version \"6.3\"\n(0010,0010) := \"None\"\n")
            .status,
        200
    );
    assert_ne!(active(&site)["ruleSet"], before["ruleSet"]);
    assert_eq!(active(&site)["reason"], "other name");
    assert!(
        browser
            .view("/rules/P")
            .contains("href=\"/rules/P/files/project.das\"")
    );
}

#[test]
fn a_modules_tests_are_run_from_the_page() {
    let site = site();
    let case = |verdict: &str| {
        let case = json!({
            "dataset": { "00100010": { "vr": "PN", "Value": [{ "Alphabetic": "Doe^J" }] } },
            "expect": { "verdict": verdict, "elements": { "PatientName": "S1" } },
        });
        site.rules(
            "modules/mine/tests/the-name-is-the-subject.json",
            case.to_string(),
        );
    };
    let browser = Browser::log_in(&site, "root");
    case("keep");
    let told = browser.post("/rules/~modules/mine/test", &[]);
    assert!(
        told.text()
            .contains("<span class=\"badge good\">passed</span> 1 case."),
        "{}",
        told.text()
    );
    assert!(
        told.text().contains("They run 2 of 2 lines"),
        "{}",
        told.text()
    );
    case("reject");
    let told = browser.post("/rules/~modules/mine/test", &[]);
    let told = told.text();
    assert!(
        told.contains("<span class=\"badge bad\">failed</span> 1 of 1 case"),
        "{told}"
    );
    assert!(
        told.contains("the name is the subject") && told.contains("expected reject"),
        "{told}"
    );
}
