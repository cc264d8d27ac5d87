//! A small route rule in WebAssembly: a session goes to the archive unless a file of it failed, or to where the
//! summary's `wanted` says, with what the rule knows of the import as its reason.

use miniserde::{Deserialize, json};
use sluice::rules::types::{Destination, Part};
use sluice::rules::{context, pseudonym};

wit_bindgen::generate!({ world: "route", path: "../../../plugins/wit" });

/// What this rule reads of the session summary; the rest is skipped.
#[derive(Deserialize)]
struct Summary {
    failed: u64,
    wanted: Option<String>,
}

struct Module;

impl Guest for Module {
    fn route(summary: String) -> Result<Decision, String> {
        let summary: Summary =
            json::from_str(&summary).map_err(|_| "the summary has no count of failed files")?;
        if let Some(wanted) = &summary.wanted {
            return decide(wanted);
        }
        Ok(match summary.failed {
            0 => Decision::Archive("no file failed".into()),
            n => Decision::Prearchive(format!("{n} failed")),
        })
    }
}

fn decide(wanted: &str) -> Result<Decision, String> {
    let labels = [context::subject(), context::session()].map(Option::unwrap_or_default);
    let why = format!(
        "{} {} {} {}",
        context::project(),
        labels.join(" "),
        context::received(),
        pseudonym::uid("1.2.3"),
    );
    Ok(match wanted {
        "prearchive" => Decision::Prearchive(why),
        "archive" => Decision::Archive(why),
        "archive-overwrite" => Decision::ArchiveOverwrite(why),
        "quarantine" => Decision::Quarantine(why),
        "reject" => Decision::Reject(why),
        "split" => Decision::Split(vec![
            Part {
                series: vec!["1.2.3".into(), "1.2.4".into()],
                session: Some("E1_b".into()),
                to: Destination::Archive,
                why: why.clone(),
            },
            Part {
                series: vec!["1.2.5".into()],
                session: None,
                to: Destination::Quarantine,
                why,
            },
        ]),
        _ => return Err(why),
    })
}

export!(Module);
