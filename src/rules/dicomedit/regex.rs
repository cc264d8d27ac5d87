//! Java's regular expressions: `fancy-regex` with its limit on backtracking, and what Java writes or means
//! otherwise translated.

use fancy_regex::{Regex, RegexBuilder};

/// Steps of backtracking: some hundredths of a second.
const BACKTRACKING: usize = 500_000;
/// Of a compiled expression.
const BYTES: usize = 1 << 20;

/// An expression in both its uses.
#[derive(Debug)]
pub struct JavaRegex {
    search: Regex,
    whole: Regex,
}

impl JavaRegex {
    /// # Errors
    /// Why it is none.
    pub fn new(java: &str) -> Result<Self, String> {
        let regex = translate(java);
        let build = |text: &str| {
            RegexBuilder::new(text)
                .backtrack_limit(BACKTRACKING)
                .delegate_size_limit(BYTES)
                .build()
                .map_err(|error| format!("{java:?} is no regular expression: {error}"))
        };
        Ok(Self {
            search: build(&regex)?,
            whole: build(&format!(r"\A(?:{regex})\z"))?,
        })
    }

    /// Whether the whole text matches.
    ///
    /// # Errors
    /// That it takes too long.
    pub fn is_match(&self, text: &str) -> Result<bool, String> {
        self.whole.is_match(text).map_err(|_| too_long())
    }

    pub fn has_group(&self, group: usize) -> bool {
        group < self.search.captures_len()
    }

    /// The group of the first hit anywhere.
    ///
    /// # Errors
    /// That it takes too long, or has no such group.
    pub fn group(&self, text: &str, group: usize) -> Result<Option<String>, String> {
        if !self.has_group(group) {
            return Err(format!("the expression has no group {group}"));
        }
        let captures = self.search.captures(text).map_err(|_| too_long())?;
        let hit = captures.and_then(|captures| Some(captures.get(group)?.as_str().to_owned()));
        Ok(hit)
    }
}

fn too_long() -> String {
    "the regular expression takes too long on this text: it backtracks too much".to_owned()
}

/// `\d`, `\w` and `\s` are ASCII in Java, POSIX classes have its own names, `\Q…\E` quotes, and `\h` is a blank.
fn translate(java: &str) -> String {
    let mut out = String::with_capacity(java.len());
    let mut rest = java;
    let mut depth = 0_u32;
    while let Some(c) = rest.chars().next() {
        if let Some(after) = rest.strip_prefix(r"\Q") {
            let (quoted, after) = after.split_once(r"\E").unwrap_or((after, ""));
            out.push_str(&::regex::escape(quoted));
            rest = after;
            continue;
        }
        if let Some((class, after)) = posix(rest) {
            out.push_str(&class);
            rest = after;
            continue;
        }
        if c == '\\' {
            let escaped = rest[1..].chars().next();
            let class = match escaped {
                Some('d') => Some("0-9"),
                Some('w') => Some("A-Za-z0-9_"),
                Some('s') => Some(r" \t\n\x0B\f\r"),
                Some('h') => Some(r" \t\x{A0}"),
                _ => None,
            };
            let negated = match escaped {
                Some('D') => Some("[^0-9]"),
                Some('W') => Some("[^A-Za-z0-9_]"),
                Some('S') => Some(r"[^ \t\n\x0B\f\r]"),
                Some('H') => Some(r"[^ \t\x{A0}]"),
                Some('Z') => Some(r"(?=\n?\z)"),
                _ => None,
            };
            match (class, negated) {
                (Some(class), _) if depth > 0 => out.push_str(class),
                (Some(class), _) => out.push_str(&format!("[{class}]")),
                (None, Some(negated)) => out.push_str(negated),
                (None, None) => {
                    out.push('\\');
                    out.extend(escaped);
                }
            }
            rest = &rest[1 + escaped.map_or(0, char::len_utf8)..];
            continue;
        }
        match c {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        out.push(c);
        rest = &rest[c.len_utf8()..];
    }
    out
}

/// `\p{Alpha}` and its kin, in ASCII.
fn posix(rest: &str) -> Option<(String, &str)> {
    let is_negated = rest.starts_with(r"\P{");
    let inner = rest.strip_prefix(r"\p{").or(rest.strip_prefix(r"\P{"))?;
    let (name, after) = inner.split_once('}')?;
    let class = match name {
        "Lower" => "a-z",
        "Upper" => "A-Z",
        "ASCII" => r"\x00-\x7F",
        "Alpha" => "A-Za-z",
        "Digit" => "0-9",
        "Alnum" => "A-Za-z0-9",
        "Punct" => "!-/:-@\\[-`{-~",
        "Graph" => "!-~",
        "Print" => " -~",
        "Blank" => r" \t",
        "Cntrl" => r"\x00-\x1F\x7F",
        "XDigit" => "0-9A-Fa-f",
        "Space" => r" \t\n\x0B\f\r",
        _ => return None,
    };
    let not = if is_negated { "^" } else { "" };
    Some((format!("[{not}{class}]"), after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn javas_expressions_match_as_in_java() {
        for (regex, text, expected) in [
            (r"\d{3}", "123", true),
            (r"\d{3}", "a123", false),
            (r"\d", "٣", false),
            (r"[\w-]+", "a-b_1", true),
            (r"(?i)doe\^.*", "DOE^J", true),
            (r"(a)\1", "aa", true),
            (r"(?!.*test).*", "my test", false),
            (r"(?<=a)b++|b++", "bb", true),
            (r"\p{Upper}\p{Alpha}*", "Ab", true),
            (r"\Qa.b\E", "a.b", true),
            (r"\Qa.b\E", "axb", false),
            (r"a|b", "b", true),
            (r"a|b", "ab", false),
            (r"[^\s]+", "a b", false),
        ] {
            let found = JavaRegex::new(regex).unwrap().is_match(text).unwrap();
            assert_eq!(found, expected, "{regex} on {text}");
        }
        assert!(JavaRegex::new("(").is_err());
    }

    #[test]
    fn catastrophic_expressions_are_stopped() {
        let regex = JavaRegex::new(r"(a|aa)+\1$").unwrap();
        assert!(regex.is_match(&format!("{}b", "a".repeat(60))).is_err());
    }

    #[test]
    fn groups_are_of_the_first_hit() {
        let regex = JavaRegex::new(r"(\d+)(x)?").unwrap();
        assert_eq!(regex.group("ab12 34x", 1).unwrap().as_deref(), Some("12"));
        assert_eq!(regex.group("ab12", 2).unwrap(), None);
        assert_eq!(regex.group("ab", 0).unwrap(), None);
        assert!(regex.group("ab", 3).is_err());
    }
}
