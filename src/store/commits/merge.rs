//! Two sessions that become one keep what is known of where their files came from.

use super::super::{StoreError, WriteTransaction};

/// Says of each file that `commit` takes over from the session `retired` that the commit which first
/// brought it did so: only thus can a request tell, after a crash, what it has stored itself.
pub(super) async fn keep_origins(
    tx: &mut WriteTransaction,
    commit: i64,
    retired: i64,
) -> Result<(), StoreError> {
    // The retired session's file of the same scan, resource and name.
    const ORIGIN: &str = "SELECT old.commit_id FROM files old
         JOIN resources old_resource ON old_resource.id = old.resource
         JOIN scans old_scan ON old_scan.id = old_resource.scan
         JOIN commits origin ON origin.id = old.commit_id AND origin.finished IS NOT NULL
         JOIN resources here ON here.id = files.resource JOIN scans there ON there.id = here.scan
         WHERE old_scan.session = $2 AND old_scan.scan_id = there.scan_id
           AND old_resource.label = here.label AND old.name = files.name LIMIT 1";
    let update = format!(
        "UPDATE files SET commit_id = COALESCE(({ORIGIN}), commit_id) WHERE commit_id = $1"
    );
    sqlx::query(sqlx::AssertSqlSafe(update))
        .bind(commit)
        .bind(retired)
        .execute(tx.on())
        .await?;
    Ok(())
}
