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
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, schemars::JsonSchema)]
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
    /// Each series to a part of its own, which is settled as a session by itself.
    Split(Vec<Part>),
}

/// Some of a session's series, and where they go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Their Series Instance UIDs, as the summary has them.
    pub series: Vec<String>,
    /// The label of the session that they become; none: the session's own.
    pub session: Option<String>,
    /// Never a split.
    pub decision: Decision,
}

impl Decision {
    /// As cases and reports write it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Prearchive(_) => "prearchive",
            Self::Archive(_) => "archive",
            Self::ArchiveOverwrite(_) => "archive-overwrite",
            Self::Quarantine(_) => "quarantine",
            Self::Reject(_) => "reject",
            Self::Split(_) => "split",
        }
    }

    /// The rule's own words.
    pub fn reason(&self) -> String {
        match self {
            Self::Prearchive(why)
            | Self::Archive(why)
            | Self::ArchiveOverwrite(why)
            | Self::Quarantine(why)
            | Self::Reject(why) => why.clone(),
            Self::Split(parts) => {
                let told = parts.iter().map(|part| {
                    let label = part
                        .session
                        .as_deref()
                        .map_or(String::new(), |l| format!(" as {l}"));
                    let (count, decision) = (part.series.len(), &part.decision);
                    format!(
                        "{count} series{label}: {}, {}",
                        decision.name(),
                        decision.reason()
                    )
                });
                told.collect::<Vec<_>>().join("; ")
            }
        }
    }

    /// Whether all of the session is to be archived now.
    pub fn archives(&self) -> bool {
        match self {
            Self::Archive(_) | Self::ArchiveOverwrite(_) => true,
            Self::Split(parts) => parts.iter().all(|part| part.decision.archives()),
            _ => false,
        }
    }
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
    /// Only where the rule fails by it, or keeps the file nevertheless.
    #[error("could not make a region black: {0}")]
    NotRedactable(String),
    /// Something was to be done at any depth, and this element was left as it was.
    #[error(
        "can't look into {0}, which is a sequence by the dictionary, but its value can't be read as one: remove or \
         blank it first"
    )]
    ClosedSequence(String),
}

/// What a rule answers, as far as it matters to a refusal.
pub trait Answer {
    /// Whether the instance goes on as if nothing had been refused.
    fn keeps(&self) -> bool;

    /// Whether the instance may be stored anywhere, be it for review.
    fn stores(&self) -> bool;
}

impl Answer for Verdict {
    fn keeps(&self) -> bool {
        matches!(self, Self::Keep)
    }

    fn stores(&self) -> bool {
        !matches!(self, Self::Reject(_))
    }
}

impl Answer for Labels {
    fn keeps(&self) -> bool {
        true
    }

    fn stores(&self) -> bool {
        true
    }
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
            Self::Refused {
                refusal: Refusal::NotRedactable(_),
                ..
            } => "rule-not-redactable",
            Self::Refused {
                refusal: Refusal::ClosedSequence(_),
                ..
            } => "rule-closed-sequence",
        }
    }
}

fn at(position: &Option<Position>) -> String {
    position
        .as_ref()
        .map(|p| format!(" at {p}"))
        .unwrap_or_default()
}
