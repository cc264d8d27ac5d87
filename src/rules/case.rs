//! A module's own test cases, `tests/*.json` in its folder: read, run, compared. The format is
//! `schemas/rule-test.schema.json`.

mod expect;
mod input;
mod suite;

use super::answer::{Decision, Labels, RuleFailure, Verdict};
use super::document::{self, DocumentError, Schema};
use super::engine::Routed;
use super::error::RuleSetError;
use super::host::{Context, Detail, Host, TracedEdit};
use super::labels;
use super::manifest::Kind;
use super::module::Module;
use super::pseudonym::Pseudonyms;
use super::tables::{Table, Tables};
use super::usage::Spent;
use crate::dicom::Instance;
use expect::Expect;
use input::Input;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

pub use expect::Mismatch;
pub use suite::{CaseTold, Coverage, ModuleTests, coverage, run_all};

static SCHEMA: LazyLock<Schema> =
    LazyLock::new(|| Schema::embedded(include_str!("../../schemas/rule-test.schema.json")));

/// Where a module keeps its cases.
const FOLDER: &str = "tests";

/// Tests are not secret, and must not differ from run to run.
const KEY: &str = "the key of all test cases";

const ENTRY_BYTES: u64 = 16 << 20;

/// One case, read and understood.
#[derive(Debug)]
pub struct Case {
    /// The file's name without `.json`.
    pub name: String,
    pub file: PathBuf,
    input: Input,
    settings: Map<String, Value>,
    tables: Tables,
    context: CaseContext,
    key: String,
    expect: Expect,
}

#[derive(Debug, Deserialize)]
struct RawCase {
    file: Option<String>,
    dataset: Option<Value>,
    with: Option<BTreeMap<String, Option<String>>>,
    summary: Option<Map<String, Value>>,
    #[serde(default)]
    settings: Map<String, Value>,
    #[serde(default)]
    tables: BTreeMap<String, BTreeMap<String, String>>,
    #[serde(default)]
    context: CaseContext,
    key: Option<String>,
    expect: Expect,
}

#[derive(Debug, Deserialize)]
#[serde(default)]
struct CaseContext {
    project: String,
    subject: String,
    session: String,
    parameters: BTreeMap<String, String>,
    path: String,
    received: String,
}

impl Default for CaseContext {
    fn default() -> Self {
        Self {
            project: "DEMO".to_owned(),
            subject: "S1".to_owned(),
            session: "E1".to_owned(),
            parameters: BTreeMap::new(),
            path: "1.dcm".to_owned(),
            received: "20260102030405".to_owned(),
        }
    }
}

/// What a rule answered, whatever its kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    Labels(Labels),
    Verdict(Verdict),
    Decision(Decision),
}

/// What came of a case.
pub struct Done {
    pub answer: Result<Answer, RuleFailure>,
    /// None for a route rule.
    pub instance: Option<Instance>,
    pub edits: Vec<TracedEdit>,
    pub spent: Spent,
}

