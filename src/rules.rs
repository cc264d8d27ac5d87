//! The rule engine: what a project's rule set is, and how it runs over an instance.
//!
//! A policy names modules, [`Registry`] reads and compiles them into a [`RuleSet`], which an import pins
//! ([`crate::rulebook`]) and runs: filter, label, anonymize, route. What a rule sees of the world, whatever its
//! engine, is [`host`]. It knows [`crate::dicom`] and nothing else of Sluice.

mod answer;
pub mod case;
mod chain;
pub mod check;
mod closure;
pub mod codes;
mod detail;
pub mod dicomedit;
mod document;
mod engine;
mod error;
mod filter;
mod folder;
mod hash;
pub mod host;
mod labels;
mod locate;
mod manifest;
mod meter;
mod module;
mod policy;
mod position;
pub mod pseudonym;
mod registry;
mod rhai;
mod rule_set;
mod run;
pub mod scaffold;
mod shipped;
mod step;
mod tables;
mod urls;
mod usage;
mod wasm;

pub use answer::{Decision, Labels, Part, Refusal, RuleFailure, Verdict};
pub use case::ModuleTests;
pub use chain::{Anonymized, Chain, StepEdits, StepTrace};
pub use detail::ModuleDetail;
pub use document::DocumentError;
pub use engine::{Engine, Ran, Routed};
pub use error::RuleSetError;
pub use folder::Files;
pub use labels::check as check_labels;
pub use manifest::{EngineKind, Kind, Limits, Manifest};
pub use module::{Module, ModuleSource, Origin};
pub use policy::{At, FileNames, LeakCheck, Overwrite, Policy, Scope};
pub use position::Position;
pub use registry::{Change, Draft, ModuleStatus, Registry};
pub use rule_set::{RuleSet, Shadow};
pub use run::Run;
pub use step::StepInfo;
pub use tables::{Table, Tables};
pub use urls::Urls;
pub use usage::{Call, Reached, Spent, observe};
