//! What an import would make of files, without importing: the same gates in the same order, with every
//! edit recorded. Nothing is written, and nothing is compared with what is stored.
//!
//! The outcome holds values: it is for whoever may see the files.

mod pictures;
mod told;

use super::super::Importer;
use super::super::leak::{self, Finding, Identifiers, STILL_STANDS};
use super::super::outcome::Outcome;
use super::super::settle::{LeakSeen, SeriesSeen, SessionSummary, StudySeen};
use super::super::trail::Trails;
use super::super::trawl::{check_object, unread};
use crate::archive::{Names, clean, same_bytes, series_folder, session_modality, template};
use crate::dicom::{Instance, tags};
use crate::inbox::{Found, Located, Walk};
use crate::rules::host::Detail;
use crate::rules::{At, FileNames, Labels, LeakCheck, RuleSet, Run, Verdict};
use crate::store::Counts;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use pictures::pictures;
pub(in crate::import) use told::Tried;
pub use told::{Explanation, FileExplained, Leak, Routed, StudyExplained};

/// Of more, a server explains none: every edit of each is held in memory.
const MOST_FILES: usize = 10_000;

/// Of so many files, pictures are made where a rule makes regions black.
const MOST_PICTURES: usize = 10;

/// What is gathered of a study on the way.
#[derive(Default)]
struct Study {
    original_uid: String,
    code: Option<&'static str>,
    labels: Option<Labels>,
    error: Option<String>,
    leaks: BTreeMap<Finding, u64>,
    review: Vec<String>,
    names: Names,
    scans: Vec<Scan>,
    date: Option<String>,
    uid: Option<String>,
}

struct Scan {
    id: String,
    modality: String,
    series_uid: String,
    description: String,
    count: u64,
}

/// Explains a file, or every file in a folder. `run` is without its file.
///
/// # Errors
/// If the file can't be opened, or the folder not listed.
pub fn explain(rules: &RuleSet, run: &Run, path: &Path) -> io::Result<Explanation> {
    if path.is_dir() {
        return Ok(explain_found(rules, run, Walk::new(File::open(path)?)?));
    }
    let mut explainer = Explainer::new(rules, run, None);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let file = File::open(path)?;
    let told = explainer.file(name.into_owned(), file, Place::Path(path.to_owned()));
    Ok(explainer.end(vec![told]))
}

/// The same for what was located in an inbox. To be called on a thread that may block.
///
/// # Errors
/// Why nothing can be said of it.
pub fn explain_located(
    importer: &Importer,
    rules: &RuleSet,
    run: &Run,
    located: &Located,
) -> Result<Explanation, String> {
    let again = importer.located_again(located)?;
    let again = again.ok_or("it has gone since")?;
    if again.found.len() > MOST_FILES {
        return Err(format!(
            "it holds more than {MOST_FILES} files: name one of its folders"
        ));
    }
    Ok(explain_found(rules, run, again.found.iter().cloned()))
}

/// The same for files that were found in an inbox.
pub fn explain_found(
    rules: &RuleSet,
    run: &Run,
    found: impl IntoIterator<Item = Found>,
) -> Explanation {
    Explainer::new(rules, run, None).all(found)
}

/// The same without values, and with little kept of each file, so that it does for large imports.
pub(in crate::import) fn trial(
    rules: &RuleSet,
    run: &Run,
    found: impl IntoIterator<Item = Found>,
    trails: &Trails,
    times: &[At],
) -> Explanation {
    let mut explainer = Explainer::new(rules, run, Some(trails));
    explainer.times = times;
    explainer.all(found)
}

impl<'a> Explainer<'a> {
    fn new(rules: &'a RuleSet, run: &'a Run, trails: Option<&'a Trails>) -> Self {
        Self {
            rules,
            run,
            trails,
            times: &[At::Import, At::Archive],
            studies: Vec::new(),
            by_uid: HashMap::new(),
            instances: HashMap::new(),
            drawn: 0,
        }
    }

    fn all(mut self, found: impl IntoIterator<Item = Found>) -> Explanation {
        let mut files = Vec::new();
        for found in found {
            let name = found.display();
            files.push(match found.open() {
                Ok(file) => self.file(name, file, Place::Found(found)),
                Err(trouble) => FileExplained::done(name, Outcome::Unreadable, trouble.to_string()),
            });
        }
        self.end(files)
    }

    fn end(mut self, files: Vec<FileExplained>) -> Explanation {
        let explainer = &mut self;
        let studies = std::mem::take(&mut explainer.studies);
        let studies = (studies.into_iter().enumerate())
            .map(|(index, study)| explainer.settle(index, study, &files))
            .collect();
        let (rules, run) = (self.rules, self.run);
        Explanation {
            project: run.project.clone(),
            rule_set: rules.hash().to_owned(),
            modules: rules.modules(),
            notes: rules.notes().to_vec(),
            leak_check: rules.leak_check(),
            studies,
            files,
        }
    }
}

