//! What a running import can be asked, and told, from outside.

use super::gate::lock;
use super::outcome::{self, Fate, FileState};
use crate::store::Counts;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

#[derive(Debug, Default)]
pub struct Progress {
    counts: Mutex<Counts>,
    /// In staging, or stored.
    bytes: AtomicU64,
    /// Set to have the import drop everything and be queued again.
    pub stop: AtomicBool,
    /// Set to have the import drop what is not committed, and end.
    pub cancel: AtomicBool,
}

impl Progress {
    /// What is certain by now, and the bytes in staging or stored.
    pub fn so_far(&self) -> (Counts, i64) {
        let bytes = self.bytes.load(Ordering::Relaxed);
        (
            *lock(&self.counts),
            i64::try_from(bytes).unwrap_or(i64::MAX),
        )
    }

    pub(super) fn found(&self) {
        lock(&self.counts).found += 1;
    }

    /// A file is through the rules: staged, or done with.
    pub(super) fn settled(&self, file: &FileState) {
        outcome::add(&mut lock(&self.counts), file);
        if let (Fate::Staged, Some(staged)) = (&file.fate, &file.staged) {
            let size = u64::try_from(staged.file.size).unwrap_or_default();
            self.bytes.fetch_add(size, Ordering::Relaxed);
        }
    }

    /// Starts afresh from these counts; from none of them, with no bytes either.
    pub(super) fn set(&self, counts: Counts) {
        if counts == Counts::default() {
            self.bytes.store(0, Ordering::Relaxed);
        }
        *lock(&self.counts) = counts;
    }
}
