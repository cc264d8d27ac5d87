//! The report of a request: every file found with its outcome and reason, every session made, and the
//! rules that ran. It holds paths and labels, so that only who may see the request may read it.

use super::Job;
use super::leak::Finding;
use super::outcome::{FileState, Outcome, Provenance};
use super::removed::Removed;
use super::settle::Settled;
use super::shadow::Shadowed;
use super::source::Source;
use super::trail::{Act, InOrder};
use crate::rules::StepInfo;
use crate::store::{Counts, Leak};
use crate::whole::write_whole;
use serde::{Serialize, Serializer};
use std::fs;
use std::io;
use std::path::Path;

/// See `schemas/import-report.schema.json`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report<'a> {
    request: i64,
    project: &'a str,
    session_path: &'a str,
    /// Absent for a folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    archive: Option<ArchiveEntry>,
    rule_set: &'a str,
    modules: Vec<StepInfo>,
    counts: Counts,
    /// Each action on an element that any of the files tells of.
    acts: Vec<Act>,
    /// What was done to files, by places in `acts`.
    trails: Vec<Vec<usize>>,
    sessions: Vec<SessionEntry<'a>>,
    files: Entries<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shadow: Option<&'a Shadowed>,
}

/// An entry for each file, made when it is written: all at once they would take as much memory again.
#[derive(Debug)]
struct Entries<'a> {
    files: &'a [FileState],
    sessions: &'a [Settled],
    told: InOrder,
    removed: Removed,
}

impl Serialize for Entries<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let entries = self.files.iter().enumerate();
        serializer.collect_seq(entries.map(|(place, file)| self.entry(place, file)))
    }
}

/// The fields of a [`FileEntry`] that an archive's members don't have.
#[derive(Debug, Serialize)]
struct ArchiveEntry {
    #[serde(skip_serializing_if = "Option::is_none")]
    cleaned: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    left: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct SessionEntry<'a> {
    label: &'a str,
    subject: &'a str,
    /// Absent where nothing was stored.
    state: Option<&'static str>,
    uri: Option<String>,
    reason: &'a str,
    /// The steps at archiving had still to run when it was stored.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    identified: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    leaks: Vec<LeakEntry<'a>>,
}

#[derive(Debug, Serialize)]
struct LeakEntry<'a> {
    #[serde(flatten)]
    finding: &'a Finding,
    files: u64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct FileEntry<'a> {
    path: String,
    outcome: Outcome,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    /// Below its session's folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    stored: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<&'a str>,
    /// Whether it took the place of a stored one, which is kept in the session's history.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    replaced: bool,
    /// See [`crate::dicom::Instance::digest_as_read`].
    #[serde(skip_serializing_if = "Option::is_none")]
    header_in: Option<String>,
    /// None where the steps at archiving have made its session anew since.
    #[serde(skip_serializing_if = "Option::is_none")]
    header_out: Option<String>,
    /// Its place in `trails`.
    #[serde(skip_serializing_if = "Option::is_none")]
    trail: Option<usize>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    redacted: bool,
    /// Where identifying values of the original still stand in it.
    #[serde(skip_serializing_if = "<[Leak]>::is_empty")]
    leaks: &'a [Leak],
    #[serde(skip_serializing_if = "Option::is_none")]
    cleaned: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    left: Option<&'a str>,
}

impl<'a> Report<'a> {
    pub(super) fn new(
        job: &'a Job<'_>,
        source: &'a Source,
        files: &'a [FileState],
        sessions: &'a [Settled],
        counts: &Counts,
    ) -> Self {
        let gone = files.iter().filter_map(kept_provenance);
        let mut told = job.trails.in_order(gone.map(|provenance| provenance.trail));
        Self {
            request: job.request.id,
            project: &job.request.project,
            session_path: &job.request.session_path,
            archive: source
                .archive()
                .map(|archive| archive_entry(archive.cleaned.as_ref())),
            rule_set: job.rules.hash(),
            modules: job.rules.modules(),
            counts: *counts,
            sessions: sessions.iter().map(session_entry).collect(),
            shadow: job.shadowed.get().and_then(Option::as_ref),
            acts: std::mem::take(&mut told.acts),
            trails: std::mem::take(&mut told.trails),
            files: Entries {
                files,
                sessions,
                told,
                removed: Removed::default(),
            },
        }
    }

