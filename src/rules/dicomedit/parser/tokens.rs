//! Going through the tokens, and errors about those that stand there.

use super::{DEPTH, Parsed, Parser};
use crate::rules::dicomedit::SyntaxError;
use crate::rules::dicomedit::lexer::{Lexeme, Token};
use crate::rules::position::Position;

impl Parser {
    pub(super) fn deeper<T>(&mut self, parse: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.depth == DEPTH {
            return Err(self.error(format!("nested more than {DEPTH} deep")));
        }
        self.depth += 1;
        let parsed = parse(self);
        self.depth -= 1;
        parsed
    }

    pub(super) fn skip_lines(&mut self) {
        while *self.peek() == Token::NewLine {
            self.advance();
        }
    }

    pub(super) fn expect(&mut self, symbol: &'static str, expected: &str) -> Parsed<()> {
        match self.peek() {
            Token::Symbol(found) if *found == symbol => {
                self.advance();
                Ok(())
            }
            _ => Err(self.unexpected(expected)),
        }
    }

    /// The last of the tokens is the end, and nothing goes past it.
    pub(super) fn lexeme(&self, at: usize) -> &Lexeme {
        &self.lexemes[at.min(self.lexemes.len() - 1)]
    }

    pub(super) fn peek(&self) -> &Token {
        &self.lexeme(self.at).token
    }

    pub(super) fn after(&self) -> &Token {
        &self.lexeme(self.at + 1).token
    }

    pub(super) fn advance(&mut self) {
        self.at += 1;
    }

    pub(super) fn next(&mut self) -> Token {
        let token = self.peek().clone();
        self.advance();
        token
    }

    pub(super) fn position(&self) -> Position {
        self.lexeme(self.at).position
    }

    pub(super) fn text(&self) -> &str {
        &self.lexeme(self.at).text
    }

    pub(super) fn error(&self, message: String) -> SyntaxError {
        SyntaxError {
            position: self.position(),
            message,
        }
    }

    pub(super) fn unexpected(&self, expected: &str) -> SyntaxError {
        self.error(format!("{} where {expected} was expected", self.text()))
    }

    /// About the token that [`Parser::next`] just took.
    pub(super) fn back_unexpected(&mut self, expected: &str) -> SyntaxError {
        self.at -= 1;
        self.unexpected(expected)
    }

    pub(super) fn back_error(&mut self, message: String) -> SyntaxError {
        self.at -= 1;
        self.error(message)
    }
}
