//! Whether what an import stored is what its rules make of its sources: each instance is derived again from
//! its source, where that still stands, under the rule set that the import was pinned to, and compared byte for
//! byte. Nothing is written but, for the time being, what an archive holds.
//!
//! Labels are taken from the report: the first file of the study, which the label rule saw, may be gone.

mod difference;

use super::super::Importer;
use super::reported::{Reported, ReportedFile};
use super::source::Again;
use crate::dicom::{Instance, tags};
use crate::inbox::Found;
use crate::rules::host::Detail;
use crate::rules::{At, Labels, RuleSet, Run, Verdict};
use crate::store::{ImportRequest, Place};
use serde::Serialize;
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

pub use difference::Difference;
use difference::compare;

/// What came of it. Values are for whoever may see the sources.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Verified {
    pub request: i64,
    pub project: String,
    pub rule_set: String,
    pub counts: VerifiedCounts,
    /// Those that the import stored, in the order of its report.
    pub files: Vec<FileVerified>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VerifiedCounts {
    pub same: u64,
    pub as_recorded: u64,
    pub different: u64,
    pub source_gone: u64,
    pub source_changed: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    /// What is stored is what was derived, byte for byte.
    Same,
    /// What was stored has moved on since: replaced, archived by further steps, deleted. What was derived has
    /// the digest that the report tells of it.
    AsRecorded,
    Different,
    /// It can't be derived; what is stored has the recorded digest, where it is still stored.
    SourceGone,
    /// The same, since the source is not what was imported.
    SourceChanged,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct FileVerified {
    /// Of the source, as in the report.
    pub path: String,
    pub check: Check,
    /// Where it is stored, below the data folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stored: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub difference: Option<Difference>,
}

impl Verified {
    pub fn is_good(&self) -> bool {
        self.counts.different == 0
    }

    /// The same for whoever may not see what identifies.
    #[must_use]
    pub fn without_values(mut self) -> Self {
        for file in &mut self.files {
            if let Some(difference) = &mut file.difference {
                (difference.derived, difference.stored) = (None, None);
            }
        }
        self
    }
}

/// All that the check of a file needs.
struct Verifier<'a> {
    importer: &'a Importer,
    rules: &'a RuleSet,
    run: &'a Run,
    reported: &'a Reported,
    path_to_source: HashMap<String, &'a Found>,
    still_stored: StillStored,
}

/// What the request stored and nothing has replaced since: where each file stands, below the data folder.
#[derive(Default)]
struct StillStored {
    by_sop: HashMap<String, PathBuf>,
    by_place: HashMap<InSession, PathBuf>,
}

/// A file's place as the report tells of it.
#[derive(PartialEq, Eq, Hash)]
struct InSession {
    label: String,
    /// Below the session's folder.
    path: String,
}

impl Importer {
    /// To be called on a thread that may block.
    ///
    /// # Errors
    /// Why nothing can be said of the request.
    pub fn verify(&self, request: &ImportRequest) -> Result<Verified, String> {
        let hash = ended_under(request)?;
        let reported = Reported::read(&self.reports(), request.id)?;
        let rules = self
            .block_on(self.rulebook.version(&request.project, hash))
            .map_err(|e| e.to_string())?;
        let run = self.run_context(request).map_err(|e| e.to_string())?;
        let again = self.source_again(request)?;
        let verifier = Verifier {
            importer: self,
            rules: &rules,
            run: &run,
            reported: &reported,
            path_to_source: by_path(again.as_ref()),
            still_stored: self.still_stored(request)?,
        };
        let kept: Vec<&ReportedFile> = reported.files.iter().filter(|f| f.is_kept()).collect();
        let files = on_all_cores(&kept, |file| verifier.file(file));
        let mut counts = VerifiedCounts::default();
        for file in &files {
            *(match file.check {
                Check::Same => &mut counts.same,
                Check::AsRecorded => &mut counts.as_recorded,
                Check::Different => &mut counts.different,
                Check::SourceGone => &mut counts.source_gone,
                Check::SourceChanged => &mut counts.source_changed,
            }) += 1;
        }
        Ok(Verified {
            request: request.id,
            project: request.project.clone(),
            rule_set: hash.to_owned(),
            counts,
            files,
        })
    }

    /// The files that the request brought in and nothing has replaced since, by their SOP instances and by
    /// their places in their sessions where these tell them apart.
    fn still_stored(&self, request: &ImportRequest) -> Result<StillStored, String> {
        let failed = |e: crate::store::StoreError| e.to_string();
        let own: HashSet<Place> = self
            .block_on(self.store.requests().stored_places(request.id))
            .map_err(failed)?;
        let mut still_stored = StillStored::default();
        for session in self
            .block_on(self.store.requests().sessions(request.id))
            .map_err(failed)?
        {
            let files = self.block_on(self.store.sessions().files(session.id, None));
            for file in files.map_err(failed)? {
                if own.contains(&session.place_of(&file)) {
                    let path = session.path_of(&file);
                    let place = InSession {
                        label: session.label.clone(),
                        path: file.below_session().to_string_lossy().into_owned(),
                    };
                    still_stored.by_place.insert(place, path.clone());
                    still_stored.by_sop.insert(file.sop_uid, path);
                }
            }
        }
        Ok(still_stored)
    }
}

/// The rule set that an ended request ran under.
pub(super) fn ended_under(request: &ImportRequest) -> Result<&str, String> {
    if request.finished.is_none() {
        return Err("the request has not ended yet".into());
    }
    let hash = request.rule_set.as_deref();
    hash.ok_or_else(|| "the request ended before any rule ran".into())
}

