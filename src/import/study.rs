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

/// A study of the folder, on its way to a session.
#[derive(Debug)]
pub struct Study {
    /// Its place in the list of studies, and the name of its staging folder.
    pub index: usize,
    /// Keyed fingerprint of the original Study Instance UID.
    pub key: String,
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
        key: String,
        labels: Result<Labels, RuleFailure>,
        folder: String,
        stored: Vec<StoredSession>,
        names: Names,
    ) -> Self {
        Self {
            index,
            key,
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

    /// The stored session that new files of the study are added to, in an area that `fits`.
    pub fn session_in(&self, fits: impl Fn(SessionState) -> bool) -> Option<&Session> {
        self.of_label()
            .map(|(session, _)| session)
            .find(|s| fits(s.state))
    }

    fn of_label(&self) -> impl Iterator<Item = &StoredSession> {
        let label = self.labels.as_ref().ok().map(|l| l.session.as_str());
        self.stored
            .iter()
            .filter(move |(session, _)| Some(session.label.as_str()) == label)
    }
}
