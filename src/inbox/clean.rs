//! Removing a source whose content is proved stored, and nothing else.

use super::Identity;
use crate::failpoint::crash_point;
use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags, openat, renameat_with, unlinkat};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::{Component, Path};

/// Why a source was left where it is.
#[derive(Debug, thiserror::Error)]
pub enum Leftover {
    #[error("it is no longer the file that was read")]
    Changed,
    #[error("it can't be removed: {0}")]
    Io(#[from] io::Error),
}

/// Removes the source at `relative` below `root` if it is the very file, and as it was, when it was read.
///
/// It is first renamed to a private name, so that nobody who writes to the path in this moment loses
/// what they write: what turns out to be another file is put back. What a clean-up of the same request
/// that was cut off left under that name is removed, or put back, first; with `again` a source that is
/// gone was removed by it.
///
/// # Errors
/// Why it was left.
pub fn remove_source(
    root: &File,
    relative: &Path,
    as_read: &Identity,
    request: i64,
    again: bool,
) -> Result<(), Leftover> {
    let name = relative
        .file_name()
        .ok_or(io::Error::from(ErrorKind::InvalidInput))?;
    let removed = enter(root, relative)
        .map_err(Leftover::Io)
        .and_then(|folder| remove(&folder, name, as_read, request));
    match removed {
        Err(Leftover::Io(e)) if again && e.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

fn remove(folder: &File, name: &OsStr, as_read: &Identity, request: i64) -> Result<(), Leftover> {
    let private = format!(".sluice-{request}-{}", as_read.inode);
    let private = OsStr::new(&private);
    match open(folder, private) {
        Ok(left) => return finish(folder, name, private, &left, as_read),
        Err(e) if e.kind() == ErrorKind::NotFound => {}
        Err(e) => return Err(e.into()),
    }
    if Identity::of(&open(folder, name)?.metadata()?) != *as_read {
        return Err(Leftover::Changed);
    }
    renameat_with(folder, name, folder, private, RenameFlags::NOREPLACE)
        .map_err(io::Error::from)?;
    crash_point("clean.renamed");
    finish(folder, name, private, &open(folder, private)?, as_read)
}

/// Removes what stands under the private name, or puts it back if it is something else.
fn finish(
    folder: &File,
    name: &OsStr,
    private: &OsStr,
    renamed: &File,
    as_read: &Identity,
) -> Result<(), Leftover> {
    if !Identity::of(&renamed.metadata()?).is_renamed(as_read) {
        renameat_with(folder, private, folder, name, RenameFlags::NOREPLACE)
            .map_err(io::Error::from)?;
        return Err(Leftover::Changed);
    }
    unlinkat(folder, private, AtFlags::empty()).map_err(io::Error::from)?;
    crash_point("clean.removed");
    Ok(())
}

fn open(folder: &File, name: &OsStr) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    Ok(File::from(openat(folder, name, flags, Mode::empty())?))
}

/// The folder that a path lies in, reached without following links.
fn enter(root: &File, relative: &Path) -> io::Result<File> {
    let mut folder = root.try_clone()?;
    for part in relative.parent().into_iter().flat_map(Path::components) {
        let Component::Normal(name) = part else {
            return Err(ErrorKind::InvalidInput.into());
        };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        folder = File::from(openat(&folder, name, flags, Mode::empty())?);
    }
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::PathBuf;

    struct Folder(tempfile::TempDir);

    impl Folder {
        fn new() -> Folder {
            let folder = Folder(tempfile::tempdir().unwrap());
            fs::create_dir(folder.path("a")).unwrap();
            folder
        }

        fn path(&self, below: &str) -> PathBuf {
            self.0.path().join(below)
        }

        fn write(&self, below: &str, content: &str) -> Identity {
            fs::write(self.path(below), content).unwrap();
            Identity::of(&fs::metadata(self.path(below)).unwrap())
        }

        fn remove(&self, as_read: &Identity, again: bool) -> Result<(), Leftover> {
            let root = File::open(self.0.path()).unwrap();
            remove_source(&root, Path::new("a/one"), as_read, 7, again)
        }

        fn left(&self) -> Vec<(String, String)> {
            let entries = fs::read_dir(self.path("a")).unwrap().map(Result::unwrap);
            let mut left: Vec<_> = entries
                .map(|e| {
                    let name = e.file_name().into_string().unwrap();
                    (name, fs::read_to_string(e.path()).unwrap())
                })
                .collect();
            left.sort();
            left
        }
    }

    #[test]
    fn a_file_that_was_renamed_when_the_clean_up_was_cut_off_goes() {
        let folder = Folder::new();
        let as_read = folder.write("a/one", "read");
        let private = format!("a/.sluice-7-{}", as_read.inode);
        fs::rename(folder.path("a/one"), folder.path(&private)).unwrap();
        // Somebody writes to the path before the server is back.
        folder.write("a/one", "new");
        folder.remove(&as_read, true).unwrap();
        assert_eq!(folder.left(), [("one".into(), "new".into())]);
    }

    #[test]
    fn another_file_under_the_private_name_is_put_back() {
        let folder = Folder::new();
        let as_read = folder.write("a/one", "read");
        let private = format!("a/.sluice-7-{}", as_read.inode);
        fs::rename(folder.path("a/one"), folder.path("a/kept")).unwrap();
        folder.write(&private, "written while it was renamed");
        let why = folder.remove(&as_read, true).unwrap_err();
        assert!(matches!(why, Leftover::Changed), "{why}");
        let left = folder.left();
        assert_eq!(left[1].0, "one");
        assert_eq!(left[1].1, "written while it was renamed");
    }

    #[test]
    fn what_is_gone_was_removed_only_by_a_clean_up_that_had_begun() {
        let folder = Folder::new();
        let as_read = folder.write("a/one", "read");
        fs::remove_file(folder.path("a/one")).unwrap();
        assert!(matches!(
            folder.remove(&as_read, false),
            Err(Leftover::Io(_))
        ));
        folder.remove(&as_read, true).unwrap();
        fs::remove_dir(folder.path("a")).unwrap();
        folder.remove(&as_read, true).unwrap();
    }

    #[test]
    fn a_folder_that_became_a_link_is_not_followed() {
        let folder = Folder::new();
        let as_read = folder.write("a/one", "read");
        fs::rename(folder.path("a"), folder.path("b")).unwrap();
        std::os::unix::fs::symlink("b", folder.path("a")).unwrap();
        assert!(folder.remove(&as_read, true).is_err());
        assert_eq!(folder.left().len(), 1);
    }
}
