//! What is forgotten after a time: ended requests, commits that left nothing, old audit rows, expired logins; and
//! whose turn it is.
//!
//! What is in the archive or the prearchive is never touched, nor a request that has not ended, nor one that a session
//! came by which is not archived yet: what happens to that session goes by the request's parameters. Sessions, and
//! commits of which a file is left, keep the number of a request that is gone: it tells where they came from, and is
//! given to no other.

use std::collections::BTreeSet;

use super::{SYSTEM, Session, Store, StoreError, audit, column, now_ms, sessions};

/// Rows that go in one transaction: others must get their turn to write.
const BATCH: i64 = 500;

/// Whether a request is still needed, as a condition on its id: without its parameters, steps at archiving and moves
/// would take from the patient's data what the call had said.
macro_rules! needed {
    ($request:literal) => {
        concat!(
            "EXISTS (SELECT 1 FROM sessions s WHERE s.state <> 'ARCHIVED' AND s.request = ",
            $request,
            ")"
        )
    };
}

pub struct Retention<'a>(pub(super) &'a Store);

/// A duty taken by one server for all. Held by its row; given back by [`Retention::end_turn`].
#[derive(Debug, Clone, Copy)]
pub struct Turn {
    pub duty: &'static str,
    /// How long it is held at most: then it is free again, its holder being dead.
    pub held_ms: i64,
    /// How long after it was last done it is due again; 0 at once.
    pub every_ms: i64,
}

/// A commit that took the place of stored files, which were set aside.
#[derive(Debug, Clone)]
pub struct ReplacedFiles {
    pub commit: i64,
    pub session: Session,
}

