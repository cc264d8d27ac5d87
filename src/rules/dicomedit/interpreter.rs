//! Runs a script's statements over one file, top to bottom, each on what the one before left.

use super::Script;
use super::matcher::Matcher;
use super::regex::JavaRegex;
use super::syntax::{Action, Condition, End, Expression, Kind, Operator, Statement, TagPath};
use super::url::MOST_CALLS;
use super::value::Value;
use crate::dicom::edit::{Change, Reach, Wanted};
use crate::dicom::path::Pattern;
use crate::rules::host::{EditError, Host};
use crate::rules::manifest::Limits;
use crate::rules::meter::Meter;
use crate::rules::position::Position;
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

    fn holds(&mut self, condition: &Condition) -> Step<bool> {
        let (left, operator, right) = match condition {
            Condition::Call(call) => {
                return match self.call(call)? {
                    Value::Truth(truth) => Ok(truth),
                    Value::Text(text) => Ok(text.eq_ignore_ascii_case("true")),
                    _ => Err(self.failed(format!(
                        "{} answers neither true nor false",
                        call.function.name
                    ))),
                };
            }
            Condition::Compare {
                left,
                operator,
                right,
            } => (left, *operator, right),
        };
        let found = self.text_of(left)?;
        let wanted = self.text_of(right)?;
        Ok(match operator {
            Operator::Equal => found.is_some() && found == wanted,
            Operator::NotEqual => found.is_none() || found != wanted,
            Operator::Matches | Operator::MatchesNot => {
                let is_literal = matches!(right.kind, Kind::Text(_));
                let Some(wanted) = wanted else {
                    return Err(self.failed("the regular expression is absent".to_owned()));
                };
                let regex = self.regex(&wanted, is_literal)?;
                let matches = match found {
                    Some(found) => self.done(regex.is_match(&found))?,
                    None => false,
                };
                matches == (operator == Operator::Matches)
            }
        })
    }

    /// An expression as a value: what a path leads to is read.
    fn text_of(&mut self, expression: &Expression) -> Step<Option<Arc<str>>> {
        let value = self.argument(expression)?;
        if matches!(value, Value::Nothing) {
            return Err(self.failed("a value is asked for, and this answers nothing".to_owned()));
        }
        self.text(&value)
    }

    /// An expression as an argument: a path stays one.
    pub(super) fn argument(&mut self, expression: &Expression) -> Step<Value> {
        match &expression.kind {
            Kind::Text(text) => Ok(Value::Text(Arc::clone(text))),
            Kind::Path(path) => Ok(Value::Path(Arc::clone(path))),
            Kind::Call(call) => self.call(call),
            Kind::Variable(name) => self.variable(name).ok_or_else(|| {
                Stop::Failed(
                    expression.position,
                    format!("the variable {name} has no value"),
                )
            }),
            Kind::List(items) => {
                let items: Vec<Value> = items
                    .iter()
                    .map(|item| self.argument(item))
                    .collect::<Step<_>>()?;
                Ok(Value::List(items.into()))
            }
        }
    }

    /// A value as text; what a path leads to is read.
    pub(super) fn text(&mut self, value: &Value) -> Step<Option<Arc<str>>> {
        match value {
            Value::Null | Value::Nothing => Ok(None),
            Value::Text(text) => Ok(Some(Arc::clone(text))),
            Value::Truth(truth) => Ok(Some(if *truth { "true" } else { "false" }.into())),
            Value::Path(path) => Ok(self.read(path)?.map(Into::into)),
            Value::List(_) => {
                Err(self.failed("a list stands where a text is asked for".to_owned()))
            }
        }
    }

    pub(super) fn read(&mut self, path: &TagPath) -> Step<Option<String>> {
        if !path.is_singular {
            return Err(self.failed(format!(
                "{} may be several elements, and one is to be read: name items by number",
                path.text
            )));
        }
        Ok(match path.end {
            End::Element => self.host.content(&path.pattern),
            End::Item(_) | End::EveryItem => None,
        })
    }

    /// The caller's keys are found whatever the case; a script's own names as they are written.
    fn variable(&self, name: &str) -> Option<Value> {
        let own = self.variables.get(&own(name));
        own.or_else(|| self.variables.get(&name.to_ascii_lowercase()))
            .cloned()
    }

    fn set_variable(&mut self, name: &str, value: Value) {
        self.variables.insert(own(name), value);
    }

    pub(super) fn assign(&mut self, path: &Pattern, text: &str, action: &'static str) -> Step<()> {
        self.host.set_position(Some(self.at));
        let assigned = self.host.assign(path, text, action);
        self.edited(assigned)
    }

    /// Removes all that is asked for, but the creators of private blocks.
    pub(super) fn delete(&mut self, matcher: &Matcher) -> Step<()> {
        self.remove(matcher, false)
    }

    pub(super) fn remove(&mut self, matcher: &Matcher, with_creators: bool) -> Step<()> {
        let wanted = |tag| matcher.may_end_in(tag);
        let removed = self.host.change(
            reach(matcher, &wanted),
            matcher.in_meta(),
            &mut |location, element, _| {
                let is_creator = element.is_private() && element.tag.element() <= 0xFF;
                match matcher.find(location) {
                    Some(at) if with_creators || !is_creator => {
                        (Change::Remove, "remove", Some(at))
                    }
                    _ => (Change::Keep, "", None),
                }
            },
        );
        self.edited(removed.map(drop))
    }

    /// Gives each leaf that matches exactly, creators left out, the text that `map` makes of its own.
    pub(super) fn change_leaves(
        &mut self,
        matcher: &Matcher,
        action: &'static str,
        map: &mut dyn FnMut(Option<String>, crate::dicom::VR) -> Result<Option<String>, String>,
        at: Position,
    ) -> Step<()> {
        let mut wrong = None;
        let wanted = |tag| matcher.may_end_in(tag);
        let changed = self.host.change(
            reach(matcher, &wanted),
            matcher.in_meta(),
            &mut |location, element, scope| {
                let kept = (Change::Keep, "", None);
                let is_creator = element.is_private() && element.tag.element() <= 0xFF;
                let is_leaf = element.sequence().is_none();
                if wrong.is_some() || is_creator || !is_leaf || matcher.find(location).is_none() {
                    return kept;
                }
                let vr = crate::dicom::value::known_vr(element.tag, element.vr);
                match map(crate::rules::host::content(element, scope), vr) {
                    Ok(Some(text)) => (Change::AsGiven(text), action, Some(at)),
                    Ok(None) => kept,
                    Err(message) => {
                        wrong = Some(message);
                        kept
                    }
                }
            },
        );
        self.edited(changed.map(drop))?;
        match wrong {
            Some(message) => Err(self.failed(message)),
            None => Ok(()),
        }
    }

    pub(super) fn matcher<'p>(
        &self,
        paths: impl IntoIterator<Item = &'p TagPath>,
    ) -> Step<Matcher> {
        let at = self.at;
        Matcher::new(paths.into_iter().map(|path| (at, path)))
            .map_err(|(at, message)| Stop::Failed(at, message))
    }

    /// Those that stand in the script are compiled once; those that come from a header are not kept.
    pub(super) fn regex(&self, java: &str, is_literal: bool) -> Step<Arc<JavaRegex>> {
        let regex = match is_literal {
            true => self.script.regex(java),
            false => JavaRegex::new(java).map(Arc::new),
        };
        self.done(regex)
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

/// Where a script's own variables stand beside the caller's keys, which are in lower case.
fn own(name: &str) -> String {
    format!("={name}")
}

fn reach<'r>(matcher: &Matcher, wanted: &'r dyn Fn(crate::dicom::Tag) -> bool) -> Reach<'r> {
    match matcher.is_top() {
        true => Reach::Top(Wanted::Those(wanted)),
        false => Reach::Anywhere(Wanted::Those(wanted)),
    }
}
