//! The way of all files of a source, on all cores: each file goes through reading, the first gate (study, labels,
//! duplicates), the rules, the second gate (names) and staging.

use super::admit::{Admission, Plan};
use super::gate::{Gate, Ticket, lock};
use super::leak::{self, Finding, Identifiers};
use super::outcome::{Fate, FileState, Outcome, Provenance};
use super::study::Study;
use super::{Job, Stop, stage};
use crate::dicom::{Instance, ReadError, tags};
use crate::inbox::{Found, Identity, NotRegular};
use crate::metrics::metrics;
use crate::rules::host::Detail;
use crate::rules::{At, FileNames, LeakCheck, Run, Verdict};
use crate::store::Findings;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Beside one thread for each core: enough to keep the disk busy while rules run.
const MORE_THREADS: usize = 2;

/// How often what is staged is made durable while more comes: the disk has little to do then, and at the end, when all
/// wait for it, little is left.
const FLUSH_EACH: Duration = Duration::from_millis(500);

const MEDIA_STORAGE_DIRECTORY: &str = "1.2.840.10008.1.3.10";

/// What the walk found.
pub(super) struct Trawled {
    /// Every file of the folder, in the order of the walk.
    pub files: Vec<FileState>,
    pub studies: Vec<Arc<Study>>,
    /// Why nothing of it may be stored.
    pub fatal: Option<String>,
}

impl Job<'_> {
    /// `count` is how many there are, if none come or go meanwhile.
    pub(super) fn trawl(
        &self,
        count: usize,
        entries: impl Iterator<Item = Found> + Send,
    ) -> Result<Trawled, Stop> {
        let walk = Mutex::new(entries.zip(0u64..));
        let gates = [Gate::default(), Gate::default()];
        let plan = Mutex::new(Plan::default());
        let done = Mutex::new(Vec::with_capacity(count));
        let stop = Mutex::new(None);
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let (at_work, all_left) = mpsc::channel::<()>();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let all_left = all_left;
                while all_left.recv_timeout(FLUSH_EACH) == Err(RecvTimeoutError::Timeout) {
                    // The system tells of a failure once.
                    if let Err(why) = self.make_durable() {
                        lock(&stop).get_or_insert(Stop::Failed(why));
                    }
                }
            });
            for _ in 0..cores + MORE_THREADS {
                let at_work = at_work.clone();
                scope.spawn(|| {
                    let _at_work = at_work;
                    while lock(&stop).is_none() {
                        let Some((found, index)) = lock(&walk).next() else {
                            break;
                        };
                        let mut ticket = Ticket::new(&gates, index);
                        match self
                            .check_stop()
                            .and_then(|()| self.file(found, index, &mut ticket, &plan))
                        {
                            Ok(state) => {
                                self.progress.settled(&state);
                                lock(&done).push((index, state));
                            }
                            Err(why) => _ = lock(&stop).get_or_insert(why),
                        }
                    }
                });
            }
            drop(at_work);
        });
        let cancelled = match stop.into_inner().unwrap_or_else(PoisonError::into_inner) {
            None => None,
            Some(Stop::Cancelled) => Some(self.cancelled()?),
            Some(stop) => return Err(stop),
        };
        let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
        done.sort_unstable_by_key(|(index, _)| *index);
        let plan = plan.into_inner().unwrap_or_else(PoisonError::into_inner);
        let files = done.into_iter().map(|(_, state)| state).collect();
        Ok(Trawled {
            files,
            studies: plan.studies,
            fatal: cancelled.or(plan.fatal),
        })
    }

    fn file(
        &self,
        found: Found,
        index: u64,
        ticket: &mut Ticket<'_>,
        plan: &Mutex<Plan>,
    ) -> Result<FileState, Stop> {
        self.progress.found();
        let mut state = FileState::new(found);
        let file = match state.found.open() {
            Ok(file) => file,
            Err(trouble) => {
                let (outcome, reason) = unopened(&trouble);
                return Ok(state.done(outcome, reason));
            }
        };
        let identity = match file.metadata() {
            Ok(metadata) => Identity::of(&metadata),
            Err(e) => return Ok(state.done(Outcome::Unreadable, e.to_string())),
        };
        state.identity = Some(identity);
        let instance = match Instance::read(file) {
            Ok(instance) => instance,
            Err(error) => {
                let (outcome, reason) = unread(&error);
                return Ok(state.done(outcome, reason));
            }
        };
        if let Err((outcome, reason)) = check_object(&instance) {
            return Ok(state.done(outcome, reason));
        }
        let run = Run {
            file: state.found.display(),
            ..self.run.clone()
        };
        let (instance, filtered) = self.rules.accepts(instance, &run);
        if let Some(reason) = filtered {
            return Ok(state.done(Outcome::Filtered, reason));
        }
        let needles =
            (self.rules.leak_check() != LeakCheck::Off).then(|| leak::needles(&instance, &run));
        let admission =
            ticket.pass(|| self.admit(instance, index, &state.found, &run, &mut lock(plan)))?;
        let (instance, study) = match admission {
            Admission::Admitted(instance, study) => (*instance, study),
            Admission::Settled {
                study,
                outcome,
                reason,
                duplicate_of,
            } => {
                state.study = Some(study);
                state.duplicate_of = duplicate_of;
                return Ok(state.done(outcome, reason));
            }
        };
        state.study = Some(study.index);
        let labels = match &study.labels {
            Ok(labels) => labels,
            Err(failure) => return Ok(state.done(Outcome::Failed, failure.to_string())),
        };
        let header_in = match instance.digest_as_read() {
            Ok(digest) => digest,
            Err(e) => return Ok(state.done(Outcome::Unreadable, e.to_string())),
        };
        let (anonymized, steps) =
            (self.rules).record(&[At::Import], Detail::Actions, instance, &run, labels);
        let instance = anonymized.instance;
        let mut findings = Findings::default();
        match anonymized.verdict {
            Ok(Verdict::Keep) => {}
            Ok(Verdict::Quarantine(reason)) => {
                study.quarantine(reason.clone());
                findings.quarantine = Some(reason);
            }
            Ok(Verdict::Reject(reason)) => return Ok(state.done(Outcome::Rejected, reason)),
            Err(failure) => {
                metrics().rule_failed(&failure);
                tracing::warn!(
                    request = self.request.id,
                    code = failure.code(),
                    "a rule failed on a file"
                );
                return Ok(state.done(Outcome::Failed, failure.to_string()));
            }
        }
        let source = state.found.file_name();
        let identified = self.rules.defers();
        let stored = |sop_uid: &str| {
            let mut stored = study.stored_files(sop_uid, identified);
            stored.next().map(|(_, file)| file.name.clone())
        };
        let placing = stage::Placing {
            names: &study.names,
            file_names: self.file_names(),
            stored: &stored,
        };
        let staged =
            ticket.pass(|| stage::place(&placing, &instance, labels.scan.as_deref(), &source));
        let mut staged = match staged {
            Ok(staged) => staged,
            Err(reason) => return Ok(state.done(Outcome::Conflict, reason)),
        };
        match needles {
            // What still identifies is to be expected here: it is looked for on the way to the archive.
            Some(needles) if identified => study.add_needles(leak::not_as_labels(needles, labels)),
            Some(needles) => {
                let identifiers = Identifiers::of(leak::not_as_labels(needles, labels));
                let found = identifiers.findings(&instance, &staged.file.name);
                findings.leaks = found.iter().map(Finding::to_leak).collect();
                study.add_leaks(found);
            }
            None => {}
        }
        Arc::make_mut(&mut staged.file).findings = findings;
        let path = stage::path(self, &study, &staged.file);
        let _room = self.room(identity.size() + stage::FOLDERS)?;
        match stage::write(&path, &instance, &mut staged, Some(&identity)) {
            Ok(header_out) => {
                state.fate = Fate::Staged;
                self.note_fresh(&identity);
                state.provenance = Some(Box::new(Provenance {
                    header_in,
                    header_out,
                    trail: self.trails.add(None, &steps),
                    redacted: instance.is_redacted(),
                }));
            }
            Err(stage::Trouble::File(outcome, reason)) => state.settle(outcome, Some(reason)),
            Err(stage::Trouble::Request(stop)) => return Err(stop),
        }
        state.staged = Some(staged);
        Ok(state)
    }
}

