//! A rules folder to write in, and a small DICOM instance to run rules over.

use sluice::dicom::Instance;
use sluice::rules::host::{Access, Context, Detail, Host};
use sluice::rules::pseudonym::Pseudonyms;
use sluice::rules::{
    Anonymized, At, Labels, Registry, RuleFailure, RuleSet, RuleSetError, Run, Verdict,
};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

pub const PROJECT: &str = "DEMO";

pub struct Rules {
    dir: tempfile::TempDir,
    pub registry: Registry,
}

impl Rules {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let registry = Registry::open(dir.path().to_owned());
        Self { dir, registry }
    }

    pub fn write(&self, path: &str, text: impl AsRef<[u8]>) -> &Self {
        let path = self.dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    pub fn remove(&self, path: &str) {
        fs::remove_file(self.dir.path().join(path)).unwrap();
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// A Rhai module that may read and write what is listed.
    pub fn rhai(
        &self,
        name: &str,
        kind: &str,
        reads: &[&str],
        writes: &[&str],
        code: &str,
    ) -> &Self {
        let manifest = serde_json::json!({
            "name": name, "version": "1.0.0", "interface": "1", "kind": kind,
            "engine": "rhai", "entry": "rule.rhai", "reads": reads, "writes": writes,
            "limits": { "operations": 1_000_000, "memory_mb": 16, "deadline_ms": 20_000 }
        });
        self.write(&format!("modules/{name}/module.json"), manifest.to_string());
        self.write(&format!("modules/{name}/rule.rhai"), code)
    }

    /// One of the repository's fixtures.
    pub fn fixture(&self, name: &str) -> &Self {
        let from = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/modules")
            .join(name);
        for file in ["module.json", "rule.wasm", "settings.schema.json"] {
            if let Ok(bytes) = fs::read(from.join(file)) {
                self.write(&format!("modules/{name}/{file}"), bytes);
            }
        }
        self
    }

    pub fn project(&self, policy: &str) -> &Self {
        self.write(&format!("projects/{PROJECT}/policy.json"), policy)
    }

    pub fn site(&self, policy: &str) -> &Self {
        self.write("site/policy.json", policy)
    }

    pub fn pin(&self) -> Result<Arc<RuleSet>, RuleSetError> {
        self.registry.check(PROJECT)
    }

    pub fn pinned(&self) -> Arc<RuleSet> {
        self.pin().unwrap()
    }
}

/// One anonymize rule in Rhai, alone in the chain, run over [`patient`].
pub fn anonymize_with(reads: &[&str], writes: &[&str], code: &str) -> Anonymized {
    let rules = Rules::new();
    rules.rhai("rule", "anonymize", reads, writes, code);
    rules.site(r#"{ "anonymize": [{ "module": "rule" }] }"#);
    anonymize(&rules.pinned(), patient(), &run(), &labels())
}

/// What an import's chain makes of an instance.
pub fn anonymize(set: &RuleSet, instance: Instance, run: &Run, labels: &Labels) -> Anonymized {
    anonymize_at(At::Import, set, instance, run, labels)
}

/// What the steps of that time make of it.
pub fn anonymize_at(
    at: At,
    set: &RuleSet,
    instance: Instance,
    run: &Run,
    labels: &Labels,
) -> Anonymized {
    let (done, _) = set.record(&[at], Detail::Actions, instance, run, labels);
    done
}

pub fn failure(code: &str) -> RuleFailure {
    anonymize_with(&["*"], &["*"], code).verdict.unwrap_err()
}

pub fn verdict(code: &str) -> Verdict {
    anonymize_with(&["*"], &["*"], code).verdict.unwrap()
}

pub fn run() -> Run {
    run_with(&[])
}

pub fn run_with(parameters: &[(&str, &str)]) -> Run {
    let parameters = parameters
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_string()));
    let received = "2026-01-02T03:04:05Z".parse().unwrap();
    Run {
        file: "SUB1/scan/1.dcm".to_owned(),
        ..Run::new(PROJECT.to_owned(), &[7; 32], parameters.collect(), received)
    }
}

pub fn labels() -> Labels {
    Labels {
        subject: "S1".to_owned(),
        session: "E1".to_owned(),
        ..Labels::default()
    }
}

