//! XNAT's series import filter (`RegExBasedSeriesImportFilter`): lines that match an element's value
//! keep a file out (blacklist) or let it in (whitelist).
//!
//! Differs from XNAT: an unknown tag or a bad expression is an error when the policy loads, where XNAT
//! fails later or filters with the lines that it could read; and expressions are those of the `regex`
//! crate, which has no look-around and so no run that takes for ever.

use super::document::DocumentError;
use dicom_core::dictionary::{DataDictionary, DataDictionaryEntry};
use dicom_dictionary_std::{StandardDataDictionary, tags};
use regex::{Regex, RegexBuilder};
use serde_json::Value;

/// A compiled expression may not be larger: about a thousand times what a series name needs.
const REGEX_BYTES: usize = 1 << 20;

#[derive(Debug)]
pub struct Filter {
    mode: Mode,
    lines: Vec<Line>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Blacklist,
    Whitelist,
}

#[derive(Debug)]
struct Line {
    /// As the writer counts: the first line of the list is 1.
    number: usize,
    /// `(gggg,eeee)`
    path: String,
    /// The keyword if there is one, for messages.
    name: String,
    test: Test,
}

#[derive(Debug)]
enum Test {
    Exists,
    Absent,
    Matches(Regex),
}

impl Filter {
    /// `value` has passed the policy's schema; `file` and `pointer` are only named in errors.
    pub fn from_json(file: &str, pointer: &str, value: &Value) -> Result<Self, DocumentError> {
        let mode = match value["mode"].as_str() {
            Some("whitelist") => Mode::Whitelist,
            _ => Mode::Blacklist,
        };
        let mut filter = Self {
            mode,
            lines: Vec::new(),
        };
        let off = value["enabled"] == false || value["enabled"] == "false";
        let lines = value["list"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str);
        filter.read(lines).map_err(|(index, message)| {
            DocumentError::content(file, &format!("{pointer}/list/{index}"), message)
        })?;
        Ok(if off {
            Self {
                mode: Mode::Blacklist,
                lines: Vec::new(),
            }
        } else {
            filter
        })
    }

    fn read<'a>(&mut self, lines: impl Iterator<Item = &'a str>) -> Result<(), (usize, String)> {
        let mut current = tag(tags::SERIES_DESCRIPTION);
        for (index, line) in lines.enumerate() {
            let text = line.trim();
            // Like XNAT, `#` only comments at the very start of a line.
            if text.is_empty() || line.starts_with('#') {
                continue;
            }
            if let Some(inner) = text
                .strip_prefix('[')
                .and_then(|rest| rest.strip_suffix(']'))
            {
                current = parse_tag(inner).map_err(|message| (index, message))?;
                continue;
            }
            let test = parse_test(text).map_err(|message| (index, message))?;
            let (path, name) = current.clone();
            self.lines.push(Line {
                number: index + 1,
                path,
                name,
                test,
            });
        }
        Ok(())
    }

    /// Whether it accepts everything, so that no element needs to be read.
    pub fn is_open(&self) -> bool {
        self.mode == Mode::Blacklist && self.lines.is_empty()
    }

    /// Why an instance is kept out, if it is. `get` answers an element's text, none where it is absent.
    /// The reason names tag and line, never the value.
    pub fn refuses(&self, mut get: impl FnMut(&str) -> Option<String>) -> Option<String> {
        let hit = self.lines.iter().find(|line| line.holds(get(&line.path)));
        match (self.mode, hit) {
            (Mode::Blacklist, Some(line)) => Some(format!(
                "line {} of the blacklist holds for {}",
                line.number, line.name
            )),
            (Mode::Whitelist, None) => Some("no line of the whitelist holds".to_owned()),
            _ => None,
        }
    }
}

impl Line {
    fn holds(&self, value: Option<String>) -> bool {
        match (&self.test, value) {
            (Test::Exists, value) => value.is_some(),
            (Test::Absent, value) => value.is_none(),
            (Test::Matches(_), None) => false,
            // Like XNAT, a blank value is the empty text.
            (Test::Matches(regex), Some(value)) if value.trim().is_empty() => regex.is_match(""),
            (Test::Matches(regex), Some(value)) => regex.is_match(&value),
        }
    }
}

fn parse_test(text: &str) -> Result<Test, String> {
    match text {
        // XNAT also tries these two words as expressions; a value that holds "EXISTS" exists anyway.
        "EXISTS" => Ok(Test::Exists),
        "!EXISTS" => Ok(Test::Absent),
        _ => RegexBuilder::new(text)
            .case_insensitive(true)
            .size_limit(REGEX_BYTES)
            .build()
            .map(Test::Matches)
            .map_err(|error| format!("bad expression: {}", last_line(&error.to_string()))),
    }
}

/// The last line of the regex crate's message says what is wrong; those before draw where.
fn last_line(message: &str) -> &str {
    let line = message.lines().last().unwrap_or(message).trim();
    line.strip_prefix("error: ").unwrap_or(line)
}

