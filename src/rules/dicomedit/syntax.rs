//! The syntax tree of a DicomEdit 6 script.

use super::functions::Function;
use super::matcher::Matcher;
use crate::dicom::path::Pattern;
use crate::rules::position::Position;
use std::sync::Arc;

/// A statement and where it starts.
#[derive(Debug, Clone)]
pub struct Statement {
    pub position: Position,
    pub action: Action,
}

#[derive(Debug, Clone)]
pub enum Action {
    /// `path := value`
    Assign(Arc<TagPath>, Expression),
    /// `path ?= value`
    AssignIfExists(Arc<TagPath>, Expression),
    /// `name := value`
    SetVariable(String, Expression),
    /// `- path`, and those that stand right after it: what deletes is done in one walk.
    Delete(Box<Matcher>),
    RemoveAllPrivateTags,
    Call(Call),
    Echo(Option<Expression>),
    /// Both forms of conditions; the first branch that holds runs.
    If {
        branches: Vec<(Condition, Vec<Statement>)>,
        otherwise: Vec<Statement>,
    },
    /// `version`, `describe`, `export`: nothing at import.
    Nothing,
}

#[derive(Debug, Clone)]
pub struct Expression {
    pub position: Position,
    pub kind: Kind,
}

#[derive(Debug, Clone)]
pub enum Kind {
    /// A string or a number, which is carried as its text.
    Text(Arc<str>),
    Variable(String),
    Path(Arc<TagPath>),
    Call(Call),
    List(Vec<Expression>),
}

#[derive(Debug, Clone)]
pub struct Call {
    pub position: Position,
    pub function: &'static Function,
    pub arguments: Vec<Expression>,
}

#[derive(Debug, Clone)]
pub enum Condition {
    Compare {
        left: Expression,
        operator: Operator,
        right: Expression,
    },
    Call(Call),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    Equal,
    NotEqual,
    Matches,
    MatchesNot,
}

/// A path or a pattern, as a script has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagPath {
    pub text: String,
    /// Without what stands in brackets behind its last step.
    pub pattern: Pattern,
    /// What stands there.
    pub end: End,
    /// Names one element, or one item: no wildcard of any kind, and an item's number at every sequence.
    pub is_singular: bool,
    /// The same path with a private element's whole number, as `set` and `delete` take them.
    pub is_direct: bool,
}

impl TagPath {
    /// Whether it ends in a private tag, which a script names by its creator.
    pub fn is_private(&self) -> bool {
        self.text.rsplit('/').next().unwrap_or("").contains('{')
    }
}

/// How a path ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Element,
    /// `[n]`
    Item(u32),
    /// `[%]`
    EveryItem,
}
