//! Steps that run over stored files: those that wait for the archive, over what an import has staged or what has
//! waited in the prearchive; and another project's, over what is moved there. What they make is staged anew, under
//! names of its own: even the instances' UIDs may be others.

use super::super::gate::{Gate, Ticket, lock};
use super::super::leak::{Finding, Identifiers, needles_after_import};
use super::super::outcome::{FileState, Outcome, Staged};
use super::super::stage::{self, Placing, Trouble};
use super::super::staged::staged;
use super::super::study::Study;
use super::super::{Job, Stop};
use crate::archive::series_folder;
use crate::dicom::{HeaderDigest, Instance};
use crate::rules::host::Detail;
use crate::rules::{At, Labels, LeakCheck, RuleSet, Run, StepEdits, Verdict};
use crate::store::Findings;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// One run of the steps over some files.
pub(super) struct Pass<'a> {
    pub rules: &'a RuleSet,
    /// Which steps run. Those of an import come behind the series filters.
    pub at: At,
    /// For each file, only `file` differs.
    pub run: &'a Run,
    pub labels: &'a Labels,
    pub placing: Placing<'a>,
    pub leaks: Leaks<'a>,
    /// The folder of the session that is made.
    pub target: &'a Path,
    /// Whether to give up.
    pub stopped: &'a (dyn Fn() -> bool + Sync),
}

/// What to look for in the results.
pub(super) enum Leaks<'a> {
    Off,
    These(&'a Identifiers),
    /// What each file itself says of its patient before the steps run.
    Own,
}

/// A file to run them over.
pub(super) struct Input {
    pub from: PathBuf,
    /// Its name for rules that look at it: the path in the session folder.
    pub file: String,
    pub source_name: String,
    pub scan: ScanWish,
}

/// The scan that a file is to be in.
pub(super) enum ScanWish {
    /// As the label rule has it, else by the series' number.
    Labelled(Option<String>),
    /// The one it is in, unless that says no more than the header did.
    Stored(String),
}

/// A file that the steps have gone over.
pub(super) struct Made {
    pub staged: Staged,
    pub leaks: Vec<Finding>,
    pub header_out: HeaderDigest,
    pub steps: Vec<StepEdits>,
    pub redacted: bool,
}

/// What became of a file.
pub(super) enum Remade {
    Staged(Box<Made>),
    /// Not kept: rejected, failed, or made the same as another.
    Dropped(Outcome, String),
}

impl Pass<'_> {
    /// On all cores; names are given in the order of the files.
    ///
    /// # Errors
    /// [`Stop`] if nothing can be staged, a file can't be read back, or it was stopped.
    pub fn over(&self, inputs: &[Input]) -> Result<Vec<Remade>, Stop> {
        let gates = [Gate::default()];
        let next = AtomicUsize::new(0);
        let done = Mutex::new(Vec::with_capacity(inputs.len()));
        let stop = Mutex::new(None);
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        std::thread::scope(|scope| {
            for _ in 0..cores {
                scope.spawn(|| {
                    while lock(&stop).is_none() {
                        let index = next.fetch_add(1, Ordering::Relaxed);
                        let Some(input) = inputs.get(index) else {
                            break;
                        };
                        let mut ticket = Ticket::new(&gates, index as u64);
                        if (self.stopped)() {
                            lock(&stop).get_or_insert(Stop::Interrupted);
                            break;
                        }
                        match self.file(input, &mut ticket) {
                            Ok(remade) => lock(&done).push((index, remade)),
                            Err(why) => _ = lock(&stop).get_or_insert(why),
                        }
                    }
                });
            }
        });
        if let Some(stop) = lock(&stop).take() {
            return Err(stop);
        }
        let mut done = std::mem::take(&mut *lock(&done));
        done.sort_by_key(|(index, _)| *index);
        Ok(done.into_iter().map(|(_, remade)| remade).collect())
    }

    fn file(&self, input: &Input, ticket: &mut Ticket<'_>) -> Result<Remade, Stop> {
        let failed =
            |e: &dyn std::fmt::Display| Stop::Failed(format!("A stored file can't be read: {e}"));
        let file = File::open(&input.from).map_err(|e| failed(&e))?;
        let instance = Instance::read(file).map_err(|e| failed(&e))?;
        let run = Run {
            file: input.file.clone(),
            ..self.run.clone()
        };
        let own = match self.leaks {
            // Where it is stored says nothing of anybody.
            Leaks::Own => Some(Identifiers::of(needles_after_import(
                &instance,
                self.run,
                self.labels,
            ))),
            _ => None,
        };
        let scan = match &input.scan {
            ScanWish::Labelled(scan) => scan.clone(),
            ScanWish::Stored(scan) => {
                let by_header = series_folder(&instance);
                let derived = *scan == by_header || scan.starts_with(&format!("{by_header}-"));
                (!derived).then(|| scan.clone())
            }
        };
        let (rules, times) = (self.rules, [self.at]);
        let instance = match self.at {
            At::Archive => instance,
            At::Import => match rules.accepts(instance, &run) {
                (instance, None) => instance,
                (_, Some(reason)) => return Ok(Remade::Dropped(Outcome::Filtered, reason)),
            },
        };
        let (anonymized, steps) =
            rules.record(&times, Detail::Actions, instance, &run, self.labels);
        let instance = anonymized.instance;
        let mut findings = Findings::default();
        match anonymized.verdict {
            Ok(Verdict::Keep) => {}
            Ok(Verdict::Quarantine(reason)) => findings.quarantine = Some(reason),
            Ok(Verdict::Reject(reason)) => return Ok(Remade::Dropped(Outcome::Rejected, reason)),
            Err(failure) => {
                tracing::warn!(code = failure.code(), "a rule failed on a stored file");
                return Ok(Remade::Dropped(Outcome::Failed, failure.to_string()));
            }
        }
        let placed = ticket.pass(|| {
            stage::place(
                &self.placing,
                &instance,
                scan.as_deref(),
                &input.source_name,
            )
        });
        let mut staged = match placed {
            Ok(staged) => staged,
            Err(reason) => return Ok(Remade::Dropped(Outcome::Conflict, reason)),
        };
        let identifiers = match self.leaks {
            Leaks::These(identifiers) => Some(identifiers),
            _ => own.as_deref(),
        };
        let leaks = identifiers.map_or_else(Vec::new, |identifiers| {
            identifiers.findings(&instance, &staged.file.name)
        });
        findings.leaks = leaks.iter().map(Finding::to_leak).collect();
        Arc::make_mut(&mut staged.file).findings = findings;
        let path = self.target.join(staged.file.below_session());
        match stage::write(&path, &instance, &mut staged, None) {
            Ok(header_out) => Ok(Remade::Staged(Box::new(Made {
                staged,
                leaks,
                header_out,
                steps,
                redacted: instance.is_redacted(),
            }))),
            Err(Trouble::File(outcome, reason)) => Ok(Remade::Dropped(outcome, reason)),
            Err(Trouble::Request(stop)) => Err(stop),
        }
    }
}

