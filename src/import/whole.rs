//! Files that are there whole or not at all, whatever happens to the machine in between.

use crate::failpoint::{crash_point, disk_point};
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// Added to the name of a file that is not whole yet.
const UNFINISHED: &str = "new";

/// Writes a file under another name, makes it durable, and gives it its own.
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
