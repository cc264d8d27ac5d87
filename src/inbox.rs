//! The inbox: the folder whose subfolders, named after projects, hold what may be imported.
//!
//! It is a wall. A path is resolved beneath its project's folder and nowhere else: not by `..`, not by a
//! symbolic link, not by a sibling whose name starts like the inbox's. An archive in it is unpacked, within
//! limits, to where the caller says. Rights are not known here.

mod clean;
mod list;
mod unpack;
mod upload;
mod walk;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use std::collections::BTreeMap;
use std::fs::{File, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub use clean::{Leftover, remove_source};
pub use list::{Entry, EntryKind, Listing};
pub use unpack::{BadName, Format, Limit, Limits, UnpackError, unpack};
pub use upload::{Left, Upload, Uploads};
pub use walk::{Found, NotRegular, Walk};

/// The path is missing, is not below the inbox, or is reached over what is no folder of the project.
/// Which of these it is isn't told: it would tell what lies in foreign folders.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there is no such folder or archive in the inbox")]
pub struct NotThere;

/// A path that was found in the inbox.
#[derive(Debug, Clone)]
pub struct Located {
    /// The first folder below the inbox.
    pub project: String,
    /// Below the project's folder; empty for that folder itself.
    pub relative: PathBuf,
    pub absolute: PathBuf,
    pub kind: Kind,
    /// A folder without any file at any depth, or a file without a byte.
    pub empty: bool,
    /// It was uploaded: nobody else writes to it.
    pub uploaded: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Folder,
    Archive(Format),
    /// Named like no archive.
    OtherFile,
}

/// What a located path leads to, opened as far as it has to be beneath the inbox.
pub enum Opened {
    /// For [`Walk`].
    Folder(File),
    /// Itself not opened yet.
    Archive(Found, Format),
}

/// Where inboxes are, and how clients name them.
#[derive(Debug, Clone)]
pub struct Inbox {
    root: PathBuf,
    /// The root with symbolic links resolved: clients may name either.
    real_root: PathBuf,
    /// Projects whose folder is not below the root.
    project_to_folder: BTreeMap<String, PathBuf>,
    /// For clients that see the same folders under another path.
    prefix_to_path: BTreeMap<String, PathBuf>,
    uploads: Option<Uploads>,
}

impl Inbox {
    /// # Errors
    /// If the root does not exist.
    pub fn new(root: PathBuf) -> std::io::Result<Self> {
        let real_root = root.canonicalize()?;
        let root = std::path::absolute(root)?;
        Ok(Self {
            root,
            real_root,
            project_to_folder: BTreeMap::new(),
            prefix_to_path: BTreeMap::new(),
            uploads: None,
        })
    }

    /// Gives projects folders elsewhere, and clients' prefixes their meaning here.
    #[must_use]
    pub fn with(
        mut self,
        project_to_folder: BTreeMap<String, PathBuf>,
        prefix_to_path: BTreeMap<String, PathBuf>,
    ) -> Self {
        self.project_to_folder = project_to_folder;
        self.prefix_to_path = prefix_to_path;
        self
    }

    /// Makes uploads to be found by the requests that were queued for them.
    #[must_use]
    pub fn with_uploads(mut self, uploads: Uploads) -> Self {
        self.uploads = Some(uploads);
        self
    }

    pub fn uploads(&self) -> Option<&Uploads> {
        self.uploads.as_ref()
    }

    /// Resolves an absolute path, as a client names it.
    ///
    /// # Errors
    /// [`NotThere`], whatever the reason.
    pub fn locate(&self, path: &str) -> Result<Located, NotThere> {
        let (project, relative) = self.resolve(path)?;
        let folder = self.project_folder(&project)?;
        Self::look(path, project, relative, &folder, false)
    }

    /// Resolves the path of a request that was queued: one that a client has named, or an upload's.
    ///
    /// # Errors
    /// [`NotThere`], whatever the reason.
    pub fn locate_queued(&self, path: &str) -> Result<Located, NotThere> {
        let Some(below) = self.below_uploads(Path::new(path)) else {
            return self.locate(path);
        };
        let mut parts = below.components();
        let is_name = |part: &Component| matches!(part, Component::Normal(name) if !name.as_encoded_bytes().starts_with(b"."));
        let project = parts.next().filter(is_name).ok_or(NotThere)?;
        let project = project.as_os_str().to_str().ok_or(NotThere)?.to_owned();
        let relative = parts.as_path().to_owned();
        if !relative.components().all(|part| is_name(&part)) {
            return Err(NotThere);
        }
        let folder = self.upload_folder(&project)?;
        Self::look(path, project, relative, &folder, true)
    }

    fn below_uploads<'a>(&self, path: &'a Path) -> Option<&'a Path> {
        path.strip_prefix(self.uploads.as_ref()?.root()).ok()
    }

    fn look(
        path: &str,
        project: String,
        relative: PathBuf,
        folder: &Dir,
        uploaded: bool,
    ) -> Result<Located, NotThere> {
        let below = self_or(&relative);
        let metadata = folder.metadata(below).map_err(|_| NotThere)?;
        let kind = match metadata.is_dir() {
            true => Kind::Folder,
            false => file_kind(folder, below)?,
        };
        let empty = match kind == Kind::Folder {
            true => {
                let dir = folder.open_dir(below).map_err(|_| NotThere)?;
                Walk::new(dir.into_std_file())
                    .map_err(|_| NotThere)?
                    .next()
                    .is_none()
            }
            false => metadata.len() == 0,
        };
        Ok(Located {
            project,
            relative,
            absolute: path.into(),
            kind,
            empty,
            uploaded,
        })
    }

    /// Project and path below its folder of what a client names.
    fn resolve(&self, path: &str) -> Result<(String, PathBuf), NotThere> {
        let asked = Path::new(path);
        let mapped = self
            .prefix_to_path
            .iter()
            .find_map(|(prefix, path)| Some(path.join(asked.strip_prefix(prefix).ok()?)));
        let path = mapped.as_deref().unwrap_or(asked);
        let (project, relative) = self.split(path).ok_or(NotThere)?;
        let mut parts = relative.components();
        match parts.all(|part| matches!(part, Component::Normal(_))) {
            true => Ok((project, relative.to_owned())),
            false => Err(NotThere),
        }
    }

    /// Project and path below its folder. Differs from XNAT: compared part by part, so that `inbox2` is not
    /// below `inbox`, and never normalised.
    fn split<'a>(&self, path: &'a Path) -> Option<(String, &'a Path)> {
        let elsewhere = self.project_to_folder.iter().find_map(|(project, folder)| {
            let below = path.strip_prefix(folder).ok()?;
            Some((project.clone(), below))
        });
        if elsewhere.is_some() {
            return elsewhere;
        }
        let below = path
            .strip_prefix(&self.root)
            .or_else(|_| path.strip_prefix(&self.real_root))
            .ok()?;
        let mut parts = below.components();
        let Some(Component::Normal(project)) = parts.next() else {
            return None;
        };
        let project = project.to_str()?.to_owned();
        // A project that has its folder elsewhere has none here.
        (!self.project_to_folder.contains_key(&project)).then_some((project, parts.as_path()))
    }

    /// Opens a located folder, or the folder in which a located archive lies.
    ///
    /// # Errors
    /// [`NotThere`] if it has gone since, or is no archive.
    pub fn open(&self, located: &Located) -> Result<Opened, NotThere> {
        let project = self.folder_of(located)?;
        let open = |relative: &Path| {
            let folder = project.open_dir(self_or(relative)).map_err(|_| NotThere)?;
            Ok(folder.into_std_file())
        };
        let relative = &located.relative;
        match located.kind {
            Kind::Folder => Ok(Opened::Folder(open(relative)?)),
            Kind::Archive(format) => {
                let name = relative.file_name().ok_or(NotThere)?.to_owned();
                let folder = Arc::new(open(relative.parent().ok_or(NotThere)?)?);
                let found = Found::new(folder, name.clone(), name.into(), None);
                Ok(Opened::Archive(found, format))
            }
            Kind::OtherFile => Err(NotThere),
        }
    }

    /// Opens the folder in which something lies that may be gone by now.
    ///
    /// # Errors
    /// [`NotThere`] if the folder is gone too.
    pub fn open_parent(&self, path: &str) -> Result<File, NotThere> {
        let (project, relative) = self.resolve(path)?;
        let folder = self.project_folder(&project)?;
        let parent = relative.parent().ok_or(NotThere)?;
        let parent = folder.open_dir(self_or(parent)).map_err(|_| NotThere)?;
        Ok(parent.into_std_file())
    }

    /// A located file, whatever it is named. It is itself not opened yet.
    ///
    /// # Errors
    /// [`NotThere`] if its folder has gone since.
    pub fn open_file(&self, located: &Located) -> Result<Found, NotThere> {
        let relative = &located.relative;
        let (Some(name), Some(parent)) = (relative.file_name(), relative.parent()) else {
            return Err(NotThere);
        };
        let project = self.folder_of(located)?;
        let folder = project.open_dir(self_or(parent)).map_err(|_| NotThere)?;
        let folder = Arc::new(folder.into_std_file());
        Ok(Found::new(folder, name.to_owned(), name.into(), None))
    }

    fn folder_of(&self, located: &Located) -> Result<Dir, NotThere> {
        match located.uploaded {
            true => self.upload_folder(&located.project),
            false => self.project_folder(&located.project),
        }
    }

    fn upload_folder(&self, project: &str) -> Result<Dir, NotThere> {
        let uploads = self.uploads.as_ref().ok_or(NotThere)?;
        Dir::open_ambient_dir(uploads.root().join(project), ambient_authority())
            .map_err(|_| NotThere)
    }

    /// The project's folder must be a real one: a link could lead into another project's.
    fn project_folder(&self, project: &str) -> Result<Dir, NotThere> {
        let path = match self.project_to_folder.get(project) {
            Some(folder) => folder.clone(),
            None => self.real_root.join(project),
        };
        if !path.symlink_metadata().is_ok_and(|m| m.is_dir()) {
            return Err(NotThere);
        }
        Dir::open_ambient_dir(path, ambient_authority()).map_err(|_| NotThere)
    }
}

