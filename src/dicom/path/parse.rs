//! From text to a pattern, with a word on what can't be understood.

use super::tag::{Digit, TagPattern, number};
use super::{Items, PathError, Pattern, Step};
use crate::dicom::dictionary;
use dicom_core::Tag;

impl Pattern {
    /// Parses a path or a pattern.
    ///
    /// # Errors
    /// What can't be understood, with a near keyword where one is misspelt.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        let fail = |why: String| PathError {
            path: text.to_owned(),
            why,
        };
        let parts = split_steps(text);
        let mut steps = Vec::with_capacity(parts.len());
        for (index, part) in parts.iter().enumerate() {
            let last = index + 1 == parts.len();
            match *part {
                "*" => steps.push(Step::AnyDepth),
                "+" => steps.extend([Step::OneLevel, Step::AnyDepth]),
                "." => steps.push(Step::OneLevel),
                part => steps.push(parse_element(part, last).map_err(fail)?),
            }
        }
        // `*` twice is `*` once; kept single so that nothing is visited twice.
        steps.dedup_by(|a, b| *a == Step::AnyDepth && *b == Step::AnyDepth);
        if !matches!(steps.last(), Some(Step::Element { .. })) {
            return Err(fail(
                "must end in an element, such as `*/PatientName`".into(),
            ));
        }
        Ok(Self {
            steps,
            text: text.to_owned(),
        })
    }

    /// The same, for one element: no wildcards.
    ///
    /// # Errors
    /// As [`Pattern::parse`], and for a pattern.
    pub fn parse_path(text: &str) -> Result<Self, PathError> {
        let pattern = Self::parse(text)?;
        pattern.as_path()?;
        Ok(pattern)
    }
}

/// Splits at `/`, but not inside braces.
fn split_steps(text: &str) -> Vec<&str> {
    let mut depth = 0u32;
    text.split(|c| {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == '/' && depth == 0
    })
    .map(str::trim)
    .collect()
}

fn parse_element(part: &str, last: bool) -> Result<Step, String> {
    if part.is_empty() {
        return Err("has an empty step".into());
    }
    let (name, items) = match part.strip_suffix(']').and_then(|p| p.rsplit_once('[')) {
        Some((name, "%")) => (name, Items::Every),
        Some((name, index)) => {
            let index = index
                .parse()
                .map_err(|_| format!("`[{index}]` is neither an item's number nor `[%]`"))?;
            (name, Items::Index(index))
        }
        None => (part, Items::Unsaid),
    };
    if last && items != Items::Unsaid {
        return Err("an item's number must be followed by an element in it".into());
    }
    let tag = match name.strip_prefix('(') {
        Some(rest) => {
            let inner = rest.strip_suffix(')').ok_or("a tag must end in `)`")?;
            parse_tag(inner)?
        }
        None => TagPattern::Exact(dictionary::tag_of(name).ok_or_else(|| {
            match dictionary::nearest_keyword(name) {
                Some(near) => format!("there is no keyword `{name}`, did you mean `{near}`?"),
                None => format!("there is no keyword `{name}` in PS3.6"),
            }
        })?),
    };
    Ok(Step::Element { tag, items })
}

/// `gggg,eeee` or `gggg,{creator}ee`.
fn parse_tag(inner: &str) -> Result<TagPattern, String> {
    let (group, element) = inner
        .split_once(',')
        .ok_or("a tag has the form (gggg,eeee)")?;
    let group: [Digit; 4] = parse_digits(group.trim())?;
    let element = element.trim();
    if let Some(rest) = element.strip_prefix('{') {
        let (creator, offset) = rest
            .rsplit_once('}')
            .ok_or("a private creator must end in `}`")?;
        if creator.trim().is_empty() {
            return Err("the private creator is empty".into());
        }
        let odd = match group[3] {
            Digit::Exact(digit) => digit % 2 == 1,
            Digit::Odd | Digit::Any => true,
            Digit::Even => false,
        };
        if !odd {
            return Err("a private creator goes with an odd group (PS3.5 7.8)".into());
        }
        return Ok(TagPattern::Private {
            group,
            creator: creator.trim().into(),
            element: parse_digits(offset.trim())?,
        });
    }
    let element: [Digit; 4] = parse_digits(element)?;
    let exact = group
        .iter()
        .chain(&element)
        .all(|d| matches!(d, Digit::Exact(_)));
    Ok(match exact {
        true => TagPattern::Exact(Tag(number(&group), number(&element))),
        false => TagPattern::Digits { group, element },
    })
}

fn parse_digits<const N: usize>(text: &str) -> Result<[Digit; N], String> {
    let digits: Option<Vec<Digit>> = text.chars().map(Digit::parse).collect();
    digits
        .and_then(|digits| digits.try_into().ok())
        .ok_or_else(|| format!("`{text}` is not {N} hexadecimal digits (or X any, @ even, # odd)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_say_what_and_offer_a_near_keyword() {
        let why = |text| Pattern::parse(text).expect_err(text).why;
        assert_eq!(
            why("PatientNam"),
            "there is no keyword `PatientNam`, did you mean `PatientName`?"
        );
        assert_eq!(
            why("(0010,00)"),
            "`00` is not 4 hexadecimal digits (or X any, @ even, # odd)"
        );
        assert_eq!(why("*"), "must end in an element, such as `*/PatientName`");
        assert_eq!(
            why("(0010,{ACME}01)"),
            "a private creator goes with an odd group (PS3.5 7.8)"
        );
        assert_eq!(
            why("PatientName[x]/PatientID"),
            "`[x]` is neither an item's number nor `[%]`"
        );
    }
}
