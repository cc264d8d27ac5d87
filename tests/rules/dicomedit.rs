//! DicomEdit 6 scripts: a case for each sentence of the language (`sentences.md`), run by `conformance.rs` over made
//! and real files, and tests of what takes more than that.

mod conformance;
mod files;
mod functions;
mod interpreter;
mod pixels;
mod policy;

use crate::support::*;
use sluice::dicom::Instance;
use sluice::rules::host::{Access, Context, Detail, Host};
use sluice::rules::pseudonym::Pseudonyms;
use sluice::rules::{EngineKind, Module, ModuleSource, Verdict};
use std::sync::Arc;

pub fn compile(script: &str) -> Result<Module, String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("site.das");
    std::fs::write(&file, script).unwrap();
    let source = ModuleSource::loose(&file, EngineKind::DicomEdit).unwrap();
    source.compile().map_err(|error| error.to_string())
}

pub struct Ran {
    pub instance: Instance,
    pub verdict: Result<Verdict, String>,
    pub echoes: Vec<String>,
}

pub fn run_on(instance: Instance, script: &str) -> Ran {
    run_with_context(instance, script, context())
}

pub fn context() -> Context {
    Context {
        project: PROJECT.to_owned(),
        subject: Some("S1".to_owned()),
        session: Some("E1".to_owned()),
        parameters: run_with(&[("Visit", "V7")]).parameters,
        file: "1.dcm".to_owned(),
        received: "20260102030405".to_owned(),
        settings: "{}".into(),
        ..Context::default()
    }
}

pub fn run_with_context(instance: Instance, script: &str, context: Context) -> Ran {
    let module = compile(script).unwrap_or_else(|error| panic!("{script}\n{error}"));
    let host = Host::new(
        instance,
        Arc::clone(&module.access),
        Arc::new(context),
        Arc::new(Pseudonyms::new(&[7; 32])),
    )
    .traced(Detail::Values);
    let ran = module.run(host, |engine, host| engine.anonymize(host));
    let mut host = ran.host;
    let edits = host.take_trace().unwrap().into_edits();
    let echoes = edits.into_iter().filter(|edit| edit.action == "echo");
    Ran {
        echoes: echoes.map(|edit| edit.after.unwrap_or_default()).collect(),
        instance: host.into_instance(),
        verdict: ran.answer.map_err(|error| error.to_string()),
    }
}

/// The instance as it is written and read again: what a script made must be DICOM.
pub fn reread(instance: &Instance) -> Instance {
    Instance::from_bytes(instance.to_bytes().unwrap()).unwrap()
}

/// [`patient`] with elements set.
pub fn with(before: &[(&str, &str)]) -> Instance {
    let mut instance = patient();
    for (path, value) in before {
        let path = sluice::dicom::path::Pattern::parse_path(path).unwrap();
        instance.set_as_given(&path, value).unwrap();
    }
    reread(&instance)
}

pub fn host_of(instance: Instance) -> Host {
    let everything = Access::new(&["*".to_owned()], &[], false).unwrap();
    let pseudonyms = Arc::new(Pseudonyms::new(&[7; 32]));
    Host::new(
        instance,
        Arc::new(everything),
        Arc::new(Context::default()),
        pseudonyms,
    )
}

/// Each script, and a part of the error that stops it for its file.
pub fn check_failures(cases: &[(&str, &str)]) {
    for (script, expected) in cases {
        let ran = run_on(patient(), &format!("version \"6.6\"\n{script}"));
        let error = match ran.verdict {
            Err(error) => error,
            Ok(verdict) => panic!("{script}\n{verdict:?}, not {expected:?}"),
        };
        assert!(error.contains(expected), "{script}\n{error}\n{expected}");
    }
}
