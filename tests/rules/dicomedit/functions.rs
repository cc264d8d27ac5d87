//! The functions of 6.0 to 6.7.

use super::*;

#[test]
fn text() {
    check(&[
        Case {
            says: "texts",
            script: "(0010,4000) := concatenate[\"a\", 1, (0010,0020), lowercase[\"B\"], uppercase[\"c\"], substring[\"abcdef\", 1, 3], replace[\"a.b.c\", \".\", \"-\"]]",
            before: &[],
            after: &[("(0010,4000)", Is("a14711bCbca-b-c"))],
        },
        Case {
            says: "format",
            script: "(0010,4000) := format[\"it''s '{0}' {1}{0}{2}\", \"a\", {\"b\", (0010,2154)}]",
            before: &[],
            after: &[("(0010,4000)", Is("it's {0} banull"))],
        },
        Case {
            says: "match searches and answers a group; no hit is nothing",
            script: "(0010,4000) := match[\"ab12cd34\", \"([a-z]+)(\\\\d+)\", 2]\n(0010,0010) := match[\"ab\", \"\\\\d\", 0]",
            before: &[],
            after: &[("(0010,4000)", Is("12")), ("(0010,0010)", Is("Doe^John"))],
        },
        Case {
            says: "ismatch is whole, and prints",
            script: "(0010,4000) := format[\"{0} {1}\", ismatch[\"ab\", \"a\"], ismatch[\"ab\", \"a.\"]]",
            before: &[],
            after: &[("(0010,4000)", Is("false true"))],
        },
        Case {
            says: "normalizeString",
            script: "(0010,0010) := normalizeString[(0010,0010)]\n(0010,0020) := normalizeString[\"Straße\", \"ss\"]\n(0010,0030) := normalizeString[(0010,2154)]",
            before: &[
                ("(0008,0005)", "ISO_IR 192"),
                ("(0010,0010)", "Müller^Jörg"),
            ],
            after: &[
                ("(0010,0010)", Is("M_ller^J_rg")),
                ("(0010,0020)", Is("Strasse")),
                ("(0010,0030)", Is("19700102")),
            ],
        },
        Case {
            says: "isPresent: empty counts, items count, all must be there",
            script: "l := {(0010,0010), (0010,2000)}\n(0010,4000) := format[\"{0} {1} {2} {3} {4}\", isPresent[l], isPresent[(0010,0010), (0010,2154)], isPresent[(0008,1111)[0]], isPresent[(0008,1111)[1]], isPresent[]]",
            before: &[("(0010,2000)", ""), ("(0008,1111)[0]/(0008,1155)", "1")],
            after: &[("(0010,4000)", Is("true false true false true"))],
        },
        Case {
            says: "true, false, and a key that no table has",
            script: "(0010,4000) := format[\"{0} {1}\", true[], false[]]\n(0010,0010) := lookup[\"a\", \"b\"]",
            before: &[],
            after: &[
                ("(0010,4000)", Is("true false")),
                ("(0010,0010)", Is("Doe^John")),
            ],
        },
    ]);
    check_failures(&[
        (
            "x := lowercase[(0010,2154)]",
            "line 2, column 6: lowercase: an argument is absent",
        ),
        (
            "x := concatenate[\"a\", (0010,2154)]",
            "concatenate: an argument is absent",
        ),
        ("x := substring[\"abc\", 1, 9]", "is not in a text of 3"),
        ("x := substring[\"abc\", -1, 2]", "numbers from 0"),
        ("x := replace[(0010,2154), \"a\", \"b\"]", "absent"),
        ("x := match[(0010,2154), \"a\", 0]", "absent"),
        ("x := format[\"{0\", \"a\"]", "without its `}`"),
        ("x := isPresent[\"(0010,0010)\"]", "takes tag paths"),
        ("x := isPresent[(0010,00XX)]", "may be several"),
        ("x := getURL[\"http://localhost/\"]", "getURL is off"),
    ]);
}

