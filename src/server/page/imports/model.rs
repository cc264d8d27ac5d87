//! An import as the REST interface shows it, and what the views say of it.

use std::collections::BTreeMap;

use maud::{Markup, html};
use serde::Deserialize;

use crate::store::Counts;

use super::super::super::address::address;
use super::super::parts::{self, Tone};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Import {
    pub id: i64,
    pub status: String,
    pub username: String,
    pub parameters: BTreeMap<String, String>,
    pub session_path: String,
    pub created: i64,
    pub cleanup_after_import: bool,
    pub resolution: Option<String>,
    pub project: String,
    pub counts: Counts,
    pub bytes: u64,
    pub waiting: Option<String>,
    pub started: Option<i64>,
    pub finished: Option<i64>,
    pub rule_set: Option<String>,
    pub cancel_asked: Option<i64>,
    pub retry_of: Option<i64>,
    pub retried_as: Option<i64>,
    pub sessions: Vec<ImportedSession>,
}

#[derive(Deserialize)]
pub struct ImportedSession {
    pub subject: String,
    pub label: String,
    pub uri: String,
    pub status: String,
}

impl Import {
    pub fn has_ended(&self) -> bool {
        matches!(self.status.as_str(), "Completed" | "Failed")
    }

    pub fn tone(&self) -> Tone {
        match self.status.as_str() {
            "Completed" if self.failed_some() => Tone::Warn,
            "Completed" => Tone::Good,
            "Failed" => Tone::Bad,
            "Queued" => Tone::Plain,
            _ => Tone::Busy,
        }
    }

    /// Whether a file did not go where it was to go, though its import has ended well.
    pub fn failed_some(&self) -> bool {
        let counts = &self.counts;
        let missing = counts.conflict
            + counts.rejected
            + counts.failed
            + counts.quarantined
            + counts.unreadable
            + counts.cut_short
            + counts.changed;
        self.status == "Completed" && missing > 0
    }

    /// The end of the path, which tells more than its beginning.
    pub fn folder(&self) -> &str {
        let path = self.session_path.trim_end_matches('/');
        let mut slashes = path.rmatch_indices('/');
        match slashes.nth(1) {
            Some((at, _)) => &path[at + 1..],
            None => path,
        }
    }

    /// Why it does not go on.
    pub fn held(&self) -> Option<&'static str> {
        match self.waiting.as_deref() {
            Some("disk") => Some("waits for space on the disk"),
            Some(_) => Some("waits"),
            None if self.cancel_asked.is_some() && !self.has_ended() => Some("is being cancelled"),
            None => None,
        }
    }

    /// Files and bytes so far, with a bar while it runs.
    pub fn progress(&self) -> Markup {
        let done = self.counts.settled() + self.counts.staged;
        let found = self.counts.found;
        html! {
            @if self.has_ended() || found == 0 {
                @if found > 0 {
                    (parts::grouped(self.counts.stored)) " of " (parts::count(found, "file")) " stored"
                    @if self.bytes > 0 { ", " (parts::bytes(self.bytes)) }
                } @else { "–" }
            } @else {
                progress max=(found) value=(done) aria-label="Files that went through the rules" {}
                " " (parts::grouped(done)) " of " (parts::count(found, "file")) ", " (parts::bytes(self.bytes))
            }
        }
    }
}

impl ImportedSession {
    /// The session by its label, as a link to where it is shown.
    pub fn link(&self) -> Markup {
        let label = html! { (self.subject) " / " (self.label) };
        match view_of(&self.uri) {
            Some(address) => html! { a href=(address) { (label) } },
            None => label,
        }
    }
}

/// Where the page shows the session that REST has at that address.
pub fn view_of(uri: &str) -> Option<String> {
    let steps: Vec<&str> = uri.split('/').collect();
    match steps[..] {
        ["", "prearchive", "projects", project, timestamp, folder] => {
            Some(address(&["prearchive", project, timestamp, folder], &[]))
        }
        [
            "",
            "archive",
            "projects",
            project,
            "subjects",
            subject,
            "experiments",
            label,
        ] => Some(address(&["archive", project, subject, label], &[])),
        _ => None,
    }
}
