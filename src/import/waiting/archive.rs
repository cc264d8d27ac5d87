//! Archiving what waits in the prearchive, on somebody's call: under the rules as they are then.
//!
//! A session whose steps at archiving have not run goes through them now, file by file into staging, and what
//! they make is archived; the session's own files are gone once that is committed. If a rule fails on any file
//! nothing is archived. All else goes as it is.

use super::super::Importer;
use super::remake::{Purpose, Rejected, Remake, drop_folder, remake};
use crate::archive::{ActionError, ArchiveOptions, Incoming, Release};
use crate::rulebook::RulebookError;
use crate::rules::{Overwrite, RuleSet, Run};
use crate::store::{Session, SessionState, StoreError, UNASSIGNED};
use chrono::DateTime;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Where a session came to on its way to the archive.
pub(in crate::import) struct Arrived {
    pub session: Session,
    pub rejected: Vec<Rejected>,
    /// Why it is in quarantine, if it is.
    pub held: Option<String>,
}

impl Arrived {
    fn whole(session: Session) -> Self {
        Self {
            session,
            rejected: Vec::new(),
            held: None,
        }
    }
}

impl Importer {
    /// Moves a session of the prearchive into the archive, as the call and the project's rules have it.
    ///
    /// # Errors
    /// [`ActionError::Conflict`] puts the session into CONFLICT, [`ActionError::Refused`] says where it is now.
    pub async fn archive_session(
        &self,
        session: &Session,
        options: ArchiveOptions,
        by: &str,
    ) -> Result<Session, ActionError> {
        let arrived = self.send_to_archive(session, options, by).await?;
        match arrived.held {
            Some(why) => Err(ActionError::Refused(format!(
                "Not archived, but held for review as /data{}: {why}",
                arrived.session.uri()
            ))),
            None => Ok(arrived.session),
        }
    }

    /// The same, telling what was left out or held.
    pub(in crate::import) async fn send_to_archive(
        &self,
        session: &Session,
        mut options: ArchiveOptions,
        by: &str,
    ) -> Result<Arrived, ActionError> {
        if session.project == UNASSIGNED {
            return Err(ActionError::Refused(
                "The session belongs to no project: move it to one first.".into(),
            ));
        }
        if session.state == SessionState::Quarantined {
            return Err(ActionError::Refused(
                "The session is in quarantine: an owner releases it first.".into(),
            ));
        }
        let wanted = wanted(&options);
        if wanted == Overwrite::None && !session.identified {
            let archived = self.archive.archive(session, options, by).await?;
            return Ok(Arrived::whole(archived));
        }
        let rules = self.rules_of(&session.project).await?;
        if wanted > rules.overwrite() {
            self.check_nothing_to_overwrite(session, &options, rules.overwrite())
                .await?;
            options.merge &= rules.overwrite() >= Overwrite::Append;
            (options.override_conflicts, options.overwrite_files) = (false, false);
        }
        if !session.identified {
            let archived = self.archive.archive(session, options, by).await?;
            return Ok(Arrived::whole(archived));
        }
        let rules = self.for_session(session, rules).await?;
        if !rules.defers() {
            return Err(ActionError::Refused(
                "Not archived: the session was imported to be anonymized at archiving, and the project's policy \
                 has no step at \"archive\" now. Put it back, or delete the session and import it again."
                    .into(),
            ));
        }
        let claimed = self.archive.claim(session, by).await?;
        match self.remake_and_archive(&claimed, rules, &options, by).await {
            Ok(arrived) => Ok(arrived),
            Err(error) => {
                let ended = self.archive.give_back(session, Err(error), by).await?;
                Ok(Arrived::whole(ended))
            }
        }
    }

    /// Lets a session out of quarantine, with no more overwriting than the project's rules allow.
    ///
    /// # Errors
    /// As [`crate::archive::Archive::release`], and [`ActionError::NotAllowed`].
    pub async fn release_session(
        &self,
        session: &Session,
        release: Release,
        by: &str,
    ) -> Result<Session, ActionError> {
        let wanted = match (release.merge, release.overwrite_files) {
            (_, true) => Overwrite::Delete,
            (true, false) => Overwrite::Append,
            (false, false) => Overwrite::None,
        };
        if wanted > Overwrite::None && wanted > self.rules_of(&session.project).await?.overwrite() {
            return Err(ActionError::NotAllowed(
                "The policy does not allow that much overwriting: release it with less, or relabel it first.".into(),
            ));
        }
        self.archive.release(session, release, by).await
    }