#[test]
fn uids() {
    check(&[
        Case {
            says: "hashUID has the published values, unkeyed",
            script: "(0008,0018) := hashUID[\"1.2.3.4.5\"]\n(0020,000D) := hashUID[(0020,000D), \"SHA1\"]\n(0020,000E) := hashUID[(0010,2154)]\n(0020,000D) := hashUID[\"1.2.3.4.5.6\"]",
            before: &[],
            after: &[
                (
                    "(0008,0018)",
                    Is("2.25.281097975800109040096884226991818420711"),
                ),
                (
                    "(0020,000D)",
                    Is("2.25.262228503153619312954819897114011402300"),
                ),
                ("(0020,000E)", Is("1.2.3.5")),
            ],
        },
        Case {
            says: "hashUIDList: in place, each value by itself, wildcards and lists",
            script: "hashUIDList[{*/(0008,1155), {(0020,000D)}}, (0010,2154)]",
            before: &[
                ("(0008,1111)[0]/(0008,1155)", "1.2.3.4.5"),
                ("(0008,1111)[1]/(0008,1155)", "1.2.3.4.5\\1.2.3.4.5.6"),
                ("(0020,000D)", "1.2.3.4.5.6"),
            ],
            after: &[
                (
                    "(0008,1111)[0]/(0008,1155)",
                    Is("2.25.281097975800109040096884226991818420711"),
                ),
                (
                    "(0008,1111)[1]/(0008,1155)",
                    Is(
                        "2.25.281097975800109040096884226991818420711\\2.25.262228503153619312954819897114011402300",
                    ),
                ),
                (
                    "(0020,000D)",
                    Is("2.25.262228503153619312954819897114011402300"),
                ),
            ],
        },
    ]);
    check_failures(&[
        (
            "(0008,0018) := mapUID[(0008,0018), \"1.2.840.1234567890123456789\"]",
            "at most 24 characters",
        ),
        (
            "mapReferencedUIDs[\"a\", \"(0020,000D)\"]",
            "no prefix of a UID",
        ),
    ]);
}

#[test]
fn new_and_mapped_uids_are_keyed() {
    let get = |script: &str, instance: Instance, path: &str| {
        let ran = run_on(instance, &format!("version \"6.6\"\n{script}"));
        assert_eq!(ran.verdict, Ok(Verdict::Keep), "{script}");
        element(ran.instance, path).unwrap()
    };
    let two = "(0020,000D) := newUID[]\n(0020,000E) := newUID[]";
    let (study, series) = (
        get(two, patient(), "(0020,000D)"),
        get(two, patient(), "(0020,000E)"),
    );
    assert_ne!(study, series, "each evaluation has its own");
    assert_eq!(
        study,
        get(two, patient(), "(0020,000D)"),
        "and the same again for the file"
    );
    let other = with(&[("(0008,0018)", "1.2.3.99")]);
    assert_ne!(
        study,
        get(two, other, "(0020,000D)"),
        "another file has another"
    );

    let map = "(0020,000D) := mapUID[(0020,000D), \"1.2.3\"]\nmapReferencedUIDs[\"1.2.3\", \"*/(0008,1155)\", \"no path\", \"(0008,0018)\"]";
    let instance = || {
        with(&[
            ("(0008,1111)[0]/(0008,1155)", "1.2.3"),
            ("(0008,1140)[0]/(0008,1155)", "1.2.3"),
        ])
    };
    let mapped = get(map, instance(), "(0020,000D)");
    assert!(mapped.starts_with("1.2.3.") && mapped.len() <= 64);
    assert_eq!(mapped, get(map, instance(), "(0008,1111)[0]/(0008,1155)"));
    assert_eq!(mapped, get(map, instance(), "(0008,1140)[0]/(0008,1155)"));
    assert_ne!(mapped, get(map, instance(), "(0008,0018)"));
}

