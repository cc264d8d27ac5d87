//! `sluice rule apply`: rules over one file, without a server. The exit status is for scripts.

use super::CliError;
use crate::cli::open;
use crate::config::StateArgs;
use crate::dicom::Instance;
use crate::rules::host::{Context, Host};
use crate::rules::{EngineKind, Kind, Module, ModuleSource, Ran, Run, Verdict};
use serde_json::{Map, Value};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

const REJECTED: u8 = 10;
const QUARANTINED: u8 = 11;

/// Shorter keys can be guessed.
const KEY_BYTES: usize = 32;

#[derive(clap::Args)]
pub struct Args {
    /// A shipped module's name, a module's folder, or a .das, .rhai or .wasm file; they run in this order
    #[arg(value_name = "RULE", required = true)]
    rules: Vec<String>,
    #[arg(long = "in", value_name = "FILE")]
    input: PathBuf,
    #[arg(long = "out", value_name = "FILE")]
    output: PathBuf,
    /// What the rules are told of the project; with --data, whose pseudonym key is used
    #[arg(long, value_name = "P")]
    project: Option<String>,
    #[arg(long, value_name = "S")]
    subject: Option<String>,
    #[arg(long, value_name = "E")]
    session: Option<String>,
    /// A parameter of the import call
    #[arg(long = "var", value_name = "K=V", value_parser = variable)]
    variables: Vec<(String, String)>,
    /// JSON: the settings of the one rule, or of each of several by its name
    #[arg(long, value_name = "FILE")]
    settings: Option<PathBuf>,
    /// The pseudonym key: 32 bytes or more
    #[arg(long, value_name = "FILE", conflicts_with = "data")]
    key_file: Option<PathBuf>,
    /// The data folder that holds the project, for its pseudonym key
    #[arg(long, value_name = "DIR", requires = "project")]
    data: Option<PathBuf>,
    /// The database's URL, beside --data
    #[arg(
        long,
        env = "SLUICE_DATABASE",
        hide_env_values = true,
        value_name = "URL",
        requires = "data"
    )]
    database: Option<String>,
    /// Have a .das script note itself in (0012,0064)
    #[arg(long)]
    record: bool,
}

/// `K=V`
pub fn variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE".to_owned()),
    }
}

pub async fn run(args: Args) -> Result<ExitCode, CliError> {
    let modules = args
        .rules
        .iter()
        .map(|rule| load(rule))
        .collect::<Result<Vec<_>, _>>()?;
    let is_script = |module: &Module| module.manifest.engine == EngineKind::DicomEdit;
    if args.record && !modules.iter().any(is_script) {
        return Err("--record concerns DicomEdit scripts (.das), and none is given".into());
    }
    let settings = settings(args.settings.as_deref(), &modules)?;
    let key = pseudonym_key(&args).await?;
    let told = |e: &dyn std::fmt::Display| format!("{}: {e}", args.input.display());
    let file = File::open(&args.input).map_err(|e| told(&e))?;
    let mut instance = Instance::read(file).map_err(|e| told(&e))?;
    let name = args.input.file_name().unwrap_or_default().to_string_lossy();
    let run = Run {
        file: name.into_owned(),
        ..Run::new(
            args.project.unwrap_or_default(),
            &key,
            args.variables.into_iter().collect(),
            chrono::Utc::now(),
        )
    };
    let mut held: Option<String> = None;
    for (module, settings) in modules.iter().zip(settings) {
        let context = Arc::new(Context {
            subject: args.subject.clone(),
            session: args.session.clone(),
            tables: Arc::new(module.tables.clone()),
            record: args.record,
            needs_labels: true,
            ..run.context(None, settings)
        });
        let host = Host::new(
            instance,
            Arc::clone(&module.access),
            context,
            Arc::clone(&run.pseudonyms),
        );
        let Ran { host, answer, .. } = module.run(host, |engine, host| engine.anonymize(host));
        instance = host.into_instance();
        match answer? {
            Verdict::Keep => {}
            Verdict::Reject(why) => {
                eprintln!("sluice: rejected by {}: {why}", module.manifest.name);
                return Ok(ExitCode::from(REJECTED));
            }
            Verdict::Quarantine(why) => {
                _ = held.get_or_insert(format!("by {}: {why}", module.manifest.name))
            }
        }
    }
    // A server would store it where only reviewers see it; there is no such place here.
    if let Some(why) = held {
        eprintln!("sluice: quarantined {why}");
        return Ok(ExitCode::from(QUARANTINED));
    }
    write(&instance, &args.output)
        .map_err(|e| format!("{} can't be written: {e}", args.output.display()))?;
    Ok(ExitCode::SUCCESS)
}

