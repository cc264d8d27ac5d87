//! Who may call: names, argon2 records, the site administrator's mark.
//!
//! Passwords are hashed before they come here; what a user may do in a project is in `projects/roles.rs`.

use sqlx::any::AnyRow;

use super::{Store, StoreError, WriteTransaction, audit, column, flag, is_duplicate, now_ms};

/// A password as argon2 left it (a PHC string); not shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordRecord(String);

impl PasswordRecord {
    pub fn new(phc: impl Into<String>) -> Self {
        PasswordRecord(phc.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for PasswordRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PasswordRecord(…)")
    }
}

#[derive(Debug, Clone)]
pub struct User {
    pub name: String,
    pub password: PasswordRecord,
    /// May do everything on the site.
    pub admin: bool,
    pub enabled: bool,
    pub email: String,
    pub firstname: String,
    pub lastname: String,
    pub created: i64,
}

#[derive(Debug, Clone)]
pub struct NewUser {
    pub name: String,
    pub password: PasswordRecord,
    pub admin: bool,
    pub email: String,
    pub firstname: String,
    pub lastname: String,
}

/// What is to be another; none of it: left as it is.
#[derive(Debug, Clone, Default)]
pub struct UserChange {
    pub password: Option<PasswordRecord>,
    pub enabled: Option<bool>,
    pub admin: Option<bool>,
    pub email: Option<String>,
    pub firstname: Option<String>,
    pub lastname: Option<String>,
}

impl NewUser {
    pub fn new(name: impl Into<String>, phc: impl Into<String>) -> Self {
        NewUser {
            name: name.into(),
            password: PasswordRecord::new(phc),
            admin: false,
            email: String::new(),
            firstname: String::new(),
            lastname: String::new(),
        }
    }
}

/// What a user name may be. No colon, for HTTP Basic ends the name at the first one.
pub(super) fn check_name(name: &str) -> Result<(), StoreError> {
    let legal = |c: char| c.is_ascii_alphanumeric() || "._@-".contains(c);
    if name.is_empty() || name.len() > 64 || !name.chars().all(legal) {
        return Err(StoreError::Refused(
            "a user name is 1 to 64 letters, digits or any of . _ @ -",
        ));
    }
    Ok(())
}

pub struct Users<'a>(pub(super) &'a Store);

impl Users<'_> {
    /// Adds a user; refused when the name is taken or not a name.
    pub async fn add(&self, user: NewUser) -> Result<(), StoreError> {
        self.add_by(user, super::SYSTEM).await
    }

    pub async fn add_by(&self, user: NewUser, by: &str) -> Result<(), StoreError> {
        check_name(&user.name)?;
        let mut tx = self.0.begin().await?;
        sqlx::query(
            "INSERT INTO users (name, password, admin, email, firstname, lastname, created)
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(&user.name)
        .bind(user.password.as_str())
        .bind(i64::from(user.admin))
        .bind(user.email)
        .bind(user.firstname)
        .bind(user.lastname)
        .bind(now_ms())
        .execute(tx.on())
        .await
        .map_err(|e| match is_duplicate(&e) {
            true => StoreError::Refused("a user of that name exists"),
            false => e.into(),
        })?;
        audit::record(&mut tx, by, "user.add", format!("user/{}", user.name)).await?;
        tx.commit().await
    }

    pub async fn get(&self, name: &str) -> Result<Option<User>, StoreError> {
        sqlx::query("SELECT * FROM users WHERE name = $1")
            .bind(name)
            .fetch_optional(&self.0.pool)
            .await?
            .as_ref()
            .map(from_row)
            .transpose()
    }

    pub async fn list(&self) -> Result<Vec<User>, StoreError> {
        let rows = sqlx::query("SELECT * FROM users ORDER BY name")
            .fetch_all(&self.0.pool)
            .await?;
        rows.iter().map(from_row).collect()
    }

    /// Replaces the password and ends the user's open sessions.
    pub async fn set_password(
        &self,
        name: &str,
        password: &PasswordRecord,
        by: &str,
    ) -> Result<(), StoreError> {
        let mut tx = self.0.begin().await?;
        let changed = sqlx::query("UPDATE users SET password = $2 WHERE name = $1")
            .bind(name)
            .bind(password.as_str())
            .execute(tx.on())
            .await?;
        if changed.rows_affected() == 0 {
            return Err(StoreError::Refused("no user of that name"));
        }
        sqlx::query("DELETE FROM logins WHERE username = $1")
            .bind(name)
            .execute(tx.on())
            .await?;
        audit::record(&mut tx, by, "user.password", format!("user/{name}")).await?;
        tx.commit().await
    }

    /// Changes a user, all of it or nothing. Who gets another password, or may not log in any more, loses their open
    /// sessions. None: there is no such user.
    ///
    /// # Errors
    /// Also if nobody would be left who may administer the site.
    pub async fn change(
        &self,
        name: &str,
        change: UserChange,
        by: &str,
    ) -> Result<Option<User>, StoreError> {
        let mut tx = self.0.begin().await?;
        let could = can_be_administered(&mut tx).await?;
        let row = sqlx::query(
            "UPDATE users SET password = COALESCE($2, password), enabled = COALESCE($3, enabled),
                 admin = COALESCE($4, admin), email = COALESCE($5, email),
                 firstname = COALESCE($6, firstname), lastname = COALESCE($7, lastname)
             WHERE name = $1 RETURNING *",
        )
        .bind(name)
        .bind(change.password.as_ref().map(PasswordRecord::as_str))
        .bind(change.enabled.map(i64::from))
        .bind(change.admin.map(i64::from))
        .bind(&change.email)
        .bind(&change.firstname)
        .bind(&change.lastname)
        .fetch_optional(tx.on())
        .await?;
        let Some(row) = row else { return Ok(None) };
        if could && !can_be_administered(&mut tx).await? {
            return Err(StoreError::Refused(
                "this is the last administrator who may log in: make another one first",
            ));
        }
        if change.password.is_some() || change.enabled == Some(false) {
            sqlx::query("DELETE FROM logins WHERE username = $1")
                .bind(name)
                .execute(tx.on())
                .await?;
        }
        let is_described = [&change.email, &change.firstname, &change.lastname]
            .iter()
            .any(|field| field.is_some());
        let switched = |on: Option<bool>, yes, no| on.map(|on| if on { yes } else { no });
        let actions = [
            change.password.as_ref().map(|_| "user.password"),
            switched(change.enabled, "user.enable", "user.disable"),
            switched(change.admin, "user.admin", "user.no_admin"),
            is_described.then_some("user.change"),
        ];
        for action in actions.into_iter().flatten() {
            audit::record(&mut tx, by, action, format!("user/{name}")).await?;
        }
        tx.commit().await?;
        from_row(&row).map(Some)
    }
}

