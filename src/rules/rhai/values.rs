//! What passes between a script and the host: numbers in range, JSON, and the errors that a script may catch.

use ::rhai::{Dynamic, EvalAltResult, INT};

/// What a call throws.
pub type Thrown = Box<EvalAltResult>;

/// A number that can't be negative, named in the error if it is.
pub fn count(name: &str, number: INT) -> Result<u32, Thrown> {
    u32::try_from(number).map_err(|_| format!("{name}: {number} is out of range").into())
}

/// JSON as a script's value.
pub fn from_json(text: &str) -> Result<Dynamic, Thrown> {
    let value: serde_json::Value =
        serde_json::from_str(text).map_err(|error| Thrown::from(format!("bad JSON: {error}")))?;
    ::rhai::serde::to_dynamic(value)
}
