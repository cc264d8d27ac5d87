//! Values, calls, lists and tag paths.

use super::{Parsed, Parser};
use crate::rules::dicomedit::SyntaxError;
use crate::rules::dicomedit::lexer::Token;
use crate::rules::dicomedit::syntax::{Call, Expression, Kind, TagPath};
use crate::rules::dicomedit::{functions, path};
use crate::rules::document::did_you_mean;
use std::sync::Arc;

const BLANKS_IN_TAG: &str = "a tag is written (gggg,eeee), or (gggg,{CREATOR}ee) for a private one, without blanks behind `(` and before `)`";

impl Parser {
    /// What stands on the right side, in a condition, or among arguments.
    pub(super) fn value(&mut self) -> Parsed<Expression> {
        let position = self.position();
        let kind = match self.peek().clone() {
            Token::Text(text) | Token::Number(text) => {
                self.advance();
                Kind::Text(text.into())
            }
            Token::Word(_) if *self.after() == Token::Symbol("[") => Kind::Call(self.call()?),
            Token::Word(_) => Kind::Variable(self.name()?),
            Token::Tag(_) | Token::Symbol("*" | "+" | ".") => Kind::Path(Arc::new(self.path()?)),
            Token::Symbol("{") => Kind::List(self.list()?),
            Token::Symbol("(") => {
                return Err(self.error(format!(
                    "there are no parentheses around values, and {BLANKS_IN_TAG}"
                )));
            }
            _ => {
                return Err(
                    self.unexpected("a string, a number, a variable, a tag, a call or a list")
                );
            }
        };
        Ok(Expression { position, kind })
    }

    pub(super) fn call(&mut self) -> Parsed<Call> {
        let position = self.position();
        let Token::Word(name) = self.next() else {
            return Err(self.back_unexpected("a function's name"));
        };
        let function = functions::find(&name).ok_or_else(|| SyntaxError {
            position,
            message: format!(
                "there is no function {name}{}",
                did_you_mean(&name, functions::names())
            ),
        })?;
        self.expect("[", "`[` and the arguments")?;
        let arguments = self.deeper(|parser| parser.arguments())?;
        function
            .check_count(arguments.len())
            .map_err(|message| SyntaxError { position, message })?;
        Ok(Call {
            position,
            function,
            arguments,
        })
    }

    fn arguments(&mut self) -> Parsed<Vec<Expression>> {
        let mut arguments = Vec::new();
        if *self.peek() == Token::Symbol("]") {
            self.advance();
            return Ok(arguments);
        }
        loop {
            arguments.push(self.value()?);
            match self.next() {
                Token::Symbol(",") => {}
                Token::Symbol("]") => return Ok(arguments),
                _ => return Err(self.back_unexpected("`,` or `]`")),
            }
        }
    }

    /// Lines may end inside its braces.
    fn list(&mut self) -> Parsed<Vec<Expression>> {
        self.expect("{", "`{`")?;
        self.deeper(|parser| {
            let mut items = Vec::new();
            parser.skip_lines();
            if *parser.peek() == Token::Symbol("}") {
                parser.advance();
                return Ok(items);
            }
            loop {
                parser.skip_lines();
                items.push(parser.value()?);
                parser.skip_lines();
                match parser.next() {
                    Token::Symbol(",") => {}
                    Token::Symbol("}") => return Ok(items),
                    _ => return Err(parser.back_unexpected("`,` or `}`")),
                }
            }
        })
    }

    pub(super) fn path(&mut self) -> Parsed<TagPath> {
        let start = self.position();
        let mut steps = Vec::new();
        loop {
            let position = self.position();
            let mut step = match self.next() {
                Token::Tag(tag) => format!("({tag})"),
                Token::Symbol(level @ ("*" | "+" | ".")) => level.to_owned(),
                Token::Symbol("(") => {
                    return Err(self.back_error(BLANKS_IN_TAG.into()));
                }
                _ => return Err(self.back_unexpected("a tag, `*`, `+` or `.`")),
            };
            if step.starts_with('(') {
                path::check_tag(&step).map_err(|message| SyntaxError { position, message })?;
                if *self.peek() == Token::Symbol("[") {
                    self.advance();
                    let item = match self.next() {
                        Token::Number(number) if number.bytes().all(|b| b.is_ascii_digit()) => {
                            number
                        }
                        Token::Symbol("%") => "%".to_owned(),
                        _ => {
                            return Err(
                                self.back_unexpected("an item's number, counted from 0, or `%`")
                            );
                        }
                    };
                    self.expect("]", "`]`")?;
                    step = format!("{step}[{item}]");
                }
            }
            steps.push(step);
            match self.peek() {
                Token::Symbol("/") => self.advance(),
                _ => break,
            }
        }
        path::build(&steps).map_err(|message| SyntaxError {
            position: start,
            message,
        })
    }
}
