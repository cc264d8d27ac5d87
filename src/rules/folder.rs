//! Where rules are read from: the rules folder on disk, by bounded reads that never follow a link out of
//! it; or the files of a version that was active before. What the files mean is not its business.

use super::error::RuleSetError;
use cap_std::ambient_authority;
use cap_std::fs::{Dir, FileType};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{ErrorKind, Read};
use std::path::Path;
use std::sync::Arc;

/// The files that a rule set was made of, by their paths there (see [`Folder::project_policy`] and
/// `closure.rs`): what is kept of a version.
pub type Files = BTreeMap<String, Arc<[u8]>>;

/// An opened folder; one that doesn't exist reads like an empty one.
pub struct Folder {
    /// What its files are called in messages: `rules`, or the path given on a command line.
    name: String,
    source: Source,
    /// Files that read as if they had been changed already; None for one that is taken away.
    changes: BTreeMap<String, Option<Arc<[u8]>>>,
}

enum Source {
    Disk(Option<Dir>),
    /// A version's files. Nothing else is there, not even the modules that ship today.
    Version(Files),
}

impl Folder {
    pub fn open(name: &str, root: &Path) -> Result<Self, RuleSetError> {
        let dir = match Dir::open_ambient_dir(root, ambient_authority()) {
            Ok(dir) => Some(dir),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(unreadable(name, &error)),
        };
        Ok(Self {
            name: name.to_owned(),
            source: Source::Disk(dir),
            changes: BTreeMap::new(),
        })
    }

    /// Whether there is a folder at all.
    pub fn is_there(&self) -> bool {
        !matches!(self.source, Source::Disk(None))
    }

    pub fn of_version(name: &str, files: Files) -> Self {
        Self {
            name: name.to_owned(),
            source: Source::Version(files),
            changes: BTreeMap::new(),
        }
    }

    /// The folder as it would be after a change.
    #[must_use]
    pub fn with(mut self, path: &str, content: Option<Arc<[u8]>>) -> Self {
        self.changes.insert(path.to_owned(), content);
        self
    }

    /// Where a project's policy is. A version is of one project, which it does not name.
    pub fn project_policy(&self, project: &str) -> String {
        match self.source {
            Source::Disk(_) => format!("projects/{project}/policy.json"),
            Source::Version(_) => "project/policy.json".to_owned(),
        }
    }

    /// A version's own copy of a module that shipped when it was made.
    pub fn holds_shipped(&self) -> bool {
        matches!(self.source, Source::Version(_))
    }

    /// What a file in it is called in messages.
    pub fn shown(&self, path: &str) -> String {
        format!("{}/{path}", self.name)
    }

    pub fn holds(&self, path: &str) -> bool {
        let below = format!("{path}/");
        let changed = self.changes.keys().any(|file| file.starts_with(&below));
        changed
            || match &self.source {
                Source::Disk(dir) => dir
                    .as_ref()
                    .is_some_and(|dir| dir.symlink_metadata(path).is_ok()),
                Source::Version(files) => files.keys().any(|file| file.starts_with(&below)),
            }
    }

    /// None where the file doesn't exist. `limit` is in bytes.
    pub fn read(&self, path: &str, limit: usize) -> Result<Option<Arc<[u8]>>, RuleSetError> {
        let found = match (self.changes.get(path), &self.source) {
            (Some(changed), _) => changed.clone(),
            (None, Source::Disk(Some(dir))) => self.read_disk(dir, path, limit)?,
            (None, Source::Disk(None)) => None,
            (None, Source::Version(files)) => files.get(path).cloned(),
        };
        match found {
            Some(bytes) if bytes.len() > limit => Err(RuleSetError::Unreadable {
                file: self.shown(path),
                message: format!("is larger than {} KiB", limit >> 10),
            }),
            found => Ok(found),
        }
    }

    fn read_disk(
        &self,
        dir: &Dir,
        path: &str,
        limit: usize,
    ) -> Result<Option<Arc<[u8]>>, RuleSetError> {
        let file = self.shown(path);
        // Asked before opening: opening a named pipe would wait for its writer.
        match dir.metadata(path) {
            Ok(metadata) if metadata.is_file() => {}
            Ok(_) => {
                return Err(RuleSetError::Unreadable {
                    file,
                    message: "is no regular file".into(),
                });
            }
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unreadable(&file, &error)),
        }
        let mut bytes = Vec::new();
        dir.open(path)
            .and_then(|opened| opened.take(limit as u64 + 1).read_to_end(&mut bytes))
            .map_err(|error| unreadable(&file, &error))?;
        Ok(Some(bytes.into()))
    }

    /// The names of the folders in `path`, sorted.
    pub fn folders(&self, path: &str) -> Result<Vec<String>, RuleSetError> {
        match &self.source {
            Source::Disk(Some(dir)) => self.names(dir, path, FileType::is_dir),
            Source::Disk(None) => Ok(Vec::new()),
            Source::Version(files) => {
                let below = format!("{path}/");
                let names = files.keys().filter_map(|file| {
                    let (name, _) = file.strip_prefix(&below)?.split_once('/')?;
                    Some(name.to_owned())
                });
                Ok(names.collect::<BTreeSet<_>>().into_iter().collect())
            }
        }
    }

    /// The names of the files in `path` on the disk, sorted.
    pub fn files(&self, path: &str) -> Result<Vec<String>, RuleSetError> {
        match &self.source {
            Source::Disk(Some(dir)) => self.names(dir, path, FileType::is_file),
            Source::Disk(None) | Source::Version(_) => Ok(Vec::new()),
        }
    }

    fn names(
        &self,
        dir: &Dir,
        path: &str,
        is_wanted: impl Fn(&FileType) -> bool,
    ) -> Result<Vec<String>, RuleSetError> {
        let entries = match dir.read_dir(path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(unreadable(&self.shown(path), &error)),
        };
        let mut names: Vec<String> = entries
            .filter_map(Result::ok)
            .filter(|entry| entry.file_type().is_ok_and(|kind| is_wanted(&kind)))
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect();
        names.sort();
        Ok(names)
    }
}

fn unreadable(file: &str, error: &std::io::Error) -> RuleSetError {
    RuleSetError::Unreadable {
        file: file.to_owned(),
        message: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_missing_folder_is_empty() {
        let folder = Folder::open("rules", Path::new("/no/such/folder")).unwrap();
        assert_eq!(folder.read("site/policy.json", 10).unwrap(), None);
        assert!(folder.folders("modules").unwrap().is_empty());
    }

    #[test]
    fn a_link_that_leads_out_is_not_followed() {
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("secret"), "secret").unwrap();
        let root = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(outside.path(), root.path().join("modules")).unwrap();
        fs::write(root.path().join("inside"), "ok").unwrap();
        std::os::unix::fs::symlink("inside", root.path().join("alias")).unwrap();
        let folder = Folder::open("rules", root.path()).unwrap();
        assert!(folder.read("modules/secret", 10).is_err());
        assert!(folder.read("../secret", 10).is_err());
        assert_eq!(&*folder.read("alias", 10).unwrap().unwrap(), b"ok");
    }

    #[test]
    fn a_large_file_is_refused() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("f"), vec![b'x'; 2049]).unwrap();
        let folder = Folder::open("rules", root.path()).unwrap();
        assert_eq!(
            folder.read("f", 2048).unwrap_err().to_string(),
            "rules/f: is larger than 2 KiB"
        );
        assert!(folder.read("f", 2049).is_ok());
    }
}
