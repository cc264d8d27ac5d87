//! Rules in Rhai: what they can do, and what they can't.

use crate::support::*;
use sluice::rules::{Decision, RuleFailure, Verdict};
use std::time::{Duration, Instant};

const INITIALS: &str = r#"
fn anonymize(ds, ctx) {
    if ds.get("BurnedInAnnotation") == "YES" { return quarantine("burned-in text"); }
    ds.set("PatientName", ctx.subject);
    ds.remove("*/(0010,1040)");
    ds.set("StudyInstanceUID", pseudonym::uid(ds.get("StudyInstanceUID")));
    keep()
}
"#;

#[test]
fn the_designs_example_runs() {
    let reads = ["BurnedInAnnotation", "StudyInstanceUID"];
    let writes = ["PatientName", "*/(0010,1040)", "StudyInstanceUID"];
    let done = anonymize_with(&reads, &writes, INITIALS);
    assert_eq!(done.verdict, Ok(Verdict::Keep));
    let uid = run().pseudonyms.uid("1.2.3");
    assert_eq!(element(done.instance, "StudyInstanceUID"), Some(uid));
    let done = anonymize_with(&reads, &writes, INITIALS);
    assert_eq!(element(done.instance, "PatientName").as_deref(), Some("S1"));
    let done = anonymize_with(&reads, &writes, INITIALS);
    assert_eq!(element(done.instance, "(0010,1040)"), None);
}

#[test]
fn absent_values_are_unit_and_change_nothing() {
    let code = r#"fn anonymize(ds, ctx) {
        if ds.get("PatientSex") != () || pseudonym::uid(()) != () || ds.vr("PatientSex") != () { throw "a" }
        if pseudonym::label("d", (), 4) != () || pseudonym::shift_date((), 3) != () { throw "b" }
        ds.set("PatientName", ());
        if ds.get("PatientName") != "Doe^John" { throw "c" }
        if ds.exists("PatientSex") || ds.values("PatientSex").len() != 0 { throw "d" }
        if ctx.parameter("NONE") != () || ctx.parameters.NONE != () { throw "e" }
        keep()
    }"#;
    assert_eq!(verdict(code), Verdict::Keep);
}

#[test]
fn every_call_of_the_interface_is_there() {
    let code = r#"fn anonymize(ds, ctx) {
        let n = ds.apply([
            #{ pattern: "PatientName", action: "set", value: "X" },
            #{ pattern: "PatientID", action: "blank" },
            #{ pattern: "PatientBirthDate", action: "shift_date", days: -1 },
            #{ pattern: "*/StudyInstanceUID", action: "uid" },
            #{ pattern: "StudyID", action: "dummy" },
            #{ pattern: "(0010,1040)", action: "remove" },
        ]);
        if n != 6 { throw `applied ${n}` }
        if ds.get("PatientBirthDate") != "19700101" { throw "date" }
        if ds.get("PatientID") != "" || !ds.exists("PatientID") { throw "blank" }
        if ds.blank("PatientName") != 1 || ds.remove("SeriesDescription") != 1 { throw "count" }
        if ds.remove_private() != 0 || ds.remove_private(["(0019,1001)"]) != 0 { throw "private" }
        if ds.find("(0010,XXXX)").len() != 3 { throw `found ${ds.find("(0010,XXXX)")}` }
        if ds.vr("Modality") != "CS" || ds.values("Modality") != ["CT"] { throw "modality" }
        let days = pseudonym::days("S1", 100);
        if days == 0 || days < -100 || days > 100 { throw "days" }
        if pseudonym::label("d", "x", 6).len() != 6 { throw "label" }
        ds.set("PatientID", `${ctx.project}/${ctx.subject}/${ctx.session}/${ctx.path}/${ctx.received}`);
        keep()
    }"#;
    let done = anonymize_with(&["*"], &["*"], code);
    assert_eq!(done.verdict, Ok(Verdict::Keep));
    let expected = "DEMO/S1/E1/SUB1/scan/1.dcm/20260102030405";
    assert_eq!(
        element(done.instance, "PatientID").as_deref(),
        Some(expected)
    );
}

#[test]
fn a_misspelt_keyword_fails_the_file_and_does_not_look_absent() {
    let code = r#"fn anonymize(ds, ctx) {
        if ds.get("BurnedInAnotation") == "YES" { return quarantine("burned in"); }
        keep()
    }"#;
    let failure = anonymize_with(&["*"], &[], code).verdict.unwrap_err();
    assert_eq!(failure.code(), "rule-bad-path");
    let text = failure.to_string();
    assert!(
        text.contains("did you mean `BurnedInAnnotation`?"),
        "{text}"
    );
}

