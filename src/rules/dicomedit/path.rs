//! Tag paths: DicomEdit's, as patterns of [`crate::dicom::path`].

use super::syntax::{End, TagPath};
use crate::dicom::path::{PathError, Pattern};

/// What DicomEdit says of a tag beyond its form: `(gggg,eeee)` or `(gggg,{creator}ee)`.
///
/// # Errors
/// What is wrong with it, and how it is written.
pub fn check_tag(tag: &str) -> Result<(), String> {
    let last = tag.as_bytes().get(4).copied().map_or(' ', char::from);
    let is_private = match last {
        'X' | 'x' => {
            return Err(format!(
                "{tag}: the group's last digit says whether the tag is private, and so can't be X: write `@` (even, public) or `#` (odd, private)"
            ));
        }
        '#' => true,
        '@' => false,
        digit => digit.to_digit(16).is_some_and(|digit| digit % 2 == 1),
    };
    match (is_private, tag.contains('{')) {
        (true, false) => Err(format!(
            "{tag}: a private tag needs its creator: write ({},{{CREATOR}}{})",
            &tag[1..5],
            &tag[tag.len() - 3..tag.len() - 1]
        )),
        (false, true) => Err(format!(
            "{tag}: a private creator goes with an odd group (PS3.5 7.8)"
        )),
        (_, has_creator) => match (
            has_creator,
            tag.rsplit(['}', ',']).next().map_or(0, str::len),
        ) {
            (true, 3) | (false, 5) => Ok(()),
            _ => Err(format!(
                "{tag}: a public tag has four digits behind its comma, a private one two behind its creator"
            )),
        },
    }
}

/// A path of steps that were checked one by one.
///
/// # Errors
/// Why it leads nowhere.
pub fn build(steps: &[String]) -> Result<TagPath, String> {
    let text = steps.join("/");
    let Some((last, before)) = steps.split_last() else {
        return Err("an empty path".to_owned());
    };
    if !last.starts_with('(') {
        return Err(format!(
            "{text}: a path ends in a tag, such as {text}/(0010,0010)"
        ));
    }
    let (tag, end) = split_end(last)?;
    let plain = before
        .iter()
        .map(String::as_str)
        .chain([tag])
        .collect::<Vec<_>>()
        .join("/");
    let pattern = Pattern::parse(&plain).map_err(|error| error.to_string())?;
    let has_items = before
        .iter()
        .all(|step| step.ends_with(']') && !step.ends_with("[%]"));
    Ok(TagPath {
        is_singular: pattern.is_path() && has_items && end != End::EveryItem,
        is_direct: false,
        text,
        pattern,
        end,
    })
}

/// A path as `set` and `delete` take it: real numbers, also of private elements, and of every item.
///
/// # Errors
/// What makes it another kind of path.
pub fn direct(text: &str) -> Result<TagPath, String> {
    let steps: Vec<&str> = text.split('/').map(str::trim).collect();
    let wrong = || {
        format!(
            "{text}: `set` and `delete` take the direct path of one element, such as (0008,1111)[0]/(0019,1001): numbers, no wildcards, no creators"
        )
    };
    for (index, step) in steps.iter().enumerate() {
        let (tag, end) = split_end(step)?;
        let is_plain = tag.len() == 11
            && tag.char_indices().all(|(at, c)| match at {
                0 => c == '(',
                5 => c == ',',
                10 => c == ')',
                _ => c.is_ascii_hexdigit(),
            });
        let is_last = index + 1 == steps.len();
        if !is_plain || is_last != (end == End::Element) || end == End::EveryItem {
            return Err(wrong());
        }
    }
    let pattern = Pattern::parse_path(text).map_err(|error: PathError| error.to_string())?;
    Ok(TagPath {
        text: text.to_owned(),
        pattern,
        end: End::Element,
        is_singular: true,
        is_direct: true,
    })
}

fn split_end(step: &str) -> Result<(&str, End), String> {
    let Some((tag, item)) = step
        .strip_suffix(']')
        .and_then(|step| step.rsplit_once('['))
    else {
        return Ok((step, End::Element));
    };
    match item {
        "%" => Ok((tag, End::EveryItem)),
        number => number
            .parse()
            .map(|number| (tag, End::Item(number)))
            .map_err(|_| format!("{step}: [{number}] is no item's number")),
    }
}
