//! Regular expressions for scripts: those of the `regex` crate, which take time linear in the text, and a bounded
//! amount of memory.

use ::rhai::plugin::*;
use ::rhai::{Array, Dynamic, EvalAltResult};
use regex::{Regex, RegexBuilder};

/// Of a compiled expression, in bytes. A script's memory limit does not see it.
const LARGEST: usize = 1 << 20;

fn expression(pattern: &str) -> Result<Regex, Box<EvalAltResult>> {
    let built = RegexBuilder::new(pattern).size_limit(LARGEST).build();
    built.map_err(|error| {
        // The last line says what is wrong; those before draw where.
        let text = error.to_string();
        let why = text.lines().last().unwrap_or_default();
        format!(
            "is no regular expression: {}",
            why.trim_start_matches("error: ")
        )
        .into()
    })
}

#[export_module]
pub mod functions {
    /// If the whole text matches: itself and each group, `()` for one that took no part; else `()`.
    #[rhai_fn(return_raw)]
    pub fn captures(text: &str, pattern: &str) -> Result<Dynamic, Box<EvalAltResult>> {
        // Compiled by itself first, so that no parenthesis closes the one around it.
        expression(pattern)?;
        let whole = expression(&format!(r"\A(?:{pattern})\z"))?;
        let Some(found) = whole.captures(text) else {
            return Ok(Dynamic::UNIT);
        };
        let group = |group: Option<regex::Match<'_>>| {
            group.map_or(Dynamic::UNIT, |group| group.as_str().to_owned().into())
        };
        Ok(found.iter().map(group).collect::<Array>().into())
    }

    /// The text with each match replaced; `$1` in the replacement is a group.
    #[rhai_fn(return_raw)]
    pub fn replaced(
        text: &str,
        pattern: &str,
        replacement: &str,
    ) -> Result<String, Box<EvalAltResult>> {
        // `$1a` is group 1 and an a, not a group called 1a.
        let numbered = expression(r"\$(\d)")?.replace_all(replacement, "$${$1}");
        let replaced = expression(pattern)?.replace_all(text, &*numbered);
        Ok(replaced.into_owned())
    }
}
