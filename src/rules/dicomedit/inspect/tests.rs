//! What a look at a script tells, and that it is quiet about what is good.

use crate::rules::dicomedit::{inspect::inspect, parse};

/// `line: message` of each problem, errors marked.
fn problems(script: &str) -> Vec<String> {
    let statements = parse(&format!("version \"6.6\"\n{script}")).unwrap();
    let problems = inspect(&statements).problems.into_iter();
    problems
        .map(|problem| {
            let mark = if problem.is_error { "!" } else { "" };
            format!("{mark}{}: {}", problem.position.line, problem.message)
        })
        .collect()
}

#[test]
fn what_fails_wherever_it_is_reached_is_an_error() {
    for (script, expected) in [
        (
            "echo (0010,00XX)",
            "!2: (0010,00XX) may be several elements",
        ),
        (
            "echo lowercase[*/(0010,0010)]",
            "!2: */(0010,0010) may be several",
        ),
        (
            "(0010,0010) ~ \"(\" ? echo",
            "!2: \"(\" is no regular expression",
        ),
        (
            "echo match[\"a\", \"(a)\", 2]",
            "!2: the expression has no group 2",
        ),
        ("removeTags[\"nonsense\"]", "!2: `nonsense` where a tag"),
        ("removeTags[{\"(0010,0010)\", {\"x y\"}}]", "!2: "),
        (
            "retainPrivateTags[(0010,0010)]",
            "!2: retainPrivateTags: (0010,0010) is public",
        ),
        (
            "delete[\"(0019,{A}01)\"]",
            "!2: (0019,{A}01): `set` and `delete` take the direct path",
        ),
        (
            "echo shiftDateByIncrement[\"20240101\", 1, \"weeks\"]",
            "!2: \"weeks\" is no unit",
        ),
        (
            "echo mapUID[\"1\", \"a.b\"]",
            "!2: \"a.b\" is no prefix of a UID",
        ),
        ("echo format[\"{x}\"]", "!2: format: the pattern holds {x}"),
        (
            "isPresent[\"(0010,0010)\"] ? echo",
            "!2: isPresent takes tag paths",
        ),
        (
            "alterPixels[\"rectangle\", \"l=0\", \"solid\", \"v=0\"]",
            "!2: alterPixels: a rectangle has l=, t=, r= and b=",
        ),
    ] {
        let found = problems(script);
        assert!(
            found.len() == 1 && found[0].starts_with(expected),
            "{script}\n{found:?}\n{expected}"
        );
    }
}

#[test]
fn what_looks_wrong_is_a_warning() {
    for (script, expected) in [
        (
            "echo subjekt",
            "2: the variable subjekt is never set: it has a value only where the import call has such a parameter (did you mean \"subject\"?)",
        ),
        (
            "name := \"a\"\necho nane",
            "3: the variable nane is never set",
        ),
        (
            "echo a\na := \"1\"",
            "2: the variable a is used before it is set, in line 3",
        ),
        ("a := \"1\"", "2: the variable a is set, and never used"),
        (
            "echo getURL[\"http://x\"]",
            "2: getURL fails unless geturl_hosts",
        ),
        (
            "PatientName := \"x\"",
            "2: PatientName is a variable here, and no element: that is written (0010,0010)",
        ),
        (
            "echo PatientID",
            "2: PatientID is a variable here, and no element: that is written (0010,0020)",
        ),
        (
            "mapReferencedUIDs[\"1.2\", \"PatientID\"]",
            "2: is skipped: ",
        ),
        (
            "reject[]\n- (0010,0010)",
            "3: never runs: line 2, column 1 rejects every file",
        ),
        (
            "true[] ? - (0010,0010) : - (0010,0020)",
            "2: never runs: the condition before holds for every file",
        ),
        (
            "if (\"a\" = \"b\") {\n- (0010,0010)\n}",
            "3: never runs: its condition holds for no file",
        ),
        (
            "if (project = \"a\") {\n- (0010,0010)\n} elseif (project = \"a\") {\n- (0010,0020)\n}",
            "5: never runs: an earlier branch has the same condition",
        ),
        (
            "project = \"a\" ? reject[] : reject[true[]]\n- (0010,0010)",
            "3: never runs",
        ),
    ] {
        let found = problems(script);
        assert!(
            found.iter().any(|problem| problem.starts_with(expected)),
            "{script}\n{found:?}\n{expected}"
        );
    }
}

#[test]
fn good_scripts_are_left_alone() {
    for script in [
        "project != \"Unassigned\" ? (0008,1030) := project\n(0010,0010) := subject\n(0010,0020) := SESSION",
        "l := {(0010,00XX), */(0010,1040), \"(0010,4000)\"}\nremoveTags[l]",
        "v := collectValues[*/(0010,0010), \"Doe\"]\nblankValues[v, \"no path\"]",
        "if (project = \"a\") { reject[] } elseif (project = \"b\") { reject[false[]] }\n- (0010,0010)",
        "(0008,0060) = \"CT\" ? x := \"1\" : x := \"2\"\n(0010,4000) := x",
        "set[\"(0019,0010)\", \"ACME\"]\nretainPrivateTags[(0019,{ACME}XX), \"*/(0021,{B}01)\"]",
        "hashUIDList[(0020,000D), {+/(0008,1155)}]\n(0008,0020) := shiftDateByIncrement[(0008,0020), -3]",
    ] {
        assert_eq!(problems(script), Vec::<String>::new(), "{script}");
    }
}
