//! The rule engine over its public face: a rules folder on disk, a rule set pinned from it, and real
//! instances run through it. Rules in both languages, shipped ones included, and rules that misbehave.

mod conformance;
mod dataset;
mod dicomedit;
mod ps315_page;
mod registry;
mod rhai;
mod sandbox;
mod shipped;
mod support;
mod wasm;
