//! Files that are there whole or not at all, whatever happens to the machine in between.

use crate::failpoint::{crash_point, disk_point};
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Added to the name of a file that is not whole yet.
const UNFINISHED: &str = "new";

/// Writes a file under another name, makes it durable, and gives it its own. For files that have one writer: what
/// a crash leaves behind under the other name, the next attempt writes over.
///
/// # Errors
/// If the disk refuses.
pub fn write_whole(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> io::Result<()> {
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder)?;
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(".");
    unfinished.push(UNFINISHED);
    let mut out = BufWriter::new(File::create(&unfinished)?);
    disk_point("whole.disk")?;
    write(&mut out)?;
    out.flush()?;
    out.get_ref().sync_data()?;
    crash_point("whole.written");
    fs::rename(unfinished, path)?;
    crash_point("whole.renamed");
    // The name, too, must survive a power cut before anything relies on it.
    File::open(folder)?.sync_all()
}

/// The same for a file that somebody else may be writing at this moment: the last one is there, whole. The other
/// name is hidden, so that who watches the folder doesn't take it for a file of its own.
///
/// # Errors
/// If the disk refuses.
pub fn replace_whole(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder)?;
    let mut draft = tempfile::Builder::new()
        .prefix(".")
        .suffix(".tmp")
        // As any file that is created: the umask decides. It is not a secret of this process.
        .permissions(fs::Permissions::from_mode(0o666))
        .tempfile_in(folder)?;
    draft.write_all(content)?;
    draft.as_file().sync_data()?;
    draft.persist(path)?;
    File::open(folder)?.sync_all()
}
