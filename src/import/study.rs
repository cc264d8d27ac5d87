//! A study of the folder on its way to a session: its labels, and what its files have told so far.

use super::gate::lock;
use super::leak::{Finding, Needles};
use crate::archive::Names;
use crate::rules::{Decision, Labels, RuleFailure};
use crate::store::{Area, Session, SessionState, StoredFile};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock};

/// A session that was stored before, with its files by SOP instance.
pub type StoredSession = (Session, HashMap<String, StoredFile>);

/// What is stored of a study when its first file is met.
#[derive(Debug, Default)]
pub struct Stored {
    /// Under its label.
    pub sessions: Vec<StoredSession>,
    /// Under other labels: each session with the number of files in its scans. What this request itself has
    /// stored, before it was cut off, does not count.
    pub elsewhere: Vec<(Session, BTreeMap<String, u64>)>,
    /// Those under its label that wait for other steps at archiving than these rules leave to be run then.
    pub of_other_steps: HashSet<i64>,
}

impl Stored {
    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty() && self.elsewhere.is_empty()
    }
}

/// Keyed fingerprints of the original Study Instance UID: under the project's present pseudonym key, and
/// under those that it had before, the latest first.
#[derive(Debug, Clone)]
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

/// What the route rule has decided of a part of a study.
#[derive(Debug)]
pub struct PartOf {
    /// The study's index.
    pub whole: usize,
    pub decision: Decision,
    /// The files wait for the steps at archiving.
    pub identified: bool,
}

/// A study of the folder, on its way to a session; or some of its series.
#[derive(Debug)]
pub struct Study {
    /// Its place in the list of studies, and the name of its staging folder.
    pub index: usize,
    pub keys: StudyKeys,
    pub labels: Result<Labels, RuleFailure>,
    /// The folder in which it was met first, for messages.
    pub folder: String,
    pub stored: Stored,
    pub names: Mutex<Names>,
    /// What is asked for review, first reason first.
    quarantine: Mutex<Vec<String>>,
    leaks: Mutex<BTreeMap<Finding, u64>>,
    /// What to look for once the steps at archiving have run; of all its files, where that is so late.
    needles: Mutex<Needles>,
    remade: AtomicBool,
    stored_uid: OnceLock<String>,
    pub part: Option<PartOf>,
}

impl Study {
    pub fn new(
        index: usize,
        keys: StudyKeys,
        labels: Result<Labels, RuleFailure>,
        folder: String,
        stored: Stored,
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
            needles: Mutex::default(),
            remade: AtomicBool::default(),
            stored_uid: OnceLock::new(),
            part: None,
        }
    }

    /// Some series of this study, to be settled by themselves. What is to be reviewed in the whole is to be
    /// reviewed in each part.
    pub fn part(
        &self,
        index: usize,
        labels: Labels,
        stored: Stored,
        names: Names,
        part: PartOf,
    ) -> Self {
        Self {
            quarantine: Mutex::new(self.quarantine_reasons()),
            leaks: Mutex::new(self.leaks()),
            needles: Mutex::new(self.needles()),
            part: Some(part),
            ..Self::new(
                index,
                self.keys.clone(),
                Ok(labels),
                self.folder.clone(),
                stored,
                names,
            )
        }
    }

    /// Whether the files of a stored session wait for other steps at archiving than those of this study do.
    pub fn is_mixed(&self, session: &Session, identified: bool) -> bool {
        let others = &self.stored.of_other_steps;
        session.identified != identified || identified && others.contains(&session.id)
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

    pub fn add_needles(&self, more: Needles) {
        lock(&self.needles).extend(more);
    }

    pub fn needles(&self) -> Needles {
        lock(&self.needles).clone()
    }

    /// The name of the study's folder in its request's staging: another once the steps at archiving have
    /// run over the first.
    pub fn staging(&self) -> String {
        match self.remade.load(Ordering::Relaxed) {
            true => format!("{}-for-archive", self.index),
            false => self.index.to_string(),
        }
    }

    pub fn set_remade(&self) {
        self.remade.store(true, Ordering::Relaxed);
    }

    /// What was found, and in how many files.
    pub fn leaks(&self) -> BTreeMap<Finding, u64> {
        lock(&self.leaks).clone()
    }

    /// The files that hold an instance already, in the sessions of the study's label, before or after the
    /// steps at archiving. Under another label the study is another session, as in XNAT.
    pub fn stored_files(
        &self,
        sop_uid: &str,
        identified: bool,
    ) -> impl Iterator<Item = (&Session, &StoredFile)> {
        self.of_label()
            .filter(move |(session, _)| session.identified == identified)
            .filter_map(move |(session, files)| Some((session, files.get(sop_uid)?)))
    }

    /// The stored session that new files of the study are added to in `area`: one that is in conflict with
    /// others only where there is no other.
    pub fn session_in(&self, area: Area) -> Option<&StoredSession> {
        let in_area = || self.of_label().filter(move |(s, _)| s.area() == area);
        in_area()
            .find(|(s, _)| s.state != SessionState::Conflict)
            .or_else(|| in_area().find(|(s, _)| self.is_of_subject(s)))
    }

    /// The session that waits in the prearchive for nothing but being archived: what goes to the archive
    /// takes it along. One in conflict waits for somebody's decision.
    pub fn waiting(&self) -> Option<&StoredSession> {
        self.of_label()
            .find(|(s, _)| s.area() == Area::Prearchive && s.state != SessionState::Conflict)
    }

    /// The stored session in conflict that more files in conflict are added to.
    pub fn session_in_conflict(&self) -> Option<&StoredSession> {
        self.of_label()
            .find(|(s, _)| s.state == SessionState::Conflict && self.is_of_subject(s))
    }

    fn is_of_subject(&self, session: &Session) -> bool {
        self.labels
            .as_ref()
            .is_ok_and(|labels| labels.subject == session.subject)
    }

    /// The fingerprint by which the label's sessions know the study: an earlier key's, where it goes on in a
    /// session stored under that.
    pub fn key_in_store(&self) -> &str {
        self.of_label()
            .next()
            .map_or(&self.keys.present, |(session, _)| &session.study_key)
    }

    /// What is known from the first staged instance on: the Study Instance UID as it will be stored.
    pub fn set_stored_uid(&self, uid: String) {
        // The first says it for all: they are of one study.
        _ = self.stored_uid.set(uid);
    }

    /// The sessions of the study's label. One stored under an earlier key of the project is among them only
    /// where it bears the UID of the new files: else the rules gave its files other UIDs than they give the
    /// new ones, and it would hold each instance twice.
    pub fn of_label(&self) -> impl Iterator<Item = &StoredSession> {
        self.stored.sessions.iter().filter(|(session, _)| {
            let uid = self.stored_uid.get();
            session.study_key == self.keys.present
                || uid.is_none_or(|uid| session.study_uid == *uid)
        })
    }
}
