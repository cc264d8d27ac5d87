//! The first gate: which study a file belongs to, the study's labels, and whether the instance was met
//! before. Files pass in the order of the walk, so the answers don't depend on timing.

use super::outcome::Outcome;
use super::study::{Stored, StoredSession, Study, StudyKeys};
use super::{Job, Stop};
use crate::archive::{Fingerprint, Names};
use crate::dicom::{Instance, tags};
use crate::inbox::Found;
use crate::metrics::metrics;
use crate::rulebook::RulebookError;
use crate::rules::Run;
use crate::store::{Session, SessionState};
use std::collections::HashMap;
use std::sync::Arc;

/// The fingerprints' domain: what tells studies apart in the store.
pub(super) const STUDY: &str = "study";

/// What the walk has met so far.
#[derive(Default)]
pub struct Plan {
    pub studies: Vec<Arc<Study>>,
    /// Why nothing of the folder may be stored; the walk goes on, so that the report names every file.
    pub fatal: Option<String>,
    by_key: HashMap<String, Arc<Study>>,
    /// By their SOP Instance UIDs, the first file of each.
    instances: HashMap<Fingerprint, (u64, Arc<Found>)>,
}

pub enum Admission {
    Admitted(Box<Instance>, Arc<Study>),
    Settled {
        study: usize,
        outcome: Outcome,
        reason: String,
        duplicate_of: Option<u64>,
    },
}

impl Job<'_> {
    pub(super) fn admit(
        &self,
        instance: Instance,
        index: u64,
        found: &Arc<Found>,
        run: &Run,
        plan: &mut Plan,
    ) -> Result<Admission, Stop> {
        let uid = |tag| instance.text(tag).unwrap_or_default();
        let study_uid = uid(tags::STUDY_INSTANCE_UID);
        let key = run.pseudonyms.fingerprint(STUDY, &study_uid);
        let sop_uid = Fingerprint::of(&[&uid(tags::SOP_INSTANCE_UID)]);
        if let Some((first, earlier)) = plan.instances.get(&sop_uid) {
            let study = plan.by_key.get(&key).map_or(0, |s| s.index);
            let same = same_content(earlier, found);
            return Ok(match same {
                Ok(true) => Admission::Settled {
                    study,
                    outcome: Outcome::Duplicate,
                    reason: format!(
                        "the same SOP instance with the same content as {}",
                        earlier.display()
                    ),
                    duplicate_of: Some(*first),
                },
                Ok(false) => Admission::Settled {
                    study,
                    outcome: Outcome::Conflict,
                    reason: format!(
                        "the same SOP instance with other content as {}",
                        earlier.display()
                    ),
                    duplicate_of: None,
                },
                Err(why) => Admission::Settled {
                    study,
                    outcome: Outcome::Changed,
                    reason: why,
                    duplicate_of: None,
                },
            });
        }
        let (instance, study) = match plan.by_key.get(&key) {
            Some(study) => (instance, study.clone()),
            None => {
                let earlier = self.earlier_keys.iter();
                let keys = StudyKeys {
                    present: key,
                    earlier: earlier.map(|k| k.fingerprint(STUDY, &study_uid)).collect(),
                };
                self.meet_study(instance, keys, found, run, plan)?
            }
        };
        plan.instances.insert(sop_uid, (index, found.clone()));
        Ok(Admission::Admitted(Box::new(instance), study))
    }

    /// The first instance of a study: its labels, which no other study of the folder may bear.
    fn meet_study(
        &self,
        instance: Instance,
        keys: StudyKeys,
        found: &Found,
        run: &Run,
        plan: &mut Plan,
    ) -> Result<(Instance, Arc<Study>), Stop> {
        let (instance, labels) = self.rules.label(instance, run);
        let folder = found
            .relative
            .parent()
            .map_or_else(String::new, |p| p.to_string_lossy().into_owned());
        match &labels {
            Ok(labels) => {
                let bears =
                    |s: &&Arc<Study>| s.labels.as_ref().is_ok_and(|l| l.session == labels.session);
                if let Some(other) = plan.studies.iter().find(bears) {
                    plan.fatal
                        .get_or_insert_with(|| one_label(&other.folder, &folder));
                }
            }
            Err(failure) => {
                metrics().rule_failed(failure);
                tracing::warn!(
                    request = self.request.id,
                    code = failure.code(),
                    "the label rule failed on a study"
                );
            }
        }
        let turns = &self.importer.turns;
        turns.meet(self.request.id, &keys.present, || self.check_stop())?;
        let label = labels.as_ref().ok().map(|labels| labels.session.as_str());
        let stored = self.stored(&keys, label)?;
        let names = self.known_names(&stored, self.rules.defers())?;
        let study = Arc::new(Study::new(
            plan.studies.len(),
            keys,
            labels,
            folder,
            stored,
            names,
        ));
        plan.studies.push(study.clone());
        plan.by_key
            .insert(study.keys.present.clone(), study.clone());
        Ok((instance, study))
    }

    /// The names that the study's stored sessions use, so that new files and series stand beside them: of
    /// those before or after the steps at archiving.
    pub(super) fn known_names(&self, stored: &Stored, identified: bool) -> Result<Names, Stop> {
        let mut names = Names::default();
        let same = |(session, _): &&StoredSession| session.identified == identified;
        for (session, files) in stored.sessions.iter().filter(same) {
            let scans = self
                .importer
                .block_on(self.importer.store.sessions().scans(session.id))?;
            for scan in scans.into_iter().map(|s| s.scan) {
                names.scan(&scan.scan_id, &scan.series_uid, &scan.modality);
            }
            for file in files.values() {
                names.file(&file.scan_id, &file.resource, &file.name, &file.sop_uid);
            }
        }
        Ok(names)
    }

    /// What is stored of the study, under whichever key of the project.
    pub(super) fn stored(&self, keys: &StudyKeys, label: Option<&str>) -> Result<Stored, Stop> {
        let (importer, project) = (self.importer, &self.request.project);
        let sessions = importer.store.sessions();
        let mut stored = Stored::default();
        for key in keys.all() {
            let of_key = importer.block_on(sessions.of_study(project, key))?;
            // On its way out of the project: what is in it is not stored here.
            let leaves = [SessionState::Deleting, SessionState::Moving];
            if of_key.iter().any(|session| leaves.contains(&session.state)) {
                return Err(Stop::Overtaken);
            }
            let (same, others): (Vec<_>, Vec<_>) = of_key
                .into_iter()
                .partition(|session| Some(session.label.as_str()) == label);
            for session in same {
                if session.identified && !self.leaves_the_same(&session)? {
                    stored.of_other_steps.insert(session.id);
                }
                let files = importer.block_on(sessions.files(session.id, None))?;
                let by_instance = files.into_iter().map(|f| (f.sop_uid.clone(), f)).collect();
                stored.sessions.push((session, by_instance));
            }
            if !others.is_empty() {
                let counts = sessions.scan_counts(project, key, label, self.request.id);
                let mut counts = importer.block_on(counts)?;
                let counted = others
                    .into_iter()
                    .filter_map(|session| counts.remove(&session.id).map(|scans| (session, scans)));
                stored.elsewhere.extend(counted);
            }
        }
        Ok(stored)
    }
}

