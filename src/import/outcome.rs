//! What becomes of each file (the table of outcomes).

use crate::dicom::HeaderDigest;
use crate::inbox::{Found, Identity};
use crate::store::{Counts, Scan, StoredFile};
use serde::Serialize;
use std::sync::Arc;

/// A file's outcome. Every file that was found has exactly one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Stored,
    /// The same SOP instance with the same content is stored, or was met before.
    Duplicate,
    /// The same SOP instance with other content.
    Conflict,
    /// By a series filter.
    Filtered,
    /// By a rule.
    Rejected,
    /// A rule gave no answer.
    Failed,
    /// Stored where only who may review it sees it.
    Quarantined,
    NotDicom,
    Unreadable,
    CutShort,
    /// Changed, vanished or appeared while the import ran.
    Changed,
}

/// A file in staging, with the series that it is of.
#[derive(Debug, Clone)]
pub struct Staged {
    pub file: Arc<StoredFile>,
    pub scan: Arc<Scan>,
}

/// Where a staged file comes from: what went in, what was done to it, what came out.
#[derive(Debug, Clone)]
pub struct Provenance {
    pub header_in: HeaderDigest,
    pub header_out: HeaderDigest,
    /// What the rules did, see [`super::trail`].
    pub trail: usize,
    /// Regions of its picture were made black.
    pub redacted: bool,
}

/// A file on its way: staged, and not settled, or done.
#[derive(Debug)]
pub enum Fate {
    Staged,
    Done(Outcome, Option<String>),
}

/// What is known of one file of the walk. There may be very many that are no DICOM: these are to be small.
#[derive(Debug)]
pub struct FileState {
    pub found: Arc<Found>,
    pub identity: Option<Identity>,
    pub fate: Fate,
    /// The study it belongs to, by its place in the list of studies.
    pub study: Option<usize>,
    /// For what was staged, and where it is (or was) to stand.
    pub staged: Option<Staged>,
    pub provenance: Option<Box<Provenance>>,
    /// The steps at archiving ran over its session after it had joined that: it may be stored under another
    /// UID than it was staged with.
    pub made_anew: bool,
    /// The session in which this very request had stored it before it was cut off.
    pub stored_before: Option<i64>,
    /// The same SOP instance is stored with other content, and may yet be replaced.
    pub differs: bool,
    /// It took the place of a stored instance.
    pub replaced: bool,
    /// For a duplicate met before in this walk: that file's place in it.
    pub duplicate_of: Option<u64>,
}

impl FileState {
    pub fn new(found: Found) -> Self {
        let fate = Fate::Done(Outcome::Unreadable, None);
        Self {
            found: Arc::new(found),
            identity: None,
            fate,
            study: None,
            staged: None,
            provenance: None,
            made_anew: false,
            stored_before: None,
            differs: false,
            replaced: false,
            duplicate_of: None,
        }
    }

    pub fn done(mut self, outcome: Outcome, reason: impl Into<String>) -> Self {
        self.settle(outcome, Some(reason.into()));
        self
    }

    pub fn settle(&mut self, outcome: Outcome, reason: Option<String>) {
        self.fate = Fate::Done(outcome, reason);
    }

    pub fn is_staged(&self) -> bool {
        matches!(self.fate, Fate::Staged)
    }

    pub fn outcome(&self) -> Outcome {
        match self.fate {
            Fate::Done(outcome, _) => outcome,
            // Only until its session is settled.
            Fate::Staged => Outcome::Failed,
        }
    }

    pub fn reason(&self) -> Option<&str> {
        match &self.fate {
            Fate::Done(_, reason) => reason.as_deref(),
            Fate::Staged => None,
        }
    }

    pub fn stored_bytes(&self) -> u64 {
        match (self.outcome(), &self.staged) {
            (Outcome::Stored | Outcome::Quarantined, Some(staged)) => {
                u64::try_from(staged.file.size).unwrap_or_default()
            }
            _ => 0,
        }
    }
}

/// The counts of an import that runs: what is staged is nothing else yet.
pub fn so_far<'a>(files: impl IntoIterator<Item = &'a FileState>) -> Counts {
    let mut counts = Counts::default();
    for file in files {
        counts.found += 1;
        add(&mut counts, file);
    }
    counts
}

/// Counts a file that was found before as what it has come to.
pub fn add(counts: &mut Counts, file: &FileState) {
    match file.fate {
        Fate::Staged => counts.staged += 1,
        Fate::Done(outcome, _) => *of(counts, outcome) += 1,
    }
}

pub fn count<'a>(files: impl IntoIterator<Item = &'a FileState>) -> Counts {
    let mut counts = Counts::default();
    for file in files {
        counts.found += 1;
        *of(&mut counts, file.outcome()) += 1;
    }
    counts
}

fn of(counts: &mut Counts, outcome: Outcome) -> &mut u64 {
    match outcome {
        Outcome::Stored => &mut counts.stored,
        Outcome::Duplicate => &mut counts.duplicate,
        Outcome::Conflict => &mut counts.conflict,
        Outcome::Filtered => &mut counts.filtered,
        Outcome::Rejected => &mut counts.rejected,
        Outcome::Failed => &mut counts.failed,
        Outcome::Quarantined => &mut counts.quarantined,
        Outcome::NotDicom => &mut counts.not_dicom,
        Outcome::Unreadable => &mut counts.unreadable,
        Outcome::CutShort => &mut counts.cut_short,
        Outcome::Changed => &mut counts.changed,
    }
}
