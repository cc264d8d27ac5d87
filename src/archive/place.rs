//! The step on the file system that moves files where a commit wants them: may be repeated at any point.
//!
//! What will be replaced is linked into the history first, and that is made durable, before the first new file
//! takes a name. Then each file is moved or linked into place, a folder as a whole where there is none yet: a name
//! that exists is compared, and only what the history holds is replaced, by a rename, so that the name is never
//! without a file. A scan's catalogs come after its files, by rename. Then all is synced.

use super::catalog;
use crate::failpoint::{crash_point, disk_point};
use crate::file_system::FileSystem;
use crate::store::{Scan, StoredFile};
use rustix::fs::{CWD, RenameFlags};
use rustix::io::Errno;
use std::collections::{BTreeMap, HashSet};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The folder beside replaced files that keeps them, a folder for each commit in it.
const HISTORY: &str = ".history";

/// Where one commit's files come from and go to.
pub(super) struct Place {
    pub data: PathBuf,
    /// The data folder's.
    pub file_system: FileSystem,
    /// Below the data folder, as are all paths here.
    pub staging: PathBuf,
    pub target: PathBuf,
    /// Whether files of the same name may be replaced.
    pub overwrite: bool,
    pub commit: i64,
    /// Where files stand in `staging` that have another place there, by their place once there.
    pub moved: BTreeMap<String, String>,
}

/// What a commit does in one scan.
#[derive(Debug)]
pub(super) struct Part {
    pub scan: Scan,
    /// What the commit adds or moves, each with its place in the session once there.
    pub files: Vec<StoredFile>,
    /// What the scan holds once it is committed.
    pub all: Vec<StoredFile>,
}

impl Place {
    /// A session whose rows change need not be one whose folder does.
    fn moves_files(&self) -> bool {
        self.staging != self.target
    }

    /// Whether what is replaced is to be kept first, by [`Place::keep_history`] of every part.
    pub fn may_replace(&self) -> bool {
        self.overwrite && self.moves_files()
    }

    /// What is replaced is kept, as XNAT's catalog history does. Answers what that is.
    pub fn keep_history(&self, part: &Part) -> io::Result<HashSet<PathBuf>> {
        let mut replaced = HashSet::new();
        for (from, to) in self.ways(part) {
            // Gone from where it was staged, or the same: it was put into place before.
            if !from.exists() || !to.exists() || is_same_content(&from, &to)? {
                continue;
            }
            let kept = self.history_of(&to)?;
            fs::create_dir_all(kept.parent().unwrap_or(&kept))?;
            match fs::hard_link(&to, &kept) {
                // Kept before a crash; that it is this one and no other is looked at, not assumed.
                Err(e) if e.kind() == ErrorKind::AlreadyExists && is_same_content(&to, &kept)? => {}
                kept => kept?,
            }
            replaced.insert(to);
            crash_point("place.history");
        }
        Ok(replaced)
    }

    /// To be called before the first file is put over another.
    pub fn sync_history(&self) -> io::Result<()> {
        self.file_system.sync()
    }

    /// Puts a part's files into place, and writes its catalogs.
    ///
    /// # Errors
    /// If a file is in the way that may not be replaced, or the file system refuses.
    pub fn put_all(&self, part: &Part, replaced: &HashSet<PathBuf>) -> io::Result<()> {
        let target = self.data.join(&self.target);
        if self.moves_files() {
            let whole = self.put_folders(part)?;
            let mut last_folder = PathBuf::new();
            for (file, (from, to)) in part.files.iter().zip(self.ways(part)) {
                if whole.contains(&*file.resource) {
                    continue;
                }
                let folder = to.parent().unwrap_or(&target);
                if folder != last_folder {
                    fs::create_dir_all(folder)?;
                    folder.clone_into(&mut last_folder);
                }
                self.place(&from, &to, replaced.contains(&to))?;
                crash_point("place.put");
            }
            self.carry_history(part)?;
            crash_point("place.placed");
        }
        catalog::write_scan(&target, &part.scan, part.all.iter())
    }