/// Of two of one name the first: the other is a member that was not imported.
pub(super) fn by_path(again: Option<&Again>) -> HashMap<String, &Found> {
    let mut by_path = HashMap::new();
    for found in again.iter().flat_map(|again| &again.found) {
        by_path.entry(found.display()).or_insert(found);
    }
    by_path
}

/// The answers are in the order of the items.
pub(super) fn on_all_cores<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                while let Some((index, item)) = {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    items.get(index).map(|item| (index, item))
                } {
                    let answer = work(item);
                    super::super::gate::lock(&done).push((index, answer));
                }
            });
        }
    });
    let mut done = std::mem::take(&mut *super::super::gate::lock(&done));
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, answer)| answer).collect()
}

impl Verifier<'_> {
    fn file(&self, file: &ReportedFile) -> FileVerified {
        let mut told = FileVerified {
            path: file.path.clone(),
            check: Check::Different,
            stored: None,
            why: None,
            difference: None,
        };
        match self.check(file, &mut told) {
            Ok(check) => told.check = check,
            Err(why) => told.why = Some(why),
        }
        told
    }

    /// Err: it is different, and why.
    fn check(&self, file: &ReportedFile, told: &mut FileVerified) -> Result<Check, String> {
        let place = InSession {
            label: file.session.clone().unwrap_or_default(),
            path: file.stored.clone().unwrap_or_default(),
        };
        let by_place = self.still_stored.by_place.get(&place);
        let source = self
            .path_to_source
            .get(&file.path)
            .and_then(|f| f.open().ok());
        let Some(source) = source else {
            self.as_recorded(file, by_place, told)?;
            return Ok(Check::SourceGone);
        };
        let is_same = |instance: &Instance| {
            let digest = instance.digest_as_read().ok().map(hex::encode);
            digest.is_some() && (file.header_in.is_none() || digest == file.header_in)
        };
        let Some(instance) = Instance::read(source).ok().filter(is_same) else {
            self.as_recorded(file, by_place, told)?;
            return Ok(Check::SourceChanged);
        };
        let derived = self.derive(file, instance)?;
        let sop_uid = derived.text(tags::SOP_INSTANCE_UID).unwrap_or_default();
        match self.still_stored.by_sop.get(&sop_uid).or(by_place) {
            Some(stored) => {
                told.stored = Some(stored.to_string_lossy().into_owned());
                match compare(&derived, &self.importer.data.join(stored))? {
                    None => Ok(Check::Same),
                    Some(difference) => {
                        told.difference = Some(difference);
                        Err("what is stored is not what the rules make of the source".into())
                    }
                }
            }
            None => {
                let digest = derived.digest_as_written().map_err(|e| e.to_string())?;
                match &file.header_out {
                    Some(recorded) if *recorded != hex::encode(digest) => Err(
                        "it is no longer stored, and what the rules make of the source has another digest than \
                         the report tells"
                            .into(),
                    ),
                    Some(_) => Ok(Check::AsRecorded),
                    None => {
                        told.why = Some(
                            "it was made anew when its session was archived: there is nothing to compare with"
                                .into(),
                        );
                        Ok(Check::AsRecorded)
                    }
                }
            }
        }
    }

    /// What is stored against the report alone.
    fn as_recorded(
        &self,
        file: &ReportedFile,
        stored: Option<&PathBuf>,
        told: &mut FileVerified,
    ) -> Result<(), String> {
        let (Some(stored), Some(recorded)) = (stored, &file.header_out) else {
            return Ok(());
        };
        told.stored = Some(stored.to_string_lossy().into_owned());
        let read = File::open(self.importer.data.join(stored))
            .map_err(|e| format!("what is stored can't be read: {}", e.kind()))?;
        let read = Instance::read(read).map_err(|e| format!("what is stored is damaged: {e}"))?;
        let digest = read.digest_as_read().map_err(|e| e.to_string())?;
        match hex::encode(digest) == *recorded {
            true => Ok(()),
            false => Err("what is stored has another digest than the report tells".into()),
        }
    }

    /// What the rules make of a source.
    fn derive(&self, file: &ReportedFile, instance: Instance) -> Result<Instance, String> {
        let session = self.reported.session(file);
        let session = session.ok_or("the report does not name its session")?;
        let labels = Labels {
            subject: session.subject.clone(),
            session: session.label.clone(),
            ..Labels::default()
        };
        let run = Run {
            file: file.path.clone(),
            ..self.run.clone()
        };
        let (instance, filtered) = self.rules.accepts(instance, &run);
        if let Some(why) = filtered {
            return Err(format!("the rules filter it out: {why}"));
        }
        let instance = self.step(At::Import, instance, &run, &labels)?;
        if session.identified {
            return Ok(instance);
        }
        let run = match (&file.header_out, &file.stored) {
            // Archived with what waited: the steps saw where it stood there.
            (None, Some(stored)) => Run {
                file: stored.clone(),
                ..run
            },
            _ => run,
        };
        self.step(At::Archive, instance, &run, &labels)
    }

    fn step(
        &self,
        at: At,
        instance: Instance,
        run: &Run,
        labels: &Labels,
    ) -> Result<Instance, String> {
        let (done, _) = (self.rules).record(&[at], Detail::Actions, instance, run, labels);
        match done.verdict {
            Ok(Verdict::Keep | Verdict::Quarantine(_)) => Ok(done.instance),
            Ok(Verdict::Reject(why)) => Err(format!("the rules reject it: {why}")),
            Err(failure) => Err(failure.to_string()),
        }
    }
}
