//! An anonymize rule that does what its settings say, `{"do": "loop"}` and the like: it proves that
//! the host holds a module to its manifest and its limits.

mod exhaust;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use miniserde::{Deserialize, json};
use sluice::rules::{context, dicom::EditError, pseudonym};

wit_bindgen::generate!({ world: "anonymize", path: "../../../plugins/wit" });

#[derive(Deserialize)]
struct Settings {
    #[serde(rename = "do")]
    deed: String,
}

struct Module;

impl Guest for Module {
    fn anonymize(ds: &Dataset) -> Result<Verdict, String> {
        let settings: Settings =
            json::from_str(&context::settings()).map_err(|_| "the settings can't be read")?;
        match settings.deed.as_str() {
            "edit" => edit(ds).map_err(|_| "an edit was refused")?,
            "reject" => return Ok(Verdict::Reject("told to reject".into())),
            "quarantine" => return Ok(Verdict::Quarantine("told to quarantine".into())),
            "redact" => ds
                .redact(1, 1, 3, 2)
                .map_err(|_| "the redaction was refused")?,
            "lookup" => {
                let name =
                    pseudonym::lookup("subjects", &ds.get("StudyInstanceUID").unwrap_or_default());
                let name = name.unwrap_or_else(|| "not listed".into());
                ds.set("PatientName", &name)
                    .map_err(|_| "the edit was refused")?;
            }
            "lookup-nowhere" => drop(pseudonym::lookup("nowhere", "1.2.3")),
            "err" => return Err("told to err".into()),
            "trap" => panic!("told to trap"),

            // The manifest declares neither. The host must remember it, whatever is answered here.
            "undeclared-write" => drop(ds.set("InstitutionName", "somewhere")),
            "undeclared-read" => drop(ds.get("PatientBirthDate")),

            "remember" => remember()?,

            "loop" => exhaust::time(),
            "flood" => exhaust::host(ds),
            "eat" => exhaust::memory(),
            "recurse" => drop(std::hint::black_box(exhaust::stack(0))),
            "recurse-own" => drop(exhaust::own_stack(0)),
            "huge-string" => drop(ds.set("PatientName", &exhaust::huge_string())),
            _ => return Err("told to do what it can't".into()),
        }
        Ok(Verdict::Keep)
    }
}

/// Leaves something in its memory for the next run, and tells what an earlier one has left.
fn remember() -> Result<(), String> {
    static RUNS: AtomicU32 = AtomicU32::new(0);
    static KEPT: Mutex<Vec<u8>> = Mutex::new(Vec::new());
    let mut kept = KEPT.lock().map_err(|_| "an earlier run died with the lock")?;
    let runs = RUNS.fetch_add(1, Ordering::Relaxed);
    if runs > 0 || !kept.is_empty() {
        return Err(format!("{runs} runs before, {} bytes kept", kept.len()));
    }
    // More than a page, and more than there was at the start.
    kept.resize(3 << 20, 0xA5);
    Ok(())
}

/// All that the manifest declares, and nothing else.
fn edit(ds: &Dataset) -> Result<(), EditError> {
    let subject = context::subject().unwrap_or_default();
    ds.set("PatientName", &subject)?;
    ds.remove("*/(0010,1040)")?;
    if let Some(uid) = ds.get("StudyInstanceUID") {
        ds.set("StudyInstanceUID", &pseudonym::uid(&uid))?;
    }
    Ok(())
}

export!(Module);
