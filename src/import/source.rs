//! Where an import reads from: a folder as it lies, or an archive, which is unpacked into staging first. And
//! whether it is still what was read when all of it has been.

use super::gate::lock;
use super::outcome::{self, FileState, Outcome};
use super::trawl::Trawled;
use super::{Job, Stop, disk};
use crate::inbox::{Format, Found, Identity, Opened, UnpackError, Walk, unpack};
use std::collections::HashSet;
use std::fs::File;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// How often a wait looks whether the import is to stop.
const POLL: Duration = Duration::from_millis(50);

/// No study's folder bears this name: theirs are numbers.
pub(super) const UNPACKED: &str = "unpacked";

const CHANGED: &str = "The archive changed while it was read. Import it again when it is complete.";

pub(super) enum Source {
    Folder(File),
    Archive(Box<Archive>),
}

/// An archive whose members lie unpacked in staging.
pub(super) struct Archive {
    pub found: Found,
    /// As it was opened.
    pub identity: Identity,
    fresh_until: Option<SystemTime>,
    members: Vec<Found>,
    /// Whether it was removed; why not, if that was asked for.
    pub cleaned: Option<Result<(), String>>,
}

/// Files in the order of the walk.
pub(super) type Entries = Box<dyn Iterator<Item = Found> + Send>;

impl Source {
    /// What is to be imported, in order, and how much it is. To be called once.
    ///
    /// # Errors
    /// If a folder can't be listed, or it is more than `most`.
    pub fn entries(&mut self, most: usize) -> Result<(usize, Entries), Stop> {
        // Listed twice: each file that is known takes memory until the end, so there must not be too many.
        let count = match self {
            Self::Folder(folder) => list(folder)?.take(most.saturating_add(1)).count(),
            Self::Archive(archive) => archive.members.len(),
        };
        if count > most {
            return Err(Stop::Failed(format!(
                "There are more than {most} files (import_max_files): import parts of them. Nothing of it was stored."
            )));
        }
        let entries: Entries = match self {
            Self::Folder(folder) => Box::new(list(folder)?),
            Self::Archive(archive) => Box::new(std::mem::take(&mut archive.members).into_iter()),
        };
        Ok((count, entries))
    }

    pub fn archive(&self) -> Option<&Archive> {
        match self {
            Self::Folder(_) => None,
            Self::Archive(archive) => Some(archive),
        }
    }
}

fn list(folder: &File) -> Result<Walk, Stop> {
    let walk = folder.try_clone().and_then(Walk::new);
    walk.map_err(|e| Stop::Failed(format!("The session folder can't be listed: {e}")))
}