/// Where a file can be read once more.
enum Place {
    Path(PathBuf),
    Found(Found),
}

impl Place {
    fn open(&self) -> io::Result<File> {
        match self {
            Self::Path(path) => File::open(path),
            Self::Found(found) => found.open().map_err(io::Error::other),
        }
    }
}

struct Explainer<'a> {
    rules: &'a RuleSet,
    run: &'a Run,
    /// Of a trial.
    trails: Option<&'a Trails>,
    times: &'a [At],
    studies: Vec<Study>,
    by_uid: HashMap<String, usize>,
    /// Where each SOP instance was met first: as it is called, and where it is.
    instances: HashMap<String, (String, Place)>,
    /// Files of which there are pictures.
    drawn: usize,
}

impl Explainer<'_> {
    fn file(&mut self, name: String, file: File, place: Place) -> FileExplained {
        let instance = match Instance::read(file) {
            Ok(instance) => instance,
            Err(error) => {
                let (outcome, reason) = unread(&error);
                return FileExplained::done(name, outcome, reason);
            }
        };
        if let Err((outcome, reason)) = check_object(&instance) {
            return FileExplained::done(name, outcome, reason);
        }
        let run = Run {
            file: name.clone(),
            ..self.run.clone()
        };
        let (instance, filtered) = self.rules.accepts(instance, &run);
        if let Some(reason) = filtered {
            return FileExplained::done(name, Outcome::Filtered, reason);
        }
        let needles = leak::needles(&instance, &run);
        let sop_uid = instance.text(tags::SOP_INSTANCE_UID).unwrap_or_default();
        if let Some((earlier, at)) = self.instances.get(&sop_uid) {
            let (outcome, what) = match is_same(at, &place) {
                true => (Outcome::Duplicate, "the same"),
                false => (Outcome::Conflict, "other"),
            };
            let reason = format!("the same SOP instance with {what} content as {earlier}");
            return FileExplained::done(name, outcome, reason);
        }
        self.instances
            .insert(sop_uid.clone(), (name.clone(), place));
        let (instance, index) = self.study_of(instance, &run);
        let mut told = FileExplained {
            study: Some(index),
            ..FileExplained::done(name, Outcome::Failed, "")
        };
        let Some(labels) = self.studies[index].labels.clone() else {
            told.reason.clone_from(&self.studies[index].error);
            told.code = self.studies[index].code;
            return told;
        };
        let done = match self.trails {
            None => {
                let (done, steps) = self.rules.explain(instance, &run, &labels);
                told.steps = steps;
                if self.drawn < MOST_PICTURES && told.redacts() {
                    self.drawn += 1;
                    let place = self.instances.get(&sop_uid).map(|(_, place)| place);
                    told.pictures = place.and_then(|place| pictures(place, &done.instance));
                }
                done
            }
            Some(trails) => {
                let (done, steps) =
                    (self.rules).record(self.times, Detail::Actions, instance, &run, &labels);
                told.tried = Some(Tried {
                    trail: trails.add(None, &steps),
                    header_out: done.instance.digest_as_written().ok(),
                    redacted: done.instance.is_redacted(),
                });
                done
            }
        };
        let study = &mut self.studies[index];
        told.code = done.verdict.as_ref().err().map(|failure| failure.code());
        (told.outcome, told.reason) = match done.verdict {
            Ok(Verdict::Keep) => (Outcome::Stored, None),
            Ok(Verdict::Quarantine(reason)) => {
                if !study.review.contains(&reason) {
                    study.review.push(reason.clone());
                }
                (Outcome::Quarantined, Some(reason))
            }
            Ok(Verdict::Reject(reason)) => (Outcome::Rejected, Some(reason)),
            Err(failure) => (Outcome::Failed, Some(failure.to_string())),
        };
        if matches!(told.outcome, Outcome::Stored | Outcome::Quarantined) {
            let file_name = match self.rules.file_names() {
                FileNames::Template => template(&done.instance),
                FileNames::Source => clean(told.path.rsplit('/').next().unwrap_or_default()),
            };
            let identifiers = Identifiers::of(leak::not_as_labels(needles, &labels));
            told.leaks = identifiers.findings(&done.instance, &file_name);
            for finding in &told.leaks {
                *study.leaks.entry(finding.clone()).or_default() += 1;
            }
            study.add(&done.instance, &labels);
        }
        told
    }

    /// The study of an instance; the first of it is labelled.
    fn study_of(&mut self, instance: Instance, run: &Run) -> (Instance, usize) {
        let uid = instance.text(tags::STUDY_INSTANCE_UID).unwrap_or_default();
        if let Some(index) = self.by_uid.get(&uid) {
            return (instance, *index);
        }
        let (instance, labels) = self.rules.label(instance, run);
        let index = self.studies.len();
        self.by_uid.insert(uid.clone(), index);
        let code = labels.as_ref().err().map(|failure| failure.code());
        let (labels, error) = match labels {
            Ok(labels) => (Some(labels), None),
            Err(failure) => (None, Some(failure.to_string())),
        };
        self.studies.push(Study {
            labels,
            error,
            code,
            original_uid: uid,
            ..Study::default()
        });
        (instance, index)
    }

    fn settle(&self, index: usize, mut study: Study, files: &[FileExplained]) -> StudyExplained {
        let leaks: Vec<Leak> = (study.leaks.iter())
            .map(|(finding, files)| Leak {
                finding: finding.clone(),
                files: *files,
            })
            .collect();
        if self.rules.leak_check() == LeakCheck::Quarantine && !leaks.is_empty() {
            study.review.push(STILL_STANDS.into());
        }
        let (mut summary, mut route) = (None, None);
        if let (Some(labels), false) = (&study.labels, study.scans.is_empty()) {
            let seen = self.summary(index, &study, labels, &leaks, files);
            route = Some(
                match self.rules.route(&seen.to_string(), self.run, labels) {
                    Ok(decision) => Routed {
                        to: Some(decision.name()),
                        why: decision.reason(),
                    },
                    Err(failure) => Routed {
                        to: None,
                        why: failure.to_string(),
                    },
                },
            );
            summary = Some(seen);
        }
        StudyExplained {
            labels: study.labels,
            error: study.error,
            uid: study.original_uid,
            leaks,
            summary,
            route,
            review: study.review,
        }
    }

    /// As an import's would be, if nothing of the study were stored.
    fn summary(
        &self,
        index: usize,
        study: &Study,
        labels: &Labels,
        leaks: &[Leak],
        files: &[FileExplained],
    ) -> Value {
        let count = |outcomes: &[Outcome]| {
            let is_in =
                |f: &&FileExplained| f.study == Some(index) && outcomes.contains(&f.outcome);
            files.iter().filter(is_in).count() as u64
        };
        let failed = count(&[Outcome::Failed]);
        // Until the route rule has spoken, what is to be reviewed counts as stored.
        let stored = count(&[Outcome::Stored, Outcome::Quarantined]);
        let rejected = count(&[Outcome::Rejected]);
        let counts = Counts {
            found: stored + rejected + failed,
            stored,
            rejected,
            failed,
            ..Counts::default()
        };
        let series = study.scans.iter().map(|scan| SeriesSeen {
            scan: &scan.id,
            modality: &scan.modality,
            series_uid: &scan.series_uid,
            description: &scan.description,
            count: scan.count,
        });
        // An import looks for none where the policy has the check off; here it is always told.
        let is_checked = self.rules.leak_check() != LeakCheck::Off;
        let leaks = leaks.iter().filter(|_| is_checked);
        let leaks = leaks.map(|leak| LeakSeen::new(&leak.finding, leak.files));
        let summary = SessionSummary {
            study: StudySeen {
                modality: session_modality(study.scans.iter().map(|scan| scan.modality.as_str())),
                date: study.date.clone(),
                uid: study.uid.clone(),
            },
            series: series.collect(),
            leaks: leaks.collect(),
            ..SessionSummary::new(self.run, labels, counts)
        };
        summary.to_json()
    }
}

impl Study {
    /// An instance as it would be stored.
    fn add(&mut self, instance: &Instance, labels: &Labels) {
        let text = |tag| instance.text(tag).unwrap_or_default();
        let (series_uid, modality) = (text(tags::SERIES_INSTANCE_UID), text(tags::MODALITY));
        let wanted = labels
            .scan
            .clone()
            .unwrap_or_else(|| series_folder(instance));
        let id = self.names.scan(&wanted, &series_uid, &modality);
        if self.scans.is_empty() {
            self.date = instance.text(tags::STUDY_DATE);
            self.uid = instance.text(tags::STUDY_INSTANCE_UID);
        }
        match self.scans.iter_mut().find(|scan| scan.id == id) {
            Some(scan) => scan.count += 1,
            None => self.scans.push(Scan {
                id,
                modality,
                series_uid,
                description: text(tags::SERIES_DESCRIPTION),
                count: 1,
            }),
        }
    }
}

/// What can't be read counts as different: that is what it will be told as.
fn is_same(a: &Place, b: &Place) -> bool {
    let same = || same_bytes(&mut a.open()?, &mut b.open()?);
    same().unwrap_or(false)
}
