//! What a look at a script finds.

use super::*;

fn look(code: &str) -> Script {
    let manifest = serde_json::json!({
        "name": "m", "version": "1.0.0", "interface": "1", "kind": "anonymize",
        "engine": "rhai", "entry": "rule.rhai"
    });
    let manifest = Manifest::parse("module.json", manifest.to_string().as_bytes()).unwrap();
    inspect(&manifest, code).unwrap()
}

fn problems(code: &str) -> Vec<String> {
    let told = look(code).problems.into_iter();
    told.map(|(at, message)| format!("{}: {message}", at.unwrap()))
        .collect()
}

#[test]
fn paths_are_found_with_their_places_in_helpers_too() {
    let script = look(
        "fn anonymize(ds, ctx) {\n  if ds.get(\"StudyID\").len() > 2 { helper(1, ds); }\n  ds.more();\n  keep()\n}\n\
         fn helper(n, d) { d.remove(\"*/PatientName\"); let m = #{}; m.remove(\"PatientID\"); }\n\
         fn more() { this.apply([#{ pattern: \"PatientSex\", action: \"blank\" }]); }",
    );
    let found: Vec<_> = (script.paths.iter())
        .map(|p| (&*p.path, p.use_, p.position.unwrap().line))
        .collect();
    assert_eq!(
        found,
        [
            ("StudyID", Use::Read, 2),
            ("*/PatientName", Use::Edit, 6),
            ("PatientSex", Use::Edit, 7)
        ]
    );
    assert!(script.texts.contains("PatientID"));
    assert!(script.problems.is_empty(), "{:?}", script.problems);
}

#[test]
fn unknown_calls_are_told_with_a_hint() {
    assert_eq!(
        problems("fn anonymize(ds, ctx) {\n  ds.remov(\"PatientName\");\n  kep()\n}"),
        [
            "line 2, column 6: there is no function `remov` (did you mean \"remove\"?)",
            "line 3, column 3: there is no function `kep` (did you mean \"keep\"?)"
        ]
    );
    assert_eq!(
        problems("fn anonymize(ds, ctx) { pseudonym::uuid(\"1\"); ds.set(\"PatientID\"); keep() }"),
        [
            "line 1, column 36: there is no function `pseudonym::uuid` (did you mean \"uid\"?)",
            "line 1, column 50: `set` takes 3 arguments (what stands before the dot is one), not 2"
        ]
    );
    assert_eq!(
        problems(
            "fn anonymize(ds, ctx) { let s = ctx.subjekt; ds.apply([#{ pattern: \"PatientID\", action: \"blnk\" }]); keep() }"
        ),
        [
            "line 1, column 37: the context has no `subjekt` (did you mean \"subject\"?)",
            "line 1, column 89: there is no action \"blnk\" (did you mean \"blank\"?)"
        ]
    );
}

#[test]
fn each_function_is_looked_at_once_with_its_own_names() {
    let code = "fn anonymize(ds, ctx) { helper(#{ a: 1 }, ds); keep() }\n\
                fn helper(ds, d) { ds.remove(\"a\"); d.get(\"StudyID\"); ds.nothing(); }";
    let script = look(code);
    let found: Vec<_> = script.paths.iter().map(|p| &*p.path).collect();
    assert_eq!(
        (found.as_slice(), script.problems.len()),
        (&["StudyID"][..], 1)
    );
}

#[test]
fn the_languages_own_functions_are_known() {
    let code = r#"fn anonymize(ds, ctx) {
        let a = [1, 2]; a.push(3); let t = "x".to_upper(); t.crop(1); let m = #{ a: 1 };
        if type_of(a) == "array" && m.keys().len() > 0 && 3.max(4) > 2 { t += a[0].to_string(); }
        for x in 0..3 { t += x; }
        switch t { "a" => keep(), _ => reject(`no ${t}`) }
    }"#;
    assert_eq!(problems(code), Vec::<String>::new());
}

#[test]
fn the_rows_of_a_table_are_found_on_their_lines() {
    let script = look(
        "fn anonymize(ds, ctx) {\n  ds.apply_table(`\n    remove */PatientAddress\n    set PatientID = ${ctx.subject}\n    \
         blank ${ctx.parameter(\"x\")}\n  `);\n  ds.apply_table(\"uid StudyInstanceUID\\ndummy StudyID\");\n  keep()\n}",
    );
    let found: Vec<_> = (script.paths.iter())
        .map(|p| (&*p.path, p.use_, p.position.unwrap().line))
        .collect();
    assert_eq!(
        found,
        [
            ("*/PatientAddress", Use::Edit, 3),
            ("PatientID", Use::Edit, 4),
            ("StudyInstanceUID", Use::Edit, 7),
            ("StudyID", Use::Edit, 7)
        ]
    );
    assert!(script.problems.is_empty(), "{:?}", script.problems);
    assert_eq!(
        problems(
            "fn anonymize(ds, ctx) {\n  ds.apply_table(`\n    remov PatientName\n    set PatientID\n`);\n  keep()\n}"
        ),
        [
            "line 3: there is no action `remov` (did you mean \"remove\"?)",
            "line 4: `set` needs a value: `set PATTERN = VALUE`"
        ]
    );
}

/// In the middle of a function it is as good as not there, and the file is kept.
#[test]
fn answers_that_are_dropped_are_told() {
    let dropped = |code: &str| problems(code);
    assert_eq!(
        dropped(
            "fn anonymize(ds, ctx) {\n  if ds.exists(\"StudyID\") { quarantine(\"x\") }\n  keep()\n}"
        ),
        ["line 2, column 29: what `quarantine` answers is dropped: write `return quarantine(…);`"]
    );
    assert_eq!(
        dropped("fn anonymize(ds, ctx) {\n  for x in [1] {\n    reject(\"x\")\n  }\n  keep();\n}")
            .len(),
        1,
        "a loop has no value; the last statement has one, with a semicolon or not"
    );
    for used in [
        "fn anonymize(ds, ctx) { if ds.exists(\"StudyID\") { return quarantine(\"x\"); } keep() }",
        "fn anonymize(ds, ctx) { if ds.exists(\"StudyID\") { quarantine(\"x\") } else { keep() } }",
        "fn anonymize(ds, ctx) { let a = if ds.exists(\"StudyID\") { reject(\"x\") } else { keep() }; a }",
        "fn anonymize(ds, ctx) { switch ds.get(\"StudyID\") { \"1\" => reject(\"x\"), _ => keep() } }",
        "fn anonymize(ds, ctx) { judge(1) } fn judge(n) { if n > 1 { reject(\"x\") } else { keep() } }",
    ] {
        assert_eq!(dropped(used), [""; 0], "{used}");
    }
}