impl Job<'_> {
    /// Whether the rules that a session was imported under leave the same steps to be run at archiving as these.
    fn leaves_the_same(&self, session: &Session) -> Result<bool, Stop> {
        let hash = match session.rule_set.as_deref() {
            Some(hash) if hash != self.rules.hash() => hash,
            _ => return Ok(true),
        };
        let importer = self.importer;
        match importer.block_on(importer.rulebook.version(&session.project, hash)) {
            Ok(earlier) => Ok(earlier.deferred() == self.rules.deferred()),
            Err(RulebookError::Store(error)) => Err(error.into()),
            // What it waits for can't be known any more.
            Err(_) => Ok(false),
        }
    }
}

fn one_label(folder: &str, other: &str) -> String {
    let name = |folder: &str| {
        if folder.is_empty() {
            "the folder itself".into()
        } else {
            format!("`{folder}`")
        }
    };
    format!(
        "One session label for several studies: those in {} and {}. Import them one by one, each with an EXPT_LABEL of its own.",
        name(folder),
        name(other)
    )
}

fn same_content(earlier: &Found, later: &Found) -> Result<bool, String> {
    let open = |found: &Found| {
        found
            .open()
            .map_err(|e| format!("{}: {e}", found.display()))
    };
    let (mut a, mut b) = (open(earlier)?, open(later)?);
    crate::archive::same_bytes(&mut a, &mut b).map_err(|e| e.to_string())
}
