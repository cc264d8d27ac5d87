//! A script beside a policy.

use super::*;
use sluice::rules::At;

const POLICY: &str = r#"{ "anonymize": [{ "script": "site.das" }] }"#;

#[test]
fn a_script_beside_a_policy_runs_and_is_stamped() {
    let rules = Rules::new();
    rules.site(POLICY).write(
        "site/site.das",
        "version \"6.6\"\n(0010,0010) := subject\n(0020,000D) := hashUID[\"1.2.3.4.5\"]",
    );
    rules.project(POLICY).write(
        &format!("projects/{PROJECT}/site.das"),
        "version \"6.6\"\n(0020,000D) := hashUID[(0020,000D)]\n(0010,0020) := (0010,0010)",
    );
    let pinned = rules.pinned();
    let done = anonymize(&pinned, patient(), &run(), &labels());
    assert_eq!(done.verdict, Ok(Verdict::Keep));
    let mut host = host_of(reread(&done.instance));
    // The project's script sees what the site's left.
    assert_eq!(host.get("(0010,0020)").as_deref(), Some("S1"));
    let hash_of_hash = host.get("(0020,000D)");
    assert_ne!(
        hash_of_hash.as_deref(),
        Some("2.25.281097975800109040096884226991818420711")
    );
    for item in 0..2 {
        let meaning = host.get(&format!("(0012,0064)[{item}]/(0008,0104)"));
        assert_eq!(meaning.as_deref(), Some("XNAT DicomEdit 6 Script"));
    }
    let names: Vec<String> = (pinned.modules().into_iter()).map(|m| m.module).collect();
    assert_eq!(names[1..3], ["site.das", "site.das"]);
}

#[test]
fn a_script_may_wait_for_the_archive() {
    let rules = Rules::new();
    rules.site(r#"{ "anonymize": [] }"#);
    rules
        .project(
            r#"{ "identified_prearchive": true, "anonymize": [{ "script": "p.das", "at": "archive" }] }"#,
        )
        .write(
            &format!("projects/{PROJECT}/p.das"),
            "version \"6.6\"\n(0010,0010) := \"late\"",
        );
    let pinned = rules.pinned();
    let done = anonymize(&pinned, patient(), &run(), &labels());
    let done = anonymize_at(At::Archive, &pinned, done.instance, &run(), &labels());
    assert_eq!(
        element(done.instance, "(0010,0010)").as_deref(),
        Some("late")
    );
}

#[test]
fn a_change_of_the_script_is_another_rule_set() {
    let rules = Rules::new();
    rules.project(POLICY);
    let script = format!("projects/{PROJECT}/site.das");
    rules.write(&script, "version \"6.6\"\n- (0010,0010)");
    let before = rules.pinned().hash().to_owned();
    rules.write(&script, "version \"6.6\"\n- (0010,0020)");
    assert_ne!(before, rules.pinned().hash());
}

#[test]
fn what_does_not_load_says_where() {
    let rules = Rules::new();
    rules.project(POLICY);
    let error = |rules: &Rules| rules.pin().err().unwrap().to_string();
    assert!(error(&rules).contains("/anonymize/0/script: there is no file \"site.das\""));
    let script = format!("projects/{PROJECT}/site.das");
    rules.write(&script, "version \"6.6\"\n(0010,0010) = \"a\"");
    let told = error(&rules);
    assert!(
        told.contains("site.das") && told.contains("line 2, column 18"),
        "{told}"
    );
    rules.write(&script, "(0010,0010) := \"a\"");
    assert!(error(&rules).contains("DicomEdit 4"));
    for wrong in [
        r#"{ "anonymize": [{ "script": "../site.das" }] }"#,
        r#"{ "anonymize": [{ "script": "site.txt" }] }"#,
        r#"{ "anonymize": [{ "script": "site.das", "module": "ps315-basic" }] }"#,
        r#"{ "anonymize": [{}] }"#,
        r#"{ "label": { "script": "site.das" } }"#,
    ] {
        rules.project(wrong);
        assert!(rules.pin().is_err(), "{wrong}");
    }
}
