//! Which study a label belongs to, decided once.
//!
//! One row for each (project, label) from the moment the label is first given, so that two requests
//! can't race for it. Differs from XNAT, which looks for the label at the call and again at archiving
//! and lets what happens in between collide.

use super::{Lock, Store, StoreError, WriteTransaction, column, now_ms};

/// The label belongs to another study, or the reservation could not be made.
#[derive(Debug, thiserror::Error)]
pub enum Taken {
    #[error("the label belongs to another study")]
    ByAnotherStudy,
    #[error("the label belongs to the study as it is stored under an earlier pseudonym key")]
    UnderAnEarlierKey,
    #[error(transparent)]
    Store(#[from] StoreError),
}

pub struct Labels<'a>(pub(super) &'a Store);

impl Labels<'_> {
    /// Gives a label to a study, or finds that it has it already.
    pub async fn reserve(&self, project: &str, label: &str, study_key: &str) -> Result<(), Taken> {
        let mut tx = self.0.begin_step(Lock::Alone).await?;
        reserve(&mut tx, project, label, study_key).await?;
        Ok(tx.commit().await?)
    }

    /// Gives a label to a study that is known by other keys too, since the project's pseudonym key was
    /// changed: one that the study has under an earlier key stays as it is where a session bears it, and
    /// becomes the present key's where none does.
    ///
    /// # Errors
    /// [`Taken::ByAnotherStudy`], and [`Taken::UnderAnEarlierKey`] where the study itself has it.
    pub async fn reserve_known(
        &self,
        project: &str,
        label: &str,
        study_key: &str,
        earlier_keys: &[String],
    ) -> Result<(), Taken> {
        let mut tx = self.0.begin_step(Lock::Alone).await?;
        match reserve(&mut tx, project, label, study_key).await {
            Ok(()) => return Ok(tx.commit().await?),
            Err(Taken::ByAnotherStudy) => {}
            Err(error) => return Err(error),
        }
        let row = sqlx::query("SELECT study_key FROM labels WHERE project = $1 AND label = $2")
            .bind(project)
            .bind(label)
            .fetch_one(tx.on())
            .await
            .map_err(StoreError::from)?;
        let holder: String = column(&row, "study_key")?;
        if !earlier_keys.contains(&holder) {
            return Err(Taken::ByAnotherStudy);
        }
        release_unused(&mut tx, project, label).await?;
        match reserve(&mut tx, project, label, study_key).await {
            Ok(()) => Ok(tx.commit().await?),
            Err(Taken::ByAnotherStudy) => Err(Taken::UnderAnEarlierKey),
            Err(error) => Err(error),
        }
    }

    /// Gives a label back that no session came to use.
    pub async fn release_unused(&self, project: &str, label: &str) -> Result<(), StoreError> {
        let mut tx = self.0.begin_step(Lock::Alone).await?;
        release_unused(&mut tx, project, label).await?;
        tx.commit().await
    }

    /// The study a label belongs to.
    pub async fn holder(&self, project: &str, label: &str) -> Result<Option<String>, StoreError> {
        let row = sqlx::query("SELECT study_key FROM labels WHERE project = $1 AND label = $2")
            .bind(project)
            .bind(label)
            .fetch_optional(&self.0.pool)
            .await?;
        row.as_ref().map(|row| column(row, "study_key")).transpose()
    }
}

pub(super) async fn reserve(
    tx: &mut WriteTransaction,
    project: &str,
    label: &str,
    study_key: &str,
) -> Result<(), Taken> {
    sqlx::query(
        "INSERT INTO labels (project, label, study_key, created) VALUES ($1, $2, $3, $4)
         ON CONFLICT (project, label) DO NOTHING",
    )
    .bind(project)
    .bind(label)
    .bind(study_key)
    .bind(now_ms())
    .execute(tx.on())
    .await
    .map_err(StoreError::from)?;
    let row = sqlx::query("SELECT study_key FROM labels WHERE project = $1 AND label = $2")
        .bind(project)
        .bind(label)
        .fetch_one(tx.on())
        .await
        .map_err(StoreError::from)?;
    match column::<&str>(&row, "study_key")? == study_key {
        true => Ok(()),
        false => Err(Taken::ByAnotherStudy),
    }
}

pub(super) async fn release_unused(
    tx: &mut WriteTransaction,
    project: &str,
    label: &str,
) -> Result<(), StoreError> {
    sqlx::query(
        "DELETE FROM labels WHERE project = $1 AND label = $2 AND NOT EXISTS (
             SELECT 1 FROM sessions s WHERE s.project = $1 AND s.label = $2 AND s.study_key = labels.study_key)",
    )
    .bind(project)
    .bind(label)
    .execute(tx.on())
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::{Taken, testing};

    #[tokio::test]
    async fn the_first_study_keeps_the_label_until_it_is_given_back() {
        let (_folder, store) = testing::store_with_project().await;
        let labels = store.labels();
        labels.reserve("DEMO", "MR1", "study-a").await.unwrap();
        labels.reserve("DEMO", "MR1", "study-a").await.unwrap();
        let other = labels.reserve("DEMO", "MR1", "study-b").await;
        assert!(matches!(other, Err(Taken::ByAnotherStudy)));
        labels.release_unused("DEMO", "MR1").await.unwrap();
        labels.reserve("DEMO", "MR1", "study-b").await.unwrap();
        assert_eq!(
            labels.holder("DEMO", "MR1").await.unwrap().as_deref(),
            Some("study-b")
        );
    }

    #[tokio::test]
    async fn a_label_under_an_earlier_key_is_taken_over_unless_a_session_bears_it() {
        let (_folder, store) = testing::store_with_project().await;
        let labels = store.labels();
        let earlier = ["old".to_owned()];
        labels.reserve("DEMO", "MR1", "old").await.unwrap();
        let other = labels
            .reserve_known("DEMO", "MR1", "new", &["else".into()])
            .await;
        assert!(matches!(other, Err(Taken::ByAnotherStudy)));
        labels
            .reserve_known("DEMO", "MR1", "new", &earlier)
            .await
            .unwrap();
        let holder = labels.holder("DEMO", "MR1").await.unwrap();
        assert_eq!(holder.as_deref(), Some("new"));

        sqlx::query(
            "INSERT INTO sessions (project, state, timestamp, folder, subject, label, study_uid, study_key,
                                   modality, xsi_type, created, uploaded, lastmod)
             VALUES ('DEMO', 'READY', 't', 'f', 's', 'MR1', '1.2', 'new', 'MR', 'x', 1, 1, 1)",
        )
        .execute(&store.pool)
        .await
        .unwrap();
        let later = labels
            .reserve_known("DEMO", "MR1", "newest", &["new".into()])
            .await;
        assert!(matches!(later, Err(Taken::UnderAnEarlierKey)));
    }
}
