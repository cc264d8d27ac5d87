//! Who may do what in a project: users' roles, and the projects that are theirs by them.

use sqlx::any::AnyRow;

use super::super::{StoreError, WriteTransaction, audit, column, text_enum};
use super::{Project, Projects, UNASSIGNED, from_row};

text_enum! {
    /// XNAT's three roles in a project. Owners and members edit, collaborators read.
    Role { Owner = "owner", Member = "member", Collaborator = "collaborator" }
}

impl Role {
    pub fn may_edit(self) -> bool {
        matches!(self, Role::Owner | Role::Member)
    }
}

#[derive(Debug, Clone)]
pub struct RoleEntry {
    pub project: String,
    pub username: String,
    pub role: Role,
}

impl Projects<'_> {
    /// A user's role in a project, if they have one.
    pub async fn role(&self, project: &str, username: &str) -> Result<Option<Role>, StoreError> {
        let row = sqlx::query("SELECT role FROM roles WHERE project = $1 AND username = $2")
            .bind(project)
            .bind(username)
            .fetch_optional(&self.0.pool)
            .await?;
        row.as_ref().map(role_from).transpose()
    }

    pub async fn roles(&self, project: &str) -> Result<Vec<RoleEntry>, StoreError> {
        let rows = sqlx::query("SELECT * FROM roles WHERE project = $1 ORDER BY username")
            .bind(project)
            .fetch_all(&self.0.pool)
            .await?;
        rows.iter().map(entry_from).collect()
    }

    /// Whether a user may import into a project: an owner, a member or a site administrator, enabled.
    pub async fn may_edit(&self, project: &str, username: &str) -> Result<bool, StoreError> {
        if self.get(project).await?.is_none() {
            return Ok(false);
        }
        let Some(user) = self.0.users().get(username).await? else {
            return Ok(false);
        };
        if !user.enabled {
            return Ok(false);
        }
        Ok(user.admin
            || self
                .role(project, username)
                .await?
                .is_some_and(Role::may_edit))
    }

    /// The IDs of the projects that a user may import into, in order.
    pub async fn editable_by(&self, username: &str) -> Result<Vec<String>, StoreError> {
        let rows = sqlx::query(
            "SELECT p.id FROM projects p JOIN users u ON u.name = $1
             LEFT JOIN roles r ON r.project = p.id AND r.username = u.name
             WHERE p.id <> $2 AND u.enabled = 1 AND (u.admin = 1 OR r.role IN ($3, $4)) ORDER BY p.id",
        )
        .bind(username)
        .bind(UNASSIGNED)
        .bind(Role::Owner.as_str())
        .bind(Role::Member.as_str())
        .fetch_all(&self.0.pool)
        .await?;
        rows.iter().map(|row| column(row, "id")).collect()
    }

    /// The projects in which a user has any role.
    pub async fn list_for(&self, username: &str) -> Result<Vec<Project>, StoreError> {
        let rows = sqlx::query(
            "SELECT p.* FROM projects p JOIN roles r ON r.project = p.id WHERE r.username = $1 ORDER BY p.id",
        )
        .bind(username)
        .fetch_all(&self.0.pool)
        .await?;
        rows.iter().map(from_row).collect()
    }

    /// Gives a user a role in a project, in place of the one they had.
    pub async fn grant(
        &self,
        project: &str,
        username: &str,
        role: Role,
        by: &str,
    ) -> Result<(), StoreError> {
        if self.get(project).await?.is_none() {
            return Err(StoreError::Refused("no project of that ID"));
        }
        if project == UNASSIGNED {
            return Err(StoreError::Refused(
                "Unassigned belongs to no project: it is the administrators'",
            ));
        }
        if self.0.users().get(username).await?.is_none() {
            return Err(StoreError::Refused("no user of that name"));
        }
        let mut tx = self.0.begin().await?;
        sqlx::query(
            "INSERT INTO roles (project, username, role) VALUES ($1, $2, $3)
             ON CONFLICT (project, username) DO UPDATE SET role = excluded.role",
        )
        .bind(project)
        .bind(username)
        .bind(role.as_str())
        .execute(tx.on())
        .await?;
        let action = match role {
            Role::Owner => "role.owner",
            Role::Member => "role.member",
            Role::Collaborator => "role.collaborator",
        };
        record_role(&mut tx, by, action, project, username).await?;
        tx.commit().await
    }

    /// Takes a user's role in a project away.
    pub async fn revoke(&self, project: &str, username: &str, by: &str) -> Result<(), StoreError> {
        let mut tx = self.0.begin().await?;
        sqlx::query("DELETE FROM roles WHERE project = $1 AND username = $2")
            .bind(project)
            .bind(username)
            .execute(tx.on())
            .await?;
        record_role(&mut tx, by, "role.revoke", project, username).await?;
        tx.commit().await
    }
}

async fn record_role(
    tx: &mut WriteTransaction,
    by: &str,
    action: &'static str,
    project: &str,
    username: &str,
) -> Result<(), StoreError> {
    audit::record(tx, by, action, format!("project/{project}/user/{username}")).await
}

fn role_from(row: &AnyRow) -> Result<Role, StoreError> {
    Role::from_text(column(row, "role")?).ok_or(StoreError::BadValue { column: "role" })
}

fn entry_from(row: &AnyRow) -> Result<RoleEntry, StoreError> {
    Ok(RoleEntry {
        project: column(row, "project")?,
        username: column(row, "username")?,
        role: role_from(row)?,
    })
}

#[cfg(test)]
mod tests {
    use super::super::super::{NewUser, Role, testing};

    #[tokio::test]
    async fn owners_and_members_edit_collaborators_do_not() {
        let (_folder, store) = testing::store_with_project().await;
        store.users().add(NewUser::new("bob", "h")).await.unwrap();
        let projects = store.projects();
        assert!(projects.may_edit("DEMO", "ada").await.unwrap());
        assert!(!projects.may_edit("DEMO", "bob").await.unwrap());
        for (role, edits) in [
            (Role::Collaborator, false),
            (Role::Member, true),
            (Role::Owner, true),
        ] {
            projects.grant("DEMO", "bob", role, "ada").await.unwrap();
            assert_eq!(projects.may_edit("DEMO", "bob").await.unwrap(), edits);
            let editable = projects.editable_by("bob").await.unwrap();
            assert_eq!(editable == ["DEMO"], edits, "{editable:?}");
            assert_eq!(projects.list_for("bob").await.unwrap().len(), 1);
        }
        projects.revoke("DEMO", "bob", "ada").await.unwrap();
        assert!(projects.list_for("bob").await.unwrap().is_empty());
        assert!(!projects.may_edit("NONE", "ada").await.unwrap());
    }
}
