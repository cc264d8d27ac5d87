//! One import, from a folder or an archive of the inbox to committed sessions: unpack, trawl, admit, anonymize, stage,
//! settle, clean up, report. Nothing is visible before its commit; nothing flows back up.
//!
//! Runs on threads of its own and blocks; [`crate::worker`] claims requests and keeps their leases.

mod admit;
mod again;
mod assign;
mod attempt;
mod clean;
mod described;
mod disk;
mod ending;
mod gate;
mod leak;
mod outcome;
mod progress;
mod record;
mod removed;
mod report;
mod resolution;
mod settle;
mod shadow;
mod source;
mod stage;
mod staged;
mod staging;
mod study;
mod trail;
mod trawl;
mod turns;
mod unparsable;
mod uploads;
mod waiting;

use crate::archive::{ActionError, Archive};
use crate::failpoint::crash_point;
use crate::file_system::FileSystem;
use crate::inbox::{Inbox, Limits};
use crate::rulebook::Rulebook;
use crate::rules::pseudonym::Pseudonyms;
use crate::rules::{RuleSet, Run};
use crate::store::{Counts, ImportRequest, Status, Store, StoreError};
use ending::failed;
use shadow::Shadowed;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant, SystemTime};
use tokio::runtime::Handle;
use trail::Trails;

pub use again::{explain, replay, verify};
pub use disk::Disk;
pub use outcome::Outcome;
pub use progress::Progress;
pub use turns::Turns;
pub use waiting::MoveTo;

/// How often an import starts afresh when another one of the same study got ahead of its commit.
const TRIES: usize = 8;

/// How long it rests before the second try; twice as long before each further one.
const FIRST_REST: Duration = Duration::from_millis(100);

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
    /// Of the imports of this process.
    pub turns: Arc<Turns>,
    /// Whether what a crash left can't be taken over, so that nothing is imported.
    pub held_up: Arc<AtomicBool>,
    /// For how long a source counts as just written.
    pub settle: Duration,
    /// What an archive may unpack to.
    pub limits: Limits,
    /// Of one request.
    pub max_files: usize,
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
    /// For how long a source counts as just written; not at all where nobody else can write to it.
    settle: Duration,
    /// The data folder's.
    file_system: FileSystem,
    /// `staging/<request>-<attempt>`, on the file system of the prearchive and the archive.
    staging: PathBuf,
    trails: Trails,
    /// What came of the candidate beside the rules, once it has run.
    shadowed: OnceLock<Option<Shadowed>>,
    /// Until when a file that is staged counts as just written: the latest of them.
    fresh_until: Mutex<Option<SystemTime>>,
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
        let request = &mut request.clone();
        let (turn, mut rest) = (self.turns.of(request.id), FIRST_REST);
        for _ in 0..TRIES {
            progress.set(Counts::default());
            let outcome = self
                .assign(request, progress)
                .and_then(|()| self.attempt(request, progress));
            self.drop_staging(request, &self.staging_of(request));
            crash_point("import.staging_dropped");
            match outcome {
                Ok(ended) => return Ok(Some(ended)),
                Err(Stop::Overtaken) => {
                    turn.overtaken();
                    std::thread::sleep(rest);
                    rest *= 2;
                }
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
            Err(ActionError::Files(error)) => return Ok(Some(settle::not_in_place(&error))),
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

    fn reports(&self) -> PathBuf {
        self.data.join("reports")
    }

    fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }
}

impl Job<'_> {
    fn check_stop(&self) -> Result<(), Stop> {
        if self.progress.cancel.load(Ordering::Relaxed) {
            return Err(Stop::Cancelled);
        }
        match self.progress.stop.load(Ordering::Relaxed) {
            true => Err(Stop::Interrupted),
            false => Ok(()),
        }
    }
}
