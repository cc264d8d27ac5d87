//! The engine that a script runs in: from nothing, only what is registered here, and every resource
//! bounded. No clock, randomness, files, network, output, `eval`, `import` or closures.

use super::super::manifest::Limits;
use super::super::usage::Reached;
use super::answers::{Answer, answer_functions};
use super::context::{Ctx, context_functions};
use super::dataset::{Dataset, dataset_functions};
use super::expressions;
use super::pseudonym::service_functions;
use super::watch;
use ::rhai::debugger::DebuggerCommand;
use ::rhai::packages::{
    ArithmeticPackage, BasicArrayPackage, BasicIteratorPackage, BasicMapPackage, BasicMathPackage,
    BasicStringPackage, BitFieldPackage, LogicPackage, MoreStringPackage, Package,
};
use ::rhai::plugin::{combine_with_exported_module, exported_module};
use ::rhai::{ASTNode, Engine, Shared};
use std::sync::{Arc, LazyLock};

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

/// An engine for a script's runs, all of them: it keeps nothing of a run.
pub fn engine(limits: &Limits) -> Engine {
    let mut engine = Engine::new_raw();
    engine.register_global_module(Shared::clone(&FUNCTIONS));
    engine.register_static_module("pseudonym", Shared::clone(&PSEUDONYM));
    // As messages call them: their authors don't know the names of this program's types.
    engine.register_type_with_name::<Dataset>("dataset");
    engine.register_type_with_name::<Ctx>("context");
    engine.register_type_with_name::<Answer>("answer");
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
    engine.on_progress(watch::progress);
    engine
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

/// All but those of `pseudonym::`, in one module: a function that is called is looked for in each module by turns.
pub static FUNCTIONS: LazyLock<Shared<::rhai::Module>> = LazyLock::new(|| {
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
    combine_with_exported_module!(&mut all, "dataset", dataset_functions);
    combine_with_exported_module!(&mut all, "context", context_functions);
    combine_with_exported_module!(&mut all, "answers", answer_functions);
    combine_with_exported_module!(&mut all, "expressions", expressions::functions);
    // Else each is hashed anew at each look.
    all.register_lazy_functions();
    all.build_index();
    all.into()
});

/// The module `pseudonym`.
pub static PSEUDONYM: LazyLock<Shared<::rhai::Module>> =
    LazyLock::new(|| exported_module!(service_functions).into());
