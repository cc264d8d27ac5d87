//! The demo's data folder: made once, known again by its mark, never mistaken for somebody's own.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::{AUTO, REVIEW};
use crate::password::{self, PasswordError};

/// Says that a folder is the demo's, and holds the administrator's password for the next start.
const MARK: &str = "demo.json";

#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    #[error("{} is in use and was not made by the demo; give another one with --data", .0.display())]
    Foreign(PathBuf),
    #[error("{}: {source}", .path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("{} is damaged; remove it to get a new password", .0.display())]
    Mark(PathBuf),
    #[error(transparent)]
    Password(#[from] PasswordError),
}

#[derive(Debug)]
pub struct DemoFolder {
    path: PathBuf,
    password: String,
}

impl DemoFolder {
    /// Opens the demo's folder, or makes it with the projects' policies in it.
    ///
    /// `password` is the administrator's if the folder is new; a known folder keeps the one it has.
    pub fn open(path: &Path, password: Option<String>) -> Result<Self, FolderError> {
        let io = |path: &Path| {
            let path = path.to_owned();
            move |source| FolderError::Io { path, source }
        };
        fs::create_dir_all(path).map_err(io(path))?;
        let path = path.canonicalize().map_err(io(path))?;
        let mark = path.join(MARK);
        match fs::read_to_string(&mark) {
            Ok(text) => {
                let known: serde_json::Value =
                    serde_json::from_str(&text).map_err(|_| FolderError::Mark(mark.clone()))?;
                let password = known["admin_password"].as_str();
                let password = password.ok_or(FolderError::Mark(mark))?.to_owned();
                write_policies(&path)?;
                return Ok(DemoFolder { path, password });
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(FolderError::Io { path: mark, source }),
        }
        if fs::read_dir(&path).map_err(io(&path))?.next().is_some() {
            return Err(FolderError::Foreign(path));
        }
        let password = match password {
            Some(password) => password,
            None => password::generate()?,
        };
        // The mark first: a folder that was left half made is finished next time, not taken for foreign.
        write_mark(&mark, &password).map_err(io(&mark))?;
        write_policies(&path)?;
        Ok(DemoFolder { path, password })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn password(&self) -> &str {
        &self.password
    }
}

/// Only its owner may read it.
fn write_mark(mark: &Path, password: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let known = serde_json::json!({
        "made_by": "sluice demo",
        "admin_password": password,
    });
    options
        .open(mark)?
        .write_all(format!("{known:#}\n").as_bytes())
}

/// One project reviews by hand; the other de-identifies with the WebAssembly module and archives.
///
/// A policy that is there stays: it may have been edited to see what happens.
fn write_policies(data: &Path) -> Result<(), FolderError> {
    let review = serde_json::json!({
        "label": { "module": "xnat-labels" },
        "anonymize": [],
        "route": { "module": "xnat-routing", "settings": { "prearchive_code": 0 } },
    });
    let auto = serde_json::json!({
        "label": { "module": "xnat-labels" },
        "anonymize": [{ "module": "ps315-basic" }],
        "route": { "module": "xnat-routing", "settings": { "prearchive_code": 4 } },
    });
    for (project, policy) in [(REVIEW, review), (AUTO, auto)] {
        let folder = data.join("rules").join("projects").join(project);
        let file = folder.join("policy.json");
        if file.exists() {
            continue;
        }
        fs::create_dir_all(&folder)
            .and_then(|()| fs::write(&file, format!("{policy:#}\n")))
            .map_err(|source| FolderError::Io { path: file, source })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_known_again_with_its_password() {
        let scratch = tempfile::tempdir().unwrap();
        let data = scratch.path().join("new");
        let first = DemoFolder::open(&data, None).unwrap();
        assert!(first.password().len() >= 20);
        let again = DemoFolder::open(&data, Some("other".to_owned())).unwrap();
        assert_eq!(again.password(), first.password());
    }

    #[test]
    fn a_foreign_folder_is_left_alone() {
        let scratch = tempfile::tempdir().unwrap();
        fs::write(scratch.path().join("thesis.txt"), "…").unwrap();
        let error = DemoFolder::open(scratch.path(), None).unwrap_err();
        assert!(matches!(error, FolderError::Foreign(_)));
        assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 1);
    }
}
