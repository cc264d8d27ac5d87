//! The rules folder on disk: bounded reads of its files, never through a link that leads out of it.
//! What the files mean is not its business.

use super::error::RuleSetError;
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use std::io::{ErrorKind, Read};
use std::path::Path;

/// An opened folder; one that doesn't exist reads like an empty one.
pub struct Folder {
    /// What its files are called in messages: `rules`, or the path given on a command line.
    name: String,
    dir: Option<Dir>,
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
            dir,
        })
    }

    /// What a file in it is called in messages.
    pub fn shown(&self, path: &str) -> String {
        format!("{}/{path}", self.name)
    }

    pub fn holds(&self, path: &str) -> bool {
        self.dir
            .as_ref()
            .is_some_and(|dir| dir.symlink_metadata(path).is_ok())
    }

    /// None where the file doesn't exist. `limit` is in bytes.
    pub fn read(&self, path: &str, limit: usize) -> Result<Option<Vec<u8>>, RuleSetError> {
        let Some(dir) = &self.dir else {
            return Ok(None);
        };
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
        if bytes.len() > limit {
            let message = format!("is larger than {} KiB", limit >> 10);
            return Err(RuleSetError::Unreadable { file, message });
        }
        Ok(Some(bytes))
    }

    /// The names of the folders in `path`, sorted.
    pub fn folders(&self, path: &str) -> Result<Vec<String>, RuleSetError> {
        let Some(dir) = &self.dir else {
            return Ok(Vec::new());
        };
        let entries = match dir.read_dir(path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(unreadable(&self.shown(path), &error)),
        };
        let mut names: Vec<String> = entries
            .filter_map(Result::ok)
            .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
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
        assert_eq!(folder.read("alias", 10).unwrap().unwrap(), b"ok");
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
