//! The space that is kept free on the data folder's file system: an import that would break into it waits
//! for a while, then fails, and never fills the disk.

use super::gate::lock;
use super::{Job, Stop};
use crate::failpoint::disk_point;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// How much may be written before the file system is asked again.
const STEP: u64 = 64 * MB;

/// How often an import that waits looks again.
const POLL: Duration = Duration::from_millis(200);

const MB: u64 = 1024 * 1024;

/// What a request that waits for space says of itself.
const WAITING: &str = "disk";

/// One for all imports of a process, so that they don't spend the same space twice.
#[derive(Debug)]
pub struct Disk {
    folder: PathBuf,
    reserve: u64,
    /// How long an import waits for space.
    patience: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// What may be written without asking again.
    budget: u64,
    /// What was granted and is perhaps not written yet.
    under_way: u64,
}

/// Space that was granted, until it is written or given up.
pub struct Granted<'a> {
    disk: &'a Disk,
    bytes: u64,
}

/// There is not enough.
struct Short {
    free: u64,
    reserve: u64,
    wanted: u64,
}

impl Disk {
    /// `reserve` in bytes.
    pub fn new(folder: PathBuf, reserve: u64, patience: Duration) -> Self {
        Self {
            folder,
            reserve,
            patience,
            state: Mutex::default(),
        }
    }

    /// Whether so many bytes may be written by somebody who does not wait for space.
    pub fn has_room(&self, bytes: u64) -> bool {
        matches!(self.grant(bytes), Ok(Ok(_)))
    }

    /// Space for so many bytes; for none, whether there is any.
    fn grant(&self, bytes: u64) -> io::Result<Result<Granted<'_>, Short>> {
        let mut state = lock(&self.state);
        if bytes == 0 || state.budget < bytes {
            let stat = rustix::fs::statvfs(&self.folder)?;
            let free = stat.f_bavail.saturating_mul(stat.f_frsize);
            let kept = self.reserve.saturating_add(state.under_way);
            let Some(left) = free.checked_sub(kept.saturating_add(bytes)) else {
                return Ok(Err(Short {
                    free,
                    reserve: self.reserve,
                    wanted: bytes,
                }));
            };
            state.budget = bytes + left.min(STEP);
        }
        state.budget -= bytes;
        state.under_way += bytes;
        Ok(Ok(Granted { disk: self, bytes }))
    }
}

impl Drop for Granted<'_> {
    fn drop(&mut self) {
        lock(&self.disk.state).under_way -= self.bytes;
    }
}

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (free, reserve, wanted) = (
            self.free / MB,
            self.reserve / MB,
            self.wanted.div_ceil(MB).max(1),
        );
        write!(
            f,
            "disk: {free} MB free, reserve {reserve} MB (reserve_mb), {wanted} MB more needed. \
             Free some space and import again; nothing was stored, the sources stay."
        )
    }
}

impl Job<'_> {
    /// Waits until there is space for so many bytes beside the reserve.
    ///
    /// # Errors
    /// If there is none after a while, or the import is to stop.
    pub(super) fn room(&self, bytes: u64) -> Result<Granted<'_>, Stop> {
        let disk = &self.importer.disk;
        loop {
            self.check_stop()?;
            let answer = disk
                .grant(bytes)
                .map_err(|e| Stop::Failed(format!("The data folder's disk can't be asked: {e}")))?;
            match answer {
                Ok(granted) => {
                    self.end_waiting()?;
                    return Ok(granted);
                }
                Err(short) if self.waiting_for()? >= disk.patience => {
                    return Err(Stop::Failed(short.to_string()));
                }
                Err(_) => std::thread::sleep(POLL),
            }
        }
    }

    /// Makes what is staged durable. Answers why it can't be.
    pub(super) fn make_durable(&self) -> Result<(), String> {
        disk_point("stage.sync")
            .and_then(|()| self.file_system.sync())
            .map_err(|error| format!("The staged files can't be made durable: {}", told(&error)))
    }

    /// How long the import has been waiting; the first to ask says that it does.
    fn waiting_for(&self) -> Result<Duration, Stop> {
        let mut since = lock(&self.waiting_since);
        if let Some(since) = *since {
            return Ok(since.elapsed());
        }
        if !self.told_waiting.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                request = self.request.id,
                "the import waits for space on the disk"
            );
        }
        let requests = self.importer.store.requests();
        let claim = self.request.claim();
        self.importer
            .block_on(requests.set_waiting(claim, Some(WAITING)))?;
        *since = Some(Instant::now());
        Ok(Duration::ZERO)
    }

    fn end_waiting(&self) -> Result<(), Stop> {
        if lock(&self.waiting_since).take().is_none() {
            return Ok(());
        }
        let requests = self.importer.store.requests();
        let claim = self.request.claim();
        Ok(self.importer.block_on(requests.set_waiting(claim, None))?)
    }
}

/// What a file system's error says, in words that lead on where the disk is full.
pub fn told(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::StorageFull => "disk: no space is left on it".into(),
        io::ErrorKind::QuotaExceeded => "disk: the quota on it is used up".into(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk(reserve: u64) -> (tempfile::TempDir, Disk) {
        let folder = tempfile::tempdir().expect("temp");
        let disk = Disk::new(folder.path().to_owned(), reserve, Duration::ZERO);
        (folder, disk)
    }

    #[test]
    fn space_is_granted_once_and_the_reserve_never() {
        let (_folder, all) = disk(0);
        let stat = rustix::fs::statvfs(&all.folder).expect("statvfs");
        let free = stat.f_bavail * stat.f_frsize;
        // Others use the disk meanwhile: halves leave room for them.
        let most = all.grant(free / 2).expect("asked");
        assert!(most.is_ok());
        let more = all.grant(free / 2 + free / 4).expect("asked");
        assert!(more.is_err(), "what is granted is spent");
        drop(most);
        assert!(all.grant(free / 2 + free / 4).expect("asked").is_ok());
        let (_folder, none) = disk(u64::MAX);
        assert!(none.grant(0).expect("asked").is_err());
        let told = none.grant(1).expect("asked").err().expect("short");
        assert!(told.to_string().contains("1 MB more"), "{told}");
    }
}
