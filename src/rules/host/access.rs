//! What a manifest declares, compiled: the one place that grants.

use crate::dicom::Tag;
use crate::dicom::path::{Location, PathError, Pattern};
use std::collections::HashSet;

/// The reads and writes that a module may do. What it may write it may also read.
#[derive(Debug)]
pub struct Access {
    reads: Declared,
    writes: Declared,
    writable: bool,
}

impl Access {
    /// Compiles a manifest's declarations; `writable` is false for kinds that only look.
    ///
    /// # Errors
    /// The pattern that can't be parsed, with its place in the manifest (`/reads/2`).
    pub fn new(reads: &[String], writes: &[String], writable: bool) -> Result<Self, String> {
        Ok(Self {
            reads: Declared::new(reads).map_err(|(i, e)| format!("/reads/{i}: {e}"))?,
            writes: Declared::new(writes).map_err(|(i, e)| format!("/writes/{i}: {e}"))?,
            writable,
        })
    }

    /// Everything: for the host's own reads, such as series filters.
    pub fn read_everything() -> Self {
        Self {
            reads: Declared::everything(),
            writes: Declared::default(),
            writable: false,
        }
    }

    pub fn may_read(&self, location: &Location) -> bool {
        self.reads.covers(location) || self.writes.covers(location)
    }

    pub fn may_write(&self, location: &Location) -> bool {
        self.writable && self.writes.covers(location)
    }

    /// Whether what a path or pattern leads to may be read; none where only the dataset can tell.
    pub fn declares_read(&self, pattern: &Pattern) -> Option<bool> {
        match (self.reads.declares(pattern), self.writes.declares(pattern)) {
            (Some(true), _) | (_, Some(true)) => Some(true),
            (Some(false), Some(false)) => Some(false),
            _ => None,
        }
    }

    /// The same for writing.
    pub fn declares_write(&self, pattern: &Pattern) -> Option<bool> {
        self.writes.declares(pattern)
    }

    /// Whether the module's kind may write at all.
    pub fn is_writable(&self) -> bool {
        self.writable
    }
}

/// A list of patterns, with those that name one tag looked up and not tried in turn.
#[derive(Debug, Default)]
struct Declared {
    /// `["*"]`.
    everything: bool,
    /// `X`: at the top.
    top: HashSet<Tag>,
    /// `*/X`: at any depth.
    anywhere: HashSet<Tag>,
    patterns: Vec<Pattern>,
}

impl Declared {
    fn everything() -> Self {
        Self {
            everything: true,
            ..Self::default()
        }
    }

    fn new(patterns: &[String]) -> Result<Self, (usize, PathError)> {
        let mut declared = Self::default();
        for (index, text) in patterns.iter().enumerate() {
            if text == "*" {
                declared.everything = true;
                continue;
            }
            let pattern = Pattern::parse(text).map_err(|e| (index, e))?;
            match pattern.plain_tag() {
                Some((tag, true)) => _ = declared.anywhere.insert(tag),
                Some((tag, false)) => _ = declared.top.insert(tag),
                None => declared.patterns.push(pattern),
            }
        }
        Ok(declared)
    }

    fn declares(&self, pattern: &Pattern) -> Option<bool> {
        let same = |declared: &Pattern| declared.as_str() == pattern.as_str();
        if self.everything || self.patterns.iter().any(same) {
            return Some(true);
        }
        match pattern.plain_tag() {
            Some((tag, true)) if self.anywhere.contains(&tag) => Some(true),
            Some((_, true)) => self.patterns.is_empty().then_some(false),
            None if !pattern.is_path() => None,
            _ => Some(self.covers(&pattern.location())),
        }
    }

    fn covers(&self, location: &Location) -> bool {
        let Some(last) = location.last() else {
            return false;
        };
        self.everything
            || self.anywhere.contains(&last.tag)
            || (location.len() == 1 && self.top.contains(&last.tag))
            || self.patterns.iter().any(|p| p.matches(location))
    }
}