/// A keyword, `(gggg,eeee)` or `ggggeeee`, as path and name.
fn parse_tag(text: &str) -> Result<(String, String), String> {
    let text = text.trim();
    let digits: String = text.chars().filter(|c| !"(,) ".contains(*c)).collect();
    if digits.len() == 8
        && let Ok(number) = u32::from_str_radix(&digits, 16)
    {
        return Ok(tag(dicom_core::Tag((number >> 16) as u16, number as u16)));
    }
    match StandardDataDictionary.by_name(text) {
        Some(entry) => Ok(tag(entry.tag())),
        None => Err(format!(
            "[{text}] is neither a DICOM keyword nor (gggg,eeee)"
        )),
    }
}

fn tag(tag: dicom_core::Tag) -> (String, String) {
    let path = format!("({:04X},{:04X})", tag.group(), tag.element());
    let name = StandardDataDictionary
        .by_tag(tag)
        .map(|entry| entry.alias().to_owned());
    (path.clone(), name.unwrap_or(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn filter(mode: &str, lines: &[&str]) -> Result<Filter, String> {
        let value = json!({ "mode": mode, "list": lines });
        Filter::from_json("policy.json", "/series_filters", &value).map_err(|e| e.to_string())
    }

    /// Whether a file with these elements gets in.
    fn accepts(filter: &Filter, elements: &[(&str, &str)]) -> bool {
        let get = |path: &str| {
            elements
                .iter()
                .find(|(tag, _)| *tag == path)
                .map(|(_, value)| (*value).to_owned())
        };
        filter.refuses(get).is_none()
    }

    const DESCRIPTION: &str = "(0008,103E)";
    const MODALITY: &str = "(0008,0060)";

    #[test]
    fn a_line_is_searched_anywhere_in_the_series_description_ignoring_case() {
        let blacklist = filter("blacklist", &["scout", "^t1$"]).unwrap();
        assert!(!accepts(&blacklist, &[(DESCRIPTION, "3-plane SCOUT tra")]));
        assert!(!accepts(&blacklist, &[(DESCRIPTION, "T1")]));
        assert!(accepts(&blacklist, &[(DESCRIPTION, "T1 mprage")]));
        assert!(accepts(&blacklist, &[]));
    }

    #[test]
    fn a_whitelist_lets_in_what_matches_any_line() {
        let whitelist = filter("whitelist", &["mprage", "[Modality]", "^CT$"]).unwrap();
        assert!(accepts(
            &whitelist,
            &[(DESCRIPTION, "T1 MPRAGE"), (MODALITY, "MR")]
        ));
        assert!(accepts(&whitelist, &[(MODALITY, "CT")]));
        assert!(!accepts(
            &whitelist,
            &[(DESCRIPTION, "CT"), (MODALITY, "MR")]
        ));
        assert!(!accepts(
            &filter("whitelist", &[]).unwrap(),
            &[(DESCRIPTION, "x")]
        ));
    }

    #[test]
    fn exists_tests_presence_even_of_an_empty_value() {
        let exists = filter("blacklist", &["[(0008,0060)]", "EXISTS"]).unwrap();
        assert!(!accepts(&exists, &[(MODALITY, "")]));
        assert!(accepts(&exists, &[]));
        let absent = filter("blacklist", &["[00080060]", "!EXISTS"]).unwrap();
        assert!(accepts(&absent, &[(MODALITY, "")]));
        assert!(!accepts(&absent, &[]));
    }

    #[test]
    fn comments_and_blank_lines_are_skipped_and_still_counted() {
        let filter = filter("blacklist", &["# no scouts", "", "  scout  "]).unwrap();
        let reason = filter.refuses(|_| Some("Scout".to_owned()));
        assert_eq!(
            reason.unwrap(),
            "line 3 of the blacklist holds for SeriesDescription"
        );
        assert_eq!(filter.lines.len(), 1);
    }

    #[test]
    fn a_disabled_filter_is_open_but_still_checked() {
        let off = |lines: &[&str]| {
            let value = json!({ "mode": "whitelist", "list": lines, "enabled": "false" });
            Filter::from_json("policy.json", "", &value)
        };
        assert!(off(&["x"]).unwrap().is_open());
        assert!(off(&["("]).is_err());
    }

    #[test]
    fn errors_name_the_line() {
        assert_eq!(
            filter("blacklist", &["ok", "a(b"]).unwrap_err(),
            "policy.json: /series_filters/list/1: bad expression: unclosed group"
        );
        assert_eq!(
            filter("blacklist", &["[SeriesDescripton]"]).unwrap_err(),
            "policy.json: /series_filters/list/0: [SeriesDescripton] is neither a DICOM keyword nor (gggg,eeee)"
        );
        assert!(filter("blacklist", &["((x{200}){200}){200}"]).is_err());
    }
}
