//! What passes between a script and the host: numbers in range, JSON, and the errors that a script may catch.

use ::rhai::{Dynamic, EvalAltResult, INT};

/// What a call throws.
pub type Thrown = Box<EvalAltResult>;

/// A number that can't be negative. The error doesn't say the number: it may be a header's.
pub fn count(name: &str, number: INT) -> Result<u32, Thrown> {
    u32::try_from(number)
        .map_err(|_| format!("{name}: is out of range, from 0 to {}", u32::MAX).into())
}

/// JSON as a script's value.
pub fn from_json(text: &str) -> Result<Dynamic, Thrown> {
    let value: serde_json::Value =
        serde_json::from_str(text).map_err(|_| Thrown::from("bad JSON"))?;
    ::rhai::serde::to_dynamic(value)
}
