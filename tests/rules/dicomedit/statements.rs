//! Versions, text before lexing, paths, values and variables, statements, conditions, order, errors.

use super::*;

#[test]
fn versions() {
    for version in ["6.0", "6.1", "6.2", "6.3", "6.4", "6.5", "6.6", "6.7"] {
        compile(&format!(
            "// a header\n\nversion \"{version}\"\nisPresent[(0010,0010)] ? (0010,0010) ?= true[]"
        ))
        .unwrap();
    }
    check_refusals(&[
        ("version \"6\"\n", "version \"6\" is none of DicomEdit's"),
        ("version \"6.8\"\n", "6.8"),
        ("version \"6.1\"\nversion \"5\"\n", "line 2"),
        ("- (0010,0010)\n", "no line begins with `version`"),
        (
            "a = \"b\" : - (0010,0010)\n",
            "line 1: `condition : action` is written `condition ? action`",
        ),
    ]);
}

#[test]
fn refusals_before_anything_runs() {
    check_refusals(&[
        (
            "version \"6.6\"\nproject = \"nobody\" ? x := nothing[]",
            "there is no function nothing",
        ),
        ("version \"6.6\"\nx := hashuid[\"a\"]", "hashUID"),
        ("version \"6.6\"\nx := urlEncode[\"a\"]", "urlEncode"),
        ("version \"6.6\"\n- (001x,0020)", "last digit"),
        ("version \"6.6\"\n- (001#,0010)", "needs its creator"),
        ("version \"6.6\"\n- (001@,{A}10)", "odd group"),
        ("version \"6.6\"\n- (0019,1010)", "needs its creator"),
        (
            "version \"6.6\"\nif (a = \"b\") { } else if (a = \"c\") { }",
            "elseif",
        ),
        ("version \"6.6\"\nif (a = \"b\") - (0010,0010)", "braces"),
        ("version \"6.6\"\n(0010,00XX) := \"a\"", "may be several"),
        (
            "version \"6.6\"\n(0008,1111)/(0008,1155) := \"a\"",
            "may be several",
        ),
        ("version \"6.6\"\n(0008,1111)[0] := \"a\"", "is an item"),
        ("version \"6.6\"\n(0002,0010) := \"1.2\"", "Sluice keeps"),
        ("version \"6.6\"\n- (7FE0,0010)", "Sluice keeps"),
        ("version \"6.6\"\nx := lowercase[]", "takes 1 argument"),
        ("version \"6.6\"\nx := lookup[\"a\"]", "takes 2 arguments"),
        ("version \"6.6\"\nx := \"\\d\"", "backslash"),
    ]);
}

#[test]
fn text_before_lexing() {
    check(&[
        Case {
            says: "a line that ends in a backslash goes on in the next, inside strings too",
            script: "(0010,0010) := \"a\\\n  b\"",
            before: &[],
            after: &[("(0010,0010)", Is("a  b"))],
        },
        Case {
            says: "// in a string, and behind http:, is no comment",
            script: "(0010,0010) := \"a//b\" // (0010,0010) := \"c\"\n(0010,0020) := \"https://x\"\n//* (0010,0020) := \"d\" */",
            before: &[],
            after: &[
                ("(0010,0010)", Is("a//b")),
                ("(0010,0020)", Is("https://x")),
            ],
        },
        Case {
            says: "a comment takes what is joined to its line",
            script: "// c \\\n(0010,0010) := \"a\"\n(0010,0020) := \"b\"",
            before: &[],
            after: &[("(0010,0010)", Is("Doe^John")), ("(0010,0020)", Is("b"))],
        },
        Case {
            says: "CR LF works",
            script: "(0010,0010) := \"a\"\r\n(0010,0020) := \"b\"\r\n",
            before: &[],
            after: &[("(0010,0010)", Is("a")), ("(0010,0020)", Is("b"))],
        },
        Case {
            says: "of what follows a backslash only a second one is decoded",
            script: "(0008,0008) := \"A\\\\B\"\n(0010,4000) := \"a\\nb\"",
            before: &[],
            after: &[("(0008,0008)", Is("A\\B")), ("(0010,4000)", Is("a\\nb"))],
        },
    ]);
}

