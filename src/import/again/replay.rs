//! What would be different of an import under other rules: its sources, as far as they still stand, go through
//! the rule set that it was pinned to and through a candidate, and both ends are compared. Nothing is written,
//! and nothing is compared with what is stored.

use super::super::Importer;
use super::super::outcome::Outcome;
use super::super::trail::Trails;
use super::explain::{Explanation, FileExplained, Routed, StudyExplained, trial};
use super::reported::Reported;
use super::verify::{by_path, ended_under};
use crate::rules::{At, Labels, RuleSet};
use crate::store::ImportRequest;
use serde::Serialize;
use std::collections::BTreeMap;

/// What is the same is only counted. It holds labels and reasons: for whoever may see the request's report.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Replayed {
    pub request: i64,
    pub project: String,
    /// What the import ran under.
    pub rule_set: String,
    pub candidate: String,
    pub counts: ReplayedCounts,
    pub sessions: Vec<SessionChange>,
    pub files: Vec<FileChange>,
}

#[derive(Debug, Default, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReplayedCounts {
    pub sessions: u64,
    pub sessions_changed: u64,
    pub files: u64,
    pub files_changed: u64,
    /// Named in the import's report, and there no more.
    pub source_gone: u64,
}

/// Before: under the rule set of the import. After: under the candidate.
#[derive(Debug, Serialize)]
pub struct Changed<T> {
    pub before: T,
    pub after: T,
}

#[derive(Debug, Serialize)]
pub struct SessionChange {
    /// What it is called, or was.
    pub label: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<Changed<LabelsOrError>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<Changed<Option<Routed>>>,
    /// Reasons to be held for review.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub review: Option<Changed<Vec<String>>>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LabelsOrError {
    pub labels: Option<Labels>,
    pub error: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FileChange {
    pub path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Changed<Outcome>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Changed<Option<String>>>,
    /// Whether its header would be another one.
    pub output: bool,
    /// What was done to it, and would not be.
    pub no_longer: Vec<ActOf>,
    /// What would be done to it, and was not.
    pub newly: Vec<ActOf>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct ActOf {
    pub module: String,
    pub action: &'static str,
    pub tag: String,
}

impl Importer {
    /// To be called on a thread that may block.
    ///
    /// # Errors
    /// Why nothing can be said of the request.
    pub fn replay(&self, request: &ImportRequest, candidate: &RuleSet) -> Result<Replayed, String> {
        let hash = ended_under(request)?;
        let pinned = self
            .block_on(self.rulebook.version(&request.project, hash))
            .map_err(|e| e.to_string())?;
        let run = self.run_context(request).map_err(|e| e.to_string())?;
        let again = self.source_again(request)?;
        let again = again.ok_or("its source is gone: nothing is left to replay")?;
        let there = by_path(Some(&again));
        // A report that is gone can't say what is missing.
        let reported = Reported::read(&self.reports(), request.id);
        let source_gone = reported.map_or(0, |reported| {
            let gone = reported.files.iter();
            gone.filter(|f| !there.contains_key(&f.path)).count()
        });
        let trails = [Trails::default(), Trails::default()];
        let times = [At::Import, At::Archive];
        let through = |rules: &RuleSet, trails: &Trails| {
            trial(rules, &run, again.found.iter().cloned(), trails, &times)
        };
        let before = through(&pinned, &trails[0]);
        let after = through(candidate, &trails[1]);
        let sessions = sessions(&before, &after);
        let files = files(&before, &after, &trails);
        Ok(Replayed {
            request: request.id,
            project: request.project.clone(),
            rule_set: hash.to_owned(),
            candidate: candidate.hash().to_owned(),
            counts: ReplayedCounts {
                sessions: before.studies.len().max(after.studies.len()) as u64,
                sessions_changed: sessions.len() as u64,
                files: before.files.len() as u64,
                files_changed: files.len() as u64,
                source_gone: source_gone as u64,
            },
            sessions,
            files,
        })
    }
}

/// Studies by what they are in the sources; one that only one side met has changed.
fn sessions(before: &Explanation, after: &Explanation) -> Vec<SessionChange> {
    let mut pairs: BTreeMap<&str, [Option<&StudyExplained>; 2]> = BTreeMap::new();
    for (side, told) in [before, after].into_iter().enumerate() {
        for study in &told.studies {
            pairs.entry(&study.uid).or_default()[side] = Some(study);
        }
    }
    pairs.into_values().filter_map(session).collect()
}

fn session([before, after]: [Option<&StudyExplained>; 2]) -> Option<SessionChange> {
    let labels = |study: Option<&StudyExplained>| LabelsOrError {
        labels: study.and_then(|s| s.labels.clone()),
        error: study.and_then(|s| s.error.clone()),
    };
    let route = |study: Option<&StudyExplained>| study.and_then(|s| s.route.clone());
    let review = |study: Option<&StudyExplained>| study.map_or_else(Vec::new, |s| s.review.clone());
    let label = |study: Option<&StudyExplained>| {
        let labels = study.and_then(|s| s.labels.as_ref());
        labels.map(|labels| labels.session.clone())
    };
    let change = SessionChange {
        label: label(before).or_else(|| label(after)),
        labels: changed(labels(before), labels(after)),
        route: changed(route(before), route(after)),
        review: changed(review(before), review(after)),
    };
    let is_changed = change.labels.is_some() || change.route.is_some() || change.review.is_some();
    is_changed.then_some(change)
}

fn changed<T: PartialEq>(before: T, after: T) -> Option<Changed<T>> {
    (before != after).then_some(Changed { before, after })
}

fn files(before: &Explanation, after: &Explanation, trails: &[Trails; 2]) -> Vec<FileChange> {
    let acts = |side: usize, file: &FileExplained| -> Vec<ActOf> {
        let modules = &[before, after][side].modules;
        let Some(tried) = file.tried else {
            return Vec::new();
        };
        let acts = trails[side].acts(tried.trail).into_iter();
        let mut acts: Vec<ActOf> = acts
            .map(|act| ActOf {
                module: modules[act.module].module.clone(),
                action: act.action,
                tag: act.tag,
            })
            .collect();
        acts.sort();
        acts
    };
    let output = |file: &FileExplained| {
        let tried = file.tried;
        tried.and_then(|tried| Some((tried.header_out?, tried.redacted)))
    };
    // Both went over the same list.
    let pairs = before.files.iter().zip(&after.files);
    pairs
        .filter_map(|(a, b)| {
            let (was, would_be) = (acts(0, a), acts(1, b));
            let only = |these: &[ActOf], others: &[ActOf]| -> Vec<ActOf> {
                let only = these.iter().filter(|act| !others.contains(act));
                only.cloned().collect()
            };
            let change = FileChange {
                path: a.path.clone(),
                outcome: changed(a.outcome, b.outcome),
                reason: changed(a.reason.clone(), b.reason.clone()),
                output: output(a) != output(b),
                no_longer: only(&was, &would_be),
                newly: only(&would_be, &was),
            };
            let is_changed = change.outcome.is_some()
                || change.reason.is_some()
                || change.output
                || !change.no_longer.is_empty()
                || !change.newly.is_empty();
            is_changed.then_some(change)
        })
        .collect()
}
