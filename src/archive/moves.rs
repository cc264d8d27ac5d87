//! A session's moves to the archive, alone or into a stored one, and to quarantine. Each is one commit.

use super::join::{Incoming, check_same_session, join};
use super::{ActionError, Archive, ArchiveOptions, run_blocking};
use crate::store::{CommitPlan, NewSession, Session, SessionState, StoreError, StoredFile};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Below the staging folder, what a session's rules make of it on its way to the archive.
const AT_ARCHIVE: &str = "archive-";

/// A session's content as it goes on: what stands in its folder, or what rules have made of that.
#[derive(Debug, Clone)]
pub struct Content {
    /// The session as it shall be.
    pub session: NewSession,
    /// Where the files are, below the data folder.
    pub folder: PathBuf,
    pub incoming: Incoming,
}

impl Archive {
    /// Moves a session of the prearchive into the archive as it is, alone or into an experiment of its label.
    ///
    /// # Errors
    /// [`ActionError::Conflict`] puts the session into CONFLICT and changes nothing else.
    pub async fn archive(
        &self,
        session: &Session,
        options: ArchiveOptions,
        by: &str,
    ) -> Result<Session, ActionError> {
        let claimed = self.claim(session, by).await?;
        let moved = match self.content(&claimed, &options).await {
            Ok(content) => self.archive_claimed(&claimed, content, &options, by).await,
            Err(error) => Err(error),
        };
        self.give_back(session, moved, by).await
    }

    /// The session's content as it stands, under the labels that the call wants.
    ///
    /// # Errors
    /// [`ActionError::Empty`], [`ActionError::Refused`] if files are missing, or if the store fails.
    pub async fn content(
        &self,
        session: &Session,
        options: &ArchiveOptions,
    ) -> Result<Content, ActionError> {
        let mut planned = session.to_new();
        planned.reason = None;
        if let Some(subject) = &options.subject {
            planned.subject.clone_from(subject);
        }
        if let Some(label) = &options.label {
            planned.label.clone_from(label);
        }
        let incoming = self.incoming(session).await?;
        if incoming.files.is_empty() {
            return Err(ActionError::Empty);
        }
        let folder = session.home();
        let home = self.data.join(&folder);
        let (incoming, missing) = run_blocking(move || {
            let is_missing = |file: &&StoredFile| !home.join(file.below_session()).is_file();
            let mut missing = incoming.files.iter().filter(is_missing);
            let first = missing.next().map(StoredFile::below_session);
            let missing = first.map(|first| (1 + missing.count(), first));
            Ok((incoming, missing))
        })
        .await?;
        match missing {
            // A commit that was begun could not be finished without them.
            Some((count, first)) => Err(ActionError::Refused(format!(
                "{count} of the session's {} files are gone from its folder, first `{}`. Put them back, import them \
                 again, or rebuild the session, which forgets them.",
                incoming.files.len(),
                first.display()
            ))),
            None => Ok(Content {
                session: planned,
                folder,
                incoming,
            }),
        }
    }