#[test]
fn paths() {
    let nested = &[
        ("(0008,1111)[0]/(0008,1155)", "1.1"),
        ("(0008,1111)[1]/(0008,1155)", "1.2"),
        ("(0008,1111)[1]/(0040,A170)[0]/(0008,1155)", "1.3"),
        ("(0008,1155)", "1.0"),
    ];
    check(&[
        Case {
            says: "* is any depth",
            script: "- */(0008,1155)",
            before: nested,
            after: &[
                ("(0008,1155)", Absent),
                ("(0008,1111)[0]/(0008,1155)", Absent),
                ("(0008,1111)[1]/(0040,A170)[0]/(0008,1155)", Absent),
                ("(0008,1111)[1]/(0040,A170)", Is("")),
            ],
        },
        Case {
            says: "+ is any depth but the top",
            script: "- +/(0008,1155)",
            before: nested,
            after: &[
                ("(0008,1155)", Is("1.0")),
                ("(0008,1111)[0]/(0008,1155)", Absent),
                ("(0008,1111)[1]/(0040,A170)[0]/(0008,1155)", Absent),
            ],
        },
        Case {
            says: ". is one level",
            script: "- ./(0008,1155)",
            before: nested,
            after: &[
                ("(0008,1155)", Is("1.0")),
                ("(0008,1111)[0]/(0008,1155)", Absent),
                ("(0008,1111)[1]/(0040,A170)[0]/(0008,1155)", Is("1.3")),
            ],
        },
        Case {
            says: "items count from 0; none and % are every item",
            script: "(0008,1111)[1]/(0008,1155) := \"2.2\"\n(0008,1111)[%]/(0008,1150) ?= \"x\"\n- (0008,1111)/(0040,A170)",
            before: nested,
            after: &[
                ("(0008,1111)[0]/(0008,1155)", Is("1.1")),
                ("(0008,1111)[1]/(0008,1155)", Is("2.2")),
                ("(0008,1111)[1]/(0040,A170)", Absent),
            ],
        },
        Case {
            says: "digit wildcards: X any, @ even, # odd; none reaches into sequences",
            script: "- (0010,00X0)\n- (0008,115#)\n- (00@0,000D)",
            before: nested,
            after: &[
                ("(0010,0010)", Absent),
                ("(0010,0020)", Absent),
                ("(0008,1155)", Absent),
                ("(0008,1111)[0]/(0008,1155)", Is("1.1")),
                ("(0020,000D)", Absent),
                ("(0020,000E)", Is("1.2.3.5")),
            ],
        },
        Case {
            says: "a creator matches exactly, in every block that it has",
            script: "- (0019,{ACME 1.0}01)\n- (0019,{acme 2}01)",
            before: &[
                ("(0019,0010)", "ACME 1.0"),
                ("(0019,1001)", "a"),
                ("(0019,1002)", "b"),
                ("(0019,0011)", "ACME 2"),
                ("(0019,1101)", "c"),
                ("(0019,0012)", "ACME 1.0"),
                ("(0019,1201)", "d"),
            ],
            after: &[
                ("(0019,1001)", Absent),
                ("(0019,1002)", Is("b")),
                ("(0019,1101)", Is("c")),
                ("(0019,1201)", Absent),
                ("(0019,0012)", Is("ACME 1.0")),
            ],
        },
        Case {
            says: "each private creator is resolved in its own item",
            script: "(0008,1111)[0]/(0019,{ACME}01) ?= \"x\"",
            before: &[
                ("(0019,0010)", "OTHER"),
                ("(0008,1111)[0]/(0019,0020)", "ACME"),
                ("(0008,1111)[0]/(0019,2001)", "a"),
            ],
            after: &[("(0008,1111)[0]/(0019,2001)", Is("x"))],
        },
        Case {
            says: "groups of 8000 and up are ordinary",
            script: "(F000,0010) := \"a\"\n- (F002,0010)",
            before: &[("(F000,0010)", "x"), ("(F002,0010)", "y")],
            after: &[("(F000,0010)", Is("a")), ("(F002,0010)", Absent)],
        },
    ]);
}

