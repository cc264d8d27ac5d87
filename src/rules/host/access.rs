//! What a manifest declares, compiled: the one place that grants.

/// The reads and writes that a module may do.
#[derive(Debug)]
pub struct Access;

impl Access {
    /// `writable` is false for label rules.
    /// Errors name the pattern that can't be parsed and its place in the list (`/reads/2`).
    pub fn new(_reads: &[String], _writes: &[String], _writable: bool) -> Result<Self, String> {
        unimplemented!()
    }
}
