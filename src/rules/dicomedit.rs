//! DicomEdit 6 scripts, run unchanged: parsed whole when the module is compiled, interpreted over the host
//! that every rule has. The language, and what was decided where it is unclear, is in `rules/dicomedit.md`.

mod bulk;
mod call;
pub mod convert;
mod date;
mod functions;
pub(super) mod inspect;
mod interpreter;
mod lexer;
mod matcher;
mod parser;
mod path;
mod pixels;
mod regex;
mod source;
mod syntax;
mod text;
mod uid;
mod value;

use super::answer::{Decision, Labels, RuleFailure, Verdict};
use super::engine::{CompileError, Engine, Ran, Routed};
use super::host::{Context, Host};
use super::manifest::{Kind, Limits, Manifest};
use super::position::Position;
use super::pseudonym::Pseudonyms;
use super::usage::{Reached, Spent};
use interpreter::{Run, Stop};
use pixels::Code;
use regex::JavaRegex;
use sha2::{Digest, Sha256};
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use syntax::{Action, Statement};

/// What is wrong with a script, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{position}: {message}")]
pub struct SyntaxError {
    pub position: Position,
    pub message: String,
}

/// A script that parsed.
#[derive(Debug)]
pub(super) struct Script {
    name: String,
    statements: Vec<Statement>,
    /// Of the texts that stand in the script.
    regexes: Mutex<HashMap<String, Result<Arc<JavaRegex>, String>>>,
    /// What stands for XNAT's number of a script: the same for the same text.
    number: u64,
}

/// A compiled script.
pub struct DicomEditEngine {
    script: Script,
    limits: Limits,
    reached: Option<Arc<Reached>>,
}

impl DicomEditEngine {
    /// With `reached`, the engine notes the lines that its runs reach.
    pub fn compile(
        manifest: &Manifest,
        code: &[u8],
        reached: Option<Arc<Reached>>,
    ) -> Result<Self, CompileError> {
        let unplaced = |message: String| CompileError {
            position: None,
            message,
        };
        if manifest.kind != Kind::Anonymize {
            return Err(unplaced(format!(
                "a DicomEdit script is an anonymize rule, and no {} rule",
                manifest.kind.function()
            )));
        }
        let text = std::str::from_utf8(code)
            .map_err(|error| unplaced(format!("is no UTF-8 text: {error}")))?;
        let statements = parse(text).map_err(|error| CompileError {
            position: Some(error.position),
            message: error.message,
        })?;
        let digest: [u8; 32] = Sha256::digest(code).into();
        // 48 bits are 15 digits at most, and a Code Value has 16 characters (PS3.3 8.1).
        let number = digest[..6]
            .iter()
            .fold(0, |number, byte| number << 8 | u64::from(*byte));
        Ok(Self {
            script: Script {
                name: manifest.name.clone(),
                statements,
                regexes: Mutex::default(),
                number,
            },
            limits: manifest.limits,
            reached,
        })
    }

    fn run(&self, host: &mut Host) -> (Result<Verdict, RuleFailure>, Spent) {
        let is_recorded = host.context.record;
        let mut run = Run::new(host, &self.script, &self.limits, self.reached.as_deref());
        let mut done = run.run();
        if done.is_ok() && is_recorded {
            done = run.note(&Code {
                value: self.script.number.to_string(),
                scheme: "XNAT",
                version: Some("1.0"),
                meaning: "XNAT DicomEdit 6 Script",
            });
        }
        let spent = run.spent();
        let module = self.script.name.clone();
        let answer = match done {
            Ok(()) => Ok(Verdict::Keep),
            Err(Stop::Rejected(at)) => Ok(Verdict::Reject(format!("by the script at {at}"))),
            Err(Stop::Failed(position, message)) => Err(RuleFailure::Error {
                module,
                position: Some(position),
                message,
            }),
            Err(Stop::TooLong(limit)) => Err(RuleFailure::TooLong { module, limit }),
            Err(Stop::TooLarge) => Err(RuleFailure::TooLarge {
                module,
                limit: format!("{} MiB", self.limits.memory_mb),
            }),
        };
        (answer, spent)
    }

    fn wrong_kind(&self, asked: Kind) -> RuleFailure {
        RuleFailure::Broke {
            module: self.script.name.clone(),
            position: None,
            message: format!(
                "is of kind anonymize, and was asked to {}",
                asked.function()
            ),
        }
    }
}

impl Engine for DicomEditEngine {
    fn label(&self, host: Host) -> Ran<Labels> {
        Ran {
            host,
            answer: Err(self.wrong_kind(Kind::Label)),
            spent: Spent::default(),
        }
    }

    fn anonymize(&self, mut host: Host) -> Ran<Verdict> {
        let (answer, spent) = self.run(&mut host);
        Ran {
            host,
            answer,
            spent,
        }
    }

    fn route(&self, _: &str, _: Arc<Context>, _: Arc<Pseudonyms>) -> Routed {
        let answer: Result<Decision, RuleFailure> = Err(self.wrong_kind(Kind::Route));
        Routed {
            answer,
            spent: Spent::default(),
        }
    }
}

impl Script {
    fn regex(&self, java: &str) -> Result<Arc<JavaRegex>, String> {
        let mut regexes = self.regexes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = regexes.get(java) {
            return known.clone();
        }
        let regex = JavaRegex::new(java).map(Arc::new);
        regexes.insert(java.to_owned(), regex.clone());
        regex
    }
}

/// What is wrong with a script, the first of it; nothing of it runs then.
pub fn check(text: &str) -> Result<(), SyntaxError> {
    parse(text).map(drop)
}

/// The lines of a script on which a statement starts.
pub fn lines(code: &str) -> BTreeSet<usize> {
    let mut lines = BTreeSet::new();
    if let Ok(statements) = parse(code) {
        add_lines(&statements, &mut lines);
    }
    lines
}

/// What a look at a script tells; none for one that does not parse.
pub(super) fn look(code: &str) -> Option<inspect::Look> {
    Some(inspect::inspect(&parse(code).ok()?))
}

/// A script's text, whole.
fn parse(text: &str) -> Result<Vec<Statement>, SyntaxError> {
    match source::version(text)? {
        Some(_) => parser::parse(text),
        None => Err(convert::refusal(text)),
    }
}

fn add_lines(statements: &[Statement], lines: &mut BTreeSet<usize>) {
    for statement in statements {
        match &statement.action {
            Action::Nothing => {}
            Action::Delete(matcher) => lines.extend(matcher.lines()),
            Action::If {
                branches,
                otherwise,
            } => {
                lines.insert(statement.position.line);
                let blocks = branches.iter().map(|(_, block)| block).chain([otherwise]);
                blocks.for_each(|block| add_lines(block, lines));
            }
            _ => _ = lines.insert(statement.position.line),
        }
    }
}