#[test]
fn values_and_variables() {
    check(&[
        Case {
            says: "a tag as a value is its content then, whatever comes later",
            script: "n := (0010,0010)\n(0010,0010) := \"x\"\n(0010,4000) := n",
            before: &[],
            after: &[("(0010,0010)", Is("x")), ("(0010,4000)", Is("Doe^John"))],
        },
        Case {
            says: "a list holds paths, not contents",
            script: "l := {\n(0010,0010),\n\"z\"}\n(0010,0010) := \"new\"\n(0010,4000) := format[\"{0}-{1}\", l]",
            before: &[],
            after: &[("(0010,4000)", Is("new-z"))],
        },
        Case {
            says: "several values are joined by a backslash",
            script: "(0010,4000) := (0008,0008)",
            before: &[("(0008,0008)", "A\\B")],
            after: &[("(0010,4000)", Is("A\\B"))],
        },
        Case {
            says: "numbers are read in decimal, without a needless .0",
            script: "(0010,4000) := concatenate[(0028,0010), \"/\", (0018,9306)]",
            before: &[("(0028,0010)", "512"), ("(0018,9306)", "30.0")],
            after: &[("(0010,4000)", Is("512/30"))],
        },
        Case {
            says: "UN and OB are read as text",
            script: "(0010,4000) := (0019,{ACME}01)",
            before: &[("(0019,0010)", "ACME"), ("(0019,1001)", "abc")],
            after: &[("(0010,4000)", Is("abc"))],
        },
        Case {
            says: "context variables, and the call's parameters whatever the case",
            script: "(0010,4000) := format[\"{0}/{1}/{2}/{3}\", project, subject, session, VISIT]\nproject := \"p\"\n(0008,1030) := project",
            before: &[],
            after: &[
                ("(0010,4000)", Is("DEMO/S1/E1/V7")),
                ("(0008,1030)", Is("p")),
            ],
        },
        Case {
            says: "a variable set in a branch is seen after it",
            script: "project = \"DEMO\" ? v := \"a\" : v := \"b\"\nif (v = \"a\") {\n w := \"c\"\n}\n(0010,4000) := concatenate[v, w]",
            before: &[],
            after: &[("(0010,4000)", Is("ac"))],
        },
        Case {
            says: "describe, export and version do nothing",
            script: "describe v \"a text\"\ndescribe v hidden\ndescribe v const\nexport v \"f\"\nversion \"6.1\"\necho",
            before: &[],
            after: &[("(0010,0010)", Is("Doe^John"))],
        },
        Case {
            says: "XNAT's own site script",
            script: "project != \"Unassigned\" ? (0008,1030) := project\n(0010,0010) := subject\n(0010,0020) := session",
            before: &[],
            after: &[
                ("(0008,1030)", Is("DEMO")),
                ("(0010,0010)", Is("S1")),
                ("(0010,0020)", Is("E1")),
            ],
        },
    ]);
    check_failures(&[
        (
            "(0010,0010) := nobody",
            "line 2, column 16: the variable nobody has no value",
        ),
        ("x := (0010,00XX)", "may be several elements"),
        ("(0010,0010) := {\"a\"}", "a list stands where a text"),
        ("x := removeTags[]", "answers nothing"),
    ]);
}