impl Retention<'_> {
    /// Takes a duty for `holder`, if it is due and nobody has it.
    pub async fn take_turn(&self, turn: Turn, holder: &str) -> Result<bool, StoreError> {
        let now = now_ms();
        let mut tx = self.0.begin().await?;
        sqlx::query(
            "INSERT INTO turns (duty, holder, until, done) VALUES ($1, NULL, 0, 0)
             ON CONFLICT (duty) DO NOTHING",
        )
        .bind(turn.duty)
        .execute(tx.on())
        .await?;
        let taken = sqlx::query(
            "UPDATE turns SET holder = $2, until = $3 WHERE duty = $1 AND until <= $4 AND done <= $5",
        )
        .bind(turn.duty)
        .bind(holder)
        .bind(now + turn.held_ms)
        .bind(now)
        .bind(now - turn.every_ms)
        .execute(tx.on())
        .await?;
        tx.commit().await?;
        Ok(taken.rows_affected() == 1)
    }

    /// Gives a duty back; `done` if it was carried out.
    pub async fn end_turn(&self, turn: Turn, holder: &str, done: bool) -> Result<(), StoreError> {
        let mut tx = self.0.begin().await?;
        sqlx::query(
            "UPDATE turns SET holder = NULL, until = 0, done = CASE WHEN $3 = 1 THEN $4 ELSE done END
             WHERE duty = $1 AND holder = $2",
        )
        .bind(turn.duty)
        .bind(holder)
        .bind(i64::from(done))
        .bind(now_ms())
        .execute(tx.on())
        .await?;
        tx.commit().await
    }

    /// The requests that ended before a time, and that no session needs.
    pub async fn requests_ended_before(&self, time: i64) -> Result<BTreeSet<i64>, StoreError> {
        let rows = sqlx::query(concat!(
            "SELECT id FROM requests WHERE finished < $1 AND NOT ",
            needed!("requests.id")
        ))
        .bind(time)
        .fetch_all(&self.0.pool)
        .await?;
        rows.iter().map(|row| column(row, "id")).collect()
    }

    /// Forgets requests that have ended; one that has not, or is needed, stays. Answers how many went.
    pub async fn remove_requests(&self, ids: &BTreeSet<i64>) -> Result<u64, StoreError> {
        let ids: Vec<i64> = ids.iter().copied().collect();
        let sql = concat!(
            "DELETE FROM requests
             WHERE id = $1 AND finished IS NOT NULL AND status IN ('Completed', 'Failed') AND NOT ",
            needed!("requests.id")
        );
        self.remove_each(sql, &ids).await
    }

    /// The commits, finished before a time, that nothing needs any more: no stored file is of them, and their request
    /// is gone or goes as it ended before that time too. What may have set replaced files aside in a session that is
    /// still there stays, unless it was finished before `history`.
    pub async fn commits_left_by_all(
        &self,
        time: i64,
        history: Option<i64>,
    ) -> Result<Vec<i64>, StoreError> {
        let rows = sqlx::query(concat!(
            "SELECT c.id FROM commits c
             WHERE c.finished < $1 AND c.swept = 1
               AND NOT EXISTS (SELECT 1 FROM files f WHERE f.commit_id = c.id)
               AND NOT EXISTS (SELECT 1 FROM requests r WHERE r.id = c.request
                               AND (r.finished IS NULL OR r.finished >= $1 OR ",
            needed!("r.id"),
            "))
               AND (c.finished < $2 OR c.session IS NULL OR c.details NOT LIKE '%\"overwrite\":true%')
             ORDER BY c.id",
        ))
        .bind(time)
        // Nothing was finished before 1970.
        .bind(history.unwrap_or(0))
        .fetch_all(&self.0.pool)
        .await?;
        rows.iter().map(|row| column(row, "id")).collect()
    }

    /// Forgets such commits.
    pub async fn remove_commits(&self, ids: &[i64]) -> Result<u64, StoreError> {
        self.remove_each("DELETE FROM commits WHERE id = $1", ids)
            .await
    }

    async fn remove_each(&self, sql: &'static str, ids: &[i64]) -> Result<u64, StoreError> {
        let mut removed = 0;
        for batch in ids.chunks(BATCH as usize) {
            let mut tx = self.0.begin().await?;
            for id in batch {
                let gone = sqlx::query(sql).bind(*id).execute(tx.on()).await?;
                removed += gone.rows_affected();
            }
            tx.commit().await?;
        }
        Ok(removed)
    }

    /// How many audit rows are older than a time.
    pub async fn audit_rows_before(&self, time: i64) -> Result<u64, StoreError> {
        self.count("SELECT COUNT(*) AS n FROM audit WHERE at < $1", time)
            .await
    }

    /// Forgets audit rows older than a time.
    pub async fn remove_audit_before(&self, time: i64) -> Result<u64, StoreError> {
        let sql = "DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE at < $1 ORDER BY id LIMIT $2)";
        let mut removed = 0;
        loop {
            let mut tx = self.0.begin().await?;
            let gone = sqlx::query(sql)
                .bind(time)
                .bind(BATCH)
                .execute(tx.on())
                .await?;
            tx.commit().await?;
            removed += gone.rows_affected();
            if gone.rows_affected() < BATCH as u64 {
                return Ok(removed);
            }
        }
    }

    /// How many logins are over.
    pub async fn expired_logins(&self) -> Result<u64, StoreError> {
        self.count(
            "SELECT COUNT(*) AS n FROM logins WHERE expires < $1",
            now_ms(),
        )
        .await
    }

    /// Forgets the logins that are over.
    pub async fn remove_expired_logins(&self) -> Result<u64, StoreError> {
        let mut tx = self.0.begin().await?;
        let gone = sqlx::query("DELETE FROM logins WHERE expires < $1")
            .bind(now_ms())
            .execute(tx.on())
            .await?;
        tx.commit().await?;
        Ok(gone.rows_affected())
    }

    /// The commits, finished before a time, that may have set replaced files aside, with the sessions that
    /// hold them now.
    pub async fn replaced_before(&self, time: i64) -> Result<Vec<ReplacedFiles>, StoreError> {
        let rows = sqlx::query(
            "SELECT s.*, c.id AS commit_id FROM commits c JOIN sessions s ON s.id = c.session
             WHERE c.finished < $1 AND c.details LIKE '%\"overwrite\":true%' ORDER BY c.id",
        )
        .bind(time)
        .fetch_all(&self.0.pool)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(ReplacedFiles {
                    commit: column(row, "commit_id")?,
                    session: sessions::from_row(row)?,
                })
            })
            .collect()
    }

    /// Writes down that something was forgotten.
    pub async fn record(&self, action: &'static str) -> Result<(), StoreError> {
        let mut tx = self.0.begin().await?;
        audit::record(&mut tx, SYSTEM, action, "site".into()).await?;
        tx.commit().await
    }

    async fn count(&self, sql: &'static str, time: i64) -> Result<u64, StoreError> {
        let row = sqlx::query(sql).bind(time).fetch_one(&self.0.pool).await?;
        Ok(u64::try_from(column::<i64>(&row, "n")?).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Counts, NewRequest, Status, now_ms, testing};
    use super::Turn;

    #[tokio::test]
    async fn a_duty_is_taken_by_one_and_again_when_it_is_due() {
        let (_folder, store) = testing::store().await;
        let retention = store.retention();
        let turn = Turn {
            duty: "test",
            held_ms: 60_000,
            every_ms: 60_000,
        };
        assert!(retention.take_turn(turn, "a").await.unwrap());
        assert!(!retention.take_turn(turn, "b").await.unwrap());
        retention.end_turn(turn, "b", true).await.unwrap();
        assert!(
            !retention.take_turn(turn, "b").await.unwrap(),
            "not b's to give back"
        );
        retention.end_turn(turn, "a", false).await.unwrap();
        assert!(
            retention.take_turn(turn, "b").await.unwrap(),
            "it was not done"
        );
        retention.end_turn(turn, "b", true).await.unwrap();
        assert!(!retention.take_turn(turn, "a").await.unwrap(), "not due");
        assert!(
            retention
                .take_turn(
                    Turn {
                        every_ms: 0,
                        ..turn
                    },
                    "a"
                )
                .await
                .unwrap()
        );
        // Its holder died long ago.
        let dead = Turn {
            duty: "other",
            held_ms: -1,
            every_ms: 0,
        };
        assert!(retention.take_turn(dead, "a").await.unwrap());
        assert!(retention.take_turn(dead, "b").await.unwrap());
    }

    #[tokio::test]
    async fn only_requests_that_have_ended_go() {
        let (_folder, store) = testing::store_with_project().await;
        let new = || NewRequest {
            username: "ada".into(),
            project: "DEMO".into(),
            parameters: Default::default(),
            session_path: "/inbox/DEMO/a".into(),
            cleanup: false,
        };
        let claim = testing::claimed(&store).await;
        let ended = claim.request;
        let waiting = store.requests().insert(new()).await.unwrap();
        let counts = Counts::default();
        let requests = store.requests();
        requests
            .finish(claim, Status::Failed, None, &counts, 0)
            .await
            .unwrap();
        let retention = store.retention();
        assert!(retention.requests_ended_before(0).await.unwrap().is_empty());
        let old = retention.requests_ended_before(now_ms() + 1).await.unwrap();
        assert_eq!(old, [ended].into());
        let removed = retention
            .remove_requests(&[ended, waiting].into())
            .await
            .unwrap();
        assert_eq!(removed, 1);
        assert!(store.requests().get(ended).await.unwrap().is_none());
        assert!(store.requests().get(waiting).await.unwrap().is_some());
        assert!(
            store.requests().insert(new()).await.unwrap() > waiting,
            "no number comes twice"
        );
    }

    #[tokio::test]
    async fn a_request_stays_until_its_sessions_are_archived() {
        let (_folder, store) = testing::store_with_project().await;
        let claim = testing::claimed(&store).await;
        let id = claim.request;
        let requests = store.requests();
        requests
            .finish(claim, Status::Completed, None, &Counts::default(), 0)
            .await
            .unwrap();
        let change = async |sql: String| {
            let mut tx = store.begin().await.unwrap();
            sqlx::query(sqlx::AssertSqlSafe(sql))
                .execute(tx.on())
                .await
                .unwrap();
            tx.commit().await.unwrap();
        };
        for label in ["A", "B"] {
            change(format!(
                "INSERT INTO sessions (project, state, timestamp, folder, subject, label, study_uid, study_key,
                                       modality, xsi_type, request, created, uploaded, lastmod)
                 VALUES ('DEMO', 'READY', '1', '{label}', 'S', '{label}', '1', '{label}', 'MR', 'x', {id}, 1, 1, 1)"
            ))
            .await;
        }
        // A change of which nothing is left: it goes with its request.
        change(format!(
            "INSERT INTO commits (request, username, session, created_session, outcome, changes, staging,
                                  final_path, details, created, finished, swept)
             VALUES ({id}, 'ada', NULL, 1, 'READY', '{{}}', '', '', '{{}}', 1, 2, 1)"
        ))
        .await;
        let retention = store.retention();
        let later = now_ms() + 1;
        for (label, state) in [("A", "QUARANTINED"), ("A", "ARCHIVED"), ("B", "CONFLICT")] {
            change(format!(
                "UPDATE sessions SET state = '{state}' WHERE label = '{label}'"
            ))
            .await;
            let old = retention.requests_ended_before(later).await.unwrap();
            assert!(old.is_empty(), "{label} {state}");
            assert_eq!(retention.remove_requests(&[id].into()).await.unwrap(), 0);
            let left = retention.commits_left_by_all(later, None).await.unwrap();
            assert!(left.is_empty(), "{label} {state}");
        }
        change("UPDATE sessions SET state = 'ARCHIVED'".into()).await;
        let old = retention.requests_ended_before(later).await.unwrap();
        assert_eq!(old, [id].into());
        let left = retention.commits_left_by_all(later, None).await.unwrap();
        assert_eq!(left.len(), 1);
        assert_eq!(retention.remove_requests(&old).await.unwrap(), 1);
    }

    #[tokio::test]
    async fn audit_rows_go_by_their_age_however_many() {
        let (_folder, store) = testing::store_with_project().await;
        let mut tx = store.begin().await.unwrap();
        for _ in 0..1100 {
            super::audit::record(&mut tx, "ada", "test", "site".into())
                .await
                .unwrap();
        }
        tx.commit().await.unwrap();
        let all = store
            .retention()
            .audit_rows_before(now_ms() + 1)
            .await
            .unwrap();
        assert!(all >= 1100);
        assert_eq!(store.retention().remove_audit_before(0).await.unwrap(), 0);
        assert_eq!(
            store
                .retention()
                .remove_audit_before(now_ms() + 1)
                .await
                .unwrap(),
            all
        );
    }
}
