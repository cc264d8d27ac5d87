//! Settling a study: what was staged is compared with what is stored, the route rule says where it goes,
//! and one commit takes it there.
//!
//! Where steps wait for the archive, the route rule is asked twice. The first time it sees what would go to
//! the prearchive; if it wants the archive, the steps run over the staged files, and leak check, conflict check
//! and the deciding call see what they made. If the decision is then the prearchive, more anonymous files than
//! needed go there, which is safe.

use super::super::leak::Finding;
use super::super::outcome::{self, FileState, Outcome};
use super::super::staged::{scans_of, staged};
use super::super::study::Study;
use super::super::{Job, Stop, stage};
use super::split;
use super::summary::{Conflict, Seen};
use crate::dicom::{Instance, tags};
use crate::failpoint::crash_point;
use crate::metrics::metrics;
use crate::rules::{Decision, Labels, Part};
use crate::store::{Session, SessionState, Taken, UNASSIGNED};
use std::collections::{BTreeMap, HashMap};
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
    /// Where the rules would have it, whatever else stood against that; none where they were not asked.
    pub destination: Option<&'static str>,
}

/// What comes of a study.
enum Next {
    Settled(Box<Settled>),
    /// Its parts are to be settled; whether their files wait for the steps at archiving.
    Split(Vec<Part>, bool),
}

