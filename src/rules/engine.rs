//! The trait that each rule engine implements: one compiled module, run on one instance.

use super::answer::{Decision, Labels, RuleFailure, Verdict};
use super::host::{Context, Host};
use super::position::Position;
use super::pseudonym::Pseudonyms;
use super::usage::Spent;
use std::sync::Arc;

/// Why code does not compile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompileError {
    pub position: Option<Position>,
    pub message: String,
}

/// What comes back from a run: the host with the (perhaps edited) instance, and the answer.
pub struct Ran<T> {
    pub host: Host,
    pub answer: Result<T, RuleFailure>,
    pub spent: Spent,
}

/// The same for a route rule, which has no dataset.
pub struct Routed {
    pub answer: Result<Decision, RuleFailure>,
    pub spent: Spent,
}

/// A compiled module: runs any number of times, on any thread, each time on a fresh instance of the
/// module, so that nothing passes from one patient to the next.
///
/// A module is of one kind; calling another kind's method answers [`RuleFailure::Broke`].
/// Latched refusals are turned into failures by the caller ([`super::Module::run`]), not here.
pub trait Engine: Send + Sync {
    fn label(&self, host: Host) -> Ran<Labels>;
    fn anonymize(&self, host: Host) -> Ran<Verdict>;
    /// `summary` is JSON, see `schemas/session-summary.schema.json`.
    fn route(&self, summary: &str, context: Arc<Context>, pseudonyms: Arc<Pseudonyms>) -> Routed;
}
