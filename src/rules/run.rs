//! What rules see beside a file that is the same for all of them: the project, the call's parameters, when the
//! request was received, and the pseudonyms.

use super::answer::Labels;
use super::host::Context;
use super::pseudonym::Pseudonyms;
use chrono::{DateTime, Utc};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What is the same for all steps over one file. Per file only `file` changes.
#[derive(Clone)]
pub struct Run {
    pub project: String,
    pub parameters: Arc<BTreeMap<String, String>>,
    /// The file's path inside the session folder, `/` between its parts.
    pub file: String,
    /// When the request was received, `YYYYMMDDHHMMSS` in UTC.
    pub received: String,
    pub pseudonyms: Arc<Pseudonyms>,
}

impl Run {
    /// `key` is the project's pseudonym key. The file is to be named for each.
    pub fn new(
        project: String,
        key: &[u8],
        parameters: BTreeMap<String, String>,
        received: DateTime<Utc>,
    ) -> Self {
        Self {
            project,
            parameters: Arc::new(parameters),
            file: String::new(),
            received: received.format("%Y%m%d%H%M%S").to_string(),
            pseudonyms: Arc::new(Pseudonyms::new(key)),
        }
    }

    /// What a module with these settings sees beside the dataset. Its tables and hosts are the step's to add.
    pub fn context(&self, labels: Option<&Labels>, settings: Arc<str>) -> Context {
        Context {
            project: self.project.clone(),
            subject: labels.map(|labels| labels.subject.clone()),
            session: labels.map(|labels| labels.session.clone()),
            parameters: Arc::clone(&self.parameters),
            file: self.file.clone(),
            received: self.received.clone(),
            settings,
            tables: Arc::default(),
            urls: Arc::default(),
            record: true,
            needs_labels: false,
        }
    }
}
