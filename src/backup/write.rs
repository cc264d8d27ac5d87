//! The writing of a backup, entry by entry.

use std::fs::{self, File, OpenOptions};
use std::io::{BufReader, BufWriter, Read, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags};

use crate::store::{Snapshot, Store, now_ms};

use super::manifest::{FORMAT, Hashing, Manifest};
use super::pin::Pins;
use super::{BackupError, DATABASE, MANIFEST, REPORTS, RULES, SETTINGS, io};

/// Folders in folders of the rules: more are a link that leads back.
const DEEPEST: usize = 32;

/// What is to be copied.
pub struct Backup {
    pub store: Store,
    pub data: PathBuf,
    /// The settings' file, if there is one.
    pub settings: Option<PathBuf>,
    /// Whether with the sessions' files.
    pub with_files: bool,
}

/// What was copied.
#[derive(Debug, Clone, Copy)]
pub struct Written {
    pub entries: usize,
    pub rows: u64,
    pub sessions: u64,
    pub bytes: u64,
}

impl Backup {
    /// Writes the backup to a new file, which is there when it is whole. `by` is whom the audit names.
    ///
    /// # Errors
    /// If the file exists, or something can't be read or written.
    pub async fn write(&self, out: &Path, by: &str) -> Result<Written, BackupError> {
        if out.exists() {
            return Err(BackupError::Exists(out.to_owned()));
        }
        self.store.record_backup(by).await?;
        let folder = match out.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let draft = Draft::new(out)?;
        let mut entries = Entries::new(draft.file.try_clone().map_err(io("can't write", out))?);

        let mut pins = None;
        let mut snapshot = match self.with_files {
            true => {
                pins.insert(Pins::new(&self.data)?)
                    .of_a_snapshot(&self.store)
                    .await?
            }
            false => self.store.snapshot().await?,
        };
        let mut manifest = self.database(&mut snapshot, folder, &mut entries).await?;
        let ended = snapshot.ended_requests().await?;
        manifest.sessions = snapshot.sessions().await?.len() as u64;
        drop(snapshot);

        for id in ended {
            let report = self.data.join(REPORTS).join(format!("{id}.json"));
            entries.add_if_there(format!("{REPORTS}/{id}.json"), &report)?;
        }
        let mut rules = Vec::new();
        collect(&self.data.join(RULES), RULES, 0, &mut rules)?;
        for (path, file) in rules {
            entries.add_if_there(path, &file)?;
        }
        if let Some(settings) = &self.settings {
            entries.add_if_there(SETTINGS.into(), settings)?;
        }
        for (below, link) in pins.iter().flat_map(|pins| &pins.files) {
            let path = below
                .to_str()
                .ok_or_else(|| BackupError::Name(below.clone()))?;
            entries.add_file(path.to_owned(), link)?;
        }
        let written = Written {
            entries: entries.done.len(),
            rows: manifest.tables.values().sum(),
            sessions: manifest.sessions,
            bytes: entries.done.iter().map(|entry| entry.size).sum(),
        };
        entries.finish(manifest).map_err(io("can't write", out))?;
        draft.keep(out)?;
        Ok(written)
    }

    /// The tables, each as an entry, by way of a file without a name: an entry's length comes before it.
    async fn database(
        &self,
        snapshot: &mut Snapshot,
        folder: &Path,
        entries: &mut Entries,
    ) -> Result<Manifest, BackupError> {
        let created = chrono::DateTime::from_timestamp_millis(now_ms()).unwrap_or_default();
        let mut manifest = Manifest {
            format: FORMAT,
            program: env!("CARGO_PKG_VERSION").into(),
            created: created.to_rfc3339(),
            schema_version: snapshot.version(),
            with_files: self.with_files,
            sessions: 0,
            tables: Default::default(),
            sequences: snapshot.sequences().await?,
            entries: Vec::new(),
        };
        for table in snapshot.tables() {
            let mut scratch =
                tempfile::tempfile_in(folder).map_err(io("can't write into", folder))?;
            let mut out = BufWriter::new(&mut scratch);
            let rows = snapshot.write_table(table, &mut out).await?;
            out.flush().map_err(io("can't write into", folder))?;
            drop(out);
            scratch.rewind().map_err(io("can't write into", folder))?;
            manifest.tables.insert(table.into(), rows);
            entries.add(format!("{DATABASE}/{table}.jsonl"), scratch, folder)?;
        }
        Ok(manifest)
    }
}

