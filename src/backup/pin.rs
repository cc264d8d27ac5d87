//! The sessions' files as a snapshot of the database has them, held by links while they are copied.
//!
//! A stored file is never changed in place: archiving, merging and deleting move or unlink it. A link taken
//! early keeps the content, however long the copying takes. Whether a session was changed between the snapshot
//! and the last link is asked of the database; then all is done again.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::FlockOperation;

use crate::store::{Session, Snapshot, SnapshotSession, Store, StoredFile};

use super::{BackupError, io};

/// How often it is tried, and the pause between.
const TRIES: usize = 10;
const PAUSE: Duration = Duration::from_secs(1);

/// Links in one folder.
const PER_FOLDER: usize = 1000;

/// A folder of links below the data folder, for one backup at a time; gone with it.
pub struct Pins {
    folder: PathBuf,
    data: PathBuf,
    /// By their paths in the data folder.
    pub files: Vec<(PathBuf, PathBuf)>,
    _lock: File,
}

impl Pins {
    /// # Errors
    /// If another backup has the folder.
    pub fn new(data: &Path) -> Result<Pins, BackupError> {
        let folder = data.join(".backup");
        fs::create_dir_all(&folder).map_err(io("can't make the folder", &folder))?;
        let path = folder.join("lock");
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).write(true);
        let lock = options.open(&path).map_err(io("can't open", &path))?;
        match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => return Err(BackupError::Running),
            Err(error) => return Err(io("can't lock", &path)(error.into())),
        }
        let pins = Pins {
            folder,
            data: data.to_owned(),
            files: Vec::new(),
            _lock: lock,
        };
        // What a backup left that was killed.
        pins.clear();
        Ok(pins)
    }

    /// A snapshot, with links to all files of its sessions.
    ///
    /// # Errors
    /// If a file is missing, or sessions are changed too often.
    pub async fn of_a_snapshot(&mut self, store: &Store) -> Result<Snapshot, BackupError> {
        let mut missing = None;
        for attempt in 0..TRIES {
            if attempt > 0 {
                tokio::time::sleep(PAUSE).await;
            }
            self.clear();
            self.files.clear();
            missing = None;
            let mut snapshot = store.snapshot().await?;
            let before = snapshot.sessions().await?;
            for one in &before {
                let files = snapshot.files(one.session.id).await?;
                if let Some(path) = self.link(&one.session, &files)? {
                    missing = Some(path);
                    break;
                }
            }
            let after = store.snapshot().await?.sessions().await?;
            if missing.is_none() && unchanged(&before, after) {
                return Ok(snapshot);
            }
        }
        Err(missing.map_or(BackupError::Restless, BackupError::Missing))
    }

    /// The first file that was not there, if one was not.
    fn link(
        &mut self,
        session: &Session,
        files: &[StoredFile],
    ) -> Result<Option<PathBuf>, BackupError> {
        for file in files {
            let below = session.path_of(file);
            let number = self.files.len();
            let folder = self.folder.join((number / PER_FOLDER).to_string());
            if number.is_multiple_of(PER_FOLDER) {
                fs::create_dir_all(&folder).map_err(io("can't make the folder", &folder))?;
            }
            let (from, to) = (self.data.join(&below), folder.join(number.to_string()));
            match fs::hard_link(&from, &to) {
                Ok(()) => self.files.push((below, to)),
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Some(below)),
                Err(error) => return Err(io("can't link", &from)(error)),
            }
        }
        Ok(None)
    }

    /// Links that can't be removed now are removed by the next backup.
    fn clear(&self) {
        for entry in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            if entry.file_name() != "lock" {
                _ = fs::remove_dir_all(entry.path());
            }
        }
    }
}

impl Drop for Pins {
    fn drop(&mut self) {
        self.clear();
    }
}

fn unchanged(before: &[SnapshotSession], after: Vec<SnapshotSession>) -> bool {
    let now: BTreeMap<i64, SnapshotSession> =
        after.into_iter().map(|one| (one.session.id, one)).collect();
    let same = |one: &SnapshotSession| {
        now.get(&one.session.id)
            .is_some_and(|now| now.is_as_in(one))
    };
    before.iter().all(same)
}
