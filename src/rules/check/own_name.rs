//! Policies under which a file keeps its patient's name, and is marked as de-identified: the label rule takes the
//! labels from the header, as XNAT does for sites that code these fields before, and a module puts the subject's
//! label in their place.

use crate::rules::manifest::Manifest;
use crate::rules::policy::LeakCheck;
use crate::rules::rule_set::RuleSet;

/// Without labels in the call, it answers PatientName and PatientID.
const LABELS_OF_HEADER: &str = "xnat-labels";

/// Declares that it writes everything.
const BASIC_PROFILE: &str = "ps315-basic";

/// What happens then, and what to do; none where the rules are others, or something looks for names that are left.
pub(super) fn warning(rules: &RuleSet) -> Option<String> {
    if rules.leak_check() != LeakCheck::Off {
        return None;
    }
    let mut steps = rules.steps();
    let label = &steps.next()?.module.manifest;
    if label.name != LABELS_OF_HEADER {
        return None;
    }
    let module = steps
        .map(|step| &step.module.manifest)
        .find(|manifest| marks(manifest))?;
    let module = &module.name;
    Some(format!(
        "{module} marks files as de-identified and may leave the patient's name in them: where a call gives no labels, \
         {LABELS_OF_HEADER} makes PatientName the subject and PatientID the session, and leak_check is off. Give \
         labels in each call, or use template-labels with a pseudonym, or set \"leak_check\": \"quarantine\""
    ))
}

/// Whether the module says of files that their patient's identity is removed (PS3.3 C.7.1.1).
fn marks(manifest: &Manifest) -> bool {
    let is_mark = |path: &String| {
        let path = path.trim_start_matches("*/");
        matches!(path, "PatientIdentityRemoved" | "(0012,0062)")
    };
    manifest.name == BASIC_PROFILE || manifest.writes.iter().any(is_mark)
}

#[cfg(test)]
mod tests {
    use crate::rules::check::{Severity, folder};

    /// The files of which is warned, of a site's policy and a project's.
    fn warned(site: &str, project: &str) -> Vec<String> {
        let root = tempfile::tempdir().unwrap();
        let marking = r#"{ "name": "marking", "version": "1.0.0", "interface": "1", "kind": "anonymize",
            "engine": "rhai", "entry": "rule.rhai", "reads": [], "writes": ["PatientIdentityRemoved"] }"#;
        for (file, text) in [
            ("site/policy.json", site),
            ("projects/P/policy.json", project),
            ("modules/marking/module.json", marking),
            (
                "modules/marking/rule.rhai",
                "fn anonymize(ds, ctx) { ds.set(\"PatientIdentityRemoved\", \"YES\"); keep() }",
            ),
        ] {
            let file = root.path().join(file);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        }
        let findings = folder(root.path());
        let of_names = (findings.iter()).filter(|f| f.message.contains("leak_check is off"));
        let told = of_names.map(|finding| {
            assert_eq!(finding.severity, Severity::Warning, "{finding}");
            let below = finding.file.strip_prefix(root.path()).unwrap();
            below.display().to_string()
        });
        told.collect()
    }

    #[test]
    fn who_may_keep_a_name_and_mark_the_file_is_told() {
        let (site, project) = ("site/policy.json", "projects/P/policy.json");
        let profile = r#"{ "anonymize": [{ "module": "ps315-basic" }] }"#;
        let with = |more: &str| profile.replacen('{', &format!("{{ {more}, "), 1);
        let templates = r#""label": { "module": "template-labels", "settings":
            { "subject": "{PatientID|pseudonym:8}", "session": "{StudyInstanceUID|pseudonym:12}" } }"#;
        assert_eq!(warned(profile, "{}"), [site, project]);
        assert_eq!(warned("{}", profile), [project]);
        let marking = r#"{ "anonymize": [{ "module": "marking" }] }"#;
        assert_eq!(warned("{}", marking), [project]);
        let named = with(r#""label": { "module": "xnat-labels" }"#);
        assert_eq!(warned("{}", &named), [project]);
        assert!(warned("{}", &with(templates)).is_empty());
        assert!(warned("{}", &with(r#""leak_check": "report""#)).is_empty());
        assert!(warned(r#"{ "leak_check": "quarantine" }"#, profile).is_empty());
        assert!(warned("{}", r#"{ "anonymize": [{ "module": "xnat-default" }] }"#).is_empty());
    }
}
