//! Projects and their pseudonym keys. Who may do what in them stands in `projects/roles.rs`.
//!
//! A project's rules are not here: they are its policy in the rules folder.

mod roles;

use sqlx::any::AnyRow;

pub use roles::{Role, RoleEntry};

use super::{SYSTEM, Store, StoreError, audit, column, is_duplicate, now_ms, random_bytes};

/// The secret behind a project's pseudonyms; not shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct PseudonymKey([u8; 32]);

impl PseudonymKey {
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    pub(super) fn from_row(row: &AnyRow) -> Result<Self, StoreError> {
        let key: Vec<u8> = column(row, "pseudonym_key")?;
        let key = key.try_into().map_err(|_| StoreError::BadValue {
            column: "pseudonym_key",
        })?;
        Ok(PseudonymKey(key))
    }
}

impl std::fmt::Debug for PseudonymKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PseudonymKey(…)")
    }
}

#[derive(Debug, Clone)]
pub struct Project {
    pub id: String,
    pub name: String,
    pub description: String,
    pub created: i64,
    pub created_by: String,
    pub pseudonym_key: PseudonymKey,
}

#[derive(Debug, Clone)]
pub struct NewProject {
    pub id: String,
    pub name: String,
    pub description: String,
}

impl NewProject {
    /// A project named by its id.
    pub fn new(id: impl Into<String>) -> Self {
        let id = id.into();
        NewProject {
            name: id.clone(),
            id,
            description: String::new(),
        }
    }
}

/// XNAT's name for the place of sessions that belong to no project. It has a row and a key like a project, nobody
/// has a role in it, and nothing in it is archived.
pub const UNASSIGNED: &str = "Unassigned";

const ID_TAKEN: &str = "a project of that ID exists (letter case aside)";

/// What a project's id may be: it names folders, and is the first step of every inbox path.
fn check_id(id: &str) -> Result<(), StoreError> {
    let legal = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
    if id.is_empty() || id.len() > 64 || !id.chars().all(legal) {
        return Err(StoreError::Refused(
            "a project's ID is 1 to 64 letters, digits, _ or -",
        ));
    }
    Ok(())
}

pub struct Projects<'a>(pub(super) &'a Store);

