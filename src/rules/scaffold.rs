//! Modules to start from: the folders in `rules/templates/`, embedded; each passes its own tests here, and under
//! another name wherever it is written to.

use super::manifest::{EngineKind, Kind};

/// A template's files, by their paths in its folder.
struct Template {
    kind: Kind,
    engine: EngineKind,
    /// What it is called where it lies; replaced by the new module's name.
    name: &'static str,
    files: &'static [(&'static str, &'static [u8])],
}

macro_rules! template {
    ($kind:ident, $engine:ident, $name:literal, $($file:literal),+) => {
        Template {
            kind: Kind::$kind,
            engine: EngineKind::$engine,
            name: $name,
            files: &[$(($file, include_bytes!(concat!("../../rules/templates/", $name, "/", $file)))),+],
        }
    };
}

static TEMPLATES: &[Template] = &[
    template!(
        Label,
        Rhai,
        "label-rhai",
        "module.json",
        "rule.rhai",
        "settings.schema.json",
        "README.md",
        "tests/labels-come-from-the-header.json",
        "tests/the-calls-subject-wins.json",
        "tests/a-study-without-an-id-is-refused.json"
    ),
    template!(
        Anonymize,
        Rhai,
        "anonymize-rhai",
        "module.json",
        "rule.rhai",
        "settings.schema.json",
        "README.md",
        "tests/the-subject-stands-for-the-patient.json",
        "tests/a-birth-date-may-stay.json",
        "tests/burned-in-text-is-held-for-review.json"
    ),
    template!(
        Anonymize,
        DicomEdit,
        "anonymize-dicomedit",
        "module.json",
        "rule.das",
        "README.md",
        "tests/the-subject-stands-for-the-patient.json",
        "tests/what-is-absent-stays-absent.json",
        "tests/burned-in-text-is-rejected.json"
    ),
    template!(
        Route,
        Rhai,
        "route-rhai",
        "module.json",
        "rule.rhai",
        "settings.schema.json",
        "README.md",
        "tests/a-whole-session-is-archived.json",
        "tests/failures-keep-it-in-the-prearchive.json",
        "tests/too-few-files-keep-it-there-too.json"
    ),
    template!(
        Label,
        Wasm,
        "label-wasm",
        "module.json",
        "rule.wasm",
        "settings.schema.json",
        "README.md",
        "Cargo.toml",
        "Cargo.lock",
        "src/lib.rs",
        "tests/labels-come-from-the-header.json",
        "tests/the-calls-subject-wins.json",
        "tests/a-study-without-an-id-is-refused.json"
    ),
    template!(
        Anonymize,
        Wasm,
        "anonymize-wasm",
        "module.json",
        "rule.wasm",
        "settings.schema.json",
        "README.md",
        "Cargo.toml",
        "Cargo.lock",
        "src/lib.rs",
        "tests/the-subject-stands-for-the-patient.json",
        "tests/a-birth-date-may-stay.json",
        "tests/burned-in-text-is-held-for-review.json"
    ),
    template!(
        Route,
        Wasm,
        "route-wasm",
        "module.json",
        "rule.wasm",
        "settings.schema.json",
        "README.md",
        "Cargo.toml",
        "Cargo.lock",
        "src/lib.rs",
        "tests/a-whole-session-is-archived.json",
        "tests/failures-keep-it-in-the-prearchive.json",
        "tests/too-few-files-keep-it-there-too.json"
    ),
];

/// What a module in Rust needs beside its template.
const FOR_RUST: [(&str, &[u8]); 4] = [
    ("build.sh", include_bytes!("../../rules/templates/build.sh")),
    (
        "wit/rules.wit",
        include_bytes!("../../plugins/wit/rules.wit"),
    ),
    ("src/heap.rs", include_bytes!("../../plugins/heap.rs")),
    (".gitignore", b"target/\n"),
];

/// A file to write, below the new module's folder.
pub struct File {
    pub path: &'static str,
    pub bytes: Vec<u8>,
    pub is_program: bool,
}

/// The files of a new module; none where the engine has no such rules. `name` is a bare name.
pub fn files(kind: Kind, engine: EngineKind, name: &str) -> Vec<File> {
    let of = |t: &&Template| t.kind == kind && t.engine == engine;
    let Some(template) = TEMPLATES.iter().find(of) else {
        return Vec::new();
    };
    let extra: &[(&str, &[u8])] = match engine {
        EngineKind::DicomEdit | EngineKind::Rhai => &[],
        EngineKind::Wasm => &FOR_RUST,
    };
    let files = template.files.iter().chain(extra);
    files
        .map(|(path, bytes)| File {
            path,
            bytes: renamed(template.name, name, bytes),
            is_program: path.ends_with(".sh"),
        })
        .collect()
}

/// A component knows neither name nor place, and is no text.
fn renamed(template: &str, name: &str, bytes: &[u8]) -> Vec<u8> {
    match std::str::from_utf8(bytes) {
        Ok(text) => text
            .replace("../../../plugins/wit", "wit")
            .replace("#[path = \"../../../../plugins/heap.rs\"]\n", "")
            .replace(template, name)
            .into_bytes(),
        Err(_) => bytes.to_vec(),
    }
}
