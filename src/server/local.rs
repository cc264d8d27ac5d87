//! The two ports over a local disk, in their plainest form.
//!
//! Paths are resolved with the links in them and must then lie beneath their root; a session goes to
//! the archive by renaming its folder. Conflicts, merging and catalogs are the archive module's.

use std::io;
use std::path::{Path, PathBuf};

use crate::config::Config;
use crate::store::{Area, CommitError, CommitPlan, Session, SessionState, Store, StoreError};

use super::ports::{ActionError, ArchiveOptions, Folders, Located, NotThere, SessionActions, Work};

pub struct LocalInbox {
    root: PathBuf,
}

impl LocalInbox {
    pub fn new(config: &Config) -> LocalInbox {
        LocalInbox {
            root: config.inbox.clone(),
        }
    }
}

impl Folders for LocalInbox {
    fn locate(&self, path: &str) -> Result<Located, NotThere> {
        let path = Path::new(path);
        if !path.is_absolute() {
            return Err(NotThere);
        }
        let root = self.root.canonicalize().map_err(|_| NotThere)?;
        let real = path.canonicalize().map_err(|_| NotThere)?;
        let below = real.strip_prefix(&root).map_err(|_| NotThere)?;
        let mut steps = below.components();
        let project = steps
            .next()
            .and_then(|step| step.as_os_str().to_str())
            .ok_or(NotThere)?;
        let kind = real.metadata().map_err(|_| NotThere)?;
        Ok(Located {
            project: project.to_string(),
            relative: steps.as_path().to_path_buf(),
            absolute: path.to_path_buf(),
            is_dir: kind.is_dir(),
            empty: kind.is_dir() && !holds_a_file(&real),
        })
    }
}

fn holds_a_file(folder: &Path) -> bool {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return false;
    };
    entries.flatten().any(|entry| match entry.file_type() {
        Ok(kind) if kind.is_dir() => holds_a_file(&entry.path()),
        Ok(kind) => kind.is_file(),
        Err(_) => false,
    })
}

pub struct LocalSessions {
    pub data: PathBuf,
    pub store: Store,
}

/// The states from which a session may be archived or deleted.
const AT_REST: [SessionState; 4] = [
    SessionState::Ready,
    SessionState::Conflict,
    SessionState::Error,
    SessionState::Quarantined,
];

impl SessionActions for LocalSessions {
    fn archive<'a>(
        &'a self,
        session: &'a Session,
        options: ArchiveOptions,
        by: &'a str,
    ) -> Work<'a, Result<Session, ActionError>> {
        Box::pin(self.move_to_archive(session, options, by))
    }

    fn delete<'a>(
        &'a self,
        session: &'a Session,
        by: &'a str,
    ) -> Work<'a, Result<(), ActionError>> {
        Box::pin(self.remove(session, by))
    }
}

impl LocalSessions {
    async fn move_to_archive(
        &self,
        session: &Session,
        options: ArchiveOptions,
        by: &str,
    ) -> Result<Session, ActionError> {
        if session.state == SessionState::Quarantined {
            return Err(ActionError::Refused("The session is in quarantine.".into()));
        }
        let mut planned = session.to_new();
        planned.subject = options.subject.unwrap_or(planned.subject);
        planned.label = options.label.unwrap_or(planned.label);
        let source = self.data.join(session.home());
        let target = self.data.join(planned.home(Area::Archive));
        let sessions = self.store.sessions();
        if !sessions
            .set_state(session.id, &AT_REST, SessionState::Archiving, None, by)
            .await?
        {
            return Err(ActionError::Busy);
        }
        let plan = CommitPlan {
            request: None,
            username: by.to_string(),
            session: planned,
            into: Some(session.id),
            retires: None,
            outcome: SessionState::Archived,
            staging: source.to_string_lossy().into_owned(),
            final_path: target.to_string_lossy().into_owned(),
            scans: Vec::new(),
            files: Vec::new(),
            details: serde_json::Value::Null,
        };
        let commit = match self.store.commits().begin(plan).await {
            Ok(commit) => commit,
            Err(error) => {
                let back = [SessionState::Archiving];
                sessions
                    .set_state(session.id, &back, session.state, None, by)
                    .await?;
                return Err(from_commit(error));
            }
        };
        if let Some(parent) = target.parent() {
            tokio::fs::create_dir_all(parent).await?;
        }
        tokio::fs::rename(&source, &target).await?;
        self.store
            .commits()
            .finish(commit)
            .await
            .map_err(from_commit)
    }

    async fn remove(&self, session: &Session, by: &str) -> Result<(), ActionError> {
        let sessions = self.store.sessions();
        if !sessions
            .set_state(session.id, &AT_REST, SessionState::Deleting, None, by)
            .await?
        {
            return Err(ActionError::Busy);
        }
        match tokio::fs::remove_dir_all(self.data.join(session.home())).await {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        Ok(sessions.remove(session.id, by).await?)
    }
}

fn from_commit(error: CommitError) -> ActionError {
    match error {
        CommitError::LabelTaken | CommitError::Exists(_) => {
            ActionError::Conflict("Session already exists, retry with overwrite enabled".into())
        }
        CommitError::Busy => ActionError::Busy,
        CommitError::Gone => ActionError::Gone,
        CommitError::FolderTaken => ActionError::Store(StoreError::Refused("the folder is taken")),
        CommitError::Store(error) => ActionError::Store(error),
    }
}
