//! The step on the file system that moves files where a commit wants them: may be repeated at any point.
//!
//! Each file is moved or linked into place; a name that exists is compared, never overwritten, or moved to the
//! history first where the commit may replace it. Catalogs come last, by rename. Then all is synced.

use super::catalog;
use crate::store::{Scan, StoredFile};
use rustix::fs::{CWD, RenameFlags};
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// One commit's step.
pub struct Step {
    pub data: PathBuf,
    /// Below the data folder, as are all paths here.
    pub staging: PathBuf,
    pub target: PathBuf,
    /// Whether files of the same name may be replaced.
    pub overwrite: bool,
    pub commit: i64,
    /// What the commit adds or moves.
    pub files: Vec<StoredFile>,
    /// What the session holds once it is committed.
    pub all: Vec<StoredFile>,
    pub scans: Vec<Scan>,
}

impl Step {
    /// # Errors
    /// If a file is in the way that may not be replaced, or the file system refuses.
    pub fn run(&self) -> io::Result<()> {
        let (staging, target) = (self.data.join(&self.staging), self.data.join(&self.target));
        let mut last_folder = PathBuf::new();
        for file in &self.files {
            let relative = Path::new("SCANS").join(&file.scan_id).join(&file.resource);
            if relative != last_folder {
                fs::create_dir_all(target.join(&relative))?;
                last_folder.clone_from(&relative);
            }
            self.place(
                &staging.join(&relative).join(&file.name),
                &target.join(&relative).join(&file.name),
            )?;
        }
        catalog::write_all(&target, &self.all, &self.scans)?;
        sync_file_system(&target)
    }

    fn place(&self, from: &Path, to: &Path) -> io::Result<()> {
        match self.put(from, to) {
            Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
            // A repeated step: the file was put there the first time.
            Err(e) if e.kind() == ErrorKind::NotFound && to.exists() => return Ok(()),
            done => return done,
        }
        if is_same_content(from, to)? {
            return Ok(());
        }
        if !self.overwrite {
            let message = "a file of that name and other content stands in the session";
            return Err(io::Error::new(ErrorKind::AlreadyExists, message));
        }
        self.move_to_history(to)?;
        self.put(from, to)
    }

    /// Never over an existing file. What is staged moves, which costs half of a link and an unlink; what
    /// stands in the prearchive stays readable there until the commit is finished.
    fn put(&self, from: &Path, to: &Path) -> io::Result<()> {
        if self.staging.starts_with("staging") {
            rustix::fs::renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE)?;
            return Ok(());
        }
        fs::hard_link(from, to)
    }

    /// What is replaced is kept, as XNAT's catalog history does.
    fn move_to_history(&self, file: &Path) -> io::Result<()> {
        let (Some(folder), Some(name)) = (file.parent(), file.file_name()) else {
            return Ok(());
        };
        let history = folder.join(".history").join(self.commit.to_string());
        fs::create_dir_all(&history)?;
        fs::rename(file, history.join(name))
    }
}

/// Makes everything that was written to the file system durable.
///
/// # Errors
/// If the path can't be opened or the disk fails.
pub fn sync_file_system(path: &Path) -> io::Result<()> {
    Ok(rustix::fs::syncfs(File::open(path)?)?)
}

/// Removes a session's folder, and the folders above it that it leaves empty, up to the area's own.
///
/// # Errors
/// If something can't be removed; a folder that is gone already is none.
pub fn remove_folder(data: &Path, folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(data.join(folder)) {
        Err(e) if e.kind() != ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    for above in folder.ancestors().skip(1) {
        // The first part is the area: prearchive, quarantine, archive, staging.
        if above.components().count() < 2 || fs::remove_dir(data.join(above)).is_err() {
            break;
        }
    }
    Ok(())
}

fn is_same_content(a: &Path, b: &Path) -> io::Result<bool> {
    let (one, other) = (fs::metadata(a)?, fs::metadata(b)?);
    if (one.dev(), one.ino()) == (other.dev(), other.ino()) {
        return Ok(true);
    }
    if one.len() != other.len() {
        return Ok(false);
    }
    same_bytes(&mut File::open(a)?, &mut File::open(b)?)
}

/// Whether two readers give the same bytes to their ends.
pub(crate) fn same_bytes(a: &mut impl Read, b: &mut impl Read) -> io::Result<bool> {
    let (mut left, mut right) = (vec![0; 128 * 1024], vec![0; 128 * 1024]);
    loop {
        let (n, m) = (read_full(a, &mut left)?, read_full(b, &mut right)?);
        if left[..n] != right[..m] {
            return Ok(false);
        }
        if n == 0 {
            return Ok(true);
        }
    }
}

fn read_full(from: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match from.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(filled)
}
