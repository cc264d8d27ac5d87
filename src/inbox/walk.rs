//! Walking a folder of the inbox: every entry at any depth, once, in the order of names, following nothing.

use super::Identity;
use super::unpack::BadName;
use crate::failpoint::read_point;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, openat, statat};

/// Deeper folders are reported, not entered.
pub(super) const MAX_DEPTH: usize = 100;

/// An entry that is no folder. Not opened yet: that is done where it is read.
#[derive(Debug, Clone)]
pub struct Found {
    folder: Arc<File>,
    /// In that folder, where it is not the last part of `relative`: of a member of an archive.
    name: Option<Box<OsStr>>,
    /// Below the folder that is walked, or in the archive.
    pub relative: Box<Path>,
    /// Set for what can't be entered or read as a folder.
    trouble: Option<Box<NotRegular>>,
}

/// Why there is nothing to read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotRegular {
    #[error("a symbolic link: not followed")]
    Link,
    #[error("not a regular file")]
    Special,
    #[error("folders nest deeper than {MAX_DEPTH}")]
    TooDeep,
    #[error("can't be opened: {0}")]
    Unreadable(io::ErrorKind),
    #[error("a hard link to another member: not followed")]
    HardLink,
    #[error("its name {0}")]
    Name(BadName),
    #[error("a member of this name came before it")]
    Twice,
    #[error("it is encrypted")]
    Encrypted,
    #[error("it is packed by a method that is not supported: {0}")]
    Method(String),
    #[error("it is damaged: {0}")]
    Damaged(String),
}

impl NotRegular {
    /// Whether it was there when its folder was listed, and is not any more.
    pub fn is_gone(&self) -> bool {
        *self == Self::Unreadable(io::ErrorKind::NotFound)
    }
}

impl Found {
    pub(super) fn new(
        folder: Arc<File>,
        name: OsString,
        relative: PathBuf,
        trouble: Option<NotRegular>,
    ) -> Self {
        Self {
            folder,
            name: Some(name.into()),
            relative: relative.into(),
            trouble: trouble.map(Box::new),
        }
    }

    /// What stands under its name now.
    ///
    /// # Errors
    /// If nothing does.
    pub fn identity_now(&self) -> io::Result<Identity> {
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        Ok(Identity::of_stat(&statat(
            &*self.folder,
            self.name(),
            flags,
        )?))
    }

    /// Opens the file, if it is a regular one.
    ///
    /// # Errors
    /// Why it is not read.
    pub fn open(&self) -> Result<File, NotRegular> {
        if let Some(trouble) = &self.trouble {
            return Err(NotRegular::clone(trouble));
        }
        // NONBLOCK: a FIFO must not hold up the import.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match openat(&*self.folder, self.name(), flags, Mode::empty()) {
            Ok(fd) => File::from(fd),
            Err(rustix::io::Errno::LOOP) => return Err(NotRegular::Link),
            Err(e) => return Err(NotRegular::Unreadable(e.kind())),
        };
        match file.metadata() {
            Ok(metadata) if metadata.is_file() => Ok(file),
            Ok(_) => Err(NotRegular::Special),
            Err(e) => Err(NotRegular::Unreadable(e.kind())),
        }
    }

    /// The path below the walked folder, `/` between its parts; bytes that are not UTF-8 are replaced.
    pub fn display(&self) -> String {
        self.relative.to_string_lossy().into_owned()
    }

    /// The name alone; bytes that are not UTF-8 are replaced.
    pub fn file_name(&self) -> String {
        let name = self.relative.file_name().unwrap_or(self.name());
        name.to_string_lossy().into_owned()
    }

    /// In its folder.
    pub(super) fn name(&self) -> &OsStr {
        let last = || self.relative.file_name().unwrap_or_default();
        self.name.as_deref().unwrap_or_else(last)
    }
}

/// The entries of a folder tree. Holds the names of the folders on the way, never those of the whole tree.
pub struct Walk {
    stack: Vec<Level>,
}

struct Level {
    folder: Arc<File>,
    relative: PathBuf,
    /// The last first.
    names: Vec<(OsString, FileType)>,
}

impl Walk {
    /// # Errors
    /// If the folder itself can't be listed.
    pub fn new(folder: File) -> io::Result<Self> {
        Ok(Self {
            stack: vec![Level::read(Arc::new(readable(&folder)?), PathBuf::new())?],
        })
    }
}

/// cap-std opens folders for looking up only (`O_PATH`); listing them takes another handle.
fn readable(folder: &File) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(File::from(openat(folder, ".", flags, Mode::empty())?))
}

impl Iterator for Walk {
    type Item = Found;

    fn next(&mut self) -> Option<Found> {
        loop {
            let depth = self.stack.len();
            let level = self.stack.last_mut()?;
            let Some((name, kind)) = level.names.pop() else {
                self.stack.pop();
                continue;
            };
            let relative = level.relative.join(&name);
            let mut found = Found {
                folder: level.folder.clone(),
                name: None,
                relative: relative.into(),
                trouble: None,
            };
            let trouble = match kind {
                FileType::Directory if depth >= MAX_DEPTH => Some(NotRegular::TooDeep),
                FileType::Directory => match Level::enter(&found) {
                    Ok(level) => {
                        self.stack.push(level);
                        continue;
                    }
                    Err(e) => Some(NotRegular::Unreadable(e.kind())),
                },
                FileType::Symlink => Some(NotRegular::Link),
                _ => None,
            };
            found.trouble = trouble.map(Box::new);
            return Some(found);
        }
    }
}

impl Level {
    fn enter(found: &Found) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let folder = openat(&*found.folder, found.name(), flags, Mode::empty())?;
        Self::read(Arc::new(File::from(folder)), found.relative.to_path_buf())
    }

    fn read(folder: Arc<File>, relative: PathBuf) -> io::Result<Self> {
        let mut names = Vec::new();
        read_point("walk.listed")?;
        for entry in Dir::read_from(folder.as_fd())? {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if name != b"." && name != b".." {
                let name = OsString::from_vec(name.to_vec());
                let kind = known_type(&folder, &name, entry.file_type());
                names.push((name, kind));
            }
        }
        names.sort_by(|a, b| b.0.cmp(&a.0));
        Ok(Self {
            folder,
            relative,
            names,
        })
    }
}

/// Some file systems don't tell the type with the name.
fn known_type(folder: &File, name: &OsString, told: FileType) -> FileType {
    if told != FileType::Unknown {
        return told;
    }
    let stat = statat(folder, Path::new(name), AtFlags::SYMLINK_NOFOLLOW);
    stat.map_or(FileType::Unknown, |s| FileType::from_raw_mode(s.st_mode))
}
