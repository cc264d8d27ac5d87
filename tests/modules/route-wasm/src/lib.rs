//! The smallest route rule in WebAssembly: a session goes to the archive unless a file of it failed.

use miniserde::{Deserialize, json};

wit_bindgen::generate!({ world: "route", path: "../../../plugins/wit" });

/// What this rule reads of the session summary; the rest is skipped.
#[derive(Deserialize)]
struct Summary {
    failed: u64,
}

struct Module;

impl Guest for Module {
    fn route(summary: String) -> Result<Decision, String> {
        let summary: Summary =
            json::from_str(&summary).map_err(|_| "the summary has no count of failed files")?;
        Ok(match summary.failed {
            0 => Decision::Archive("no file failed".into()),
            n => Decision::Prearchive(format!("{n} failed")),
        })
    }
}

export!(Module);
