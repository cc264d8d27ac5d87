//! The whole program as its users meet it: the built binary, a data folder, real HTTP, DICOM files on disk.
//!
//! Each test has a server of its own, started by `sluice serve` and stopped by SIGTERM, and looks at all
//! that an import leaves: the answers over REST, the report, the folders, the sources.

mod answer;
mod backup;
mod call;
mod cleanup;
mod damaged;
mod dicom;
mod done;
mod engines;
mod keys;
mod log;
mod outcomes;
mod policies;
mod prearchive;
mod refusals;
mod retention;
mod routes;
mod server;
mod sessions;
mod site;
mod startup;
mod status;
mod workers;
