//! `sluice rule` for who writes a module: a template, checks, tests, benches, the table of codes. And the
//! modules that ship, held to their own tests.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use crate::server::{PROGRAM, without_settings};

const REPOSITORY: &str = env!("CARGO_MANIFEST_DIR");

/// Runs `sluice rule …`, with no data folder.
pub fn rule(arguments: &[&str]) -> Output {
    let mut command = without_settings(PROGRAM);
    command.arg("rule").args(arguments).output().unwrap()
}

/// What a command printed, which ended with that status.
pub fn told(arguments: &[&str], status: i32) -> String {
    let output = rule(arguments);
    let (out, err) = (
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    );
    assert_eq!(
        output.status.code(),
        Some(status),
        "{arguments:?}: {out}{err}"
    );
    format!("{out}{err}")
}

/// A module in Rhai, with one case that names the sex of the patient.
fn module(folder: &Path, code: &str) -> PathBuf {
    let module = folder.join("mine");
    fs::create_dir_all(module.join("tests")).unwrap();
    let manifest = r#"{ "name": "mine", "version": "1.0.0", "interface": "1", "kind": "anonymize",
  "engine": "rhai", "entry": "rule.rhai",
  "reads": ["PatientSex", "StudyID"],
  "writes": ["PatientName"] }"#;
    fs::write(module.join("module.json"), manifest).unwrap();
    fs::write(module.join("rule.rhai"), code).unwrap();
    let case =
        r#"{ "with": { "PatientSex": "F" }, "expect": { "elements": { "PatientName": "S1" } } }"#;
    fs::write(module.join("tests/name.json"), case).unwrap();
    module
}

const GOOD: &str = "fn anonymize(ds, ctx) {\n  if ds.get(\"PatientSex\") == ds.get(\"StudyID\") {\n    return reject(\"odd\");\n  }\n  ds.set(\"PatientName\", ctx.subject);\n  keep()\n}\n";

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn what_ships_passes_its_own_checks_and_tests() {
    for folder in ["rules", "plugins", "rules/templates"] {
        let folder = Path::new(REPOSITORY).join(folder);
        let all = told(&["test", text(&folder)], 0);
        assert!(all.ends_with(" 0 failed\n"), "{all}");
        for module in fs::read_dir(&folder).unwrap() {
            let module = module.unwrap().path();
            if module.join("module.json").exists() {
                let checked = told(&["check", text(&module)], 0);
                assert!(checked.ends_with(": 0 errors, 0 warnings\n"), "{checked}");
            }
        }
    }
}

