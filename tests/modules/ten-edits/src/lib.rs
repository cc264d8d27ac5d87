//! An anonymize rule of ten edits, each a call of its own, as a site would write it. `benches/ten_edits.rhai`
//! is the same in Rhai: `benches/rules.rs` measures both.

#[path = "../../../../plugins/heap.rs"]
mod heap;

use sluice::rules::{context, dicom::EditError, pseudonym};

wit_bindgen::generate!({ world: "anonymize", path: "../../../plugins/wit" });

struct Module;

impl Guest for Module {
    fn anonymize(ds: &Dataset) -> Result<Verdict, String> {
        edit(ds).map_err(|error| format!("an edit was refused: {error:?}"))?;
        Ok(Verdict::Keep)
    }
}

fn edit(ds: &Dataset) -> Result<(), EditError> {
    let subject = context::subject().unwrap_or_default();
    ds.set("PatientName", &subject)?;
    ds.set("PatientID", &subject)?;
    if let Some(uid) = ds.get("StudyInstanceUID") {
        ds.set("StudyInstanceUID", &pseudonym::uid(&uid))?;
    }
    let days = pseudonym::days(&subject, 100);
    if let Some(date) = ds.get("StudyDate") {
        ds.set("StudyDate", &pseudonym::shift_date(&date, days).unwrap_or_default())?;
    }
    ds.set("DeidentificationMethod", "ten edits")?;
    ds.blank("PatientBirthDate")?;
    ds.blank("AccessionNumber")?;
    ds.remove("InstitutionName")?;
    ds.remove("ReferringPhysicianName")?;
    ds.remove("*/PatientAddress")?;
    Ok(())
}

export!(Module);
