//! What a backup says of itself, and the reading of each entry with its checksum.

use std::collections::BTreeMap;
use std::io::{self, Read};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{BackupError, DATABASE, FILE_AREAS, REPORTS, RULES, SETTINGS};

/// Of this description and of the entries' names; the database's version is another.
pub const FORMAT: u64 = 1;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    pub format: u64,
    /// The program's version.
    pub program: String,
    /// RFC 3339, UTC.
    pub created: String,
    pub schema_version: i64,
    /// Whether the sessions' files are in it.
    pub with_files: bool,
    pub sessions: u64,
    /// Rows of each table.
    pub tables: BTreeMap<String, u64>,
    /// The last number that each numbered table gave.
    pub sequences: BTreeMap<String, i64>,
    /// All entries but this one, in their order.
    pub entries: Vec<Entry>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    pub path: String,
    pub size: u64,
    pub sha256: String,
}

/// A reader that knows the checksum and the length of what went through it.
pub struct Hashing<R> {
    inner: R,
    digest: Sha256,
    size: u64,
}

impl<R: Read> Hashing<R> {
    pub fn new(inner: R) -> Self {
        Self {
            inner,
            digest: Sha256::new(),
            size: 0,
        }
    }

    pub fn entry(self, path: String) -> Entry {
        Entry {
            path,
            size: self.size,
            sha256: hex::encode(self.digest.finalize()),
        }
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.digest.update(&buffer[..n]);
        self.size += n as u64;
        Ok(n)
    }
}

impl Manifest {
    /// Whether these entries, as they were read, are the ones that were written.
    ///
    /// # Errors
    /// The first that is not, by its path.
    pub fn check(&self, read: &[Entry]) -> Result<(), BackupError> {
        if self.format != FORMAT {
            return Err(BackupError::Format {
                found: self.format,
                known: FORMAT,
            });
        }
        for (written, read) in self.entries.iter().zip(read) {
            if written != read {
                return Err(BackupError::Damaged(format!(
                    "{} is not as it was written",
                    written.path
                )));
            }
        }
        match self.entries.len() == read.len() {
            true => Ok(()),
            false => Err(BackupError::Damaged(
                "entries are missing, or are too many".into(),
            )),
        }
    }
}

/// Whether an entry's path is one that a backup has: plain steps below a known folder.
pub fn is_known(path: &str) -> bool {
    let mut steps = path.split('/');
    let known = match steps.next() {
        Some(SETTINGS) => return path == SETTINGS,
        Some(DATABASE | RULES | REPORTS) => true,
        Some(area) => FILE_AREAS.contains(&area),
        None => false,
    };
    let mut below = steps.peekable();
    known
        && below.peek().is_some()
        && below.all(|step| !matches!(step, "" | "." | "..") && !step.contains('\0'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_plain_paths_below_known_folders_are_known() {
        for path in [
            "database/users.jsonl",
            "rules/site/policy.json",
            "archive/P/arc001/E/1.dcm",
            SETTINGS,
        ] {
            assert!(is_known(path), "{path}");
        }
        for path in [
            "",
            "/",
            "etc/passwd",
            "rules",
            "rules/",
            "rules/../x",
            "/rules/x",
            "rules//x",
            "sluice.toml/x",
        ] {
            assert!(!is_known(path), "{path}");
        }
    }

    proptest! {
        #[test]
        fn a_known_path_stays_below_its_folder(path in "(rules|archive|x)?(/|\\.|\\.\\.|a|\\\\){0,6}") {
            if is_known(&path) {
                let parts = std::path::Path::new(&path).components();
                prop_assert!(parts.clone().all(|part| matches!(part, std::path::Component::Normal(_))));
                prop_assert!(parts.count() >= 2);
            }
        }
    }
}