#[test]
fn assignments() {
    check(&[
        Case {
            says: "an absent source changes nothing",
            script: "(0010,0010) := (0010,2154)\n(0010,4000) := (0010,2154)\n(0010,0020) := (0008,1111)[3]/(0008,1155)",
            before: &[],
            after: &[
                ("(0010,0010)", Is("Doe^John")),
                ("(0010,4000)", Absent),
                ("(0010,0020)", Is("4711")),
                ("(0008,1111)", Absent),
            ],
        },
        Case {
            says: "sequences and items are made, empty ones up to the number",
            script: "(0008,1111)[2]/(0040,A170)[0]/(0008,1155) := \"1.2\"",
            before: &[],
            after: &[
                ("(0008,1111)[0]/(0008,1155)", Absent),
                ("(0008,1111)[2]/(0040,A170)[0]/(0008,1155)", Is("1.2")),
            ],
        },
        Case {
            says: "a private target finds its creator, or gets the first free block",
            script: "(0019,{ACME}01) := \"a\"\n(0019,{NEW}02) := \"b\"\n(0021,{NEW}02) := \"c\"",
            before: &[("(0019,0010)", "OTHER"), ("(0019,0011)", "ACME")],
            after: &[
                ("(0019,1101)", Is("a")),
                ("(0019,0012)", Is("NEW")),
                ("(0019,1202)", Is("b")),
                ("(0021,0010)", Is("NEW")),
                ("(0021,1002)", Is("c")),
            ],
        },
        Case {
            says: "nothing is validated or cut",
            script: "(0010,0030) := \"if\"\n(0008,0060) := \"lower case, and longer than sixteen\"",
            before: &[],
            after: &[
                ("(0010,0030)", Is("if")),
                ("(0008,0060)", Is("lower case, and longer than sixteen")),
            ],
        },
        Case {
            says: "numbers are parsed, each of several values",
            script: "(0018,9306) := \"30.0\"\n(0028,0010) := \"512\"\n(0028,3002) := \"1\\\\2\\\\3\"",
            before: &[],
            after: &[
                ("(0018,9306)", Is("30")),
                ("(0028,0010)", Is("512")),
                ("(0028,3002)", Is("1\\2\\3")),
            ],
        },
        Case {
            says: "the empty text makes an empty element",
            script: "(0010,0010) := \"\"\n(0010,4000) := \"\"",
            before: &[],
            after: &[("(0010,0010)", Is("")), ("(0010,4000)", Is(""))],
        },
        Case {
            says: "a sequence as target becomes an empty sequence",
            script: "(0008,1111) := \"x\"\n(0040,A170) := \"y\"",
            before: &[("(0008,1111)[0]/(0008,1155)", "1.1")],
            after: &[
                ("(0008,1111)", Is("")),
                ("(0008,1111)[0]/(0008,1155)", Absent),
                ("(0040,A170)", Is("")),
            ],
        },
        Case {
            says: "?= sets what is there, wildcards too, and makes nothing",
            script: "*/(0008,1155) ?= \"9\"\n(0010,00X0) ?= \"7\"\n(0010,4000) ?= \"x\"\n(0010,0010) ?= (0010,2154)",
            before: &[("(0008,1111)[0]/(0008,1155)", "1.1")],
            after: &[
                ("(0008,1111)[0]/(0008,1155)", Is("9")),
                ("(0008,1155)", Absent),
                ("(0010,0010)", Is("7")),
                ("(0010,0020)", Is("7")),
                ("(0010,4000)", Absent),
            ],
        },
        Case {
            says: "the last assignment wins",
            script: "(0010,0010) := \"a\"\n(0010,0010) := \"b\"",
            before: &[],
            after: &[("(0010,0010)", Is("b"))],
        },
    ]);
    check_failures(&[
        ("(0028,0010) := \"many\"", "US takes a number"),
        ("(0028,0010) := \"30.5\"", "US takes a number"),
        ("(0010,0010) := \"Müller\"", "character set"),
        (
            "(0008,1111)[4000000000]/(0008,1155) := \"1\"",
            "can't be the next",
        ),
    ]);
    let ran = run_on(
        with(&[("(0008,1111)[0]/(0008,1155)", "1")]),
        "version \"6.6\"\n(0019,{A}01) := \"x\"\n(0010,0010) ?= \"y\"",
    );
    let mut host = host_of(reread(&ran.instance));
    assert_eq!(host.vr("(0019,1001)").as_deref(), Some("UN"));
    assert_eq!(host.vr("(0010,0010)").as_deref(), Some("PN"));
}

