//! What is written down before the first source is removed: how the import ended, its report, and the sources
//! that may go. An import that is cut off in its clean-up goes on from there: the files that are gone can't
//! be read again.

use super::Ended;
use super::removed::Removed;
use super::report::Report;
use crate::inbox::Identity;
use crate::store::{Counts, Status};
use crate::whole::write_whole;
use serde::ser::{SerializeMap as _, SerializeSeq as _};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufReader};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

/// Beside the report, for as long as the request has not ended.
#[derive(Debug, Deserialize)]
pub struct Record {
    status: String,
    resolution: String,
    counts: Counts,
    bytes: i64,
    /// As it will stand, but for what becomes of the sources.
    report: Box<RawValue>,
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

/// A [`Record`] on its way to the disk: nothing of it is held in memory as a whole.
#[derive(Serialize)]
struct Written<'a, S> {
    status: &'static str,
    resolution: &'a str,
    counts: Counts,
    bytes: i64,
    report: &'a Report<'a>,
    sources: S,
    archive: Option<Identity>,
}

/// Makes the sources one by one.
struct Sources<F>(F);

impl<F: Fn() -> I, I: Iterator<Item = Recorded>> Serialize for Sources<F> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq((self.0)())
    }
}

/// Writes the record of a request.
///
/// # Errors
/// If the disk refuses: then no source may be removed.
pub fn write<I: Iterator<Item = Recorded>>(
    reports: &Path,
    request: i64,
    ended: &Ended,
    report: &Report<'_>,
    sources: impl Fn() -> I,
    archive: Option<Identity>,
) -> io::Result<()> {
    let record = Written {
        status: ended.status.as_str(),
        resolution: &ended.resolution,
        counts: ended.counts,
        bytes: ended.bytes,
        report,
        sources: Sources(sources),
        archive,
    };
    write_whole(&path(reports, request), |out| {
        Ok(serde_json::to_writer(out, &record)?)
    })
}

impl Record {
    /// How the import ended.
    pub fn ended(&self) -> Ended {
        Ended {
            status: Status::from_text(&self.status).unwrap_or(Status::Failed),
            resolution: self.resolution.clone(),
            counts: self.counts,
            bytes: self.bytes,
        }
    }

    /// The report, with what became of the sources.
    ///
    /// # Errors
    /// If it was not written by this program.
    pub fn report<'a>(&'a self, removed: &'a Removed) -> io::Result<Told<'a>> {
        let mut parts: BTreeMap<&str, &RawValue> = serde_json::from_str(self.report.get())?;
        let files = parts.remove(FILES).map_or("[]", RawValue::get);
        Ok(Told {
            files: serde_json::from_str(files)?,
            parts,
            removed,
        })
    }

    /// What an earlier attempt at the request has written down, if it came so far. One that can't be read
    /// is none: the import then starts afresh.
    pub fn read(reports: &Path, request: i64) -> Option<Self> {
        let file = File::open(path(reports, request)).ok()?;
        let record = serde_json::from_reader(BufReader::new(file));
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

const FILES: &str = "files";
const ARCHIVE: &str = "archive";

/// A report that was written down, its entries as text: there may be very many.
#[derive(Debug)]
pub struct Told<'a> {
    parts: BTreeMap<&'a str, &'a RawValue>,
    files: Vec<&'a RawValue>,
    removed: &'a Removed,
}

impl Serialize for Told<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut report = serializer.serialize_map(None)?;
        for (name, part) in &self.parts {
            match &self.removed.archive {
                Some(removed) if *name == ARCHIVE => {
                    let removed = removed.as_ref().copied().map_err(String::as_str);
                    report.serialize_entry(name, &Noted(part, removed))?;
                }
                _ => report.serialize_entry(name, part)?,
            }
        }
        report.serialize_entry(FILES, &Files(self))?;
        report.end()
    }
}

struct Files<'a>(&'a Told<'a>);

impl Serialize for Files<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut files = serializer.serialize_seq(Some(self.0.files.len()))?;
        for (place, entry) in self.0.files.iter().enumerate() {
            match self.0.removed.of(place) {
                Some(removed) => files.serialize_element(&Noted(entry, removed))?,
                None => files.serialize_element(entry)?,
            }
        }
        files.end()
    }
}

/// An entry with what became of it, in the words of the report.
struct Noted<'a>(&'a RawValue, Result<(), &'a str>);

impl Serialize for Noted<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Noted(entry, removed) = self;
        let mut entry: serde_json::Map<_, _> =
            serde_json::from_str(entry.get()).map_err(serde::ser::Error::custom)?;
        entry.insert("cleaned".into(), removed.is_ok().into());
        if let Err(why) = removed {
            entry.insert("left".into(), (*why).into());
        }
        entry.serialize(serializer)
    }
}

/// `<request>.cleanup`
fn path(reports: &Path, request: i64) -> PathBuf {
    reports.join(format!("{request}.{EXTENSION}"))
}

const EXTENSION: &str = "cleanup";