fn load(rule: &str) -> Result<Module, CliError> {
    let path = Path::new(rule);
    let extension = path.extension().and_then(|e| e.to_str());
    let engine = match extension.map(str::to_ascii_lowercase).as_deref() {
        Some("das") => Some(EngineKind::DicomEdit),
        Some("rhai") => Some(EngineKind::Rhai),
        Some("wasm") => Some(EngineKind::Wasm),
        _ => None,
    };
    let source = match engine {
        _ if path.is_dir() => ModuleSource::open(path)?,
        Some(engine) => ModuleSource::loose(path, engine)?,
        None => ModuleSource::by_name(rule)?,
    };
    let kind = source.manifest.kind;
    if kind != Kind::Anonymize {
        return Err(format!(
            "{rule} is a {} rule: only anonymize rules are applied to a file",
            kind.function()
        )
        .into());
    }
    Ok(source.compile()?)
}

/// For each module, checked against its schema.
fn settings(file: Option<&Path>, modules: &[Module]) -> Result<Vec<Arc<str>>, CliError> {
    let shown = file.map_or_else(|| "settings".to_owned(), |file| file.display().to_string());
    let given: Map<String, Value> = match file {
        Some(file) => {
            let text = fs::read(file).map_err(|e| format!("{shown}: {e}"))?;
            serde_json::from_slice(&text).map_err(|e| format!("{shown}: is no JSON object: {e}"))?
        }
        None => Map::new(),
    };
    let is_one = modules.len() == 1;
    let name = |module: &Module| module.manifest.name.clone();
    if let Some(key) = given
        .keys()
        .find(|key| !is_one && !modules.iter().any(|m| name(m) == **key))
    {
        let known: Vec<String> = modules.iter().map(name).collect();
        return Err(format!("{shown}: /{key}: is none of the rules; with several, each has its settings under its name: {}", known.join(", ")).into());
    }
    let of = |module: &Module| {
        let own = match is_one {
            true => Value::Object(given.clone()),
            false => given
                .get(&module.manifest.name)
                .cloned()
                .unwrap_or_else(|| Map::new().into()),
        };
        let pointer = if is_one {
            String::new()
        } else {
            format!("/{}", module.manifest.name)
        };
        module.check_settings(&shown, &pointer, &own)?;
        Ok(own.to_string().into())
    };
    modules.iter().map(of).collect()
}

async fn pseudonym_key(args: &Args) -> Result<Vec<u8>, CliError> {
    if let Some(file) = &args.key_file {
        let key = fs::read(file).map_err(|e| format!("{}: {e}", file.display()))?;
        if key.len() < KEY_BYTES {
            return Err(format!(
                "{}: a pseudonym key has {KEY_BYTES} bytes or more, not {}",
                file.display(),
                key.len()
            )
            .into());
        }
        return Ok(key);
    }
    if let (Some(data), Some(project)) = (&args.data, &args.project) {
        let state = StateArgs {
            data: data.clone(),
            config: None,
            database: args.database.clone(),
        };
        let (_, store) = open(&state).await?;
        let found = store.projects().get(project).await?;
        let found = found.ok_or_else(|| format!("there is no project {project}"))?;
        return Ok(found.pseudonym_key.as_bytes().to_vec());
    }
    eprintln!(
        "sluice: no --key-file and no --data: pseudonyms are under a random key, and will differ in the next run"
    );
    let mut key = vec![0; KEY_BYTES];
    getrandom::fill(&mut key).map_err(|e| format!("no random bytes: {e}"))?;
    Ok(key)
}

/// Whole or not at all.
fn write(instance: &Instance, to: &Path) -> std::io::Result<()> {
    let name = to.file_name().ok_or(std::io::ErrorKind::InvalidInput)?;
    let mut draft_name = std::ffi::OsString::from(".");
    draft_name.push(name);
    draft_name.push(format!(".{}.part", std::process::id()));
    let draft = to.with_file_name(draft_name);
    let written = (|| {
        let mut file = File::create_new(&draft)?;
        instance.write(&mut file)?;
        file.sync_all()?;
        fs::rename(&draft, to)
    })();
    if written.is_err() {
        // The error that counts is the one above.
        _ = fs::remove_file(&draft);
    }
    written
}
