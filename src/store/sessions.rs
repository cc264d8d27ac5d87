//! Sessions in the prearchive, in quarantine and in the archive, with their scans and files.
//!
//! One table for the three: a session changes its state and keeps its row. What is stored changes by a
//! commit (`commits.rs`); here are the reading, the states and the removal. Rows describe folders; the
//! folders are made elsewhere, but where a session's folder stands is said here (`Session::home`), so
//! that those who write and those who read can't disagree.

/// Says in an UPDATE of sessions that it changes one, at the time that is bound there: later than any change before,
/// whatever the clock says, for it is by this that a change is noticed.
macro_rules! touched {
    ($now:literal) => {
        concat!(
            "lastmod = CASE WHEN lastmod < ",
            $now,
            " THEN ",
            $now,
            " ELSE lastmod + 1 END"
        )
    };
}
pub(super) use touched;

mod content;
mod find;
mod rebuild;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use sqlx::any::AnyRow;

pub use content::{Findings, Leak, ResourceSummary, Scan, ScanSummary, StoredFile};
pub(super) use content::{file_from_row, scan_from_row};
pub use find::SessionFilter;
pub use rebuild::Rebuilt;

use super::{Place, Store, StoreError, audit, column, flag, labels, now_ms, text_enum};

text_enum! {
    /// XNAT's `PrearcStatus` as far as it is used here, and what lies beyond the prearchive.
    SessionState {
        /// Its first commit is running: no one sees it.
        Committing = "COMMITTING",
        Receiving = "RECEIVING",
        /// Read again from its files: no one else changes it.
        Building = "BUILDING",
        Ready = "READY",
        Conflict = "CONFLICT",
        Error = "ERROR",
        Quarantined = "QUARANTINED",
        Archiving = "ARCHIVING",
        Moving = "MOVING",
        Deleting = "DELETING",
        Archived = "ARCHIVED",
    }
}

text_enum! {
    /// The part of the data folder that a session lies in.
    Area { Prearchive = "prearchive", Quarantine = "quarantine", Archive = "archive" }
}

impl SessionState {
    /// Whether one process has the session in hand, and nobody else may change it.
    pub fn is_held(self) -> bool {
        use SessionState::{Archiving, Building, Deleting, Moving};
        matches!(self, Archiving | Building | Deleting | Moving)
    }

    pub fn area(self) -> Area {
        match self {
            SessionState::Archived => Area::Archive,
            SessionState::Quarantined => Area::Quarantine,
            _ => Area::Prearchive,
        }
    }
}

#[derive(Debug, Clone)]
pub struct Session {
    pub id: i64,
    pub project: String,
    pub state: SessionState,
    /// `yyyyMMdd_HHmmssSSS`; names a folder of the prearchive and stays when archived.
    pub timestamp: String,
    /// The session's own folder in the prearchive.
    pub folder: String,
    pub subject: String,
    pub label: String,
    /// As stored, so after anonymization.
    pub study_uid: String,
    /// Keyed hash of the original Study Instance UID: tells studies apart without holding it.
    pub study_key: String,
    pub scan_date: Option<String>,
    pub scan_time: Option<String>,
    pub modality: String,
    pub xsi_type: String,
    /// The request that made it.
    pub request: Option<i64>,
    pub created: i64,
    pub uploaded: i64,
    pub lastmod: i64,
    pub subject_id: Option<String>,
    /// `SLUICE_E00001`, given when it is archived.
    pub experiment_id: Option<String>,
    pub archived: Option<i64>,
    pub archived_by: Option<String>,
    pub rule_set: Option<String>,
    /// Whose steps at archiving it went through, if it did.
    pub archive_rule_set: Option<String>,
    /// Steps at archiving have still to run over it.
    pub identified: bool,
    /// Why it is where it is, as the route or a conflict put it.
    pub reason: Option<String>,
    pub auto_archive: bool,
}

/// What is said of a session when it is committed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewSession {
    pub project: String,
    pub timestamp: String,
    pub folder: String,
    pub subject: String,
    pub label: String,
    pub study_uid: String,
    pub study_key: String,
    pub scan_date: Option<String>,
    pub scan_time: Option<String>,
    pub modality: String,
    pub xsi_type: String,
    pub rule_set: Option<String>,
    // A commit that an earlier version began does not say these two.
    #[serde(default)]
    pub archive_rule_set: Option<String>,
    #[serde(default)]
    pub identified: bool,
    pub reason: Option<String>,
    pub auto_archive: bool,
}

impl Session {
    pub fn area(&self) -> Area {
        self.state.area()
    }