#[test]
fn dates() {
    check(&[
        Case {
            says: "shiftDateByIncrement answers a text; days unless said",
            script: "(0010,0030) := shiftDateByIncrement[(0010,0030), -2]\n(0008,0020) := shiftDateByIncrement[\"20240228\", \"1\", \"YEARS\"]",
            before: &[],
            after: &[
                ("(0010,0030)", Is("19691231")),
                ("(0008,0020)", Is("20250227")),
            ],
        },
        Case {
            says: "shiftDateTimeByIncrement answers a text, in seconds unless said, precision, fraction and zone kept",
            script: "(0008,002A) := shiftDateTimeByIncrement[(0008,002A), 1]\nshiftDateTimeByIncrement[(0008,0020), 86400]\n(0010,4000) := shiftDateTimeByIncrement[\"2024\", 200, \"days\"]",
            before: &[
                ("(0008,002A)", "20231231235959.123456+0100"),
                ("(0008,0020)", "20240101"),
            ],
            after: &[
                ("(0008,002A)", Is("20240101000000.123456+0100")),
                ("(0008,0020)", Is("20240101")),
                ("(0010,4000)", Is("2025")),
            ],
        },
        Case {
            says: "shiftDateTimeSequenceByIncrement: in place, seconds; what is no date stays",
            script: "shiftDateTimeSequenceByIncrement[86400, \"*/(0008,0020)\", \"(0008,002A)\", \"(0010,4000)\"]",
            before: &[
                ("(0008,0020)", "20240101"),
                ("(0008,1111)[0]/(0008,0020)", "20240229"),
                ("(0008,002A)", ""),
                ("(0010,4000)", "yesterday"),
            ],
            after: &[
                ("(0008,0020)", Is("20240102")),
                ("(0008,1111)[0]/(0008,0020)", Is("20240301")),
                ("(0008,002A)", Is("")),
                ("(0010,4000)", Is("yesterday")),
            ],
        },
        Case {
            says: "shiftDateTimeListByIncrement: in place, what is empty stays",
            script: "shiftDateTimeListByIncrement[{(0008,0020), (0008,0021)}, 1, \"days\"]",
            before: &[("(0008,0020)", "20240101"), ("(0008,0021)", "")],
            after: &[("(0008,0020)", Is("20240102")), ("(0008,0021)", Is(""))],
        },
        Case {
            says: "who is older than 89 becomes 89, everywhere",
            script: "scalePatientAgeAndDobFromStudyDate[]",
            before: &[
                ("(0008,0020)", "20000131"),
                ("(0010,0030)", "19000101"),
                ("(0010,1010)", "100Y"),
                ("(0008,1111)[0]/(0010,0030)", "19000101"),
            ],
            after: &[
                ("(0010,0030)", Is("19110201")),
                ("(0010,1010)", Is("089Y")),
                ("(0008,1111)[0]/(0010,0030)", Is("19110201")),
            ],
        },
        Case {
            says: "who is younger stays, and months are no years",
            script: "scalePatientAgeAndDobFromStudyDate[]",
            before: &[("(0008,0020)", "20000131"), ("(0010,1010)", "100M")],
            after: &[("(0010,0030)", Is("19700102")), ("(0010,1010)", Is("100M"))],
        },
        Case {
            says: "without a study date nothing is done at all",
            script: "scalePatientAgeAndDobFromStudyDate[]",
            before: &[("(0010,0030)", "18000101"), ("(0010,1010)", "100Y")],
            after: &[("(0010,0030)", Is("18000101")), ("(0010,1010)", Is("100Y"))],
        },
    ]);
    check_failures(&[
        (
            "x := shiftDateByIncrement[(0008,0020), 1]",
            "an argument is absent",
        ),
        (
            "x := shiftDateByIncrement[(0010,0020), 1]",
            "is of VR LO, and no date",
        ),
        ("x := shiftDateByIncrement[\"1 May\", 1]", "is no date"),
        (
            "x := shiftDateByIncrement[\"20240101\", 1.5]",
            "whole number",
        ),
        (
            "x := shiftDateByIncrement[\"20240101\", 1, \"weeks\"]",
            "is no unit",
        ),
        (
            "shiftDateTimeListByIncrement[(0010,0030), 1, \"days\"]",
            "is a list of paths",
        ),
        (
            "shiftDateTimeListByIncrement[{(0010,0010)}, 1, \"days\"]",
            "holds no date",
        ),
    ]);
}

