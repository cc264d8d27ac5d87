//! The whole program as its users meet it: the built binary, a data folder, real HTTP, DICOM files on disk.
//!
//! Each test has a server of its own, started by `sluice serve` and stopped by SIGTERM, and looks at all
//! that an import leaves: the answers over REST, the report, the folders, the sources.

mod answer;
mod archives;
mod at_archive;
mod backup;
mod browser;
mod call;
mod cancel;
mod cleanup;
mod cluster;
mod conflicts;
#[cfg(feature = "failpoints")]
mod crash;
mod damaged;
mod das;
mod database;
mod dicom;
mod disk;
mod done;
mod engines;
mod following;
mod idempotency;
mod keys;
mod kills;
mod listings;
mod lists;
mod log;
mod metrics;
mod moving;
mod outcomes;
mod overwrite;
mod page_rules;
mod permissions;
mod policies;
mod prearchive;
mod provenance;
mod quarantine;
mod refusals;
mod replay;
mod retention;
mod retry;
mod routes;
mod rule_apply;
mod rule_author;
mod rule_explain;
mod rules_live;
mod server;
mod services;
mod sessions;
mod settling;
mod shadow;
mod ships;
mod site;
mod snapshot;
mod startup;
mod status;
mod target;
mod uploads;
mod verify;
mod webhooks;
mod workers;
mod xnat_config;
mod xnat_defects;