    /// The experiment that a session of these labels would join.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn experiment(&self, planned: &NewSession) -> Result<Option<Session>, StoreError> {
        let found = self
            .store
            .sessions()
            .find_experiment(Some(&planned.project), &planned.label)
            .await?;
        // An experiment's number is no label.
        Ok(found.filter(|e| e.label == planned.label))
    }

    /// Moves a claimed session's content into the archive.
    ///
    /// # Errors
    /// [`ActionError::Conflict`] if what is archived stands in the way; nothing is changed then.
    pub async fn archive_claimed(
        &self,
        claimed: &Session,
        content: Content,
        options: &ArchiveOptions,
        by: &str,
    ) -> Result<Session, ActionError> {
        if content.session.identified {
            return Err(ActionError::Refused(
                "Not archived: the steps that anonymize it at archiving have not run.".into(),
            ));
        }
        let Some(stored) = self.experiment(&content.session).await? else {
            return self
                .move_alone(claimed, content, SessionState::Archived, by)
                .await;
        };
        let planned = &content.session;
        if !options.merge && !options.override_conflicts {
            return Err(ActionError::Conflict(format!(
                "Session already exists, retry with overwrite enabled: {} is archived as /data{}. Retry with \
                 overwrite=append to add to it or overwrite=delete to replace what differs, archive under another \
                 label (session=), or delete this one.",
                stored.label,
                stored.uri()
            )));
        }
        check_same_session(
            &stored,
            claimed,
            &planned.xsi_type,
            &planned.subject,
            options.override_conflicts,
        )?;
        let overwrite = options.overwrite_files || options.override_conflicts;
        self.join_into(
            claimed,
            content,
            &stored,
            SessionState::Archived,
            overwrite,
            by,
        )
        .await
    }

    /// Moves a claimed session's content into quarantine, beside or into what is held of it there.
    ///
    /// # Errors
    /// As for a commit.
    pub async fn quarantine_claimed(
        &self,
        claimed: &Session,
        content: Content,
        by: &str,
    ) -> Result<Session, ActionError> {
        let held = self
            .beside(claimed, &content.session.label, |s| {
                s.state == SessionState::Quarantined
            })
            .await?;
        let state = SessionState::Quarantined;
        match held {
            Some(held) if wait_alike(&held, &content.session) => {
                self.join_into(claimed, content, &held, state, true, by)
                    .await
            }
            Some(_) => Err(ActionError::Refused(
                "Another part of the session is in quarantine, under other rules: release or purge that first."
                    .into(),
            )),
            None => self.move_alone(claimed, content, state, by).await,
        }
    }

    /// Where rules may put what they make of a session at archiving, below the data folder: a name that is
    /// never used again.
    pub fn staging_for(&self, session: &Session) -> PathBuf {
        let now = crate::store::now_ms();
        let instance = self.store.instance();
        Path::new("staging").join(format!("{AT_ARCHIVE}{instance}-{}-{now}", session.id))
    }

    /// Another session of the same study, under a label.
    pub(super) async fn beside(
        &self,
        session: &Session,
        label: &str,
        fits: impl Fn(&Session) -> bool,
    ) -> Result<Option<Session>, StoreError> {
        let sessions = self.store.sessions();
        let of_study = sessions
            .of_study(&session.project, &session.study_key)
            .await?;
        Ok(of_study
            .into_iter()
            .find(|s| s.id != session.id && s.label == label && fits(s)))
    }

    /// The files and series of a session as they are stored.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn incoming(&self, session: &Session) -> Result<Incoming, StoreError> {
        let sessions = self.store.sessions();
        let scans = sessions.scans(session.id).await?;
        Ok(Incoming {
            files: sessions.files(session.id, None).await?,
            scans: scans.into_iter().map(|s| s.scan).collect(),
        })
    }

    /// The session goes to another place by itself. One that rules have made anew is a new row, which takes
    /// the old one's place.
    pub(super) async fn move_alone(
        &self,
        session: &Session,
        content: Content,
        outcome: SessionState,
        by: &str,
    ) -> Result<Session, ActionError> {
        let is_made_anew = content.folder != session.home();
        let final_path = content.session.home(outcome.area());
        let mut plan = CommitPlan {
            request: None,
            username: by.to_owned(),
            session: content.session,
            into: Some(session.id),
            retires: None,
            outcome,
            staging: text(&content.folder),
            final_path: text(&final_path),
            scans: Vec::new(),
            files: Vec::new(),
            seen: vec![(session.id, session.lastmod)],
            details: serde_json::Value::Null,
        };
        if is_made_anew {
            plan.into = None;
            plan.retires = Some(session.id);
            plan.scans = content.incoming.scans;
            plan.files = content.incoming.files.into_iter().map(Arc::new).collect();
            plan.details = serde_json::json!({ "leaves": [text(&session.home())] });
        }
        self.commit(plan).await
    }

    /// The session's files go into a stored one, and the session is gone.
    pub(super) async fn join_into(
        &self,
        session: &Session,
        content: Content,
        stored: &Session,
        outcome: SessionState,
        overwrite: bool,
        by: &str,
    ) -> Result<Session, ActionError> {
        let there = self.incoming(stored).await?;
        let folder = self.data.join(&content.folder);
        let home = self.data.join(stored.home());
        let incoming = content.incoming;
        let joined =
            tokio::task::spawn_blocking(move || join(incoming, &folder, &there, &home, overwrite))
                .await
                .map_err(|e| ActionError::Files(std::io::Error::other(e)))??;
        let planned = NewSession {
            subject: content.session.subject,
            archive_rule_set: content
                .session
                .archive_rule_set
                .or(stored.archive_rule_set.clone()),
            reason: content.session.reason.or(stored.reason.clone()),
            ..stored.to_new()
        };
        let plan = CommitPlan {
            request: None,
            username: by.to_owned(),
            staging: text(&content.folder),
            final_path: text(&stored.home()),
            session: planned,
            into: Some(stored.id),
            retires: Some(session.id),
            outcome,
            scans: joined.scans,
            files: joined.files.into_iter().map(Arc::new).collect(),
            seen: vec![(session.id, session.lastmod), (stored.id, stored.lastmod)],
            details: serde_json::json!({
                "overwrite": joined.replaces, "moved": joined.moved, "joins": true,
                "leaves": [text(&session.home())],
            }),
        };
        self.commit(plan).await
    }
}

/// Why files that wait for different steps at archiving, or some for steps and others for none, can't be in one
/// session.
pub const MIXED: &str = "The sessions were imported under different rules, which leave different steps to run at \
archiving: archive or delete one of them first.";

/// Whether the files of two sessions wait for the same steps, as far as that is known without asking the rules.
pub(super) fn wait_alike(stored: &Session, other: &NewSession) -> bool {
    stored.identified == other.identified
        && (!stored.identified || stored.rule_set == other.rule_set)
}

/// The process that staged a session on its way to the archive in a folder of that name.
pub(super) fn staged_by(name: &str) -> Option<&str> {
    name.strip_prefix(AT_ARCHIVE)?.split('-').next()
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