#[test]
fn bulk_edits() {
    check(&[
        Case {
            says: "removeTags takes paths, texts, variables and lists in lists",
            script: "l := {(0010,0010), {\"(0010,0020)\"}}\nremoveTags[l, */(0008,1155)]",
            before: &[("(0008,1111)[0]/(0008,1155)", "1")],
            after: &[
                ("(0010,0010)", Absent),
                ("(0010,0020)", Absent),
                ("(0008,1111)[0]/(0008,1155)", Absent),
            ],
        },
        Case {
            says: "set and delete take direct paths, creators too",
            script: "set[\"(0019,0010)\", \"ACME\"]\nset[\"(0008,1111)[1]/(0008,1155)\", \"1.5\"]\n(0019,{ACME}01) ?= \"found\"\ndelete[\"(0021,0010)\"]\ndelete[\"(0010,2154)\"]",
            before: &[("(0019,1001)", "lost"), ("(0021,0010)", "OLD")],
            after: &[
                ("(0019,0010)", Is("ACME")),
                ("(0019,1001)", Is("found")),
                ("(0008,1111)[1]/(0008,1155)", Is("1.5")),
                ("(0021,0010)", Absent),
            ],
        },
        Case {
            says: "blankValues blanks what equals a text whole, at any depth, in any VR",
            script: "v := collectValues[(0010,0010), \"1\", {*/(0010,0020)}, (0010,2154)]\n(0010,0010) := \"changed\"\nblankValues[v]\nblankValues[]",
            before: &[
                ("(0008,1111)[0]/(0010,0010)", "Doe^John"),
                ("(0008,1111)[0]/(0010,4000)", "Doe^John was here"),
                ("(0028,0010)", "1"),
                ("(0028,0011)", "10"),
                ("(0019,0010)", "ACME"),
                ("(0019,1001)", "4711"),
                ("(0008,1050)", "doe^john"),
                ("(0010,2000)", "4711"),
            ],
            after: &[
                ("(0010,0010)", Is("changed")),
                ("(0010,0020)", Is("")),
                ("(0008,1111)[0]/(0010,0010)", Is("")),
                ("(0008,1111)[0]/(0010,4000)", Is("Doe^John was here")),
                ("(0028,0010)", Is("")),
                ("(0028,0011)", Is("10")),
                ("(0019,1001)", Is("")),
                ("(0008,1050)", Is("doe^john")),
                ("(0010,2000)", Is("")),
            ],
        },
        Case {
            says: "retainPrivateTags keeps what matches, with its creator, and removes the rest",
            script: "retainPrivateTags[(0019,{ACME}01), \"*/(0021,{ACME}02)\"]",
            before: &[
                ("(0019,0010)", "ACME"),
                ("(0019,1001)", "a"),
                ("(0019,1002)", "b"),
                ("(0019,0011)", "OTHER"),
                ("(0019,1101)", "c"),
                ("(0008,1111)[0]/(0008,1155)", "1.1"),
                ("(0008,1111)[0]/(0019,0010)", "ACME"),
                ("(0008,1111)[0]/(0019,1001)", "not at the top"),
                ("(0008,1111)[0]/(0021,0010)", "ACME"),
                ("(0008,1111)[0]/(0021,1002)", "kept"),
            ],
            after: &[
                ("(0019,0010)", Is("ACME")),
                ("(0019,1001)", Is("a")),
                ("(0019,1002)", Absent),
                ("(0019,0011)", Absent),
                ("(0019,1101)", Absent),
                ("(0008,1111)[0]/(0008,1155)", Is("1.1")),
                ("(0008,1111)[0]/(0019,0010)", Absent),
                ("(0008,1111)[0]/(0019,1001)", Absent),
                ("(0008,1111)[0]/(0021,0010)", Is("ACME")),
                ("(0008,1111)[0]/(0021,1002)", Is("kept")),
            ],
        },
        Case {
            says: "a path to what is no sequence, or no item of one, keeps nothing",
            script: "retainPrivateTags[(0019,{ACME}08)[1]/(0021,{ACME}01), (0019,{ACME}09)]",
            before: &[
                ("(0019,0010)", "ACME"),
                ("(0019,1009)", "kept"),
                ("(0019,1010)", "goes"),
            ],
            after: &[
                ("(0019,0010)", Is("ACME")),
                ("(0019,1009)", Is("kept")),
                ("(0019,1010)", Absent),
            ],
        },
        Case {
            says: "retainPrivateTags of nothing removes all of them",
            script: "retainPrivateTags[]",
            before: &[("(0019,0010)", "ACME"), ("(0019,1001)", "a")],
            after: &[("(0019,0010)", Absent), ("(0019,1001)", Absent)],
        },
    ]);
    check_failures(&[
        ("retainPrivateTags[(0010,0010)]", "is public"),
        (
            "removeTags[\"no path\"]",
            "where a tag, `*`, `+` or `.` was expected",
        ),
        ("removeTags[(0008,0005)]", "Sluice keeps"),
        ("delete[\"(0010,00XX)\"]", "direct path"),
        ("set[\"(0008,1111)/(0008,1155)\", \"a\"]", "direct path"),
        ("set[\"(0019,{A}01)\", \"a\"]", "direct path"),
    ]);
}

