//! The text functions of DicomEdit, on plain strings, with Java's rules where they show.

/// Java's MessageFormat as far as `{0}` goes: a lone `'` starts quoting, `''` is an apostrophe. An argument
/// that is not there stays as it is written.
///
/// # Errors
/// What is wrong with the pattern.
pub fn format(pattern: &str, arguments: &[String], most: usize) -> Result<String, String> {
    let mut out = String::new();
    let mut characters = pattern.chars().peekable();
    let mut is_quoted = false;
    while let Some(c) = characters.next() {
        match c {
            '\'' if characters.next_if_eq(&'\'').is_some() => out.push('\''),
            '\'' => is_quoted = !is_quoted,
            '{' if !is_quoted => {
                let mut inside = String::new();
                loop {
                    match characters.next() {
                        Some('}') => break,
                        Some(c) => inside.push(c),
                        None => return Err("format: the pattern has a `{` without its `}`".into()),
                    }
                }
                let (number, style) = inside.split_once(',').unwrap_or((&inside, ""));
                let index: usize = number.trim().parse().map_err(|_| {
                    format!("format: the pattern holds {{{inside}}}, where {{0}}, {{1}}, … stand")
                })?;
                if !style.is_empty() {
                    return Err(format!(
                        "format: {{{inside}}}: styles of numbers and dates are not known, arguments are text"
                    ));
                }
                match arguments.get(index) {
                    Some(argument) => out.push_str(argument),
                    None => out.push_str(&format!("{{{index}}}")),
                }
                if out.len() > most {
                    return Err(too_long());
                }
            }
            c => out.push(c),
        }
    }
    Ok(out)
}

/// From `begin` up to and without `end`, counted from 0 in UTF-16 as Java does.
///
/// # Errors
/// Positions that the text does not have.
pub fn substring(text: &str, begin: &str, end: &str) -> Result<String, String> {
    let number = |text: &str| {
        text.trim()
            .parse::<usize>()
            .map_err(|_| "substring: begin and end are numbers from 0".to_owned())
    };
    let (begin, end) = (number(begin)?, number(end)?);
    let units: Vec<u16> = text.encode_utf16().collect();
    let range = units.get(begin..end).ok_or_else(|| {
        format!(
            "substring: {begin} to {end} is not in a text of {} characters",
            units.len()
        )
    })?;
    String::from_utf16(range).map_err(|_| "substring: would cut a character in two".to_owned())
}

/// # Errors
/// A result that is too long.
pub fn replace(text: &str, find: &str, with: &str, most: usize) -> Result<String, String> {
    let hits = match find.is_empty() {
        true => text.chars().count() + 1,
        false => text.matches(find).count(),
    };
    match text.len().saturating_add(hits.saturating_mul(with.len())) > most {
        true => Err(too_long()),
        false => Ok(text.replace(find, with)),
    }
}

/// Each character that is not ASCII replaced. `with` is a replacement of Java's regular expressions, in which
/// `\` takes the next character as it is; there is no group for `$` but the whole character, `$0`.
///
/// # Errors
/// A replacement that Java would not take.
pub fn normalize(text: &str, with: &str) -> Result<String, String> {
    let mut parts = Vec::new();
    let mut characters = with.chars();
    while let Some(c) = characters.next() {
        match c {
            '\\' => parts.push(Some(characters.next().ok_or(
                "normalizeString: the replacement ends in a backslash, which takes another character",
            )?)),
            '$' => match characters.next() {
                Some('0') => parts.push(None),
                _ => {
                    return Err(
                        "normalizeString: `$` stands for a group here: write `\\\\$` for the sign"
                            .into(),
                    );
                }
            },
            c => parts.push(Some(c)),
        }
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c.is_ascii() {
            true => out.push(c),
            false => out.extend(parts.iter().map(|part| part.unwrap_or(c))),
        }
    }
    Ok(out)
}

pub fn too_long() -> String {
    "makes a text that is longer than a script may hold".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_as_java() {
        let arguments = ["a".to_owned(), "b".to_owned()];
        let format = |pattern| format(pattern, &arguments, 100);
        assert_eq!(format("{1}-{0}").unwrap(), "b-a");
        assert_eq!(format("it''s '{0}' {0}").unwrap(), "it's {0} a");
        assert_eq!(format("{2}").unwrap(), "{2}");
        assert!(format("{0").is_err() && format("{x}").is_err() && format("{}").is_err());
    }

    #[test]
    fn substrings_are_inside() {
        assert_eq!(substring("abcdef", "1", "3").unwrap(), "bc");
        assert_eq!(substring("abc", "0", "3").unwrap(), "abc");
        for (begin, end) in [("2", "1"), ("0", "4"), ("-1", "2"), ("a", "2")] {
            assert!(substring("abc", begin, end).is_err());
        }
    }

    #[test]
    fn normalizes_what_is_not_ascii() {
        assert_eq!(normalize("Müller", "_").unwrap(), "M_ller");
        assert_eq!(normalize("Müller", "\\$").unwrap(), "M$ller");
        assert!(normalize("ü", "$1").is_err());
    }
}
