//! A copy of a database file before it is migrated, for whoever must go back to the program before.
//!
//! PostgreSQL has no file here to copy: there the backup is the way back.

use std::fs;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::super::database::Kind;
use super::super::{Store, StoreError, column};

/// Writes `<file>.before-vN`, N being the version that it is to be. Nothing for a database without a file.
pub(super) async fn before_migration(store: &Store, version: i64) -> Result<(), StoreError> {
    if store.shared.database.kind != Kind::Sqlite {
        return Ok(());
    }
    let row = sqlx::query("SELECT file FROM pragma_database_list WHERE name = 'main'")
        .fetch_one(&store.pool)
        .await?;
    let file: String = column(&row, "file")?;
    if file.is_empty() {
        return Ok(());
    }
    let target = PathBuf::from(format!("{file}.before-v{version}"));
    let draft = PathBuf::from(format!("{file}.before-v{version}.tmp"));
    make_private(&draft).map_err(StoreError::Copy)?;
    sqlx::query("VACUUM INTO $1")
        .bind(draft.to_string_lossy().into_owned())
        .execute(&store.pool)
        .await?;
    fs::File::open(&draft)
        .and_then(|copy| copy.sync_all())
        .and_then(|()| fs::rename(&draft, &target))
        .map_err(StoreError::Copy)
}

/// An empty file that only the server reads: the copy holds pseudonym keys.
fn make_private(path: &Path) -> std::io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = fs::OpenOptions::new();
    options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    Ok(())
}