impl Job<'_> {
    /// Unpacks an archive; a folder is taken as it is.
    pub(super) fn prepare(&self, opened: Opened) -> Result<Source, Stop> {
        match opened {
            Opened::Folder(folder) => Ok(Source::Folder(folder)),
            Opened::Archive(found, format) => {
                Ok(Source::Archive(Box::new(self.unpack(found, format)?)))
            }
        }
    }

    fn unpack(&self, found: Found, format: Format) -> Result<Archive, Stop> {
        let failed = |why: String| Stop::Failed(format!("The archive can't be imported: {why}"));
        let file = found.open().map_err(|e| failed(e.to_string()))?;
        let metadata = file.metadata().map_err(|e| failed(e.to_string()))?;
        let identity = Identity::of(&metadata);
        let mut archive = Archive {
            found,
            identity,
            fresh_until: identity.fresh_until(self.settle),
            members: Vec::new(),
            cleaned: None,
        };
        let (mut granted, mut stop) = (None, None);
        let mut ask = |bytes| {
            // What was granted before is written by now.
            drop(granted.take());
            match self.room(bytes) {
                Ok(room) => granted = Some(room),
                Err(why) => stop = Some(why),
            }
            stop.is_none()
        };
        let folder = self.staging.join(UNPACKED);
        let unpacked = unpack(&file, format, &folder, &self.importer.limits, &mut ask);
        match (unpacked, stop) {
            (_, Some(why)) => Err(why),
            (Ok(members), None) => {
                archive.members = members;
                Ok(archive)
            }
            (Err(UnpackError::Write(error)), None) => Err(failed(format!(
                "the staging folder can't be written to: {}",
                disk::told(&error)
            ))),
            // A writer that is not done yet leaves what looks damaged.
            (Err(error), None) => match self.is_same(&archive)? {
                true => Err(failed(format!(
                    "{error}. Nothing of it was stored, and it stays."
                ))),
                false => Err(Stop::Failed(CHANGED.into())),
            },
        }
    }

    /// Looks at every staged source again, after a while if one was written just before it was read. What
    /// is not as it was read, is not stored; what has come since is named.
    pub(super) fn look_again(&self, source: &Source, trawled: &mut Trawled) -> Result<(), Stop> {
        if trawled.fatal.is_some() {
            return Ok(());
        }
        match self.look_at_source(source, trawled) {
            // What was found is reported all the same.
            Err(Stop::Cancelled) => trawled.fatal = Some(self.cancelled()?),
            Err(stop) => return Err(stop),
            Ok(()) => self.progress.set(outcome::so_far(&trawled.files)),
        }
        Ok(())
    }

    fn look_at_source(&self, source: &Source, trawled: &mut Trawled) -> Result<(), Stop> {
        match source {
            Source::Folder(folder) => self.look_at_files(folder, &mut trawled.files),
            Source::Archive(archive) => {
                if !self.is_same(archive)? {
                    for file in &mut trawled.files {
                        file.settle(Outcome::Changed, Some(CHANGED.into()));
                    }
                    trawled.fatal = Some(CHANGED.into());
                }
                Ok(())
            }
        }
    }

    /// Notes a file that is staged, if it was written just before it was read.
    pub(super) fn note_fresh(&self, read: &Identity) {
        let until = read.fresh_until(self.settle);
        let mut latest = lock(&self.fresh_until);
        *latest = (*latest).max(until);
    }

    fn look_at_files(&self, folder: &File, files: &mut Vec<FileState>) -> Result<(), Stop> {
        let fresh_until = *lock(&self.fresh_until);
        self.wait_until(fresh_until)?;
        for file in files.iter_mut().filter(|f| f.is_staged()) {
            let why = match file.found.identity_now() {
                Ok(now) if Some(now) == file.identity => continue,
                Ok(_) => "the file changed after it was read",
                Err(_) => "the file was removed or renamed while the folder was imported",
            };
            file.settle(Outcome::Changed, Some(why.into()));
        }
        for found in appeared(folder, files)? {
            let why = "it appeared while the folder was imported, and was not read: import the folder again";
            files.push(FileState::new(found).done(Outcome::Changed, why));
        }
        Ok(())
    }

    /// Whether the archive is the one that was opened, and as it was then.
    fn is_same(&self, archive: &Archive) -> Result<bool, Stop> {
        self.wait_until(archive.fresh_until)?;
        let now = archive.found.identity_now();
        Ok(now.is_ok_and(|now| now == archive.identity))
    }

    fn wait_until(&self, time: Option<SystemTime>) -> Result<(), Stop> {
        let Some(time) = time else { return Ok(()) };
        // An error: the time has passed.
        while let Ok(left) = time.duration_since(SystemTime::now()) {
            self.check_stop()?;
            // A clock that is set back must not prolong it.
            std::thread::sleep(left.min(POLL));
            if left > self.settle {
                break;
            }
        }
        Ok(())
    }
}

/// What was not there when its folder was listed.
fn appeared(folder: &File, files: &[FileState]) -> Result<Vec<Found>, Stop> {
    let known: HashSet<&Path> = files.iter().map(|f| f.found.relative.as_ref()).collect();
    let is_new = |found: &Found| !known.contains(found.relative.as_ref());
    Ok(list(folder)?.filter(is_new).collect())
}
