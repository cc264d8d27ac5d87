//! The disk that is measured against: copying and syncing what is imported, and other programs' work on it.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::Outcome;

/// Seconds that `cp -r` and a sync of what it wrote take.
pub fn copy(scratch: &Path, tree: &Path) -> Outcome<f64> {
    let target = scratch.join("copy");
    let seconds = timed(&target, || {
        let words = ["-r".as_ref(), "--reflink=never".as_ref()];
        run(
            "cp",
            words
                .into_iter()
                .chain([tree.as_os_str(), target.as_os_str()]),
        )
    })?;
    removed(scratch, &target)?;
    Ok(seconds)
}

/// Programs that do something like it, and what they do.
pub const RIVALS: [(&str, &str); 7] = [
    ("copy", "cp in as many processes as cores, nothing else"),
    ("gdcmanon", "seven fixed edits, one process"),
    ("dcmodify", "seven fixed edits of a copy"),
    ("dcmanon", "its defaults of PS3.15"),
    ("orthanc", "upload, no anonymization"),
    ("dicom_anonymizer", "its profile of PS3.15"),
    ("dicognito", "its own anonymization"),
];

/// Seconds that another program takes and a sync after it; none if it is not on this machine.
pub fn rival(scratch: &Path, tree: &Path, name: &str) -> Outcome<Option<f64>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = root.join("target/rivals-venv/bin/python");
    if !python.exists() {
        return Ok(None);
    }
    let target = scratch.join("rival");
    let mut status = None;
    let seconds = timed(&target, || {
        status = Some(
            Command::new(&python)
                .arg(root.join("benches/rival.py"))
                .args([name.as_ref(), tree.as_os_str(), target.as_os_str()])
                .stderr(Stdio::inherit())
                .status()?,
        );
        fs::create_dir_all(&target)?;
        Ok(())
    })?;
    removed(scratch, &target)?;
    match status.and_then(|status| status.code()) {
        Some(0) => Ok(Some(seconds)),
        Some(3) => Ok(None),
        other => Err(format!("{name} ended with {other:?}").into()),
    }
}

fn timed(target: &Path, work: impl FnOnce() -> Outcome<()>) -> Outcome<f64> {
    let start = Instant::now();
    work()?;
    run("sync", ["-f".as_ref(), target.as_os_str()])?;
    Ok(start.elapsed().as_secs_f64())
}

/// Where trees go that are done with, until [`emptied`].
const AWAY: &str = "away";

/// For so long ext4 does not give a removed file's inode to another, and looks for a free one from the start of a
/// group each time: who makes thousands of files after thousands were removed takes ten times as long, be it a copy
/// or an import, and the two look alike.
const RECENTLY: Duration = Duration::from_secs(65);

/// Puts a tree out of the way. It is removed with all others, when nothing is measured.
pub fn removed(scratch: &Path, tree: &Path) -> Outcome<()> {
    let away = scratch.join(AWAY);
    fs::create_dir_all(&away)?;
    let number = fs::read_dir(&away)?.count();
    fs::rename(tree, away.join(number.to_string()))?;
    settled(scratch)
}

/// Removes what is out of the way, and waits until the disk has forgotten it.
pub fn emptied(scratch: &Path) -> Outcome<()> {
    fs::remove_dir_all(scratch.join(AWAY))?;
    settled(scratch)?;
    std::thread::sleep(RECENTLY);
    Ok(())
}

/// Waits until the disk has all that was written.
pub fn settled(scratch: &Path) -> Outcome<()> {
    run("sync", ["-f".as_ref(), scratch.as_os_str()])
}

/// A folder with links to a part of a tree's files: every `step`th series.
pub fn part(tree: &Path, target: PathBuf, step: usize) -> Outcome<PathBuf> {
    for study in sorted(tree)? {
        for series in sorted(&study)?.into_iter().step_by(step) {
            let below = series.strip_prefix(tree)?;
            fs::create_dir_all(target.join(below))?;
            for file in sorted(&series)? {
                fs::hard_link(&file, target.join(file.strip_prefix(tree)?))?;
            }
        }
    }
    Ok(target)
}

fn sorted(folder: &Path) -> Outcome<Vec<PathBuf>> {
    let entries = fs::read_dir(folder)?.map(|entry| Ok(entry?.path()));
    let mut paths = entries.collect::<Outcome<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

pub fn run<'a>(program: &str, arguments: impl IntoIterator<Item = &'a OsStr>) -> Outcome<()> {
    let status = Command::new(program).args(arguments).status()?;
    match status.success() {
        true => Ok(()),
        false => Err(format!("{program}: {status}").into()),
    }
}
