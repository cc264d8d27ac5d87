//! The same misdeeds on both engines: each is stopped, with a code that `rules/codes.md` explains, whatever the
//! rule catches or answers; what it has edited is not kept by anyone, and the next run is as if it had not been.

use crate::support::*;
use sluice::rules::Verdict;
use sluice::rules::codes::CODES;

/// What is done, in Rhai, as a deed of `tests/modules/unruly`, and the code that comes of it.
const DEEDS: [(&str, &str, &str, &str); 13] = [
    ("an endless loop", "loop { }", "loop", "rule-too-long"),
    (
        "an endless loop that catches",
        "loop { try { loop { } } catch { } }",
        "loop",
        "rule-too-long",
    ),
    (
        "calls of the host without end",
        r#"loop { ds.get("StudyInstanceUID"); }"#,
        "flood",
        "rule-too-long",
    ),
    ("deep recursion", "deeper(0)", "recurse", "rule-too-deep"),
    (
        "deep recursion that catches",
        "try { deeper(0) } catch { }",
        "recurse",
        "rule-too-deep",
    ),
    (
        "memory",
        r#"let all = []; loop { let one = []; one.pad(1000, 1); all.push(one); }"#,
        "eat",
        "rule-too-large",
    ),
    (
        "memory, catching",
        r#"let all = []; loop { try { all.push([1, 2, 3]); all.pad(1000000, 1); } catch { } }"#,
        "eat",
        "rule-too-large",
    ),
    (
        "a string of 100 MB",
        r#"let text = "A"; text.pad(100000000, "A"); ds.set("PatientName", text);"#,
        "huge-string",
        "rule-too-large",
    ),
    (
        "a read, caught",
        r#"try { ds.get("PatientBirthDate"); } catch { }"#,
        "undeclared-read",
        "rule-undeclared-read",
    ),
    (
        "a write, caught",
        r#"try { ds.set("InstitutionName", "x"); } catch { }"#,
        "undeclared-write",
        "rule-undeclared-write",
    ),
    (
        "a table that is not there, caught",
        r#"try { pseudonym::lookup("nowhere", "1.2.3"); } catch { }"#,
        "lookup-nowhere",
        "rule-broke",
    ),
    (
        "an error of its own",
        r#"throw "told to err""#,
        "err",
        "rule-error",
    ),
    (
        "an answer of the wrong kind, and a trap",
        "return 3",
        "trap",
        "rule-broke",
    ),
];

const READS: [&str; 1] = ["StudyInstanceUID"];
const WRITES: [&str; 2] = ["PatientName", "StudyInstanceUID"];

fn rhai(code: &str) -> Rules {
    let rules = Rules::new();
    let code = format!(
        "fn deeper(n) {{ 1 + deeper(n + 1) }}
         fn anonymize(ds, ctx) {{ ds.set(\"StudyInstanceUID\", \"1.2\"); {code}; keep() }}"
    );
    rules.rhai("rule", "anonymize", &READS, &WRITES, &code);
    rules.site(r#"{ "anonymize": [{ "module": "rule" }] }"#);
    rules
}

fn unruly(deed: &str) -> Rules {
    let rules = Rules::new();
    rules.fixture("unruly");
    rules.site(&format!(
        r#"{{ "anonymize": [{{ "module": "unruly", "settings": {{ "do": "{deed}" }} }}] }}"#
    ));
    rules
}

#[test]
fn every_misdeed_is_stopped_with_its_code_on_both_engines() {
    let good = [rhai(""), unruly("edit")].map(|rules| rules.pinned());
    for (what, code, deed, expected) in DEEDS {
        assert!(
            CODES.iter().any(|code| code.code == expected),
            "{expected} is explained nowhere"
        );
        for rules in [rhai(code), unruly(deed)] {
            let set = rules.pinned();
            let failure = anonymize(&set, patient(), &run(), &labels())
                .verdict
                .unwrap_err();
            assert_eq!(failure.code(), expected, "{what}: {failure}");
        }
        for set in &good {
            let next = anonymize(set, patient(), &run(), &labels());
            assert_eq!(next.verdict, Ok(Verdict::Keep), "after {what}");
        }
    }
}

#[test]
fn misdeeds_at_once_disturb_nobody() {
    let good = [rhai(""), unruly("edit")].map(|rules| rules.pinned());
    let bad: Vec<_> = (DEEDS.iter())
        .flat_map(|(_, code, deed, _)| [rhai(code).pinned(), unruly(deed).pinned()])
        .collect();
    std::thread::scope(|scope| {
        for half in bad.chunks(bad.len() / 2) {
            scope.spawn(move || {
                for set in half {
                    assert!(
                        anonymize(set, patient(), &run(), &labels())
                            .verdict
                            .is_err()
                    );
                }
            });
        }
        for set in &good {
            scope.spawn(move || {
                let expected = anonymize(set, patient(), &run(), &labels())
                    .instance
                    .to_bytes()
                    .unwrap();
                for _ in 0..100 {
                    let done = anonymize(set, patient(), &run(), &labels());
                    assert_eq!(done.verdict, Ok(Verdict::Keep));
                    assert!(done.instance.to_bytes().unwrap() == expected);
                }
            });
        }
    });
}

#[test]
fn a_stack_in_the_guests_own_memory_ends_where_its_memory_begins() {
    let set = unruly("recurse-own").pinned();
    let failure = anonymize(&set, patient(), &run(), &labels())
        .verdict
        .unwrap_err();
    assert_eq!(failure.code(), "rule-broke", "{failure}");
}

/// Memory is pooled and put back page by page: nothing of a patient may be there for the next.
#[test]
fn a_run_finds_nothing_that_one_before_it_has_left() {
    let set = unruly("remember").pinned();
    for run_number in 0..20 {
        let done = anonymize(&set, patient(), &run(), &labels());
        assert_eq!(done.verdict, Ok(Verdict::Keep), "run {run_number}");
    }
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..20 {
                    let done = anonymize(&set, patient(), &run(), &labels());
                    assert_eq!(done.verdict, Ok(Verdict::Keep));
                }
            });
        }
    });
}

