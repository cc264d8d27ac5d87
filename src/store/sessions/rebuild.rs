//! A session's rows made anew from what its files say, while it is in the state BUILDING.

use super::super::database::storable;
use super::super::{StoreError, WriteTransaction, audit, now_ms};
use super::{
    NewSession, Scan, Session, SessionState, Sessions, StoredFile, from_row, object, state_from,
};

/// What a session's files say of it.
#[derive(Debug)]
pub struct Rebuilt {
    /// The series, by the scans that the files are in.
    pub scans: Vec<Scan>,
    /// The files that are there. None takes another place.
    pub files: Vec<StoredFile>,
    /// Files of which the folder holds nothing any more.
    pub gone: Vec<StoredFile>,
    /// The study's UID, dates, modality and type are taken from here, where it names a type.
    pub told: NewSession,
    pub state: SessionState,
    pub reason: Option<String>,
}

impl Sessions<'_> {
    /// Writes down what was read, all at once. None if the session is not being rebuilt.
    pub async fn rebuild(
        &self,
        id: i64,
        rebuilt: Rebuilt,
        by: &str,
    ) -> Result<Option<Session>, StoreError> {
        let mut tx = self.0.begin().await?;
        let row = sqlx::query("SELECT state FROM sessions WHERE id = $1")
            .bind(id)
            .fetch_optional(tx.on())
            .await?;
        let Some(row) = row else { return Ok(None) };
        if state_from(&row)? != SessionState::Building {
            return Ok(None);
        }
        for file in &rebuilt.gone {
            forget(&mut tx, id, file).await?;
        }
        for scan in &rebuilt.scans {
            update_scan(&mut tx, id, scan).await?;
        }
        for file in &rebuilt.files {
            update_file(&mut tx, id, file).await?;
        }
        if !rebuilt.told.xsi_type.is_empty() {
            describe(&mut tx, id, &rebuilt.told).await?;
        }
        let row = sqlx::query(concat!(
            "UPDATE sessions SET state = $2, reason = $3, instance = NULL, ",
            touched!("$4"),
            " WHERE id = $1 RETURNING *"
        ))
        .bind(id)
        .bind(rebuilt.state.as_str())
        .bind(rebuilt.reason.as_deref())
        .bind(now_ms())
        .fetch_one(tx.on())
        .await?;
        let session = from_row(&row)?;
        audit::record(&mut tx, by, "session.rebuilt", object(id)).await?;
        tx.commit().await?;
        Ok(Some(session))
    }
}

/// The rows of one place in a session.
const FILE: &str = "resource IN (SELECT r.id FROM resources r JOIN scans s ON s.id = r.scan
                                 WHERE s.session = $1 AND s.scan_id = $2 AND r.label = $3) AND name = $4";

async fn forget(
    tx: &mut WriteTransaction,
    session: i64,
    file: &StoredFile,
) -> Result<(), StoreError> {
    sqlx::query(sqlx::AssertSqlSafe(format!(
        "DELETE FROM files WHERE {FILE}"
    )))
    .bind(session)
    .bind(&*file.scan_id)
    .bind(&*file.resource)
    .bind(&file.name)
    .execute(tx.on())
    .await?;
    Ok(())
}

async fn update_file(
    tx: &mut WriteTransaction,
    session: i64,
    file: &StoredFile,
) -> Result<(), StoreError> {
    let sql = format!(
        "UPDATE files SET sop_class = $5, sop_uid = $6, instance_number = $7, size = $8, digest = $9 WHERE {FILE}"
    );
    sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(session)
        .bind(&*file.scan_id)
        .bind(&*file.resource)
        .bind(&file.name)
        .bind(storable(&file.sop_class))
        .bind(storable(&file.sop_uid))
        .bind(file.instance_number.as_deref().map(storable))
        .bind(file.size)
        .bind(file.digest.as_deref())
        .execute(tx.on())
        .await?;
    Ok(())
}

async fn update_scan(
    tx: &mut WriteTransaction,
    session: i64,
    scan: &Scan,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE scans SET modality = $3, xsi_type = $4, series_uid = $5, description = $6
         WHERE session = $1 AND scan_id = $2",
    )
    .bind(session)
    .bind(&scan.scan_id)
    .bind(storable(&scan.modality))
    .bind(&scan.xsi_type)
    .bind(storable(&scan.series_uid))
    .bind(storable(&scan.description))
    .execute(tx.on())
    .await?;
    Ok(())
}

async fn describe(
    tx: &mut WriteTransaction,
    session: i64,
    told: &NewSession,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE sessions SET study_uid = $2, scan_date = $3, scan_time = $4, modality = $5, xsi_type = $6
         WHERE id = $1",
    )
    .bind(session)
    .bind(storable(&told.study_uid))
    .bind(told.scan_date.as_deref())
    .bind(told.scan_time.as_deref())
    .bind(storable(&told.modality))
    .bind(&told.xsi_type)
    .execute(tx.on())
    .await?;
    Ok(())
}
