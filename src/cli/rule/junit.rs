//! Test results as JUnit XML, which every CI reads.

use quick_xml::escape::escape;
use std::fmt::Write as _;

/// A module.
pub struct Suite {
    pub name: String,
    pub cases: Vec<TestCase>,
}

pub struct TestCase {
    pub name: String,
    /// Why it fails, if it does.
    pub failure: Option<String>,
}

pub fn xml(suites: &[Suite]) -> String {
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n");
    for suite in suites {
        let (name, tests) = (escape(suite.name.as_str()), suite.cases.len());
        let failures = suite
            .cases
            .iter()
            .filter(|case| case.failure.is_some())
            .count();
        // Writing to a String can't fail.
        _ = writeln!(
            xml,
            "  <testsuite name=\"{name}\" tests=\"{tests}\" failures=\"{failures}\">"
        );
        for case in &suite.cases {
            let case_name = escape(case.name.as_str());
            _ = match &case.failure {
                None => writeln!(
                    xml,
                    "    <testcase classname=\"{name}\" name=\"{case_name}\"/>"
                ),
                Some(text) => writeln!(
                    xml,
                    "    <testcase classname=\"{name}\" name=\"{case_name}\">\n      <failure>{}</failure>\n    </testcase>",
                    escape(valid(text))
                ),
            };
        }
        xml += "  </testsuite>\n";
    }
    xml + "</testsuites>\n"
}

/// XML holds no control characters, not even escaped.
fn valid(text: &str) -> String {
    let plain = |c: char| !c.is_control() || matches!(c, '\n' | '\t');
    text.chars()
        .map(|c| if plain(c) { c } else { '\u{FFFD}' })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_escaped() {
        let cases = vec![
            TestCase {
                name: "a".into(),
                failure: None,
            },
            TestCase {
                name: "b".into(),
                failure: Some("<x> & \u{1}".into()),
            },
        ];
        let text = xml(&[Suite {
            name: "m".into(),
            cases,
        }]);
        assert!(
            text.contains("<testsuite name=\"m\" tests=\"2\" failures=\"1\">"),
            "{text}"
        );
        assert!(
            text.contains("<failure>&lt;x&gt; &amp; \u{FFFD}</failure>"),
            "{text}"
        );
    }
}
