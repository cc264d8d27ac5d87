//! A candidate that a policy names, run over an import's sources once all of it is settled: where it would have
//! done otherwise is told in the report and counted. It comes after everything that counts and touches neither
//! store, staging nor labels, so that nothing it does or fails to do can change what is stored.
//!
//! What only what is stored can say (duplicates, conflicts) is taken as the import found it, and routes are
//! compared where nothing of the study was stored before.

use super::Job;
use super::explain::{Explanation, FileExplained, StudyExplained, trial};
use super::outcome::{FileState, Outcome};
use super::settle::Settled;
use super::study::Study;
use super::trail::Trails;
use crate::inbox::Found;
use crate::metrics::metrics;
use crate::rules::{At, RuleSet};
use crate::store::ShadowCounts;
use serde::Serialize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// As the report has it.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Shadowed {
    /// None: the candidate can't be used.
    pub rule_set: Option<String>,
    /// Why it can't, or broke off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<&'static str>,
    pub counts: ShadowCounts,
    pub sessions: Vec<SessionDisagreement>,
    pub files: Vec<FileDisagreement>,
}

#[derive(Debug, Serialize)]
pub struct SessionDisagreement {
    /// The session's label, if it has one.
    pub session: Option<String>,
    /// What the candidate would have called it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<Named>,
    /// Where it would have sent it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<&'static str>,
}

/// Both are null where the candidate gave no labels.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Named {
    pub subject: Option<String>,
    pub session: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FileDisagreement {
    /// Its place in the report's files.
    pub file: usize,
    pub outcome: Outcome,
    /// Of a rule's failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<&'static str>,
    /// Where only the output differs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header_out: Option<String>,
}

impl Job<'_> {
    /// None if the policies name no candidate, or the import was told to stop meanwhile.
    pub(super) fn run_shadow(
        &self,
        files: &[FileState],
        studies: &[Arc<Study>],
        settled: &[Settled],
    ) -> Option<Shadowed> {
        let shadowed = match self.rules.shadow()? {
            Err(code) => unusable(None, code),
            Ok(candidate) => {
                let run = || self.compare_with_shadow(candidate, files, studies, settled);
                // Whatever breaks in it must not break the import.
                match catch_unwind(AssertUnwindSafe(run)) {
                    Ok(shadowed) => shadowed?,
                    Err(_) => unusable(Some(candidate.hash().to_owned()), "broke"),
                }
            }
        };
        metrics().shadow_ran(&shadowed.counts);
        let recorded = self.importer.store.shadows();
        let recorded = self.importer.block_on(recorded.record(
            self.request.id,
            &self.request.project,
            shadowed.rule_set.as_deref().unwrap_or_default(),
            &shadowed.counts,
        ));
        if let Err(error) = recorded {
            tracing::warn!(request = self.request.id, %error, "what came of the shadow can't be kept");
        }
        Some(shadowed)
    }

    fn compare_with_shadow(
        &self,
        candidate: &RuleSet,
        files: &[FileState],
        studies: &[Arc<Study>],
        settled: &[Settled],
    ) -> Option<Shadowed> {
        let goes_on = || self.check_stop().is_ok();
        let sources = files.iter().map(|file| Found::clone(&file.found));
        let sources = sources.take_while(|_| goes_on());
        // Compared with what was stored: before or after the steps at archiving.
        let waits = settled.iter().filter_map(|s| s.session.as_ref());
        let times: &[At] = match waits.clone().any(|session| session.identified) {
            true => &[At::Import],
            false => &[At::Import, At::Archive],
        };
        let trails = Trails::default();
        let tried = trial(candidate, &self.run, sources, &trails, times);
        if !goes_on() {
            return None;
        }
        let mut shadowed = Shadowed {
            rule_set: Some(candidate.hash().to_owned()),
            ..Shadowed::default()
        };
        compare_files(files, &tried, &mut shadowed);
        compare_sessions(files, studies, settled, &tried, &mut shadowed);
        Some(shadowed)
    }
}

