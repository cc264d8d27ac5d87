//! The commit that ends an import of a study, and the way on to the archive for what waits there.

use super::super::described::described;
use super::super::gate::lock;
use super::super::outcome::FileState;
use super::super::staged::{scans_of, staged};
use super::super::study::{StoredSession, Study};
use super::super::waiting::Arrived;
use super::super::{Job, Stop, disk};
use super::settlement::Settlement;
use crate::archive::{ActionError, ArchiveOptions, Names};
use crate::dicom::Instance;
use crate::failpoint::crash_point;
use crate::rules::{Labels, Overwrite};
use crate::store::{CommitPlan, NewSession, Scan, Session, SessionState, StoredFile};
use chrono::Local;
use std::collections::HashMap;
use std::sync::Arc;

impl Job<'_> {
    /// The stored session that the files are added to, if there is one.
    pub(super) fn into<'a>(
        &self,
        study: &'a Study,
        settlement: &Settlement,
    ) -> Option<&'a StoredSession> {
        match self.first_state(study, settlement) {
            SessionState::Conflict => study.session_in_conflict(),
            state => study.session_in(state.area()),
        }
    }

    /// What is in the prearchive is archived whole: new files join it there first. So do those that the
    /// steps at archiving have still to run over.
    fn first_state(&self, study: &Study, settlement: &Settlement) -> SessionState {
        let waits = study.waiting().is_some() || settlement.identified;
        match settlement.state {
            SessionState::Archived if waits => SessionState::Ready,
            state => state,
        }
    }

    /// One durable commit: into the session of the study that stands in the area, or as a new one.
    pub(super) fn commit(
        &self,
        study: &Study,
        labels: &Labels,
        settlement: &Settlement,
        first: &Instance,
        files: &mut [FileState],
    ) -> Result<Arrived, Stop> {
        let outcome = self.first_state(study, settlement);
        let into = self.into(study, settlement);
        if let Some((_, there)) = into {
            self.keep_names_apart(study, files, there)?;
        }
        let staged = staged(study, files);
        let scans = scans_of(staged.iter().filter_map(|i| files[*i].staged.as_ref()));
        let mut session = self.new_session(study, labels, &scans, first, settlement);
        if let Some((into, _)) = into {
            session = NewSession {
                reason: session.reason,
                rule_set: session.rule_set,
                archive_rule_set: session.archive_rule_set.or(into.archive_rule_set.clone()),
                ..into.to_new()
            };
        }
        let replaces = staged.iter().any(|i| files[*i].replaced);
        let before = staged.iter().find_map(|i| files[*i].stored_before);
        let added: Vec<Arc<StoredFile>> = staged
            .iter()
            .filter(|i| files[**i].stored_before.is_none())
            .filter_map(|i| files[*i].staged.as_ref())
            .map(|s| s.file.clone())
            .collect();
        let plan = CommitPlan {
            request: Some(self.request.claim()),
            username: self.request.username.clone(),
            staging: self.below_data(&self.staging.join(study.staging())),
            final_path: session.home(outcome.area()).to_string_lossy().into_owned(),
            session,
            into: into.map(|(s, _)| s.id),
            retires: None,
            outcome,
            scans,
            files: added,
            seen: into.map(|(s, _)| (s.id, s.lastmod)).into_iter().collect(),
            details: serde_json::json!({ "overwrite": replaces }),
        };
        // Each file has its name by now.
        *lock(&study.names) = Names::default();
        let importer = self.importer;
        let stored = match before.filter(|_| plan.files.is_empty()) {
            // Committed whole before this request was cut off.
            Some(session) => importer
                .block_on(importer.store.sessions().get(session))?
                .ok_or(Stop::Overtaken)?,
            None => importer
                .block_on(importer.archive.commit(plan))
                .map_err(stop_of)?,
        };
        crash_point("settle.waiting");
        let waits = outcome != SessionState::Archived && stored.state != SessionState::Archived;
        match settlement.state == SessionState::Archived && waits {
            true => self.archive_waiting(stored, settlement.overwrite),
            false => Ok(Arrived {
                held: (outcome == SessionState::Quarantined).then(|| settlement.reason.clone()),
                session: stored,
                rejected: Vec::new(),
            }),
        }
    }

    /// Takes what waited, with what has joined it, to the archive.
    fn archive_waiting(&self, stored: Session, overwrite: Overwrite) -> Result<Arrived, Stop> {
        let options = ArchiveOptions {
            merge: overwrite >= Overwrite::Append,
            overwrite_files: overwrite == Overwrite::Delete,
            ..ArchiveOptions::default()
        };
        let importer = self.importer;
        let by = &self.request.username;
        match importer.block_on(importer.send_to_archive(&stored, options, by)) {
            Ok(arrived) => Ok(arrived),
            // It is stored, and says itself what stands in the way.
            Err(error) if error.leaves_all_as_it_was() => {
                let now = importer.block_on(importer.store.sessions().get(stored.id))?;
                Ok(Arrived {
                    session: now.unwrap_or(stored),
                    rejected: Vec::new(),
                    held: None,
                })
            }
            Err(error) => Err(stop_of(error)),
        }
    }

    fn new_session(
        &self,
        study: &Study,
        labels: &Labels,
        scans: &[Scan],
        first: &Instance,
        settlement: &Settlement,
    ) -> NewSession {
        let has_run = self.rules.defers() && !settlement.identified;
        NewSession {
            project: self.request.project.clone(),
            // XNAT's names for prearchive folders: local time, to the millisecond.
            timestamp: Local::now().format("%Y%m%d_%H%M%S%3f").to_string(),
            folder: labels.session.clone(),
            subject: labels.subject.clone(),
            label: labels.session.clone(),
            study_key: study.key_in_store().to_owned(),
            rule_set: Some(self.rules.hash().to_owned()),
            archive_rule_set: has_run.then(|| self.rules.hash().to_owned()),
            identified: settlement.identified,
            reason: Some(settlement.reason.clone()),
            auto_archive: settlement.state == SessionState::Archived,
            ..described(first, scans)
        }
    }

    /// A name that another instance has in the session is not taken a second time. The names were chosen
    /// among those of all sessions of the label, so that this is met only where two of these differ.
    fn keep_names_apart(
        &self,
        study: &Study,
        files: &mut [FileState],
        there: &HashMap<String, StoredFile>,
    ) -> Result<(), Stop> {
        let place = |f: &StoredFile| (f.scan_id.clone(), f.resource.clone(), f.name.clone());
        let staged = staged(study, files);
        let mut place_to_sop: HashMap<_, _> = there
            .values()
            .map(|f| (place(f), f.sop_uid.clone()))
            .collect();
        let is_anothers = |holders: &HashMap<_, String>, f: &StoredFile| {
            holders.get(&place(f)).is_some_and(|sop| *sop != f.sop_uid)
        };
        for i in staged {
            let Some(in_staging) = &mut files[i].staged else {
                continue;
            };
            if !is_anothers(&place_to_sop, &in_staging.file) {
                let file = &in_staging.file;
                place_to_sop.insert(place(file), file.sop_uid.clone());
                continue;
            }
            let file = Arc::make_mut(&mut in_staging.file);
            let from = super::super::stage::path(self, study, file);
            let wanted = file.name.clone();
            let mut other = file.clone();
            for n in 1.. {
                other.name = format!("{n}-{wanted}");
                if !place_to_sop.contains_key(&place(&other)) {
                    break;
                }
            }
            file.name = other.name;
            place_to_sop.insert(place(file), file.sop_uid.clone());
            std::fs::rename(from, super::super::stage::path(self, study, file)).map_err(|e| {
                Stop::Failed(format!("The staging folder can't be written to: {e}"))
            })?;
        }
        Ok(())
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
        ActionError::Files(error) => Stop::Failed(not_in_place(&error)),
        other => Stop::Failed(format!("The session can't be committed: {other}")),
    }
}

/// A commit stands in the store with what is staged for it; [`crate::archive::Archive::recover`] goes on with it.
pub fn not_in_place(error: &std::io::Error) -> String {
    format!(
        "The session's files can't be put into place: {}. They are kept, and put there as soon as the disk \
         allows; the sources stay.",
        disk::told(error)
    )
}
