//! One import, from a folder or an archive of the inbox to committed sessions: unpack, trawl, admit, anonymize, stage, settle,
//! clean up, report. Nothing is visible before its commit; nothing flows back up.
//!
//! Runs on threads of its own and blocks; [`crate::worker`] claims requests and keeps their leases.

mod admit;
mod at_archive;
mod clean;
mod commit;
mod disk;
pub mod explain;
mod gate;
mod later;
mod leak;
mod outcome;
mod overwrite;
mod progress;
mod record;
mod remake;
pub mod replay;
mod report;
mod reported;
mod resolution;
mod session;
mod shadow;
mod source;
mod source_again;
mod split;
mod stage;
mod study;
mod summary;
mod trail;
mod trawl;
pub mod verify;
mod whole;

use crate::archive::{ActionError, Archive};
use crate::failpoint::crash_point;
use crate::inbox::{Inbox, Limits, Located};
use crate::rulebook::{Rulebook, RulebookError};
use crate::rules::pseudonym::Pseudonyms;
use crate::rules::{RuleSet, Run};
use crate::store::{Counts, ImportRequest, Session, Status, Store, StoreError, cancelled_text};
use chrono::DateTime;
use outcome::FileState;
use record::Record;
use report::{Report, write_report};
use session::Settled;
use shadow::Shadowed;
use source::Source;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use trail::Trails;

pub use disk::Disk;
pub use outcome::Outcome;
pub use progress::Progress;

/// How often an import starts afresh when another one of the same study got ahead of its commit.
const TRIES: usize = 5;

/// What an import needs of the server.
#[derive(Clone)]
pub struct Importer {
    pub store: Store,
    pub archive: Archive,
    pub rulebook: Rulebook,
    pub inbox: Inbox,
    pub data: PathBuf,
    /// The disk that the data folder is on.
    pub disk: Arc<Disk>,
    /// For how long a source counts as just written.
    pub settle: Duration,
    /// What an archive may unpack to.
    pub limits: Limits,
    pub runtime: Handle,
}

/// How an import ended.
#[derive(Debug)]
pub struct Ended {
    pub status: Status,
    pub resolution: String,
    pub counts: Counts,
    pub bytes: i64,
}

/// Why an import did not come to an end of its own.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Stop {
    /// The server shuts down, or the request is another worker's by now: staging is dropped, and the request
    /// goes back to the queue if it is still this worker's.
    #[error("interrupted")]
    Interrupted,
    /// The request was cancelled: staging is dropped, what is committed stays, the request ends.
    #[error("cancelled")]
    Cancelled,
    /// Another import changed the session in the meantime: start afresh.
    #[error("another import of the study was committed in the meantime")]
    Overtaken,
    /// The request fails with this text.
    #[error("{0}")]
    Failed(String),
    #[error(transparent)]
    Store(StoreError),
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        match error {
            // Another worker has the request by now.
            StoreError::ClaimLost => Stop::Interrupted,
            other => Stop::Store(other),
        }
    }
}

/// One import's fixed surroundings, shared by its threads.
struct Job<'a> {
    importer: &'a Importer,
    request: &'a ImportRequest,
    progress: &'a Progress,
    rules: Arc<RuleSet>,
    /// For each file, only `file` differs.
    run: Run,
    /// Those of the keys that the project had before: for what is stored under them, never for a rule.
    earlier_keys: Vec<Pseudonyms>,
    /// `staging/<request>-<attempt>`, on the file system of the prearchive and the archive.
    staging: PathBuf,
    trails: Trails,
    /// What came of the candidate beside the rules, once it has run.
    shadowed: OnceLock<Option<Shadowed>>,
    /// Since when there has been no space on the disk.
    waiting_since: Mutex<Option<Instant>>,
    /// Whether the log tells of it.
    told_waiting: AtomicBool,
}