/// Whether there is an administrator who may log in.
async fn can_be_administered(tx: &mut WriteTransaction) -> Result<bool, StoreError> {
    let found = sqlx::query("SELECT 1 FROM users WHERE admin = 1 AND enabled = 1 LIMIT 1")
        .fetch_optional(tx.on())
        .await?;
    Ok(found.is_some())
}

pub(super) fn from_row(row: &AnyRow) -> Result<User, StoreError> {
    Ok(User {
        name: column(row, "name")?,
        password: PasswordRecord::new(column::<String>(row, "password")?),
        admin: flag(row, "admin")?,
        enabled: flag(row, "enabled")?,
        email: column(row, "email")?,
        firstname: column(row, "firstname")?,
        lastname: column(row, "lastname")?,
        created: column(row, "created")?,
    })
}

#[cfg(test)]
mod tests {
    use super::super::{NewUser, PasswordRecord, StoreError, testing};

    #[tokio::test]
    async fn a_name_is_given_once() {
        let (_folder, store) = testing::store().await;
        store.users().add(NewUser::new("ada", "h")).await.unwrap();
        let again = store.users().add(NewUser::new("ada", "h")).await;
        assert!(matches!(
            again,
            Err(StoreError::Refused("a user of that name exists"))
        ));
        for bad in ["", "a:b", "a b", "é"] {
            assert!(
                store.users().add(NewUser::new(bad, "h")).await.is_err(),
                "{bad}"
            );
        }
    }

    #[tokio::test]
    async fn a_new_password_ends_open_sessions() {
        let (_folder, store) = testing::store().await;
        store.users().add(NewUser::new("ada", "h")).await.unwrap();
        let token = store.logins().open("ada", 60_000).await.unwrap();
        assert!(
            store
                .logins()
                .find(token.as_str(), 60_000)
                .await
                .unwrap()
                .is_some()
        );
        store
            .users()
            .set_password("ada", &PasswordRecord::new("h2"), "ada")
            .await
            .unwrap();
        assert!(
            store
                .logins()
                .find(token.as_str(), 60_000)
                .await
                .unwrap()
                .is_none()
        );
        assert_eq!(
            store
                .users()
                .get("ada")
                .await
                .unwrap()
                .unwrap()
                .password
                .as_str(),
            "h2"
        );
    }

    #[test]
    fn a_password_record_is_not_shown() {
        assert!(!format!("{:?}", NewUser::new("ada", "secret")).contains("secret"));
    }
}
