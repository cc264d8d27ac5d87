//! `sluice rule bench`: what a module takes for a file: time, and what it uses of its limits.

use super::{CliError, RulesArg, say};
use crate::dicom::Instance;
use crate::rules::case::{Case, Prepared, Subject};
use crate::rules::host::Context;
use crate::rules::pseudonym::Pseudonyms;
use crate::rules::{EngineKind, Kind, Module, ModuleSource, Spent};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Enough for a median and a 95th percentile, and a bound on how long a slow rule is measured.
const RUNS: usize = 200;
const LONGEST: Duration = Duration::from_secs(2);

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    rules: RulesArg,
    /// DICOM files to run over, instead of the module's own cases
    #[arg(long = "file", value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Settings for the files (JSON)
    #[arg(long, value_name = "FILE", requires = "files")]
    settings: Option<PathBuf>,
}

pub fn run(args: Args) -> Result<ExitCode, CliError> {
    let folder = args.rules.folder()?;
    let source = ModuleSource::open(&folder)?;
    let limits = source.manifest.limits;
    let module = source.compile()?;
    let subjects = subjects(&folder, &args, &module)?;
    if subjects.is_empty() {
        return Err(format!(
            "{} has no test cases to run: name files with --file",
            folder.display()
        )
        .into());
    }
    say!("{:<32} {:>6} {:>10} {:>10}", "", "runs", "median", "p95");
    let (mut slowest, mut most) = (Duration::ZERO, Spent::default());
    for (name, prepare) in &subjects {
        let mut times = Vec::with_capacity(RUNS);
        let start = Instant::now();
        while times.len() < RUNS && (start.elapsed() < LONGEST || times.is_empty()) {
            let prepared = prepare(&module)?;
            let start = Instant::now();
            let spent = std::hint::black_box(prepared.run_alone(&module)).spent;
            times.push(start.elapsed());
            most.steps = most.steps.max(spent.steps);
            most.memory = most.memory.max(spent.memory);
        }
        times.sort();
        let p95 = times[(times.len() * 95 / 100).min(times.len() - 1)];
        slowest = slowest.max(p95);
        let (median, p95) = (micros(times[times.len() / 2]), micros(p95));
        say!("{name:<32} {:>6} {median:>10} {p95:>10}", times.len());
    }
    let steps = match source.manifest.engine {
        EngineKind::DicomEdit | EngineKind::Rhai => {
            format!("{} of {} operations", most.steps, limits.operations)
        }
        EngineKind::Wasm => format!("{} instructions (bounded by the deadline)", most.steps),
    };
    let memory = most.memory as f64 / f64::from(1 << 20);
    say!("most used by one run: {steps}");
    say!(
        "  {memory:.2} of {} MiB, {} of {} ms",
        limits.memory_mb,
        slowest.as_micros() as f64 / 1000.0,
        limits.deadline_ms
    );
    Ok(ExitCode::SUCCESS)
}

fn micros(time: Duration) -> String {
    format!("{:.1} µs", time.as_nanos() as f64 / 1000.0)
}

type Prepare = Box<dyn Fn(&Module) -> Result<Prepared, CliError>>;

fn subjects(
    folder: &Path,
    args: &Args,
    module: &Module,
) -> Result<Vec<(String, Prepare)>, CliError> {
    if args.files.is_empty() {
        let cases = Case::read_all(folder).into_iter().map(|case| {
            let case = case?;
            let name = case.name.clone();
            let prepare = move |module: &Module| Ok(case.prepare(module)?);
            Ok((name, Box::new(prepare) as Prepare))
        });
        return cases.collect();
    }
    if module.manifest.kind == Kind::Route {
        return Err("a route rule sees a session's summary, and no files: bench its cases".into());
    }
    let settings: Arc<str> = match &args.settings {
        Some(file) => {
            let value = serde_json::from_slice(&std::fs::read(file)?)?;
            module.check_settings(&file.display().to_string(), "", &value)?;
            value.to_string().into()
        }
        None => "{}".into(),
    };
    let is_labelled = module.manifest.kind == Kind::Anonymize;
    let subjects = args.files.iter().map(|file| {
        let (file, settings) = (file.clone(), Arc::clone(&settings));
        let name = file
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let prepare = move |module: &Module| -> Result<Prepared, CliError> {
            let told = |e: &dyn std::fmt::Display| format!("{}: {e}", file.display());
            let opened = std::fs::File::open(&file).map_err(|e| told(&e))?;
            let instance = Instance::read(opened).map_err(|e| told(&e))?;
            let label = |text: &str| is_labelled.then(|| text.to_owned());
            let context = Context {
                project: "DEMO".to_owned(),
                subject: label("S1"),
                session: label("E1"),
                file: file
                    .file_name()
                    .unwrap_or_default()
                    .to_string_lossy()
                    .into_owned(),
                received: "20260102030405".to_owned(),
                settings: Arc::clone(&settings),
                tables: Arc::new(module.tables.clone()),
                ..Context::default()
            };
            Ok(Prepared {
                subject: Subject::Instance(Box::new(instance)),
                context: Arc::new(context),
                pseudonyms: Arc::new(Pseudonyms::new(b"bench")),
            })
        };
        (name, Box::new(prepare) as Prepare)
    });
    Ok(subjects.collect())
}
