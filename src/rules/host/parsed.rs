//! Paths and patterns that were parsed before: a module asks for the same few in every file, and what a text
//! means depends on nothing else. Kept by thread, so that no run waits for another.

use crate::dicom::path::{PathError, Pattern};
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

/// More than the modules of a chain name one by one; whole tables are kept elsewhere.
const MOST_KEPT: usize = 512;

/// Longer texts are not kept, so that a module that makes up paths can't fill the memory.
const LONGEST_KEPT: usize = 128;

thread_local! {
    static KEPT: RefCell<HashMap<Box<str>, Arc<Pattern>>> = RefCell::default();
}

/// As [`Pattern::parse`].
pub fn pattern(text: &str) -> Result<Arc<Pattern>, PathError> {
    if let Some(kept) = KEPT.with_borrow(|kept| kept.get(text).cloned()) {
        return Ok(kept);
    }
    let pattern = Arc::new(Pattern::parse(text)?);
    if text.len() <= LONGEST_KEPT {
        KEPT.with_borrow_mut(|kept| {
            if kept.len() >= MOST_KEPT {
                kept.clear();
            }
            kept.insert(text.into(), Arc::clone(&pattern));
        });
    }
    Ok(pattern)
}

/// As [`Pattern::parse_path`].
pub fn path(text: &str) -> Result<Arc<Pattern>, PathError> {
    let pattern = pattern(text)?;
    pattern.as_path()?;
    Ok(pattern)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_means_the_same_the_second_time() {
        for text in [
            "PatientName",
            "*/PatientName",
            "(0019,{ACME}0C)",
            "Patient",
            "*",
        ] {
            let first = (pattern(text).map(|p| (*p).clone()), path(text).is_ok());
            let second = (pattern(text).map(|p| (*p).clone()), path(text).is_ok());
            assert_eq!(first, second);
            assert_eq!(second.0, Pattern::parse(text));
            assert_eq!(second.1, Pattern::parse_path(text).is_ok());
        }
    }

    #[test]
    fn made_up_paths_take_no_more_than_their_share() {
        for number in 0..2 * MOST_KEPT {
            let text = format!("ReferencedImageSequence[{number}]/ReferencedSOPInstanceUID");
            assert_eq!(path(&text).expect("a path").as_str(), text);
        }
        let long = format!("(0019,{{{}}}0C)", "A".repeat(LONGEST_KEPT));
        assert!(path(&long).is_ok());
        KEPT.with_borrow(|kept| {
            assert!(kept.len() <= MOST_KEPT);
            assert!(kept.keys().all(|text| text.len() <= LONGEST_KEPT));
        });
    }
}