/// One disagreement, whatever the import held.
fn unusable(rule_set: Option<String>, code: &'static str) -> Shadowed {
    Shadowed {
        rule_set,
        code: Some(code),
        counts: ShadowCounts {
            errors: 1,
            ..ShadowCounts::default()
        },
        ..Shadowed::default()
    }
}

fn compare_files(files: &[FileState], tried: &Explanation, shadowed: &mut Shadowed) {
    let counts = &mut shadowed.counts;
    for (index, (file, would)) in files.iter().zip(&tried.files).enumerate() {
        let found = file.outcome();
        // No rule was asked.
        if matches!(
            found,
            Outcome::NotDicom | Outcome::Unreadable | Outcome::CutShort | Outcome::Changed
        ) {
            continue;
        }
        counts.files += 1;
        let outcome = after_routing(would, tried);
        let is_kept = |outcome| matches!(outcome, Outcome::Stored | Outcome::Quarantined);
        // What is stored already says these two.
        let by_store = matches!(found, Outcome::Duplicate | Outcome::Conflict) && is_kept(outcome);
        let header_out = would.tried.and_then(|tried| tried.header_out);
        let disagreement = FileDisagreement {
            file: index,
            outcome,
            code: would.code,
            header_out: None,
        };
        if outcome == found || by_store {
            let stored = file.provenance.as_ref().filter(|_| !file.made_anew);
            let redacts = would.tried.is_some_and(|tried| tried.redacted);
            let differs = stored.is_some_and(|stored| {
                Some(stored.header_out) != header_out || stored.redacted != redacts
            });
            if is_kept(outcome) && differs {
                counts.output += 1;
                shadowed.files.push(FileDisagreement {
                    header_out: header_out.map(hex::encode),
                    ..disagreement
                });
            }
            continue;
        }
        match outcome {
            Outcome::Failed => counts.errors += 1,
            _ => counts.outcome += 1,
        }
        shadowed.files.push(disagreement);
    }
}

/// A file's outcome once its session has gone where the candidate sends it.
fn after_routing(file: &FileExplained, tried: &Explanation) -> Outcome {
    let study = file.study.and_then(|study| tried.studies.get(study));
    let (true, Some(study)) = (file.outcome == Outcome::Stored, study) else {
        return file.outcome;
    };
    match destination(study) {
        Some("reject") => Outcome::Rejected,
        Some("quarantine") => Outcome::Quarantined,
        _ => Outcome::Stored,
    }
}

/// Where the candidate would have a session go; a reason for review stands above all but a reject.
fn destination(study: &StudyExplained) -> Option<&'static str> {
    let to = study
        .route
        .as_ref()
        .map(|route| route.to.unwrap_or("prearchive"))?;
    match to {
        "reject" => Some(to),
        _ if !study.review.is_empty() => Some("quarantine"),
        _ => Some(to),
    }
}

fn compare_sessions(
    files: &[FileState],
    studies: &[Arc<Study>],
    settled: &[Settled],
    tried: &Explanation,
    shadowed: &mut Shadowed,
) {
    for study in studies {
        let places = (0..files.len()).filter(|i| files[*i].study == Some(study.index));
        let would = places
            .filter_map(|i| tried.files.get(i)?.study)
            .find_map(|at| tried.studies.get(at));
        // The candidate met none of it: its files tell.
        let Some(would) = would else { continue };
        shadowed.counts.sessions += 1;
        let named = |labels: Option<&crate::rules::Labels>| Named {
            subject: labels.map(|l| l.subject.clone()),
            session: labels.map(|l| l.session.clone()),
        };
        let (was, would_be) = (
            named(study.labels.as_ref().ok()),
            named(would.labels.as_ref()),
        );
        let settled = settled.iter().find(|s| s.study == study.index);
        let asked = settled.and_then(|s| s.destination);
        let route = match (asked, destination(would)) {
            (Some(asked), Some(to)) if study.stored.is_empty() && asked != to => Some(to),
            _ => None,
        };
        let differs = was != would_be;
        shadowed.counts.labels += u64::from(differs);
        shadowed.counts.route += u64::from(route.is_some());
        if differs || route.is_some() {
            shadowed.sessions.push(SessionDisagreement {
                session: was.session,
                labels: differs.then_some(would_be),
                route,
            });
        }
    }
}
