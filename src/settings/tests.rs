use super::*;
use serde_json::json;

const SCRIPT: &str = "version \"6.6\"\n(0010,0010) := subject\n";

fn project() -> Level {
    Level::Project("P".into())
}

struct Rules(tempfile::TempDir, Settings);

impl Rules {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings::new(folder.path());
        Rules(folder, settings)
    }

    fn write(&self, path: &str, content: &[u8]) {
        let path = self.0.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    fn set(
        &self,
        level: &Level,
        setting: Setting,
        contents: Option<&str>,
        on: Option<bool>,
    ) -> Result<(), SettingsError> {
        let wish = Wish {
            setting,
            contents: contents.map(str::to_owned),
            enabled: on,
        };
        for change in self.1.change(level, &[wish])? {
            self.write(&change.path, &change.content.unwrap());
        }
        Ok(())
    }

    fn policy(&self, level: &Level) -> Value {
        Value::Object(self.1.policy(level).unwrap())
    }

    fn held(&self, level: &Level, setting: Setting) -> Option<(String, bool)> {
        let held = self.1.get(level, setting).unwrap();
        held.map(|held| (held.contents, held.enabled))
    }
}

#[test]
fn the_sites_script_takes_the_defaults_place_and_keeps_its_switch() {
    let rules = Rules::new();
    let default = Some((DEFAULT_SCRIPT.to_owned(), true));
    assert_eq!(rules.held(&Level::Site, Setting::Script), default);
    rules
        .set(&Level::Site, Setting::Script, None, Some(false))
        .unwrap();
    let off = json!({ "anonymize": [{ "module": "xnat-default", "enabled": false }] });
    assert_eq!(rules.policy(&Level::Site), off);
    rules
        .set(&Level::Site, Setting::Script, Some(SCRIPT), None)
        .unwrap();
    let off = json!({ "anonymize": [{ "script": "site.das", "enabled": false }] });
    assert_eq!(rules.policy(&Level::Site), off);
    rules
        .set(&Level::Site, Setting::Script, None, Some(true))
        .unwrap();
    assert_eq!(
        rules.policy(&Level::Site),
        json!({ "anonymize": [{ "script": "site.das" }] })
    );
    assert_eq!(
        rules.held(&Level::Site, Setting::Script),
        Some((SCRIPT.to_owned(), true))
    );
}

#[test]
fn other_steps_of_a_chain_stay_behind_the_sites_script() {
    let rules = Rules::new();
    rules.write(
        "site/policy.json",
        br#"{ "leak_check": "report", "anonymize": [{ "module": "ps315-basic" }] }"#,
    );
    assert_eq!(rules.held(&Level::Site, Setting::Script), None);
    assert!(
        rules
            .set(&Level::Site, Setting::Script, None, Some(true))
            .is_err()
    );
    rules
        .set(&Level::Site, Setting::Script, Some(SCRIPT), None)
        .unwrap();
    let expected = json!({ "leak_check": "report", "anonymize": [{ "script": "site.das" }, { "module": "ps315-basic" }] });
    assert_eq!(rules.policy(&Level::Site), expected);
}

