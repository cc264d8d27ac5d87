//! Called once a session, before it is stored: the summary is schemas/session-summary.schema.json.

#[path = "../../../../plugins/heap.rs"]
mod heap;

use miniserde::{Deserialize, json};
use sluice::rules::context;

wit_bindgen::generate!({ world: "route", path: "../../../plugins/wit" });

/// As settings.schema.json has them; the host has checked them.
#[derive(Deserialize)]
struct Settings {
    fewest_files: Option<u64>,
}

/// What this rule reads of the summary; the rest is skipped.
#[derive(Deserialize)]
struct Summary {
    failed: u64,
    counts: Counts,
    conflicts: Vec<Conflict>,
}

#[derive(Deserialize)]
struct Counts {
    stored: u64,
}

#[derive(Deserialize)]
struct Conflict {}

struct Module;

impl Guest for Module {
    fn route(summary: String) -> Result<Decision, String> {
        let settings: Settings =
            json::from_str(&context::settings()).map_err(|_| "the settings can't be read")?;
        let summary: Summary =
            json::from_str(&summary).map_err(|_| "the summary can't be read")?;
        let fewest = settings.fewest_files.unwrap_or(1);
        let stored = summary.counts.stored;
        Ok(if summary.failed > 0 {
            Decision::Prearchive(format!("{} files failed", summary.failed))
        } else if !summary.conflicts.is_empty() {
            Decision::Prearchive("in conflict with what is stored".into())
        } else if stored < fewest {
            Decision::Prearchive(format!("{stored} files of {fewest}"))
        } else {
            Decision::Archive("whole".into())
        })
    }
}

export!(Module);
