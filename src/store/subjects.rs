//! Subjects: made when the first of their sessions is archived, as in XNAT.

use sqlx::any::AnyRow;

use super::{Store, StoreError, WriteTransaction, audit, column, now_ms};

#[derive(Debug, Clone)]
pub struct Subject {
    pub id: i64,
    pub project: String,
    pub label: String,
    pub created: i64,
    pub created_by: String,
}

impl Subject {
    /// The id that the site knows it by, such as `SLUICE_S00001`.
    pub fn accession(&self) -> String {
        accession(self.id)
    }
}

pub(super) fn accession(id: i64) -> String {
    format!("SLUICE_S{id:05}")
}

/// The row number in `SLUICE_S00001`.
fn number(accession: &str) -> Option<i64> {
    accession.strip_prefix("SLUICE_S")?.parse().ok()
}

pub struct Subjects<'a>(pub(super) &'a Store);

impl Subjects<'_> {
    /// A project's subjects, or everybody's.
    pub async fn list(&self, project: Option<&str>) -> Result<Vec<Subject>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM subjects WHERE $1 IS NULL OR project = $1 ORDER BY project, label",
        )
        .bind(project)
        .fetch_all(&self.0.pool)
        .await?;
        rows.iter().map(from_row).collect()
    }

    /// A subject by its id on the site or, where the project is known, by its label.
    pub async fn find(
        &self,
        project: Option<&str>,
        label_or_id: &str,
    ) -> Result<Option<Subject>, StoreError> {
        sqlx::query(
            "SELECT * FROM subjects
             WHERE ($1 IS NULL AND id = $3) OR (project = $1 AND (label = $2 OR id = $3))
             ORDER BY label = $2 DESC LIMIT 1",
        )
        .bind(project)
        .bind(label_or_id)
        .bind(number(label_or_id))
        .fetch_optional(&self.0.pool)
        .await?
        .as_ref()
        .map(from_row)
        .transpose()
    }
}

/// The subject of that label, made when it is missing.
pub(super) async fn ensure(
    tx: &mut WriteTransaction,
    project: &str,
    label: &str,
    by: &str,
) -> Result<i64, StoreError> {
    let found = sqlx::query("SELECT id FROM subjects WHERE project = $1 AND label = $2")
        .bind(project)
        .bind(label)
        .fetch_optional(tx.on())
        .await?;
    if let Some(row) = found {
        return column(&row, "id");
    }
    let row = sqlx::query(
        "INSERT INTO subjects (project, label, created, created_by) VALUES ($1, $2, $3, $4) RETURNING id",
    )
    .bind(project)
    .bind(label)
    .bind(now_ms())
    .bind(by)
    .fetch_one(tx.on())
    .await?;
    let id = column(&row, "id")?;
    audit::record(tx, by, "subject.create", format!("subject/{id}")).await?;
    Ok(id)
}

fn from_row(row: &AnyRow) -> Result<Subject, StoreError> {
    Ok(Subject {
        id: column(row, "id")?,
        project: column(row, "project")?,
        label: column(row, "label")?,
        created: column(row, "created")?,
        created_by: column(row, "created_by")?,
    })
}