impl Importer {
    /// Runs a claimed request to its end. None if it was interrupted: it is then to be queued again.
    ///
    /// # Errors
    /// If the store fails; the request is then as after a crash.
    pub fn run(
        &self,
        request: &ImportRequest,
        progress: &Progress,
    ) -> Result<Option<Ended>, StoreError> {
        if request.attempt > 1
            && let Some(why) = self.finish_earlier_attempts(request)?
        {
            return Ok(Some(failed(why)));
        }
        // Marked before a crash: it never starts again.
        if request.cancel_asked.is_some() {
            progress.cancel.store(true, Ordering::Relaxed);
        }
        for _ in 0..TRIES {
            progress.set(Counts::default());
            let outcome = self.attempt(request, progress);
            self.drop_staging(request, &self.staging_of(request));
            crash_point("import.staging_dropped");
            match outcome {
                Ok(ended) => return Ok(Some(ended)),
                Err(Stop::Overtaken) => continue,
                Err(Stop::Interrupted) => return Ok(None),
                Err(Stop::Cancelled) => return self.cancelled_before(request).map(Some),
                Err(Stop::Store(error)) => return Err(error),
                Err(Stop::Failed(why)) => return Ok(Some(failed(why))),
            }
        }
        Ok(Some(failed(
            "The session is being changed by other imports; try again later.".into(),
        )))
    }

    /// What an earlier worker at the request had begun to commit is finished first; what it only staged goes.
    /// Answers why the request can't go on, if so.
    fn finish_earlier_attempts(
        &self,
        request: &ImportRequest,
    ) -> Result<Option<String>, StoreError> {
        match self.block_on(self.archive.recover_request(request.id)) {
            Ok(_) => {}
            Err(ActionError::Store(error)) => return Err(error),
            Err(ActionError::Files(error)) => return Ok(Some(session::not_in_place(&error))),
            Err(error) => {
                tracing::error!(request = request.id, %error, "an earlier commit can't be finished");
            }
        }
        crash_point("retry.recovered");
        let staging = self.data.join("staging");
        for attempt in 1..request.attempt {
            self.drop_staging(request, &staging.join(format!("{}-{attempt}", request.id)));
        }
        crash_point("retry.staging_dropped");
        Ok(None)
    }

    fn attempt(&self, request: &ImportRequest, progress: &Progress) -> Result<Ended, Stop> {
        if let Some(record) = Record::read(&self.reports(), request.id) {
            // All is stored, and some sources may be gone: too late to be cancelled.
            self.block_on(self.store.requests().set_processed(request.claim()))?;
            return self.clean_up(request, progress, record, true);
        }
        if progress.cancel.load(Ordering::Relaxed) {
            return Err(Stop::Cancelled);
        }
        let Some(located) = self.recheck(request)? else {
            return self.without_source(request);
        };
        let pinned = self.block_on(self.rulebook.pin(&request.project));
        let rules = pinned.map_err(|error| match error {
            RulebookError::Store(error) => error.into(),
            other => Stop::Failed(format!(
                "The rules of project {} can't be used: {other}",
                request.project
            )),
        })?;
        self.block_on(self.store.requests().pin(request.claim(), rules.hash()))?;
        crash_point("import.pinned");
        self.block_on(
            self.store
                .requests()
                .set_status(request.claim(), Status::Trawling),
        )?;
        crash_point("import.trawling");
        let opened = self
            .inbox
            .open(&located)
            .map_err(|e| Stop::Failed(e.to_string()))?;
        let staging = self.staging_of(request);
        let job = Job {
            importer: self,
            request,
            progress,
            run: self.run_context(request)?,
            earlier_keys: self.earlier_keys(request)?,
            rules,
            staging,
            trails: Trails::default(),
            shadowed: OnceLock::new(),
            waiting_since: Mutex::default(),
            told_waiting: AtomicBool::default(),
        };
        drop(job.room(0)?);
        job.fresh_staging().map_err(|e| {
            let why = disk::told(&e);
            Stop::Failed(format!("The staging folder can't be made: {why}"))
        })?;
        let mut source = job.prepare(opened)?;
        crash_point("import.prepared");
        self.block_on(
            self.store
                .requests()
                .set_status(request.claim(), Status::Importing),
        )?;
        crash_point("import.importing");
        let mut trawled = job.trawl(source.entries()?)?;
        job.look_again(&source, &mut trawled)?;
        crash_point("import.trawled");
        let mut sessions = Vec::new();
        let fatal = match trawled.fatal {
            Some(why) => Some(why),
            None => job.settle(&mut trawled.studies, &mut trawled.files, &mut sessions)?,
        };
        if let Some(why) = fatal {
            let staged = trawled.files.iter_mut().filter(|f| f.is_staged());
            staged.for_each(|f| f.settle(Outcome::Failed, Some(why.clone())));
            return job.end(&source, &trawled.files, &sessions, Some(why));
        }
        crash_point("import.settled");
        let shadowed = job.run_shadow(&trawled.files, &trawled.studies, &sessions);
        _ = job.shadowed.set(shadowed);
        if !self.block_on(self.store.requests().set_processed(request.claim()))? {
            // All is committed by now, and stays; the sources stay too.
            let why = self.cancelled(request.id)?;
            return job.end(&source, &trawled.files, &sessions, Some(why));
        }
        crash_point("import.processed");
        let mut archive = None;
        let mut cleanup = request.cleanup;
        if let Source::Archive(read) = &mut source
            && cleanup
        {
            archive = Some(read.identity);
            if let Some(why) = job.unsafe_archive(&trawled.files) {
                read.cleaned = Some(Err(why));
                cleanup = false;
            }
        }
        if cleanup {
            let keys = trawled.studies.iter().map(|s| s.key_in_store());
            let removable = job.removable(&trawled.files, &keys.collect::<Vec<_>>());
            let (ended, report) = job.told(&source, &trawled.files, &sessions, None)?;
            let record = Record::new(&ended, removable, archive, &report).and_then(|record| {
                // Before the first is removed: after a crash nothing else would tell of them.
                record.write(&self.reports(), request.id)?;
                Ok(record)
            });
            let record = record.map_err(not_written)?;
            crash_point("clean.recorded");
            return self.clean_up(request, progress, record, false);
        }
        job.end(&source, &trawled.files, &sessions, None)
    }