#[test]
fn pixels() {
    let script = |sides: &str| {
        format!("version \"6.6\"\nalterPixels[\"Rectangle\", \"{sides}\", \"solid\", \"v=100\"]")
    };
    let ran = run_on(picture(), &script("l=1, t=0, r=3, b=2"));
    assert_eq!(ran.verdict, Ok(Verdict::Keep));
    let mut host = host_of(reread(&ran.instance));
    assert_eq!(host.get("(0028,0301)").as_deref(), Some("NO"));
    assert_eq!(
        host.get("(0012,0063)").as_deref(),
        Some("Burned in text blacked out")
    );
    assert_eq!(
        host.get("(0012,0064)[0]/(0008,0100)").as_deref(),
        Some("113101")
    );
    let written = pixels_of(ran.instance);
    assert_eq!(written, [1, 0, 0, 4, 5, 0, 0, 8, 9, 10, 11, 12]);

    // Cut off at the picture's edges.
    let ran = run_on(picture(), &script("left=2,top=-1,right=900,bottom=1"));
    assert_eq!(pixels_of(ran.instance)[..5], [1, 2, 0, 0, 5]);
    // Outside, and without pixels: nothing happens.
    for (instance, sides) in [
        (picture(), "l=50,t=0,r=60,b=2"),
        (patient(), "l=0,t=0,r=1,b=1"),
    ] {
        let ran = run_on(instance, &script(sides));
        assert_eq!(ran.verdict, Ok(Verdict::Keep));
        assert_eq!(element(ran.instance, "(0028,0301)"), None);
    }
    check_failures(&[
        (
            "alterPixels[\"circle\", \"l=0,t=0,r=1,b=1\", \"solid\", \"v=1\"]",
            "rectangle",
        ),
        (
            "alterPixels[\"rectangle\", \"l=0,t=0,r=1\", \"solid\", \"v=1\"]",
            "l=, t=, r= and b=",
        ),
        (
            "alterPixels[\"rectangle\", \"x=0\", \"solid\", \"v=1\"]",
            "no side",
        ),
    ]);
}

fn pixels_of(instance: Instance) -> Vec<u8> {
    super::pixels(instance)
}