/// What is in an element after the rules ran.
pub fn element(instance: Instance, path: &str) -> Option<String> {
    let everything = Arc::new(Access::new(&["*".to_owned()], &[], false).unwrap());
    let pseudonyms = Arc::new(Pseudonyms::new(&[7; 32]));
    let context = Arc::new(Context::default());
    let mut host = Host::new(instance, everything, context, pseudonyms);
    let text = host.get(path);
    assert_eq!(
        host.refusal(),
        None,
        "a misspelt path looks like an absent element"
    );
    text
}

pub fn patient() -> Instance {
    instance(&[])
}

/// A picture of 4 x 3 grey pixels, 1 to 12.
pub fn picture() -> Instance {
    let mut bytes = patient().to_bytes().unwrap();
    let mut short = |tag: (u16, u16), vr: &str, value: &[u8]| {
        bytes.extend_from_slice(&tag.0.to_le_bytes());
        bytes.extend_from_slice(&tag.1.to_le_bytes());
        bytes.extend_from_slice(vr.as_bytes());
        bytes.extend_from_slice(&(value.len() as u16).to_le_bytes());
        bytes.extend_from_slice(value);
    };
    short((0x0028, 0x0002), "US", &[1, 0]);
    short((0x0028, 0x0004), "CS", b"MONOCHROME2 ");
    short((0x0028, 0x0010), "US", &[3, 0]);
    short((0x0028, 0x0011), "US", &[4, 0]);
    short((0x0028, 0x0100), "US", &[8, 0]);
    bytes.extend_from_slice(b"\xE0\x7F\x10\x00OB\0\0\x0C\0\0\0");
    bytes.extend(1..=12);
    Instance::from_bytes(bytes).unwrap()
}

/// The pixels as they would be written.
pub fn pixels(instance: Instance) -> Vec<u8> {
    let bytes = instance.to_bytes().unwrap();
    bytes[bytes.len() - 12..].to_vec()
}

/// A CT image without pixels. `changes` adds to its elements or replaces them; they are all text.
pub fn instance(changes: &[((u16, u16), &str, &str)]) -> Instance {
    let mut elements: BTreeMap<(u16, u16), (&str, &str)> = BTreeMap::from([
        ((0x0008, 0x0016), ("UI", "1.2.840.10008.5.1.4.1.1.2")),
        ((0x0008, 0x0018), ("UI", "1.2.3.4")),
        ((0x0008, 0x0060), ("CS", "CT")),
        ((0x0008, 0x103E), ("LO", "T1 mprage")),
        ((0x0010, 0x0010), ("PN", "Doe^John")),
        ((0x0010, 0x0020), ("LO", "4711")),
        ((0x0010, 0x0030), ("DA", "19700102")),
        ((0x0010, 0x1040), ("LO", "Street 1")),
        ((0x0020, 0x000D), ("UI", "1.2.3")),
        ((0x0020, 0x000E), ("UI", "1.2.3.5")),
        ((0x0020, 0x0010), ("SH", "7")),
    ]);
    elements.extend(changes.iter().map(|(tag, vr, text)| (*tag, (*vr, *text))));

    let mut meta = Vec::new();
    push(
        &mut meta,
        (0x0002, 0x0002),
        "UI",
        "1.2.840.10008.5.1.4.1.1.2",
    );
    push(&mut meta, (0x0002, 0x0003), "UI", "1.2.3.4");
    push(&mut meta, (0x0002, 0x0010), "UI", "1.2.840.10008.1.2.1");
    let mut bytes = vec![0; 128];
    bytes.extend_from_slice(b"DICM\x02\0\0\0UL\x04\0");
    bytes.extend_from_slice(&(meta.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&meta);
    for (tag, (vr, text)) in elements {
        push(&mut bytes, tag, vr, text);
    }
    Instance::from_bytes(bytes).unwrap()
}

/// Explicit VR little endian (PS3.5 7.1.2).
fn push(bytes: &mut Vec<u8>, tag: (u16, u16), vr: &str, text: &str) {
    let mut value = text.as_bytes().to_vec();
    if value.len() % 2 == 1 {
        value.push(if vr == "UI" { 0 } else { b' ' });
    }
    bytes.extend_from_slice(&tag.0.to_le_bytes());
    bytes.extend_from_slice(&tag.1.to_le_bytes());
    bytes.extend_from_slice(vr.as_bytes());
    match vr {
        "LT" | "ST" | "PN" | "LO" | "SH" | "UI" | "DA" | "CS" => {
            bytes.extend_from_slice(&(value.len() as u16).to_le_bytes());
        }
        _ => panic!("{vr} has no short length here"),
    }
    bytes.extend_from_slice(&value);
}
