//! Finding sessions by what a caller names: lists, and experiments by their label or number. Under thousands of sessions
//! each is found by an index.

use super::super::StoreError;
use super::{Area, Session, Sessions, from_row};

/// Which sessions to list.
#[derive(Debug, Clone, Copy, Default)]
pub struct SessionFilter<'a> {
    pub project: Option<&'a str>,
    pub subject: Option<&'a str>,
    pub label: Option<&'a str>,
    pub area: Option<Area>,
}

impl<'a> SessionFilter<'a> {
    /// The columns that the database is asked by.
    fn given(self) -> impl Iterator<Item = (&'static str, &'a str)> {
        [
            ("project", self.project),
            ("label", self.label),
            ("subject", self.subject),
        ]
        .into_iter()
        .filter_map(|(column, value)| Some((column, value?)))
    }

    /// With what is not asked for left out: beside an OR for it, no index would be used.
    fn sql(self) -> String {
        let mut sql = "SELECT * FROM sessions WHERE state <> 'COMMITTING'".to_owned();
        for (number, (column, _)) in (1..).zip(self.given()) {
            sql.push_str(&format!(" AND {column} = ${number}"));
        }
        sql.push_str(" ORDER BY id");
        sql
    }
}

/// An archived session by its label in a project, and by its number on the site.
const BY_LABEL: &str =
    "SELECT * FROM sessions WHERE project = $1 AND label = $2 AND state = 'ARCHIVED'";
const BY_NUMBER: &str = "SELECT * FROM sessions WHERE experiment = $1 AND state = 'ARCHIVED'";

impl Sessions<'_> {
    /// Visible sessions, the oldest first.
    pub async fn list(&self, filter: SessionFilter<'_>) -> Result<Vec<Session>, StoreError> {
        let sql = filter.sql();
        let mut query = sqlx::query(sqlx::AssertSqlSafe(sql));
        for (_, value) in filter.given() {
            query = query.bind(value);
        }
        let rows = query.fetch_all(&self.0.pool).await?;
        let mut sessions = rows.iter().map(from_row).collect::<Result<Vec<_>, _>>()?;
        if let Some(area) = filter.area {
            sessions.retain(|session| session.area() == area);
        }
        Ok(sessions)
    }

    /// An archived session by its id on the site or, where the project is known, by its label.
    pub async fn find_experiment(
        &self,
        project: Option<&str>,
        label_or_id: &str,
    ) -> Result<Option<Session>, StoreError> {
        if let Some(project) = project {
            let row = sqlx::query(BY_LABEL)
                .bind(project)
                .bind(label_or_id)
                .fetch_optional(&self.0.pool)
                .await?;
            if let Some(row) = row {
                return from_row(&row).map(Some);
            }
        }
        let Some(number) = experiment_number(label_or_id) else {
            return Ok(None);
        };
        let row = sqlx::query(BY_NUMBER)
            .bind(number)
            .fetch_optional(&self.0.pool)
            .await?;
        let found = row.as_ref().map(from_row).transpose()?;
        Ok(found.filter(|found| project.is_none_or(|project| found.project == project)))
    }
}

fn experiment_number(id: &str) -> Option<i64> {
    id.strip_prefix("SLUICE_E")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::super::super::testing;
    use super::{BY_LABEL, BY_NUMBER, SessionFilter};

    #[tokio::test]
    async fn sessions_are_found_without_going_through_all() {
        let (_folder, store) = testing::store().await;
        let of_label = SessionFilter {
            project: Some("DEMO"),
            label: Some("A"),
            ..SessionFilter::default()
        };
        for sql in [of_label.sql().as_str(), BY_LABEL, BY_NUMBER] {
            for step in testing::plan(&store, sql).await {
                let by_all =
                    step.contains("(project=? AND label=?)") || step.contains("(experiment=?)");
                assert!(step.starts_with("SEARCH") && by_all, "{sql}: {step}");
            }
        }
    }

    #[tokio::test]
    async fn what_is_named_narrows_a_list_and_finds_an_experiment() {
        let (_folder, store) = testing::store_with_project().await;
        let mut tx = store.begin().await.unwrap();
        let rows = "INSERT INTO sessions (project, state, timestamp, folder, subject, label, study_uid, study_key,
                                          modality, xsi_type, created, uploaded, lastmod, experiment)
            VALUES ('DEMO', 'READY', '1', 'a', 'S', 'A', '1', 'a', 'MR', 'x', 1, 1, 1, NULL),
                   ('DEMO', 'ARCHIVED', '1', 'b', 'S', 'A', '1', 'a', 'MR', 'x', 1, 1, 1, 1),
                   ('DEMO', 'ARCHIVED', '1', 'c', 'T', 'SLUICE_E00001', '1', 'c', 'MR', 'x', 1, 1, 1, 2),
                   ('DEMO', 'COMMITTING', '1', 'd', 'T', 'A', '1', 'a', 'MR', 'x', 1, 1, 1, NULL)";
        sqlx::query(rows).execute(tx.on()).await.unwrap();
        tx.commit().await.unwrap();
        let sessions = store.sessions();
        let found = async |project, label, subject| {
            let filter = SessionFilter {
                project,
                label,
                subject,
                area: None,
            };
            sessions.list(filter).await.unwrap().len()
        };
        assert_eq!(found(None, None, None).await, 3);
        assert_eq!(found(Some("OTHER"), None, None).await, 0);
        assert_eq!(found(Some("DEMO"), Some("A"), None).await, 2);
        assert_eq!(found(None, None, Some("T")).await, 1);
        assert_eq!(found(Some("DEMO"), Some("A"), Some("T")).await, 0);
        let experiment = async |project, named| {
            let found = sessions.find_experiment(project, named).await.unwrap();
            found.map(|found| found.folder)
        };
        let demo = Some("DEMO");
        assert_eq!(experiment(demo, "A").await.as_deref(), Some("b"));
        // A label goes before a number where the project is known.
        let e1 = "SLUICE_E00001";
        assert_eq!(experiment(demo, e1).await.as_deref(), Some("c"));
        assert_eq!(experiment(None, e1).await.as_deref(), Some("b"));
        let e2 = "SLUICE_E00002";
        assert_eq!(experiment(demo, e2).await.as_deref(), Some("c"));
        assert_eq!(experiment(Some("OTHER"), e2).await, None);
        assert_eq!(experiment(None, "A").await, None);
    }
}
