//! One attempt at a request, from its pinned rules to the report: unpack, trawl, settle, clean up.

use super::disk;
use super::ending::not_written;
use super::outcome::Outcome;
use super::record::{self, Record};
use super::source::Source;
use super::trail::Trails;
use super::{Ended, Importer, Job, Progress, Stop};
use crate::failpoint::crash_point;
use crate::file_system::FileSystem;
use crate::inbox::Located;
use crate::rulebook::RulebookError;
use crate::rules::pseudonym::Pseudonyms;
use crate::rules::{RuleSet, Run};
use crate::store::{ImportRequest, Status, UNASSIGNED};
use chrono::DateTime;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

impl Importer {
    pub(super) fn attempt(
        &self,
        request: &mut ImportRequest,
        progress: &Progress,
    ) -> Result<Ended, Stop> {
        if let Some(record) = Record::read(&self.reports(), request.id) {
            // All is stored, and some sources may be gone: too late to be cancelled.
            self.block_on(self.store.requests().set_processed(request.claim()))?;
            return self.clean_up_again(request, progress, record);
        }
        if progress.cancel.load(Ordering::Relaxed) {
            return Err(Stop::Cancelled);
        }
        let Some(located) = self.recheck(request)? else {
            return self.without_source(request);
        };
        let rules = self.pinned(request)?;
        self.block_on(self.store.requests().pin(request.claim(), rules.hash()))?;
        crash_point("import.pinned");
        request.rule_set = Some(rules.hash().to_owned());
        let request = &*request;
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
        let job = self.job(request, progress, &located, rules)?;
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
        let (count, entries) = source.entries(self.max_files)?;
        let mut trawled = job.trawl(count, entries)?;
        job.look_again(&source, &mut trawled)?;
        if trawled.fatal.is_none() {
            trawled.fatal = job.unparsable(&trawled.files);
        }
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
            let keys: Vec<_> = keys.collect();
            let sources = || job.removable(&trawled.files, &keys);
            let (ended, mut report) = job.told(&source, &trawled.files, &sessions, None)?;
            // Before the first is removed: after a crash nothing else would tell of them.
            record::write(
                &self.reports(),
                request.id,
                &ended,
                &report,
                sources,
                archive,
            )
            .map_err(not_written)?;
            crash_point("clean.recorded");
            report.set_removed(self.clean_up(request, progress, sources(), archive, false)?);
            self.report(request, &report)?;
            return Ok(ended);
        }
        job.end(&source, &trawled.files, &sessions, None)
    }

    /// The rules of the request: those of an earlier attempt that was cut off, whatever is active by now, as others
    /// would make another of what it has committed.
    pub(super) fn pinned(&self, request: &ImportRequest) -> Result<Arc<RuleSet>, Stop> {
        if let Some(hash) = &request.rule_set {
            match self.block_on(self.rulebook.version(&request.project, hash)) {
                Ok(rules) => return Ok(rules),
                Err(RulebookError::Store(error)) => return Err(error.into()),
                // This release can't run them any more.
                Err(_) => {}
            }
        }
        let pinned = self.block_on(self.rulebook.pin(&request.project));
        pinned.map_err(|error| match error {
            RulebookError::Store(error) => error.into(),
            other => Stop::Failed(format!(
                "The rules of project {} can't be used: {other}",
                request.project
            )),
        })
    }

    pub(super) fn job<'a>(
        &'a self,
        request: &'a ImportRequest,
        progress: &'a Progress,
        located: &Located,
        rules: Arc<RuleSet>,
    ) -> Result<Job<'a>, Stop> {
        Ok(Job {
            importer: self,
            request,
            progress,
            run: self.run_context(request)?,
            earlier_keys: self.earlier_keys(request)?,
            settle: match located.uploaded {
                true => Duration::ZERO,
                false => self.settle,
            },
            rules,
            file_system: FileSystem::of(&self.data).map_err(|error| {
                let why = disk::told(&error);
                Stop::Failed(format!("The data folder can't be opened: {why}"))
            })?,
            staging: self.staging_of(request),
            trails: Trails::default(),
            shadowed: OnceLock::new(),
            fresh_until: Mutex::default(),
            waiting_since: Mutex::default(),
            told_waiting: AtomicBool::default(),
        })
    }

    /// Rights and the source, again: both may have changed while the request waited. None if it is gone.
    pub(super) fn recheck(&self, request: &ImportRequest) -> Result<Option<Located>, Stop> {
        let Ok(located) = self.inbox.locate_queued(&request.session_path) else {
            return Ok(None);
        };
        for project in [&request.project, &located.project] {
            let may = match located.uploaded && project == UNASSIGNED {
                // Whoever has an account may hand in what belongs to no project.
                true => self.is_enabled(&request.username)?,
                false => {
                    let projects = self.store.projects();
                    self.block_on(projects.may_edit(project, &request.username))?
                }
            };
            if !may {
                return Err(Stop::Failed(
                    "The user may no longer edit the project.".into(),
                ));
            }
        }
        Ok(Some(located))
    }

    fn is_enabled(&self, username: &str) -> Result<bool, Stop> {
        let user = self.block_on(self.store.users().get(username))?;
        Ok(user.is_some_and(|user| user.enabled))
    }

    pub(super) fn run_context(&self, request: &ImportRequest) -> Result<Run, Stop> {
        let project = self.block_on(self.store.projects().get(&request.project))?;
        let project = project
            .ok_or_else(|| Stop::Failed(format!("There is no project {}.", request.project)))?;
        let received = DateTime::from_timestamp_millis(request.created).unwrap_or_default();
        let parameters = request.parameters.clone();
        Ok(Run::new(
            project.id,
            project.pseudonym_key.as_bytes(),
            parameters,
            received,
        ))
    }

    fn earlier_keys(&self, request: &ImportRequest) -> Result<Vec<Pseudonyms>, Stop> {
        let keys = self.block_on(self.store.projects().earlier_keys(&request.project))?;
        let services = keys.iter().map(|key| Pseudonyms::new(key.as_bytes()));
        Ok(services.collect())
    }
}
