//! What parses, what does not, and what is said then.

use super::*;
use proptest::prelude::*;

fn error(script: &str) -> String {
    parse(script).unwrap_err().to_string()
}

#[test]
fn errors_have_a_place_the_text_and_a_hint() {
    for (script, expected) in [
        (
            "(0010,0010) := \"a\"\n(0010,0020) = \"b\"",
            "line 2, column 18: the end of the line where `?` after the condition",
        ),
        (
            "a := \"b\"\nif (a = \"b\") {\n  x := \"1\"\n} else if (a = \"c\") {\n}",
            "line 4, column 8: `else if` is written `elseif`",
        ),
        (
            "x := hashUid[(0008,0018)]",
            "line 1, column 6: there is no function hashUid (did you mean \"hashUID\"?)",
        ),
        (
            "- (001x,0020)",
            "line 1, column 3: (001x,0020): the group's last digit says",
        ),
        (
            "- (0019,1010)",
            "line 1, column 3: (0019,1010): a private tag needs its creator",
        ),
        (
            "- ( 0010,0010)",
            "line 1, column 3: a tag is written (gggg,eeee)",
        ),
        (
            "(0010,0010) := \"a",
            "line 1, column 16: the string `\"a` has no closing quote",
        ),
        ("x := \"\\d\"", "holds \\d: a backslash is written as two"),
        (
            "x = \"a\" : - (0010,0010)",
            "column 9: `:` where `?` after the condition",
        ),
        ("(0008,1111)/(0008,1155) := \"1\"", "`:=` sets one element"),
        (
            "x := lowercase[\"a\", \"b\"]",
            "lowercase takes 1 argument, not 2",
        ),
        ("else { }", "without an `if`"),
        ("if := \"a\"", "`:=` where `(`"),
    ] {
        let found = error(script);
        assert!(found.contains(expected), "{script}\n{found}\n{expected}");
    }
}

#[test]
fn what_the_language_allows_parses() {
    for script in [
        "version \"6.1\"\n\ndescribe a \"text\"\ndescribe b hidden\nexport a \"f\"\necho\necho \"x\"",
        "project != \"Unassigned\" ? (0008,1030) := project\n(0010,0010) := subject",
        "a := \"1\" b := \"2\"",
        "if(a = \"1\"){\nb := \"2\" }\nelseif (a ~ \"x.*\")\n{\n}\n\nelse{ reject[] }",
        "isPresent[(0010,0010)] ? - (0010,0010) : (0010,0010) := \"x\"",
        "ismatch[a, \"b\"] = \"true\" ? a := \"c\"",
        "l := {\n (0010,0010),\n \"a\", { 1, b },\n *\n/(0010,0020)}"
            .replace("*\n", "*")
            .as_str(),
        "removeAllPrivateTags",
        "- */(0011,{A B-1.c:d}XX)\n-+/(0010,0010)[0]/(001@,00#X)\n- (0008,1111)[%]\n- (0008,1111)[3]",
        "x := {}",
        "if (face = 1234) { }",
        "\u{FEFF}version \"6.7\"\r\n- (0010,0010)\r\n",
    ] {
        parse(script).unwrap_or_else(|error| panic!("{script}\n{error}"));
    }
}

#[test]
fn nesting_is_bounded() {
    let nested = format!("x := {}\"a\"{}", "hashUID[".repeat(1000), "]".repeat(1000));
    assert!(error(&nested).contains("nested more than"));
    let nested = format!("{}{}", "if (a = \"b\") {\n".repeat(1000), "}".repeat(1000));
    assert!(error(&nested).contains("nested more than"));
}

proptest! {
    #[test]
    fn any_text_parses_or_is_refused(script in "[-a-z(){}\\[\\],:?=~!/*+.%\"\\\\ \n0-9X@#é]{0,80}") {
        _ = parse(&script);
    }
}
