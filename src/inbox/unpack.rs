//! Unpacking an archive of the inbox into a private folder, within limits, so that it can be imported like
//! a folder of the same content.
//!
//! What is written bears numbers for names: a member's own name is kept beside it, so that neither the
//! file system's limits nor a name that leads elsewhere matter. A member that can't be had is listed with
//! the reason, and the rest goes on; a damaged archive, or one that breaks a limit, is refused as a whole.

mod name;
mod sink;
mod tar;
mod zip;

use super::Found;
use rustix::fs::{Mode, OFlags, open};
use std::ffi::OsStr;
use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;

pub use name::BadName;
use sink::Sink;

/// Read and written at once.
const CHUNK: usize = 128 * 1024;

/// An archive up to this size is never refused for its ratio: empty images compress well.
const RATIO_FLOOR: u64 = 64 * MB;

/// Names are held in memory, all others only on disk.
const NAME_BYTES: u64 = 256 * MB;

const MB: u64 = 1024 * 1024;

/// The archives that are unpacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Zip,
    /// Compressed by gzip, or not.
    Tar,
}

impl Format {
    /// By the extension, as XNAT has it; `.tar.gz` too, which XNAT's list misspells.
    pub fn of(name: &OsStr) -> Option<Self> {
        let name = name.as_bytes().to_ascii_lowercase();
        let ends = |extension: &&str| name.ends_with(extension.as_bytes());
        if ends(&".zip") {
            return Some(Self::Zip);
        }
        [".tar", ".tgz", ".tar.gz"]
            .iter()
            .any(ends)
            .then_some(Self::Tar)
    }
}

/// What an archive may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Of all members, unpacked.
    pub bytes: u64,
    /// Of one member, unpacked.
    pub member_bytes: u64,
    /// Members and folders.
    pub entries: u64,
    /// Unpacked bytes for each byte of the archive.
    pub ratio: u64,
}

/// A limit that an archive breaks, with the setting that moves it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Limit {
    #[error("more than {} MB unpacked (archive_max_mb)", .0 / MB)]
    Bytes(u64),
    #[error("a member of more than {} MB unpacked (archive_max_member_mb)", .0 / MB)]
    MemberBytes(u64),
    #[error("more than {0} members and folders (archive_max_entries)")]
    Entries(u64),
    #[error("more than {0} unpacked bytes for each byte of it (archive_max_ratio)")]
    Ratio(u64),
    #[error("more than {} MB of names", NAME_BYTES / MB)]
    Names,
}

/// Why nothing of an archive is to be had.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    #[error("it holds {0}")]
    Limit(#[from] Limit),
    #[error("it is damaged or cut short: {0}")]
    Damaged(String),
    #[error("it can't be read: {0}")]
    Read(io::Error),
    /// The private folder can't be written to.
    #[error("it can't be unpacked: {0}")]
    Write(io::Error),
    #[error("stopped by the caller")]
    Stopped,
}

/// Unpacks an archive into `folder`, which is made. The members come in the order in which
/// [`super::Walk`] meets the files of a folder of the same content.
///
/// `ask` is told how many bytes are written next, and answers whether to go on.
///
/// # Errors
/// Why the archive as a whole is refused. What was written by then is left to the caller.
pub fn unpack(
    archive: &File,
    format: Format,
    folder: &Path,
    limits: &Limits,
    ask: &mut dyn FnMut(u64) -> bool,
) -> Result<Vec<Found>, UnpackError> {
    let packed = archive.metadata().map_err(UnpackError::Read)?.len();
    let folder = private_folder(folder).map_err(UnpackError::Write)?;
    let mut sink = Sink::new(Arc::new(folder), packed, *limits, ask);
    match format {
        Format::Zip => zip::unpack(archive, &mut sink)?,
        Format::Tar => tar::unpack(archive, &mut sink)?,
    }
    Ok(sink.into_members())
}

/// What lies in it is not anonymized: nobody else looks into it.
fn private_folder(path: &Path) -> io::Result<File> {
    DirBuilder::new().mode(0o700).create(path)?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(File::from(open(path, flags, Mode::empty())?))
}

#[cfg(test)]
mod tests;
