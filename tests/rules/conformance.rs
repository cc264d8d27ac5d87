//! One interface, two engines: every case in `conformance/*.json` is run by a component and by a script that
//! make the calls the case lists (`tests/modules/caller`). Each must get the answers that the case expects, and
//! both must end in the same bytes.

use crate::dataset;
use crate::support::*;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sluice::dicom::Instance;
use sluice::rules::{Decision, Labels, Part, RuleFailure, Verdict};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

const ENGINES: [&str; 2] = ["rhai", "wasm"];

/// A file of cases on one subject.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cases {
    /// What the cases are about, for the reader.
    #[serde(rename = "about")]
    _about: String,
    /// Elements, as `dataset::file` takes them, over those of `dataset::base`.
    #[serde(default)]
    dataset: Map<String, Value>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    #[serde(default = "anonymize")]
    kind: String,
    #[serde(default)]
    dataset: Map<String, Value>,
    #[serde(default = "everything")]
    reads: Vec<String>,
    #[serde(default = "everything")]
    writes: Vec<String>,
    /// Each call, with its answer. An error is expected by its beginning: `{"error": "bad path"}`.
    calls: Vec<(Value, Value)>,
    /// A table named `t` of the policy.
    #[serde(default)]
    table: BTreeMap<String, String>,
    answer: Option<String>,
    labels: Option<Value>,
    /// The code that the run fails with, and a part of the text.
    fails: Option<(String, String)>,
    /// Elements after the run; null: absent.
    #[serde(default)]
    after: BTreeMap<String, Option<String>>,
    /// The pixels after the run.
    pixels: Option<Vec<u8>>,
}

fn anonymize() -> String {
    "anonymize".to_owned()
}

fn everything() -> Vec<String> {
    vec!["*".to_owned()]
}

/// What came of one run.
#[derive(Debug, PartialEq)]
struct Outcome {
    /// The answer's name, or the failure's code.
    end: String,
    labels: Option<Labels>,
    /// What came of the calls, where the rule told.
    answers: Option<Value>,
    /// Without the place, which only a script has.
    failure: Option<String>,
    bytes: Vec<u8>,
}

