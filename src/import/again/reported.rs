//! An import's report, read again: what is needed of it to do the import's work once more.

use super::super::Importer;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

#[derive(Debug, Deserialize)]
pub(super) struct Reported {
    pub sessions: Vec<ReportedSession>,
    pub files: Vec<ReportedFile>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ReportedSession {
    pub label: String,
    pub subject: String,
    #[serde(default)]
    pub identified: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ReportedFile {
    pub path: String,
    outcome: String,
    pub stored: Option<String>,
    pub session: Option<String>,
    pub header_in: Option<String>,
    pub header_out: Option<String>,
}

impl Importer {
    /// The labels under which a request found files stored already, each with its subject.
    pub fn found_stored(&self, request: i64) -> BTreeSet<(String, String)> {
        let Ok(report) = Reported::read(&self.reports(), request) else {
            return BTreeSet::new();
        };
        let files = report.files.iter().filter(|f| f.outcome == "duplicate");
        files
            .filter_map(|file| report.session(file))
            .map(|session| (session.label.clone(), session.subject.clone()))
            .collect()
    }
}

impl Reported {
    /// # Errors
    /// Why there is none to go by.
    pub fn read(folder: &Path, request: i64) -> Result<Self, String> {
        let text = fs::read(folder.join(format!("{request}.json")))
            .map_err(|e| format!("the request's report can't be read: {}", e.kind()))?;
        serde_json::from_slice(&text).map_err(|e| format!("the request's report is damaged: {e}"))
    }

    pub fn session(&self, file: &ReportedFile) -> Option<&ReportedSession> {
        let label = file.session.as_ref()?;
        self.sessions.iter().find(|s| s.label == *label)
    }
}

impl ReportedFile {
    pub fn is_kept(&self) -> bool {
        matches!(self.outcome.as_str(), "stored" | "quarantined")
    }
}
