//! What a session holds: scans, their resources, and the files in them. Only what is committed shows.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sqlx::any::AnyRow;

use super::super::{StoreError, column, json, read_all};
use super::Sessions;

/// A series of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scan {
    pub scan_id: String,
    pub modality: String,
    pub xsi_type: String,
    pub series_uid: String,
    pub description: String,
}

/// A scan with what is stored of it.
#[derive(Debug, Clone)]
pub struct ScanSummary {
    pub id: i64,
    pub scan: Scan,
    pub files: i64,
    pub bytes: i64,
}

/// A folder of files in a scan: `DICOM` or `secondary`.
#[derive(Debug, Clone)]
pub struct ResourceSummary {
    pub id: i64,
    pub scan_id: String,
    pub label: String,
    pub files: i64,
    pub bytes: i64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredFile {
    // These three are the same for many files, which may then share them.
    pub scan_id: Arc<str>,
    /// `DICOM` or `secondary`.
    pub resource: Arc<str>,
    pub sop_class: Arc<str>,
    pub name: String,
    pub sop_uid: String,
    pub instance_number: Option<String>,
    pub size: i64,
    /// Of the stored bytes, where one was made.
    pub digest: Option<String>,
    /// What the import found in it.
    pub findings: Findings,
}

impl StoredFile {
    /// Where it stands, below its session's folder.
    pub fn below_session(&self) -> PathBuf {
        Path::new("SCANS")
            .join(&*self.scan_id)
            .join(&*self.resource)
            .join(&self.name)
    }
}

/// What a reviewer is told of a file: where something stands, never what.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct Findings {
    /// Why a rule wants it looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quarantine: Option<String>,
    /// Where identifying values of the original still stand.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub leaks: Vec<Leak>,
}

/// An element that holds an identifying value, and what kind of value.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
pub struct Leak {
    pub kind: String,
    pub tag: String,
}

