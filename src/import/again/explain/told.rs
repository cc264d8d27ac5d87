//! What is told of files that were explained.

use super::super::super::leak::Finding;
use super::super::super::outcome::Outcome;
use super::pictures::Pictures;
use crate::dicom::HeaderDigest;
use crate::rules::{Labels, LeakCheck, StepInfo, StepTrace};
use serde::Serialize;
use serde_json::Value;

#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct Explanation {
    pub project: String,
    pub rule_set: String,
    /// In the order in which they run.
    pub modules: Vec<StepInfo>,
    /// What a policy asks for and does not get, and why.
    pub notes: Vec<String>,
    pub leak_check: LeakCheck,
    pub studies: Vec<StudyExplained>,
    /// In the order of the walk.
    pub files: Vec<FileExplained>,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct StudyExplained {
    /// The label rule's answer; none if it failed.
    pub labels: Option<Labels>,
    /// Why it failed.
    pub error: Option<String>,
    /// Of the sources.
    #[serde(skip)]
    pub(in crate::import) uid: String,
    /// Where identifying values of the originals still stand, and in how many files.
    pub leaks: Vec<Leak>,
    /// What the route rule sees.
    pub summary: Option<Value>,
    /// What it says.
    pub route: Option<Routed>,
    /// What stands above the route rule's word: reasons for review.
    pub review: Vec<String>,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct Leak {
    #[serde(flatten)]
    pub finding: Finding,
    pub files: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Routed {
    /// None: the rule failed, and the session stays in the prearchive.
    pub to: Option<&'static str>,
    pub why: String,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct FileExplained {
    pub path: String,
    /// `stored` where nothing stands against it; routing may still reject its session.
    pub outcome: Outcome,
    pub reason: Option<String>,
    /// Its place in the list of studies.
    pub study: Option<usize>,
    /// What each step of the chain did, as far as the chain went.
    pub steps: Vec<StepTrace>,
    pub leaks: Vec<Finding>,
    /// Where a rule makes regions black: what it looks like before and after.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pictures: Option<Pictures>,
    /// Of the failure, if it is one of a rule.
    #[serde(skip)]
    pub(in crate::import) code: Option<&'static str>,
    /// In a [`trial`](super::trial), in place of the steps.
    #[serde(skip)]
    pub(in crate::import) tried: Option<Tried>,
}

/// What rules did to a file, in little.
#[derive(Debug, Clone, Copy)]
pub(in crate::import) struct Tried {
    pub trail: usize,
    /// None if it can't be written.
    pub header_out: Option<HeaderDigest>,
    /// Regions of its picture are made black, of which the digest tells nothing.
    pub redacted: bool,
}

impl Explanation {
    /// The same for whoever may not see what identifies.
    #[must_use]
    pub fn without_values(mut self) -> Self {
        for study in &mut self.studies {
            study.summary = None;
        }
        let steps = self.files.iter_mut().flat_map(|file| &mut file.steps);
        for edit in steps.flat_map(|step| &mut step.edits) {
            (edit.before, edit.after) = (None, None);
        }
        for file in &mut self.files {
            file.pictures = None;
        }
        self
    }
}

impl FileExplained {
    pub(super) fn redacts(&self) -> bool {
        let mut edits = self.steps.iter().flat_map(|step| &step.edits);
        edits.any(|edit| edit.action == "redact")
    }

    pub(super) fn done(path: String, outcome: Outcome, reason: impl Into<String>) -> Self {
        Self {
            path,
            outcome,
            reason: Some(reason.into()),
            study: None,
            steps: Vec::new(),
            leaks: Vec::new(),
            pictures: None,
            code: None,
            tried: None,
        }
    }
}