    fn reports(&self) -> PathBuf {
        self.data.join("reports")
    }

    /// To be called once a request has ended: it is not gone on with.
    pub fn forget_record(&self, request: i64) {
        Record::forget(&self.reports(), request);
    }

    /// The same for requests whose worker was killed before it came to do so. To be called at start.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn forget_ended(&self) -> Result<(), StoreError> {
        for id in Record::all(&self.reports()) {
            let request = self.store.requests().get(id).await?;
            if request.is_none_or(|request| request.finished.is_some()) {
                self.forget_record(id);
            }
        }
        Ok(())
    }

    /// Rights and the source, again: both may have changed while the request waited. None if it is gone.
    fn recheck(&self, request: &ImportRequest) -> Result<Option<Located>, Stop> {
        let Ok(located) = self.inbox.locate(&request.session_path) else {
            return Ok(None);
        };
        for project in [&request.project, &located.project] {
            if !self.block_on(self.store.projects().may_edit(project, &request.username))? {
                return Err(Stop::Failed(
                    "The user may no longer edit the project.".into(),
                ));
            }
        }
        Ok(Some(located))
    }

    /// An archive that was imported and cleaned up before a crash is no failure.
    fn without_source(&self, request: &ImportRequest) -> Result<Ended, Stop> {
        match self.stored_before_a_crash(request)? {
            Some(told) => Ok(Ended {
                status: Status::Completed,
                resolution: told,
                // The earlier attempt's report stands.
                counts: report::counts(&self.reports(), request.id).unwrap_or_default(),
                bytes: request.bytes,
            }),
            None => Err(Stop::Failed(format!(
                "No session folder was found at the specified location :{}",
                request.session_path
            ))),
        }
    }

    fn run_context(&self, request: &ImportRequest) -> Result<Run, Stop> {
        let project = self.block_on(self.store.projects().get(&request.project))?;
        let project = project
            .ok_or_else(|| Stop::Failed(format!("There is no project {}.", request.project)))?;
        let received = DateTime::from_timestamp_millis(request.created).unwrap_or_default();
        Ok(Run {
            project: project.id,
            parameters: Arc::new(request.parameters.clone()),
            file: String::new(),
            received: received.format("%Y%m%d%H%M%S").to_string(),
            pseudonyms: Arc::new(Pseudonyms::new(project.pseudonym_key.as_bytes())),
        })
    }

    fn earlier_keys(&self, request: &ImportRequest) -> Result<Vec<Pseudonyms>, Stop> {
        let keys = self.block_on(self.store.projects().earlier_keys(&request.project))?;
        let services = keys.iter().map(|key| Pseudonyms::new(key.as_bytes()));
        Ok(services.collect())
    }

    /// How a cancelled request ends. To be asked once nothing more of it is committed.
    fn cancelled(&self, request: i64) -> Result<String, StoreError> {
        let kept = self.block_on(self.store.requests().sessions(request))?;
        Ok(cancelled_text(&kept))
    }

    /// The end of a request that was cancelled before this attempt found anything. An earlier one may have
    /// come so far as to write its report, which then stands.
    fn cancelled_before(&self, request: &ImportRequest) -> Result<Ended, StoreError> {
        let why = self.cancelled(request.id)?;
        Ok(match report::counts(&self.reports(), request.id) {
            Some(counts) => Ended {
                counts,
                bytes: request.bytes,
                ..failed(why)
            },
            None => failed(why),
        })
    }

    /// One folder for each attempt: a worker that was taken for dead may still write to its own.
    fn staging_of(&self, request: &ImportRequest) -> PathBuf {
        let attempt = format!("{}-{}", request.id, request.attempt);
        self.data.join("staging").join(attempt)
    }

    /// Removes an attempt's staging, but for what a commit still needs that the disk has stopped.
    fn drop_staging(&self, request: &ImportRequest, folder: &Path) {
        let commits = self.store.commits();
        let needed = match self.block_on(commits.staging_of(request.id)) {
            Ok(needed) => needed,
            Err(error) => {
                tracing::warn!(request = request.id, %error, "staging is left, perhaps a commit needs it");
                return;
            }
        };
        let needed: Vec<PathBuf> = needed.iter().map(|path| self.data.join(path)).collect();
        if let Err(error) = remove_all_but(folder, &needed)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(request = request.id, %error, "staging can't be removed");
        }
    }

    /// What an earlier attempt at the request has committed: its clean-up may have left no source to find.
    fn stored_before_a_crash(&self, request: &ImportRequest) -> Result<Option<String>, Stop> {
        let requests = self.store.requests();
        let sessions = self.block_on(requests.sessions(request.id))?;
        let uris: Vec<String> = sessions.iter().map(Session::uri).collect();
        let told = format!(
            "Stored before the server was interrupted: {}",
            uris.join(" ")
        );
        Ok((!uris.is_empty()).then_some(told))
    }

    fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }
}