    /// Has it tell what became of the sources.
    pub(super) fn set_removed(&mut self, removed: Removed) {
        if let Some(of_archive) = &removed.archive {
            self.archive = Some(archive_entry(Some(of_archive)));
        }
        self.files.removed = removed;
    }
}

/// Writes a report as `<request>.json` to the folder, whole or not at all.
///
/// # Errors
/// If the disk refuses.
pub fn write_report(folder: &Path, request: i64, report: &impl Serialize) -> io::Result<()> {
    write_whole(&folder.join(format!("{request}.json")), |out| {
        Ok(serde_json::to_writer(out, report)?)
    })
}

/// The counts in a report that was written, if one was.
pub fn counts(folder: &Path, request: i64) -> Option<Counts> {
    #[derive(serde::Deserialize)]
    struct Written {
        counts: Counts,
    }
    let text = fs::read(folder.join(format!("{request}.json"))).ok()?;
    let written: Written = serde_json::from_slice(&text).ok()?;
    Some(written.counts)
}

/// What became of an archive that was to be removed.
fn archive_entry(removed: Option<&Result<(), String>>) -> ArchiveEntry {
    ArchiveEntry {
        cleaned: removed.map(Result::is_ok),
        left: removed.and_then(|removed| removed.as_ref().err().cloned()),
    }
}

fn session_entry(settled: &Settled) -> SessionEntry<'_> {
    SessionEntry {
        label: &settled.label,
        subject: &settled.subject,
        state: settled.session.as_ref().map(|s| s.state.as_str()),
        uri: settled.session.as_ref().map(crate::store::Session::uri),
        reason: &settled.reason,
        identified: settled.session.as_ref().is_some_and(|s| s.identified),
        leaks: settled
            .leaks
            .iter()
            .map(|(finding, files)| LeakEntry {
                finding,
                files: *files,
            })
            .collect(),
    }
}

fn is_kept(file: &FileState) -> bool {
    matches!(file.outcome(), Outcome::Stored | Outcome::Quarantined)
}

fn kept_provenance(file: &FileState) -> Option<&Provenance> {
    file.provenance.as_deref().filter(|_| is_kept(file))
}

impl Entries<'_> {
    fn entry<'a>(&'a self, place: usize, file: &'a FileState) -> FileEntry<'a> {
        let removed = self.removed.of(place);
        let kept = is_kept(file);
        let provenance = kept_provenance(file);
        let stands = |staged: &super::outcome::Staged| {
            let place = staged.file.below_session();
            place.to_string_lossy().into_owned()
        };
        FileEntry {
            path: file.found.display(),
            outcome: file.outcome(),
            reason: file.reason(),
            stored: file.staged.as_ref().filter(|_| kept).map(stands),
            session: file
                .study
                .and_then(|study| self.sessions.iter().find(|s| s.study == study))
                .map(|s| s.label.as_str()),
            replaced: file.replaced,
            header_in: provenance.map(|p| hex::encode(p.header_in)),
            header_out: provenance
                .filter(|_| !file.made_anew)
                .map(|p| hex::encode(p.header_out)),
            trail: provenance.and_then(|p| self.told.place_of(p.trail)),
            redacted: provenance.is_some_and(|p| p.redacted),
            leaks: file
                .staged
                .as_ref()
                .map_or(&[], |staged| &staged.file.findings.leaks),
            cleaned: removed.map(|removed| removed.is_ok()),
            left: removed.and_then(Result::err),
        }
    }
}
