//! A change of what is stored, in two steps around the file system.
//!
//! `begin` writes down what will be: the session, its scans and files, where the bytes are staged and
//! where they will stand. Nothing of it is visible. Then the caller moves the files, by a step that may
//! be repeated. Then `finish` makes it visible, all at once. After a crash `orphans` (`pending.rs`)
//! tells what was begun: the file system step is repeated and finished, never guessed.
//!
//! The same serves a new session, more files for one that exists, and a session that goes from the
//! prearchive to the archive, alone or into an experiment. One commit at a time for each session.

mod checks;
mod merge;
mod pending;

use std::collections::BTreeMap;
use std::sync::Arc;

use sqlx::any::AnyRow;

pub use pending::Orphan;

use checks::{
    check_absent, check_archive_free, check_folder_free, check_free, check_retiring,
    check_unchanged,
};

use super::database::storable;
use super::labels::{self, Taken};
use super::requests::check_held;
use super::sessions::{self, file_from_row, scan_from_row};
use super::{
    Claim, NewSession, Scan, Session, SessionState, Store, StoreError, StoredFile,
    WriteTransaction, audit, column, flag, is_duplicate, json, now_ms, read_all, subjects, to_json,
};

/// Rows of one INSERT: SQLite takes up to 32,766 values at once, PostgreSQL 65,535.
const ROWS_PER_INSERT: usize = 200;

#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// The label belongs to another study.
    #[error("the label belongs to another study")]
    LabelTaken,
    /// Another commit of the same session is running, or it is being archived or deleted.
    #[error("the session is being changed by someone else")]
    Busy,
    /// There is such a session in that area: commit into it.
    #[error("session {0} of that study and label exists")]
    Exists(i64),
    #[error("the session to add to is gone")]
    Gone,
    /// Take another timestamp or folder name.
    #[error("a session folder of that name exists")]
    FolderTaken,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for CommitError {
    fn from(error: sqlx::Error) -> Self {
        CommitError::Store(error.into())
    }
}

impl From<Taken> for CommitError {
    fn from(taken: Taken) -> Self {
        match taken {
            Taken::ByAnotherStudy | Taken::UnderAnEarlierKey => CommitError::LabelTaken,
            Taken::Store(error) => CommitError::Store(error),
        }
    }
}

#[derive(Debug, Clone)]
pub struct CommitPlan {
    /// The import it belongs to, which must still be the caller's; none for a user's own call.
    pub request: Option<Claim>,
    pub username: String,
    /// The session as it shall be. Committing into one that is there changes its labels, folder, rule
    /// sets, reason and marks, and nothing else of it.
    pub session: NewSession,
    /// The session to add to or to move on; none for a new one.
    pub into: Option<i64>,
    /// A waiting session whose files this commit takes into another: gone when finished. A new session
    /// takes over when and by which request it came, and may take its folder's name.
    pub retires: Option<i64>,
    /// The session's state once finished.
    pub outcome: SessionState,
    pub staging: String,
    pub final_path: String,
    pub scans: Vec<Scan>,
    /// What is added; one of the same scan, resource and name as a stored one takes its place.
    pub files: Vec<Arc<StoredFile>>,
    /// Sessions as the plan was made from them, with `Session::lastmod`: if one has changed since, the plan
    /// is refused as [`CommitError::Busy`].
    pub seen: Vec<(i64, i64)>,
    /// Whatever the caller needs to repeat its step on the file system.
    pub details: serde_json::Value,
}

/// A commit that was begun and not finished.
#[derive(Debug, Clone)]
pub struct PendingCommit {
    pub id: i64,
    pub request: Option<i64>,
    pub username: String,
    /// The session's row as it is now (`Committing` when new).
    pub session: Session,
    pub is_new: bool,
    pub retires: Option<i64>,
    pub outcome: SessionState,
    /// The session as it shall be.
    pub planned: NewSession,
    pub staging: String,
    pub final_path: String,
    pub details: serde_json::Value,
}

pub struct Commits<'a>(pub(super) &'a Store);

