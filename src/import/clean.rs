//! Clean-up: removes exactly the sources whose content is stored, once every session is committed and what
//! may go is written down.

use super::outcome::{FileState, Outcome};
use super::record::{Record, Recorded};
use super::report::write_report;
use super::source::Archive;
use super::{Ended, Importer, Job, Progress, Stop, not_written};
use crate::inbox::{Opened, remove_archive, remove_source};
use crate::store::{ImportRequest, SessionState};
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::sync::atomic::Ordering;

impl Job<'_> {
    /// The sources of what was stored, and of what is proved to be stored already. All others stay.
    pub(super) fn removable(&self, files: &[FileState], study_keys: &[&str]) -> Vec<Recorded> {
        let removable = |index: usize| {
            let file = &files[index];
            Some(Recorded::new(
                index,
                &file.found.relative,
                file.identity?,
                (*study_keys.get(file.study?)?).to_owned(),
                stored_instance(files, index)?.map(str::to_owned),
            ))
        };
        (0..files.len())
            .filter(|index| is_safe(files, *index))
            .filter_map(removable)
            .collect()
    }

    /// Removes an archive, unless one of its members is not stored.
    pub(super) fn clean_archive(
        &self,
        archive: &Archive,
        files: &[FileState],
    ) -> Result<(), String> {
        let mut kept = (0..files.len()).filter(|index| !is_safe(files, *index));
        if let Some(first) = kept.next() {
            return Err(format!(
                "{} of its {} members are not stored, first `{}`",
                1 + kept.count(),
                files.len(),
                files[first].found.display()
            ));
        }
        if files.is_empty() {
            return Err("it has no members".into());
        }
        remove_archive(&archive.found, &archive.identity, self.request.id)
            .map_err(|why| why.to_string())
    }
}

impl Importer {
    /// Removes the sources that `record` lists, and writes the report with what became of each. May be
    /// repeated: `again` says that an earlier attempt at the request had begun to.
    pub(super) fn clean_up(
        &self,
        request: &ImportRequest,
        progress: &Progress,
        mut record: Record,
        again: bool,
    ) -> Result<Ended, Stop> {
        let folder = self.source_folder(request);
        let mut study_to_stored: HashMap<String, HashSet<String>> = HashMap::new();
        for source in std::mem::take(&mut record.sources) {
            if progress.stop.load(Ordering::Relaxed) {
                return Err(Stop::Interrupted);
            }
            if !study_to_stored.contains_key(&source.study) {
                let stored = self.stored_instances(&request.project, &source.study)?;
                study_to_stored.insert(source.study.clone(), stored);
            }
            let removed = match (&folder, source.path()) {
                _ if !is_there(&study_to_stored[&source.study], source.sop_uid.as_deref()) => {
                    Err("what was stored of it has gone since".into())
                }
                (Some(folder), Some(path)) => {
                    remove_source(folder, &path, &source.identity, request.id, again)
                        .map_err(|why| why.to_string())
                }
                _ => Err("its folder has gone since".into()),
            };
            record.note(source.file, removed);
        }
        write_report(&self.reports(), request.id, &record.report).map_err(not_written)?;
        Ok(record.ended())
    }

    fn source_folder(&self, request: &ImportRequest) -> Option<File> {
        let located = self.inbox.locate(&request.session_path).ok()?;
        match self.inbox.open(&located).ok()? {
            Opened::Folder(folder) => Some(folder),
            Opened::Archive(..) => None,
        }
    }

    /// The instances of a study that are stored at this moment, by their UIDs: told of by a row, and there.
    fn stored_instances(&self, project: &str, study_key: &str) -> Result<HashSet<String>, Stop> {
        let sessions = self.store.sessions();
        let mut stored = HashSet::new();
        for session in self.block_on(sessions.of_study(project, study_key))? {
            if session.state == SessionState::Deleting {
                continue;
            }
            for file in self.block_on(sessions.files(session.id, None))? {
                let size = self.data.join(session.path_of(&file)).metadata();
                if size.is_ok_and(|m| i64::try_from(m.len()) == Ok(file.size)) {
                    stored.insert(file.sop_uid);
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

/// Whether an instance is among those stored; of one whose UID is not known, whether any is.
fn is_there(stored: &HashSet<String>, sop_uid: Option<&str>) -> bool {
    match sop_uid {
        Some(sop_uid) => stored.contains(sop_uid),
        None => !stored.is_empty(),
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
