//! Which rule set each project's imports run under: staged from the rules folder, kept in the store with
//! who made it active and why, swapped as a whole.
//!
//! The folder is the draft. When it holds something new for a project, that is read, compiled and tested;
//! only if all of it is good does it become the project's active version, in the store and so for every
//! server. What is broken or has lost a policy ([`missing`]) leaves the active version in place and shows in the status. A rollback makes an
//! earlier version active again without touching the folder: it stands until the folder holds something
//! else than it did then.

mod change;
mod known;
mod missing;
mod rollback;
mod watch;

use crate::rules::{Change, Draft, Registry, RuleSet, RuleSetError};
use crate::store::{Activation, NewActivation, Store, StoreError};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::RwLock;

use known::Known;
pub use watch::watch;

/// Who the history names for an edit on disk.
pub const FILES: &str = "(files)";

/// Stands for a project without a policy of its own.
const NO_PROJECT: &str = "none";

const OLD_FOLDER: &str = "the rules folder holds a version that was active before and is not made active again by \
                          itself, as this server has not seen the folder change to it: save the policy by a call or on \
                          the page, or go back to that version";

#[derive(Debug, thiserror::Error)]
pub enum RulebookError {
    #[error(transparent)]
    Rules(#[from] RuleSetError),
    #[error("version {0} was never active in this project")]
    NoVersion(String),
    #[error(
        "the site's rules have changed since version {0}: only a site administrator may go back that far"
    )]
    OtherSite(String),
    #[error("version {hash} can't be used by this release: {why}")]
    Outdated { hash: String, why: String },
    #[error("the rules folder can't be written to: {0}")]
    Files(#[from] std::io::Error),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Where a project's rules stand.
#[derive(Debug, Clone)]
pub struct ProjectStatus {
    pub project: String,
    /// What imports get; none if there never was a good one.
    pub active: Option<Activation>,
    /// The hash of what the folder holds; none if that is broken.
    pub draft: Option<String>,
    /// Why the folder's present content isn't active, if it is broken.
    pub error: Option<String>,
    /// What a policy asks for and does not get, and why.
    pub notes: Vec<String>,
}

/// Who changes rules, and why.
#[derive(Debug, Clone, Copy)]
pub struct Author<'a> {
    pub username: &'a str,
    pub reason: &'a str,
}

impl Author<'static> {
    pub const FILES: Author<'static> = Author {
        username: FILES,
        reason: "edited on disk",
    };
}

#[derive(Clone)]
pub struct Rulebook {
    store: Store,
    registry: Arc<Registry>,
    /// Held for writing from a change's first file to its activation: whoever looks at the folder in between would
    /// make it active under another name.
    changing: Arc<RwLock<()>>,
    /// Held so that no import compiles anew what is active; and what was told of each project last.
    project_to_known: Arc<Mutex<BTreeMap<String, Known>>>,
}

impl Rulebook {
    pub fn new(store: Store, registry: Registry) -> Self {
        Self {
            store,
            registry: Arc::new(registry),
            changing: Arc::default(),
            project_to_known: Arc::default(),
        }
    }

    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The rule set for an import into `project`: what the folder holds if that is good and new, else the
    /// active one.
    ///
    /// # Errors
    /// If the folder is broken for the project and there never was a good version.
    pub async fn pin(&self, project: &str) -> Result<Arc<RuleSet>, RulebookError> {
        let _unchanged = self.changing.read().await;
        self.refresh(project, Author::FILES, &[]).await
    }

    /// Stages what the folder holds for a project. The author is who brought about a change, if there is one, by
    /// what was written just now.
    ///
    /// # Errors
    /// As [`Rulebook::pin`].
    async fn refresh(
        &self,
        project: &str,
        author: Author<'_>,
        written: &[Change],
    ) -> Result<Arc<RuleSet>, RulebookError> {
        loop {
            let active = self.store.rule_sets().active(project).await?;
            let looked = self.look(project, active.as_ref(), author, written);
            if let Some(rule_set) = looked.await? {
                return Ok(rule_set);
            }
        }
    }

