//! What becomes of sessions that wait in the prearchive, at somebody's call or with an import that goes on to the
//! archive: they are archived, move to another project, or are read again.

mod archive;
mod at_archive;
mod move_to_project;
mod rebuild;
mod remake;

pub(super) use archive::Arrived;
pub use move_to_project::MoveTo;
