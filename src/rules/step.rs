//! One step of a rule set: a module in its place, with its settings, its tables and what it is run with.

use super::answer::{Answer, Labels, RuleFailure};
use super::closure::Planned;
use super::engine::{Engine, Ran};
use super::error::RuleSetError;
use super::host::{Context, Host};
use super::manifest::EngineKind;
use super::module::{Module, ModuleSource};
use super::policy::{At, Scope};
use super::run::Run;
use super::tables::Tables;
use super::urls::Urls;
use super::usage::{self, Call, Spent};
use crate::dicom::Instance;
use serde::Serialize;
use serde_json::Value;
use std::sync::Arc;

/// One module with its settings.
#[derive(Clone)]
pub struct Step {
    pub(super) scope: Scope,
    pub(super) module: Arc<Module>,
    settings: Arc<str>,
    pub(super) at: At,
    tables: Arc<Tables>,
    urls: Arc<Urls>,
}

/// A step, for reports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct StepInfo {
    pub scope: Scope,
    /// The function that it has: `label`, `anonymize` or `route`.
    pub kind: &'static str,
    pub module: String,
    pub version: String,
    pub hash: String,
    /// Named only where it is not at import.
    #[serde(skip_serializing_if = "is_import")]
    pub at: At,
}

/// A step of a rule set, with how it is set.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct StepDetail {
    #[serde(flatten)]
    pub info: StepInfo,
    pub engine: EngineKind,
    pub settings: Value,
}

impl Step {
    pub(super) fn compile(
        planned: Planned,
        module: &mut dyn FnMut(&ModuleSource) -> Result<Arc<Module>, RuleSetError>,
        urls: &Arc<Urls>,
    ) -> Result<Self, RuleSetError> {
        let module = module(&planned.source)?;
        let settings = Value::Object(planned.settings);
        let pointer = format!("{}/settings", planned.pointer);
        module.check_settings(&planned.file, &pointer, &settings)?;
        Ok(Self {
            scope: planned.scope,
            tables: Arc::new(module.tables.with(&planned.tables)),
            module,
            settings: settings.to_string().into(),
            at: planned.at,
            urls: Arc::clone(urls),
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.module.manifest.name
    }

    pub(super) fn info(&self) -> StepInfo {
        let manifest = &self.module.manifest;
        StepInfo {
            scope: self.scope,
            kind: manifest.kind.function(),
            module: manifest.name.clone(),
            version: manifest.version.clone(),
            hash: self.module.hash.clone(),
            at: self.at,
        }
    }

    pub(super) fn detail(&self) -> StepDetail {
        StepDetail {
            info: self.info(),
            engine: self.module.manifest.engine,
            settings: serde_json::from_str(&self.settings).unwrap_or_default(),
        }
    }

    pub(super) fn run_in<T: Answer>(
        &self,
        host: Host,
        call: impl FnOnce(&dyn Engine, Host) -> Ran<T>,
    ) -> (Instance, Result<T, RuleFailure>) {
        let Ran {
            host,
            answer,
            spent,
        } = self.module.run(host, call);
        self.tell(spent);
        (host.into_instance(), answer)
    }

    /// What a call took, to whoever measures.
    pub(super) fn tell(&self, spent: Spent) {
        let manifest = &self.module.manifest;
        usage::tell(Call {
            module: &manifest.name,
            version: &manifest.version,
            spent,
        });
    }

    /// What the module sees.
    pub(super) fn host(&self, instance: Instance, run: &Run, labels: Option<&Labels>) -> Host {
        let context = Arc::new(self.context(run, labels));
        let access = Arc::clone(&self.module.access);
        Host::new(instance, access, context, Arc::clone(&run.pseudonyms))
    }

    /// The same with more tables.
    pub(super) fn host_with(
        &self,
        instance: Instance,
        run: &Run,
        labels: Option<&Labels>,
        more: &Tables,
    ) -> Host {
        let context = Context {
            tables: Arc::new(self.tables.with(more)),
            ..self.context(run, labels)
        };
        let access = Arc::clone(&self.module.access);
        Host::new(
            instance,
            access,
            Arc::new(context),
            Arc::clone(&run.pseudonyms),
        )
    }

    pub(super) fn context(&self, run: &Run, labels: Option<&Labels>) -> Context {
        Context {
            tables: Arc::clone(&self.tables),
            urls: Arc::clone(&self.urls),
            ..run.context(labels, Arc::clone(&self.settings))
        }
    }

    pub(super) fn broke(&self, message: impl Into<String>) -> RuleFailure {
        RuleFailure::Broke {
            module: self.module.manifest.name.clone(),
            position: None,
            message: message.into(),
        }
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn is_import(at: &At) -> bool {
    *at == At::Import
}