    /// The same, knowing what is active. None if that has changed meanwhile.
    async fn look(
        &self,
        project: &str,
        active: Option<&Activation>,
        author: Author<'_>,
        written: &[Change],
    ) -> Result<Option<Arc<RuleSet>>, RulebookError> {
        let draft = match self.registry.draft(project, &[]) {
            Ok(draft) => draft,
            Err(error) => return self.fall_back(project, active, error).await.map(Some),
        };
        let hash = draft.hash();
        match active {
            Some(active) if active.rule_set == hash => match self.compile(draft).await {
                Ok(rule_set) => {
                    self.known(project, |known| known.is(&rule_set));
                    Ok(Some(rule_set))
                }
                Err(error) => self.fall_back(project, Some(active), error).await.map(Some),
            },
            // Rolled back, and the folder is still what it was then; nor has a call just asked for that.
            Some(active) if active.draft == hash && !change::wrote(written, project, &draft) => {
                self.known(project, |known| known.settle(hash));
                self.rule_set_of(active).await.map(Some)
            }
            active => {
                if let Some(lost) = self.lost(project, &draft, active, written).await? {
                    return self.fall_back(project, active, lost).await.map(Some);
                }
                let is_news = self.known(project, |known| known.see(hash)) || !written.is_empty();
                if let Some(active) = active
                    && !is_news
                    && self.store.rule_sets().was_active(project, hash).await?
                {
                    return self.hold(active, hash).await.map(Some);
                }
                self.activate(project, draft, active, author).await
            }
        }
    }

    /// Stays with what is active where the folder holds what was so before, and nobody saw it change to that: this
    /// process may see a folder on the network as it was, and must not undo what another has activated since.
    async fn hold(&self, active: &Activation, draft: &str) -> Result<Arc<RuleSet>, RulebookError> {
        if !self.known(&active.project, Known::hold) {
            tracing::warn!(
                project = active.project,
                kept = active.rule_set,
                draft,
                "the rules folder holds an earlier version, which is not made active by itself"
            );
        }
        self.rule_set_of(active).await
    }

    /// Makes what is new in the folder the active version, if it is good. None if another became so meanwhile.
    async fn activate(
        &self,
        project: &str,
        draft: Draft,
        active: Option<&Activation>,
        author: Author<'_>,
    ) -> Result<Option<Arc<RuleSet>>, RulebookError> {
        let (hash, files) = (draft.hash().to_owned(), draft.files().clone());
        let rule_set = match self.stage(draft).await {
            Ok(rule_set) => rule_set,
            Err(error) => return self.fall_back(project, active, error).await.map(Some),
        };
        let new = NewActivation {
            project,
            after: active.map(|active| active.id),
            rule_set: &hash,
            draft: &hash,
            username: author.username,
            reason: author.reason,
            files: &files,
        };
        if !self.store.rule_sets().activate(new).await? {
            return Ok(None);
        }
        tracing::info!(project, rule_set = hash, "new rules are active");
        self.known(project, |known| known.is(&rule_set));
        Ok(Some(rule_set))
    }

    /// Stages what the folder holds, for all projects.
    ///
    /// # Errors
    /// If the store fails. What is wrong with rules is in [`Rulebook::status`].
    pub async fn refresh_all(&self, author: Author<'_>) -> Result<(), StoreError> {
        for project in self.store.projects().list().await? {
            let _unchanged = self.changing.read().await;
            // Anything else is told in the status, and in the log when it was new.
            if let Err(RulebookError::Store(error)) = self.refresh(&project.id, author, &[]).await {
                return Err(error);
            }
        }
        Ok(())
    }

    /// What is active in a project, whatever the folder holds; none before its first.
    ///
    /// # Errors
    /// If this release can't run it any more.
    pub async fn active(&self, project: &str) -> Result<Option<Arc<RuleSet>>, RulebookError> {
        match self.store.rule_sets().active(project).await? {
            Some(active) => self.of_version(&active.rule_set).await.map(Some),
            None => Ok(None),
        }
    }

