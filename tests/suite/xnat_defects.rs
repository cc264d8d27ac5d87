//! The tests that are named after defects of XNAT's inbox: by behaviour over HTTP and on disk, none is repeated.
//!
//! The numbers are those of the list that this program was written against. Of defect 5 and 6 the call's own
//! checks are in `refusals.rs`.

mod archives;
mod archiving;
mod requests;
mod sources;
