//! What is written down before the first source is removed: how the import ended, its report, and the sources
//! that may go. An import that is cut off in its clean-up goes on from there: the files that are gone can't
//! be read again.

use super::Ended;
use super::report::Report;
use super::whole::write_whole;
use crate::inbox::Identity;
use crate::store::{Counts, Status};
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

/// Beside the report, for as long as the request has not ended.
#[derive(Debug, Serialize, Deserialize)]
pub struct Record {
    status: String,
    resolution: String,
    counts: Counts,
    bytes: i64,
    /// As it will stand, but for what becomes of the sources.
    pub report: serde_json::Value,
    pub sources: Vec<Recorded>,
    /// The archive that the sources were members of: it goes as a whole, or stays.
    #[serde(default)]
    pub archive: Option<Identity>,
}

/// A source whose content is stored.
#[derive(Debug, Serialize, Deserialize)]
pub struct Recorded {
    /// Its place among the report's files.
    pub file: usize,
    /// Below the imported folder, in hexadecimal digits: names need not be text. Of a member, as unpacked.
    path: String,
    pub identity: Identity,
    /// Where to look for what is stored of it: the study's key, and the instance as it is stored, if that is
    /// known.
    pub study: String,
    pub sop_uid: Option<String>,
}

impl Recorded {
    pub fn new(
        file: usize,
        path: &Path,
        identity: Identity,
        study: String,
        sop_uid: Option<String>,
    ) -> Self {
        Self {
            file,
            path: hex::encode(path.as_os_str().as_bytes()),
            identity,
            study,
            sop_uid,
        }
    }

    /// None if it was not written by this program.
    pub fn path(&self) -> Option<PathBuf> {
        let bytes = hex::decode(&self.path).ok()?;
        Some(OsString::from_vec(bytes).into())
    }
}

impl Record {
    /// # Errors
    /// If the report can't be written as JSON.
    pub fn new(
        ended: &Ended,
        sources: Vec<Recorded>,
        archive: Option<Identity>,
        report: &Report<'_>,
    ) -> io::Result<Self> {
        Ok(Self {
            status: ended.status.as_str().to_owned(),
            resolution: ended.resolution.clone(),
            counts: ended.counts,
            bytes: ended.bytes,
            report: serde_json::to_value(report)?,
            sources,
            archive,
        })
    }

    /// How the import ended.
    pub fn ended(&self) -> Ended {
        Ended {
            status: Status::from_text(&self.status).unwrap_or(Status::Failed),
            resolution: self.resolution.clone(),
            counts: self.counts,
            bytes: self.bytes,
        }
    }

    /// Notes what became of a source, in the words of the report.
    pub fn note(&mut self, file: usize, removed: Result<(), String>) {
        let files = self.report.get_mut("files");
        tell(files.and_then(|files| files.get_mut(file)), removed);
    }

    /// The same of the archive.
    pub fn note_archive(&mut self, removed: Result<(), String>) {
        tell(self.report.get_mut("archive"), removed);
    }

    /// # Errors
    /// If the disk refuses: then no source may be removed.
    pub fn write(&self, reports: &Path, request: i64) -> io::Result<()> {
        write_whole(&path(reports, request), |out| {
            Ok(serde_json::to_writer(out, self)?)
        })
    }

    /// What an earlier attempt at the request has written down, if it came so far. One that can't be read
    /// is none: the import then starts afresh.
    pub fn read(reports: &Path, request: i64) -> Option<Self> {
        let text = fs::read(path(reports, request)).ok()?;
        let record = serde_json::from_slice(&text);
        if record.is_err() {
            tracing::warn!(request, "the record of a clean-up can't be read");
        }
        record.ok()
    }

    /// The requests of which there is one.
    pub fn all(reports: &Path) -> Vec<i64> {
        let entries = fs::read_dir(reports).into_iter().flatten().flatten();
        entries
            .filter_map(|entry| {
                let name = entry.file_name().into_string().ok()?;
                name.strip_suffix(EXTENSION)?
                    .strip_suffix('.')?
                    .parse()
                    .ok()
            })
            .collect()
    }

    /// To be called once the request has ended.
    pub fn forget(reports: &Path, request: i64) {
        if let Err(error) = fs::remove_file(path(reports, request))
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(request, %error, "the record of a clean-up can't be removed");
        }
    }
}

fn tell(entry: Option<&mut serde_json::Value>, removed: Result<(), String>) {
    if let Some(entry) = entry.and_then(serde_json::Value::as_object_mut) {
        entry.insert("cleaned".into(), removed.is_ok().into());
        if let Err(why) = removed {
            entry.insert("left".into(), why.into());
        }
    }
}

/// `<request>.cleanup`
fn path(reports: &Path, request: i64) -> PathBuf {
    reports.join(format!("{request}.{EXTENSION}"))
}

const EXTENSION: &str = "cleanup";
