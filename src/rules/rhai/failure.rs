//! Rhai's errors as rule failures, with the line and column that they come from.
//!
//! Failures are told to people who may not see headers, and most of Rhai's own texts quote the values that they are
//! about. So only those that name what the script itself says (functions, variables, types) are told as they are;
//! what a script throws is its author's own word.

use super::super::answer::RuleFailure;
use super::super::manifest::Limits;
use super::super::position::Position;
use super::watch::Stopped;
use ::rhai::{Dynamic, EvalAltResult, Map};

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

/// `code` is the script.
pub fn from_rhai(module: &str, code: &str, limits: &Limits, error: EvalAltResult) -> RuleFailure {
    let module = module.to_owned();
    let memory = || format!("{} MiB", limits.memory_mb);
    match error {
        // Where it was thrown says more than who called.
        EvalAltResult::ErrorInFunctionCall(_, _, inner, _) => {
            from_rhai(&module, code, limits, *inner)
        }
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
            message: thrown_text(thrown),
        },
        mut error => {
            let position = position(error.take_position());
            RuleFailure::Error {
                module,
                position,
                message: told(&error, called_at(code, position)),
            }
        }
    }
}

/// What a script threw. An error of Rhai's that it caught before is a map, with all that Rhai says of it.
fn thrown_text(thrown: Dynamic) -> String {
    let caught = (thrown.read_lock::<Map>())
        .filter(|map| map.contains_key("error") && map.contains_key("message"))
        .and_then(|map| Some(map.get("error")?.to_string()));
    match caught {
        Some(kind) => format!("threw again what it had caught: {kind}"),
        None => thrown.to_string(),
    }
}

/// Rhai's own error without any value. A variant that is not listed may hold one.
fn told(error: &EvalAltResult, called: &str) -> String {
    use EvalAltResult as Error;
    match error {
        Error::ErrorVariableExists(..)
        | Error::ErrorForbiddenVariable(..)
        | Error::ErrorVariableNotFound(..)
        | Error::ErrorFunctionNotFound(..)
        | Error::ErrorModuleNotFound(..)
        | Error::ErrorUnboundThis(..)
        | Error::ErrorMismatchDataType(..)
        | Error::ErrorMismatchOutputType(..)
        | Error::ErrorIndexingType(..)
        | Error::ErrorFor(..)
        | Error::ErrorDataRace(..)
        | Error::ErrorNonPureMethodCallOnConstant(..)
        | Error::ErrorAssignmentToConstant(..)
        | Error::ErrorTooManyVariables(..)
        | Error::ErrorTooManyModules(..) => error.to_string(),
        Error::ErrorArrayBounds(length, ..) => {
            format!("an index is outside of its array, which has {length} elements")
        }
        Error::ErrorStringBounds(..) => "an index is outside of its text".to_owned(),
        Error::ErrorBitFieldBounds(..) => "an index is outside of the bits of a number".to_owned(),
        Error::ErrorDotExpr(..) | Error::ErrorPropertyNotFound(..) => {
            format!("there is no property `{called}` here")
        }
        Error::ErrorIndexNotFound(..) => "an index is not there".to_owned(),
        Error::ErrorArithmetic(..) => match called {
            "parse_int" => {
                "parse_int was given a text that is no whole number, or too large a one".to_owned()
            }
            "parse_float" => "parse_float was given a text that is no number".to_owned(),
            "/" | "%" => format!("`{called}` divides by zero, or its result is too large"),
            _ => format!(
                "`{called}` can't be worked out with what it was given: too large, or not defined"
            ),
        },
        _ => "the script could not go on here".to_owned(),
    }
}

/// The name or the operator that stands at a place in the script.
fn called_at(code: &str, position: Option<Position>) -> &str {
    let found = position.and_then(|Position { line, column }| {
        let line = code.lines().nth(line.checked_sub(1)?)?;
        let start = line.char_indices().nth(column?.checked_sub(1)?)?.0;
        let rest = &line[start..];
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let is_operator = |c: char| "+-*/%<>=&|^!".contains(c);
        let length = match rest.starts_with(is_name) {
            true => rest.find(|c| !is_name(c)),
            false => rest.find(|c| !is_operator(c)),
        };
        Some(&rest[..length.unwrap_or(rest.len())])
    });
    found.filter(|name| !name.is_empty()).unwrap_or("this")
}
