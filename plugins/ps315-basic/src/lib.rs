//! DICOM PS3.15 Annex E, Basic Application Level Confidentiality Profile, with its retain options.
//!
//! The profile is data: Table E.1-1, which `build.rs` reads (`codes`, `table`, `treatment`). For a file, the
//! table under the policy's settings becomes a table of edits (`plan`), which the host makes in one walk
//! of the dataset; around it are what a table can't say: private elements, stand-ins for sequences
//! that need an item (`stand_in`), the subject, and the marks of de-identification (`marks`).
//!
//! The pixels are not looked at, and the file meta information is the host's.

#[cfg(test)]
mod codes;
#[path = "../../heap.rs"]
mod heap;
mod marks;
mod plan;
mod refused;
mod settings;
mod stand_in;
mod table;
mod treatment;

use refused::OrRefused;
use settings::Settings;
use sluice::rules::{context, pseudonym};

wit_bindgen::generate!({
    world: "anonymize",
    path: "../wit",
    // Texts are lent to a call, not copied for it.
    ownership: Borrowing { duplicate_if_necessary: false },
});

struct Module;

impl Guest for Module {
    fn anonymize(ds: &Dataset) -> Result<Verdict, String> {
        let settings = Settings::parse(&context::settings())?;
        let subject = context::subject().ok_or("the labels give no subject")?;
        let days = match settings.options.modified_dates {
            true => pseudonym::days(&subject, settings.max_shift_days),
            false => 0,
        };

        let stand_ins = stand_in::Needed::of(ds);
        let keep: Vec<&str> = settings.safe_private.iter().map(String::as_str).collect();
        ds.remove_private(&keep).or_refused("private elements")?;
        ds.apply_table(&plan::table(&settings.options, days))
            .or_refused("Table E.1-1")?;
        stand_ins.put(ds)?;

        // The table's Z and Z/D allow a dummy here, and the subject's label is one that still tells
        // one subject from another.
        ds.set("PatientName", &subject).or_refused("PatientName")?;
        ds.set("PatientID", &subject).or_refused("PatientID")?;
        marks::put(ds, &settings)?;
        Ok(Verdict::Keep)
    }
}

export!(Module);
