//! What a rule answers, and how a rule fails.

use super::position::Position;
use serde::Serialize;

/// An anonymize rule's answer for one instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Keep,
    /// The instance is not wanted: it is stored nowhere, its source stays.
    Reject(String),
    /// The instance goes through the rest of the chain, and its session is held for review.
    Quarantine(String),
}

/// A label rule's answer for one study.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Labels {
    pub subject: String,
    pub session: String,
    pub project: Option<String>,
    pub visit: Option<String>,
    pub scan: Option<String>,
    pub auto_archive: Option<bool>,
}

/// Where a session, or some of its series, goes. The text is the rule's reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    Prearchive(String),
    Archive(String),
    ArchiveOverwrite(String),
    Quarantine(String),
    Reject(String),
}

/// What a rule may be refused. The latched refusal fails the file, whatever the rule then answers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("reads {0}, which its manifest does not declare: add it to \"reads\"")]
    UndeclaredRead(String),
    #[error("writes {0}, which its manifest does not declare: add it to \"writes\"")]
    UndeclaredWrite(String),
    #[error("asks for what is no path: {0}")]
    BadPath(String),
}

/// Why a rule gave no answer. Fails closed: the file is stored nowhere, its source stays.
///
/// The text may hold what a rule wrote, and so a header value: it belongs in rights-checked answers,
/// never in a log. [`RuleFailure::code`] is safe anywhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RuleFailure {
    /// The rule answered an error, or threw one. `position` is in its script, where it is one.
    #[error("{module} failed{}: {message}", at(.position))]
    Error {
        module: String,
        position: Option<Position>,
        message: String,
    },
    /// The rule, or the host, broke: a trap, a wrong type of answer.
    #[error("{module} broke{}: {message}", at(.position))]
    Broke {
        module: String,
        position: Option<Position>,
        message: String,
    },
    /// Calls of calls, past what the stack holds.
    #[error("{module}{} nests its calls too deeply", at(.position))]
    TooDeep {
        module: String,
        position: Option<Position>,
    },
    #[error("{module} ran longer than its limit of {limit}")]
    TooLong { module: String, limit: String },
    #[error("{module} wanted more memory than its limit of {limit}")]
    TooLarge { module: String, limit: String },
    #[error("{module}{} {refusal}", at(.position))]
    Refused {
        module: String,
        position: Option<Position>,
        refusal: Refusal,
    },
}

impl RuleFailure {
    /// The name of the module that gave no answer.
    pub fn module(&self) -> &str {
        match self {
            Self::Error { module, .. }
            | Self::Broke { module, .. }
            | Self::TooDeep { module, .. }
            | Self::TooLong { module, .. }
            | Self::TooLarge { module, .. }
            | Self::Refused { module, .. } => module,
        }
    }

    /// A stable code, without any value: for logs, metrics and audit rows.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Error { .. } => "rule-error",
            Self::Broke { .. } => "rule-broke",
            Self::TooDeep { .. } => "rule-too-deep",
            Self::TooLong { .. } => "rule-too-long",
            Self::TooLarge { .. } => "rule-too-large",
            Self::Refused {
                refusal: Refusal::UndeclaredRead(_),
                ..
            } => "rule-undeclared-read",
            Self::Refused {
                refusal: Refusal::UndeclaredWrite(_),
                ..
            } => "rule-undeclared-write",
            Self::Refused {
                refusal: Refusal::BadPath(_),
                ..
            } => "rule-bad-path",
        }
    }
}

fn at(position: &Option<Position>) -> String {
    position
        .as_ref()
        .map(|p| format!(" at {p}"))
        .unwrap_or_default()
}