#[test]
fn an_edit_error_can_be_caught() {
    let code = r#"fn anonymize(ds, ctx) {
        try { ds.set("NoSuchKeyword", "x"); } catch(e) { return reject(e); }
        keep()
    }"#;
    let Verdict::Reject(why) = verdict(code) else {
        panic!()
    };
    assert!(why.starts_with("bad path: "), "{why}");
}

#[test]
fn an_error_has_line_and_column() {
    let failure =
        failure("fn anonymize(ds, ctx) {\n  helper(ds)\n}\nfn helper(ds) {\n  throw \"no\"\n}");
    let RuleFailure::Error {
        position, message, ..
    } = failure
    else {
        panic!("{failure}")
    };
    assert_eq!(
        (position.unwrap().to_string().as_str(), &*message),
        ("line 5, column 3", "no")
    );
    let RuleFailure::Error {
        position, message, ..
    } = self::failure("fn anonymize(ds, ctx) {\n  ds.gett(1)\n}")
    else {
        panic!()
    };
    assert_eq!(position.unwrap().to_string(), "line 2, column 6");
    assert!(message.contains("gett"), "{message}");
}

#[test]
fn a_failure_that_the_engine_words_holds_no_value_of_the_header() {
    for (statement, said) in [
        (
            r#"ds.get("PatientName").parse_int()"#,
            "parse_int was given a text",
        ),
        (
            r#"parse_float(ds.get("PatientName"))"#,
            "parse_float was given a text",
        ),
        (
            r#"ds.get(ds.get("PatientName"))"#,
            "asks for what is no path: a text that",
        ),
        (
            r#"ds.find(ds.get("PatientName"))"#,
            "asks for what is no path: a text that",
        ),
        (
            r#"ds.set(ds.get("PatientName"), "x")"#,
            "bad path: a text that",
        ),
        (
            r#"ds.apply([#{ pattern: ds.get("PatientName"), action: "blank" }])"#,
            "bad path: a text that",
        ),
        (
            r#"ds.apply([#{ pattern: "PatientID", action: ds.get("PatientName") }])"#,
            "action: is none of",
        ),
        (
            r#"ds.apply_table(ds.get("PatientName"))"#,
            "line 1 of the table: starts with no action",
        ),
        (
            r#"pseudonym::lookup(ds.get("PatientName"), "x")"#,
            "there is no such table",
        ),
        (
            r#"try { ds.get("PatientName").parse_int() } catch(e) { throw e }"#,
            "threw again what it had caught",
        ),
        (
            r#"let a = [1]; a[ds.get("PatientName").len()]"#,
            "an index is outside of its array",
        ),
        (
            r#"let n = ds.get("PatientName").len() - 8; 4711 / n"#,
            "`/` divides by zero",
        ),
    ] {
        let code = format!("fn anonymize(ds, ctx) {{\n  {statement};\n  keep()\n}}");
        let told = failure(&code).to_string();
        assert!(
            told.contains(said) && (told.contains("line 2") || statement.contains("lookup")),
            "{statement}: {told}"
        );
        for value in ["Doe", "John", "4711"] {
            assert!(!told.contains(value), "{statement}: {told}");
        }
    }
}

