//! Called once a study, on its first file: `ds` is that file's dataset, `context` what is known beside it.

#[path = "../../../../plugins/heap.rs"]
mod heap;

use miniserde::{Deserialize, json};
use sluice::rules::context;

wit_bindgen::generate!({ world: "label", path: "../../../plugins/wit" });

/// As settings.schema.json has them; the host has checked them.
#[derive(Deserialize)]
struct Settings {
    session_prefix: Option<String>,
}

struct Module;

impl Guest for Module {
    fn label(ds: &Dataset) -> Result<Labels, String> {
        let settings: Settings =
            json::from_str(&context::settings()).map_err(|_| "the settings can't be read")?;
        let subject = context::parameter("SUBJECT_ID")
            .or_else(|| ds.get("PatientID"))
            .ok_or("the study has no PatientID, and the call names no SUBJECT_ID")?;
        let prefix = settings.session_prefix.unwrap_or_default();
        let day = ds.get("StudyDate").unwrap_or_else(|| "undated".into());
        Ok(Labels {
            session: format!("{prefix}{subject}_{day}"),
            subject,
            project: None,
            visit: None,
            scan: None,
            auto_archive: None,
        })
    }
}

export!(Module);