    /// A call may ask for more than the policy allows as long as there is nothing to do it to.
    async fn check_nothing_to_overwrite(
        &self,
        session: &Session,
        options: &ArchiveOptions,
        allowed: Overwrite,
    ) -> Result<(), ActionError> {
        let planned = self.archive.content(session, options).await?.session;
        if self.archive.experiment(&planned).await?.is_none() {
            return Ok(());
        }
        Err(ActionError::NotAllowed(match allowed {
            Overwrite::None => "The session is archived already, and the policy allows nothing to be added to it: \
                                archive under another label (session=)."
                .into(),
            _ => "The session is archived already, and the policy allows overwrite=append and no more.".into(),
        }))
    }

    pub(super) async fn rules_of(&self, project: &str) -> Result<Arc<RuleSet>, ActionError> {
        self.rulebook
            .pin(project)
            .await
            .map_err(|error| match error {
                RulebookError::Store(error) => ActionError::Store(error),
                other => ActionError::Refused(format!(
                    "The rules of project {project} can't be used: {other}"
                )),
            })
    }

    /// The project's rules as they are now, for a session that was imported under those that it names.
    async fn for_session(
        &self,
        session: &Session,
        rules: Arc<RuleSet>,
    ) -> Result<Arc<RuleSet>, ActionError> {
        let earlier = match session.rule_set.as_deref() {
            Some(hash) if hash != rules.hash() => {
                self.rulebook.version(&session.project, hash).await
            }
            _ => return Ok(rules),
        };
        match earlier {
            Ok(earlier) => Ok(Arc::new(rules.for_session_of(&earlier))),
            Err(RulebookError::Store(error)) => Err(error.into()),
            Err(error) => Err(ActionError::Refused(format!(
                "Not archived: which steps the session still waits for is not known, as the rules that it was \
                 imported under can't be used any more ({error}). Delete it and import it again."
            ))),
        }
    }

    async fn remake_and_archive(
        &self,
        claimed: &Session,
        rules: Arc<RuleSet>,
        options: &ArchiveOptions,
        by: &str,
    ) -> Result<Arrived, ActionError> {
        let content = self.archive.content(claimed, options).await?;
        let run = self.run_of(claimed).await?;
        let there = match self.archive.experiment(&content.session).await? {
            Some(stored) => self.archive.incoming(&stored).await?,
            None => Incoming::default(),
        };
        let staging = self.archive.staging_for(claimed);
        let data = self.data.clone();
        let folder = staging.clone();
        let remade = tokio::task::spawn_blocking(move || {
            remake(
                Purpose::Archive,
                &data,
                &folder,
                content,
                &there,
                &rules,
                &run,
            )
        })
        .await
        .map_err(|e| ActionError::Files(std::io::Error::other(e)))
        .and_then(|remade| remade);
        let outcome = match remade {
            Ok(remade) => self.end(claimed, remade, options, by).await,
            Err(error) => Err(error),
        };
        if let Err(error) = &outcome
            && error.leaves_all_as_it_was()
        {
            drop_folder(&self.data.join(staging));
        }
        outcome
    }

    /// To the archive, or to quarantine.
    async fn end(
        &self,
        claimed: &Session,
        remade: Remake,
        options: &ArchiveOptions,
        by: &str,
    ) -> Result<Arrived, ActionError> {
        let Remake {
            mut content,
            review,
            rejected,
        } = remade;
        let held = (!review.is_empty()).then(|| review.join("; "));
        let moved = match &held {
            Some(why) => {
                content.session.reason = Some(why.clone());
                self.archive.quarantine_claimed(claimed, content, by).await
            }
            None => {
                self.archive
                    .archive_claimed(claimed, content, options, by)
                    .await
            }
        };
        Ok(Arrived {
            session: moved?,
            rejected,
            held,
        })
    }

    /// What rules see beside a file: the same as at the import.
    async fn run_of(&self, session: &Session) -> Result<Run, ActionError> {
        let project = self.store.projects().get(&session.project).await?;
        let project = project.ok_or(StoreError::Refused("the session's project is gone"))?;
        let request = match session.request {
            Some(id) => self.store.requests().get(id).await?,
            None => None,
        };
        let received = request.as_ref().map_or(session.uploaded, |r| r.created);
        let received = DateTime::from_timestamp_millis(received).unwrap_or_default();
        let parameters = request.map_or_else(BTreeMap::new, |r| r.parameters);
        Ok(Run::new(
            project.id,
            project.pseudonym_key.as_bytes(),
            parameters,
            received,
        ))
    }
}

/// What a call to archive wants to do to an experiment of its label.
fn wanted(options: &ArchiveOptions) -> Overwrite {
    if options.override_conflicts || options.overwrite_files {
        Overwrite::Delete
    } else if options.merge {
        Overwrite::Append
    } else {
        Overwrite::None
    }
}
