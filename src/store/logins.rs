//! Open sessions of users: XNAT's JSESSIONID.
//!
//! The table holds a hash of each token, so a copy of the database opens no session. A session lives
//! as long as it is used (sliding expiry), as XNAT's does.

use sha2::{Digest as _, Sha256};

use super::{Store, StoreError, User, column, now_ms, random_bytes, users};

/// A session is prolonged at most this often: reading must not mean writing.
const PROLONG_EVERY_MS: i64 = 60_000;

/// The secret in the cookie; not shown by `Debug`.
#[derive(Clone)]
pub struct Token(String);

impl Token {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(…)")
    }
}

/// An open session and whose it is.
#[derive(Debug, Clone)]
pub struct Login {
    pub user: User,
    pub expires: i64,
}

pub struct Logins<'a>(pub(super) &'a Store);

impl Logins<'_> {
    /// Opens a session for a user whose credentials were verified.
    pub async fn open(&self, username: &str, lifetime_ms: i64) -> Result<Token, StoreError> {
        // 32 upper-case hex digits, the form of a servlet container's session id.
        let token = Token(hex::encode_upper(random_bytes::<16>()?));
        let now = now_ms();
        let mut tx = self.0.begin().await?;
        sqlx::query("DELETE FROM logins WHERE expires < $1")
            .bind(now)
            .execute(tx.on())
            .await?;
        sqlx::query(
            "INSERT INTO logins (token_hash, username, created, expires) VALUES ($1, $2, $3, $4)",
        )
        .bind(hash(token.as_str()))
        .bind(username)
        .bind(now)
        .bind(now + lifetime_ms)
        .execute(tx.on())
        .await?;
        tx.commit().await?;
        Ok(token)
    }

    /// The session of `token`, prolonged; none when it is unknown or over, or its user is disabled.
    pub async fn find(&self, token: &str, lifetime_ms: i64) -> Result<Option<Login>, StoreError> {
        let now = now_ms();
        let row = sqlx::query(
            "SELECT u.*, l.expires FROM logins l JOIN users u ON u.name = l.username
             WHERE l.token_hash = $1 AND l.expires >= $2 AND u.enabled <> 0",
        )
        .bind(hash(token))
        .bind(now)
        .fetch_optional(&self.0.pool)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let mut login = Login {
            user: users::from_row(&row)?,
            expires: column(&row, "expires")?,
        };
        if now + lifetime_ms - login.expires >= PROLONG_EVERY_MS.min(lifetime_ms / 2) {
            login.expires = now + lifetime_ms;
            let mut tx = self.0.begin().await?;
            sqlx::query("UPDATE logins SET expires = $2 WHERE token_hash = $1")
                .bind(hash(token))
                .bind(login.expires)
                .execute(tx.on())
                .await?;
            tx.commit().await?;
        }
        Ok(Some(login))
    }

    /// The same without prolonging it: for what goes on by itself, and is no use of the session.
    pub async fn look_up(&self, token: &str) -> Result<Option<User>, StoreError> {
        let row = sqlx::query(
            "SELECT u.* FROM logins l JOIN users u ON u.name = l.username
             WHERE l.token_hash = $1 AND l.expires >= $2 AND u.enabled <> 0",
        )
        .bind(hash(token))
        .bind(now_ms())
        .fetch_optional(&self.0.pool)
        .await?;
        row.as_ref().map(users::from_row).transpose()
    }

    /// Ends the session of `token`, if there is one.
    pub async fn close(&self, token: &str) -> Result<(), StoreError> {
        let mut tx = self.0.begin().await?;
        sqlx::query("DELETE FROM logins WHERE token_hash = $1")
            .bind(hash(token))
            .execute(tx.on())
            .await?;
        tx.commit().await
    }
}

fn hash(token: &str) -> Vec<u8> {
    Sha256::digest(token.as_bytes()).to_vec()
}

#[cfg(test)]
mod tests {
    use super::super::{NewUser, UserChange, testing};

    #[tokio::test]
    async fn a_session_ends_when_closed_and_when_its_time_is_over() {
        let (_folder, store) = testing::store().await;
        store.users().add(NewUser::new("ada", "h")).await.unwrap();
        let token = store.logins().open("ada", 60_000).await.unwrap();
        let login = store
            .logins()
            .find(token.as_str(), 60_000)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(login.user.name, "ada");
        store.logins().close(token.as_str()).await.unwrap();
        assert!(
            store
                .logins()
                .find(token.as_str(), 60_000)
                .await
                .unwrap()
                .is_none()
        );
        let over = store.logins().open("ada", -1).await.unwrap();
        assert!(
            store
                .logins()
                .find(over.as_str(), 60_000)
                .await
                .unwrap()
                .is_none()
        );
    }

    #[tokio::test]
    async fn a_disabled_user_has_no_session() {
        let (_folder, store) = testing::store().await;
        store.users().add(NewUser::new("ada", "h")).await.unwrap();
        let token = store.logins().open("ada", 60_000).await.unwrap();
        let out = UserChange {
            enabled: Some(false),
            ..UserChange::default()
        };
        store.users().change("ada", out, "admin").await.unwrap();
        assert!(
            store
                .logins()
                .find(token.as_str(), 60_000)
                .await
                .unwrap()
                .is_none()
        );
    }
}
