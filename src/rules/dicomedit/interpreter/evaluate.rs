//! What expressions and conditions are worth: variables, contents of elements, comparisons.

use super::{Run, Step, Stop};
use crate::rules::dicomedit::regex::JavaRegex;
use crate::rules::dicomedit::syntax::{Condition, End, Expression, Kind, Operator, TagPath};
use crate::rules::dicomedit::value::Value;
use std::sync::Arc;

impl Run<'_> {
    pub(super) fn holds(&mut self, condition: &Condition) -> Step<bool> {
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
    pub(super) fn text_of(&mut self, expression: &Expression) -> Step<Option<Arc<str>>> {
        let value = self.argument(expression)?;
        if matches!(value, Value::Nothing) {
            return Err(self.failed("a value is asked for, and this answers nothing".to_owned()));
        }
        self.text(&value)
    }

    /// An expression as an argument: a path stays one.
    pub(in crate::rules::dicomedit) fn argument(&mut self, expression: &Expression) -> Step<Value> {
        match &expression.kind {
            Kind::Text(text) => Ok(Value::Text(Arc::clone(text))),
            Kind::Path(path) => Ok(Value::Path(Arc::clone(path))),
            Kind::Call(call) => self.call(call),
            Kind::Variable(name) => self.variable(name).ok_or_else(|| {
                let hint = match name.as_ref() {
                    label @ ("subject" | "session") if self.host.context.needs_labels => {
                        format!(": give --{label}")
                    }
                    _ => String::new(),
                };
                Stop::Failed(
                    expression.position,
                    format!("the variable {name} has no value{hint}"),
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
    pub(in crate::rules::dicomedit) fn text(&mut self, value: &Value) -> Step<Option<Arc<str>>> {
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

    pub(in crate::rules::dicomedit) fn read(&mut self, path: &TagPath) -> Step<Option<String>> {
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
    pub(super) fn variable(&self, name: &str) -> Option<Value> {
        let own = self.variables.get(&own(name));
        own.or_else(|| self.variables.get(&name.to_ascii_lowercase()))
            .cloned()
    }

    pub(super) fn set_variable(&mut self, name: &str, value: Value) {
        self.variables.insert(own(name), value);
    }

    /// Those that stand in the script are compiled once; those that come from a header are not kept.
    pub(in crate::rules::dicomedit) fn regex(
        &self,
        java: &str,
        is_literal: bool,
    ) -> Step<Arc<JavaRegex>> {
        let regex = match is_literal {
            true => self.script.regex(java),
            false => JavaRegex::new(java).map(Arc::new),
        };
        self.done(regex)
    }
}

/// Where a script's own variables stand beside the caller's keys, which are in lower case.
fn own(name: &str) -> String {
    format!("={name}")
}
