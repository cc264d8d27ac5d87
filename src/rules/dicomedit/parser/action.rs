//! Actions, and conditions with them: `path := value`, `- path`, `condition ? action : action`.

use super::{Parsed, Parser};
use crate::rules::dicomedit::SyntaxError;
use crate::rules::dicomedit::lexer::Token;
use crate::rules::dicomedit::matcher::{Matcher, check_kept};
use crate::rules::dicomedit::syntax::{Action, Condition, End, Kind, Operator, Statement};
use std::sync::Arc;

impl Parser {
    /// An action, or `condition ? action : action`.
    pub(super) fn action_or_conditional(&mut self) -> Parsed<Action> {
        let before = self.at;
        if let Some(action) = self.action()? {
            return Ok(action);
        }
        self.at = before;
        let condition = self.condition()?;
        self.expect("?", "`?` after the condition, or `:=` or `?=`")?;
        let then = self.branch_action()?;
        let otherwise = match self.peek() {
            Token::Symbol(":") => {
                self.advance();
                vec![self.branch_action()?]
            }
            _ => Vec::new(),
        };
        Ok(Action::If {
            branches: vec![(condition, vec![then])],
            otherwise,
        })
    }

    pub(super) fn branch_action(&mut self) -> Parsed<Statement> {
        let position = self.position();
        if let Token::Word(word) = self.peek()
            && [
                "removeAllPrivateTags",
                "describe",
                "export",
                "version",
                "if",
            ]
            .contains(&word.as_str())
        {
            return Err(self.error(format!(
                "`{word}` can't be a branch of `?`: write an `if` block"
            )));
        }
        match self.action()? {
            Some(action) => Ok(Statement { position, action }),
            None => Err(self.error(
                "a branch of `?` is an assignment, a deletion, a call or `echo`: for more, write an `if` block"
                    .into(),
            )),
        }
    }

    /// None: what stands here is a condition's left side.
    pub(super) fn action(&mut self) -> Parsed<Option<Action>> {
        let position = self.position();
        match self.peek().clone() {
            Token::Symbol("-") => {
                self.advance();
                let path = self.path()?;
                let matcher = Matcher::new([(position, &path)])
                    .map_err(|(position, message)| SyntaxError { position, message })?;
                Ok(Some(Action::Delete(Box::new(matcher))))
            }
            Token::Word(word) if word == "echo" => {
                self.advance();
                let ends = matches!(
                    self.peek(),
                    Token::NewLine | Token::End | Token::Symbol("}" | ":")
                );
                let value = match ends {
                    true => None,
                    false => Some(self.value()?),
                };
                Ok(Some(Action::Echo(value)))
            }
            Token::Word(word) => match self.after() {
                Token::Symbol(":=") => {
                    let name = self.name()?;
                    self.advance();
                    Ok(Some(Action::SetVariable(name, self.value()?)))
                }
                Token::Symbol("?=") => Err(self.error(format!(
                    "`?=` sets elements, and {word} is a variable: write `:=`"
                ))),
                Token::Symbol("[") => {
                    let call = self.call()?;
                    let compares =
                        matches!(self.peek(), Token::Symbol("=" | "!=" | "~" | "!~" | "?"));
                    Ok((!compares).then_some(Action::Call(call)))
                }
                _ => Ok(None),
            },
            Token::Tag(_) | Token::Symbol("*" | "+" | ".") => {
                let path = Arc::new(self.path()?);
                match self.peek() {
                    Token::Symbol(":=") => {
                        if !path.is_singular {
                            return Err(SyntaxError {
                                position,
                                message: format!(
                                    "`:=` sets one element, and {} may be several: name items by number, or write `?=`",
                                    path.text
                                ),
                            });
                        }
                        if path.end != End::Element {
                            return Err(SyntaxError {
                                position,
                                message: format!(
                                    "{} is an item, and no value can be set there: name an element in it",
                                    path.text
                                ),
                            });
                        }
                        check_kept(&path).map_err(|message| SyntaxError { position, message })?;
                        self.advance();
                        Ok(Some(Action::Assign(path, self.value()?)))
                    }
                    Token::Symbol("?=") => {
                        check_kept(&path).map_err(|message| SyntaxError { position, message })?;
                        self.advance();
                        Ok(Some(Action::AssignIfExists(path, self.value()?)))
                    }
                    _ => Ok(None),
                }
            }
            _ => Ok(None),
        }
    }

    pub(super) fn condition(&mut self) -> Parsed<Condition> {
        let left = self.value()?;
        let operator = match self.peek() {
            Token::Symbol("=") => Operator::Equal,
            Token::Symbol("!=") => Operator::NotEqual,
            Token::Symbol("~") => Operator::Matches,
            Token::Symbol("!~") => Operator::MatchesNot,
            _ => {
                return match left.kind {
                    Kind::Call(call) => Ok(Condition::Call(call)),
                    _ => {
                        Err(self.unexpected("`:=`, `?=`, or a comparison: `=`, `!=`, `~` or `!~`"))
                    }
                };
            }
        };
        self.advance();
        let right = self.value()?;
        Ok(Condition::Compare {
            left,
            operator,
            right,
        })
    }
}