/// The tar file, and what is in it so far.
struct Entries {
    tar: tar::Builder<BufWriter<File>>,
    done: Vec<super::manifest::Entry>,
    time: u64,
}

impl Entries {
    fn new(file: File) -> Entries {
        Entries {
            tar: tar::Builder::new(BufWriter::with_capacity(1 << 20, file)),
            done: Vec::new(),
            time: u64::try_from(now_ms() / 1000).unwrap_or(0),
        }
    }

    fn add(&mut self, path: String, file: File, shown: &Path) -> Result<(), BackupError> {
        let size = file.metadata().map_err(io("can't read", shown))?.len();
        let header = header(size, self.time);
        // Not more than was said: a file that grows must not spoil what comes after it.
        let mut reader = Hashing::new(BufReader::with_capacity(1 << 18, file).take(size));
        append(&mut self.tar, header, &path, &mut reader).map_err(io("can't copy", shown))?;
        let entry = reader.entry(path);
        match entry.size == size {
            true => self.done.push(entry),
            false => {
                return Err(io("can't copy", shown)(
                    std::io::ErrorKind::UnexpectedEof.into(),
                ));
            }
        }
        Ok(())
    }

    fn add_file(&mut self, path: String, from: &Path) -> Result<(), BackupError> {
        let file = File::open(from).map_err(io("can't read", from))?;
        self.add(path, file, from)
    }

    /// What an administrator removes meanwhile is no longer part of what is copied.
    fn add_if_there(&mut self, path: String, from: &Path) -> Result<(), BackupError> {
        match File::open(from) {
            Ok(file) => self.add(path, file, from),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(io("can't read", from)(error)),
        }
    }

    fn finish(mut self, manifest: Manifest) -> std::io::Result<()> {
        let manifest = Manifest {
            entries: self.done,
            ..manifest
        };
        let text = serde_json::to_vec(&manifest)?;
        let header = header(text.len() as u64, self.time);
        append(&mut self.tar, header, MANIFEST, &mut text.as_slice())?;
        let mut out = self.tar.into_inner()?;
        out.flush()?;
        out.get_ref().sync_all()
    }
}

fn header(size: u64, time: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Regular);
    header.set_mode(0o600);
    header.set_size(size);
    header.set_mtime(time);
    header
}

fn append(
    tar: &mut tar::Builder<BufWriter<File>>,
    mut header: tar::Header,
    path: &str,
    from: &mut impl Read,
) -> std::io::Result<()> {
    tar.append_data(&mut header, path, from)
}

/// All files below a folder of the rules, by their paths in the backup.
fn collect(
    folder: &Path,
    below: &str,
    depth: usize,
    files: &mut Vec<(String, PathBuf)>,
) -> Result<(), BackupError> {
    if depth > DEEPEST || !folder.is_dir() {
        return Ok(());
    }
    let entries = fs::read_dir(folder).map_err(io("can't read", folder))?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.ok_or_else(|| BackupError::Name(path.clone()))?;
        let inside = format!("{below}/{name}");
        if path.is_dir() {
            collect(&path, &inside, depth + 1, files)?;
        } else if path.is_file() {
            files.push((inside, path));
        }
    }
    Ok(())
}

/// The file under another name until it is whole, gone if that never comes.
struct Draft {
    file: File,
    path: PathBuf,
}

impl Draft {
    fn new(out: &Path) -> Result<Draft, BackupError> {
        let mut name = out.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.partial", std::process::id()));
        let path = out.with_file_name(name);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        let file = options.open(&path).map_err(io("can't write", &path))?;
        Ok(Draft { file, path })
    }

    fn keep(self, out: &Path) -> Result<(), BackupError> {
        match rustix::fs::renameat_with(CWD, &self.path, CWD, out, RenameFlags::NOREPLACE) {
            Ok(()) => Ok(()),
            Err(rustix::io::Errno::EXIST) => Err(BackupError::Exists(out.to_owned())),
            Err(error) => Err(io("can't write", out)(error.into())),
        }
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        _ = fs::remove_file(&self.path);
    }
}
