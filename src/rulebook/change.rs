//! Changes of the rules folder by calls: looked at as if they were made, then made as a whole or not at all.

use super::{Author, NO_PROJECT, Rulebook, RulebookError, run_blocking};
use crate::rules::{Change, Draft, RuleSet, RuleSetError};
use crate::whole::replace_whole;
use std::path::Path;
use std::sync::Arc;

impl Rulebook {
    /// Changes the rules folder, if every project that is given is good with the change; their new
    /// versions are active when this returns. Nothing is written otherwise.
    ///
    /// # Errors
    /// What the first of the projects would be broken by.
    pub async fn change(
        &self,
        projects: &[String],
        changes: &[Change],
        author: Author<'_>,
    ) -> Result<(), RulebookError> {
        for project in projects {
            let draft = self.registry.draft(project, changes)?;
            let active = self.store.rule_sets().active(project).await?;
            if let Some(lost) = self.lost(project, &draft, active.as_ref(), changes).await? {
                return Err(lost.into());
            }
            self.stage(draft).await?;
        }
        if projects.is_empty() {
            // The site's rules are checked before there is a project, too.
            self.of_site(changes).await?;
        }
        let _alone = self.changing.write().await;
        self.write(changes).await?;
        for project in projects {
            self.refresh(project, author, changes).await?;
        }
        Ok(())
    }

    /// Changes a module of the rules folder, if it is good by itself, passes its cases, and breaks no project. The
    /// new versions of the projects that use it are active when this returns. What is broken for another reason
    /// does not stand in the way.
    ///
    /// # Errors
    /// What is wrong with the module, or what the first of the projects would be broken by.
    pub async fn change_module(
        &self,
        projects: &[String],
        module: &str,
        changes: &[Change],
        author: Author<'_>,
    ) -> Result<(), RulebookError> {
        let (name, changed) = (module.to_owned(), changes.to_vec());
        self.work(move |registry| registry.stage_module(&name, &changed).map(drop))
            .await?;
        let concerned = self.concerned(projects, changes).await?;
        let _alone = self.changing.write().await;
        self.write(changes).await?;
        for project in &concerned {
            self.refresh(project, author, changes).await?;
        }
        Ok(())
    }

    /// Of some projects those whose rules are others with the changes.
    ///
    /// # Errors
    /// What the first of them would be broken by, where it is not broken by the same already.
    pub async fn concerned(
        &self,
        projects: &[String],
        changes: &[Change],
    ) -> Result<Vec<String>, RuleSetError> {
        let mut concerned = Vec::new();
        for project in projects {
            let before = self.staged(project, &[]).await;
            let after = self.staged(project, changes).await;
            if before != after {
                after?;
                concerned.push(project.clone());
            }
        }
        Ok(concerned)
    }

    /// The hash of what the folder holds for a project after some changes, if that is good.
    async fn staged(&self, project: &str, changes: &[Change]) -> Result<String, RuleSetError> {
        Ok(self
            .stage_changes(project, changes)
            .await?
            .hash()
            .to_owned())
    }

    /// What the folder would hold for a project after some changes, compiled and tested, with no effect.
    ///
    /// # Errors
    /// What it would be broken by.
    pub async fn stage_changes(
        &self,
        project: &str,
        changes: &[Change],
    ) -> Result<Arc<RuleSet>, RuleSetError> {
        self.stage(self.registry.draft(project, changes)?).await
    }

    /// What some changes of the folder would make of a project's rules, compiled and not tested, with no effect.
    ///
    /// # Errors
    /// What it would be broken by.
    pub async fn candidate(
        &self,
        project: &str,
        changes: &[Change],
    ) -> Result<Arc<RuleSet>, RuleSetError> {
        self.compile(self.registry.draft(project, changes)?).await
    }

    /// The rules that the site has where a project says nothing of its own.
    ///
    /// # Errors
    /// What they are broken by.
    pub async fn of_site(&self, changes: &[Change]) -> Result<Arc<RuleSet>, RuleSetError> {
        self.stage_changes(NO_PROJECT, changes).await
    }

    async fn write(&self, changes: &[Change]) -> std::io::Result<()> {
        let (root, changes) = (self.registry.root().to_owned(), changes.to_vec());
        run_blocking(move || changes.iter().try_for_each(|change| write(&root, change))).await?
    }
}

/// Whether a project's draft has one of the files that were written: who writes what is there already asks for it to
/// be active, too.
pub(super) fn wrote(written: &[Change], project: &str, draft: &Draft) -> bool {
    let own = format!("projects/{project}/");
    written
        .iter()
        .any(|change| match change.path.strip_prefix(&own) {
            Some(file) => draft.files().contains_key(&format!("project/{file}")),
            None => draft.files().contains_key(&change.path),
        })
}

fn write(root: &Path, change: &Change) -> std::io::Result<()> {
    let path = root.join(&change.path);
    let Some(content) = &change.content else {
        return match std::fs::remove_file(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        };
    };
    replace_whole(&path, content)
}