impl Projects<'_> {
    /// Makes a project, its pseudonym key with it, owned by `by` when that is a user.
    pub async fn create(&self, project: NewProject, by: &str) -> Result<(), StoreError> {
        self.check_new(&project).await?;
        self.insert(project, by).await
    }

    /// Whether [`create`](Self::create) would make it, if nobody else does in between.
    ///
    /// # Errors
    /// [`StoreError::Refused`] with what is wrong with it.
    pub async fn check_new(&self, project: &NewProject) -> Result<(), StoreError> {
        check_id(&project.id)?;
        if project.id.eq_ignore_ascii_case(UNASSIGNED) {
            return Err(StoreError::Refused(
                "Unassigned is the place of sessions that belong to no project; choose another ID",
            ));
        }
        let taken = sqlx::query("SELECT 1 FROM projects WHERE LOWER(id) = LOWER($1)")
            .bind(&project.id)
            .fetch_optional(&self.0.pool)
            .await?;
        match taken {
            Some(_) => Err(StoreError::Refused(ID_TAKEN)),
            None => Ok(()),
        }
    }

    /// Makes the place of sessions that belong to no project, unless it is there.
    pub async fn make_unassigned(&self) -> Result<(), StoreError> {
        if self.get(UNASSIGNED).await?.is_some() {
            return Ok(());
        }
        match self.insert(NewProject::new(UNASSIGNED), SYSTEM).await {
            // Another call was faster.
            Err(StoreError::Refused(_)) if self.get(UNASSIGNED).await?.is_some() => Ok(()),
            made => made,
        }
    }

    async fn insert(&self, project: NewProject, by: &str) -> Result<(), StoreError> {
        let key = random_bytes::<32>()?;
        let mut tx = self.0.begin().await?;
        sqlx::query(
            "INSERT INTO projects (id, name, description, created, created_by, pseudonym_key)
             VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(&project.id)
        .bind(project.name)
        .bind(project.description)
        .bind(now_ms())
        .bind(by)
        .bind(key.to_vec())
        .execute(tx.on())
        .await
        .map_err(|e| match is_duplicate(&e) {
            true => StoreError::Refused(ID_TAKEN),
            false => e.into(),
        })?;
        sqlx::query(
            "INSERT INTO roles (project, username, role) SELECT $1, name, $3 FROM users WHERE name = $2",
        )
        .bind(&project.id)
        .bind(by)
        .bind(Role::Owner.as_str())
        .execute(tx.on())
        .await?;
        audit::record(
            &mut tx,
            by,
            "project.create",
            format!("project/{}", project.id),
        )
        .await?;
        tx.commit().await
    }

    /// Changes a project's name and description.
    pub async fn update(&self, project: NewProject, by: &str) -> Result<(), StoreError> {
        let mut tx = self.0.begin().await?;
        sqlx::query("UPDATE projects SET name = $2, description = $3 WHERE id = $1")
            .bind(&project.id)
            .bind(project.name)
            .bind(project.description)
            .execute(tx.on())
            .await?;
        audit::record(
            &mut tx,
            by,
            "project.update",
            format!("project/{}", project.id),
        )
        .await?;
        tx.commit().await
    }

    /// Removes a project that holds nothing; refused while it has sessions or unfinished requests.
    pub async fn remove(&self, id: &str, by: &str) -> Result<(), StoreError> {
        let mut tx = self.0.begin().await?;
        let used = sqlx::query(
            "SELECT (SELECT COUNT(*) FROM sessions WHERE project = $1)
                  + (SELECT COUNT(*) FROM requests WHERE project = $1 AND finished IS NULL) AS used",
        )
        .bind(id)
        .fetch_one(tx.on())
        .await?;
        if column::<i64>(&used, "used")? > 0 {
            return Err(StoreError::Refused(
                "the project still holds sessions or has unfinished imports",
            ));
        }
        sqlx::query("DELETE FROM subjects WHERE project = $1")
            .bind(id)
            .execute(tx.on())
            .await?;
        sqlx::query("DELETE FROM projects WHERE id = $1")
            .bind(id)
            .execute(tx.on())
            .await?;
        audit::record(&mut tx, by, "project.remove", format!("project/{id}")).await?;
        tx.commit().await
    }

    pub async fn get(&self, id: &str) -> Result<Option<Project>, StoreError> {
        sqlx::query("SELECT * FROM projects WHERE id = $1")
            .bind(id)
            .fetch_optional(&self.0.pool)
            .await?
            .as_ref()
            .map(from_row)
            .transpose()
    }

    pub async fn list(&self) -> Result<Vec<Project>, StoreError> {
        let rows = sqlx::query("SELECT * FROM projects ORDER BY id")
            .fetch_all(&self.0.pool)
            .await?;
        rows.iter().map(from_row).collect()
    }
}

fn from_row(row: &AnyRow) -> Result<Project, StoreError> {
    Ok(Project {
        id: column(row, "id")?,
        name: column(row, "name")?,
        description: column(row, "description")?,
        created: column(row, "created")?,
        created_by: column(row, "created_by")?,
        pseudonym_key: PseudonymKey::from_row(row)?,
    })
}

#[cfg(test)]
mod tests {
    use super::super::{NewProject, Role, UNASSIGNED, testing};

    #[tokio::test]
    async fn ids_are_unique_letter_case_aside_and_safe_as_folders() {
        let (_folder, store) = testing::store_with_project().await;
        assert!(
            store
                .projects()
                .create(NewProject::new("demo"), "ada")
                .await
                .is_err()
        );
        for bad in ["", "..", "a/b", "a b", "a.b"] {
            assert!(
                store
                    .projects()
                    .create(NewProject::new(bad), "ada")
                    .await
                    .is_err(),
                "{bad}"
            );
        }
    }

    #[tokio::test]
    async fn each_project_has_a_key_of_its_own() {
        let (_folder, store) = testing::store_with_project().await;
        store
            .projects()
            .create(NewProject::new("OTHER"), "ada")
            .await
            .unwrap();
        let one = store.projects().get("DEMO").await.unwrap().unwrap();
        let two = store.projects().get("OTHER").await.unwrap().unwrap();
        assert_ne!(one.pseudonym_key, two.pseudonym_key);
    }

    #[tokio::test]
    async fn what_is_unassigned_is_nobodys_project() {
        let (_folder, store) = testing::store_with_project().await;
        let projects = store.projects();
        for _ in 0..2 {
            projects.make_unassigned().await.unwrap();
        }
        assert!(projects.get(UNASSIGNED).await.unwrap().is_some());
        assert!(
            projects
                .grant(UNASSIGNED, "ada", Role::Owner, "ada")
                .await
                .is_err()
        );
        let again = projects.create(NewProject::new("unassigned"), "ada").await;
        assert!(again.is_err());
        let editable = projects.editable_by("ada").await.unwrap();
        assert!(!editable.contains(&UNASSIGNED.to_owned()), "{editable:?}");
    }
}
