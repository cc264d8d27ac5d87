//! How requests end: what is counted, said and reported, also of those that an earlier attempt or a cancel has
//! cut short.

use super::outcome::{self, FileState};
use super::record::Record;
use super::report::{self, Report, write_report};
use super::settle::Settled;
use super::source::Source;
use super::{Ended, Importer, Job, Stop, disk, resolution};
use crate::store::{Counts, ImportRequest, Session, Status, StoreError, cancelled_text};

impl Importer {
    /// An archive that was imported and cleaned up before a crash is no failure.
    pub(super) fn without_source(&self, request: &ImportRequest) -> Result<Ended, Stop> {
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

    /// How a cancelled request ends. To be asked once nothing more of it is committed.
    pub(super) fn cancelled(&self, request: i64) -> Result<String, StoreError> {
        let kept = self.block_on(self.store.requests().sessions(request))?;
        Ok(cancelled_text(&kept))
    }

    /// The end of a request that was cancelled before this attempt found anything. An earlier one may have
    /// come so far as to write its report, which then stands.
    pub(super) fn cancelled_before(&self, request: &ImportRequest) -> Result<Ended, StoreError> {
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

    /// What an earlier attempt at the request has committed: its clean-up may have left no source to find.
    pub(super) fn stored_before_a_crash(
        &self,
        request: &ImportRequest,
    ) -> Result<Option<String>, Stop> {
        let requests = self.store.requests();
        let sessions = self.block_on(requests.sessions(request.id))?;
        let uris: Vec<String> = sessions.iter().map(Session::uri).collect();
        let told = format!(
            "Stored before the server was interrupted: {}",
            uris.join(" ")
        );
        Ok((!uris.is_empty()).then_some(told))
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
}

impl Job<'_> {
    pub(super) fn cancelled(&self) -> Result<String, StoreError> {
        self.importer.cancelled(self.request.id)
    }

    /// Writes the report and says how the request ended.
    pub(super) fn end(
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
    pub(super) fn told<'a>(
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

pub(super) fn not_written(error: std::io::Error) -> Stop {
    let why = disk::told(&error);
    Stop::Failed(format!("The report can't be written: {why}"))
}

pub(super) fn failed(resolution: String) -> Ended {
    Ended {
        status: Status::Failed,
        resolution,
        counts: Counts::default(),
        bytes: 0,
    }
}
