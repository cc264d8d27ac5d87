//! What every handler may use, and who may see what.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{Semaphore, watch};

use crate::archive::Archive;
use crate::config::Config;
use crate::import::Importer;
use crate::inbox::Inbox;
use crate::project::Policies;
use crate::rulebook::Rulebook;
use crate::settings::Settings;
use crate::store::{Project, Role, Store};

use super::auth::{Caller, CredentialCache};
use super::error::ApiError;

#[derive(Clone)]
pub struct AppState(Arc<Shared>);

pub struct Shared {
    pub config: Config,
    pub store: Store,
    pub policies: Policies,
    pub settings: Settings,
    /// Held by whoever reads a policy to write it: of two changes at once none is to be lost.
    pub changing_rules: tokio::sync::Mutex<()>,
    pub rulebook: Rulebook,
    pub inbox: Inbox,
    pub archive: Archive,
    /// For what goes to the archive by a call: rules may have to run on the way.
    pub importer: Importer,
    pub credentials: CredentialCache,
    /// One for each core: files are looked into by no more calls at once.
    looks: Arc<Semaphore>,
    pub started: Instant,
    /// Turns true when the server goes down: answers that wait must end.
    pub stopping: watch::Sender<bool>,
}

impl std::ops::Deref for AppState {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl AppState {
    pub fn new(config: Config, importer: Importer) -> Result<AppState, ApiError> {
        Ok(AppState(Arc::new(Shared {
            policies: Policies::new(config.rules()),
            settings: Settings::new(config.rules()),
            changing_rules: tokio::sync::Mutex::default(),
            credentials: CredentialCache::new()?,
            config,
            store: importer.store.clone(),
            inbox: importer.inbox.clone(),
            archive: importer.archive.clone(),
            rulebook: importer.rulebook.clone(),
            importer,
            looks: Arc::new(Semaphore::new(
                std::thread::available_parallelism().map_or(1, usize::from),
            )),
            started: Instant::now(),
            stopping: watch::Sender::new(false),
        })))
    }

    /// Runs what looks into stored files: on a thread that may block, and when it is its turn.
    pub async fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        let stopped = |_| ApiError::Internal("looking into a file stopped");
        let turn = self.looks.clone().acquire_owned().await;
        let turn = turn.map_err(|_| ApiError::Internal("no file can be looked into"))?;
        let looked = tokio::task::spawn_blocking(move || {
            let looked = look();
            drop(turn);
            looked
        });
        looked.await.map_err(stopped)
    }

    /// The projects a caller sees: those they have a role in, for an administrator all.
    pub async fn visible_projects(&self, caller: &Caller) -> Result<Vec<Project>, ApiError> {
        Ok(match caller.admin {
            true => self.store.projects().list().await?,
            false => self.store.projects().list_for(&caller.name).await?,
        })
    }

    pub async fn may_read(&self, caller: &Caller, project: &str) -> Result<bool, ApiError> {
        Ok(caller.admin || self.role(caller, project).await?.is_some())
    }

    pub async fn may_edit(&self, caller: &Caller, project: &str) -> Result<bool, ApiError> {
        Ok(caller.admin
            || self
                .role(caller, project)
                .await?
                .is_some_and(Role::may_edit))
    }

    async fn role(&self, caller: &Caller, project: &str) -> Result<Option<Role>, ApiError> {
        Ok(self.store.projects().role(project, &caller.name).await?)
    }

    /// A project that the caller sees. One they don't see is answered like one that is not there.
    pub async fn readable_project(&self, caller: &Caller, id: &str) -> Result<Project, ApiError> {
        let project = self.store.projects().get(id).await?;
        match project {
            Some(project) if self.may_read(caller, id).await? => Ok(project),
            _ => Err(ApiError::no_such("project")),
        }
    }

    /// A project that the caller may change the content of.
    pub async fn editable_project(&self, caller: &Caller, id: &str) -> Result<Project, ApiError> {
        let project = self.readable_project(caller, id).await?;
        match self.may_edit(caller, id).await? {
            true => Ok(project),
            false => Err(ApiError::Forbidden(
                "You may not change this project.".into(),
            )),
        }
    }

    /// Whether the caller may see what identifies patients: bytes and headers of sessions that have not been
    /// anonymized for the archive, and of those in quarantine.
    pub async fn may_view_identified(
        &self,
        caller: &Caller,
        project: &str,
    ) -> Result<bool, ApiError> {
        self.owns(caller, project).await
    }

    pub async fn owns(&self, caller: &Caller, project: &str) -> Result<bool, ApiError> {
        Ok(caller.admin || self.role(caller, project).await? == Some(Role::Owner))
    }

    /// A project that the caller owns.
    pub async fn owned_project(&self, caller: &Caller, id: &str) -> Result<Project, ApiError> {
        let project = self.readable_project(caller, id).await?;
        match self.owns(caller, id).await? {
            true => Ok(project),
            false => Err(ApiError::Forbidden(
                "Only an owner of the project may do this.".into(),
            )),
        }
    }
}