fn run_on(rules: &Rules, engine: &str, case: &Case, file: &[u8]) -> Outcome {
    let entry = format!("rule.{engine}");
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/modules/caller");
    let writes: &[String] = if case.kind == "label" {
        &[]
    } else {
        &case.writes
    };
    let manifest = json!({
        "name": "caller", "version": "1.0.0", "interface": "1", "kind": case.kind, "engine": engine,
        "entry": entry, "reads": case.reads, "writes": writes,
        "limits": { "operations": 1_000_000, "memory_mb": 16, "deadline_ms": 10_000 }
    });
    rules.write("modules/caller/module.json", manifest.to_string());
    let code = match engine {
        "rhai" => include_bytes!("caller.rhai").to_vec(),
        _ => fs::read(from.join("rule.wasm")).unwrap(),
    };
    rules.write(&format!("modules/caller/{entry}"), code);
    let schema = "settings.schema.json";
    rules.write(
        &format!("modules/caller/{schema}"),
        fs::read(from.join(schema)).unwrap(),
    );
    let mut settings =
        json!({ "calls": case.calls.iter().map(|call| &call.0).collect::<Vec<_>>() });
    for (name, value) in [
        ("answer", case.answer.clone().map(Value::from)),
        ("labels", case.labels.clone()),
    ] {
        if let Some(value) = value {
            settings[name] = value;
        }
    }
    let lines = case
        .table
        .iter()
        .map(|(key, value)| format!("{key},{value}\n"));
    rules.write(
        "projects/DEMO/t.csv",
        format!("key,value\n{}", lines.collect::<String>()),
    );
    let step = json!({ "module": "caller", "settings": settings, "tables": { "t": "t.csv" } });
    let policy = match case.kind.as_str() {
        "label" => json!({ "label": step }),
        _ => json!({ "anonymize": [step] }),
    };
    // The site has no chain of its own, so that nothing else writes.
    rules
        .site(r#"{ "anonymize": [] }"#)
        .project(&policy.to_string());
    let set = rules
        .pin()
        .unwrap_or_else(|error| panic!("{}: {error}", case.name));
    let instance = Instance::from_bytes(file.to_vec()).unwrap();
    let run = run_with(&[("note", "Grün"), ("empty", "")]);
    if case.kind == "label" {
        let (instance, labels) = set.label(instance, &run);
        return match labels {
            Ok(labels) => Outcome {
                labels: Some(labels),
                ..Outcome::new("labels", None, instance)
            },
            Err(failure) => Outcome::failed(&failure, instance),
        };
    }
    let done = crate::support::anonymize(&set, instance, &run, &labels());
    match done.verdict {
        Ok(Verdict::Keep) => Outcome::new("keep", None, done.instance),
        Ok(Verdict::Reject(told)) => Outcome::new("reject", Some(&told), done.instance),
        Ok(Verdict::Quarantine(told)) => Outcome::new("quarantine", Some(&told), done.instance),
        Err(failure) => Outcome::failed(&failure, done.instance),
    }
}

impl Outcome {
    fn new(end: &str, told: Option<&str>, instance: Instance) -> Self {
        let told = told.and_then(|told| serde_json::from_str::<Value>(told).ok());
        Self {
            end: end.to_owned(),
            labels: None,
            answers: told.map(|mut told| told["answers"].take()),
            failure: None,
            bytes: instance.to_bytes().unwrap(),
        }
    }

    fn failed(failure: &RuleFailure, instance: Instance) -> Self {
        match failure {
            RuleFailure::Error { message, .. } => {
                Self::new(failure.code(), Some(message), instance)
            }
            RuleFailure::Refused { refusal, .. } => Self {
                failure: Some(refusal.to_string()),
                ..Self::new(failure.code(), None, instance)
            },
            _ => Self {
                failure: Some(failure.to_string()),
                ..Self::new(failure.code(), None, instance)
            },
        }
    }
}

/// The differences from what the case expects.
fn differences(engine: &str, case: &Case, is: &Outcome) -> Vec<String> {
    let mut found = Vec::new();
    let mut differ = |what: &str, is: &dyn std::fmt::Debug, expected: &dyn std::fmt::Debug| {
        found.push(format!(
            "{} on {engine}: {what} is {is:?}, expected {expected:?}",
            case.name
        ));
    };
    let end = match (&case.fails, &case.answer, case.kind.as_str()) {
        (Some((code, _)), ..) => code,
        (None, Some(answer), _) if answer != "error" => answer,
        (None, None, "anonymize") => "quarantine",
        (None, None, "label") if case.labels.is_some() => "labels",
        _ => "rule-error",
    };
    if is.end != end {
        differ("the end", &(&is.end, &is.failure), &end);
    }
    if let Some((_, text)) = &case.fails
        && !is
            .failure
            .as_ref()
            .is_some_and(|failure| failure.contains(text))
    {
        differ("the failure", &is.failure, text);
    }
    if let Some(answers) = &is.answers {
        let answers = answers.as_array().unwrap();
        for ((call, expected), is) in case.calls.iter().zip(answers) {
            let fits = match (expected["error"].as_str(), is["error"].as_str()) {
                (Some(expected), Some(is)) => is.starts_with(expected),
                _ => is == expected,
            };
            if !fits {
                differ(&call.to_string(), &is.to_string(), &expected.to_string());
            }
        }
        if answers.len() != case.calls.len() {
            differ("the number of answers", &answers.len(), &case.calls.len());
        }
    }
    for (path, expected) in &case.after {
        let after = element(Instance::from_bytes(is.bytes.clone()).unwrap(), path);
        if after != *expected {
            differ(path, &after, expected);
        }
    }
    if let Some(pixels) = &case.pixels
        && !is.bytes.ends_with(pixels)
    {
        differ(
            "the pixels",
            &&is.bytes[is.bytes.len() - pixels.len()..],
            pixels,
        );
    }
    found
}

#[test]
fn both_engines_answer_every_case_alike_and_as_expected() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rules/conformance");
    // One folder each, so that a component is compiled once and not for every case.
    let engines = ENGINES.map(|engine| (engine, Rules::new()));
    let mut found = Vec::new();
    let mut ran = 0;
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    for path in files {
        let text = fs::read_to_string(&path).unwrap();
        let cases: Cases = serde_json::from_str(&text)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        for case in &cases.cases {
            let mut elements = cases.dataset.clone();
            elements.extend(case.dataset.clone());
            let file = dataset::file(&elements);
            let outcomes = engines
                .each_ref()
                .map(|(engine, rules)| run_on(rules, engine, case, &file));
            for (engine, outcome) in ENGINES.into_iter().zip(&outcomes) {
                found.extend(differences(engine, case, outcome));
            }
            let [rhai, wasm] = outcomes;
            if rhai != wasm {
                found.push(format!(
                    "{}: the engines differ: {:?}",
                    case.name,
                    (
                        (&rhai.end, &rhai.answers, &rhai.failure),
                        (&wasm.end, &wasm.answers, &wasm.failure),
                        rhai.bytes == wasm.bytes,
                    )
                ));
            }
            let may_change = case.kind == "anonymize" && case.writes != Vec::<String>::new();
            if !may_change && wasm.bytes != file {
                found.push(format!("{}: what only looks changed the file", case.name));
            }
            ran += 1;
        }
    }
    assert!(
        found.is_empty(),
        "{} of {ran} cases:\n{}",
        found.len(),
        found.join("\n")
    );
    assert!(ran > 50, "only {ran} cases were found");
}