/// A path below a folder, for calls that know no empty one.
fn self_or(below: &Path) -> &Path {
    match below.as_os_str().is_empty() {
        true => Path::new("."),
        false => below,
    }
}

/// A file is read where it lies: not over a link in its place, and nothing that could hold up a reader.
fn file_kind(folder: &Dir, below: &Path) -> Result<Kind, NotThere> {
    let metadata = folder.symlink_metadata(below).map_err(|_| NotThere)?;
    if !metadata.is_file() {
        return Err(NotThere);
    }
    let format = below.file_name().and_then(Format::of);
    Ok(format.map_or(Kind::OtherFile, Kind::Archive))
}

/// What tells whether a file is still the one, and as it was, when it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Identity {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Identity {
    pub fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    fn of_stat(stat: &rustix::fs::Stat) -> Self {
        Self {
            device: stat.st_dev,
            inode: stat.st_ino,
            size: stat.st_size.unsigned_abs(),
            modified: (stat.st_mtime, stat.st_mtime_nsec.cast_signed()),
            changed: (stat.st_ctime, stat.st_ctime_nsec.cast_signed()),
        }
    }

    pub fn size(&self) -> u64 {
        self.size
    }

    /// Until when a file counts as just written, if it was modified less than `window` ago. A time of
    /// modification that is yet to come, by another machine's clock, counts as now.
    pub fn fresh_until(&self, window: Duration) -> Option<SystemTime> {
        let now = SystemTime::now();
        let (seconds, nanoseconds) = self.modified;
        let since = Duration::new(
            u64::try_from(seconds).ok()?,
            u32::try_from(nanoseconds).ok()?,
        );
        let until = UNIX_EPOCH.checked_add(since)?.min(now) + window;
        (until > now).then_some(until)
    }

    /// The same but for the time of the last change to the inode, which a rename moves.
    fn is_renamed(&self, other: &Self) -> bool {
        Self {
            changed: other.changed,
            ..*self
        } == *other
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn only_real_folders_below_a_project_are_there() {
        let temp = tempfile::tempdir().expect("temp");
        let root = temp.path().join("inbox");
        for folder in [
            "inbox/P/study",
            "inbox/OTHER/secret",
            "inbox2/P/study",
            "outside",
        ] {
            fs::create_dir_all(temp.path().join(folder)).expect("folder");
        }
        fs::write(root.join("P/study/file"), b"x").expect("file");
        symlink(temp.path().join("outside"), root.join("P/out")).expect("link");
        symlink("../OTHER/secret", root.join("P/other")).expect("link");
        symlink("OTHER", root.join("Q")).expect("link");
        fs::write(root.join("P/study.TAR.gz"), b"x").expect("file");
        fs::write(root.join("P/empty.zip"), b"").expect("file");
        symlink("study.TAR.gz", root.join("P/link.tgz")).expect("link");
        let inbox = Inbox::new(root.clone()).expect("inbox");
        let there = |path: &str| inbox.locate(&format!("{}{path}", temp.path().display()));
        let study = there("/inbox/P/study").expect("there");
        assert_eq!(
            (study.project.as_str(), study.kind, study.empty),
            ("P", Kind::Folder, false)
        );
        assert!(there("/inbox/P").is_ok());
        let kind = |path: &str| there(path).map(|l| (l.kind, l.empty));
        let tar = Kind::Archive(Format::Tar);
        assert_eq!(kind("/inbox/P/study.TAR.gz"), Ok((tar, false)));
        let zip = Kind::Archive(Format::Zip);
        assert_eq!(kind("/inbox/P/empty.zip"), Ok((zip, true)));
        assert_eq!(kind("/inbox/P/study/file"), Ok((Kind::OtherFile, false)));
        for path in [
            "/inbox/P/link.tgz",
            "/inbox",
            "/inbox/",
            "/inbox2/P/study",
            "/inbox/P/none",
            "/inbox/P/../OTHER/secret",
            "/inbox/P/out",
            "/inbox/P/other",
            "/inbox/Q/secret",
            "/outside",
            "/inbox/../outside",
        ] {
            assert_eq!(there(path).err(), Some(NotThere), "{path}");
        }
        assert!(
            inbox.locate("P/study").is_err(),
            "relative paths lead nowhere"
        );
    }
}
