//! A compiled rule set: what one import runs, from its first file to its last. It knows nothing of
//! files on disk, neither rules nor DICOM; [`super::closure`] reads, [`super::registry`] keeps.

use super::answer::{Decision, Labels, RuleFailure};
use super::closure::{Closure, Planned};
use super::engine::Routed;
use super::error::RuleSetError;
use super::filter::Filter;
use super::host::{Access, Host};
use super::labels;
use super::module::{Module, ModuleSource};
use super::policy::{At, FileNames, LeakCheck, Overwrite, Scope};
use super::run::Run;
use super::step::{Step, StepInfo};
use super::tables::{self, Table, Tables};
use super::urls::Urls;
use crate::dicom::Instance;
use std::collections::BTreeSet;
use std::sync::Arc;

#[derive(Clone)]
pub struct RuleSet {
    hash: String,
    site_hash: String,
    label: Step,
    chain: Vec<Step>,
    route: Step,
    filters: Arc<[(Scope, Filter)]>,
    /// Reads everything, writes nothing.
    filter_access: Arc<Access>,
    leak_check: LeakCheck,
    file_names: FileNames,
    overwrite: Overwrite,
    notes: Vec<String>,
    shadow: Option<Shadow>,
}

/// A candidate that runs beside a rule set, or the code of why it can't.
pub type Shadow = Result<Arc<RuleSet>, &'static str>;

impl RuleSet {
    /// `module` answers the compiled form, perhaps one that is already there.
    pub(super) fn compile(
        closure: Closure,
        module: &mut dyn FnMut(&ModuleSource) -> Result<Arc<Module>, RuleSetError>,
        urls: &Arc<Urls>,
    ) -> Result<Self, RuleSetError> {
        let mut notes = closure.notes;
        let shadow = closure.shadow.map(|shadow| {
            let compiled = match shadow {
                Ok(shadow) => Self::compile(*shadow, module, urls).inspect_err(|error| {
                    notes.push(format!("the shadow can't be used: {error}"));
                }),
                Err(error) => Err(error),
            };
            compiled.map(Arc::new).map_err(|error| error.code())
        });
        let mut step = |planned: Planned| Step::compile(planned, module, urls);
        // What is switched off must be fit to be switched on.
        for planned in closure.off {
            step(planned)?;
        }
        Ok(Self {
            label: step(closure.label)?,
            chain: closure
                .chain
                .into_iter()
                .map(&mut step)
                .collect::<Result<_, _>>()?,
            route: step(closure.route)?,
            filters: closure.filters.into(),
            filter_access: Arc::new(Access::read_everything()),
            hash: closure.hash,
            site_hash: closure.site_hash,
            leak_check: closure.leak_check,
            file_names: closure.file_names,
            overwrite: closure.overwrite,
            notes,
            shadow,
        })
    }

    /// Of everything that it is made of, SHA-256 in hexadecimal.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// Of what the site alone decides: its policy, and the modules that it asks for.
    pub fn site_hash(&self) -> &str {
        &self.site_hash
    }

    pub fn leak_check(&self) -> LeakCheck {
        self.leak_check
    }

    pub fn file_names(&self) -> FileNames {
        self.file_names
    }

    /// The most that may happen to what is stored already.
    pub fn overwrite(&self) -> Overwrite {
        self.overwrite
    }

    /// Whether some anonymize steps wait for the archive, so that what goes to the prearchive is identified.
    pub fn defers(&self) -> bool {
        self.chain.iter().any(|step| step.at == At::Archive)
    }

    /// The names of the steps that wait for the archive, in no order: what a session has been promised that was
    /// imported under these rules.
    pub fn deferred(&self) -> BTreeSet<&str> {
        let waiting = self.chain.iter().filter(|step| step.at == At::Archive);
        waiting.map(Step::name).collect()
    }

    /// These rules for a session that was imported under earlier ones: a step that it still waits for runs at the
    /// archive, though it has been moved to the import since.
    #[must_use]
    pub fn for_session_of(&self, earlier: &RuleSet) -> RuleSet {
        let promised = earlier.deferred();
        let mut rules = self.clone();
        for step in &mut rules.chain {
            if promised.contains(step.name()) {
                step.at = At::Archive;
            }
        }
        rules
    }

