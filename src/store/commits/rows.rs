//! What a commit writes of its session: the row itself, its scans, resources and files.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::database::storable;
use super::super::{
    NewSession, Scan, SessionState, StoreError, StoredFile, WriteTransaction, column, is_duplicate,
    labels, now_ms, sessions, to_json,
};
use super::{CommitError, CommitPlan};

/// Rows of one INSERT: SQLite takes up to 32,766 values at once, PostgreSQL 65,535.
const ROWS_PER_INSERT: usize = 200;

pub(super) async fn insert_session(
    tx: &mut WriteTransaction,
    plan: &CommitPlan,
) -> Result<i64, CommitError> {
    let s = &plan.session;
    // Two rows can't name one folder: until the retired session is gone, the new one has a name of its own.
    let timestamp = match plan.retires {
        Some(retired) => format!("{}~{retired}", s.timestamp),
        None => s.timestamp.clone(),
    };
    let row = sqlx::query(
        "INSERT INTO sessions (project, state, timestamp, folder, subject, label, study_uid, study_key,
                               scan_date, scan_time, modality, xsi_type, request, created, uploaded, lastmod,
                               rule_set, reason, auto_archive, archive_rule_set, identified)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $14, $14, $15, $16, $17, $18, $19)
         RETURNING id",
    )
    .bind(&s.project)
    .bind(SessionState::Committing.as_str())
    .bind(&timestamp)
    .bind(&s.folder)
    .bind(&s.subject)
    .bind(&s.label)
    .bind(storable(&s.study_uid))
    .bind(&s.study_key)
    .bind(s.scan_date.as_deref())
    .bind(s.scan_time.as_deref())
    .bind(storable(&s.modality))
    .bind(&s.xsi_type)
    .bind(plan.request.map(|claim| claim.request))
    .bind(now_ms())
    .bind(s.rule_set.as_deref())
    .bind(s.reason.as_deref())
    .bind(i64::from(s.auto_archive))
    .bind(s.archive_rule_set.as_deref())
    .bind(i64::from(s.identified))
    .fetch_one(tx.on())
    .await
    .map_err(|e| match is_duplicate(&e) {
        true => CommitError::FolderTaken,
        false => e.into(),
    })?;
    Ok(column(&row, "id")?)
}

/// The scans and resources that are new, and all files.
pub(super) async fn insert_files(
    tx: &mut WriteTransaction,
    commit: i64,
    session: i64,
    scans: &[Scan],
    files: &[Arc<StoredFile>],
) -> Result<(), StoreError> {
    let mut scan_to_row = BTreeMap::new();
    for scan in scans {
        // The update that changes nothing makes a scan that was there return its row.
        let row = sqlx::query(
            "INSERT INTO scans (session, scan_id, modality, xsi_type, series_uid, description)
             VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (session, scan_id) DO UPDATE SET scan_id = excluded.scan_id RETURNING id",
        )
        .bind(session)
        .bind(&scan.scan_id)
        .bind(storable(&scan.modality))
        .bind(&scan.xsi_type)
        .bind(storable(&scan.series_uid))
        .bind(storable(&scan.description))
        .fetch_one(tx.on())
        .await?;
        scan_to_row.insert(scan.scan_id.as_str(), column::<i64>(&row, "id")?);
    }
    let mut resource_to_row: BTreeMap<(&str, &str), i64> = BTreeMap::new();
    for file in files {
        let key = (&*file.scan_id, &*file.resource);
        if resource_to_row.contains_key(&key) {
            continue;
        }
        let scan = scan_to_row.get(key.0).ok_or(StoreError::Refused(
            "a file of a scan that the commit does not name",
        ))?;
        let row = sqlx::query(
            "INSERT INTO resources (scan, label) VALUES ($1, $2)
             ON CONFLICT (scan, label) DO UPDATE SET label = excluded.label RETURNING id",
        )
        .bind(*scan)
        .bind(key.1)
        .fetch_one(tx.on())
        .await?;
        resource_to_row.insert(key, column(&row, "id")?);
    }
    for files in files.chunks(ROWS_PER_INSERT) {
        let sql = format!(
            "INSERT INTO files (resource, commit_id, name, sop_class, sop_uid, instance_number, size, digest,
                                findings)
             VALUES {}",
            tx.value_rows(files.len(), 9)
        );
        let mut insert = sqlx::query(sqlx::AssertSqlSafe(sql));
        for file in files {
            let findings = match file.findings.is_empty() {
                true => None,
                false => Some(to_json(&file.findings, "findings")?),
            };
            let key = (&*file.scan_id, &*file.resource);
            insert = insert
                .bind(resource_to_row[&key])
                .bind(commit)
                .bind(file.name.as_str())
                .bind(storable(&file.sop_class))
                .bind(storable(&file.sop_uid))
                .bind(file.instance_number.as_deref().map(storable))
                .bind(file.size)
                .bind(file.digest.as_deref())
                .bind(findings);
        }
        insert.execute(tx.on()).await?;
    }
    Ok(())
}

/// Rows of earlier commits give way to this one's of the same place and name.
pub(super) async fn replace_files(
    tx: &mut WriteTransaction,
    commit: i64,
) -> Result<(), StoreError> {
    sqlx::query(
        "DELETE FROM files WHERE id IN (
             SELECT old.id FROM files new JOIN files old
               ON old.resource = new.resource AND old.name = new.name AND old.commit_id <> new.commit_id
             WHERE new.commit_id = $1)",
    )
    .bind(commit)
    .execute(tx.on())
    .await?;
    Ok(())
}

pub(super) async fn update_session(
    tx: &mut WriteTransaction,
    session: i64,
    outcome: SessionState,
    planned: &NewSession,
    now: i64,
) -> Result<(), StoreError> {
    let before = sqlx::query("SELECT project, label FROM sessions WHERE id = $1")
        .bind(session)
        .fetch_one(tx.on())
        .await?;
    sqlx::query(concat!(
        "UPDATE sessions SET state = $2, subject = $3, label = $4, rule_set = $5, reason = $6,
                auto_archive = $7, timestamp = $9, folder = $10, archive_rule_set = $11,
                identified = $12, ",
        sessions::touched!("$8"),
        " WHERE id = $1"
    ))
    .bind(session)
    .bind(outcome.as_str())
    .bind(&planned.subject)
    .bind(&planned.label)
    .bind(planned.rule_set.as_deref())
    .bind(planned.reason.as_deref())
    .bind(i64::from(planned.auto_archive))
    .bind(now)
    .bind(&planned.timestamp)
    .bind(&planned.folder)
    .bind(planned.archive_rule_set.as_deref())
    .bind(i64::from(planned.identified))
    .execute(tx.on())
    .await?;
    // The label it had, if it was another.
    labels::release_unused(tx, column(&before, "project")?, column(&before, "label")?).await
}

/// A session that was made anew, file by file, is still the one that came when the retired one did. In another
/// project it is not the request's any more: who may see that need not see this.
pub(super) async fn inherit(
    tx: &mut WriteTransaction,
    session: i64,
    retired: i64,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE sessions SET request = (SELECT request FROM sessions old
                                        WHERE old.id = $2 AND old.project = sessions.project),
                created = (SELECT created FROM sessions WHERE id = $2),
                uploaded = (SELECT uploaded FROM sessions WHERE id = $2) WHERE id = $1",
    )
    .bind(session)
    .bind(retired)
    .execute(tx.on())
    .await?;
    Ok(())
}