#[test]
fn rejection() {
    for (script, is_rejected) in [
        ("reject[]", true),
        ("reject[true[]]", true),
        ("reject[false[]]", false),
        ("(0008,0060) = \"CT\" ? reject[]", true),
        ("if ((0008,0060) = \"MR\") {\n reject[]\n}", false),
        ("reject[ismatch[(0008,0060), \"C.\"]]", true),
    ] {
        let verdict = run_on(patient(), &format!("version \"6.6\"\n{script}")).verdict;
        assert_eq!(
            matches!(verdict, Ok(Verdict::Reject(_))),
            is_rejected,
            "{script}: {verdict:?}"
        );
    }
}

#[test]
fn a_script_notes_itself_where_the_caller_wants_it() {
    let script = "version \"6.6\"\n(0010,0010) := \"x\"";
    let ran = run_on(patient(), script);
    assert_eq!(element(ran.instance, "(0012,0064)[0]/(0008,0102)"), None);
    let recorded = Context {
        record: true,
        ..context()
    };
    let ran = run_with_context(patient(), script, recorded);
    let mut host = host_of(reread(&ran.instance));
    for (tag, expected) in [
        ("(0008,0102)", "XNAT"),
        ("(0008,0103)", "1.0"),
        ("(0008,0104)", "XNAT DicomEdit 6 Script"),
    ] {
        let path = format!("(0012,0064)[0]/{tag}");
        assert_eq!(host.get(&path).as_deref(), Some(expected));
    }
    let number = host.get("(0012,0064)[0]/(0008,0100)").unwrap();
    assert!(number.len() <= 16 && number.bytes().all(|b| b.is_ascii_digit()));
}

#[test]
fn private_sequences_that_hold_what_is_kept_stay() {
    let text = |tag: [u8; 4], value: &str| {
        let mut bytes = tag.to_vec();
        bytes.extend(b"LO");
        bytes.extend((value.len() as u16).to_le_bytes());
        bytes.extend(value.as_bytes());
        bytes
    };
    let creator = || text([0x19, 0, 0x10, 0], "ACME");
    let wanted = [creator(), text([0x19, 0, 1, 0x10], "kept")].concat();
    let other = [creator(), text([0x19, 0, 2, 0x10], "gone")].concat();
    let mut items = Vec::new();
    for item in [&wanted, &other] {
        items.extend([0xFE, 0xFF, 0, 0xE0]);
        items.extend((item.len() as u32).to_le_bytes());
        items.extend(item);
    }
    let mut bytes = patient().to_bytes().unwrap();
    bytes.extend(text([0x21, 0, 0x10, 0], "ACME"));
    bytes.extend(*b"\x21\0\x08\x10SQ\0\0");
    bytes.extend((items.len() as u32).to_le_bytes());
    bytes.extend(&items);
    let instance = || Instance::from_bytes(bytes.clone()).unwrap();
    let after = |path: &str| {
        let script = format!("version \"6.6\"\nretainPrivateTags[{path}]");
        let ran = run_on(instance(), &script);
        assert_eq!(ran.verdict, Ok(Verdict::Keep));
        let mut host = host_of(reread(&ran.instance));
        let items = host.find("(0021,1008)[%]/(0019,10XX)");
        let first = host.get("(0021,1008)[0]/(0019,1001)");
        let second = host.get("(0021,1008)[1]/(0019,1002)");
        let count = match &reread(&ran.instance)
            .dataset
            .get(sluice::dicom::Tag(0x21, 0x1008))
        {
            Some(element) => element.sequence().unwrap().items.len(),
            None => 0,
        };
        (first, second, items.len(), count)
    };
    let kept = || Some("kept".to_owned());
    assert_eq!(
        after("(0021,{ACME}08)/(0019,{ACME}01)"),
        (kept(), None, 1, 1)
    );
    let whole = after("(0021,{ACME}08)");
    assert_eq!(whole, (kept(), Some("gone".to_owned()), 2, 2));
    // An item that is emptied before one that stays keeps its number.
    let second = after("(0021,{ACME}08)[1]/(0019,{ACME}02)");
    assert_eq!(second, (None, Some("gone".to_owned()), 1, 2));
    assert_eq!(after("(0021,{ACME}08)[0]"), (kept(), None, 1, 1));
}
