//! Which rule set a project gets: what falls back to what, what is refused, and what happens while a
//! policy is broken.

use crate::support::*;
use sluice::rules::{At, Change, FileNames, LeakCheck, Scope, Verdict};
use std::sync::Arc;

const KEEP: &str = "fn anonymize(ds, ctx) { keep() }";

fn chain(rules: &Rules) -> Vec<(Scope, String)> {
    let steps = rules
        .pinned()
        .modules()
        .into_iter()
        .filter(|step| step.kind == "anonymize");
    steps.map(|step| (step.scope, step.module)).collect()
}

#[test]
fn an_empty_folder_gives_the_built_in_rules() {
    let rules = Rules::new();
    let set = rules.pinned();
    let names: Vec<_> = set.modules().into_iter().map(|step| step.module).collect();
    assert_eq!(names, ["xnat-labels", "xnat-default", "xnat-routing"]);
    assert_eq!(
        (set.leak_check(), set.file_names()),
        (LeakCheck::Off, FileNames::Template)
    );
    assert_eq!(set.hash().len(), 64);
}

#[test]
fn the_chain_is_the_sites_then_the_projects() {
    let rules = Rules::new();
    rules
        .rhai("a", "anonymize", &[], &[], KEEP)
        .rhai("b", "anonymize", &[], &[], KEEP);
    rules.project(r#"{ "anonymize": [{ "module": "b" }, { "module": "a" }] }"#);
    let own = [
        (Scope::Project, "b".to_owned()),
        (Scope::Project, "a".to_owned()),
    ];
    let built_in = (Scope::BuiltIn, "xnat-default".to_owned());
    assert_eq!(chain(&rules), [&[built_in][..], &own].concat());
    rules.site(r#"{ "anonymize": [{ "module": "a" }] }"#);
    assert_eq!(
        chain(&rules),
        [&[(Scope::Site, "a".to_owned())][..], &own].concat()
    );
    rules.site(r#"{ "anonymize": [] }"#);
    assert_eq!(chain(&rules), own);
}

#[test]
fn what_the_project_leaves_out_comes_from_the_site() {
    let rules = Rules::new();
    rules.site(r#"{ "file_names": "source", "leak_check": "report", "label": { "module": "l" } }"#);
    rules.rhai(
        "l",
        "label",
        &[],
        &[],
        r#"fn label(ds, ctx) { #{ subject: "a", session: "b" } }"#,
    );
    let set = rules.project("{}").pinned();
    assert_eq!(
        (set.leak_check(), set.file_names()),
        (LeakCheck::Report, FileNames::Source)
    );
    assert_eq!(
        (set.modules()[0].scope, &*set.modules()[0].module),
        (Scope::Site, "l")
    );
    let set = rules
        .project(r#"{ "file_names": "template", "leak_check": "quarantine" }"#)
        .pinned();
    assert_eq!(
        (set.leak_check(), set.file_names()),
        (LeakCheck::Quarantine, FileNames::Template)
    );
}

#[test]
fn a_project_cannot_loosen_the_sites_leak_check() {
    let rules = Rules::new();
    rules
        .site(r#"{ "leak_check": "quarantine" }"#)
        .project(r#"{ "leak_check": "off" }"#);
    let set = rules.pinned();
    assert_eq!(set.leak_check(), LeakCheck::Quarantine);
    assert_eq!(
        set.notes(),
        [
            "rules/projects/DEMO/policy.json: /leak_check: Off is looser than the site's Quarantine, which holds"
        ]
    );
}

#[test]
fn unchanged_content_gives_the_same_rule_set_and_changed_content_another() {
    let rules = Rules::new();
    let first = rules.pinned();
    assert!(Arc::ptr_eq(&first, &rules.pinned()));
    assert!(Arc::ptr_eq(&first, &rules.registry.check("OTHER").unwrap()));
    let second = rules.project("{ }").pinned();
    assert_ne!(first.hash(), second.hash());
    rules.remove("projects/DEMO/policy.json");
    assert_eq!(rules.pinned().hash(), first.hash());
}

#[test]
fn a_modules_code_is_part_of_the_hash() {
    let rules = Rules::new();
    rules.project(r#"{ "anonymize": [{ "module": "a" }] }"#);
    rules.rhai("a", "anonymize", &[], &[], KEEP);
    let before = rules.pinned();
    rules.write(
        "modules/a/rule.rhai",
        r#"fn anonymize(ds, ctx) { reject("no") }"#,
    );
    let after = rules.pinned();
    assert_ne!(before.hash(), after.hash());
    // What was pinned stays what it was.
    let run = |set: &sluice::rules::RuleSet| anonymize(set, patient(), &run(), &labels()).verdict;
    assert_eq!(run(&before), Ok(Verdict::Keep));
    assert_eq!(run(&after), Ok(Verdict::Reject("no".to_owned())));
}

#[test]
fn a_version_is_the_same_rule_set_again_whatever_the_folder_holds_by_then() {
    let rules = Rules::new();
    rules.project(r#"{ "anonymize": [{ "module": "a" }, { "module": "ps315-basic" }] }"#);
    rules.rhai("a", "anonymize", &[], &[], KEEP);
    let draft = rules.registry.draft(PROJECT, &[]).unwrap();
    let (hash, files) = (draft.hash().to_owned(), draft.files().clone());
    rules.remove("modules/a/rule.rhai");
    rules.project("{");
    let version = rules.registry.version(files.clone()).unwrap();
    assert_eq!(version.hash(), hash);
    let set = rules.registry.compile(version).unwrap();
    assert_eq!(set.modules().len(), 5);
    let mut other = files;
    other.remove("shipped/ps315-basic/rule.wasm");
    assert!(rules.registry.version(other).is_err());
}

#[test]
fn a_change_can_be_looked_at_before_it_is_made() {
    let rules = Rules::new();
    let change = |text: &str| Change {
        path: format!("projects/{PROJECT}/policy.json"),
        content: Some(text.as_bytes().into()),
    };
    let as_it_is = rules.registry.draft(PROJECT, &[]).unwrap();
    let changed = rules.registry.draft(PROJECT, &[change("{ }")]).unwrap();
    assert_ne!(as_it_is.hash(), changed.hash());
    assert!(rules.registry.draft(PROJECT, &[change("{")]).is_err());
    assert!(
        !rules.path().join("projects").exists(),
        "nothing is written"
    );
}

#[test]
fn a_broken_module_that_no_policy_names_blocks_nobody_and_shows() {
    let rules = Rules::new();
    rules.rhai(
        "broken",
        "anonymize",
        &[],
        &[],
        "fn anonymize(ds, ctx) {\n  let x = ;\n}",
    );
    rules.pinned();
    let modules = rules.registry.modules().unwrap();
    let broken = modules
        .iter()
        .find(|module| module.name == "broken")
        .unwrap();
    let error = broken.error.as_deref().unwrap();
    assert!(
        error.starts_with("rules/modules/broken/rule.rhai: line 2, column 11: "),
        "{error}"
    );
    assert!(
        modules
            .iter()
            .all(|module| module.name == "broken" || module.error.is_none())
    );
}

#[test]
fn settings_are_checked_when_the_policy_loads() {
    let rules = Rules::new();
    rules.project(
        r#"{ "route": { "module": "xnat-routing", "settings": { "prearchive_code": 3 } } }"#,
    );
    assert_eq!(
        rules.pin().err().unwrap().to_string(),
        "rules/projects/DEMO/policy.json: /route/settings/prearchive_code: 3 is not one of 0, 4 or 5"
    );
    rules.rhai("plain", "anonymize", &[], &[], KEEP);
    rules.project(r#"{ "anonymize": [{ "module": "plain", "settings": { "x": 1 } }] }"#);
    assert_eq!(
        rules.pin().err().unwrap().to_string(),
        "rules/projects/DEMO/policy.json: /anonymize/0/settings: plain takes no settings"
    );
}

#[test]
fn errors_name_the_module_and_what_is_wrong_with_it() {
    let rules = Rules::new();
    rules.rhai("other", "anonymize", &[], &[], KEEP);
    let error = |policy: &str| rules.project(policy).pin().err().unwrap().to_string();
    let file = "rules/projects/DEMO/policy.json";
    assert_eq!(
        error(r#"{ "label": { "module": "xnat-lables" } }"#),
        format!(
            r#"{file}: /label/module: there is no module "xnat-lables" (did you mean "xnat-labels"?)"#
        )
    );
    assert_eq!(
        error(r#"{ "anonymize": [{ "module": "xnat-labels" }] }"#),
        format!("{file}: /anonymize/0/module: xnat-labels is of kind label, not anonymize")
    );
    rules.rhai("other", "anonymize", &[], &[], "fn anonymise(ds, ctx) {}");
    assert_eq!(
        error(r#"{ "anonymize": [{ "module": "other" }] }"#),
        "rules/modules/other/rule.rhai: has no function anonymize(ds, ctx)"
    );
    rules.rhai("other", "anonymize", &["PatientNam("], &[], KEEP);
    let bad_pattern = error(r#"{ "anonymize": [{ "module": "other" }] }"#);
    assert!(
        bad_pattern.starts_with("rules/modules/other/module.json: "),
        "{bad_pattern}"
    );
    rules.remove("modules/other/rule.rhai");
    assert_eq!(
        error(r#"{ "anonymize": [{ "module": "other" }] }"#),
        "rules/modules/other/rule.rhai: does not exist"
    );
}

#[test]
fn a_folder_with_a_shipped_modules_name_is_refused() {
    let rules = Rules::new();
    rules.rhai("xnat-default", "anonymize", &[], &[], KEEP);
    assert_eq!(chain(&rules), [(Scope::BuiltIn, "xnat-default".to_owned())]);
    rules.project(r#"{ "anonymize": [{ "module": "xnat-default" }] }"#);
    let error = rules.registry.check(PROJECT).err().unwrap().to_string();
    assert!(
        error.contains("rules/modules/xnat-default too: give the folder's another name"),
        "{error}"
    );
}

#[test]
fn project_ids_are_bare_names() {
    let rules = Rules::new();
    for id in ["", "..", "../site", "a/b", "a b", "ä", &"x".repeat(65)] {
        assert!(rules.registry.check(id).is_err(), "{id:?}");
    }
}

#[test]
fn modules_are_not_read_through_links_out_of_the_folder() {
    let outside = Rules::new();
    outside.rhai("evil", "anonymize", &[], &[], KEEP);
    let rules = Rules::new();
    std::os::unix::fs::symlink(outside.path().join("modules"), rules.path().join("modules"))
        .unwrap();
    rules.project(r#"{ "anonymize": [{ "module": "evil" }] }"#);
    assert!(rules.pin().is_err());
}

#[test]
fn both_series_filters_must_accept() {
    let rules = Rules::new();
    rules.site(r#"{ "series_filters": { "mode": "blacklist", "list": ["scout"] } }"#);
    rules.project(r##"{ "series_filters": { "mode": "whitelist", "list": ["# MR only", "[Modality]", "^MR$"] } }"##);
    let set = rules.pinned();
    let accepts = |modality, description| {
        let instance = instance(&[
            ((8, 0x60), "CS", modality),
            ((8, 0x103E), "LO", description),
        ]);
        set.accepts(instance, &run()).1
    };
    assert_eq!(accepts("MR", "T1"), None);
    assert_eq!(
        accepts("MR", "Scout").unwrap(),
        "site's series filter: line 1 of the blacklist holds for SeriesDescription"
    );
    assert_eq!(
        accepts("CT", "T1").unwrap(),
        "project's series filter: no line of the whitelist holds"
    );
}

#[test]
fn a_project_can_forbid_more_overwriting_and_not_allow_more() {
    use sluice::rules::Overwrite::{Append, Delete, None};
    for (site, project, holds, noted) in [
        ("{}", "{}", Delete, false),
        (r#"{ "overwrite": "append" }"#, "{}", Append, false),
        ("{}", r#"{ "overwrite": "none" }"#, None, false),
        (
            r#"{ "overwrite": "append" }"#,
            r#"{ "overwrite": "none" }"#,
            None,
            false,
        ),
        (
            r#"{ "overwrite": "append" }"#,
            r#"{ "overwrite": "delete" }"#,
            Append,
            true,
        ),
    ] {
        let rules = Rules::new();
        rules.site(site);
        rules.project(project);
        let set = rules.pinned();
        assert_eq!(set.overwrite(), holds, "{site} {project}");
        assert_eq!(!set.notes().is_empty(), noted, "{:?}", set.notes());
    }
}

#[test]
fn steps_at_archiving_are_left_out_at_import_and_run_alone_later() {
    let rules = Rules::new();
    for name in ["site-step", "early", "late"] {
        let code = format!(
            r#"fn anonymize(ds, ctx) {{ ds.set("ImageComments", `${{ds.get("ImageComments") ?? ""}}{name};`); keep() }}"#
        );
        rules.rhai(
            name,
            "anonymize",
            &["ImageComments"],
            &["ImageComments"],
            &code,
        );
    }
    rules.site(r#"{ "anonymize": [{ "module": "site-step" }] }"#);
    rules.project(
        r#"{ "identified_prearchive": true,
             "anonymize": [{ "module": "late", "at": "archive" }, { "module": "early", "at": "import" }] }"#,
    );
    let set = rules.pinned();
    assert!(set.defers());
    let labels = sluice::rules::Labels {
        subject: "S".into(),
        session: "E".into(),
        ..Default::default()
    };
    let comments = dicom_core::Tag(0x0020, 0x4000);
    let first = anonymize(&set, instance(&[]), &run(), &labels).instance;
    // A project puts off its own steps, never the site's.
    assert_eq!(first.text(comments).as_deref(), Some("site-step;early;"));
    let second = anonymize_at(At::Archive, &set, first, &run(), &labels).instance;
    assert_eq!(
        second.text(comments).as_deref(),
        Some("site-step;early;late;")
    );
    let at: Vec<_> = set.modules().iter().map(|step| step.at).collect();
    use sluice::rules::At::{Archive, Import};
    assert_eq!(at, [Import, Import, Archive, Import, Import]);
}
