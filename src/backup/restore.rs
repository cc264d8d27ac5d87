//! The way back: a backup is read to its end and checked before anything is written, then unpacked into a
//! folder that nobody looks at, and shown at last.

use std::fs::{self, File};
use std::io::{BufReader, BufWriter, Read, Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::archive::Archive;
use crate::file_system::FileSystem;
use crate::store::{Restoring, SessionFilter, Store, sqlite_url};

use super::manifest::{Hashing, Manifest, is_known};
use super::{BackupError, DATABASE, MANIFEST, REPORTS, SETTINGS, io};

/// Where a data folder takes shape, inside it.
const WORKSHOP: &str = ".restoring";

/// The settings' file, where it names a database: that of the server it comes from, which goes on.
const OTHER_SETTINGS: &str = "sluice.toml.from-backup";

/// A manifest names each file of the backup: some hundred bytes for each.
const LARGEST_MANIFEST: u64 = 4 << 30;

/// From which file, and whereto.
pub struct Restore {
    pub from: PathBuf,
    /// A folder that is missing or empty.
    pub data: PathBuf,
    /// An empty database; none for a file in the data folder.
    pub database: Option<String>,
    /// Whom the audit names.
    pub by: &'static str,
}

/// What is there now.
#[derive(Debug)]
pub struct Restored {
    pub created: String,
    pub rows: u64,
    pub sessions: u64,
    /// Imports that were not finished: they are in the queue.
    pub queued: usize,
    /// Whether the sessions' files are there too.
    pub with_files: bool,
    /// Where the settings' file is, if it names a database and so was not put in place.
    pub settings_aside: Option<PathBuf>,
}

impl Restore {
    /// # Errors
    /// If the backup is damaged or of a later program, or the folder or the database is not empty; nothing is
    /// changed then. A database other than a file that was filled half is to be emptied.
    pub async fn run(&self) -> Result<Restored, BackupError> {
        self.check_empty()?;
        let mut file = File::open(&self.from).map_err(io("can't read", &self.from))?;
        let manifest = self.check(&file)?;
        file.rewind().map_err(io("can't read", &self.from))?;

        make_folder(&self.data)?;
        let workshop = Workshop(self.data.join(WORKSHOP));
        make_folder(&workshop.0)?;
        let file_system = FileSystem::of(&workshop.0).map_err(io("can't open", &workshop.0))?;
        let database = match &self.database {
            Some(url) => url.clone(),
            None => sqlite_url(&workshop.0.join("sluice.db")),
        };
        let mut restoring = Restoring::into_empty(&database, manifest.schema_version).await?;
        self.unpack(&file, &workshop.0, &manifest, &mut restoring)
            .await?;
        let store = restoring.finish(&manifest.sequences, self.by).await?;
        let settings_aside = set_settings_aside(&workshop.0)?;
        let restored = Restored {
            created: manifest.created.clone(),
            rows: manifest.tables.values().sum(),
            sessions: manifest.sessions,
            queued: self.settle(&store, &workshop.0, &manifest).await?,
            with_files: manifest.with_files,
            settings_aside: settings_aside.then(|| self.data.join(OTHER_SETTINGS)),
        };
        store.close().await;
        let synced = || file_system.sync().map_err(io("can't write", &self.data));
        synced()?;
        self.show(&workshop.0)?;
        synced()?;
        Ok(restored)
    }

    fn check_empty(&self) -> Result<(), BackupError> {
        match fs::read_dir(&self.data) {
            Ok(mut entries) => match entries.next() {
                None => Ok(()),
                Some(_) => Err(BackupError::NotEmpty(self.data.clone())),
            },
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(io("can't read", &self.data)(error)),
        }
    }

    /// Reads the whole file; each entry must be as the manifest, its last one, says.
    fn check(&self, file: &File) -> Result<Manifest, BackupError> {
        let damaged = |error: std::io::Error| BackupError::Damaged(error.to_string());
        let mut tar = tar::Archive::new(BufReader::with_capacity(1 << 20, file));
        let mut read = Vec::new();
        let mut manifest: Option<Manifest> = None;
        for entry in tar.entries().map_err(damaged)? {
            let entry = entry.map_err(damaged)?;
            let path = path_of(&entry)?;
            if manifest.is_some() {
                return Err(BackupError::Damaged(
                    "entries come after the manifest".into(),
                ));
            }
            if path == MANIFEST {
                let text = BufReader::new(entry.take(LARGEST_MANIFEST));
                let parsed = serde_json::from_reader(text);
                manifest = Some(
                    parsed
                        .map_err(|_| BackupError::Damaged("its manifest can't be read".into()))?,
                );
                continue;
            }
            if !is_known(&path) || !entry.header().entry_type().is_file() {
                return Err(BackupError::Damaged("it holds what no backup holds".into()));
            }
            let mut entry = Hashing::new(entry);
            std::io::copy(&mut entry, &mut std::io::sink()).map_err(damaged)?;
            read.push(entry.entry(path));
        }
        let manifest = manifest.ok_or_else(|| BackupError::Damaged("it is cut short".into()))?;
        manifest.check(&read)?;
        Ok(manifest)
    }

    async fn unpack(
        &self,
        file: &File,
        to: &Path,
        manifest: &Manifest,
        restoring: &mut Restoring,
    ) -> Result<(), BackupError> {
        let mut tar = tar::Archive::new(BufReader::with_capacity(1 << 20, file));
        let entries = tar.entries().map_err(io("can't read", &self.from))?;
        for entry in entries {
            let mut entry = entry.map_err(io("can't read", &self.from))?;
            let path = path_of(&entry)?;
            if path == MANIFEST {
                continue;
            }
            let table = path
                .strip_prefix(DATABASE)
                .and_then(|rest| rest.strip_prefix('/')?.strip_suffix(".jsonl"));
            if let Some(table) = table {
                let rows = restoring
                    .read_table(table, &mut BufReader::new(entry))
                    .await?;
                if manifest.tables.get(table) != Some(&rows) {
                    return Err(BackupError::Damaged(format!(
                        "table {table} has other rows than it says"
                    )));
                }
                continue;
            }
            let target = to.join(&path);
            if let Some(folder) = target.parent() {
                make_folder(folder)?;
            }
            let mut options = fs::OpenOptions::new();
            let out = options
                .write(true)
                .create_new(true)
                .mode(0o640)
                .open(&target);
            let mut out = BufWriter::new(out.map_err(io("can't write", &target))?);
            let copied = std::io::copy(&mut entry, &mut out).and_then(|_| out.flush());
            copied.map_err(io("can't write", &target))?;
        }
        Ok(())
    }

    /// What follows from the rows: catalogs of the sessions' files, and no report of an import that starts anew.
    async fn settle(
        &self,
        store: &Store,
        data: &Path,
        manifest: &Manifest,
    ) -> Result<usize, BackupError> {
        let filter = crate::store::RequestFilter {
            active: true,
            ..Default::default()
        };
        let queued = store.requests().list(filter).await?;
        for request in &queued {
            _ = fs::remove_file(data.join(REPORTS).join(format!("{}.json", request.id)));
        }
        if manifest.with_files {
            let archive = Archive::new(store.clone(), data.to_owned());
            for session in store.sessions().list(SessionFilter::default()).await? {
                let written = archive.write_catalogs(&session).await;
                written.map_err(|error| BackupError::Damaged(error.to_string()))?;
            }
        }
        Ok(queued.len())
    }

    /// The database last: where it is, all is.
    fn show(&self, workshop: &Path) -> Result<(), BackupError> {
        let entries = fs::read_dir(workshop).map_err(io("can't read", workshop))?;
        let mut names: Vec<_> = entries.flatten().map(|entry| entry.file_name()).collect();
        names.sort_by_key(|name| name.to_string_lossy().starts_with("sluice.db"));
        for name in names {
            let target = self.data.join(&name);
            fs::rename(workshop.join(&name), &target).map_err(io("can't write", &target))?;
        }
        Ok(())
    }
}

fn path_of<R: Read>(entry: &tar::Entry<'_, R>) -> Result<String, BackupError> {
    let path = entry.path_bytes();
    match std::str::from_utf8(&path) {
        Ok(path) => Ok(path.to_owned()),
        Err(_) => Err(BackupError::Damaged("a name in it is not UTF-8".into())),
    }
}

/// Whether the settings name a database, and so were put aside.
fn set_settings_aside(data: &Path) -> Result<bool, BackupError> {
    let file = data.join(SETTINGS);
    let text = match fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(io("can't read", &file)(error)),
    };
    // One that can't be read is told of by the server when it starts.
    let settings: toml::Table = text.parse().unwrap_or_default();
    if !settings.contains_key("database") {
        return Ok(false);
    }
    fs::rename(&file, data.join(OTHER_SETTINGS)).map_err(io("can't write", &file))?;
    Ok(true)
}

fn make_folder(path: &Path) -> Result<(), BackupError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true).mode(0o750);
    builder
        .create(path)
        .map_err(io("can't make the folder", path))
}

/// A data folder in the making; gone when it is shown, or when it comes to nothing.
struct Workshop(PathBuf);

impl Drop for Workshop {
    fn drop(&mut self) {
        _ = fs::remove_dir_all(&self.0);
    }
}