impl Case {
    /// The cases of the module in a folder, in the order of their names; what is no case says why. DICOM
    /// JSON that cases name is none.
    pub fn read_all(module: &Path) -> Vec<Result<Case, RuleSetError>> {
        let entries = std::fs::read_dir(module.join(FOLDER)).into_iter().flatten();
        let mut files: Vec<PathBuf> = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|e| e == "json"))
            .collect();
        files.sort();
        let cases: Vec<_> = files.iter().map(|file| (file, Self::read(file))).collect();
        let named: Vec<PathBuf> = cases
            .iter()
            .filter_map(|(_, case)| case.as_ref().ok()?.input.file())
            .collect();
        (cases.into_iter())
            .filter(|(file, case)| case.is_ok() || !named.contains(file))
            .map(|(_, case)| case)
            .collect()
    }

    pub fn read(path: &Path) -> Result<Case, RuleSetError> {
        let file = path.display().to_string();
        let text = input::read(path, ENTRY_BYTES)?;
        let value = document::parse(&file, &text)?;
        SCHEMA.check(&file, "", &value)?;
        let raw: RawCase = serde_json::from_value(value)
            .map_err(|error| DocumentError::content(&file, "", error.to_string()))?;
        let folder = path.parent().unwrap_or(Path::new("."));
        let input = Input::new(folder, raw.file, raw.dataset, raw.with, raw.summary)
            .map_err(|message| DocumentError::content(&file, "", message))?;
        let tables =
            (raw.tables.into_iter()).map(|(name, entries)| (name, Arc::new(Table::of(entries))));
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        Ok(Case {
            name: name.into_owned(),
            file: path.to_owned(),
            input,
            settings: raw.settings,
            tables: Tables::new(tables),
            context: raw.context,
            key: raw.key.unwrap_or_else(|| KEY.to_owned()),
            expect: raw.expect,
        })
    }

    /// Whether the case fits the module: its kind, and its settings.
    pub fn check(&self, module: &Module) -> Result<(), RuleSetError> {
        let file = self.file.display().to_string();
        let kind = module.manifest.kind;
        if let Some((pointer, message)) = self.expect.misfit(kind) {
            return Err(DocumentError::content(&file, pointer, message).into());
        }
        match (kind, &self.input) {
            (Kind::Route, Input::Instance { .. }) => {
                let message = "a route rule sees a \"summary\", and no instance";
                return Err(DocumentError::content(&file, "", message).into());
            }
            (Kind::Label | Kind::Anonymize, Input::Summary(_)) => {
                let message = format!("a {} rule sees no session summary", kind.function());
                return Err(DocumentError::content(&file, "/summary", message).into());
            }
            _ => {}
        }
        let settings = Value::Object(self.settings.clone());
        Ok(module.check_settings(&file, "/settings", &settings)?)
    }

    /// Runs the module on the case's input.
    ///
    /// # Errors
    /// If the case is none for the module, or its input can't be read.
    pub fn run(&self, module: &Module) -> Result<Done, RuleSetError> {
        Ok(self.prepare(module)?.run(module))
    }

    /// Everything that a run needs, so that benches time the run alone.
    pub fn prepare(&self, module: &Module) -> Result<Prepared, RuleSetError> {
        self.check(module)?;
        let has_labels = module.manifest.kind != Kind::Label;
        let label = |text: &String| has_labels.then(|| text.clone());
        let context = Context {
            project: self.context.project.clone(),
            subject: label(&self.context.subject),
            session: label(&self.context.session),
            parameters: Arc::new(self.context.parameters.clone()),
            file: self.context.path.clone(),
            received: self.context.received.clone(),
            settings: Value::Object(self.settings.clone()).to_string().into(),
            tables: Arc::new(module.tables.with(&self.tables)),
            urls: Arc::default(),
            record: false,
            needs_labels: false,
        };
        let subject = match &self.input {
            Input::Summary(changes) => {
                Subject::Summary(input::summary(changes, &self.context).to_string())
            }
            Input::Instance { .. } => Subject::Instance(Box::new(self.input.instance(&self.file)?)),
        };
        Ok(Prepared {
            subject,
            context: Arc::new(context),
            pseudonyms: Arc::new(Pseudonyms::new(self.key.as_bytes())),
        })
    }

    /// Where what came differs from what was expected.
    ///
    /// # Errors
    /// If the expected file can't be read.
    pub fn compare(&self, done: Done) -> Result<Vec<Mismatch>, RuleSetError> {
        let folder = self.file.parent().unwrap_or(Path::new("."));
        self.expect.compare(folder, done)
    }

    /// Writes what came as the expected file, where the case has one.
    ///
    /// # Errors
    /// If it can't be written.
    pub fn bless(&self, done: &Done) -> std::io::Result<bool> {
        let folder = self.file.parent().unwrap_or(Path::new("."));
        match (self.expect.file(), &done.instance, &done.answer) {
            (Some(name), Some(instance), Ok(_)) => {
                std::fs::write(folder.join(name), instance.to_bytes()?)?;
                Ok(true)
            }
            _ => Ok(false),
        }
    }
}

/// One run, ready to go.
pub struct Prepared {
    pub subject: Subject,
    pub context: Arc<Context>,
    pub pseudonyms: Arc<Pseudonyms>,
}

/// What a rule is asked about.
pub enum Subject {
    Instance(Box<Instance>),
    /// JSON.
    Summary(String),
}

impl Prepared {
    /// The run as an import has it, with nothing recorded.
    pub fn run_alone(self, module: &Module) -> Done {
        self.run_on(module, |host| host)
    }

    pub fn run(self, module: &Module) -> Done {
        self.run_on(module, |host| host.traced(Detail::Values))
    }

    fn run_on(self, module: &Module, set_up: impl FnOnce(Host) -> Host) -> Done {
        let instance = match self.subject {
            Subject::Instance(instance) => *instance,
            Subject::Summary(summary) => {
                let Routed { answer, spent } =
                    (module.engine).route(&summary, self.context, self.pseudonyms);
                return Done {
                    answer: answer.map(Answer::Decision),
                    instance: None,
                    edits: Vec::new(),
                    spent,
                };
            }
        };
        let host = set_up(Host::new(
            instance,
            Arc::clone(&module.access),
            self.context,
            self.pseudonyms,
        ));
        let (mut host, answer, spent) = match module.manifest.kind {
            Kind::Label => {
                let ran = module.run(host, |engine, host| engine.label(host));
                let answer = ran.answer.and_then(|labels| fit(labels, module));
                (ran.host, answer.map(Answer::Labels), ran.spent)
            }
            _ => {
                let ran = module.run(host, |engine, host| engine.anonymize(host));
                (ran.host, ran.answer.map(Answer::Verdict), ran.spent)
            }
        };
        let edits = host
            .take_trace()
            .map_or(Vec::new(), |trace| trace.into_edits());
        Done {
            answer,
            instance: Some(host.into_instance()),
            edits,
            spent,
        }
    }
}

/// Labels become folder names: those that can't are a failure, as in an import.
fn fit(labels: Labels, module: &Module) -> Result<Labels, RuleFailure> {
    match labels::check(&labels) {
        Ok(()) => Ok(labels),
        Err(message) => Err(RuleFailure::Broke {
            module: module.manifest.name.clone(),
            position: None,
            message,
        }),
    }
}
