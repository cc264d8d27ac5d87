//! The chain with everything recorded that it does to an instance: for whoever wants to see why, never in
//! an import.

use super::answer::{Labels, Verdict};
use super::engine::Ran;
use super::host::TracedEdit;
use super::rule_set::{Anonymized, RuleSet, Run, StepInfo};
use crate::dicom::Instance;
use serde::Serialize;

/// What one step did.
#[derive(Debug, Clone, Serialize)]
pub struct StepTrace {
    pub step: StepInfo,
    pub edits: Vec<TracedEdit>,
}

impl RuleSet {
    /// As [`RuleSet::anonymize`] and then [`RuleSet::anonymize_for_archive`], with the edits of each step that
    /// ran.
    pub fn explain(
        &self,
        mut instance: Instance,
        run: &Run,
        labels: &Labels,
    ) -> (Anonymized, Vec<StepTrace>) {
        let mut steps = Vec::new();
        let mut reasons: Vec<String> = Vec::new();
        for step in self.chain() {
            let host = step.host(instance, run, Some(labels)).traced();
            let ran = step.module.run(host, |engine, host| engine.anonymize(host));
            let Ran {
                mut host, answer, ..
            } = ran;
            steps.push(StepTrace {
                step: step.info(),
                edits: host
                    .take_trace()
                    .map_or(Vec::new(), |trace| trace.into_edits()),
            });
            instance = host.into_instance();
            match answer {
                Ok(Verdict::Keep) => {}
                Ok(Verdict::Quarantine(reason)) => reasons.push(reason),
                verdict => return (Anonymized { instance, verdict }, steps),
            }
        }
        let verdict = Ok(match reasons.is_empty() {
            true => Verdict::Keep,
            false => Verdict::Quarantine(reasons.join("; ")),
        });
        (Anonymized { instance, verdict }, steps)
    }
}