#[test]
fn deletions() {
    let private = &[
        ("(0008,1111)[0]/(0008,1155)", "1.1"),
        ("(0008,1111)[1]/(0008,1155)", "1.2"),
        ("(0008,1111)[2]/(0008,1155)", "1.3"),
        ("(0008,1111)[2]/(0019,0010)", "ACME"),
        ("(0008,1111)[2]/(0019,1001)", "p"),
        ("(0019,0010)", "ACME"),
        ("(0019,1001)", "q"),
    ];
    check(&[
        Case {
            says: "what is absent is no error",
            script: "- (0010,2154)\n- */(0019,{NOBODY}XX)",
            before: &[],
            after: &[],
        },
        Case {
            says: "a sequence goes whole, by [%] too",
            script: "- (0008,1111)[%]",
            before: private,
            after: &[("(0008,1111)", Absent)],
        },
        Case {
            says: "[n] empties the item, which stays",
            script: "- (0008,1111)[1]\n- (0008,1111)[0]/(0008,1155)",
            before: private,
            after: &[
                ("(0008,1111)[0]/(0008,1155)", Absent),
                ("(0008,1111)[1]/(0008,1155)", Absent),
                ("(0008,1111)[2]/(0008,1155)", Is("1.3")),
            ],
        },
        Case {
            says: "creators stay, even of empty blocks",
            script: "- */(0019,{ACME}XX)",
            before: private,
            after: &[
                ("(0019,1001)", Absent),
                ("(0019,0010)", Is("ACME")),
                ("(0008,1111)[2]/(0019,1001)", Absent),
                ("(0008,1111)[2]/(0019,0010)", Is("ACME")),
            ],
        },
        Case {
            says: "removeAllPrivateTags takes creators too, at any depth",
            script: "removeAllPrivateTags",
            before: private,
            after: &[
                ("(0019,1001)", Absent),
                ("(0019,0010)", Absent),
                ("(0008,1111)[2]/(0019,1001)", Absent),
                ("(0008,1111)[2]/(0019,0010)", Absent),
                ("(0008,1111)[2]/(0008,1155)", Is("1.3")),
            ],
        },
    ]);
}

#[test]
fn conditions() {
    check(&[
        Case {
            says: "= and != compare text; ~ and !~ are whole matches",
            script: "(0008,0060) = \"CT\" ? a := \"1\" : a := \"0\"\n(0008,0060) != \"CT\" ? b := \"1\" : b := \"0\"\n(0008,103E) ~ \"T1\" ? c := \"1\" : c := \"0\"\n(0008,103E) ~ \"T1.*\" ? d := \"1\" : d := \"0\"\n(0008,103E) !~ \"T1\" ? e := \"1\" : e := \"0\"\n\"1\" = 1.0 ? f := \"1\" : f := \"0\"\n(0010,4000) := concatenate[a,b,c,d,e,f]",
            before: &[],
            after: &[("(0010,4000)", Is("100110"))],
        },
        Case {
            says: "what is absent equals nothing and matches nothing",
            script: "(0010,2154) = \"\" ? a := \"1\" : a := \"0\"\n(0010,2154) != \"\" ? b := \"1\" : b := \"0\"\n(0010,2154) ~ \".*\" ? c := \"1\" : c := \"0\"\n(0010,2154) !~ \".*\" ? d := \"1\" : d := \"0\"\n\"a\" = (0010,2154) ? e := \"1\" : e := \"0\"\n\"a\" != (0010,2154) ? f := \"1\" : f := \"0\"\n(0010,4000) := concatenate[a,b,c,d,e,f]",
            before: &[],
            after: &[("(0010,4000)", Is("010101"))],
        },
        Case {
            says: "the first branch that holds runs; blocks nest; lines may hold several statements",
            script: "if((0008,0060) = \"MR\") { x := \"a\" } elseif ((0008,0060) ~ \"C.\")\n{\n\tif (project = \"DEMO\") { x := \"b\" y := \"c\" }\n}\nelseif ((0008,0060) = \"CT\") {\n x := \"d\"\n} else { x := \"e\" }\n(0010,4000) := concatenate[x, y]",
            before: &[],
            after: &[("(0010,4000)", Is("bc"))],
        },
        Case {
            says: "conditions see what was done before",
            script: "(0008,0060) := \"MR\"\n(0008,0060) = \"MR\" ? - (0010,0010) : (0010,0010) := \"x\"",
            before: &[],
            after: &[("(0010,0010)", Absent)],
        },
        Case {
            says: "a call is a condition by itself, and an action of one",
            script: "isPresent[(0010,0010)] ? removeTags[(0010,0020)] : removeTags[(0010,0010)]\nismatch[\"a\", \"b\"] ? - (0010,0010)\nlowercase[\"TRUE\"] ? - (0010,0030)",
            before: &[],
            after: &[
                ("(0010,0010)", Is("Doe^John")),
                ("(0010,0020)", Absent),
                ("(0010,0030)", Absent),
            ],
        },
        Case {
            says: "Java's regular expressions",
            script: "(0010,0010) ~ \"(?i)doe\\\\^(?!jane).*\" ? a := \"1\" : a := \"0\"\n(0010,0020) ~ \"\\\\d{4}\" ? b := \"1\" : b := \"0\"\n(0010,4000) := concatenate[a, b]",
            before: &[],
            after: &[("(0010,4000)", Is("11"))],
        },
    ]);
    check_failures(&[
        (
            "\"a\" ~ \"(\" ? echo",
            "line 2, column 1: \"(\" is no regular expression",
        ),
        (
            "\"a\" ~ (0010,2154) ? echo",
            "the regular expression is absent",
        ),
        (
            "normalizeString[(0010,2154)] ? echo",
            "neither true nor false",
        ),
        ("removeTags[(0010,2154)] ? echo", "neither true nor false"),
    ]);
}

