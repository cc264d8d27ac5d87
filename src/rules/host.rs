//! The one view that a rule has of the world, whatever its engine: the dataset within what the
//! manifest declares, pseudonyms, and the context. Engines are thin adapters of [`Host`].

mod access;

use super::answer::Refusal;
use super::pseudonym::Pseudonyms;
use crate::dicom::Instance;
pub use access::Access;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What is known beside the dataset.
#[derive(Debug, Clone, Default)]
pub struct Context {
    pub project: String,
    /// None in a label rule.
    pub subject: Option<String>,
    /// None in a label rule.
    pub session: Option<String>,
    /// The import call's parameters, by their names there.
    pub parameters: Arc<BTreeMap<String, String>>,
    /// The file's path inside the session folder, `/` between its parts.
    pub file: String,
    /// When the request was received, `YYYYMMDDHHMMSS` in UTC.
    pub received: String,
    /// The policy's settings for this module: JSON, already validated.
    pub settings: Arc<str>,
}

/// Why an edit was not made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    #[error("bad path: {0}")]
    BadPath(String),
    #[error("bad value: {0}")]
    BadValue(String),
    #[error("undeclared: {0}")]
    Undeclared(String),
    #[error("protected: {0}")]
    Protected(String),
}

/// What [`Host::apply`] does to the elements that a pattern matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    Remove,
    Blank,
    Set(String),
    Uid,
    Dummy,
    ShiftDate(i32),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    pub pattern: String,
    pub action: Action,
}

/// One run's view: owns the instance while the rule runs, and gives it back.
pub struct Host {
    instance: Instance,
    pub context: Arc<Context>,
    pub pseudonyms: Arc<Pseudonyms>,
}

impl Host {
    pub fn get(&mut self, _path: &str) -> Option<String> {
        unimplemented!()
    }
    pub fn values(&mut self, _path: &str) -> Vec<String> {
        unimplemented!()
    }
    pub fn vr(&mut self, _path: &str) -> Option<String> {
        unimplemented!()
    }
    pub fn exists(&mut self, _path: &str) -> bool {
        unimplemented!()
    }
    pub fn find(&mut self, _pattern: &str) -> Vec<String> {
        unimplemented!()
    }
    pub fn set(&mut self, _path: &str, _value: &str) -> Result<(), EditError> {
        unimplemented!()
    }
    pub fn blank(&mut self, _pattern: &str) -> Result<u32, EditError> {
        unimplemented!()
    }
    pub fn remove(&mut self, _pattern: &str) -> Result<u32, EditError> {
        unimplemented!()
    }
    pub fn remove_private(&mut self, _keep: &[String]) -> Result<u32, EditError> {
        unimplemented!()
    }
    pub fn apply(&mut self, _edits: &[Edit]) -> Result<u32, EditError> {
        unimplemented!()
    }
    /// The first refusal, latched.
    pub fn refusal(&self) -> Option<&Refusal> {
        unimplemented!()
    }
    pub fn new(
        _instance: Instance,
        _access: Arc<Access>,
        _context: Arc<Context>,
        _pseudonyms: Arc<Pseudonyms>,
    ) -> Self {
        unimplemented!()
    }
    pub fn into_instance(self) -> Instance {
        self.instance
    }
}
