//! What bounds one run of a script as it goes: its deadline, and what it holds.

use super::super::manifest::Limits;
use super::super::meter::Meter;
use super::super::usage::Spent;
use ::rhai::{Dynamic, EvalAltResult, Position};
use std::cell::Cell;
use std::time::{Duration, Instant};

/// The clock is asked every so many operations: they take some ten nanoseconds each.
const OPERATIONS_PER_LOOK: u64 = 64;

/// Watches one run: its deadline, and what it holds.
#[derive(Debug, Clone, Copy)]
pub struct Watch {
    started: Instant,
    deadline: Duration,
    meter: Meter,
    memory: usize,
}

thread_local! {
    /// The run that this thread is in: an engine is shared by all threads, and asks here how it stands.
    static RUN: Cell<Option<Running>> = const { Cell::new(None) };
}

#[derive(Debug, Clone, Copy)]
struct Running {
    watch: Watch,
    operations: u64,
    /// The most that it held.
    memory: usize,
}

/// One run, for as long as it lasts. Runs don't nest: nothing that a script can call runs a script.
pub struct Run;

impl Run {
    pub fn begin(watch: Watch) -> Self {
        RUN.set(Some(Running {
            watch,
            operations: 0,
            memory: 0,
        }));
        Self
    }

    /// What has been taken since the start.
    pub fn spent(&self) -> Spent {
        RUN.get().map_or_else(Spent::default, |run| Spent {
            time: run.watch.started.elapsed(),
            steps: run.operations,
            memory: run.memory,
        })
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        RUN.set(None);
    }
}

/// Why a run was stopped, as the token that Rhai hands through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stopped {
    Deadline,
    Memory,
    /// It asked for what is not there, and must not go on as if it were empty.
    Broken(String),
}

impl Stopped {
    /// As an error that no script can catch.
    pub fn thrown(self, at: Position) -> Box<EvalAltResult> {
        EvalAltResult::ErrorTerminated(Dynamic::from(self), at).into()
    }
}

impl Watch {
    pub fn start(limits: &Limits) -> Self {
        Self {
            started: Instant::now(),
            deadline: limits.deadline(),
            meter: Meter::start(),
            memory: limits.memory_bytes(),
        }
    }

    /// After each host call, which may take long by itself.
    pub fn check(&self) -> Result<(), Box<EvalAltResult>> {
        match self.stopped_at(0, self.meter.bytes()) {
            None => Ok(()),
            Some(stopped) => Err(stopped.thrown(Position::NONE)),
        }
    }

    fn stopped_at(&self, operation: u64, held: usize) -> Option<Stopped> {
        if held > self.memory {
            return Some(Stopped::Memory);
        }
        let look = operation.is_multiple_of(OPERATIONS_PER_LOOK);
        (look && self.started.elapsed() > self.deadline).then_some(Stopped::Deadline)
    }
}

/// Told by the engine at each operation. Outside of a run a script is compiled, and its constants folded.
pub fn progress(operation: u64) -> Option<Dynamic> {
    let mut run = RUN.get()?;
    let held = run.watch.meter.bytes();
    run.operations = operation;
    run.memory = run.memory.max(held);
    RUN.set(Some(run));
    run.watch.stopped_at(operation, held).map(Dynamic::from)
}
