//! A waiting session's move to another project: an import of its files as they stand, under that project's rules.
//!
//! The other project's series filters, label rule, anonymize chain and leak check run over the files into staging;
//! what comes of that is committed there, and the session is gone from where it was with the same commit. So nothing
//! shows in a project that has not been through its rules. Only the route rule is not asked: a move ends in the
//! prearchive, or in quarantine where the rules want a review.

use super::super::Importer;
use super::super::admit::STUDY;
use super::remake::{Purpose, Remake, drop_folder, remake};
use crate::archive::{ActionError, ArchiveOptions, Content, Incoming};
use crate::dicom::{Instance, tags};
use crate::rules::{Labels, RuleSet, Run};
use crate::store::{Session, SessionState, StoreError, StoredFile};
use chrono::DateTime;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

/// Where a session is to go, and how.
#[derive(Debug, Clone, Default)]
pub struct MoveTo {
    pub project: String,
    /// The labels there, where the project's label rule is not to choose them.
    pub subject: Option<String>,
    pub label: Option<String>,
    /// Go without the files that the project's rules don't let in. They are gone then.
    pub leave_out: bool,
}

impl Importer {
    /// Moves a session of the prearchive to another project's.
    ///
    /// # Errors
    /// [`ActionError::Conflict`], [`ActionError::Refused`] and [`ActionError::NotAllowed`] leave it as it was.
    pub async fn move_session(
        &self,
        session: &Session,
        to: &MoveTo,
        by: &str,
    ) -> Result<Session, ActionError> {
        if session.state == SessionState::Quarantined {
            return Err(ActionError::Refused(
                "Not moved: the session is in quarantine: an owner releases it first.".into(),
            ));
        }
        if session.project == to.project {
            return Err(ActionError::Refused(
                "Not moved: the session is in that project.".into(),
            ));
        }
        let rules = self.rules_of(&to.project).await?;
        if session.identified && !rules.defers() {
            return Err(ActionError::NotAllowed(format!(
                "Not moved: the session has still to be anonymized at archiving, and the policy of project {} keeps \
                 no such sessions in its prearchive.",
                to.project
            )));
        }
        let claimed = self.archive.claim_for_move(session, by).await?;
        let moved = self.remake_and_move(&claimed, rules, to, by).await;
        if moved.is_err() {
            self.archive.stay(session, by).await?;
        }
        moved
    }

    async fn remake_and_move(
        &self,
        claimed: &Session,
        rules: Arc<RuleSet>,
        to: &MoveTo,
        by: &str,
    ) -> Result<Session, ActionError> {
        let run = self.run_elsewhere(claimed, to).await?;
        let mut content = self.content_of(claimed).await?;
        let first = content
            .incoming
            .files
            .first()
            .map(StoredFile::below_session);
        let first = self
            .data
            .join(&content.folder)
            .join(first.unwrap_or_default());
        let (labelled, rules_) = (run.clone(), rules.clone());
        let (study_uid, labels) = run_blocking(move || label(&first, &rules_, &labelled)).await?;
        let planned = &mut content.session;
        planned.project.clone_from(&to.project);
        planned.subject = labels.subject;
        planned.label = labels.session;
        planned.folder.clone_from(&planned.label);
        // For the project, the files as they stand are the originals.
        planned.study_key = run.pseudonyms.fingerprint(STUDY, &study_uid);
        planned.auto_archive = false;
        planned.reason = Some(format!("moved from project {} by {by}", claimed.project));

        let staging = self.archive.staging_for(claimed);
        let purpose = Purpose::Move {
            leave_out: to.leave_out,
        };
        let (data, folder) = (self.data.clone(), staging.clone());
        let remade = run_blocking(move || {
            let there = Incoming::default();
            remake(purpose, &data, &folder, content, &there, &rules, &run)
        });
        let moved = match remade.await {
            Ok(remade) => self.put_there(claimed, remade, by).await,
            Err(error) => Err(error),
        };
        if let Err(error) = &moved
            && error.leaves_all_as_it_was()
        {
            drop_folder(&self.data.join(staging));
        }
        moved
    }

    async fn put_there(
        &self,
        claimed: &Session,
        remade: Remake,
        by: &str,
    ) -> Result<Session, ActionError> {
        let Remake {
            mut content,
            review,
            ..
        } = remade;
        let state = match review.is_empty() {
            true => SessionState::Ready,
            false => {
                content.session.reason = Some(review.join("; "));
                SessionState::Quarantined
            }
        };
        self.archive.move_claimed(claimed, content, state, by).await
    }

    async fn content_of(&self, claimed: &Session) -> Result<Content, ActionError> {
        let options = ArchiveOptions::default();
        match self.archive.content(claimed, &options).await {
            Err(ActionError::Empty) => Err(ActionError::Refused(
                "Not moved: the session holds no file.".into(),
            )),
            content => content,
        }
    }

    /// What the project's rules see beside a file: the import's parameters, with the labels that a user gave
    /// then, as they are now, or gives with the move.
    async fn run_elsewhere(&self, session: &Session, to: &MoveTo) -> Result<Run, ActionError> {
        let project = self.store.projects().get(&to.project).await?;
        let project = project.ok_or(StoreError::Refused("the project is gone"))?;
        let request = match session.request {
            Some(id) => self.store.requests().get(id).await?,
            None => None,
        };
        let received = request.as_ref().map_or(session.uploaded, |r| r.created);
        let received = DateTime::from_timestamp_millis(received).unwrap_or_default();
        let mut parameters = request.map_or_else(BTreeMap::new, |r| r.parameters);
        parameters.insert("PROJECT_ID".into(), to.project.clone());
        for (name, given, now) in [
            ("SUBJECT_ID", &to.subject, &session.subject),
            ("EXPT_LABEL", &to.label, &session.label),
        ] {
            match given {
                Some(given) => _ = parameters.insert(name.into(), given.clone()),
                None => {
                    if let Some(explicit) = parameters.get_mut(name) {
                        explicit.clone_from(now);
                    }
                }
            }
        }
        Ok(Run::new(
            project.id,
            project.pseudonym_key.as_bytes(),
            parameters,
            received,
        ))
    }
}

/// The study's UID as the files have it, and its labels in the project.
fn label(first: &PathBuf, rules: &RuleSet, run: &Run) -> Result<(String, Labels), ActionError> {
    let instance = Instance::read(File::open(first)?).map_err(std::io::Error::other)?;
    let study_uid = instance.text(tags::STUDY_INSTANCE_UID).unwrap_or_default();
    let (_, labels) = rules.label(instance, run);
    let labels = labels.map_err(|failure| {
        tracing::warn!(code = failure.code(), "the label rule failed on a session that moves");
        ActionError::Refused(format!(
            "Not moved: the project's label rule failed: {failure}. Mend it, or give the labels with the move \
             (subject=, session=)."
        ))
    })?;
    Ok((study_uid, labels))
}

async fn run_blocking<T: Send + 'static>(
    step: impl FnOnce() -> Result<T, ActionError> + Send + 'static,
) -> Result<T, ActionError> {
    let done = tokio::task::spawn_blocking(step).await;
    done.map_err(|e| ActionError::Files(std::io::Error::other(e)))?
}
