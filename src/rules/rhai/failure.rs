//! Rhai's errors as rule failures, with the line and column that they come from.

use super::super::answer::RuleFailure;
use super::super::manifest::Limits;
use super::super::position::Position;
use super::watch::Stopped;
use ::rhai::EvalAltResult;

pub fn broke(module: &str, message: String) -> RuleFailure {
    RuleFailure::Broke {
        module: module.to_owned(),
        position: None,
        message,
    }
}

pub fn position(position: ::rhai::Position) -> Option<Position> {
    Some(Position {
        line: position.line()?,
        column: position.position(),
    })
}

pub fn from_rhai(module: &str, limits: &Limits, error: EvalAltResult) -> RuleFailure {
    let module = module.to_owned();
    let memory = || format!("{} MiB", limits.memory_mb);
    match error {
        // Where it was thrown says more than who called.
        EvalAltResult::ErrorInFunctionCall(_, _, inner, _) => from_rhai(&module, limits, *inner),
        EvalAltResult::ErrorTooManyOperations(_) => RuleFailure::TooLong {
            module,
            limit: format!("{} operations", limits.operations),
        },
        EvalAltResult::ErrorTerminated(token, at) => match token.try_cast::<Stopped>() {
            Some(Stopped::Broken(message)) => RuleFailure::Broke {
                module,
                position: position(at),
                message,
            },
            Some(Stopped::Memory) => RuleFailure::TooLarge {
                module,
                limit: memory(),
            },
            _ => RuleFailure::TooLong {
                module,
                limit: format!("{} ms", limits.deadline_ms),
            },
        },
        EvalAltResult::ErrorDataTooLarge(..) => RuleFailure::TooLarge {
            module,
            limit: memory(),
        },
        EvalAltResult::ErrorStackOverflow(at) => RuleFailure::TooDeep {
            module,
            position: position(at),
        },
        EvalAltResult::ErrorRuntime(thrown, at) => RuleFailure::Error {
            module,
            position: position(at),
            message: thrown.to_string(),
        },
        mut error => {
            let position = position(error.take_position());
            RuleFailure::Error {
                module,
                position,
                message: error.to_string(),
            }
        }
    }
}