/// What rules have no business with, by what a script would call and by WASI's name for it.
const OUTSIDE: [(&str, &str, &str); 6] = [
    ("timestamp()", "wasi:clocks/monotonic-clock@0.2.6", "now"),
    ("sleep(1)", "wasi:clocks/wall-clock@0.2.6", "now"),
    ("rand()", "wasi:random/random@0.2.6", "get-random-u64"),
    (
        r#"open_file("/etc/passwd")"#,
        "wasi:filesystem/preopens@0.2.6",
        "get-directories",
    ),
    (
        r#"connect("localhost")"#,
        "wasi:sockets/instance-network@0.2.6",
        "instance-network",
    ),
    (
        r#"env("HOME")"#,
        "wasi:cli/environment@0.2.6",
        "get-environment",
    ),
];

#[test]
fn clock_chance_files_and_network_are_not_there() {
    for (call, interface, function) in OUTSIDE {
        let set = rhai(call).pinned();
        let failure = anonymize(&set, patient(), &run(), &labels())
            .verdict
            .unwrap_err();
        assert_eq!(failure.code(), "rule-error", "{call}: {failure}");
        assert!(
            failure.to_string().contains("Function not found"),
            "{call}: {failure}"
        );

        // A component is refused when it is loaded, before it can run.
        let rules = unruly("edit");
        rules.pinned();
        rules.write(
            "modules/unruly/rule.wasm",
            component_that_imports(interface, function),
        );
        let error = rules.pin().err().unwrap();
        assert_eq!(error.code(), "rules-code", "{interface}: {error}");
        assert!(error.to_string().contains(interface), "{error}");
    }
}

#[test]
fn what_would_lead_outside_does_not_compile() {
    for code in [
        r#"eval("1")"#,
        r#"import "x" as y"#,
        r#"print("x")"#,
        r#"debug("x")"#,
        "let f = |x| x",
        r#"Fn("anonymize")"#,
    ] {
        let error = rhai(code).pin().err().unwrap();
        assert_eq!(error.code(), "rules-code", "{code}: {error}");
        assert!(
            error.to_string().contains("line 2, column "),
            "{code}: {error}"
        );
    }
}

/// `(component (type (instance (type (func (result u64))) (export FUNCTION (func (type 0)))))
/// (import INTERFACE (instance (type 0))))` in the component model's binary format.
fn component_that_imports(interface: &str, function: &str) -> Vec<u8> {
    let name = |text: &str| [&[0, text.len() as u8], text.as_bytes()].concat();
    let section = |id: u8, body: Vec<u8>| [vec![id, body.len() as u8], body].concat();
    let instance = [
        &[1, 0x42, 2, 1, 0x40, 0, 0, 0x77, 4][..],
        &name(function),
        &[1, 0],
    ];
    let import = [&[1][..], &name(interface), &[5, 0]];
    let mut bytes = b"\0asm\x0D\0\x01\0".to_vec();
    bytes.extend(section(7, instance.concat()));
    bytes.extend(section(10, import.concat()));
    bytes
}