    /// Where the session's folder stands, below the data folder.
    pub fn home(&self) -> PathBuf {
        home(
            self.area(),
            &self.project,
            &self.timestamp,
            &self.folder,
            &self.label,
        )
    }

    /// Where one of its files stands, below the data folder.
    pub fn path_of(&self, file: &StoredFile) -> PathBuf {
        self.home().join(file.below_session())
    }

    /// Where one of its files stands among those of all sessions.
    pub fn place_of(&self, file: &StoredFile) -> Place {
        (
            self.id,
            file.scan_id.clone(),
            file.resource.clone(),
            file.name.clone(),
        )
    }

    /// The address without `/data`, as XNAT's tables give it.
    pub fn uri(&self) -> String {
        match self.area() {
            Area::Archive => format!(
                "/archive/projects/{}/subjects/{}/experiments/{}",
                self.project, self.subject, self.label
            ),
            // What is quarantined is listed with the prearchive, where it would have gone.
            Area::Prearchive | Area::Quarantine => format!(
                "/prearchive/projects/{}/{}/{}",
                self.project, self.timestamp, self.folder
            ),
        }
    }

    /// What a commit says to keep the session as it is.
    pub fn to_new(&self) -> NewSession {
        NewSession {
            project: self.project.clone(),
            timestamp: self.timestamp.clone(),
            folder: self.folder.clone(),
            subject: self.subject.clone(),
            label: self.label.clone(),
            study_uid: self.study_uid.clone(),
            study_key: self.study_key.clone(),
            scan_date: self.scan_date.clone(),
            scan_time: self.scan_time.clone(),
            modality: self.modality.clone(),
            xsi_type: self.xsi_type.clone(),
            rule_set: self.rule_set.clone(),
            archive_rule_set: self.archive_rule_set.clone(),
            identified: self.identified,
            reason: self.reason.clone(),
            auto_archive: self.auto_archive,
        }
    }
}

impl NewSession {
    /// Where the session's folder would stand in `area`, below the data folder.
    pub fn home(&self, area: Area) -> PathBuf {
        home(
            area,
            &self.project,
            &self.timestamp,
            &self.folder,
            &self.label,
        )
    }
}

/// XNAT's layout.
fn home(area: Area, project: &str, timestamp: &str, folder: &str, label: &str) -> PathBuf {
    let below = PathBuf::from(area.as_str()).join(project);
    match area {
        Area::Archive => below.join("arc001").join(label),
        Area::Prearchive | Area::Quarantine => below.join(timestamp).join(folder),
    }
}

pub struct Sessions<'a>(pub(super) &'a Store);

impl Sessions<'_> {
    /// A visible session by its row.
    pub async fn get(&self, id: i64) -> Result<Option<Session>, StoreError> {
        sqlx::query("SELECT * FROM sessions WHERE id = $1 AND state <> 'COMMITTING'")
            .bind(id)
            .fetch_optional(&self.0.pool)
            .await?
            .as_ref()
            .map(from_row)
            .transpose()
    }

    /// A session of the prearchive or in quarantine by its address.
    pub async fn find_in_prearchive(
        &self,
        project: &str,
        timestamp: &str,
        folder: &str,
    ) -> Result<Option<Session>, StoreError> {
        sqlx::query(
            "SELECT * FROM sessions WHERE project = $1 AND timestamp = $2 AND folder = $3
               AND state NOT IN ('COMMITTING', 'ARCHIVED')",
        )
        .bind(project)
        .bind(timestamp)
        .bind(folder)
        .fetch_optional(&self.0.pool)
        .await?
        .as_ref()
        .map(from_row)
        .transpose()
    }

    /// The visible sessions of one study in a project, in any area, the oldest first.
    pub async fn of_study(
        &self,
        project: &str,
        study_key: &str,
    ) -> Result<Vec<Session>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM sessions WHERE project = $1 AND study_key = $2 AND state <> 'COMMITTING' ORDER BY id",
        )
        .bind(project)
        .bind(study_key)
        .fetch_all(&self.0.pool)
        .await?;
        rows.iter().map(from_row).collect()
    }

    /// Sessions in a state that only a running process holds, without a commit that would end it, whose
    /// process is gone: what a crash left. So are those that this process itself has `left`.
    pub async fn interrupted(&self, left: &[i64]) -> Result<Vec<Session>, StoreError> {
        let rows = sqlx::query(
            "SELECT s.*, (SELECT COUNT(*) FROM instances i WHERE i.id = s.instance) AS holders FROM sessions s
             WHERE state IN ('ARCHIVING', 'BUILDING', 'DELETING', 'MOVING')
                 AND NOT EXISTS (
                 SELECT 1 FROM commits c WHERE c.finished IS NULL AND (c.session = s.id OR c.retires = s.id))
             ORDER BY id",
        )
        .fetch_all(&self.0.pool)
        .await?;
        let mut interrupted = Vec::new();
        for row in &rows {
            let session = from_row(row)?;
            if left.contains(&session.id) || column::<i64>(row, "holders")? == 0 {
                interrupted.push(session);
            }
        }
        Ok(interrupted)
    }

    /// Moves a session from one of the states `from` to `to`; false when it is in none of them, so
    /// that of two callers one wins.
    pub async fn set_state(
        &self,
        id: i64,
        from: &[SessionState],
        to: SessionState,
        reason: Option<&str>,
        by: &str,
    ) -> Result<bool, StoreError> {
        let mut tx = self.0.begin().await?;
        let row = sqlx::query("SELECT state FROM sessions WHERE id = $1")
            .bind(id)
            .fetch_optional(tx.on())
            .await?;
        let Some(row) = row else { return Ok(false) };
        if !from.contains(&state_from(&row)?) {
            return Ok(false);
        }
        sqlx::query(concat!(
            "UPDATE sessions SET state = $2, reason = COALESCE($3, reason), instance = $5, ",
            touched!("$4"),
            " WHERE id = $1"
        ))
        .bind(id)
        .bind(to.as_str())
        .bind(reason)
        .bind(now_ms())
        .bind(to.is_held().then(|| self.0.instance()))
        .execute(tx.on())
        .await?;
        audit::record(&mut tx, by, action(to), object(id)).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Forgets a session, its files and, when no other session of its study bears it, its label.
    /// The folder must be gone before.
    pub async fn remove(&self, id: i64, by: &str) -> Result<(), StoreError> {
        let mut tx = self.0.begin().await?;
        remove(&mut tx, id).await?;
        audit::record(&mut tx, by, "session.removed", object(id)).await?;
        tx.commit().await
    }
}

