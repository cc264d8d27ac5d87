//! One import, from a folder of the inbox to committed sessions: trawl, admit, anonymize, stage, settle,
//! clean up, report. Nothing is visible before its commit; nothing flows back up.
//!
//! Runs on threads of its own and blocks; [`crate::worker`] claims requests and keeps their leases.

mod admit;
mod clean;
pub mod explain;
mod gate;
mod leak;
mod outcome;
mod progress;
mod report;
mod resolution;
mod session;
mod stage;
mod study;
mod summary;
mod trawl;

use crate::archive::{ActionError, Archive};
use crate::inbox::Inbox;
use crate::rulebook::{Rulebook, RulebookError};
use crate::rules::pseudonym::Pseudonyms;
use crate::rules::{RuleSet, Run};
use crate::store::{Counts, ImportRequest, Session, Status, Store, StoreError, cancelled_text};
use chrono::DateTime;
use outcome::FileState;
use session::Settled;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::runtime::Handle;

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
    /// `staging/<request>-<attempt>`, on the file system of the prearchive and the archive.
    staging: PathBuf,
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
        if request.attempt > 1 {
            self.finish_earlier_attempts(request)?;
        }
        // Marked before a crash: it never starts again.
        if request.cancel_asked.is_some() {
            progress.cancel.store(true, Ordering::Relaxed);
        }
        for _ in 0..TRIES {
            progress.set(Counts::default());
            let outcome = self.attempt(request, progress);
            self.drop_staging(request);
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
    fn finish_earlier_attempts(&self, request: &ImportRequest) -> Result<(), StoreError> {
        match self.block_on(self.archive.recover_request(request.id)) {
            Ok(_) => {}
            Err(ActionError::Store(error)) => return Err(error),
            // Tried again with the request, or at the next start.
            Err(error) => {
                tracing::error!(request = request.id, %error, "an earlier commit can't be finished");
            }
        }
        let staging = self.data.join("staging");
        for attempt in 1..request.attempt {
            _ = std::fs::remove_dir_all(staging.join(format!("{}-{attempt}", request.id)));
        }
        Ok(())
    }

    fn attempt(&self, request: &ImportRequest, progress: &Progress) -> Result<Ended, Stop> {
        if progress.cancel.load(Ordering::Relaxed) {
            return Err(Stop::Cancelled);
        }
        let located = self.recheck(request)?;
        let pinned = self.block_on(self.rulebook.pin(&request.project));
        let rules = pinned.map_err(|error| match error {
            RulebookError::Store(error) => error.into(),
            other => Stop::Failed(format!(
                "The rules of project {} can't be used: {other}",
                request.project
            )),
        })?;
        self.block_on(self.store.requests().pin(request.claim(), rules.hash()))?;
        self.block_on(
            self.store
                .requests()
                .set_status(request.claim(), Status::Trawling),
        )?;
        let folder = self
            .inbox
            .open(&located)
            .map_err(|e| Stop::Failed(e.to_string()))?;
        let staging = self.staging_of(request);
        let job = Job {
            importer: self,
            request,
            progress,
            run: self.run_context(request)?,
            rules,
            staging,
        };
        job.fresh_staging()
            .map_err(|e| Stop::Failed(format!("The staging folder can't be made: {e}")))?;
        self.block_on(
            self.store
                .requests()
                .set_status(request.claim(), Status::Importing),
        )?;
        let mut trawled = job.trawl(folder)?;
        let mut sessions = Vec::new();
        let fatal = match trawled.fatal {
            Some(why) => Some(why),
            None => job.settle(&trawled.studies, &mut trawled.files, &mut sessions)?,
        };
        if let Some(why) = fatal {
            let staged = trawled.files.iter_mut().filter(|f| f.is_staged());
            staged.for_each(|f| f.settle(Outcome::Failed, Some(why.clone())));
            return job.end(&trawled.files, &sessions, Some(why));
        }
        if !self.block_on(self.store.requests().set_processed(request.claim()))? {
            // All is committed by now, and stays; the sources stay too.
            let why = self.cancelled(request.id)?;
            return job.end(&trawled.files, &sessions, Some(why));
        }
        if request.cleanup {
            job.clean_up(&mut trawled.files);
        }
        job.end(&trawled.files, &sessions, None)
    }

    /// Rights and the folder, again: both may have changed while the request waited.
    fn recheck(&self, request: &ImportRequest) -> Result<crate::inbox::Located, Stop> {
        let located = self.inbox.locate(&request.session_path);
        let located = located.map_err(|_| {
            Stop::Failed(format!(
                "No session folder was found at the specified location :{}",
                request.session_path
            ))
        })?;
        for project in [&request.project, &located.project] {
            if !self.block_on(self.store.projects().may_edit(project, &request.username))? {
                return Err(Stop::Failed(
                    "The user may no longer edit the project.".into(),
                ));
            }
        }
        Ok(located)
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

    /// How a cancelled request ends. To be asked once nothing more of it is committed.
    fn cancelled(&self, request: i64) -> Result<String, StoreError> {
        let kept = self.block_on(self.store.requests().sessions(request))?;
        Ok(cancelled_text(&kept))
    }

    /// The end of a request that was cancelled before this attempt found anything. An earlier one may have
    /// come so far as to write its report, which then stands.
    fn cancelled_before(&self, request: &ImportRequest) -> Result<Ended, StoreError> {
        let why = self.cancelled(request.id)?;
        Ok(
            match report::counts(&self.data.join("reports"), request.id) {
                Some(counts) => Ended {
                    counts,
                    bytes: request.bytes,
                    ..failed(why)
                },
                None => failed(why),
            },
        )
    }

    /// One folder for each attempt: a worker that was taken for dead may still write to its own.
    fn staging_of(&self, request: &ImportRequest) -> PathBuf {
        let attempt = format!("{}-{}", request.id, request.attempt);
        self.data.join("staging").join(attempt)
    }

    fn drop_staging(&self, request: &ImportRequest) {
        let folder = self.staging_of(request);
        if let Err(error) = std::fs::remove_dir_all(&folder)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(request = request.id, %error, "staging can't be removed");
        }
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

    /// What an earlier attempt at the request has committed: its clean-up may have left no source to find.
    fn stored_before_a_crash(&self) -> Result<Option<String>, Stop> {
        let requests = self.importer.store.requests();
        let sessions = self.importer.block_on(requests.sessions(self.request.id))?;
        let uris: Vec<String> = sessions.iter().map(Session::uri).collect();
        let told = format!(
            "Stored before the server was interrupted: {}",
            uris.join(" ")
        );
        Ok((!uris.is_empty()).then_some(told))
    }

    /// Writes the report and says how the request ended.
    fn end(
        &self,
        files: &[FileState],
        sessions: &[Settled],
        fatal: Option<String>,
    ) -> Result<Ended, Stop> {
        let counts = outcome::count(files);
        let stored_bytes: u64 = files.iter().map(FileState::stored_bytes).sum();
        let report = report::Report::new(self, files, sessions, &counts);
        let path = self.importer.data.join("reports");
        report
            .write(&path)
            .map_err(|e| Stop::Failed(format!("The report can't be written: {e}")))?;
        let (status, resolution) = match fatal {
            Some(why) => (Status::Failed, why),
            None => {
                let path = &self.request.session_path;
                match resolution::of(path, &counts, files, sessions) {
                    (Status::Failed, why) => match self.stored_before_a_crash()? {
                        Some(told) => (Status::Completed, told),
                        None => (Status::Failed, why),
                    },
                    completed => completed,
                }
            }
        };
        Ok(Ended {
            status,
            resolution,
            counts,
            bytes: i64::try_from(stored_bytes).unwrap_or(i64::MAX),
        })
    }
}

fn failed(resolution: String) -> Ended {
    Ended {
        status: Status::Failed,
        resolution,
        counts: Counts::default(),
        bytes: 0,
    }
}
