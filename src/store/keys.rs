//! A change of a project's pseudonym key, and the keys it had before.
//!
//! The present key is the project's own (`projects.rs`). A key that was replaced is kept with who did it and
//! when: what is stored under it is known again by it, and its pseudonyms can be derived again.

use super::projects::PseudonymKey;
use super::{Projects, StoreError, audit, column, now_ms, random_bytes};

impl Projects<'_> {
    /// Gives the project a new pseudonym key, and answers its generation: 2 for the first change.
    /// An import that runs goes on under the key it began with.
    pub async fn rotate_key(&self, id: &str, by: &str) -> Result<i64, StoreError> {
        let key = random_bytes::<32>()?;
        let mut tx = self.0.begin().await?;
        let row = sqlx::query(
            "SELECT COALESCE(MAX(generation), 0) AS newest FROM project_keys WHERE project = $1",
        )
        .bind(id)
        .fetch_one(tx.on())
        .await?;
        let retired: i64 = column::<i64>(&row, "newest")? + 1;
        let kept = sqlx::query(
            "INSERT INTO project_keys (project, generation, pseudonym_key, retired, retired_by)
             SELECT id, $2, pseudonym_key, $3, $4 FROM projects WHERE id = $1",
        )
        .bind(id)
        .bind(retired)
        .bind(now_ms())
        .bind(by)
        .execute(tx.on())
        .await?;
        if kept.rows_affected() == 0 {
            return Err(StoreError::Refused("no project of that ID"));
        }
        sqlx::query("UPDATE projects SET pseudonym_key = $2 WHERE id = $1")
            .bind(id)
            .bind(key.to_vec())
            .execute(tx.on())
            .await?;
        audit::record(&mut tx, by, "project.rotate_key", format!("project/{id}")).await?;
        tx.commit().await?;
        Ok(retired + 1)
    }

    /// The keys that the project had before its present one, the latest first.
    pub async fn earlier_keys(&self, id: &str) -> Result<Vec<PseudonymKey>, StoreError> {
        let rows = sqlx::query(
            "SELECT pseudonym_key FROM project_keys WHERE project = $1 ORDER BY generation DESC",
        )
        .bind(id)
        .fetch_all(&self.0.pool)
        .await?;
        rows.iter().map(PseudonymKey::from_row).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing;

    #[tokio::test]
    async fn a_key_is_replaced_and_those_before_it_are_kept_in_order() {
        let (_folder, store) = testing::store_with_project().await;
        let projects = store.projects();
        let mut keys = Vec::new();
        for generation in [2, 3] {
            keys.insert(
                0,
                projects.get("DEMO").await.unwrap().unwrap().pseudonym_key,
            );
            assert_eq!(
                projects.rotate_key("DEMO", "ada").await.unwrap(),
                generation
            );
        }
        let now = projects.get("DEMO").await.unwrap().unwrap().pseudonym_key;
        assert!(!keys.contains(&now));
        assert_eq!(projects.earlier_keys("DEMO").await.unwrap(), keys);
        let audited = store.audit_trail(1).await.unwrap();
        assert_eq!(
            (
                audited[0].action.as_str(),
                audited[0].object.as_str(),
                audited[0].username.as_str()
            ),
            ("project.rotate_key", "project/DEMO", "ada")
        );
        assert!(projects.rotate_key("NONE", "ada").await.is_err());
    }
}