pub(super) fn object(id: i64) -> String {
    format!("session/{id}")
}

pub(super) fn action(state: SessionState) -> &'static str {
    match state {
        SessionState::Committing => "session.committing",
        SessionState::Receiving => "session.receiving",
        SessionState::Building => "session.building",
        SessionState::Moving => "session.moving",
        SessionState::Ready => "session.ready",
        SessionState::Conflict => "session.conflict",
        SessionState::Error => "session.error",
        SessionState::Quarantined => "session.quarantined",
        SessionState::Archiving => "session.archiving",
        SessionState::Deleting => "session.deleting",
        SessionState::Archived => "session.archived",
    }
}

pub(super) async fn remove(tx: &mut super::WriteTransaction, id: i64) -> Result<(), StoreError> {
    let row = sqlx::query("DELETE FROM sessions WHERE id = $1 RETURNING project, label")
        .bind(id)
        .fetch_optional(tx.on())
        .await?;
    match row {
        Some(row) => {
            labels::release_unused(tx, column(&row, "project")?, column(&row, "label")?).await
        }
        None => Ok(()),
    }
}

fn state_from(row: &AnyRow) -> Result<SessionState, StoreError> {
    SessionState::from_text(column(row, "state")?).ok_or(StoreError::BadValue { column: "state" })
}

pub(super) fn from_row(row: &AnyRow) -> Result<Session, StoreError> {
    Ok(Session {
        id: column(row, "id")?,
        project: column(row, "project")?,
        state: state_from(row)?,
        timestamp: column(row, "timestamp")?,
        folder: column(row, "folder")?,
        subject: column(row, "subject")?,
        label: column(row, "label")?,
        study_uid: column(row, "study_uid")?,
        study_key: column(row, "study_key")?,
        scan_date: column(row, "scan_date")?,
        scan_time: column(row, "scan_time")?,
        modality: column(row, "modality")?,
        xsi_type: column(row, "xsi_type")?,
        request: column(row, "request")?,
        created: column(row, "created")?,
        uploaded: column(row, "uploaded")?,
        lastmod: column(row, "lastmod")?,
        subject_id: column::<Option<i64>>(row, "subject_id")?.map(super::subjects::accession),
        experiment_id: column::<Option<i64>>(row, "experiment")?.map(|n| format!("SLUICE_E{n:05}")),
        archived: column(row, "archived")?,
        archived_by: column(row, "archived_by")?,
        rule_set: column(row, "rule_set")?,
        archive_rule_set: column(row, "archive_rule_set")?,
        identified: flag(row, "identified")?,
        reason: column(row, "reason")?,
        auto_archive: flag(row, "auto_archive")?,
    })
}
