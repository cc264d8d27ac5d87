//! Making what is written to a file system durable, and learning whether it is.

use std::fs::File;
use std::io;
use std::path::Path;

/// A file system, held open from before something is written to it until that is made durable.
///
/// Linux tells of a write that failed behind the writer's back once to each description of a file that was open at
/// the time. One that is opened later learns of it only if nobody else has been told (`syncfs(2)`, `errseq_t`): where
/// two imports write at once, the second to ask would take its lost files for stored.
#[derive(Debug)]
pub struct FileSystem(File);

impl FileSystem {
    /// The one that holds a file or folder.
    ///
    /// # Errors
    /// If that can't be opened.
    pub fn of(path: &Path) -> io::Result<Self> {
        File::open(path).map(Self)
    }

    /// Makes everything durable that was written to it.
    ///
    /// # Errors
    /// If that fails, or something that was written since this was opened could not be.
    pub fn sync(&self) -> io::Result<()> {
        Ok(rustix::fs::syncfs(&self.0)?)
    }
}
