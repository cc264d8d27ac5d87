//! The engine that a script runs in: from nothing, only what is registered here, and every resource
//! bounded. No clock, randomness, files, network, output, `eval`, `import` or closures.

use super::super::manifest::Limits;
use super::super::meter::Meter;
use super::api;
use ::rhai::packages::{
    ArithmeticPackage, BasicArrayPackage, BasicIteratorPackage, BasicMapPackage, BasicMathPackage,
    BasicStringPackage, BitFieldPackage, LogicPackage, MoreStringPackage, Package,
};
use ::rhai::{Dynamic, Engine, EvalAltResult, Position, Shared};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

/// Deep enough for any rule; a script's calls use the thread's own stack, so this keeps them well
/// inside the 2 MiB that a worker thread has.
const CALL_DEPTH: usize = 32;
const EXPRESSION_DEPTH: usize = 64;
const VARIABLES: usize = 1000;
/// No single value may be larger than this share of the memory limit, so that one step can't overshoot
/// it by much; in bytes an array's entry takes 16, a map's about 64.
const STRING_SHARE: usize = 4;
const ARRAY_SHARE: usize = 4 * 16;
const MAP_SHARE: usize = 4 * 64;
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

/// Why a run was stopped, as the token that Rhai hands through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    Deadline,
    Memory,
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

    /// Before and after each host call, which may take long by itself.
    pub fn check(&self) -> Result<(), Box<EvalAltResult>> {
        match self.stopped_at(0) {
            None => Ok(()),
            Some(stopped) => {
                Err(EvalAltResult::ErrorTerminated(Dynamic::from(stopped), Position::NONE).into())
            }
        }
    }

    fn stopped_at(&self, operation: u64) -> Option<Stopped> {
        if self.meter.bytes() > self.memory {
            return Some(Stopped::Memory);
        }
        let look = operation.is_multiple_of(OPERATIONS_PER_LOOK);
        (look && self.started.elapsed() > self.deadline).then_some(Stopped::Deadline)
    }
}

/// A fresh engine for one run: cheap, as all functions are shared.
pub fn engine(limits: &Limits, watch: Watch) -> Engine {
    let mut engine = Engine::new_raw();
    for module in FUNCTIONS.iter() {
        engine.register_global_module(Shared::clone(module));
    }
    engine.register_static_module("pseudonym", Shared::clone(&PSEUDONYM));
    // `print` and `debug` have nowhere to write. Closures and function pointers go because a captured
    // variable that holds its own closure would never be freed.
    for symbol in [
        "eval", "import", "export", "print", "debug", "Fn", "curry", "call",
    ] {
        engine.disable_symbol(symbol);
    }
    engine.set_allow_anonymous_fn(false);
    engine.set_strict_variables(true);

    engine.set_max_operations(limits.operations);
    engine.set_max_call_levels(CALL_DEPTH);
    engine.set_max_expr_depths(EXPRESSION_DEPTH, EXPRESSION_DEPTH);
    engine.set_max_variables(VARIABLES);
    engine.set_max_modules(0);
    engine.set_max_string_size(limits.memory_bytes() / STRING_SHARE);
    engine.set_max_array_size(limits.memory_bytes() / ARRAY_SHARE);
    engine.set_max_map_size(limits.memory_bytes() / MAP_SHARE);
    engine.on_progress(move |operation| watch.stopped_at(operation).map(Dynamic::from));
    engine
}

static FUNCTIONS: LazyLock<Vec<Shared<::rhai::Module>>> = LazyLock::new(|| {
    vec![
        ArithmeticPackage::new().as_shared_module(),
        LogicPackage::new().as_shared_module(),
        BasicMathPackage::new().as_shared_module(),
        BitFieldPackage::new().as_shared_module(),
        BasicStringPackage::new().as_shared_module(),
        MoreStringPackage::new().as_shared_module(),
        BasicIteratorPackage::new().as_shared_module(),
        BasicArrayPackage::new().as_shared_module(),
        BasicMapPackage::new().as_shared_module(),
        api::functions(),
    ]
});

static PSEUDONYM: LazyLock<Shared<::rhai::Module>> = LazyLock::new(api::pseudonym_functions);
