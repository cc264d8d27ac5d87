//! A gate that files pass one at a time, in the order of the walk, while all else runs in parallel: so
//! which instance is the first of its study, and every name, is the same in each run.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, Thread};

#[derive(Debug, Default)]
pub struct Gate(Mutex<Turns>);

#[derive(Debug, Default)]
struct Turns {
    /// Whose turn it is.
    index: u64,
    /// Who stands before the gate: only the next is woken, and nobody if nobody is there.
    waiting: Vec<(u64, Thread)>,
}

impl Gate {
    /// Waits for the file's turn.
    pub fn enter(&self, index: u64) {
        let mut is_told = false;
        loop {
            let mut turns = lock(&self.0);
            if turns.index == index {
                return;
            }
            if !is_told {
                turns.waiting.push((index, thread::current()));
                is_told = true;
            }
            drop(turns);
            // It may return for no reason, and at once if it was woken before.
            thread::park();
        }
    }

    /// Lets the next file pass; to be called when it is this file's turn.
    fn leave(&self, index: u64) {
        let mut turns = lock(&self.0);
        turns.index = index + 1;
        let next = (turns.waiting.iter()).position(|(waiting, _)| *waiting == index + 1);
        let next = next.map(|place| turns.waiting.swap_remove(place));
        drop(turns);
        if let Some((_, thread)) = next {
            thread.unpark();
        }
    }
}

/// A lock whose holder may have panicked: that import has failed already.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One file's way through the gates. Dropped early, it still lets the next file pass.
pub struct Ticket<'a> {
    gates: &'a [Gate],
    index: u64,
    passed: usize,
}

impl<'a> Ticket<'a> {
    pub fn new(gates: &'a [Gate], index: u64) -> Self {
        Self {
            gates,
            index,
            passed: 0,
        }
    }

    /// Runs a step at the next gate, when it is this file's turn.
    pub fn pass<T>(&mut self, step: impl FnOnce() -> T) -> T {
        let gate = &self.gates[self.passed];
        gate.enter(self.index);
        let answer = step();
        gate.leave(self.index);
        self.passed += 1;
        answer
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        for gate in &self.gates[self.passed..] {
            gate.enter(self.index);
            gate.leave(self.index);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    #[test]
    fn files_pass_in_order_whoever_carries_them_and_whoever_gives_up() {
        let gates = [Gate::default(), Gate::default()];
        let (next, seen) = (AtomicU64::new(0), Mutex::new(Vec::new()));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    loop {
                        let index = next.fetch_add(1, Ordering::Relaxed);
                        if index >= 200 {
                            break;
                        }
                        let mut ticket = Ticket::new(&gates, index);
                        if index % 7 == 3 {
                            continue;
                        }
                        ticket.pass(|| seen.lock().expect("lock").push(index));
                        if index % 5 == 1 {
                            continue;
                        }
                        ticket.pass(|| ());
                    }
                });
            }
        });
        let seen = seen.into_inner().expect("lock");
        assert!(
            seen.is_sorted() && seen.len() == 200 - 200 / 7 - usize::from(200 % 7 > 3),
            "{seen:?}"
        );
    }
}
