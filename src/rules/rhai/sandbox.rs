//! The engine that a script runs in: from nothing, only what is registered here, and every resource
//! bounded. No clock, randomness, files, network, output, `eval`, `import` or closures.

use super::super::manifest::Limits;
use super::super::meter::Meter;
use super::super::usage::{Reached, Spent};
use super::api;
use ::rhai::debugger::DebuggerCommand;
use ::rhai::packages::{
    ArithmeticPackage, BasicArrayPackage, BasicIteratorPackage, BasicMapPackage, BasicMathPackage,
    BasicStringPackage, BitFieldPackage, LogicPackage, MoreStringPackage, Package,
};
use ::rhai::{ASTNode, Dynamic, Engine, EvalAltResult, Position, Shared};
use std::cell::Cell;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, LazyLock};
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

/// Told by the engine at each operation. Outside of a run a script is compiled, and its constants folded.
fn progress(operation: u64) -> Option<Dynamic> {
    let mut run = RUN.get()?;
    let held = run.watch.meter.bytes();
    run.operations = operation;
    run.memory = run.memory.max(held);
    RUN.set(Some(run));
    run.watch.stopped_at(operation, held).map(Dynamic::from)
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

/// An engine for a script's runs, all of them: it keeps nothing of a run.
pub fn engine(limits: &Limits) -> Engine {
    let mut engine = Engine::new_raw();
    engine.register_global_module(Shared::clone(&FUNCTIONS));
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
    engine.on_progress(progress);
    engine
}

/// What a script may call, by name, with the numbers of arguments that it takes.
pub struct Names {
    pub functions: HashMap<String, BTreeSet<usize>>,
    /// Those of the module `pseudonym`.
    pub pseudonym: HashMap<String, BTreeSet<usize>>,
    /// Of the context.
    pub properties: BTreeSet<String>,
}

pub fn names() -> &'static Names {
    static NAMES: LazyLock<Names> = LazyLock::new(|| {
        let functions = arities([&*FUNCTIONS]);
        let getters = functions
            .keys()
            .filter_map(|name| name.strip_prefix("get$"));
        Names {
            properties: getters.map(str::to_owned).collect(),
            pseudonym: arities([&*PSEUDONYM]),
            functions,
        }
    });
    &NAMES
}

fn arities<'a>(
    modules: impl IntoIterator<Item = &'a Shared<::rhai::Module>>,
) -> HashMap<String, BTreeSet<usize>> {
    let mut names: HashMap<String, BTreeSet<usize>> = HashMap::new();
    for module in modules {
        for signature in module.gen_fn_signatures_with_mapper(Into::into) {
            let Some((name, rest)) = signature.split_once('(') else {
                continue;
            };
            names
                .entry(name.to_owned())
                .or_default()
                .insert(parameters(rest));
        }
    }
    names
}

/// How many parameters there are in `a: X<Y, Z>, b) -> T`.
fn parameters(rest: &str) -> usize {
    let (mut depth, mut commas, mut is_empty) = (0, 0, true);
    for c in rest.chars() {
        match c {
            ')' if depth == 0 => break,
            '(' | '<' | '[' => depth += 1,
            ')' | '>' | ']' => depth -= 1,
            ',' if depth == 0 => commas += 1,
            _ => {}
        }
        is_empty = false;
    }
    if is_empty { 0 } else { commas + 1 }
}

/// Has an engine note the lines that its run reaches.
pub fn note_lines(engine: &mut Engine, reached: &Arc<Reached>) {
    let lines = Arc::clone(reached);
    #[allow(
        deprecated,
        reason = "Rhai's mark for interfaces that may change; tests hold this one"
    )]
    engine.register_debugger(
        |_, debugger| debugger,
        move |_, _, node, _, position| {
            // A chain's own place is its dot, which may stand on a later line.
            let start = match node {
                ASTNode::Expr(expr) => expr.start_position(),
                _ => position,
            };
            for line in [position.line(), start.line()].into_iter().flatten() {
                lines.line(line);
            }
            Ok(DebuggerCommand::StepInto)
        },
    );
}

/// All in one module: a function that is called is looked for in each module by turns.
static FUNCTIONS: LazyLock<Shared<::rhai::Module>> = LazyLock::new(|| {
    let mut all = ::rhai::Module::new();
    ArithmeticPackage::init(&mut all);
    LogicPackage::init(&mut all);
    BasicMathPackage::init(&mut all);
    BitFieldPackage::init(&mut all);
    BasicStringPackage::init(&mut all);
    MoreStringPackage::init(&mut all);
    BasicIteratorPackage::init(&mut all);
    BasicArrayPackage::init(&mut all);
    BasicMapPackage::init(&mut all);
    api::add_functions(&mut all);
    // Else each is hashed anew at each look.
    all.register_lazy_functions();
    all.build_index();
    all.into()
});

static PSEUDONYM: LazyLock<Shared<::rhai::Module>> = LazyLock::new(api::pseudonym_functions);
