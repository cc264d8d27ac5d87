//! DicomEdit 4 scripts: refused with what to change, line by line, and converted as far as that is mechanical.

use super::SyntaxError;
use super::parser;
use super::source::comment_start;
use crate::rules::position::Position;
use std::collections::BTreeMap;

/// A script of DicomEdit 6, and what is left to do by hand.
#[derive(Debug, PartialEq, Eq)]
pub struct Converted {
    pub script: String,
    pub notes: Vec<Note>,
}

/// About a line of the script that was converted.
#[derive(Debug, PartialEq, Eq)]
pub struct Note {
    pub line: usize,
    pub message: String,
    /// Whether it was done; else it is to be done by hand.
    pub is_done: bool,
}

/// `condition : action` becomes `condition ? action`; of several assignments to a tag the first holds; what
/// needs a look is said.
pub fn convert(script: &str) -> Converted {
    let script = script.strip_prefix('\u{FEFF}').unwrap_or(script);
    let mut out = vec!["version \"6.6\"".to_owned()];
    let mut notes = Vec::new();
    // The line of each tag's first assignment, and whether that was on a condition.
    let mut assigned: BTreeMap<String, (usize, bool)> = BTreeMap::new();
    for (index, text) in script.lines().enumerate() {
        let line = index + 1;
        let mut note = |is_done: bool, message: String| {
            notes.push(Note {
                line,
                message,
                is_done,
            });
        };
        let (code, comment) = text.split_at(comment_start(text).unwrap_or(text.len()));
        let (condition, mut action) = match condition_end(code) {
            Some(colon) => (Some(&code[..colon]), code[colon + 1..].to_owned()),
            None => (None, code.to_owned()),
        };
        if condition.is_some() {
            note(
                true,
                "`condition : action` is written `condition ? action`".to_owned(),
            );
        }
        for tag in private_numbers(code) {
            note(
                false,
                format!(
                    "{tag}: a private tag needs its creator, ({},{{CREATOR}}{})",
                    &tag[1..5],
                    &tag[8..10]
                ),
            );
        }
        for name in ["urlEncode", "getURL"] {
            if code.contains(&format!("{name}[")) {
                note(false, format!("{name} is not available"));
            }
        }
        if let Some((target, value)) = assignment(&action) {
            match assigned.get(&target) {
                Some((first, false)) => {
                    note(
                        true,
                        format!(
                            "{target} is set on line {first} already, and in DicomEdit 4 the first assignment holds: taken out"
                        ),
                    );
                    out.push(format!("// {text}"));
                    continue;
                }
                Some((first, true)) => note(
                    false,
                    format!(
                        "{target} may be set on line {first} already, and in DicomEdit 4 the first assignment holds: write an if … else"
                    ),
                ),
                None => _ = assigned.insert(target.clone(), (line, condition.is_some())),
            }
            if value.trim_start().starts_with('(') {
                note(
                    false,
                    format!(
                        "where {} is absent, DicomEdit 4 leaves {target} empty and 6 leaves it as it is",
                        value.trim()
                    ),
                );
            }
        }
        if let Some(condition) = condition {
            action = format!(
                "{}? {}",
                condition.trim_end().to_owned() + " ",
                action.trim_start()
            );
        }
        out.push(format!("{action}{comment}"));
    }
    let mut script = out.join("\n");
    script.push('\n');
    if let Err(error) = parser::parse(&script) {
        notes.push(Note {
            // The first line is the version's.
            line: error.position.line.saturating_sub(1).max(1),
            message: error.message,
            is_done: false,
        });
    }
    notes.sort_by_key(|note| note.line);
    Converted { script, notes }
}

/// Why a script of DicomEdit 4 does not run, with what to change on which line.
pub(super) fn refusal(script: &str) -> SyntaxError {
    const MOST: usize = 20;
    let mut message =
        "no line begins with `version`, so this is DicomEdit 4, which does not run here; \
         begin it with `version \"6.6\"`, and change what follows, or use `sluice rule convert`"
            .to_owned();
    let notes = convert(script).notes;
    for note in notes.iter().take(MOST) {
        message.push_str(&format!("; line {}: {}", note.line, note.message));
    }
    if notes.len() > MOST {
        message.push_str(&format!("; and {} more", notes.len() - MOST));
    }
    SyntaxError {
        position: Position {
            line: 1,
            column: None,
        },
        message,
    }
}

/// The colon between a condition and its action: not in a string, not of `:=`, not in braces.
fn condition_end(code: &str) -> Option<usize> {
    let (mut is_quoted, mut depth) = (false, 0_u32);
    let bytes = code.as_bytes();
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'"' => is_quoted = !is_quoted,
            _ if is_quoted => {}
            b'{' => depth += 1,
            b'}' => depth = depth.saturating_sub(1),
            b':' if depth == 0 && bytes.get(at + 1) == Some(&b'=') => return None,
            b':' if depth == 0 => return Some(at),
            _ => {}
        }
    }
    None
}

/// Target and value of an assignment to a tag.
fn assignment(action: &str) -> Option<(String, String)> {
    let (target, value) = action.split_once(":=")?;
    let target: String = target.split_whitespace().collect();
    target
        .starts_with('(')
        .then(|| (target.to_ascii_uppercase(), value.to_owned()))
}

/// Private tags that are written as numbers alone.
fn private_numbers(code: &str) -> Vec<&str> {
    let tags = code.match_indices('(').filter_map(|(at, _)| {
        let tag = code.get(at..at + 11)?;
        let is_tag = tag.char_indices().all(|(at, c)| match at {
            0 => c == '(',
            5 => c == ',',
            10 => c == ')',
            _ => c.is_ascii_hexdigit() || "Xx@#".contains(c),
        });
        let last = tag.as_bytes()[4];
        let is_odd = last == b'#' || char::from(last).to_digit(16).is_some_and(|d| d % 2 == 1);
        (is_tag && is_odd).then_some(tag)
    });
    tags.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mechanical_is_done_and_the_rest_is_told() {
        let script = "// a site's script\n\
            (0010,0010) := \"a\"\n\
            (0008,1030) = \"x:y\" : (0010,0020) := \"b\" // why\n\
            (0010,0010) := \"c\"\n\
            - (2001,100c)\n\
            (0008,0050) := (0010,0020)\n";
        let converted = convert(script);
        assert_eq!(
            converted.script,
            "version \"6.6\"\n// a site's script\n\
            (0010,0010) := \"a\"\n\
            (0008,1030) = \"x:y\" ? (0010,0020) := \"b\" // why\n\
            // (0010,0010) := \"c\"\n\
            - (2001,100c)\n\
            (0008,0050) := (0010,0020)\n"
        );
        let told: Vec<(usize, bool)> = (converted.notes.iter())
            .map(|note| (note.line, note.is_done))
            .collect();
        assert_eq!(
            told,
            [(3, true), (4, true), (5, false), (5, false), (6, false)]
        );
    }

    #[test]
    fn a_converted_script_parses() {
        let converted =
            convert("project != \"x\" : (0008,1030) := project\n(0010,0010) := subject\n");
        // `!=` is not of DicomEdit 4, and no harm.
        assert!(parser::parse(&converted.script).is_ok());
        assert!(converted.notes.iter().all(|note| note.is_done));
    }

    #[test]
    fn the_refusal_says_what_to_change_line_by_line() {
        let message = refusal("a = \"b\" : - (0010,0010)\n").message;
        assert!(
            message.contains("version \"6.6\"") && message.contains("; line 1: "),
            "{message}"
        );
    }
}
