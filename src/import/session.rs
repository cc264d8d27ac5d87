//! Settling a study: what was staged is compared with what is stored, the route rule says where it goes,
//! and one commit takes it there.

use super::leak::Finding;
use super::outcome::{self, FileState, Outcome};
use super::study::Study;
use super::summary::{Conflict, of_study, scans_of};
use super::{Job, Stop, stage};
use crate::archive::{
    ActionError, ArchiveOptions, session_modality, session_type, sync_file_system,
};
use crate::dicom::{Instance, tags};
use crate::metrics::metrics;
use crate::rules::{Decision, Labels, LeakCheck};
use crate::store::{Area, CommitPlan, NewSession, Scan, Session, SessionState, StoredFile, Taken};
use chrono::Local;
use std::collections::BTreeMap;
use std::fs::File;
use std::sync::Arc;

/// How a study ended.
#[derive(Debug)]
pub struct Settled {
    pub study: usize,
    pub subject: String,
    pub label: String,
    /// None where nothing of it was stored now.
    pub session: Option<Session>,
    pub reason: String,
    pub leaks: BTreeMap<Finding, u64>,
}

impl Job<'_> {
    /// Settles the studies one by one, in the order in which they were met. Answers why it could not go
    /// on, if so: what was committed before stays committed, and told.
    pub(super) fn settle(
        &self,
        studies: &[Arc<Study>],
        files: &mut [FileState],
        settled: &mut Vec<Settled>,
    ) -> Result<Option<String>, Stop> {
        if let Err(error) = sync_file_system(&self.staging) {
            return Ok(Some(format!(
                "The staged files can't be made durable: {error}"
            )));
        }
        for study in studies {
            let Ok(labels) = &study.labels else { continue };
            let study = self
                .check_stop()
                .and_then(|()| self.settle_study(study, labels, files));
            match study {
                Ok(study) => settled.push(study),
                Err(Stop::Failed(why)) => return Ok(Some(why)),
                // What was committed before stays.
                Err(Stop::Cancelled) => return Ok(Some(self.cancelled()?)),
                Err(stop) => return Err(stop),
            }
            self.progress.set(outcome::so_far(files.iter()));
        }
        Ok(None)
    }

    fn settle_study(
        &self,
        study: &Study,
        labels: &Labels,
        files: &mut [FileState],
    ) -> Result<Settled, Stop> {
        self.compare_with_stored(study, files)?;
        let mut settled = Settled {
            study: study.index,
            subject: labels.subject.clone(),
            label: labels.session.clone(),
            session: None,
            reason: "nothing was left to store".into(),
            leaks: study.leaks(),
        };
        let staged: Vec<usize> = (0..files.len())
            .filter(|i| files[*i].study == Some(study.index) && files[*i].is_staged())
            .collect();
        let Some(first) = staged.first() else {
            return Ok(settled);
        };
        let first = self.read_staged(study, &files[*first])?;
        let conflicts = self.conflicts(study, labels, files)?;
        let scans = scans_of(files, &staged);
        let summary = self.summary(study, labels, files, &scans, &conflicts, &first);
        let decision = match self.rules.route(&summary.to_string(), &self.run, labels) {
            Ok(decision) => decision,
            Err(failure) => {
                metrics().rule_failed(&failure);
                tracing::warn!(
                    request = self.request.id,
                    code = failure.code(),
                    "the route rule failed"
                );
                Decision::Prearchive(format!("the route rule gave no answer: {failure}"))
            }
        };
        let (state, overwrite, reason) = self.outcome_of(decision, study, files, &conflicts);
        settled.reason.clone_from(&reason);
        let Some(state) = state else {
            staged
                .iter()
                .for_each(|i| files[*i].settle(Outcome::Rejected, Some(reason.clone())));
            self.importer.block_on(
                self.importer
                    .store
                    .labels()
                    .release_unused(&self.request.project, &labels.session),
            )?;
            return Ok(settled);
        };
        // Rules may take their time: a cancelled request commits nothing that it has not begun to.
        if let Err(Stop::Cancelled) = self.check_stop() {
            let labels_of = self.importer.store.labels();
            let unused = labels_of.release_unused(&self.request.project, &labels.session);
            self.importer.block_on(unused)?;
            return Err(Stop::Cancelled);
        }
        let session = self.new_session(study, labels, &scans, &first, &reason, state);
        settled.session =
            Some(self.commit(study, session, state, overwrite, scans, &staged, files)?);
        let outcome = if state == SessionState::Quarantined {
            Outcome::Quarantined
        } else {
            Outcome::Stored
        };
        let why = (outcome == Outcome::Quarantined).then_some(reason);
        staged
            .iter()
            .for_each(|i| files[*i].settle(outcome, why.clone()));
        Ok(settled)
    }

    /// Staged instances that are stored already are duplicates, or conflicts if the bytes differ.
    fn compare_with_stored(&self, study: &Study, files: &mut [FileState]) -> Result<(), Stop> {
        for file in files
            .iter_mut()
            .filter(|f| f.study == Some(study.index) && f.is_staged())
        {
            let Some(staged) = &file.staged else { continue };
            let Some((session, stored)) = study.stored_file(&staged.file.sop_uid) else {
                continue;
            };
            let here = stage::path(self, study, &staged.file);
            let there = self.importer.data.join(session.path_of(stored));
            let same = File::open(here)
                .and_then(|mut a| crate::archive::same_bytes(&mut a, &mut File::open(there)?));
            match same {
                Ok(true) => file.settle(
                    Outcome::Duplicate,
                    Some("the same SOP instance with the same content is stored".into()),
                ),
                Ok(false) => {
                    file.settle(
                        Outcome::Conflict,
                        Some("the same SOP instance with other content is stored".into()),
                    );
                }
                // It has been archived or deleted since the walk.
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Err(Stop::Overtaken),
                Err(e) => return Err(Stop::Failed(format!("A stored file can't be read: {e}"))),
            }
        }
        Ok(())
    }

    /// The first instance as it will be stored: what is said of the session comes from there.
    fn read_staged(&self, study: &Study, file: &FileState) -> Result<Instance, Stop> {
        let failed = |e: &dyn std::fmt::Display| {
            Stop::Failed(format!("A staged file can't be read back: {e}"))
        };
        let staged = file
            .staged
            .as_ref()
            .ok_or_else(|| failed(&"it is not there"))?;
        let file = File::open(stage::path(self, study, &staged.file)).map_err(|e| failed(&e))?;
        Instance::read(file).map_err(|e| failed(&e))
    }

    fn conflicts(
        &self,
        study: &Study,
        labels: &Labels,
        files: &[FileState],
    ) -> Result<Vec<Conflict>, Stop> {
        let mut conflicts = Vec::new();
        let store = &self.importer.store;
        match self.importer.block_on(store.labels().reserve(
            &self.request.project,
            &labels.session,
            &study.key,
        )) {
            Ok(()) => {}
            Err(Taken::ByAnotherStudy) => {
                conflicts.push(Conflict {
                    code: "label",
                    detail: "the label belongs to another study of the project".into(),
                });
            }
            Err(Taken::Store(error)) => return Err(error.into()),
        }
        if study
            .session_in(|_| true)
            .is_some_and(|s| s.subject != labels.subject)
        {
            conflicts.push(Conflict {
                code: "subject",
                detail: "the stored session of that label is of another subject".into(),
            });
        }
        let differing = of_study(study, files)
            .filter(|f| f.outcome() == Outcome::Conflict)
            .count();
        if differing > 0 {
            conflicts.push(Conflict {
                code: "instance",
                detail: format!("{differing} instances differ from those stored"),
            });
        }
        Ok(conflicts)
    }

    /// What the rule decided, within what it may: a rule's failure and a conflict keep a session from the
    /// archive, and a wish for review stands above all. None: rejected.
    fn outcome_of(
        &self,
        decision: Decision,
        study: &Study,
        files: &[FileState],
        conflicts: &[Conflict],
    ) -> (Option<SessionState>, bool, String) {
        let mut review = study.quarantine_reasons();
        if self.rules.leak_check() == LeakCheck::Quarantine && !study.leaks().is_empty() {
            review.push("identifying values still stand in the result".into());
        }
        if !review.is_empty() && !matches!(decision, Decision::Reject(_)) {
            return (Some(SessionState::Quarantined), false, review.join("; "));
        }
        let takes_label = conflicts.iter().find(|c| c.code != "instance");
        let (wanted, overwrite, reason) = match decision {
            Decision::Reject(reason) => return (None, false, reason),
            Decision::Quarantine(reason) => {
                return (Some(SessionState::Quarantined), false, reason);
            }
            Decision::Prearchive(reason) => (SessionState::Ready, false, reason),
            Decision::Archive(reason) => (SessionState::Archived, false, reason),
            Decision::ArchiveOverwrite(reason) => (SessionState::Archived, true, reason),
        };
        if let Some(conflict) = takes_label {
            return (Some(SessionState::Conflict), false, conflict.detail.clone());
        }
        let failures = of_study(study, files)
            .filter(|f| !f.is_staged() && f.outcome() == Outcome::Failed)
            .count();
        if wanted == SessionState::Archived && failures > 0 {
            return (
                Some(SessionState::Ready),
                false,
                format!("not archived: rules failed on {failures} files"),
            );
        }
        if let Some(conflict) = conflicts.iter().find(|_| wanted == SessionState::Archived) {
            return (
                Some(SessionState::Ready),
                false,
                format!("not archived: {}", conflict.detail),
            );
        }
        (Some(wanted), overwrite, reason)
    }

    fn new_session(
        &self,
        study: &Study,
        labels: &Labels,
        scans: &[Scan],
        first: &Instance,
        reason: &str,
        state: SessionState,
    ) -> NewSession {
        let modality = session_modality(scans.iter().map(|s| s.modality.as_str()));
        NewSession {
            project: self.request.project.clone(),
            // XNAT's names for prearchive folders: local time, to the millisecond.
            timestamp: Local::now().format("%Y%m%d_%H%M%S%3f").to_string(),
            folder: labels.session.clone(),
            subject: labels.subject.clone(),
            label: labels.session.clone(),
            study_uid: first.text(tags::STUDY_INSTANCE_UID).unwrap_or_default(),
            study_key: study.key.clone(),
            scan_date: first.text(tags::STUDY_DATE).and_then(|d| iso_date(&d)),
            scan_time: first.text(tags::STUDY_TIME).and_then(|t| iso_time(&t)),
            xsi_type: session_type(&modality),
            modality,
            rule_set: Some(self.rules.hash().to_owned()),
            reason: Some(reason.to_owned()),
            auto_archive: state == SessionState::Archived,
        }
    }

    /// One durable commit: into the session of the study that stands in the area, or as a new one.
    #[allow(
        clippy::too_many_arguments,
        reason = "each is a part of the one commit"
    )]
    fn commit(
        &self,
        study: &Study,
        mut session: NewSession,
        state: SessionState,
        overwrite: bool,
        scans: Vec<Scan>,
        staged: &[usize],
        files: &[FileState],
    ) -> Result<Session, Stop> {
        let waiting = study.session_in(|s| s.area() == Area::Prearchive);
        let waits = state == SessionState::Archived && waiting.is_some();
        // What is in the prearchive is archived whole: the new files join it there first.
        let outcome = if waits { SessionState::Ready } else { state };
        let into = study.session_in(|s| s.area() == outcome.area());
        if let Some(into) = into {
            session = NewSession {
                reason: session.reason,
                rule_set: session.rule_set,
                ..into.to_new()
            };
        }
        let added: Vec<StoredFile> = staged
            .iter()
            .filter_map(|i| files[*i].staged.as_ref())
            .map(|s| s.file.clone())
            .collect();
        let staging = self.staging.join(study.index.to_string());
        let plan = CommitPlan {
            request: Some(self.request.claim()),
            username: self.request.username.clone(),
            staging: self.below_data(&staging),
            final_path: session.home(outcome.area()).to_string_lossy().into_owned(),
            session,
            into: into.map(|s| s.id),
            retires: None,
            outcome,
            scans,
            files: added,
            details: serde_json::json!({ "overwrite": overwrite }),
        };
        let importer = self.importer;
        let stored = importer
            .block_on(importer.archive.commit(plan))
            .map_err(stop_of)?;
        if !waits {
            return Ok(stored);
        }
        let options = ArchiveOptions {
            merge: true,
            overwrite_files: overwrite,
            ..ArchiveOptions::default()
        };
        match importer.block_on(
            importer
                .archive
                .archive(&stored, options, &self.request.username),
        ) {
            Ok(archived) => Ok(archived),
            // It is stored, and says itself what stands in the way.
            Err(ActionError::Conflict(_) | ActionError::Busy) => {
                let now = importer.block_on(importer.store.sessions().get(stored.id))?;
                Ok(now.unwrap_or(stored))
            }
            Err(error) => Err(stop_of(error)),
        }
    }

    fn below_data(&self, path: &std::path::Path) -> String {
        path.strip_prefix(&self.importer.data)
            .unwrap_or(path)
            .to_string_lossy()
            .into_owned()
    }
}

fn stop_of(error: ActionError) -> Stop {
    match error {
        ActionError::Store(error) => Stop::Store(error),
        ActionError::Busy | ActionError::Conflict(_) => Stop::Overtaken,
        other => Stop::Failed(format!("The session can't be committed: {other}")),
    }
}

/// `20240229` as `2024-02-29`, as XNAT's rows have it.
fn iso_date(date: &str) -> Option<String> {
    let digits: String = date.chars().filter(char::is_ascii_digit).collect();
    (digits.len() == 8).then(|| format!("{}-{}-{}", &digits[..4], &digits[4..6], &digits[6..]))
}

/// `141530.25` as `14:15:30`.
fn iso_time(time: &str) -> Option<String> {
    let digits: String = time.chars().filter(char::is_ascii_digit).collect();
    (digits.len() >= 6).then(|| format!("{}:{}:{}", &digits[..2], &digits[2..4], &digits[4..6]))
}
