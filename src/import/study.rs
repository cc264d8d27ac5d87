//! A study of the folder on its way to a session: its labels, and what its files have told so far.

use super::gate::lock;
use super::leak::Finding;
use crate::archive::Names;
use crate::rules::{Labels, RuleFailure};
use crate::store::{Session, SessionState, StoredFile};
use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;

/// A session that was stored before, with its files by SOP instance.
pub type StoredSession = (Session, HashMap<String, StoredFile>);

/// Keyed fingerprints of the original Study Instance UID: under the project's present pseudonym key, and
/// under those that it had before, the latest first.
#[derive(Debug)]
pub struct StudyKeys {
    pub present: String,
    pub earlier: Vec<String>,
}

impl StudyKeys {
    pub fn all(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.present)
            .chain(&self.earlier)
            .map(String::as_str)
    }
}

/// A study of the folder, on its way to a session.
#[derive(Debug)]
pub struct Study {
    /// Its place in the list of studies, and the name of its staging folder.
    pub index: usize,
    pub keys: StudyKeys,
    pub labels: Result<Labels, RuleFailure>,
    /// The folder in which it was met first, for messages.
    pub folder: String,
    /// The sessions of this study.
    pub stored: Vec<StoredSession>,
    pub names: Mutex<Names>,
    /// What is asked for review, first reason first.
    quarantine: Mutex<Vec<String>>,
    leaks: Mutex<BTreeMap<Finding, u64>>,
}

impl Study {
    pub fn new(
        index: usize,
        keys: StudyKeys,
        labels: Result<Labels, RuleFailure>,
        folder: String,
        stored: Vec<StoredSession>,
        names: Names,
    ) -> Self {
        Self {
            index,
            keys,
            labels,
            folder,
            stored,
            names: Mutex::new(names),
            quarantine: Mutex::default(),
            leaks: Mutex::default(),
        }
    }

    pub fn quarantine(&self, reason: String) {
        let mut reasons = lock(&self.quarantine);
        if !reasons.contains(&reason) {
            reasons.push(reason);
        }
    }

    pub fn quarantine_reasons(&self) -> Vec<String> {
        lock(&self.quarantine).clone()
    }

    pub fn add_leaks(&self, findings: Vec<Finding>) {
        let mut leaks = lock(&self.leaks);
        for finding in findings {
            *leaks.entry(finding).or_default() += 1;
        }
    }

    /// What was found, and in how many files.
    pub fn leaks(&self) -> BTreeMap<Finding, u64> {
        lock(&self.leaks).clone()
    }

    /// The file that holds an instance already, in the sessions of the study's label. Under another label
    /// the study is another session, as in XNAT.
    pub fn stored_file(&self, sop_uid: &str) -> Option<(&Session, &StoredFile)> {
        self.of_label()
            .find_map(|(session, files)| Some((session, files.get(sop_uid)?)))
    }

    /// The stored session that new files of the study are added to, in an area that `fits`. `study_uid` is
    /// that of the new files as they will be stored. A session stored under an earlier key of the project is
    /// added to only where it bears the same one: else the rules gave its files other UIDs than they give the
    /// new ones, and the session would hold each instance twice.
    pub fn session_in(
        &self,
        study_uid: &str,
        fits: impl Fn(SessionState) -> bool,
    ) -> Option<&Session> {
        self.of_label()
            .map(|(session, _)| session)
            .filter(|s| s.study_key == self.keys.present || s.study_uid == study_uid)
            .find(|s| fits(s.state))
    }

    /// The fingerprint by which the label's sessions know the study: an earlier key's, where it goes on in a
    /// session stored under that.
    pub fn key_in_store(&self, study_uid: &str) -> &str {
        self.session_in(study_uid, |_| true)
            .map_or(&self.keys.present, |session| &session.study_key)
    }

    fn of_label(&self) -> impl Iterator<Item = &StoredSession> {
        let label = self.labels.as_ref().ok().map(|l| l.session.as_str());
        self.stored
            .iter()
            .filter(move |(session, _)| Some(session.label.as_str()) == label)
    }
}