impl Commits<'_> {
    /// Writes down what will be, and gives the label to the study for good. Returns the commit's id.
    pub async fn begin(&self, plan: CommitPlan) -> Result<i64, CommitError> {
        let mut tx = self.0.begin().await?;
        if let Some(claim) = plan.request {
            check_held(&mut tx, claim).await?;
        }
        check_unchanged(&mut tx, &plan.seen).await?;
        let session = match plan.into {
            Some(id) => {
                check_free(&mut tx, id, plan.outcome).await?;
                check_folder_free(&mut tx, id, &plan.session).await?;
                id
            }
            None => {
                check_absent(&mut tx, &plan).await?;
                if let Some(retired) = plan.retires {
                    check_folder_free(&mut tx, retired, &plan.session).await?;
                }
                insert_session(&mut tx, &plan).await?
            }
        };
        if let Some(retired) = plan.retires {
            check_retiring(&mut tx, retired).await?;
        }
        let reserved = labels::reserve(
            &mut tx,
            &plan.session.project,
            &plan.session.label,
            &plan.session.study_key,
        )
        .await;
        match reserved {
            // What is in conflict may bear a label that is not its study's. So may what is in quarantine:
            // who releases it is told.
            Err(Taken::ByAnotherStudy)
                if matches!(
                    plan.outcome,
                    SessionState::Conflict | SessionState::Quarantined
                ) => {}
            reserved => reserved?,
        }
        if plan.outcome == SessionState::Archived {
            check_archive_free(&mut tx, session, &plan.session).await?;
        }
        let row = sqlx::query(
            "INSERT INTO commits (request, username, session, created_session, retires, outcome, changes,
                                  staging, final_path, details, created, instance)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) RETURNING id",
        )
        .bind(plan.request.map(|claim| claim.request))
        .bind(&plan.username)
        .bind(session)
        .bind(i64::from(plan.into.is_none()))
        .bind(plan.retires)
        .bind(plan.outcome.as_str())
        .bind(to_json(&plan.session, "changes")?)
        .bind(&plan.staging)
        .bind(&plan.final_path)
        .bind(to_json(&plan.details, "details")?)
        .bind(now_ms())
        .bind(self.0.instance())
        .fetch_one(tx.on())
        .await?;
        let id = column(&row, "id")?;
        insert_files(&mut tx, id, session, &plan.scans, &plan.files).await?;
        audit::record(&mut tx, &plan.username, "commit.begin", object(id)).await?;
        tx.commit().await?;
        Ok(id)
    }

    /// Makes a commit visible. Returns its session; doing it twice changes nothing.
    pub async fn finish(&self, id: i64) -> Result<Session, CommitError> {
        let mut tx = self.0.begin().await?;
        let row = sqlx::query("SELECT * FROM commits WHERE id = $1")
            .bind(id)
            .fetch_optional(tx.on())
            .await?
            .ok_or(CommitError::Gone)?;
        let session: i64 = column::<Option<i64>>(&row, "session")?.ok_or(CommitError::Gone)?;
        if column::<Option<i64>>(&row, "finished")?.is_none() {
            let username: String = column(&row, "username")?;
            let now = now_ms();
            replace_files(&mut tx, id).await?;
            // What was planned of the session is in its row now. Where rules at archiving make that anew, nothing
            // else may tell what it was before.
            sqlx::query("UPDATE commits SET finished = $2, changes = '{}' WHERE id = $1")
                .bind(id)
                .bind(now)
                .execute(tx.on())
                .await?;
            if let Some(retired) = column::<Option<i64>>(&row, "retires")? {
                merge::keep_origins(&mut tx, id, retired).await?;
                if flag(&row, "created_session")? {
                    inherit(&mut tx, session, retired).await?;
                }
                sqlx::query("UPDATE commits SET session = $2 WHERE session = $1")
                    .bind(retired)
                    .bind(session)
                    .execute(tx.on())
                    .await?;
                sessions::remove(&mut tx, retired).await?;
                audit::record(
                    &mut tx,
                    &username,
                    "session.merged",
                    sessions::object(retired),
                )
                .await?;
            }
            let outcome = outcome_from(&row)?;
            let planned: NewSession = json(&row, "changes")?;
            if is_released(&mut tx, session, outcome).await? {
                audit::record(
                    &mut tx,
                    &username,
                    "session.released",
                    sessions::object(session),
                )
                .await?;
            }
            update_session(&mut tx, session, outcome, &planned, now).await?;
            if outcome == SessionState::Archived {
                enter_archive(&mut tx, session, &planned, &username, now).await?;
            }
            audit::record(
                &mut tx,
                &username,
                sessions::action(outcome),
                sessions::object(session),
            )
            .await?;
        }
        let row = sqlx::query("SELECT * FROM sessions WHERE id = $1")
            .bind(session)
            .fetch_one(tx.on())
            .await?;
        let session = sessions::from_row(&row)?;
        tx.commit().await?;
        Ok(session)
    }

    /// Says that the folder which a finished commit took its files from is gone.
    pub async fn swept(&self, id: i64) -> Result<(), StoreError> {
        let mut tx = self.0.begin().await?;
        sqlx::query("UPDATE commits SET swept = 1 WHERE id = $1")
            .bind(id)
            .execute(tx.on())
            .await?;
        tx.commit().await
    }

    /// Finished commits whose source folder may still be there, each with that folder and its details.
    pub async fn unswept(&self) -> Result<Vec<(i64, String, serde_json::Value)>, StoreError> {
        // The sign keeps SQLite from going through all commits in their order.
        let rows = sqlx::query(
            "SELECT id, staging, details FROM commits WHERE finished IS NOT NULL AND swept = 0 ORDER BY +id",
        )
        .fetch_all(&self.0.pool)
        .await?;
        rows.iter()
            .map(|row| {
                Ok((
                    column(row, "id")?,
                    column(row, "staging")?,
                    json(row, "details")?,
                ))
            })
            .collect()
    }

    /// Drops a commit that was begun and whose files are nowhere but in staging.
    pub async fn abandon(&self, id: i64) -> Result<(), StoreError> {
        let mut tx = self.0.begin().await?;
        let row = sqlx::query("SELECT * FROM commits WHERE id = $1 AND finished IS NULL")
            .bind(id)
            .fetch_optional(tx.on())
            .await?;
        let Some(row) = row else { return Ok(()) };
        sqlx::query("DELETE FROM files WHERE commit_id = $1")
            .bind(id)
            .execute(tx.on())
            .await?;
        sqlx::query("DELETE FROM commits WHERE id = $1")
            .bind(id)
            .execute(tx.on())
            .await?;
        if let Some(session) = column::<Option<i64>>(&row, "session")? {
            if flag(&row, "created_session")? {
                sessions::remove(&mut tx, session).await?;
            } else {
                let planned: NewSession = json(&row, "changes")?;
                labels::release_unused(&mut tx, &planned.project, &planned.label).await?;
            }
        }
        audit::record(
            &mut tx,
            column(&row, "username")?,
            "commit.abandon",
            object(id),
        )
        .await?;
        tx.commit().await
    }

    /// The series of a commit's session, with those that it adds.
    pub async fn scans(&self, session: i64) -> Result<Vec<Scan>, StoreError> {
        let rows = sqlx::query("SELECT * FROM scans WHERE session = $1 ORDER BY id")
            .bind(session)
            .fetch_all(&self.0.pool)
            .await?;
        rows.iter().map(scan_from_row).collect()
    }

    /// Whether a commit adds files, finished or not.
    pub async fn has_files(&self, id: i64) -> Result<bool, StoreError> {
        let row = sqlx::query("SELECT 1 FROM files WHERE commit_id = $1 LIMIT 1")
            .bind(id)
            .fetch_optional(&self.0.pool)
            .await?;
        Ok(row.is_some())
    }

    /// The files that a commit adds to a scan of its session, finished or not.
    pub async fn files(
        &self,
        id: i64,
        session: i64,
        scan_id: &str,
    ) -> Result<Vec<StoredFile>, StoreError> {
        // The sign keeps SQLite from going through all files of the commit for each scan.
        let query = sqlx::query(
            "SELECT f.*, s.scan_id, r.label AS resource FROM scans s
             JOIN resources r ON r.scan = s.id JOIN files f ON f.resource = r.id
             WHERE s.session = $2 AND s.scan_id = $3 AND +f.commit_id = $1 ORDER BY f.id",
        )
        .bind(id)
        .bind(session)
        .bind(scan_id);
        read_all(query.fetch(&self.0.pool), file_from_row).await
    }
}

