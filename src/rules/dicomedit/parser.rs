//! From tokens to the syntax tree. A script is parsed whole, or not at all; nesting is bounded.

mod action;
mod expression;
mod tokens;

use super::SyntaxError;
use super::lexer::{self, Lexeme, Token};
use super::source::{self, Source};
use super::syntax::{Action, Condition, Statement, TagPath};

/// Blocks, calls and lists in one another. Far more than anyone writes, far less than the stack holds.
const DEPTH: usize = 50;

const RESERVED: [&str; 11] = [
    "if",
    "elseif",
    "else",
    "describe",
    "hidden",
    "const",
    "immutable",
    "export",
    "echo",
    "removeAllPrivateTags",
    "version",
];

/// # Errors
/// The first place where the text is no DicomEdit 6, with what stands there and what may.
pub fn parse(script: &str) -> Result<Vec<Statement>, SyntaxError> {
    let source = Source::new(script);
    let mut parser = Parser {
        lexemes: lexer::lex(&source)?,
        at: 0,
        depth: 0,
    };
    let statements = parser.statements(false)?;
    Ok(join_deletes(statements))
}

/// A path alone, as strings hold them.
///
/// # Errors
/// What is wrong with it.
pub fn parse_path(text: &str) -> Result<TagPath, String> {
    let source = Source::new(text);
    let told = |error: SyntaxError| error.message;
    let mut parser = Parser {
        lexemes: lexer::lex(&source).map_err(told)?,
        at: 0,
        depth: 0,
    };
    let path = parser.path().map_err(told)?;
    parser.skip_lines();
    match parser.peek() {
        Token::End => Ok(path),
        _ => Err(parser.unexpected("the path's end").message),
    }
}

struct Parser {
    lexemes: Vec<Lexeme>,
    at: usize,
    depth: usize,
}

type Parsed<T> = Result<T, SyntaxError>;

impl Parser {
    /// Up to the end of the script, or of a block.
    fn statements(&mut self, in_block: bool) -> Parsed<Vec<Statement>> {
        let mut statements = Vec::new();
        loop {
            self.skip_lines();
            match self.peek() {
                Token::End if !in_block => return Ok(statements),
                Token::End => return Err(self.unexpected("`}`")),
                Token::Symbol("}") if in_block => {
                    self.advance();
                    return Ok(statements);
                }
                _ => statements.push(self.statement()?),
            }
        }
    }

    fn statement(&mut self) -> Parsed<Statement> {
        let position = self.position();
        let action = match self.peek().clone() {
            Token::Word(word) => match word.as_str() {
                "version" => self.version()?,
                "describe" => self.describe()?,
                "export" => self.export()?,
                "removeAllPrivateTags" => {
                    self.advance();
                    Action::RemoveAllPrivateTags
                }
                "if" => self.if_block()?,
                "elseif" | "else" => {
                    return Err(self.error(format!("`{word}` without an `if` block before it")));
                }
                _ => self.action_or_conditional()?,
            },
            _ => self.action_or_conditional()?,
        };
        self.after_statement(&action)?;
        Ok(Statement { position, action })
    }

    /// Two statements may stand on one line; what is left of a broken one is told as such.
    fn after_statement(&self, action: &Action) -> Parsed<()> {
        match self.peek() {
            Token::Word(word) if word == "else" && matches!(action, Action::If { .. }) => Err(self
                .error("`else if` is written `elseif`, and there is one `else`, at the end".into())),
            Token::NewLine | Token::End | Token::Word(_) | Token::Tag(_) => Ok(()),
            Token::Symbol("}" | "-" | "*" | "+" | ".") => Ok(()),
            Token::Symbol(":") => Err(self.error(
                "`:` stands only after `condition ? action`; DicomEdit 4's `condition : action` is written with `?`"
                    .into(),
            )),
            Token::Symbol("(") => Err(self.error(format!(
                "{} is no tag: write (gggg,eeee), or (gggg,{{CREATOR}}ee) for a private one",
                self.text()
            ))),
            _ => Err(self.unexpected("the end of the statement")),
        }
    }

    fn version(&mut self) -> Parsed<Action> {
        self.advance();
        let position = self.position();
        match self.next() {
            Token::Text(version) => source::check_version(&version)
                .map(|()| Action::Nothing)
                .map_err(|message| SyntaxError { position, message }),
            _ => Err(self.back_unexpected("a version in quotes, such as \"6.6\"")),
        }
    }

    fn describe(&mut self) -> Parsed<Action> {
        self.advance();
        self.name()?;
        match self.next() {
            Token::Text(_) => Ok(Action::Nothing),
            Token::Word(word) if ["hidden", "const", "immutable"].contains(&word.as_str()) => {
                Ok(Action::Nothing)
            }
            _ => Err(self.back_unexpected("a text, or `hidden`, `const` or `immutable`")),
        }
    }

    fn export(&mut self) -> Parsed<Action> {
        self.advance();
        self.name()?;
        match self.next() {
            Token::Text(_) => Ok(Action::Nothing),
            _ => Err(self.back_unexpected("a text")),
        }
    }

    fn if_block(&mut self) -> Parsed<Action> {
        let mut branches = Vec::new();
        let mut otherwise = Vec::new();
        self.advance();
        branches.push(self.branch()?);
        loop {
            let before = self.at;
            self.skip_lines();
            match self.peek() {
                Token::Word(word) if word == "elseif" => {
                    self.advance();
                    branches.push(self.branch()?);
                }
                Token::Word(word) if word == "else" => {
                    self.advance();
                    if *self.peek() == Token::Word("if".into()) {
                        return Err(self.error("`else if` is written `elseif`".into()));
                    }
                    otherwise = self.block()?;
                    break;
                }
                _ => {
                    self.at = before;
                    break;
                }
            }
        }
        Ok(Action::If {
            branches,
            otherwise,
        })
    }

    fn branch(&mut self) -> Parsed<(Condition, Vec<Statement>)> {
        self.expect("(", "`(` and a condition")?;
        let condition = self.condition()?;
        self.expect(")", "`)` after the condition (there are no `and` and `or`)")?;
        Ok((condition, self.block()?))
    }

    fn block(&mut self) -> Parsed<Vec<Statement>> {
        self.skip_lines();
        self.expect("{", "`{`: the braces of a block can't be left out")?;
        self.deeper(|parser| parser.statements(true))
            .map(join_deletes)
    }

    fn name(&mut self) -> Parsed<String> {
        match self.next() {
            Token::Word(word) if RESERVED.contains(&word.as_str()) => Err(self.back_error(
                format!("`{word}` is a word of the language, and no variable's name"),
            )),
            Token::Word(word) => Ok(word),
            _ => Err(self.back_unexpected("a variable's name")),
        }
    }
}

/// Deletions that follow each other are one: they don't depend on one another.
fn join_deletes(statements: Vec<Statement>) -> Vec<Statement> {
    let mut joined: Vec<Statement> = Vec::with_capacity(statements.len());
    for statement in statements {
        match (joined.last_mut().map(|last| &mut last.action), statement) {
            (
                Some(Action::Delete(before)),
                Statement {
                    action: Action::Delete(matcher),
                    ..
                },
            ) => before.join(*matcher),
            (_, statement) => joined.push(statement),
        }
    }
    joined
}

#[cfg(test)]
mod tests;
