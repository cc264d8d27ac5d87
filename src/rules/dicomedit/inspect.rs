//! A script looked at without running it: which elements it names, what fails wherever it comes to it, and what
//! never does anything. What only a file can tell is not guessed.

mod calls;
mod reach;

use super::path::direct;
use super::regex::JavaRegex;
use super::syntax::{Action, Condition, Expression, Kind, Operator, Statement, TagPath};
use crate::dicom::dictionary;
use crate::rules::document::did_you_mean;
use crate::rules::position::Position;
use std::collections::{BTreeMap, BTreeSet};

/// What XNAT sets, and Sluice too.
const CONTEXT: [&str; 3] = ["project", "subject", "session"];

/// What a look at a script tells.
#[derive(Debug, Default)]
pub struct Look {
    pub named: Vec<Named>,
    pub problems: Vec<Problem>,
}

/// A path that stands in the script, as `crate::dicom::path` writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    pub path: String,
    pub access: Access,
    pub position: Position,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    Read,
    Write,
    /// Kept from removal.
    Keep,
}

/// Something that is wrong, or looks it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub position: Position,
    /// Whether a file fails that comes to this place.
    pub is_error: bool,
    pub message: String,
}

/// A script that parsed.
pub fn inspect(statements: &[Statement]) -> Look {
    let mut looking = Looking::default();
    looking.statements(statements);
    looking.variables();
    reach::unreachable(statements, &mut looking.look.problems);
    looking
        .look
        .problems
        .sort_by_key(|problem| problem.position);
    looking.look
}

#[derive(Debug, Default)]
struct Looking {
    look: Look,
    /// Where each is set for the first time.
    set: BTreeMap<String, Position>,
    used: BTreeSet<String>,
    /// Uses of what was not set by then.
    unset: Vec<(String, Position)>,
}

impl Looking {
    fn statements(&mut self, statements: &[Statement]) {
        for statement in statements {
            self.statement(statement);
        }
    }

    fn statement(&mut self, statement: &Statement) {
        let position = statement.position;
        match &statement.action {
            Action::Assign(path, value) | Action::AssignIfExists(path, value) => {
                self.value(value);
                self.name(path, Access::Write, position);
            }
            Action::SetVariable(name, value) => {
                self.value(value);
                if let Some(tag) = dictionary::tag_of(name) {
                    self.warning(
                        position,
                        format!("{name} is a variable here, and no element: that is written {tag}"),
                    );
                }
                self.set.entry(name.clone()).or_insert(position);
            }
            Action::Delete(matcher) => {
                for (position, pattern) in matcher.patterns() {
                    self.look.named.push(Named {
                        path: pattern.to_string(),
                        access: Access::Write,
                        position: *position,
                    });
                }
            }
            Action::Call(call) => self.call(call),
            Action::Echo(value) => value.iter().for_each(|value| self.value(value)),
            Action::If {
                branches,
                otherwise,
            } => {
                for (condition, block) in branches {
                    self.condition(condition);
                    self.statements(block);
                }
                self.statements(otherwise);
            }
            Action::RemoveAllPrivateTags | Action::Nothing => {}
        }
    }

    fn condition(&mut self, condition: &Condition) {
        match condition {
            Condition::Call(call) => self.call(call),
            Condition::Compare {
                left,
                operator,
                right,
            } => {
                self.value(left);
                self.value(right);
                if matches!(operator, Operator::Matches | Operator::MatchesNot) {
                    self.regex(right);
                }
            }
        }
    }

    /// What is read, where a path stands for what it leads to.
    fn value(&mut self, expression: &Expression) {
        match &expression.kind {
            Kind::Path(path) => self.read(path, expression.position),
            _ => self.argument(expression),
        }
    }

    /// A path here is only named.
    fn argument(&mut self, expression: &Expression) {
        match &expression.kind {
            Kind::Text(_) | Kind::Path(_) => {}
            Kind::Variable(name) => self.variable(name, expression.position),
            Kind::Call(call) => self.call(call),
            Kind::List(items) => items.iter().for_each(|item| self.argument(item)),
        }
    }

    fn read(&mut self, path: &TagPath, position: Position) {
        match path.is_singular {
            true => self.name(path, Access::Read, position),
            false => self.error(
                position,
                format!(
                    "{} may be several elements, and one is to be read: name items by number",
                    path.text
                ),
            ),
        }
    }

    fn name(&mut self, path: &TagPath, access: Access, position: Position) {
        self.look.named.push(Named {
            path: path.pattern.to_string(),
            access,
            position,
        });
    }

    fn variable(&mut self, name: &str, position: Position) {
        self.used.insert(name.to_owned());
        if !self.set.contains_key(name) && !is_of_context(name) {
            self.unset.push((name.to_owned(), position));
        }
    }

    /// What is used and not set, and what is set and not used.
    fn variables(&mut self) {
        for (name, position) in std::mem::take(&mut self.unset) {
            let message = match (self.set.get(&name), dictionary::tag_of(&name)) {
                (Some(set), _) => format!(
                    "the variable {name} is used before it is set, in line {}",
                    set.line
                ),
                (None, Some(tag)) => {
                    format!("{name} is a variable here, and no element: that is written {tag}")
                }
                (None, None) => {
                    let known = self.set.keys().map(String::as_str).chain(CONTEXT);
                    format!(
                        "the variable {name} is never set: it has a value only where the import call has such a parameter{}",
                        did_you_mean(&name, known)
                    )
                }
            };
            self.warning(position, message);
        }
        for (name, position) in std::mem::take(&mut self.set) {
            if !self.used.contains(&name) && dictionary::tag_of(&name).is_none() {
                self.warning(
                    position,
                    format!("the variable {name} is set, and never used"),
                );
            }
        }
    }

    fn regex(&mut self, expression: &Expression) {
        if let Kind::Text(text) = &expression.kind
            && let Err(message) = JavaRegex::new(text)
        {
            self.error(expression.position, message);
        }
    }

    fn direct(&mut self, expression: &Expression) {
        if let Kind::Text(text) = &expression.kind {
            match direct(text) {
                Ok(path) => self.name(&path, Access::Write, expression.position),
                Err(message) => self.error(expression.position, message),
            }
        }
    }

    fn error(&mut self, position: Position, message: String) {
        self.look.problems.push(Problem {
            position,
            is_error: true,
            message,
        });
    }

    fn warning(&mut self, position: Position, message: String) {
        self.look.problems.push(Problem {
            position,
            is_error: false,
            message,
        });
    }
}

/// The caller's keys are found whatever the case.
fn is_of_context(name: &str) -> bool {
    CONTEXT.contains(&name.to_ascii_lowercase().as_str())
}

#[cfg(test)]
mod tests;
