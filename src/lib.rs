//! Sluice: a rule-driven DICOM importer.
//!
//! A request is a path through gates: a REST call names a folder, the folder becomes instances, each
//! instance passes the project's rules, what passes becomes a session, and the session is committed,
//! whole and durable, to the prearchive or the archive. Each module imports only what stands below it:
//! `server` and `worker` over `import`, over `archive`, `rules`, `inbox`, `store` and `dicom`.

pub mod archive;
pub mod backup;
pub mod cli;
pub mod client;
pub mod config;
pub mod demo;
pub mod dicom;
pub mod failpoint;
pub mod file_system;
pub mod import;
pub mod inbox;
pub mod maintenance;
pub mod memory;
pub mod metrics;
pub mod password;
pub mod presence;
pub mod project;
pub mod rulebook;
pub mod rules;
pub mod sample;
pub mod server;
pub mod settings;
pub mod store;
pub mod webhook;
mod whole;
pub mod worker;
