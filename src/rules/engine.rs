//! The trait that each rule engine implements: one compiled module, run on one instance.

use super::answer::{Decision, Labels, RuleFailure, Verdict};
use super::host::{Context, Host};
use super::pseudonym::Pseudonyms;
use std::sync::Arc;

/// What comes back from a run: the host with the (perhaps edited) instance, and the answer.
pub struct Ran<T> {
    pub host: Host,
    pub answer: Result<T, RuleFailure>,
}

/// A compiled module: runs any number of times, on any thread, each time on a fresh instance of the
/// module, so that nothing passes from one patient to the next.
///
/// A module is of one kind; calling another kind's method answers [`RuleFailure::Broke`].
/// Latched refusals are turned into failures by the caller ([`super::RuleSet`]), not here.
pub trait Engine: Send + Sync {
    fn label(&self, host: Host) -> Ran<Labels>;
    fn anonymize(&self, host: Host) -> Ran<Verdict>;
    /// `summary` is JSON, see `schemas/session-summary.schema.json`.
    fn route(
        &self,
        summary: &str,
        context: Arc<Context>,
        pseudonyms: Arc<Pseudonyms>,
    ) -> Result<Decision, RuleFailure>;
}
