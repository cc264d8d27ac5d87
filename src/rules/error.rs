//! Why a rule set can't be made. Said to who writes policies and modules; how a rule fails while it
//! runs is [`super::RuleFailure`].

use super::document::DocumentError;
use super::position::Position;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RuleSetError {
    /// A policy, a manifest, a settings schema, or settings.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// The module's code; `position` is there where the engine knows it.
    #[error("{file}: {}{message}", position.as_ref().map(|at| format!("{at}: ")).unwrap_or_default())]
    Code {
        file: String,
        position: Option<Position>,
        message: String,
    },
    /// One of the module's own test cases; the message names values of the case.
    #[error("{file}: the module fails its own test: {message}")]
    Test { file: String, message: String },
    #[error("{file}: {message}")]
    Unreadable { file: String, message: String },
    /// A policy that was there, or the folder itself. Not there is not empty: what is missing may be a volume that
    /// is not mounted, or a file that is being saved.
    #[error("{file}: {message}")]
    Missing { file: String, message: String },
    #[error("{0:?} is no project ID: only A-Z, a-z, 0-9, _ and - are allowed, at most 64 of them")]
    ProjectId(String),
}

impl RuleSetError {
    /// What is missing, if something is.
    pub fn missing(&self) -> Option<&str> {
        match self {
            Self::Missing { file, .. } => Some(file),
            _ => None,
        }
    }

    /// A stable code, without any value: for logs and metrics.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Document(DocumentError::Syntax { .. }) => "rules-json-syntax",
            Self::Document(DocumentError::Content { .. }) => "rules-json-content",
            Self::Code { .. } => "rules-code",
            Self::Test { .. } => "rules-test",
            Self::Unreadable { .. } => "rules-unreadable",
            Self::Missing { .. } => "rules-missing",
            Self::ProjectId(_) => "rules-project-id",
        }
    }
}