    /// A version that was active in a project.
    ///
    /// # Errors
    /// If it never was, or this release can't run it any more.
    pub async fn version(&self, project: &str, hash: &str) -> Result<Arc<RuleSet>, RulebookError> {
        match self.store.rule_sets().was_active(project, hash).await? {
            true => self.of_version(hash).await,
            false => Err(RulebookError::NoVersion(hash.to_owned())),
        }
    }

    /// Where the rules of a project stand, the folder looked at anew.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn status(&self, project: &str) -> Result<ProjectStatus, StoreError> {
        let rule_set = match self.pin(project).await {
            Err(RulebookError::Store(error)) => return Err(error),
            pinned => pinned.ok(),
        };
        let error = self.known(project, |known| {
            known.error.as_ref().map(ToString::to_string)
        });
        let draft = self.registry.draft(project, &[]).ok();
        let draft = draft.filter(|_| error.is_none());
        let mut notes = rule_set.map_or_else(Vec::new, |rule_set| rule_set.notes().to_vec());
        if self.known(project, |known| known.is_held) {
            notes.push(OLD_FOLDER.to_owned());
        }
        Ok(ProjectStatus {
            project: project.to_owned(),
            active: self.store.rule_sets().active(project).await?,
            draft: draft.map(|draft| draft.hash().to_owned()),
            error,
            notes,
        })
    }

    /// Any version that is kept, compiled.
    async fn of_version(&self, hash: &str) -> Result<Arc<RuleSet>, RulebookError> {
        if let Some(known) = self.registry.known(hash) {
            return Ok(known);
        }
        let outdated = |why: String| RulebookError::Outdated {
            hash: hash.to_owned(),
            why,
        };
        let files = self.store.rule_sets().files(hash).await?;
        let draft = self
            .registry
            .version(files)
            .map_err(|error| outdated(error.to_string()))?;
        if draft.hash() != hash {
            return Err(outdated("its files are not what they were".into()));
        }
        self.compile(draft)
            .await
            .map_err(|error| outdated(error.to_string()))
    }

    async fn rule_set_of(&self, active: &Activation) -> Result<Arc<RuleSet>, RulebookError> {
        let rule_set = self.of_version(&active.rule_set).await?;
        self.known(&active.project, |known| {
            known.active = Some(rule_set.clone())
        });
        Ok(rule_set)
    }

    async fn compile(&self, draft: Draft) -> Result<Arc<RuleSet>, RuleSetError> {
        if let Some(known) = self.registry.known(draft.hash()) {
            return Ok(known);
        }
        // A component takes a tenth of a second.
        self.work(move |registry| registry.compile(draft)).await
    }

    /// Compiles what is to become active, and runs its modules' tests.
    async fn stage(&self, draft: Draft) -> Result<Arc<RuleSet>, RuleSetError> {
        self.work(move |registry| registry.stage(draft)).await
    }

    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Registry) -> Result<T, RuleSetError> + Send + 'static,
    ) -> Result<T, RuleSetError> {
        let registry = self.registry.clone();
        match run_blocking(move || work(&registry)).await {
            Ok(made) => made,
            Err(_) => Err(RuleSetError::Unreadable {
                file: "rules".into(),
                message: "the compiler broke".into(),
            }),
        }
    }

    async fn fall_back(
        &self,
        project: &str,
        active: Option<&Activation>,
        error: RuleSetError,
    ) -> Result<Arc<RuleSet>, RulebookError> {
        let told = self.known(project, |known| known.error.replace(error.clone()));
        if told.as_ref() != Some(&error) {
            tracing::warn!(
                project,
                code = error.code(),
                missing = error.missing(),
                kept = active.map(|active| active.rule_set.as_str()),
                "the project's rules are broken, see the rules' status"
            );
        }
        match active {
            Some(active) => self.rule_set_of(active).await,
            None => Err(error.into()),
        }
    }

    fn known<T>(&self, project: &str, with: impl FnOnce(&mut Known) -> T) -> T {
        let known = self.project_to_known.lock();
        let mut known = known.unwrap_or_else(PoisonError::into_inner);
        with(known.entry(project.to_owned()).or_default())
    }
}

async fn run_blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> std::io::Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(std::io::Error::other)
}

#[cfg(test)]
mod tests;
