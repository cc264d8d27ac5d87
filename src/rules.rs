//! The rule engine: what a project's rule set is, and how it runs over an instance.

mod answer;
mod engine;
pub mod host;
pub mod pseudonym;

pub use answer::{Decision, Labels, Refusal, RuleFailure, Verdict};
pub use engine::{Engine, Ran};
