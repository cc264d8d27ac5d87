//! Clean-up: removes exactly the sources whose content is stored, once every session is committed and what
//! may go is written down.

use super::ending::not_written;
use super::outcome::{FileState, Outcome};
use super::record::{Record, Recorded};
use super::removed::Removed;
use super::report::write_report;
use super::{Ended, Importer, Job, Progress, Stop};
use crate::archive::Fingerprint;
use crate::failpoint::crash_point;
use crate::inbox::{Identity, Opened, remove_source};
use crate::store::{ImportRequest, SessionState};
use serde::Serialize;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::path::Path;
use std::sync::atomic::Ordering;

const HAS_GONE: &str = "what was stored of it has gone since";
const NO_FOLDER: &str = "its folder has gone since";

impl Job<'_> {
    /// The sources of what was stored, and of what is proved to be stored already. All others stay.
    pub(super) fn removable<'a>(
        &self,
        files: &'a [FileState],
        study_keys: &'a [&str],
    ) -> impl Iterator<Item = Recorded> + use<'a> {
        (0..files.len())
            .filter(|index| is_safe(files, *index))
            .filter_map(|index| {
                let file = &files[index];
                Some(Recorded::new(
                    index,
                    &file.found.relative,
                    file.identity?,
                    (*study_keys.get(file.study?)?).to_owned(),
                    stored_instance(files, index)?.map(str::to_owned),
                ))
            })
    }

    /// Why an archive stays as it is: one of its members is not stored.
    pub(super) fn unsafe_archive(&self, files: &[FileState]) -> Option<String> {
        let mut kept = (0..files.len()).filter(|index| !is_safe(files, *index));
        if let Some(first) = kept.next() {
            return Some(format!(
                "{} of its {} members are not stored, first `{}`",
                1 + kept.count(),
                files.len(),
                files[first].found.display()
            ));
        }
        files.is_empty().then(|| "it has no members".into())
    }
}

impl Importer {
    /// Goes on with the clean-up of an earlier attempt, which may have removed some sources.
    pub(super) fn clean_up_again(
        &self,
        request: &ImportRequest,
        progress: &Progress,
        mut record: Record,
    ) -> Result<Ended, Stop> {
        let sources = std::mem::take(&mut record.sources);
        let archive = record.archive;
        let removed = self.clean_up(request, progress, sources, archive, true)?;
        let report = record.report(&removed);
        self.report(request, &report.map_err(not_written)?)?;
        Ok(record.ended())
    }

    /// Removes sources that are written down. May be repeated: `again` says that an earlier attempt at the
    /// request had begun to.
    pub(super) fn clean_up(
        &self,
        request: &ImportRequest,
        progress: &Progress,
        sources: impl IntoIterator<Item = Recorded>,
        archive: Option<Identity>,
        again: bool,
    ) -> Result<Removed, Stop> {
        crash_point("clean.begin");
        let mut removed = Removed::default();
        let mut stored = StoredInstances::default();
        let mut is_stored = |source: &Recorded| stored.hold(self, &request.project, source);
        match archive {
            Some(as_read) => {
                let mut outcome = Ok(());
                for source in sources {
                    if !is_stored(&source)? {
                        outcome = Err(HAS_GONE.to_owned());
                        break;
                    }
                }
                removed.archive =
                    Some(outcome.and_then(|()| self.remove_archive(request, &as_read, again)));
                crash_point("clean.archive_done");
            }
            None => {
                let folder = self.source_folder(request);
                for source in sources {
                    if progress.stop.load(Ordering::Relaxed) {
                        return Err(Stop::Interrupted);
                    }
                    let outcome = match (&folder, source.path()) {
                        _ if !is_stored(&source)? => Err(HAS_GONE.into()),
                        (Some(folder), Some(path)) => {
                            remove_source(folder, &path, &source.identity, request.id, again)
                                .map_err(|why| why.to_string())
                        }
                        _ => Err(NO_FOLDER.into()),
                    };
                    removed.note(source.file, outcome);
                    crash_point("clean.source_done");
                }
            }
        }
        Ok(removed)
    }

