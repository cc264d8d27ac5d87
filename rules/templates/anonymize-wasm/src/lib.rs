//! Called for each file: `ds` is its dataset, `context` what is known beside it. Each run is a fresh one.

#[path = "../../../../plugins/heap.rs"]
mod heap;

use miniserde::{Deserialize, json};
use sluice::rules::{context, dicom::EditError};

wit_bindgen::generate!({ world: "anonymize", path: "../../../plugins/wit" });

/// As settings.schema.json has them; the host has checked them.
#[derive(Deserialize)]
struct Settings {
    keep_birth_date: Option<bool>,
}

struct Module;

impl Guest for Module {
    fn anonymize(ds: &Dataset) -> Result<Verdict, String> {
        if ds.get("BurnedInAnnotation").as_deref() == Some("YES") {
            return Ok(Verdict::Quarantine("burned-in text".into()));
        }
        let settings: Settings =
            json::from_str(&context::settings()).map_err(|_| "the settings can't be read")?;
        let subject = context::subject().ok_or("the labels give no subject")?;
        edit(ds, &subject, settings.keep_birth_date.unwrap_or(false)).map_err(told)?;
        Ok(Verdict::Keep)
    }
}

fn edit(ds: &Dataset, subject: &str, keep_birth_date: bool) -> Result<(), EditError> {
    ds.set("PatientName", subject)?;
    ds.set("PatientID", subject)?;
    if !keep_birth_date {
        ds.blank("PatientBirthDate")?;
    }
    ds.remove("*/PatientAddress")?;
    Ok(())
}

/// The host's words, which name paths and no values.
fn told(error: EditError) -> String {
    match error {
        EditError::BadPath(what)
        | EditError::BadValue(what)
        | EditError::Undeclared(what)
        | EditError::Protected(what)
        | EditError::NotRedactable(what) => what,
    }
}

export!(Module);