#[test]
fn a_new_module_of_each_kind_passes_its_checks_and_tests_at_once() {
    let folder = tempfile::tempdir().unwrap();
    for kind in ["label", "anonymize", "route"] {
        for engine in ["rhai", "wasm", "dicomedit"] {
            if engine == "dicomedit" && kind != "anonymize" {
                let place = folder.path().join("none");
                let all = told(&["new", kind, "--engine", engine, text(&place)], 1);
                assert!(
                    all.contains("is an anonymize rule") && !place.exists(),
                    "{all}"
                );
                continue;
            }
            let module = folder.path().join(format!("my_{kind}-{engine}"));
            told(&["new", kind, "--engine", engine, text(&module)], 0);
            let checked = told(&["check", text(&module)], 0);
            assert!(checked.ends_with(": 0 errors, 0 warnings\n"), "{checked}");
            let tested = told(&["test", "--coverage", text(&module)], 0);
            assert!(tested.ends_with("3 cases, 0 failed\n"), "{tested}");
            assert!(!tested.contains("not run"), "{tested}");
            let all = told(&["new", kind, "--engine", engine, text(&module)], 1);
            assert!(all.contains("is not empty"), "{all}");
        }
    }
    let source = folder.path().join("my_route-wasm");
    let code = fs::read_to_string(source.join("src/lib.rs")).unwrap();
    assert!(code.contains(r#"path: "wit""#) && source.join("wit/rules.wit").exists());
    told(
        &[
            "new",
            "label",
            "--engine",
            "rhai",
            text(&folder.path().join("a b")),
        ],
        1,
    );
}

#[test]
fn a_check_tells_every_mistake_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let code = "fn anonymize(ds, ctx) {\n  if ds.get(\"PatientSxe\") == () { ds.remov(\"PatientName\"); }\n  ds.set(\"PatientID\", ctx.subjekt);\n  keep()\n}";
    let module = module(folder.path(), code);
    let place = module.display();
    let checked = told(&["check", text(&module)], 1);
    let expected = format!(
        "{place}/rule.rhai:2:13: error: `PatientSxe`: there is no keyword `PatientSxe`, did you mean `PatientSex`?\n\
         {place}/rule.rhai:2:38: error: there is no function `remov` (did you mean \"remove\"?)\n\
         {place}/rule.rhai:3:10: error: writes PatientID, which the manifest does not declare: add it to \"writes\"\n\
         {place}/rule.rhai:3:27: error: the context has no `subjekt` (did you mean \"subject\"?)\n\
         {place}/module.json:3:13: warning: /reads/0: PatientSex is declared, and never named in the code\n\
         {place}/module.json:3:27: warning: /reads/1: StudyID is declared, and never named in the code\n"
    );
    assert!(
        checked.starts_with(&expected),
        "{checked}\nexpected\n{expected}"
    );

    fs::write(
        module.join("rule.rhai"),
        "fn anonymize(ds, ctx) {\n  let x = ;\n}",
    )
    .unwrap();
    let checked = told(&["check", text(&module)], 1);
    assert!(checked.contains("rule.rhai:2:11: error: "), "{checked}");

    let manifest = fs::read_to_string(module.join("module.json")).unwrap();
    fs::write(
        module.join("module.json"),
        manifest.replace("\"entry\"", "\"entri\""),
    )
    .unwrap();
    let json: serde_json::Value =
        serde_json::from_str(&told(&["check", "--json", text(&module)], 1)).unwrap();
    let lines: Vec<_> = json["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| f["line"].as_u64())
        .collect();
    assert_eq!(
        (json["errors"].as_u64(), lines),
        (Some(2), vec![Some(1), Some(2)])
    );
}

#[test]
fn a_check_of_a_script_tells_what_fails_and_what_never_runs() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("site.das");
    let check = |code: &str, status: i32| {
        fs::write(&script, code).unwrap();
        told(&["check", text(&script)], status)
    };
    let place = script.display();
    let checked = check(
        "version \"6.6\"\n(0010,0010) := subjekt\nPatientID := \"x\"\n(0010,0020) ~ \"(\" ? reject[] : reject[]\n- (0010,0030)\n",
        1,
    );
    for expected in [
        "site.das:2:16: warning: the variable subjekt is never set: it has a value only where the import call has such a parameter (did you mean \"subject\"?)",
        "site.das:3:1: warning: PatientID is a variable here, and no element: that is written (0010,0020)",
        "site.das:4:15: error: \"(\" is no regular expression",
        "site.das:5:1: warning: never runs: line 4, column 1 rejects every file",
    ] {
        assert!(checked.contains(expected), "{checked}\n{expected}");
    }
    assert!(checked.ends_with(": 1 error, 3 warnings\n"), "{checked}");
    let checked = check("version \"6.6\"\n- (0019,1001)\n", 1);
    let expected = format!("{place}:2:3: error: (0019,1001): a private tag needs its creator");
    assert!(checked.starts_with(&expected), "{checked}");
    let checked = check("version \"6.6\"\n(0010,0010) := subject\n", 0);
    assert!(checked.ends_with(": 0 errors, 0 warnings\n"), "{checked}");
}

#[test]
fn a_check_holds_a_script_to_its_manifest() {
    let folder = tempfile::tempdir().unwrap();
    let module = folder.path().join("mine");
    told(
        &["new", "anonymize", "--engine", "dicomedit", text(&module)],
        0,
    );
    let code = "version \"6.6\"\n(0010,4000) := (0008,0060)\n(0010,0010) := subject\n";
    fs::write(module.join("rule.das"), code).unwrap();
    let manifest = fs::read_to_string(module.join("module.json")).unwrap();
    fs::write(
        module.join("module.json"),
        manifest.replace(", \"(0012,0064)/(0008,010X)\"", ""),
    )
    .unwrap();
    let checked = told(&["check", text(&module)], 1);
    for expected in [
        "rule.das:2:1: error: writes (0010,4000), which the manifest does not declare",
        "rule.das:2:16: error: reads (0008,0060), which the manifest does not declare",
        "/writes: an import notes that the script ran, which fails: add",
        "/writes/3: */(0010,1040) is declared, and never named",
    ] {
        assert!(checked.contains(expected), "{checked}\n{expected}");
    }
}

#[test]
fn a_case_of_a_module_is_checked_like_its_manifest() {
    let folder = tempfile::tempdir().unwrap();
    let module = module(folder.path(), GOOD);
    for (case, message) in [
        (
            r#"{ "with": {}, "expect": { "verdikt": "keep" } }"#,
            "did you mean \"verdict\"?",
        ),
        (
            r#"{ "with": {}, "expect": { "decision": "archive" } }"#,
            "is nothing that a anonymize rule answers",
        ),
        (
            r#"{ "expect": { "verdict": "keep" } }"#,
            "needs one of \"file\", \"dataset\"",
        ),
        (
            r#"{ "with": {}, "settings": { "a": 1 }, "expect": { "verdict": "keep" } }"#,
            "mine takes no settings",
        ),
        (
            r#"{ "file": "../x.dcm", "expect": { "verdict": "keep" } }"#,
            "does not match",
        ),
    ] {
        fs::write(module.join("tests/bad.json"), case).unwrap();
        for command in ["check", "test"] {
            let said = told(&[command, text(&module)], 1);
            assert!(said.contains(message), "{command}: {said}");
        }
    }
}

#[test]
fn a_whole_rules_folder_is_checked() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    module(&root.join("modules"), GOOD);
    fs::create_dir_all(root.join("site")).unwrap();
    fs::write(
        root.join("site/policy.json"),
        r#"{ "leak_check": "quarantine" }"#,
    )
    .unwrap();
    for (project, policy) in [
        ("GOOD", r#"{ "anonymize": [{ "module": "mine" }] }"#),
        ("LOOSE", "{\n \"leak_check\": \"off\" }"),
        (
            "LOST",
            "{\n \"anonymize\": [\n { \"module\": \"minee\" }] }",
        ),
        ("TYPO", "{\n \"rout\": {},\n \"file_names\": 3 }"),
    ] {
        fs::create_dir_all(root.join("projects").join(project)).unwrap();
        fs::write(
            root.join("projects").join(project).join("policy.json"),
            policy,
        )
        .unwrap();
    }
    let checked = told(&["check", text(root)], 1);
    let at = |project: &str| format!("{}/projects/{project}/policy.json", root.display());
    for expected in [
        format!(
            "{}: warning: /leak_check: Off is looser than the site's",
            at("LOOSE")
        ),
        format!(
            "{}:3:4: error: /anonymize/0/module: there is no module \"minee\" (did you mean \"mine\"?)",
            at("LOST")
        ),
        format!(
            "{}:2:2: error: /rout: unknown key (did you mean \"route\"?)",
            at("TYPO")
        ),
        format!("{}:3:2: error: /file_names: 3 is not one of", at("TYPO")),
    ] {
        assert!(checked.contains(&expected), "{expected}\n{checked}");
    }
    assert!(checked.ends_with(": 3 errors, 1 warning\n"), "{checked}");
}

#[test]
fn a_failing_case_shows_what_differs() {
    let folder = tempfile::tempdir().unwrap();
    let module = module(folder.path(), &GOOD.replace("ctx.subject", "\"X\""));
    let junit = folder.path().join("junit.xml");
    let said = told(
        &["test", text(&module), "--coverage", "--junit", text(&junit)],
        1,
    );
    for expected in [
        "  FAIL  name\n        PatientName\n          expected \"S1\"\n          found    \"X\"\n",
        "  3 of 4 lines run\n  not run:    3      return reject(\"odd\");\n",
        "1 case, 1 failed",
    ] {
        assert!(said.contains(expected), "{expected}\n{said}");
    }
    let xml = fs::read_to_string(junit).unwrap();
    assert!(
        xml.contains("<testsuite name=\"mine\" tests=\"1\" failures=\"1\">"),
        "{xml}"
    );
    assert!(xml.contains("<failure>PatientName"), "{xml}");
}

#[test]
fn what_a_case_expects_of_errors_and_files_is_held_against_it() {
    let folder = tempfile::tempdir().unwrap();
    let module = module(
        folder.path(),
        &GOOD.replace("ctx.subject", "ctx.parameter(\"NAME\")"),
    );
    let write = |name: &str, text: &str| fs::write(module.join("tests").join(name), text).unwrap();
    write(
        "name.json",
        r#"{ "with": { "PatientSex": "F" }, "expect": { "file": "out.dcm" } }"#,
    );
    assert!(told(&["test", text(&module)], 1).contains("out.dcm: No such file"));
    told(&["test", "--bless", text(&module)], 0);
    write(
        "name.json",
        r#"{ "with": { "PatientSex": "F" }, "context": { "parameters": { "NAME": "Y" } }, "expect": { "file": "out.dcm" } }"#,
    );
    let said = told(&["test", text(&module)], 1);
    assert!(
        said.contains("PatientName\n          expected absent\n          found    PN \"Y\""),
        "{said}"
    );

    fs::write(
        module.join("rule.rhai"),
        "fn anonymize(ds, ctx) { ds.set(\"PatientID\", \"x\"); keep() }",
    )
    .unwrap();
    for (expect, status) in [
        (
            r#"{ "error": "rule-undeclared-write", "message": "PatientID" }"#,
            0,
        ),
        (
            r#"{ "error": "rule-undeclared-write", "message": "StudyID" }"#,
            1,
        ),
        (r#"{ "error": "rule-error" }"#, 1),
        (r#"{ "verdict": "keep" }"#, 1),
    ] {
        write(
            "name.json",
            &format!(r#"{{ "with": {{}}, "expect": {expect} }}"#),
        );
        told(&["test", text(&module)], status);
    }
}

#[test]
fn dicom_json_is_read_as_the_standard_has_it() {
    let folder = tempfile::tempdir().unwrap();
    let code = "fn anonymize(ds, ctx) {\n  ds.set(\"PatientName\", `${ds.get(\"PatientName\")} ${ds.values(\"OtherPatientIDsSequence[0]/PatientID\")} ${ds.get(\"Rows\")}`);\n  keep()\n}";
    let module = module(folder.path(), code);
    let manifest = fs::read_to_string(module.join("module.json")).unwrap();
    let manifest = manifest.replace(
        "\"StudyID\"",
        "\"OtherPatientIDsSequence/PatientID\", \"Rows\"",
    );
    fs::write(module.join("module.json"), manifest).unwrap();
    let dataset = r#"{ "00100010": { "vr": "PN", "Value": [{ "Alphabetic": "Müller^Jürgen" }] },
        "00101002": { "vr": "SQ", "Value": [{ "00100020": { "vr": "LO", "Value": ["a", "b"] } }] },
        "00280010": { "vr": "US", "Value": [512] } }"#;
    let expect = r#"{ "elements": { "PatientName": "Müller^Jürgen [\"a\", \"b\"] 512" } }"#;
    fs::write(
        module.join("tests/name.json"),
        format!(r#"{{ "dataset": {dataset}, "expect": {expect} }}"#),
    )
    .unwrap();
    told(&["test", text(&module)], 0);
    fs::write(module.join("tests/data.json"), dataset).unwrap();
    fs::write(
        module.join("tests/name.json"),
        format!(r#"{{ "file": "data.json", "expect": {expect} }}"#),
    )
    .unwrap();
    assert!(told(&["test", text(&module)], 0).ends_with("1 case, 0 failed\n"));
    fs::write(
        module.join("tests/name.json"),
        r#"{ "dataset": { "Rows": 1 }, "expect": { "verdict": "keep" } }"#,
    )
    .unwrap();
    assert!(told(&["test", text(&module)], 1).contains("is no DICOM JSON"));
}

#[test]
fn a_bench_says_what_is_used_of_the_limits() {
    let folder = tempfile::tempdir().unwrap();
    let module = module(folder.path(), GOOD);
    let said = told(&["bench", text(&module)], 0);
    assert!(
        said.contains("name ") && said.contains(" of 1000000 operations"),
        "{said}"
    );
    let wasm = Path::new(REPOSITORY).join("rules/templates/anonymize-wasm");
    assert!(told(&["bench", text(&wasm)], 0).contains(" instructions"));
}

#[test]
fn the_table_of_codes_is_printed() {
    let all = told(&["codes"], 0);
    assert!(
        all.contains("rule-undeclared-read") && all.contains("rules-code"),
        "{all}"
    );
    assert!(told(&["codes", "bad-value"], 0).starts_with("bad-value\n"));
    told(&["codes", "nonsense"], 1);
}

/// The README's section, step by step: files are written, commands are run, in the order in which they stand.
#[test]
fn the_readmes_ten_minutes_work_as_they_are_written() {
    let readme = fs::read_to_string(Path::new(REPOSITORY).join("README.md")).unwrap();
    let (_, section) = readme.split_once("## Write a rule in ten minutes").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("sluice-data");
    fs::create_dir_all(data.join("rules/modules")).unwrap();
    crate::dicom::study(&data.join("inbox/DEMO/study"), 0, 1, 2);
    let program = Path::new(PROGRAM).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    let mut said = String::new();
    let mut blocks = section.split("```").skip(1).step_by(2).peekable();
    assert!(blocks.peek().is_some());
    for block in blocks {
        let (language, text) = block.split_once('\n').unwrap();
        if language == "sh" {
            let mut command = without_settings("sh");
            command.args(["-e", "-c", text]).current_dir(&folder);
            let database = crate::database::url(&data);
            command
                .env("PATH", &path)
                .envs(database.map(|url| ("SLUICE_DATABASE", url)));
            let output = command.output().unwrap();
            said += &String::from_utf8(output.stdout).unwrap();
            let error = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{text}: {said}{error}");
        } else {
            let (first, text) = text.split_once('\n').unwrap();
            let file = folder.path().join(first.strip_prefix("// ").unwrap());
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
    }
    for expected in [
        "initials: 0 errors, 0 warnings\n",
        "2 cases, 0 failed\n",
        "rules: 0 errors, 0 warnings\n",
        "  xnat-routing: archive: prearchive code 4",
        "set (line 5) StudyInstanceUID: ",
    ] {
        assert!(said.contains(expected), "{expected}\n{said}");
    }
}
