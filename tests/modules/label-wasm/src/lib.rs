//! The smallest label rule in WebAssembly: the subject is the patient's ID, the session is named
//! after the study's.

wit_bindgen::generate!({ world: "label", path: "../../../plugins/wit" });

struct Module;

impl Guest for Module {
    fn label(ds: &Dataset) -> Result<Labels, String> {
        let subject = ds.get("PatientID").ok_or("the study has no PatientID")?;
        let study = ds.get("StudyID").ok_or("the study has no StudyID")?;
        Ok(Labels {
            subject,
            session: format!("W_{study}"),
            project: None,
            visit: None,
            scan: None,
            auto_archive: None,
        })
    }
}

export!(Module);