/// What `tests/modules/route-wasm` is, as a script.
const ROUTE: &str = r#"
fn route(summary, ctx) {
    let why = `${ctx.project} ${ctx.subject} ${ctx.session} ${ctx.received} ${pseudonym::uid("1.2.3")}`;
    switch summary.wanted {
        "prearchive" => prearchive(why),
        "archive" => archive(why),
        "archive-overwrite" => archive_overwrite(why),
        "quarantine" => quarantine(why),
        "reject" => reject(why),
        "split" => split([
            #{ series: ["1.2.3", "1.2.4"], session: "E1_b", to: archive(why) },
            #{ series: ["1.2.5"], to: quarantine(why) },
        ]),
        _ => throw why
    }
}
"#;

#[test]
fn route_rules_decide_alike_and_know_the_same() {
    let [rhai, wasm] = [Rules::new(), Rules::new()];
    rhai.rhai("route-wasm", "route", &[], &[], ROUTE);
    wasm.fixture("route-wasm");
    let decided = |rules: &Rules, wanted: &str| {
        rules.site(r#"{ "route": { "module": "route-wasm" } }"#);
        let summary = json!({ "failed": 0, "wanted": wanted }).to_string();
        rules.pinned().route(&summary, &run(), &labels())
    };
    let why = format!(
        "DEMO S1 E1 20260102030405 {}",
        run().pseudonyms.uid("1.2.3")
    );
    type Made = fn(String) -> Decision;
    let decisions: [(&str, Made); 5] = [
        ("prearchive", Decision::Prearchive),
        ("archive", Decision::Archive),
        ("archive-overwrite", Decision::ArchiveOverwrite),
        ("quarantine", Decision::Quarantine),
        ("reject", Decision::Reject),
    ];
    for (wanted, expected) in decisions {
        let expected = Ok(expected(why.clone()));
        assert_eq!(decided(&rhai, wanted), expected);
        assert_eq!(decided(&wasm, wanted), expected);
    }
    let part = |series: &[&str], session: Option<&str>, decision: Made| Part {
        series: series.iter().map(ToString::to_string).collect(),
        session: session.map(ToOwned::to_owned),
        decision: decision(why.clone()),
    };
    let split = Ok(Decision::Split(vec![
        part(&["1.2.3", "1.2.4"], Some("E1_b"), Decision::Archive),
        part(&["1.2.5"], None, Decision::Quarantine),
    ]));
    assert_eq!(decided(&rhai, "split"), split);
    assert_eq!(decided(&wasm, "split"), split);
    for rules in [rhai, wasm] {
        let failure = decided(&rules, "nowhere").unwrap_err();
        assert_eq!(failure.code(), "rule-error");
        assert!(failure.to_string().ends_with(&why), "{failure}");
    }
}