fn object(id: i64) -> String {
    format!("commit/{id}")
}

fn outcome_from(row: &AnyRow) -> Result<SessionState, StoreError> {
    SessionState::from_text(column(row, "outcome")?)
        .ok_or(StoreError::BadValue { column: "outcome" })
}

async fn insert_session(tx: &mut WriteTransaction, plan: &CommitPlan) -> Result<i64, CommitError> {
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
async fn insert_files(
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
async fn replace_files(tx: &mut WriteTransaction, commit: i64) -> Result<(), StoreError> {
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

async fn update_session(
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
async fn inherit(tx: &mut WriteTransaction, session: i64, retired: i64) -> Result<(), StoreError> {
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

/// Whether this commit is what takes the session out of quarantine.
async fn is_released(
    tx: &mut WriteTransaction,
    session: i64,
    outcome: SessionState,
) -> Result<bool, StoreError> {
    let row = sqlx::query("SELECT state FROM sessions WHERE id = $1")
        .bind(session)
        .fetch_one(tx.on())
        .await?;
    let held = column::<&str>(&row, "state")? == SessionState::Quarantined.as_str();
    Ok(held && outcome != SessionState::Quarantined)
}

/// Gives the session its subject and, the first time, its number.
async fn enter_archive(
    tx: &mut WriteTransaction,
    session: i64,
    planned: &NewSession,
    by: &str,
    now: i64,
) -> Result<(), StoreError> {
    let subject = subjects::ensure(tx, &planned.project, &planned.subject, by).await?;
    let row = sqlx::query("SELECT experiment FROM sessions WHERE id = $1")
        .bind(session)
        .fetch_one(tx.on())
        .await?;
    let number = match column::<Option<i64>>(&row, "experiment")? {
        Some(number) => number,
        None => {
            let row = sqlx::query(
                "UPDATE counters SET value = value + 1 WHERE name = 'experiment' RETURNING value",
            )
            .fetch_one(tx.on())
            .await?;
            column(&row, "value")?
        }
    };
    sqlx::query(
        "UPDATE sessions SET subject_id = $2, experiment = $3, archived = COALESCE(archived, $4),
                archived_by = COALESCE(archived_by, $5) WHERE id = $1",
    )
    .bind(session)
    .bind(subject)
    .bind(number)
    .bind(now)
    .bind(by)
    .execute(tx.on())
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests;
