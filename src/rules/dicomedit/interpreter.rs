//! Runs a script's statements over one file, top to bottom, each on what the one before left.

mod edit;
mod evaluate;

use super::Script;
use super::syntax::{Action, Statement};
use super::value::Value;
use crate::rules::host::{EditError, Host};
use crate::rules::manifest::Limits;
use crate::rules::meter::Meter;
use crate::rules::position::Position;
use crate::rules::urls::MOST_CALLS;
use crate::rules::usage::{Reached, Spent};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

/// Why a run ended before the script did.
#[derive(Debug)]
pub enum Stop {
    /// By `reject`.
    Rejected(Position),
    Failed(Position, String),
    TooLong(String),
    TooLarge,
}

pub type Step<T> = Result<T, Stop>;

/// One script over one file.
pub struct Run<'a> {
    pub host: &'a mut Host,
    pub script: &'a Script,
    /// Fresh for each file.
    variables: HashMap<String, Value>,
    /// The statement or call that is under way.
    pub at: Position,
    pub(super) instance_uid: String,
    pub(super) new_uids: u64,
    urls_asked: u32,
    limits: Limits,
    reached: Option<&'a Reached>,
    started: Instant,
    meter: Meter,
    steps: u64,
    memory: usize,
}

impl<'a> Run<'a> {
    pub fn new(
        host: &'a mut Host,
        script: &'a Script,
        limits: &Limits,
        reached: Option<&'a Reached>,
    ) -> Self {
        let (started, meter) = (Instant::now(), Meter::start());
        let context = Arc::clone(&host.context);
        let mut variables = HashMap::new();
        for (name, text) in context.parameters.iter() {
            variables.insert(name.to_ascii_lowercase(), Value::text(text.as_str()));
        }
        // XNAT's word for no project.
        let project = match context.project.as_str() {
            "" => "Unassigned",
            project => project,
        };
        variables.insert("project".to_owned(), Value::text(project));
        for (name, text) in [("subject", &context.subject), ("session", &context.session)] {
            match text {
                Some(text) => _ = variables.insert(name.to_owned(), Value::text(text.as_str())),
                // A parameter of the import call can't stand in for it.
                None => _ = variables.remove(name),
            }
        }
        Self {
            host,
            script,
            variables,
            at: Position {
                line: 1,
                column: None,
            },
            instance_uid: String::new(),
            new_uids: 0,
            urls_asked: 0,
            limits: *limits,
            reached,
            started,
            meter,
            steps: 0,
            memory: 0,
        }
    }

    /// The whole script.
    pub fn run(&mut self) -> Step<()> {
        self.instance_uid = self.host.uid_of_instance();
        let script = self.script;
        self.statements(&script.statements)
    }

    pub fn spent(&self) -> Spent {
        Spent {
            time: self.started.elapsed(),
            steps: self.steps,
            memory: self.memory,
        }
    }

    fn statements(&mut self, statements: &[Statement]) -> Step<()> {
        for statement in statements {
            self.at = statement.position;
            self.step()?;
            if let Some(reached) = self.reached {
                reached.line(statement.position.line);
            }
            self.statement(&statement.action)?;
        }
        Ok(())
    }

    fn statement(&mut self, action: &Action) -> Step<()> {
        match action {
            Action::Assign(path, value) => match self.text_of(value)? {
                Some(text) => self.assign(&path.pattern, &text, "set"),
                // An absent source leaves the target as it is.
                None => Ok(()),
            },
            Action::AssignIfExists(path, value) => {
                let at = self.at;
                let Some(text) = self.text_of(value)? else {
                    return Ok(());
                };
                let matcher = self.leaves(&[Arc::clone(path)])?;
                self.change_leaves(&matcher, "set", &mut |_, _| Ok(Some(text.to_string())), at)
            }
            Action::SetVariable(name, value) => {
                let value = match self.argument(value)? {
                    Value::Path(path) => Value::of(self.read(&path)?),
                    Value::Nothing => {
                        return Err(self.failed(format!("{name} is set to what answers nothing")));
                    }
                    value => value,
                };
                self.set_variable(name, value);
                Ok(())
            }
            Action::Delete(matcher) => {
                if let Some(reached) = self.reached {
                    matcher.lines().for_each(|line| reached.line(line));
                }
                self.delete(matcher)
            }
            Action::RemoveAllPrivateTags => {
                let removed = self.host.remove_private(&[]);
                self.edited(removed.map(drop))
            }
            Action::Call(call) => self.call(call).map(drop),
            Action::Echo(value) => {
                let text = match value {
                    Some(value) => self.text_of(value)?,
                    None => Some("".into()),
                };
                let text = text.map_or_else(|| "null".to_owned(), |text| text.to_string());
                self.host.echo(text);
                Ok(())
            }
            Action::If {
                branches,
                otherwise,
            } => {
                for (condition, statements) in branches {
                    if self.holds(condition)? {
                        return self.statements(statements);
                    }
                }
                self.statements(otherwise)
            }
            Action::Nothing => Ok(()),
        }
    }

    /// One step of what the limits count, and a look at the clock and the memory.
    pub(super) fn step(&mut self) -> Step<()> {
        self.steps += 1;
        if self.steps > self.limits.operations {
            return Err(Stop::TooLong(format!(
                "{} operations",
                self.limits.operations
            )));
        }
        if self.started.elapsed() > self.limits.deadline() {
            return Err(Stop::TooLong(format!("{} ms", self.limits.deadline_ms)));
        }
        self.memory = self.memory.max(self.meter.bytes());
        match self.meter.bytes() > self.limits.memory_bytes() {
            true => Err(Stop::TooLarge),
            false => Ok(()),
        }
    }

    /// The longest text that a function may make.
    pub(super) fn longest(&self) -> usize {
        self.limits.memory_bytes() / 8
    }

    pub(super) fn edited(&self, edited: Result<(), EditError>) -> Step<()> {
        edited.map_err(|error| self.failed(error.to_string()))
    }

    pub(super) fn done<T>(&self, done: Result<T, String>) -> Step<T> {
        done.map_err(|message| self.failed(message))
    }

    pub(super) fn failed(&self, message: String) -> Stop {
        Stop::Failed(self.at, message)
    }

    /// What a host answers. Waiting for it has a limit of its own, and does not count as the script's time.
    pub(super) fn asked(&mut self, url: &str) -> Result<String, Stop> {
        self.urls_asked += 1;
        if self.urls_asked > MOST_CALLS {
            return Err(self.failed(format!("getURL: more than {MOST_CALLS} calls for one file")));
        }
        let asked = Instant::now();
        let answer = self.host.context.urls.get(url);
        self.started += asked.elapsed();
        answer.map_err(|why| self.failed(why))
    }
}