impl Job<'_> {
    fn fresh_staging(&self) -> std::io::Result<()> {
        match std::fs::remove_dir_all(&self.staging) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
        std::fs::create_dir_all(&self.staging)
    }

    fn check_stop(&self) -> Result<(), Stop> {
        if self.progress.cancel.load(Ordering::Relaxed) {
            return Err(Stop::Cancelled);
        }
        match self.progress.stop.load(Ordering::Relaxed) {
            true => Err(Stop::Interrupted),
            false => Ok(()),
        }
    }

    fn cancelled(&self) -> Result<String, StoreError> {
        self.importer.cancelled(self.request.id)
    }

    /// Writes the report and says how the request ended.
    fn end(
        &self,
        source: &Source,
        files: &[FileState],
        sessions: &[Settled],
        fatal: Option<String>,
    ) -> Result<Ended, Stop> {
        let (ended, report) = self.told(source, files, sessions, fatal)?;
        write_report(&self.importer.reports(), self.request.id, &report).map_err(not_written)?;
        Ok(ended)
    }

    /// How the request ended, and its report, not written yet.
    fn told<'a>(
        &'a self,
        source: &'a Source,
        files: &'a [FileState],
        sessions: &'a [Settled],
        fatal: Option<String>,
    ) -> Result<(Ended, Report<'a>), Stop> {
        let counts = outcome::count(files);
        let stored_bytes: u64 = files.iter().map(FileState::stored_bytes).sum();
        let report = Report::new(self, source, files, sessions, &counts);
        let (status, resolution) = match fatal {
            Some(why) => (Status::Failed, why),
            None => {
                let path = &self.request.session_path;
                match resolution::of(path, &counts, files, sessions) {
                    (Status::Failed, why) => {
                        match self.importer.stored_before_a_crash(self.request)? {
                            Some(told) => (Status::Completed, told),
                            None => (Status::Failed, why),
                        }
                    }
                    completed => completed,
                }
            }
        };
        let ended = Ended {
            status,
            resolution,
            counts,
            bytes: i64::try_from(stored_bytes).unwrap_or(i64::MAX),
        };
        Ok((ended, report))
    }
}

fn not_written(error: std::io::Error) -> Stop {
    let why = disk::told(&error);
    Stop::Failed(format!("The report can't be written: {why}"))
}

/// Removes a folder, or all that is in it beside what is to be kept.
fn remove_all_but(folder: &Path, kept: &[PathBuf]) -> std::io::Result<()> {
    if !kept.iter().any(|path| path.starts_with(folder)) {
        return std::fs::remove_dir_all(folder);
    }
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if !kept.contains(&path) {
            std::fs::remove_dir_all(path)?;
        }
    }
    Ok(())
}

fn failed(resolution: String) -> Ended {
    Ended {
        status: Status::Failed,
        resolution,
        counts: Counts::default(),
        bytes: 0,
    }
}
