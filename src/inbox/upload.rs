//! Uploads: what a client sends is written to a private folder of its own, from which it is imported like what
//! lies in the inbox. No client can name such a folder as a path of the inbox.
//!
//! `uploads/.coming/<process>-<number>` while it is received, `uploads/<project>/<process>-<number>` once a request
//! may be queued for it. The process that received it removes it; what a dead one left, others do.

use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// Nothing that could be a project's folder.
const COMING: &str = ".coming";

/// Where uploads lie.
#[derive(Debug, Clone)]
pub struct Uploads {
    root: PathBuf,
}

/// One upload's folder, which goes with this unless it is [kept](Upload::keep).
#[derive(Debug)]
pub struct Upload {
    root: PathBuf,
    folder: PathBuf,
    kept: bool,
}

/// A folder that some process has received something in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    pub folder: PathBuf,
    /// The process.
    pub instance: String,
}

impl Uploads {
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A new folder, received by the process `instance`.
    ///
    /// # Errors
    /// If it can't be made.
    pub fn begin(&self, instance: &str) -> io::Result<Upload> {
        let mut number = [0; 8];
        getrandom::fill(&mut number).map_err(io::Error::other)?;
        let name = format!("{instance}-{}", hex::encode(number));
        let folder = self.root.join(COMING).join(name);
        private_folder(&folder)?;
        Ok(Upload {
            root: self.root.clone(),
            folder,
            kept: false,
        })
    }

    /// All folders there are.
    ///
    /// # Errors
    /// If they can't be listed.
    pub fn left(&self) -> io::Result<Vec<Left>> {
        let mut left = Vec::new();
        for project in list(&self.root)? {
            for folder in list(&project)? {
                let name = folder.file_name().and_then(|name| name.to_str());
                if let Some((instance, _)) = name.and_then(|name| name.rsplit_once('-')) {
                    let instance = instance.to_owned();
                    left.push(Left { folder, instance });
                }
            }
        }
        Ok(left)
    }
}

impl Upload {
    /// Makes a file in it.
    ///
    /// # Errors
    /// If it is there, or can't be made.
    pub fn create(&self, name: &str) -> io::Result<File> {
        File::create_new(self.folder.join(name))
    }

    /// Gives a file its right name.
    ///
    /// # Errors
    /// If it can't be renamed.
    pub fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        std::fs::rename(self.folder.join(from), self.folder.join(to))
    }

    /// The upload is whole and goes to a project: from now on it can be located for that.
    ///
    /// # Errors
    /// If it can't be moved.
    pub fn hand_to(&mut self, project: &str) -> io::Result<&Path> {
        let name = self.folder.file_name().unwrap_or_default();
        let parent = self.root.join(project);
        private_folder(&parent)?;
        let target = parent.join(name);
        // The request that is queued for it survives the machine, and so must the way to it.
        sync(&self.folder)?;
        std::fs::rename(&self.folder, &target)?;
        self.folder = target;
        sync(&parent)?;
        sync(&self.root)?;
        Ok(&self.folder)
    }

    /// It stays when this goes: a request needs it.
    pub fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if !self.kept
            && let Err(error) = std::fs::remove_dir_all(&self.folder)
        {
            tracing::warn!(%error, "an upload could not be removed; it is tried again at the next start");
        }
    }
}

fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// What lies in it is not anonymized: nobody else looks into it.
fn private_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// The folders in a folder; none if it is missing.
fn list(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut folders = Vec::new();
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            folders.push(entry.path());
        }
    }
    Ok(folders)
}

#[cfg(test)]
mod tests {
    use super::super::{Inbox, Kind};
    use super::*;

    #[test]
    fn an_upload_is_found_by_its_request_alone_and_goes_unless_it_is_kept() {
        let temp = tempfile::tempdir().unwrap();
        std::fs::create_dir(temp.path().join("inbox")).unwrap();
        let uploads = Uploads::new(temp.path().join("uploads"));
        let inbox = Inbox::new(temp.path().join("inbox"))
            .unwrap()
            .with_uploads(uploads.clone());
        let mut upload = uploads.begin("one-two").unwrap();
        std::io::Write::write_all(&mut upload.create("part").unwrap(), b"x").unwrap();
        upload.rename("part", "upload.zip").unwrap();
        let coming = upload.folder.join("upload.zip");
        assert!(inbox.locate_queued(coming.to_str().unwrap()).is_err());

        let path = upload.hand_to("P").unwrap().join("upload.zip");
        let path = path.to_str().unwrap();
        let located = inbox.locate_queued(path).unwrap();
        assert_eq!(located.project, "P");
        assert!(matches!(located.kind, Kind::Archive(_)));
        assert!(inbox.open(&located).is_ok());
        assert!(inbox.locate(path).is_err(), "no client may name it");
        let left = uploads.left().unwrap();
        assert_eq!(left.len(), 1);
        assert_eq!(left[0].instance, "one-two");
        drop(upload);
        assert_eq!(uploads.left().unwrap(), []);
        uploads.begin("one-two").unwrap().keep();
        assert_eq!(uploads.left().unwrap().len(), 1);
    }
}
