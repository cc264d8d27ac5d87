//! Calls that a client may repeat without queueing anything twice.
//!
//! A key belongs to its user and to one set of parameters. The row is written with the request's own,
//! so of two equal calls at once one queues and the other gets that request. Only hashes are kept.

use sha2::{Digest as _, Sha256};

use super::requests::insert_row;
use super::{NewRequest, Requests, StoreError, WriteTransaction, column, is_duplicate, now_ms};

/// How long a key is remembered: twice the promised 24 hours.
const KEEP_MS: i64 = 48 * 60 * 60 * 1000;

/// Who called with which key, for what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallKey {
    key: [u8; 32],
    call: [u8; 32],
}

impl CallKey {
    /// `parameters` in an order of their own, whatever order they came in.
    pub fn new<'a>(
        username: &str,
        key: &str,
        parameters: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> CallKey {
        CallKey {
            key: hash([username, key]),
            call: hash(parameters.into_iter().flat_map(|(n, v)| [n, v])),
        }
    }
}

/// Each part with its length before it, so that no two lists of parts look alike.
fn hash<'a>(parts: impl IntoIterator<Item = &'a str>) -> [u8; 32] {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    digest.finalize().into()
}

/// What came of a call with a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inserted {
    New(i64),
    /// The same call queued this request before.
    Before(i64),
    /// The key was used for a call with other parameters.
    OtherCall,
}

impl Requests<'_> {
    /// What a call with this key came to before, if there was one.
    pub async fn find_call(&self, key: &CallKey) -> Result<Option<Inserted>, StoreError> {
        let row = sqlx::query(
            "SELECT call_hash, request FROM idempotency_keys WHERE key_hash = $1 AND created >= $2",
        )
        .bind(key.key.to_vec())
        .bind(now_ms() - KEEP_MS)
        .fetch_optional(&self.0.pool)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let same = column::<Vec<u8>>(&row, "call_hash")? == key.call;
        Ok(Some(match same {
            true => Inserted::Before(column(&row, "request")?),
            false => Inserted::OtherCall,
        }))
    }

    /// Queues a request unless a call with this key did so before.
    pub async fn insert_once(
        &self,
        new: NewRequest,
        key: &CallKey,
    ) -> Result<Inserted, StoreError> {
        let mut tx = self.0.begin().await?;
        forget_old(&mut tx).await?;
        let id = insert_row(&mut tx, new).await?;
        let inserted = sqlx::query(
            "INSERT INTO idempotency_keys (key_hash, call_hash, request, created) VALUES ($1, $2, $3, $4)",
        )
        .bind(key.key.to_vec())
        .bind(key.call.to_vec())
        .bind(id)
        .bind(now_ms())
        .execute(tx.on())
        .await;
        match inserted {
            Ok(_) => {
                tx.commit().await?;
                Ok(Inserted::New(id))
            }
            Err(error) if is_duplicate(&error) => {
                // The request goes with the transaction.
                drop(tx);
                let before = self.find_call(key).await?;
                before.ok_or(StoreError::BadValue { column: "key_hash" })
            }
            Err(error) => Err(error.into()),
        }
    }
}

async fn forget_old(tx: &mut WriteTransaction) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM idempotency_keys WHERE created < $1")
        .bind(now_ms() - KEEP_MS)
        .execute(tx.on())
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashSet};

    use super::super::{NewRequest, RequestFilter, testing};
    use super::{CallKey, Inserted, KEEP_MS};

    fn new() -> NewRequest {
        NewRequest {
            username: "ada".into(),
            project: "DEMO".into(),
            parameters: BTreeMap::new(),
            session_path: "/inbox/DEMO/a".into(),
            cleanup: false,
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn of_equal_calls_at_once_one_queues() {
        let (_folder, store) = testing::store().await;
        let calls = (0..8).map(|_| {
            let store = store.clone();
            let key = CallKey::new("ada", "k", [("a", "b")]);
            tokio::spawn(async move { store.requests().insert_once(new(), &key).await.unwrap() })
        });
        let mut ids = HashSet::new();
        let mut news = 0;
        for call in calls.collect::<Vec<_>>() {
            match call.await.unwrap() {
                Inserted::New(id) => {
                    news += 1;
                    ids.insert(id);
                }
                Inserted::Before(id) => _ = ids.insert(id),
                Inserted::OtherCall => panic!("it is the same call"),
            }
        }
        assert_eq!((news, ids.len()), (1, 1));
        let filter = RequestFilter::default();
        assert_eq!(store.requests().list(filter).await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn a_key_is_of_one_user_and_one_set_of_parameters_for_a_while() {
        let (_folder, store) = testing::store().await;
        let requests = store.requests();
        let key = CallKey::new("ada", "k", [("a", "b")]);
        let first = requests.insert_once(new(), &key).await.unwrap();
        assert_eq!(first, Inserted::New(1));
        let other = CallKey::new("ada", "k", [("ab", "")]);
        assert_eq!(
            requests.insert_once(new(), &other).await.unwrap(),
            Inserted::OtherCall
        );
        let of_another = CallKey::new("adak", "", [("a", "b")]);
        assert_eq!(requests.find_call(&of_another).await.unwrap(), None);
        sqlx::query("UPDATE idempotency_keys SET created = created - $1")
            .bind(KEEP_MS + 1)
            .execute(&store.pool)
            .await
            .unwrap();
        let later = requests.insert_once(new(), &other).await.unwrap();
        assert!(matches!(later, Inserted::New(_)), "{later:?}");
    }
}