#[test]
fn a_projects_script_waits_for_the_archive_unless_a_policy_says_otherwise() {
    let rules = Rules::new();
    rules
        .set(&project(), Setting::Script, Some(SCRIPT), None)
        .unwrap();
    let late = json!({ "anonymize": [{ "script": "project.das", "at": "archive" }], "identified_prearchive": true });
    assert_eq!(rules.policy(&project()), late);
    for (site, own) in [
        ("{}", r#"{ "identified_prearchive": false }"#),
        (r#"{ "identified_prearchive": false }"#, "{}"),
    ] {
        rules.write("site/policy.json", site.as_bytes());
        rules.write("projects/P/policy.json", own.as_bytes());
        rules
            .set(&project(), Setting::Script, Some(SCRIPT), None)
            .unwrap();
        assert_eq!(
            rules.policy(&project())["anonymize"],
            json!([{ "script": "project.das" }])
        );
    }
    // One that is there stays where it was put.
    rules.write(
        "projects/P/policy.json",
        br#"{ "anonymize": [{ "script": "mine.das" }, { "module": "m" }] }"#,
    );
    rules
        .set(&project(), Setting::Script, Some(SCRIPT), Some(false))
        .unwrap();
    let expected =
        json!({ "anonymize": [{ "script": "mine.das", "enabled": false }, { "module": "m" }] });
    assert_eq!(rules.policy(&project()), expected);
    assert_eq!(
        rules.held(&project(), Setting::Script),
        Some((SCRIPT.to_owned(), false))
    );
}

#[test]
fn of_several_scripts_none_is_taken_for_the_one_that_xnat_knows() {
    let rules = Rules::new();
    rules.write(
        "projects/P/policy.json",
        br#"{ "anonymize": [{ "script": "a.das" }, { "script": "b.das" }] }"#,
    );
    assert!(rules.1.get(&project(), Setting::Script).is_err());
    rules.write(
        "projects/P/policy.json",
        br#"{ "anonymize": [{ "script": "a.das" }, { "script": "project.das" }] }"#,
    );
    rules.write("projects/P/project.das", SCRIPT.as_bytes());
    assert_eq!(
        rules.held(&project(), Setting::Script),
        Some((SCRIPT.to_owned(), true))
    );
}

#[test]
fn a_script_that_does_not_parse_is_refused_with_place_and_line() {
    let rules = Rules::new();
    for (script, parts) in [
        (
            "version \"6.6\"\n(0010,0010) = subject\n",
            ["line 2", "(0010,0010) = subject"],
        ),
        (
            "(0010,0010) := \"x\"\nshape : (0010,0020)\n",
            ["line 1", "DicomEdit 4"],
        ),
        (" \n", ["no script", "enable=false"]),
    ] {
        let error = rules
            .set(&project(), Setting::Script, Some(script), None)
            .unwrap_err()
            .to_string();
        assert!(parts.iter().all(|part| error.contains(part)), "{error}");
    }
    assert_eq!(rules.policy(&project()), json!({}));
}

#[test]
fn a_filter_is_taken_in_xnats_form_and_given_back_so() {
    let rules = Rules::new();
    let xnats = r#"{"mode":"whitelist","list":"mprage\n[Modality]\n^MR$","enabled":"true"}"#;
    for given in [
        xnats,
        r#"{"list":["mprage","[Modality]","^MR$"],"mode":"whitelist"}"#,
    ] {
        rules
            .set(&Level::Site, Setting::SeriesFilter, Some(given), None)
            .unwrap();
        let expected = json!({ "mode": "whitelist", "list": ["mprage", "[Modality]", "^MR$"], "enabled": true });
        assert_eq!(rules.policy(&Level::Site)["series_filters"], expected);
        assert_eq!(
            rules.held(&Level::Site, Setting::SeriesFilter),
            Some((xnats.to_owned(), true))
        );
    }
    rules
        .set(&Level::Site, Setting::SeriesFilter, None, Some(false))
        .unwrap();
    assert!(!rules.held(&Level::Site, Setting::SeriesFilter).unwrap().1);
    for (bad, part) in [
        ("scout", "expected JSON"),
        (r#"{"mode":"modalityMap","PT":"'x' == 'x'"}"#, "JavaScript"),
        (r#"{"mode":"blacklist"}"#, "\"list\""),
        (
            r#"{"mode":"blacklist","list":"","enabled":"maybe"}"#,
            "\"enabled\"",
        ),
    ] {
        let error = rules
            .set(&Level::Site, Setting::SeriesFilter, Some(bad), None)
            .unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
    }
}

#[test]
fn routing_expressions_are_the_label_steps_settings() {
    let rules = Rules::new();
    let subject = Setting::Routing(Routing::Subject);
    let session = Setting::Routing(Routing::Session);
    let lines = "(0010,4000):Study (\\w+) of .*\n(0008,0050):(.*) t:^ACC r:E";
    rules
        .set(&Level::Site, subject, Some(&format!("{lines}\n\n")), None)
        .unwrap();
    assert_eq!(
        rules.held(&Level::Site, subject),
        Some((lines.to_owned(), true))
    );
    // A project's step begins with what the site says.
    rules
        .set(&project(), session, Some("(0010,0020):(.*)"), Some(false))
        .unwrap();
    assert_eq!(
        rules.held(&project(), subject),
        Some((lines.to_owned(), true))
    );
    assert_eq!(
        rules.held(&project(), session),
        Some(("(0010,0020):(.*)".to_owned(), false))
    );
    rules.set(&project(), session, None, Some(true)).unwrap();
    assert!(
        rules
            .policy(&project())
            .pointer("/label/settings/off")
            .is_none()
    );
    for (bad, part) in [
        ("(0010,0020):(.*)\nPatientID:(.*)", "line 2"),
        ("(0010,0020):(.*):2", "no group 2"),
        ("(0010,0020):((.*)", "unclosed group"),
        ("(0010,0020):.*", "no group 1"),
    ] {
        let error = rules.set(&project(), session, Some(bad), None).unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
    }
    rules.write(
        "projects/P/policy.json",
        br#"{ "label": { "module": "template-labels" } }"#,
    );
    assert!(
        rules
            .set(&project(), session, Some("(0010,0020):(.*)"), None)
            .is_err()
    );
}