#[test]
fn file_meta_information() {
    let instance = with(&[
        ("(0002,0016)", "STATION"),
        ("(0002,0012)", "1.2.3.4.5"),
        ("(0002,0013)", "SCANNER"),
    ]);
    let script = "version \"6.6\"\n(0010,4000) := (0002,0016)\n- (0002,0016)\nhashUIDList[(0002,0012)]\n(0008,0018) := \"1.9.8\"";
    let ran = run_on(instance, script);
    assert_eq!(ran.verdict, Ok(Verdict::Keep));
    let mut host = host_of(reread(&ran.instance));
    for (path, expected) in [
        ("(0010,4000)", Some("STATION")),
        ("(0002,0016)", None),
        (
            "(0002,0012)",
            Some("2.25.281097975800109040096884226991818420711"),
        ),
        ("(0002,0013)", Some("SCANNER")),
        ("(0002,0003)", Some("1.9.8")),
        ("(0002,0010)", Some("1.2.840.10008.1.2.1")),
    ] {
        assert_eq!(host.get(path).as_deref(), expected, "{path}");
    }
}

#[test]
fn echo_goes_to_the_trace() {
    let ran = run_on(
        patient(),
        "version \"6.6\"\necho \"a\"\necho (0010,0020)\necho (0010,2154)",
    );
    assert_eq!(ran.echoes, ["a", "4711", "null"]);
}

#[test]
fn nothing_passes_from_file_to_file() {
    let script = "version \"6.6\"\n(0010,0020) = \"4711\" ? v := \"set\"\n(0010,4000) := v";
    assert_eq!(run_on(patient(), script).verdict, Ok(Verdict::Keep));
    let other = run_on(with(&[("(0010,0020)", "12")]), script);
    assert!(other.verdict.unwrap_err().contains("v has no value"));
}

#[test]
fn limits_stop_a_script() {
    let mut script = "version \"6.6\"\na := \"0123456789\"\n".to_owned();
    script.push_str(&"a := concatenate[a, a, a, a, a, a, a, a]\n".repeat(12));
    let stopped = run_on(patient(), &script).verdict.unwrap_err();
    assert!(
        stopped.contains("longer than a script may hold"),
        "{stopped}"
    );
    let mut script = "version \"6.6\"\nl := {\"a\"}\n".to_owned();
    script.push_str(&"l := {l, l, l, l, l, l, l, l}\n".repeat(12));
    script.push_str("blankValues[l]");
    let stopped = run_on(patient(), &script).verdict.unwrap_err();
    assert!(stopped.contains("a list of more than"), "{stopped}");
}
