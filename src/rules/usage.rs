//! What runs of modules take of their limits: of every run ([`Spent`]), and of a watched module's the lines
//! that they reach ([`Reached`]), for coverage and never in an import.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

/// What one run took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spent {
    pub time: Duration,
    /// Rhai's operations, or WebAssembly's instructions.
    pub steps: u64,
    /// The most bytes that were held on the rule's behalf.
    pub memory: usize,
}

/// A call of a module in a rule set.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    pub module: &'a str,
    pub version: &'a str,
    pub spent: Spent,
}

type Observer = fn(Call<'_>);

static OBSERVER: OnceLock<Observer> = OnceLock::new();

/// Has every call of a rule set's modules told from now on, in the whole process; the first observer stays.
pub fn observe(observer: Observer) {
    _ = OBSERVER.set(observer);
}

pub(super) fn tell(call: Call<'_>) {
    if let Some(observer) = OBSERVER.get() {
        observer(call);
    }
}

/// The lines of a script that its runs reached; shared by its engine and whoever asks.
#[derive(Debug, Default)]
pub struct Reached(Mutex<BTreeSet<usize>>);

impl Reached {
    pub fn lines(&self) -> BTreeSet<usize> {
        self.lock().clone()
    }

    pub(super) fn line(&self, line: usize) {
        self.lock().insert(line);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
