//! A script's text before it is split into tokens: its version, joined lines, comments, and where each
//! character came from.

use super::SyntaxError;
use crate::rules::position::Position;

/// The versions of the language; the number gates nothing.
const VERSIONS: [&str; 8] = ["6.0", "6.1", "6.2", "6.3", "6.4", "6.5", "6.6", "6.7"];

/// The text that is split into tokens.
#[derive(Debug)]
pub struct Source {
    pub text: String,
    /// Where the stretches of the text come from, by their starts in it.
    stretches: Vec<(usize, Position)>,
}

impl Source {
    /// Joins lines that end in a backslash, then takes comments away, in this order: a comment on a joined line
    /// takes away all that was joined to it.
    pub fn new(script: &str) -> Self {
        let script = script.strip_prefix('\u{FEFF}').unwrap_or(script);
        let mut joined = String::with_capacity(script.len() + 1);
        let mut stretches = Vec::new();
        for (index, line) in script.lines().enumerate() {
            stretches.push((joined.len(), at(index + 1, 1)));
            match line.strip_suffix('\\') {
                Some(line) => joined.push_str(line),
                None => {
                    joined.push_str(line);
                    joined.push('\n');
                }
            }
        }
        if !joined.ends_with('\n') {
            joined.push('\n');
        }
        let mut source = Self {
            text: joined,
            stretches,
        };
        source.blank_comments();
        source
    }

    /// Where in the script an offset of the text stands.
    pub fn position(&self, offset: usize) -> Position {
        let next = self
            .stretches
            .partition_point(|(start, _)| *start <= offset);
        let Some((start, position)) = next.checked_sub(1).and_then(|at| self.stretches.get(at))
        else {
            return at(1, 1);
        };
        let before = self.text.get(*start..offset).unwrap_or_default();
        at(position.line, before.chars().count() + 1)
    }

    /// Comments become blanks, so that everything else keeps its place.
    fn blank_comments(&mut self) {
        let mut out = String::with_capacity(self.text.len());
        for line in self.text.split_inclusive('\n') {
            match comment_start(line) {
                Some(start) => {
                    out.push_str(&line[..start]);
                    // As many bytes as the comment had: offsets stay.
                    out.extend(std::iter::repeat_n(' ', line.len() - start - 1));
                    out.push('\n');
                }
                None => out.push_str(line),
            }
        }
        self.text = out;
    }
}

/// Where a line's comment starts: `//`, but not inside double quotes nor right behind `http:` or `https:`.
pub fn comment_start(line: &str) -> Option<usize> {
    let mut is_quoted = false;
    let bytes = line.as_bytes();
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'"' => is_quoted = !is_quoted,
            b'/' if !is_quoted && bytes.get(at + 1) == Some(&b'/') => {
                let before = &line[..at];
                if !before.ends_with("http:") && !before.ends_with("https:") {
                    return Some(at);
                }
            }
            _ => {}
        }
    }
    None
}

/// The version that the first line which begins with `version` names; none: DicomEdit 4.
///
/// # Errors
/// A version that is not of DicomEdit 6.
pub fn version(script: &str) -> Result<Option<&str>, SyntaxError> {
    let script = script.strip_prefix('\u{FEFF}').unwrap_or(script);
    let mut lines = script.lines().enumerate();
    let Some((index, line)) = lines.find(|(_, line)| line.starts_with("version")) else {
        return Ok(None);
    };
    let word = line.split_whitespace().nth(1).unwrap_or_default();
    let named: String = word.chars().filter(|c| *c != '"').collect();
    check_version(&named).map_err(|message| SyntaxError {
        position: at(index + 1, 1),
        message,
    })?;
    Ok(Some(word))
}

/// # Errors
/// What is wrong with the version, and which there are.
pub fn check_version(version: &str) -> Result<(), String> {
    match VERSIONS.contains(&version) {
        true => Ok(()),
        false => Err(format!(
            "version {version:?} is none of DicomEdit's: write one of {}",
            VERSIONS.join(", ")
        )),
    }
}

fn at(line: usize, column: usize) -> Position {
    Position {
        line,
        column: Some(column),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(script: &str) -> String {
        let text = Source::new(script).text;
        let lines = text.lines().map(str::trim_end);
        lines.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn comments_end_lines_but_not_in_strings_and_addresses() {
        assert_eq!(text("a // b\n//* c */\nd"), "a\n\nd");
        for kept in [
            r#"x := "//x""#,
            r#"x := "https://x""#,
            r#"x := "/A//""#,
            r#"x := "a//b""#,
            "http://x",
        ] {
            assert_eq!(text(kept), kept);
        }
    }

    #[test]
    fn joined_lines_keep_the_blanks_after_and_lose_what_follows_a_comment() {
        assert_eq!(text("a \\\n  b\nc"), "a   b\nc");
        assert_eq!(text("a // b \\\nc\nd"), "a\nd");
        assert_eq!(text("a \\ \nb"), "a \\\nb", "a blank behind the backslash");
        assert_eq!(text("a\\\r\nb\r\n"), "ab");
    }

    #[test]
    fn positions_are_those_of_the_script() {
        let source = Source::new("é // ü\nab \\\n  c\nd");
        let found = |c: char| source.position(source.text.find(c).unwrap());
        assert_eq!(found('a'), at(2, 1));
        assert_eq!(found('c'), at(3, 3));
        assert_eq!(found('d'), at(4, 1));
    }

    #[test]
    fn the_first_line_that_begins_with_version_decides() {
        assert_eq!(
            version("// c\n\nversion \"6.3\"\n").unwrap(),
            Some("\"6.3\"")
        );
        assert_eq!(version(" version \"6.3\"").unwrap(), None);
        assert_eq!(version("(0010,0010) := \"a\"").unwrap(), None);
        for wrong in ["6", "4.2", "6.8", "7.0", ""] {
            assert!(version(&format!("version \"{wrong}\"")).is_err(), "{wrong}");
        }
    }
}