impl Job<'_> {
    /// Runs the steps over what is staged of a study, which is then as for the archive.
    pub(in crate::import) fn run_for_archive(
        &self,
        study: &Study,
        labels: &Labels,
        files: &mut [FileState],
    ) -> Result<(), Stop> {
        let indices = staged(study, files);
        let inputs: Vec<Input> = indices
            .iter()
            .filter_map(|i| {
                let staged = files[*i].staged.as_ref()?;
                Some(Input {
                    from: stage::path(self, study, &staged.file),
                    file: files[*i].found.display(),
                    source_name: files[*i].found.file_name(),
                    scan: ScanWish::Labelled(labels.scan.clone()),
                })
            })
            .collect();
        // Where the files stood, for those that carry a finding of the first run along.
        let before: Vec<Option<String>> = indices
            .iter()
            .map(|i| files[*i].staged.as_ref()?.file.findings.quarantine.clone())
            .collect();
        study.set_remade();
        let names = Mutex::new(self.known_names(&study.stored, false)?);
        let stored = |sop_uid: &str| {
            let mut stored = study.stored_files(sop_uid, false);
            stored.next().map(|(_, file)| file.name.clone())
        };
        let identifiers = Identifiers::of(study.needles());
        let target = self.staging.join(study.staging());
        let pass = Pass {
            rules: &self.rules,
            at: At::Archive,
            run: &self.run,
            labels,
            placing: Placing {
                names: &names,
                file_names: self.rules.file_names(),
                stored: &stored,
            },
            leaks: match self.rules.leak_check() {
                LeakCheck::Off => Leaks::Off,
                LeakCheck::Report | LeakCheck::Quarantine => Leaks::These(&identifiers),
            },
            target: &target,
            stopped: &|| self.check_stop().is_err(),
        };
        let remade = pass.over(&inputs)?;
        for ((i, remade), before) in indices.into_iter().zip(remade).zip(before) {
            match remade {
                Remade::Staged(made) => {
                    let Made {
                        mut staged,
                        leaks,
                        header_out,
                        steps,
                        redacted,
                    } = *made;
                    let quarantine = &mut Arc::make_mut(&mut staged.file).findings.quarantine;
                    if let Some(reason) = quarantine {
                        study.quarantine(reason.clone());
                    }
                    *quarantine = quarantine.take().or(before);
                    study.add_leaks(leaks);
                    files[i].staged = Some(staged);
                    if let Some(provenance) = &mut files[i].provenance {
                        provenance.header_out = header_out;
                        provenance.trail = self.trails.add(Some(provenance.trail), &steps);
                        provenance.redacted |= redacted;
                    }
                }
                Remade::Dropped(outcome, reason) => files[i].settle(outcome, Some(reason)),
            }
        }
        if target.exists() {
            self.make_durable().map_err(Stop::Failed)?;
        }
        Ok(())
    }
}