impl Job<'_> {
    /// As the policy says, but for a call that wants the generated names.
    fn file_names(&self) -> FileNames {
        let renames = self.request.parameters.get("rename");
        match renames.is_some_and(|renames| renames.eq_ignore_ascii_case("true")) {
            true => FileNames::Template,
            false => self.rules.file_names(),
        }
    }
}

fn unopened(trouble: &NotRegular) -> (Outcome, String) {
    match trouble.is_gone() {
        true => (
            Outcome::Changed,
            "the file was removed or renamed before it was read".into(),
        ),
        false => (Outcome::Unreadable, trouble.to_string()),
    }
}

pub(super) fn unread(error: &ReadError) -> (Outcome, String) {
    let outcome = match error {
        ReadError::NotDicom => Outcome::NotDicom,
        ReadError::CutShort { .. } => Outcome::CutShort,
        _ => Outcome::Unreadable,
    };
    (outcome, error.to_string())
}

/// What makes a DICOM file one that can be stored: an instance of something (PS3.3 C.12.1).
pub(super) fn check_object(instance: &Instance) -> Result<(), (Outcome, String)> {
    let meta = instance
        .meta
        .get(tags::MEDIA_STORAGE_SOP_CLASS_UID)
        .and_then(|e| instance.meta_text(e));
    if meta.as_deref() == Some(MEDIA_STORAGE_DIRECTORY) {
        return Err((
            Outcome::Filtered,
            "a DICOMDIR: an index of other files (PS3.10 8.6)".into(),
        ));
    }
    let needed = [
        (tags::SOP_CLASS_UID, "SOP Class UID"),
        (tags::SOP_INSTANCE_UID, "SOP Instance UID"),
        (tags::STUDY_INSTANCE_UID, "Study Instance UID"),
        (tags::SERIES_INSTANCE_UID, "Series Instance UID"),
    ];
    match needed.iter().find(|(tag, _)| instance.text(*tag).is_none()) {
        Some((tag, name)) => Err((Outcome::Unreadable, format!("contains no {name} {tag}"))),
        None => Ok(()),
    }
}
