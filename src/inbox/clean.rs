//! Removing a source whose content is proved stored, and nothing else.

use super::{Found, Identity};
use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags, openat, renameat_with, unlinkat};
use std::fs::File;
use std::io;

/// Why a source was left where it is.
#[derive(Debug, thiserror::Error)]
pub enum Leftover {
    #[error("it is no longer the file that was read")]
    Changed,
    #[error("it can't be removed: {0}")]
    Io(#[from] io::Error),
}

/// Removes a source if it is the very file, and as it was, when it was read.
///
/// It is first renamed to a private name, so that nobody who writes to the path in this moment loses
/// what they write: what turns out to be another file is put back.
///
/// # Errors
/// Why it was left.
pub fn remove_source(found: &Found, as_read: &Identity, request: i64) -> Result<(), Leftover> {
    let (folder, name) = (found.folder(), found.name());
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(openat(folder, name, flags, Mode::empty()).map_err(io::Error::from)?);
    if Identity::of(&file.metadata()?) != *as_read {
        return Err(Leftover::Changed);
    }
    let private = format!(".sluice-{request}-{}", as_read.inode);
    renameat_with(folder, name, folder, &private, RenameFlags::NOREPLACE)
        .map_err(io::Error::from)?;
    let renamed =
        File::from(openat(folder, &private, flags, Mode::empty()).map_err(io::Error::from)?);
    if !Identity::of(&renamed.metadata()?).is_renamed(as_read) {
        renameat_with(folder, &private, folder, name, RenameFlags::NOREPLACE)
            .map_err(io::Error::from)?;
        return Err(Leftover::Changed);
    }
    unlinkat(folder, &private, AtFlags::empty()).map_err(io::Error::from)?;
    Ok(())
}
