//! A rule that makes the calls which its settings list and answers what came of each, as JSON. The script
//! `tests/rules/caller.rhai` does the same: what the two answer is compared by `tests/rules/conformance.rs`.
//!
//! `{ "calls": [["get", "PatientName"], …], "answer": "keep" }`. Without `answer`, an anonymize rule
//! quarantines with what came of the calls, `{"answers": […]}`, and a label rule fails with it.

mod calls;

use miniserde::{Deserialize, json};
use sluice::rules::context;

// A component of two kinds at once: the worlds `anonymize` and `label` have the same imports.
wit_bindgen::generate!({
    inline: r#"
        package sluice:caller;
        world caller {
            import sluice:rules/dicom@1.0.0;
            import sluice:rules/pseudonym@1.0.0;
            import sluice:rules/context@1.0.0;
            use sluice:rules/dicom@1.0.0.{dataset};
            use sluice:rules/types@1.0.0.{verdict, labels};
            export anonymize: func(ds: borrow<dataset>) -> result<verdict, string>;
            export label: func(ds: borrow<dataset>) -> result<labels, string>;
        }
    "#,
    path: "../../../plugins/wit",
    world: "sluice:caller/caller",
    generate_all,
});

#[derive(Deserialize)]
struct Settings {
    calls: json::Array,
    answer: Option<String>,
    labels: Option<Wanted>,
}

/// What a label rule is to answer.
#[derive(Deserialize)]
struct Wanted {
    subject: String,
    session: String,
    project: Option<String>,
    visit: Option<String>,
    scan: Option<String>,
    auto_archive: Option<bool>,
}

struct Module;

impl Guest for Module {
    fn anonymize(ds: &Dataset) -> Result<Verdict, String> {
        let settings = settings()?;
        let answers = calls::make(ds, &settings.calls)?;
        match settings.answer.as_deref() {
            None | Some("quarantine") => Ok(Verdict::Quarantine(answers)),
            Some("reject") => Ok(Verdict::Reject(answers)),
            Some("keep") => Ok(Verdict::Keep),
            _ => Err(answers),
        }
    }

    fn label(ds: &Dataset) -> Result<Labels, String> {
        let settings = settings()?;
        let answers = calls::make(ds, &settings.calls)?;
        let wanted = settings.labels.ok_or(answers)?;
        Ok(Labels {
            subject: wanted.subject,
            session: wanted.session,
            project: wanted.project,
            visit: wanted.visit,
            scan: wanted.scan,
            auto_archive: wanted.auto_archive,
        })
    }
}

fn settings() -> Result<Settings, String> {
    json::from_str(&context::settings()).map_err(|_| "the settings can't be read".into())
}

export!(Module);
