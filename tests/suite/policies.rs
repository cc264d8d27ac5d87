//! Policies and manifests that can't be used: the request fails with the place, other projects go on.

use serde_json::json;

use crate::dicom;
use crate::site::Site;

/// Broken rules of project P, with the place and the complaint that the resolution then holds.
fn broken() -> Vec<(serde_json::Value, &'static str, &'static str)> {
    vec![
        (
            json!({ "anonymise": [] }),
            "rules/projects/P/policy.json",
            "anonymise",
        ),
        (
            json!({ "leak_check": "sometimes" }),
            "rules/projects/P/policy.json",
            "/leak_check",
        ),
        (
            json!({ "anonymize": [{ "module": "ps315-basic" }, { "module": "missing" }] }),
            "rules/projects/P/policy.json",
            "/anonymize/1/module",
        ),
        (
            json!({ "route": { "module": "xnat-routing", "settings": { "prearchive_code": 3 } } }),
            "rules/projects/P/policy.json",
            "/route/settings/prearchive_code",
        ),
        (
            json!({ "series_filters": { "mode": "blacklist", "list": ["fine", "("] } }),
            "rules/projects/P/policy.json",
            "/series_filters/list/1",
        ),
    ]
}

#[test]
fn a_policy_that_was_never_good_fails_the_request_with_file_and_place() {
    let mut site = Site::prepared();
    dicom::study(&site.inbox("P/s"), 1, 1, 1);
    site.rules("projects/P/policy.json", "nonsense");
    site.serve(&[]);
    for (policy, file, place) in broken() {
        site.policy("P", &policy);
        let done = site.import("P", "P/s", &[("cleanupAfterImport", "true")]);
        assert_eq!(done.state(), "Failed", "{policy}");
        let resolution = done.resolution();
        assert!(
            resolution.contains(file) && resolution.contains(place),
            "{resolution}"
        );
        assert_eq!(done.sessions().len(), 0);
    }
    assert_eq!(site.files("prearchive"), Vec::<String>::new());
    assert_eq!(site.files("inbox/P"), ["s/1-1.dcm"]);
}

#[test]
fn text_that_is_no_json_is_named_with_its_line() {
    let mut site = Site::prepared();
    dicom::study(&site.inbox("P/s"), 1, 1, 1);
    site.rules("projects/P/policy.json", "{\n  \"anonymize\": [\n}");
    site.serve(&[]);
    let done = site.import("P", "P/s", &[]);
    assert_eq!(done.state(), "Failed");
    assert!(
        done.resolution().contains("rules/projects/P/policy.json"),
        "{}",
        done.resolution()
    );
    assert!(done.resolution().contains('3'), "{}", done.resolution());
}

#[test]
fn a_broken_module_fails_the_project_that_names_it_and_no_other() {
    let mut site = Site::prepared();
    dicom::study(&site.inbox("P/s"), 1, 1, 1);
    dicom::study(&site.inbox("AUTO/s"), 2, 1, 1);
    site.rhai(
        "broken",
        "anonymize",
        &[],
        &[],
        "fn anonymize(ds, ctx) { keep( }",
    );
    site.policy("P", &json!({ "anonymize": [{ "module": "broken" }] }));
    site.serve(&[]);
    let done = site.import("P", "P/s", &[]);
    assert_eq!(done.state(), "Failed");
    assert!(
        done.resolution().contains("rules/modules/broken/rule.rhai"),
        "{}",
        done.resolution()
    );
    let other = site.import("AUTO", "AUTO/s", &[]);
    assert_eq!(
        (other.state(), &other.session()["status"]),
        ("Completed", &json!("ARCHIVED"))
    );
}

#[test]
fn another_projects_broken_policy_does_not_matter() {
    let site = Site::new();
    dicom::study(&site.inbox("P/s"), 1, 1, 1);
    site.rules("projects/OTHER/policy.json", "nonsense");
    site.rules("modules/unused/module.json", "nonsense");
    let done = site.import("P", "P/s", &[]);
    assert_eq!(
        (done.state(), done.outcomes().as_str()),
        ("Completed", "1 stored")
    );
}

#[test]
fn a_policy_that_breaks_later_leaves_the_last_good_rules_in_use() {
    let site = Site::new();
    dicom::study(&site.inbox("P/one"), 1, 1, 1);
    dicom::study(&site.inbox("P/two"), 2, 1, 1);
    site.policy(
        "P",
        &json!({ "route": { "module": "xnat-routing", "settings": { "prearchive_code": 4 } } }),
    );
    let first = site.import("P", "P/one", &[]);
    site.rules("projects/P/policy.json", "nonsense");
    let second = site.import("P", "P/two", &[]);
    assert_eq!(second.session()["status"], "ARCHIVED");
    assert_eq!(second.status["ruleSet"], first.status["ruleSet"]);
}

#[test]
fn a_broken_site_policy_fails_every_import_rather_than_leaving_its_rules_out() {
    let mut site = Site::prepared();
    dicom::study(&site.inbox("P/s"), 1, 1, 1);
    site.rules(
        "site/policy.json",
        r#"{ "anonymize": [{ "module": "missing" }] }"#,
    );
    site.serve(&[]);
    let done = site.import("P", "P/s", &[]);
    assert_eq!(done.state(), "Failed");
    assert!(
        done.resolution().contains("rules/site/policy.json"),
        "{}",
        done.resolution()
    );
    assert!(
        done.resolution().contains("/anonymize/0/module"),
        "{}",
        done.resolution()
    );
    assert_eq!(site.files("prearchive"), Vec::<String>::new());
}
