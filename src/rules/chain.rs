//! The chain of anonymize steps over an instance, with what each did recorded: as bare actions in an import's
//! report, in full for whoever wants to see why. And the chain itself, for whoever wants to see what runs.

use super::answer::{Labels, RuleFailure, Verdict};
use super::engine::Ran;
use super::host::{Detail, TracedEdit};
use super::policy::{At, FileNames, LeakCheck, Overwrite};
use super::rule_set::RuleSet;
use super::run::Run;
use super::step::{StepDetail, StepInfo};
use crate::dicom::Instance;
use serde::Serialize;

/// What the chain made of an instance. It may only be stored if the verdict is Keep or Quarantine.
pub struct Anonymized {
    pub instance: Instance,
    pub verdict: Result<Verdict, RuleFailure>,
}

/// What one step did, the step by its place in [`RuleSet::modules`].
#[derive(Debug, Clone)]
pub struct StepEdits {
    pub step: usize,
    pub edits: Vec<TracedEdit>,
}

/// The same for a report of its own.
#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
pub struct StepTrace {
    pub step: StepInfo,
    pub edits: Vec<TracedEdit>,
}

/// What runs over an import's files, in order.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct Chain {
    pub rule_set: String,
    pub steps: Vec<StepDetail>,
    pub leak_check: LeakCheck,
    pub overwrite: Overwrite,
    pub file_names: FileNames,
    /// What a policy asks for and does not get, and why.
    pub notes: Vec<String>,
}

impl RuleSet {
    /// Runs the steps of these times, one time after the other, as if they were one chain: the site's, then the
    /// project's. A reject and a failure stop it; a quarantine is remembered, so that what is held for review is
    /// as anonymous as the rest.
    pub fn record(
        &self,
        times: &[At],
        detail: Detail,
        mut instance: Instance,
        run: &Run,
        labels: &Labels,
    ) -> (Anonymized, Vec<StepEdits>) {
        let mut recorded = Vec::new();
        let mut reasons: Vec<String> = Vec::new();
        for (index, step) in times.iter().flat_map(|at| self.steps_at(*at)) {
            let host = step.host(instance, run, Some(labels)).traced(detail);
            let ran = step.module.run(host, |engine, host| engine.anonymize(host));
            let Ran {
                mut host,
                answer,
                spent,
            } = ran;
            step.tell(spent);
            recorded.push(StepEdits {
                step: index,
                edits: host
                    .take_trace()
                    .map_or(Vec::new(), |trace| trace.into_edits()),
            });
            instance = host.into_instance();
            match answer {
                Ok(Verdict::Keep) => {}
                Ok(Verdict::Quarantine(reason)) => reasons.push(reason),
                verdict => return (Anonymized { instance, verdict }, recorded),
            }
        }
        let verdict = Ok(match reasons.is_empty() {
            true => Verdict::Keep,
            false => Verdict::Quarantine(reasons.join("; ")),
        });
        (Anonymized { instance, verdict }, recorded)
    }

    /// The whole chain, as an import and then the archive run it, with the values of each step's edits.
    pub fn explain(
        &self,
        instance: Instance,
        run: &Run,
        labels: &Labels,
    ) -> (Anonymized, Vec<StepTrace>) {
        let times = [At::Import, At::Archive];
        let (done, steps) = self.record(&times, Detail::Values, instance, run, labels);
        let infos = self.modules();
        let trace = |done: StepEdits| StepTrace {
            step: infos[done.step].clone(),
            edits: done.edits,
        };
        (done, steps.into_iter().map(trace).collect())
    }

    /// The whole of it, as it is set.
    pub fn chain(&self) -> Chain {
        Chain {
            rule_set: self.hash().to_owned(),
            steps: self.steps().map(|step| step.detail()).collect(),
            leak_check: self.leak_check(),
            overwrite: self.overwrite(),
            file_names: self.file_names(),
            notes: self.notes().to_vec(),
        }
    }
}
