//! What the runs of a watched module used: for coverage and benches, never in an import.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Shared by a watched module's engine and whoever asks.
#[derive(Debug, Default)]
pub struct Usage(Mutex<Used>);

/// The most that one run took, and the lines that any of them reached.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Used {
    /// Rhai's operations, or WebAssembly's instructions.
    pub steps: u64,
    /// Bytes held on the rule's behalf.
    pub memory: usize,
    /// Of the script; empty for WebAssembly.
    pub lines: BTreeSet<usize>,
}

impl Usage {
    pub fn used(&self) -> Used {
        self.lock().clone()
    }

    /// How far a run has come.
    pub(super) fn at(&self, steps: u64, memory: usize) {
        let mut used = self.lock();
        used.steps = used.steps.max(steps);
        used.memory = used.memory.max(memory);
    }

    pub(super) fn line(&self, line: usize) {
        self.lock().lines.insert(line);
    }

    fn lock(&self) -> MutexGuard<'_, Used> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