impl Findings {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Sessions<'_> {
    /// The scans of which something is stored, in the order of their numbers.
    pub async fn scans(&self, session: i64) -> Result<Vec<ScanSummary>, StoreError> {
        let rows = sqlx::query(
            "SELECT s.*, f.files, f.bytes FROM scans s JOIN (
                 SELECT scan_row, COUNT(*) AS files, CAST(SUM(size) AS BIGINT) AS bytes FROM stored_files
                 WHERE session = $1 GROUP BY scan_row
             ) f ON f.scan_row = s.id WHERE s.session = $1 ORDER BY s.id",
        )
        .bind(session)
        .fetch_all(&self.0.pool)
        .await?;
        let mut scans = rows
            .iter()
            .map(|row| {
                Ok(ScanSummary {
                    id: column(row, "id")?,
                    scan: scan_from_row(row)?,
                    files: column(row, "files")?,
                    bytes: column(row, "bytes")?,
                })
            })
            .collect::<Result<Vec<_>, StoreError>>()?;
        scans.sort_by_cached_key(|summary| scan_order(&summary.scan.scan_id));
        Ok(scans)
    }

    /// The folders of files in a session, or in one of its scans.
    pub async fn resources(
        &self,
        session: i64,
        scan_id: Option<&str>,
    ) -> Result<Vec<ResourceSummary>, StoreError> {
        let rows = sqlx::query(
            "SELECT resource_id, scan_id, resource, COUNT(*) AS files, CAST(SUM(size) AS BIGINT) AS bytes FROM stored_files
             WHERE session = $1 AND ($2 IS NULL OR scan_id = $2)
             GROUP BY resource_id, scan_id, resource ORDER BY resource_id",
        )
        .bind(session)
        .bind(scan_id)
        .fetch_all(&self.0.pool)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(ResourceSummary {
                    id: column(row, "resource_id")?,
                    scan_id: column(row, "scan_id")?,
                    label: column(row, "resource")?,
                    files: column(row, "files")?,
                    bytes: column(row, "bytes")?,
                })
            })
            .collect()
    }

    /// The files of a session, or of one of its scans, in the order they were stored.
    pub async fn files(
        &self,
        session: i64,
        scan_id: Option<&str>,
    ) -> Result<Vec<StoredFile>, StoreError> {
        let query = sqlx::query(
            "SELECT * FROM stored_files WHERE session = $1 AND ($2 IS NULL OR scan_id = $2) ORDER BY id",
        )
        .bind(session)
        .bind(scan_id);
        read_all(query.fetch(&self.0.pool), file_from_row).await
    }

    /// How many files the scans of a study's sessions hold, by the sessions' ids: but for those under one label,
    /// and for what one request has stored.
    pub async fn scan_counts(
        &self,
        project: &str,
        study_key: &str,
        but_label: Option<&str>,
        but_request: i64,
    ) -> Result<HashMap<i64, BTreeMap<String, u64>>, StoreError> {
        let rows = sqlx::query(
            "SELECT s.session, s.scan_id, COUNT(*) AS files
             FROM sessions x JOIN scans s ON s.session = x.id JOIN resources r ON r.scan = s.id
             JOIN files f ON f.resource = r.id
             JOIN commits c ON c.id = f.commit_id AND c.finished IS NOT NULL
             WHERE x.project = $1 AND x.study_key = $2 AND x.state <> 'COMMITTING' AND x.label <> $3
               AND (c.request IS NULL OR c.request <> $4)
             GROUP BY s.session, s.scan_id",
        )
        .bind(project)
        .bind(study_key)
        // No session has an empty label.
        .bind(but_label.unwrap_or_default())
        .bind(but_request)
        .fetch_all(&self.0.pool)
        .await?;
        let mut counts: HashMap<i64, BTreeMap<String, u64>> = HashMap::new();
        for row in &rows {
            let files: i64 = column(row, "files")?;
            counts
                .entry(column(row, "session")?)
                .or_default()
                .insert(column(row, "scan_id")?, files.unsigned_abs());
        }
        Ok(counts)
    }

    /// One file by its name.
    pub async fn file(
        &self,
        session: i64,
        scan_id: &str,
        resource: &str,
        name: &str,
    ) -> Result<Option<StoredFile>, StoreError> {
        sqlx::query(
            "SELECT * FROM stored_files WHERE session = $1 AND scan_id = $2 AND resource = $3 AND name = $4",
        )
        .bind(session)
        .bind(scan_id)
        .bind(resource)
        .bind(name)
        .fetch_optional(&self.0.pool)
        .await?
        .as_ref()
        .map(file_from_row)
        .transpose()
    }
}

/// Scan 2 before scan 10, numbers before names.
fn scan_order(scan_id: &str) -> (u64, String) {
    (scan_id.parse().unwrap_or(u64::MAX), scan_id.to_string())
}

pub(in crate::store) fn file_from_row(row: &AnyRow) -> Result<StoredFile, StoreError> {
    Ok(StoredFile {
        scan_id: column::<&str>(row, "scan_id")?.into(),
        resource: column::<&str>(row, "resource")?.into(),
        sop_class: column::<&str>(row, "sop_class")?.into(),
        name: column(row, "name")?,
        sop_uid: column(row, "sop_uid")?,
        instance_number: column(row, "instance_number")?,
        size: column(row, "size")?,
        digest: column(row, "digest")?,
        findings: match column::<Option<&str>>(row, "findings")? {
            Some(_) => json(row, "findings")?,
            None => Findings::default(),
        },
    })
}

pub(in crate::store) fn scan_from_row(row: &AnyRow) -> Result<Scan, StoreError> {
    Ok(Scan {
        scan_id: column(row, "scan_id")?,
        modality: column(row, "modality")?,
        xsi_type: column(row, "xsi_type")?,
        series_uid: column(row, "series_uid")?,
        description: column(row, "description")?,
    })
}
