//! `sluice rule new`: a module to start from.

use super::{CliError, say};
use crate::rules::{EngineKind, Kind, scaffold};
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(clap::Args)]
pub struct Args {
    #[arg(value_parser = kind, value_name = "label|anonymize|route")]
    kind: Kind,
    /// A script, or a component of which the source in Rust comes along; DicomEdit is for anonymize rules
    #[arg(long, value_parser = engine, value_name = "rhai|wasm|dicomedit")]
    engine: EngineKind,
    /// The new folder; its name is the module's
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

fn kind(text: &str) -> Result<Kind, String> {
    match text {
        "label" => Ok(Kind::Label),
        "anonymize" => Ok(Kind::Anonymize),
        "route" => Ok(Kind::Route),
        _ => Err("the kind is label, anonymize or route".to_owned()),
    }
}

fn engine(text: &str) -> Result<EngineKind, String> {
    match text {
        "rhai" => Ok(EngineKind::Rhai),
        "wasm" => Ok(EngineKind::Wasm),
        "dicomedit" => Ok(EngineKind::DicomEdit),
        _ => Err("the engine is rhai, wasm or dicomedit".to_owned()),
    }
}

pub fn run(args: Args) -> Result<ExitCode, CliError> {
    let folder = std::path::absolute(&args.folder)?;
    let name = folder
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    check_name(name, args.engine)?;
    let files = scaffold::files(args.kind, args.engine, name);
    if files.is_empty() {
        return Err("a DicomEdit script is an anonymize rule: it neither labels nor routes".into());
    }
    // Nothing that is there is written over.
    if fs::read_dir(&folder).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(format!("{} is not empty", args.folder.display()).into());
    }
    for file in files {
        write(&folder.join(file.path), &file.bytes, file.is_program)
            .map_err(|e| format!("{}: {e}", folder.join(file.path).display()))?;
    }
    let shown = args.folder.display();
    say!("{shown}: a module to start from. Next:");
    say!("  sluice rule check {shown}\n  sluice rule test {shown}");
    if args.engine == EngineKind::Wasm {
        say!("  {shown}/build.sh    after a change of src/lib.rs");
    }
    Ok(ExitCode::SUCCESS)
}

/// As the manifest's schema wants it; a crate's name is stricter.
fn check_name(name: &str, engine: EngineKind) -> Result<(), String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let first = |c: char| match engine {
        EngineKind::DicomEdit | EngineKind::Rhai => c.is_ascii_alphanumeric(),
        EngineKind::Wasm => c.is_ascii_alphabetic(),
    };
    match name.len() <= 64 && name.starts_with(first) && name.chars().all(allowed) {
        true => Ok(()),
        false => Err(format!(
            "{name:?} is no name for a module: it starts with a letter, and holds only A-Z, a-z, 0-9, _ and -, at most 64 of them"
        )),
    }
}

fn write(path: &Path, bytes: &[u8], is_program: bool) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mode = if is_program { 0o777 } else { 0o666 };
    let mut options = fs::OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(bytes)
}
