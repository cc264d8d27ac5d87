//! A look at modules and policies before they run: everything that is wrong with them, each with its
//! place and, where one is near, what may have been meant. Nothing is run but what compiling runs.

mod candidate;
mod folder;
mod module;
mod own_name;
mod script;

use super::document::DocumentError;
use super::error::RuleSetError;
use super::locate::locate;
use super::position::Position;
use serde::Serialize;
use std::path::{Path, PathBuf};

pub use candidate::Candidate;
pub use folder::folder;
pub use module::{loose, module};

/// Something that is wrong, or looks it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Finding {
    pub severity: Severity,
    pub file: PathBuf,
    #[serde(flatten)]
    pub position: Option<Position>,
    pub message: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The module, or the policy, can't be used, or fails where it comes to this place.
    Error,
    Warning,
}

impl std::fmt::Display for Finding {
    /// As compilers write it, so that editors find the place.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:", self.file.display())?;
        if let Some(Position { line, column }) = self.position {
            write!(f, "{line}:")?;
            if let Some(column) = column {
                write!(f, "{column}:")?;
            }
        }
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(f, " {severity}: {}", self.message)
    }
}

impl Finding {
    fn error(file: &Path, position: Option<Position>, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            file: file.to_owned(),
            position,
            message: message.into(),
        }
    }

    fn warning(file: &Path, position: Option<Position>, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(file, position, message)
        }
    }

    /// `file` is where the document is, whatever the error calls it.
    fn of_document(file: &Path, text: &[u8], error: &DocumentError) -> Self {
        match error {
            DocumentError::Syntax {
                line,
                column,
                message,
                ..
            } => {
                let position = Position {
                    line: *line,
                    column: Some(*column),
                };
                Self::error(file, Some(position), format!("is no JSON: {message}"))
            }
            DocumentError::Content {
                pointer, message, ..
            } => Self::error(
                file,
                Some(locate(text, pointer)),
                format!("{pointer}: {message}"),
            ),
        }
    }

    /// `real` answers where the file is that an error names.
    fn of(error: &RuleSetError, real: impl Fn(&str) -> PathBuf) -> Self {
        match error {
            RuleSetError::Document(document) => {
                let (DocumentError::Syntax { file, .. } | DocumentError::Content { file, .. }) =
                    document;
                let file = real(file);
                let text = std::fs::read(&file).unwrap_or_default();
                Self::of_document(&file, &text, document)
            }
            RuleSetError::Code {
                file,
                position,
                message,
            } => Self::error(&real(file), *position, message),
            RuleSetError::Test { file, message } => {
                let message = format!("the module fails its own test: {message}");
                Self::error(&real(file), None, message)
            }
            RuleSetError::Unreadable { file, message }
            | RuleSetError::Missing { file, message } => Self::error(&real(file), None, message),
            RuleSetError::ProjectId(id) => Self::error(&real(id), None, error.to_string()),
        }
    }
}