#[test]
fn a_wrong_answer_says_what_was_expected() {
    for (code, expected) in [
        (
            "fn anonymize(ds, ctx) { 3 }",
            "rule broke: anonymize answered i64, expected keep(), reject(why) or quarantine(why)",
        ),
        (
            "fn anonymize(ds, ctx) { }",
            "rule broke: anonymize answered nothing, expected keep(), reject(why) or quarantine(why)",
        ),
        (
            "fn anonymize(ds, ctx) { ds }",
            "rule broke: anonymize answered the dataset, expected keep(), reject(why) or quarantine(why)",
        ),
        (
            r#"fn anonymize(ds, ctx) { archive("x") }"#,
            "rule broke: anonymize answered archive(why), expected keep(), reject(why) or quarantine(why)",
        ),
    ] {
        assert_eq!(failure(code).to_string(), expected);
    }
    let unknown =
        failure(r#"fn anonymize(ds, ctx) { ds.delete("PatientID"); keep() }"#).to_string();
    assert!(unknown.contains("delete (dataset, "), "{unknown}");
}

#[test]
fn a_slow_rule_is_stopped_at_its_deadline() {
    let rules = Rules::new();
    rules.rhai(
        "rule",
        "anonymize",
        &["*"],
        &["*"],
        r#"fn anonymize(ds, ctx) { loop { ds.find("*/(XXXX,XXXX)"); } }"#,
    );
    let manifest = r#"{ "name": "rule", "version": "1.0.0", "interface": "1", "kind": "anonymize", "engine": "rhai",
        "entry": "rule.rhai", "reads": ["*"], "limits": { "operations": 1000000000, "deadline_ms": 50 } }"#;
    rules.write("modules/rule/module.json", manifest);
    rules.site(r#"{ "anonymize": [{ "module": "rule" }] }"#);
    let set = rules.pinned();
    let start = Instant::now();
    let failure = anonymize(&set, patient(), &run(), &labels())
        .verdict
        .unwrap_err();
    assert_eq!(
        failure.to_string(),
        "rule ran longer than its limit of 50 ms"
    );
    assert!(start.elapsed() < Duration::from_secs(2));
}

#[test]
fn memory_is_bounded_however_it_is_eaten() {
    for (what, code) in [
        ("a string", r#"let s = "x"; loop { s += s; }"#),
        ("padding", r#"let s = "x"; s.pad(1000000000, "y");"#),
        ("an array", r#"let a = [1]; loop { a += a; }"#),
        ("padding an array", r#"let a = []; a.pad(1000000000, 1);"#),
        (
            "a map",
            r#"let s = "x"; s.pad(1000, "y"); let m = #{}; let i = 0; loop { m[`k${i}`] = s + i; i += 1; }"#,
        ),
        (
            "nested arrays",
            r#"let a = []; loop { let b = []; b.pad(1000, 1); a.push(b); }"#,
        ),
        (
            "many strings",
            r#"let s = "x"; s.pad(1000000, "y"); let a = []; loop { a.push(s + a.len()); }"#,
        ),
        ("variables", "grow(0);"),
        (
            "the dataset",
            r#"let s = "x"; s.pad(3000000, "y"); for i in 0..9 { ds.set(`ContentSequence[${i}]/TextValue`, s + i); }"#,
        ),
    ] {
        let grow =
            r#"fn grow(n) { let s = `${n}`; s.pad(1500000, "y"); let t = grow(n + 1); s + t }"#;
        let failure = failure(&format!("{grow} fn anonymize(ds, ctx) {{ {code} keep() }}"));
        assert!(
            matches!(failure, RuleFailure::TooLarge { .. }),
            "{what}: {failure}"
        );
    }
}

#[test]
fn a_typo_in_a_variable_is_found_when_the_policy_loads() {
    let rules = Rules::new();
    rules.rhai(
        "rule",
        "anonymize",
        &[],
        &[],
        "fn anonymize(ds, ctx) {\n  let name = 1;\n  nmae\n}",
    );
    rules.site(r#"{ "anonymize": [{ "module": "rule" }] }"#);
    let error = rules.pin().err().unwrap().to_string();
    assert!(
        error.starts_with("rules/modules/rule/rule.rhai: line 3, column 3: "),
        "{error}"
    );
}

#[test]
fn constants_of_the_script_are_seen_and_nothing_is_kept_between_runs() {
    let code = r#"const LIMIT = 3; fn anonymize(ds, ctx) { reject(`${global::LIMIT}`) }"#;
    assert_eq!(verdict(code), Verdict::Reject("3".to_owned()));
}

#[test]
fn label_rules_answer_a_map_and_may_not_write() {
    let label = |code: &str| {
        let rules = Rules::new();
        rules.rhai("l", "label", &["StudyID", "PatientID"], &[], code);
        rules.site(r#"{ "label": { "module": "l" } }"#);
        rules.pinned().label(patient(), &run()).1
    };
    let answered = label(
        r#"fn label(ds, ctx) { #{ subject: ctx.path.split("/")[0], session: "E" + ds.get("StudyID"), visit: () } }"#,
    );
    let answered = answered.unwrap();
    assert_eq!(
        (&*answered.subject, &*answered.session, answered.visit),
        ("SUB1", "E7", None)
    );
    for (code, expected) in [
        (
            "fn label(ds, ctx) { 1 }",
            "l broke: label answered i64, expected a map like #{ subject: \"…\", session: \"…\" }",
        ),
        (
            r#"fn label(ds, ctx) { #{ subject: "a" } }"#,
            "l broke: the session label is empty",
        ),
        (
            r#"fn label(ds, ctx) { #{ subjct: "a" } }"#,
            "l broke: label answered an unknown key \"subjct\" (did you mean \"subject\"?)",
        ),
        (
            r#"fn label(ds, ctx) { #{ subject: 1 } }"#,
            "l broke: label answered i64 for subject, expected a string",
        ),
        (
            r#"fn label(ds, ctx) { #{ subject: "a", session: "../x" } }"#,
            "l broke: the session label holds '/' as its character 3 of 4: it becomes a folder's name, so only A-Z, a-z, 0-9, _, - and . are allowed",
        ),
    ] {
        assert_eq!(label(code).unwrap_err().to_string(), expected);
    }
    let failure = label(
        r#"fn label(ds, ctx) { try { ds.set("PatientID", "x") } catch {} #{ subject: "a", session: "b" } }"#,
    );
    assert_eq!(failure.unwrap_err().code(), "rule-undeclared-write");
}

#[test]
fn only_the_sites_label_rule_may_choose_the_project() {
    let rules = Rules::new();
    rules.rhai(
        "l",
        "label",
        &[],
        &[],
        r#"fn label(ds, ctx) { #{ subject: "a", session: "b", project: "OTHER" } }"#,
    );
    rules.site(r#"{ "label": { "module": "l" } }"#);
    let (_, labels) = rules.pinned().label(patient(), &run());
    assert_eq!(labels.unwrap().project.as_deref(), Some("OTHER"));
    rules.project(r#"{ "label": { "module": "l" } }"#);
    let (_, labels) = rules.pinned().label(patient(), &run());
    assert!(
        labels
            .unwrap_err()
            .to_string()
            .contains("only the site's label rule")
    );
}

#[test]
fn route_rules_see_the_summary_and_settings() {
    let rules = Rules::new();
    rules.rhai("r", "route", &[], &[], r#"fn route(summary, ctx) {
        if summary.failed > ctx.settings.most { prearchive("failures") } else { archive_overwrite(ctx.session) }
    }"#);
    rules.write(
        "modules/r/settings.schema.json",
        r#"{ "properties": { "most": { "type": "integer" } } }"#,
    );
    rules.site(r#"{ "route": { "module": "r", "settings": { "most": 1 } } }"#);
    let set = rules.pinned();
    let route = |summary: &str| set.route(summary, &run(), &labels());
    assert_eq!(
        route(r#"{ "failed": 2 }"#),
        Ok(Decision::Prearchive("failures".to_owned()))
    );
    assert_eq!(
        route(r#"{ "failed": 1 }"#),
        Ok(Decision::ArchiveOverwrite("E1".to_owned()))
    );
    assert!(matches!(route("{"), Err(RuleFailure::Error { .. })));
}

#[test]
fn a_reject_stops_the_chain_and_a_quarantine_does_not() {
    let rules = Rules::new();
    rules.rhai(
        "q",
        "anonymize",
        &[],
        &[],
        r#"fn anonymize(ds, ctx) { quarantine("look") }"#,
    );
    rules.rhai(
        "name",
        "anonymize",
        &[],
        &["PatientName"],
        r#"fn anonymize(ds, ctx) { ds.set("PatientName", "X"); keep() }"#,
    );
    rules.rhai(
        "no",
        "anonymize",
        &[],
        &[],
        r#"fn anonymize(ds, ctx) { reject("no") }"#,
    );
    rules.site(r#"{ "anonymize": [{ "module": "q" }, { "module": "name" }] }"#);
    let done = anonymize(&rules.pinned(), patient(), &run(), &labels());
    assert_eq!(done.verdict, Ok(Verdict::Quarantine("look".to_owned())));
    assert_eq!(element(done.instance, "PatientName").as_deref(), Some("X"));
    rules.site(r#"{ "anonymize": [{ "module": "q" }, { "module": "no" }, { "module": "name" }] }"#);
    let done = anonymize(&rules.pinned(), patient(), &run(), &labels());
    assert_eq!(done.verdict, Ok(Verdict::Reject("no".to_owned())));
    assert_eq!(
        element(done.instance, "PatientName").as_deref(),
        Some("Doe^John")
    );
}

#[test]
fn a_region_of_the_picture_is_made_black() {
    let redact = |writes: &[&str], code: &str| {
        let rules = Rules::new();
        rules.rhai("rule", "anonymize", &[], writes, code);
        rules.site(r#"{ "anonymize": [{ "module": "rule" }] }"#);
        anonymize(&rules.pinned(), picture(), &run(), &labels())
    };
    let code = "fn anonymize(ds, ctx) { ds.redact(0, 0, 2, 1); ds.redact(3, 2, 9, 9); keep() }";
    let done = redact(&["PixelData"], code);
    assert_eq!(done.verdict, Ok(Verdict::Keep));
    assert_eq!(
        pixels(done.instance),
        [0, 0, 3, 4, 5, 6, 7, 8, 9, 10, 11, 0]
    );
    let done = redact(&["PatientName"], code);
    assert_eq!(done.verdict.unwrap_err().code(), "rule-undeclared-write");
    assert_eq!(
        pixels(done.instance),
        [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]
    );
    let code = "fn anonymize(ds, ctx) { try { ds.redact(4, 0, 5, 1); } catch(e) { return quarantine(e); } keep() }";
    let Ok(Verdict::Quarantine(why)) = redact(&["PixelData"], code).verdict else {
        panic!()
    };
    assert!(
        why.starts_with("bad value: PixelData: the region from 4,0 to 5,1"),
        "{why}"
    );
    let code = "fn anonymize(ds, ctx) { ds.redact(-1, 0, 5, 1); keep() }";
    let failure = redact(&["PixelData"], code)
        .verdict
        .unwrap_err()
        .to_string();
    assert!(failure.contains("left: is out of range"), "{failure}");
}

#[test]
fn keys_are_looked_up_in_the_tables_of_policy_and_module() {
    let code = r#"fn anonymize(ds, ctx) {
        let own = pseudonym::lookup("own", "a") ?? "not listed";
        let given = pseudonym::lookup("given", ds.get("PatientID")) ?? "not listed";
        if pseudonym::lookup("own", ()) != () { throw "unit" }
        ds.set("PatientName", `${own} ${given}`);
        keep()
    }"#;
    let rules = Rules::new();
    rules.rhai("rule", "anonymize", &["PatientID"], &["PatientName"], code);
    rules.site(r#"{ "anonymize": [] }"#);
    let manifest = std::fs::read_to_string(rules.path().join("modules/rule/module.json")).unwrap();
    let manifest = manifest.replacen(
        '{',
        r#"{ "tables": { "own": "own.csv", "given": "own.csv" }, "#,
        1,
    );
    rules.write("modules/rule/module.json", manifest);
    rules.write("modules/rule/own.csv", "key,value\na,A\n");
    let name = |expected: &str| {
        let set = rules
            .registry
            .check(PROJECT)
            .unwrap_or_else(|error| panic!("{error}"));
        let done = anonymize(&set, patient(), &run(), &labels());
        assert_eq!(done.verdict, Ok(Verdict::Keep));
        assert_eq!(
            element(done.instance, "PatientName").as_deref(),
            Some(expected)
        );
        set.hash().to_owned()
    };
    rules.project(r#"{ "anonymize": [{ "module": "rule" }] }"#);
    let mut hashes = std::collections::BTreeSet::from([name("A not listed")]);
    rules.write("projects/DEMO/given.csv", "key,value\n4711,S7\n");
    rules.project(r#"{ "anonymize": [{ "module": "rule", "tables": { "given": "given.csv" } }] }"#);
    hashes.insert(name("A S7"));
    // Tables are a part of the rule set.
    rules.write("projects/DEMO/given.csv", "key,value\n4711,S8\n");
    hashes.insert(name("A S8"));
    rules.write("modules/rule/own.csv", "key,value\na,B\n");
    hashes.insert(name("B S8"));
    assert_eq!(hashes.len(), 4);
    // And so of every version that is kept: it can be read again without the folder.
    let draft = rules.registry.draft(PROJECT, &[]).unwrap();
    let again = rules.registry.version(draft.files().clone()).unwrap();
    assert_eq!(again.hash(), draft.hash());
    let set = rules.registry.compile(again).unwrap();
    let done = anonymize(&set, patient(), &run(), &labels());
    assert_eq!(
        element(done.instance, "PatientName").as_deref(),
        Some("B S8")
    );
    rules.write("projects/DEMO/given.csv", "key,value\n4711,S8\n4711,S9\n");
    let error = rules.registry.check(PROJECT).err().unwrap().to_string();
    assert_eq!(
        error,
        "rules/projects/DEMO/given.csv: line 3, column 1: the key stands in the table already"
    );
    rules.remove("projects/DEMO/given.csv");
    let error = rules.registry.check(PROJECT).err().unwrap().to_string();
    assert_eq!(error, "rules/projects/DEMO/given.csv: does not exist");
    let failure = failure("fn anonymize(ds, ctx) { pseudonym::lookup(\"x\", \"y\"); keep() }");
    assert!(
        failure
            .to_string()
            .contains("lookup: there is no table \"x\""),
        "{failure}"
    );
}