    /// Moves whole folders of staged files, where nothing is in the way and nothing else is in them: as good as file by
    /// file, and done at once. Answers which resources went so. A repeated step finds them gone, and their files in
    /// place.
    fn put_folders<'a>(&self, part: &'a Part) -> io::Result<HashSet<&'a str>> {
        let mut whole = HashSet::new();
        if !self.is_staged() || !self.moved.is_empty() {
            return Ok(whole);
        }
        let mut resource_to_names: BTreeMap<&str, HashSet<&OsStr>> = BTreeMap::new();
        for file in &part.files {
            let names = resource_to_names.entry(&file.resource).or_default();
            names.insert(file.name.as_ref());
        }
        let (staging, target) = (self.data.join(&self.staging), self.data.join(&self.target));
        for (resource, names) in resource_to_names {
            let scan = Path::new("SCANS").join(&part.scan.scan_id);
            let (from, to) = (staging.join(&scan).join(resource), target.join(&scan));
            if !holds_just(&from, &names)? {
                continue;
            }
            fs::create_dir_all(&to)?;
            disk_point("place.disk")?;
            match rustix::fs::renameat_with(
                CWD,
                from,
                CWD,
                to.join(resource),
                RenameFlags::NOREPLACE,
            ) {
                Err(Errno::EXIST) => continue,
                done => done?,
            }
            crash_point("place.put");
            whole.insert(resource);
        }
        Ok(whole)
    }

    /// Once every part is in place.
    pub fn sync(&self) -> io::Result<()> {
        disk_point("place.sync")?;
        self.file_system.sync()?;
        crash_point("place.synced");
        Ok(())
    }

    /// From where to where each file goes.
    fn ways(&self, part: &Part) -> impl Iterator<Item = (PathBuf, PathBuf)> {
        let (staging, target) = (self.data.join(&self.staging), self.data.join(&self.target));
        part.files.iter().map(move |file| {
            let to = file.below_session();
            let from = self.moved.get(&*to.to_string_lossy()).map(PathBuf::from);
            (staging.join(from.as_ref().unwrap_or(&to)), target.join(&to))
        })
    }

    fn history_of(&self, file: &Path) -> io::Result<PathBuf> {
        let (Some(folder), Some(name)) = (file.parent(), file.file_name()) else {
            return Err(io::Error::new(ErrorKind::InvalidInput, "no file's name"));
        };
        Ok(folder
            .join(HISTORY)
            .join(self.commit.to_string())
            .join(name))
    }

    fn place(&self, from: &Path, to: &Path, is_kept: bool) -> io::Result<()> {
        disk_point("place.disk")?;
        match self.put(from, to) {
            Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
            // A repeated step: the file was put there the first time.
            Err(e) if e.kind() == ErrorKind::NotFound && to.exists() => return Ok(()),
            done => return done,
        }
        if is_same_content(from, to)? {
            return Ok(());
        }
        if !is_kept {
            let message = "a file of that name and other content stands in the session";
            return Err(io::Error::new(ErrorKind::AlreadyExists, message));
        }
        self.put_over(from, to)
    }

    /// Never over an existing file. What is staged moves, which costs half of a link and an unlink; what
    /// stands in the prearchive stays readable there until the commit is finished.
    fn put(&self, from: &Path, to: &Path) -> io::Result<()> {
        if self.is_staged() {
            rustix::fs::renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE)?;
            return Ok(());
        }
        fs::hard_link(from, to)
    }

    /// Over a file that the history keeps.
    fn put_over(&self, from: &Path, to: &Path) -> io::Result<()> {
        if self.is_staged() {
            return fs::rename(from, to);
        }
        let name = to.file_name().unwrap_or_default().to_string_lossy();
        let beside = to.with_file_name(format!(".{name}.new"));
        match fs::remove_file(&beside) {
            Err(e) if e.kind() != ErrorKind::NotFound => return Err(e),
            _ => {}
        }
        fs::hard_link(from, &beside)?;
        crash_point("place.beside");
        fs::rename(beside, to)
    }

    /// A session that moves takes the history of its files along.
    fn carry_history(&self, part: &Part) -> io::Result<()> {
        if self.is_staged() {
            return Ok(());
        }
        let folders: HashSet<(PathBuf, PathBuf)> = self
            .ways(part)
            .filter_map(|(from, to)| {
                Some((from.parent()?.join(HISTORY), to.parent()?.join(HISTORY)))
            })
            .collect();
        for (from, to) in folders {
            let commits = match fs::read_dir(&from) {
                Err(e) if e.kind() == ErrorKind::NotFound => continue,
                commits => commits?,
            };
            for commit in commits {
                let commit = commit?;
                let to = to.join(commit.file_name());
                fs::create_dir_all(&to)?;
                for file in fs::read_dir(commit.path())? {
                    let file = file?;
                    match fs::hard_link(file.path(), to.join(file.file_name())) {
                        Err(e) if e.kind() != ErrorKind::AlreadyExists => return Err(e),
                        _ => {}
                    }
                    crash_point("place.history_carried");
                }
            }
        }
        Ok(())
    }

    fn is_staged(&self) -> bool {
        self.staging.starts_with("staging")
    }
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

/// Whether these files are all that is in a folder.
fn holds_just(folder: &Path, names: &HashSet<&OsStr>) -> io::Result<bool> {
    let entries = match fs::read_dir(folder) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(false),
        entries => entries?,
    };
    let mut count = 0;
    for entry in entries {
        if !names.contains(&*entry?.file_name()) {
            return Ok(false);
        }
        count += 1;
    }
    Ok(count == names.len())
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