    /// Writes the report, once the sources are gone.
    pub(super) fn report(
        &self,
        request: &ImportRequest,
        report: &impl Serialize,
    ) -> Result<(), Stop> {
        write_report(&self.reports(), request.id, report).map_err(not_written)?;
        crash_point("clean.reported");
        Ok(())
    }

    fn remove_archive(
        &self,
        request: &ImportRequest,
        as_read: &Identity,
        again: bool,
    ) -> Result<(), String> {
        let path = Path::new(&request.session_path);
        // A clean-up that was cut off may have removed it, so it need not be there.
        let folder = self.inbox.open_parent(&request.session_path);
        match (folder, path.file_name()) {
            (Ok(folder), Some(name)) => {
                remove_source(&folder, Path::new(name), as_read, request.id, again)
                    .map_err(|why| why.to_string())
            }
            _ => Err(NO_FOLDER.into()),
        }
    }

    fn source_folder(&self, request: &ImportRequest) -> Option<File> {
        let located = self.inbox.locate(&request.session_path).ok()?;
        match self.inbox.open(&located).ok()? {
            Opened::Folder(folder) => Some(folder),
            Opened::Archive(..) => None,
        }
    }
}

/// The instances that are stored at this moment, by the keys of their studies: told of by a row, and there.
#[derive(Default)]
struct StoredInstances(HashMap<String, HashSet<Fingerprint>>);

impl StoredInstances {
    /// Whether a source is among them; if its UID is not known, whether anything of its study is.
    fn hold(
        &mut self,
        importer: &Importer,
        project: &str,
        source: &Recorded,
    ) -> Result<bool, Stop> {
        let stored = match self.0.entry(source.study.clone()) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => {
                unknown.insert(importer.stored_instances(project, &source.study)?)
            }
        };
        Ok(match &source.sop_uid {
            Some(sop_uid) => stored.contains(&Fingerprint::of(&[sop_uid])),
            None => !stored.is_empty(),
        })
    }
}

impl Importer {
    /// Of one study, by their UIDs.
    fn stored_instances(
        &self,
        project: &str,
        study_key: &str,
    ) -> Result<HashSet<Fingerprint>, Stop> {
        let sessions = self.store.sessions();
        let mut stored = HashSet::new();
        for session in self.block_on(sessions.of_study(project, study_key))? {
            if session.state == SessionState::Deleting {
                continue;
            }
            // Scan by scan: there may be very many files.
            for scan in self.block_on(sessions.scans(session.id))? {
                let of_scan = sessions.files(session.id, Some(&scan.scan.scan_id));
                for file in self.block_on(of_scan)? {
                    let size = self.data.join(session.path_of(&file)).metadata();
                    if size.is_ok_and(|m| i64::try_from(m.len()) == Ok(file.size)) {
                        stored.insert(Fingerprint::of(&[&file.sop_uid]));
                    }
                }
            }
        }
        Ok(stored)
    }
}

fn is_safe(files: &[FileState], index: usize) -> bool {
    let file = &files[index];
    match (file.outcome(), file.duplicate_of) {
        (Outcome::Stored | Outcome::Quarantined, _) => true,
        // The same content as that of another file of the walk: as safe as that one.
        (Outcome::Duplicate, Some(_)) => first_of(files, index).is_some_and(|f| {
            matches!(
                f.outcome(),
                Outcome::Stored | Outcome::Quarantined | Outcome::Duplicate
            )
        }),
        // What the rules make of it is stored, byte for byte.
        (Outcome::Duplicate, None) => true,
        _ => false,
    }
}

/// The instance that a file became, by its UID as stored, if that is known: its own, or that of the file
/// which it doubles.
fn stored_instance(files: &[FileState], index: usize) -> Option<Option<&str>> {
    let file = match files[index].duplicate_of {
        Some(_) => first_of(files, index)?,
        None => &files[index],
    };
    let staged = &file.staged.as_ref()?.file;
    Some((!file.made_anew).then_some(staged.sop_uid.as_str()))
}

fn first_of(files: &[FileState], index: usize) -> Option<&FileState> {
    let first = usize::try_from(files[index].duplicate_of?).ok()?;
    files.get(first)
}