    /// What a policy wants to see run beside its rules, without effect.
    pub fn shadow(&self) -> Option<&Shadow> {
        self.shadow.as_ref()
    }

    /// What a policy asks for and does not get, and why.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// In the order in which they run.
    pub fn modules(&self) -> Vec<StepInfo> {
        self.steps().map(Step::info).collect()
    }

    pub(super) fn steps(&self) -> impl Iterator<Item = &Step> {
        let label = std::iter::once(&self.label);
        label.chain(&self.chain).chain(std::iter::once(&self.route))
    }

    /// The anonymize steps that run at a time, in order, with their places in [`RuleSet::modules`].
    pub(super) fn steps_at(&self, at: At) -> impl Iterator<Item = (usize, &Step)> {
        // The label step comes first there.
        (1..)
            .zip(&self.chain)
            .filter(move |(_, step)| step.at == at)
    }

    /// The instance comes back with the reason why it is filtered out, if it is. The reason names
    /// filter, line and tag, never a value.
    pub fn accepts(&self, instance: Instance, run: &Run) -> (Instance, Option<String>) {
        if self.filters.is_empty() {
            return (instance, None);
        }
        let context = Arc::new(run.context(None, Arc::from("{}")));
        let pseudonyms = Arc::clone(&run.pseudonyms);
        let mut host = Host::new(
            instance,
            Arc::clone(&self.filter_access),
            context,
            pseudonyms,
        );
        let refusal = self.filters.iter().find_map(|(scope, filter)| {
            let reason = filter.refuses(|path| host.get(path))?;
            Some(format!("{} series filter: {reason}", scope.owner()))
        });
        (host.into_instance(), refusal)
    }

    /// The labels of the instance's study, checked to be fit for folder names.
    pub fn label(&self, instance: Instance, run: &Run) -> (Instance, Result<Labels, RuleFailure>) {
        self.label_among(instance, run, &Tables::default())
    }

    /// The project that the site's label rule puts the instance's study in, where the call names none: one of
    /// `projects`, which the rule sees as the table `projects`. A rule that fails has put it nowhere.
    pub fn choose_project(
        &self,
        instance: Instance,
        run: &Run,
        projects: &Arc<Table>,
    ) -> Option<String> {
        let table = Tables::new([(tables::PROJECTS.to_owned(), Arc::clone(projects))]);
        let (_, labels) = self.label_among(instance, run, &table);
        let chosen = labels.ok()?.project?;
        projects.lists(&chosen).then_some(chosen)
    }

    fn label_among(
        &self,
        instance: Instance,
        run: &Run,
        more: &Tables,
    ) -> (Instance, Result<Labels, RuleFailure>) {
        let step = &self.label;
        let host = step.host_with(instance, run, None, more);
        let (instance, answer) = step.run_in(host, |engine, host| engine.label(host));
        let checked = answer.and_then(|labels| {
            let chosen = labels
                .project
                .as_ref()
                .filter(|chosen| **chosen != run.project);
            if step.scope == Scope::Project && chosen.is_some() {
                return Err(step.broke("only the site's label rule may choose the project"));
            }
            match labels::check(&labels) {
                Ok(()) => Ok(labels),
                Err(message) => Err(step.broke(message)),
            }
        });
        (instance, checked)
    }

    /// `summary` is JSON, see `schemas/session-summary.schema.json`.
    pub fn route(
        &self,
        summary: &str,
        run: &Run,
        labels: &Labels,
    ) -> Result<Decision, RuleFailure> {
        let context = Arc::new(self.route.context(run, Some(labels)));
        let engine = &self.route.module.engine;
        let Routed { answer, spent } = engine.route(summary, context, Arc::clone(&run.pseudonyms));
        self.route.tell(spent);
        answer
    }
}

impl RuleSet {
    /// That the route rule's answer can't be followed.
    pub fn route_broke(&self, message: String) -> RuleFailure {
        RuleFailure::Broke {
            module: self.route.module.manifest.name.clone(),
            position: None,
            message,
        }
    }
}
