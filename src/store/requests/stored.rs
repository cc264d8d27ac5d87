//! What a request has stored so far.

use std::collections::HashSet;
use std::sync::Arc;

use sqlx::any::AnyRow;

use super::super::{StoreError, column, read_all};
use super::Requests;

/// A file's place: session, scan, resource and name.
pub type Place = (i64, Arc<str>, Arc<str>, String);

impl Requests<'_> {
    /// Where the files stand that this request has brought in, by this attempt or an earlier one.
    pub async fn stored_places(&self, id: i64) -> Result<HashSet<Place>, StoreError> {
        let query = sqlx::query(
            "SELECT s.session, s.scan_id, r.label AS resource, f.name FROM files f
             JOIN commits c ON c.id = f.commit_id AND c.finished IS NOT NULL
             JOIN resources r ON r.id = f.resource JOIN scans s ON s.id = r.scan
             WHERE c.request = $1",
        )
        .bind(id);
        let place = |row: &AnyRow| {
            Ok((
                column(row, "session")?,
                column::<&str>(row, "scan_id")?.into(),
                column::<&str>(row, "resource")?.into(),
                column(row, "name")?,
            ))
        };
        let places = read_all(query.fetch(&self.0.pool), place).await?;
        Ok(places.into_iter().collect())
    }
}
