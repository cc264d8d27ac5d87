//! The interpreter between files: limits, line ends, variables that stay within their file.

use super::*;

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

#[test]
fn line_ends_of_both_kinds() {
    for script in [
        "version \"6.6\"\r\n(0010,0010) := \"a\"\r\n(0010,0020) := \"b\\\r\nc\"\r\n",
        "version \"6.6\"\n(0010,0010) := \"a\"\n(0010,0020) := \"b\\\nc\"",
    ] {
        let ran = run_on(patient(), script);
        assert_eq!(ran.verdict, Ok(Verdict::Keep), "{script:?}");
        let mut host = host_of(reread(&ran.instance));
        assert_eq!(host.get("(0010,0010)").as_deref(), Some("a"), "{script:?}");
        assert_eq!(host.get("(0010,0020)").as_deref(), Some("bc"), "{script:?}");
    }
}

#[test]
fn without_a_project_it_is_unassigned() {
    let script = "version \"6.6\"\nproject != \"Unassigned\" ? (0008,1030) := project\n(0010,4000) := project";
    let nowhere = Context {
        project: String::new(),
        ..context()
    };
    let ran = run_with_context(patient(), script, nowhere);
    assert_eq!(ran.verdict, Ok(Verdict::Keep));
    let mut host = host_of(reread(&ran.instance));
    assert_eq!(host.get("(0008,1030)"), None);
    assert_eq!(host.get("(0010,4000)").as_deref(), Some("Unassigned"));
    let unlabelled = Context {
        subject: None,
        ..context()
    };
    let ran = run_with_context(
        patient(),
        "version \"6.6\"\n(0010,0010) := subject",
        unlabelled,
    );
    assert!(ran.verdict.unwrap_err().contains("subject has no value"));
}