impl Job<'_> {
    /// Settles the studies one by one, in the order in which they were met. Answers why it could not go
    /// on, if so: what was committed before stays committed, and told.
    pub(in crate::import) fn settle(
        &self,
        studies: &mut Vec<Arc<Study>>,
        files: &mut [FileState],
        settled: &mut Vec<Settled>,
    ) -> Result<Option<String>, Stop> {
        if let Err(why) = self.make_durable() {
            return Ok(Some(why));
        }
        crash_point("stage.synced");
        for study in studies.clone() {
            match self.settle_with_parts(&study, studies, files, settled) {
                Ok(()) => {}
                Err(Stop::Failed(why)) => return Ok(Some(why)),
                // What was committed before stays.
                Err(Stop::Cancelled) => return Ok(Some(self.cancelled()?)),
                Err(stop) => return Err(stop),
            }
            self.progress.set(outcome::so_far(files.iter()));
        }
        Ok(None)
    }

    /// A study or, where the route rule splits it, one of its parts after the other. They are added to the
    /// studies.
    fn settle_with_parts(
        &self,
        study: &Study,
        studies: &mut Vec<Arc<Study>>,
        files: &mut [FileState],
        settled: &mut Vec<Settled>,
    ) -> Result<(), Stop> {
        let Ok(labels) = &study.labels else {
            return Ok(());
        };
        self.check_stop()?;
        let (parts, identified) = match self.settle_study(study, labels, files)? {
            Next::Settled(whole) => {
                settled.push(*whole);
                return Ok(());
            }
            Next::Split(parts, identified) => (parts, identified),
        };
        for part in parts {
            self.check_stop()?;
            let part =
                Arc::new(self.part(study, labels, part, identified, studies.len(), files)?);
            studies.push(part.clone());
            if let Ok(labels) = &part.labels
                && let Next::Settled(part) = self.settle_study(&part, labels, files)?
            {
                settled.push(*part);
            }
        }
        // No part may have taken it.
        self.release_label(&labels.session)
    }

    fn settle_study(
        &self,
        study: &Study,
        labels: &Labels,
        files: &mut [FileState],
    ) -> Result<Next, Stop> {
        let part = study.part.as_ref();
        let mut identified = part.map_or(self.rules.defers(), |part| part.identified);
        if part.is_none() && identified && self.goes_to_archive(study, labels, files)? {
            self.run_for_archive(study, labels, files)?;
            crash_point("settle.remade");
            identified = false;
        }
        let mut settled = Box::new(Settled {
            study: study.index,
            subject: labels.subject.clone(),
            label: labels.session.clone(),
            session: None,
            reason: "nothing was left to store".into(),
            leaks: study.leaks(),
            destination: None,
        });
        self.compare_with_stored(study, files, identified)?;
        let Some(seen) = self.see(study, files)? else {
            return Ok(Next::Settled(settled));
        };
        let conflicts = self.conflicts(study, labels, files)?;
        crash_point("settle.reserved");
        let decision = match part {
            Some(part) => part.decision.clone(),
            None => self.decide(study, labels, files, &seen, &conflicts)?,
        };
        if let (Decision::Split(parts), None) = (&decision, part) {
            return Ok(Next::Split(parts.clone(), identified));
        }
        let held = !self.review_reasons(study).is_empty();
        settled.destination = Some(match &decision {
            Decision::Reject(_) => "reject",
            _ if held => "quarantine",
            decision => decision.name(),
        });
        let settlement = match self.settlement(decision, study, files, &conflicts, identified) {
            Ok(settlement) => settlement,
            Err(reason) => {
                staged(study, files)
                    .into_iter()
                    .for_each(|i| files[i].settle(Outcome::Rejected, Some(reason.clone())));
                settled.reason = reason;
                self.release_label(&labels.session)?;
                return Ok(Next::Settled(settled));
            }
        };
        settled.reason.clone_from(&settlement.reason);
        self.settle_differing(study, files, &settlement)?;
        let staged = staged(study, files);
        if staged.is_empty() {
            self.release_label(&labels.session)?;
            return Ok(Next::Settled(settled));
        }
        // Rules may take their time: a cancelled request commits nothing that it has not begun to.
        if let Err(Stop::Cancelled) = self.check_stop() {
            self.release_label(&labels.session)?;
            return Err(Stop::Cancelled);
        }
        let arrived = self.commit(study, labels, &settlement, &seen.first, files)?;
        crash_point("settle.committed");
        if arrived.session.state != settlement.state
            && let Some(reason) = &arrived.session.reason
        {
            settled.reason.clone_from(reason);
        }
        let left_out: HashMap<_, _> = arrived.rejected.into_iter().collect();
        for i in staged {
            let place = files[i].staged.as_ref().map(|s| s.file.below_session());
            let rejected = place.and_then(|place| left_out.get(&place));
            let (outcome, why) = match (rejected, &arrived.held) {
                // The steps that it waited for have left it out.
                (Some(why), _) => (Outcome::Rejected, Some(why.clone())),
                (None, Some(why)) => (Outcome::Quarantined, Some(why.clone())),
                (None, None) => (Outcome::Stored, None),
            };
            files[i].settle(outcome, why);
            files[i].made_anew = settlement.identified && !arrived.session.identified;
        }
        settled.session = Some(arrived.session);
        Ok(Next::Settled(settled))
    }

    /// Whether the steps at archiving run now: the route rule wants the archive, and no part of the session
    /// waits in the prearchive for them. If one does, this part joins it, and all of it goes on together.
    fn goes_to_archive(
        &self,
        study: &Study,
        labels: &Labels,
        files: &[FileState],
    ) -> Result<bool, Stop> {
        let waits = study
            .waiting()
            .is_some_and(|(session, _)| session.identified);
        if waits {
            return Ok(false);
        }
        let Some(seen) = self.see(study, files)? else {
            return Ok(false);
        };
        let decision = self.decide(study, labels, files, &seen, &[])?;
        Ok(decision.archives())
    }

    /// What the route rule is asked about; none if nothing is staged.
    fn see(&self, study: &Study, files: &[FileState]) -> Result<Option<Seen>, Stop> {
        let staged = staged(study, files);
        let Some(first) = staged.first() else {
            return Ok(None);
        };
        let first = self.read_staged(study, &files[*first])?;
        study.set_stored_uid(first.text(tags::STUDY_INSTANCE_UID).unwrap_or_default());
        Ok(Some(Seen {
            scans: scans_of(staged.iter().filter_map(|i| files[*i].staged.as_ref())),
            first,
            own: self.own_places(study)?,
        }))
    }

    fn decide(
        &self,
        study: &Study,
        labels: &Labels,
        files: &[FileState],
        seen: &Seen,
        conflicts: &[Conflict],
    ) -> Result<Decision, Stop> {
        let summary = self.summary(study, labels, files, seen, conflicts);
        let decision = self.rules.route(&summary.to_string(), &self.run, labels);
        let decision =
            decision.and_then(
                |decision| match split::misfit(&decision, labels, &seen.scans) {
                    None => Ok(decision),
                    Some(message) => Err(self.rules.route_broke(message)),
                },
            );
        Ok(match decision {
            Ok(decision) if self.request.project == UNASSIGNED => without_archive(decision),
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
        })
    }

    fn release_label(&self, label: &str) -> Result<(), Stop> {
        let labels = self.importer.store.labels();
        let released = labels.release_unused(&self.request.project, label);
        Ok(self.importer.block_on(released)?)
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
        match self.importer.block_on(store.labels().reserve_known(
            &self.request.project,
            &labels.session,
            study.key_in_store(),
            &study.keys.earlier,
        )) {
            Ok(()) => {}
            Err(Taken::UnderAnEarlierKey) => {
                conflicts.push(Conflict {
                    code: "key",
                    detail: "the study is stored under that label with the UIDs of an earlier pseudonym key of \
                             the project: give it another label, or delete the session stored before"
                        .into(),
                });
            }
            Err(Taken::ByAnotherStudy) => {
                conflicts.push(Conflict {
                    code: "label",
                    detail: "the label belongs to another study of the project".into(),
                });
            }
            Err(Taken::Store(error)) => return Err(error.into()),
        }
        // What is in conflict is so perhaps for its own subject.
        if study.of_label().any(|(session, _)| {
            session.subject != labels.subject && session.state != SessionState::Conflict
        }) {
            conflicts.push(Conflict {
                code: "subject",
                detail: "the stored session of that label is of another subject".into(),
            });
        }
        let differing = staged(study, files)
            .into_iter()
            .filter(|i| files[*i].differs)
            .count();
        if differing > 0 {
            conflicts.push(Conflict {
                code: "instance",
                detail: format!("{differing} instances differ from those stored"),
            });
        }
        Ok(conflicts)
    }
}

/// What belongs to no project waits until somebody gives it one.
fn without_archive(decision: Decision) -> Decision {
    match decision {
        Decision::Archive(_) | Decision::ArchiveOverwrite(_) => {
            Decision::Prearchive("not archived: it belongs to no project".into())
        }
        Decision::Split(mut parts) => {
            for part in &mut parts {
                part.decision = without_archive(part.decision.clone());
            }
            Decision::Split(parts)
        }
        other => other,
    }
}
