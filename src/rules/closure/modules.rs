//! The modules, scripts and tables that policies name: found, read once, and checked to fit their places.

use crate::rules::document::{DocumentError, did_you_mean};
use crate::rules::error::RuleSetError;
use crate::rules::folder::Folder;
use crate::rules::manifest::Kind;
use crate::rules::module::{ModuleSource, Origin};
use crate::rules::policy::{At, Policy, Scope, StepPolicy};
use crate::rules::shipped;
use crate::rules::tables::{TABLE_BYTES, Table, Tables};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Where a version keeps what stands beside the two policies.
pub const SITE: &str = "site";
const PROJECT: &str = "project";

/// A module in its place, not yet compiled.
pub struct Planned {
    pub scope: Scope,
    /// Where the policy names it.
    pub file: String,
    pub pointer: String,
    pub settings: Map<String, Value>,
    pub tables: Tables,
    pub source: Arc<ModuleSource>,
    pub at: At,
    pub enabled: bool,
}

/// A table's text and what it says.
pub type ReadTable = (Arc<[u8]>, Arc<Table>);

/// The modules that policies name, each read once.
pub struct Modules<'a> {
    folder: &'a Folder,
    project: &'a str,
    pub named: BTreeMap<String, Arc<ModuleSource>>,
    /// DicomEdit scripts, by the policy that they stand beside, and their file names.
    pub scripts: BTreeMap<(&'static str, String), Arc<ModuleSource>>,
    /// By the policy that they stand beside, and their file names.
    pub tables: BTreeMap<(&'static str, String), ReadTable>,
}

impl<'a> Modules<'a> {
    pub fn new(folder: &'a Folder, project: &'a str) -> Self {
        Self {
            folder,
            project,
            named: BTreeMap::new(),
            scripts: BTreeMap::new(),
            tables: BTreeMap::new(),
        }
    }

    pub fn first_of(
        &mut self,
        candidates: [(Scope, &Policy, &Option<StepPolicy>); 2],
        pointer: &str,
        (kind, built_in, settings): (Kind, &str, Value),
    ) -> Result<Planned, RuleSetError> {
        for (scope, policy, step) in candidates {
            if let Some(step) = step {
                return self.named(scope, policy, pointer.to_owned(), step, kind);
            }
        }
        self.built_in(kind, built_in, settings)
    }

    pub fn chain(
        &mut self,
        scope: Scope,
        policy: &Policy,
        steps: &[StepPolicy],
        chain: &mut Vec<Planned>,
    ) -> Result<(), RuleSetError> {
        for (index, step) in steps.iter().enumerate() {
            let pointer = format!("/anonymize/{index}");
            chain.push(self.named(scope, policy, pointer, step, Kind::Anonymize)?);
        }
        Ok(())
    }

    pub fn built_in(
        &mut self,
        kind: Kind,
        name: &str,
        settings: Value,
    ) -> Result<Planned, RuleSetError> {
        let step = StepPolicy {
            module: name.to_owned(),
            script: None,
            settings: settings.as_object().cloned().unwrap_or_default(),
            at: At::Import,
            enabled: true,
            tables: BTreeMap::new(),
        };
        let defaults = Policy {
            file: "built-in policy".to_owned(),
            ..Policy::default()
        };
        let pointer = format!("/{}", kind.function());
        self.named(Scope::BuiltIn, &defaults, pointer, &step, kind)
    }

    /// The module that a policy names, checked to be of the kind that its place asks for.
    fn named(
        &mut self,
        scope: Scope,
        policy: &Policy,
        pointer: String,
        step: &StepPolicy,
        kind: Kind,
    ) -> Result<Planned, RuleSetError> {
        if let Some(script) = &step.script {
            return self.scripted(scope, policy, pointer, step, script);
        }
        let name = &step.module;
        let at_module = |message: String| {
            DocumentError::content(&policy.file, &format!("{pointer}/module"), message)
        };
        // Running either of the two would be wrong for someone; the built-in policy means its own.
        if scope != Scope::BuiltIn && self.is_ambiguous(name) {
            let place = self.folder.shown(&folder_of(name));
            return Err(at_module(format!(
                "{name:?} names a shipped module and {place} too: give the folder's another name"
            ))
            .into());
        }
        let source = match self.named.get(name) {
            Some(source) => Arc::clone(source),
            None => {
                let found = self.find(name)?.map(Arc::new);
                let source = found.ok_or_else(|| at_module(self.unknown(name)))?;
                self.named.insert(name.clone(), Arc::clone(&source));
                source
            }
        };
        let found = source.manifest.kind;
        if found != kind {
            let (found, kind) = (found.function(), kind.function());
            return Err(at_module(format!("{name} is of kind {found}, not {kind}")).into());
        }
        self.planned(scope, policy, pointer, step, source)
    }

    /// A DicomEdit script from beside the policy.
    fn scripted(
        &mut self,
        scope: Scope,
        policy: &Policy,
        pointer: String,
        step: &StepPolicy,
        script: &str,
    ) -> Result<Planned, RuleSetError> {
        let (of, place) = self.beside(scope);
        let key = (of, script.to_owned());
        let source = match self.scripts.get(&key) {
            Some(source) => Arc::clone(source),
            None => {
                let source = ModuleSource::script_in(self.folder, &place, script)?;
                let source = Arc::new(source.ok_or_else(|| {
                    let place = self.folder.shown(&place);
                    let message = format!("there is no file {script:?} in {place}");
                    DocumentError::content(&policy.file, &format!("{pointer}/script"), message)
                })?);
                self.scripts.insert(key, Arc::clone(&source));
                source
            }
        };
        self.planned(scope, policy, pointer, step, source)
    }

    fn planned(
        &mut self,
        scope: Scope,
        policy: &Policy,
        pointer: String,
        step: &StepPolicy,
        source: Arc<ModuleSource>,
    ) -> Result<Planned, RuleSetError> {
        Ok(Planned {
            scope,
            file: policy.file.clone(),
            pointer,
            settings: step.settings.clone(),
            tables: self.tables(scope, step)?,
            source,
            at: step.at,
            enabled: step.enabled,
        })
    }

    /// The folder that a policy stands in: what it is called in a version, and where it is.
    fn beside(&self, scope: Scope) -> (&'static str, String) {
        let policy = self.folder.project_policy(self.project);
        match (scope, policy.rsplit_once('/')) {
            (Scope::Project, Some((place, _))) => (PROJECT, place.to_owned()),
            _ => (SITE, SITE.to_owned()),
        }
    }

    /// The tables that a policy's entry names, from beside the policy.
    fn tables(&mut self, scope: Scope, step: &StepPolicy) -> Result<Tables, RuleSetError> {
        let (of, place) = self.beside(scope);
        let mut tables = Vec::with_capacity(step.tables.len());
        for (name, file) in &step.tables {
            let key = (of, file.clone());
            if !self.tables.contains_key(&key) {
                let path = format!("{place}/{file}");
                let shown = self.folder.shown(&path);
                let text = self.folder.read(&path, TABLE_BYTES)?;
                let text = text.ok_or_else(|| RuleSetError::Unreadable {
                    file: shown.clone(),
                    message: "does not exist".to_owned(),
                })?;
                let table = Arc::new(Table::parse(&shown, &text)?);
                self.tables.insert(key.clone(), (text, table));
            }
            tables.push((name.clone(), Arc::clone(&self.tables[&key].1)));
        }
        Ok(Tables::new(tables))
    }

    fn is_ambiguous(&self, name: &str) -> bool {
        self.ships(name) && self.folder.holds(&folder_of(name))
    }

    fn ships(&self, name: &str) -> bool {
        match self.folder.holds_shipped() {
            true => self.folder.holds(&shipped_folder(name)),
            false => shipped::find(name).is_some(),
        }
    }

    fn find(&self, name: &str) -> Result<Option<ModuleSource>, RuleSetError> {
        let (own, kept) = (folder_of(name), shipped_folder(name));
        let of_version = self.folder.holds_shipped();
        let found = match shipped::find(name) {
            _ if of_version && self.folder.holds(&kept) => {
                ModuleSource::from_folder(self.folder, &kept, Origin::Shipped)?
            }
            Some(shipped) if !of_version => ModuleSource::shipped(shipped)?,
            _ if self.folder.holds(&own) => {
                ModuleSource::from_folder(self.folder, &own, Origin::Folder)?
            }
            _ => return Ok(None),
        };
        Ok(Some(found))
    }

    fn unknown(&self, name: &str) -> String {
        let mut known = self.folder.folders("modules").unwrap_or_default();
        known.extend(shipped::MODULES.iter().map(|module| module.name.to_owned()));
        let hint = did_you_mean(name, known.iter().map(String::as_str));
        format!("there is no module {name:?}{hint}")
    }
}

/// Where the rules folder, and a version, have a module of their own.
pub fn folder_of(module: &str) -> String {
    format!("modules/{module}")
}

/// Where a version keeps a module that shipped when it was made.
pub fn shipped_folder(module: &str) -> String {
    format!("shipped/{module}")
}
