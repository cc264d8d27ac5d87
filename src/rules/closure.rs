//! Everything that a project's rule set is made of, read and put together, nothing compiled yet: the
//! two policies, what each leaves to the other, the modules that they name, and one hash over it all.

use super::document::{DocumentError, did_you_mean};
use super::error::RuleSetError;
use super::filter::Filter;
use super::folder::{Files, Folder};
use super::manifest::Kind;
use super::module::{ContentHash, ModuleSource, Origin};
use super::policy::{At, FileNames, LeakCheck, Overwrite, Policy, Scope, StepPolicy};
use super::shipped;
use super::tables::{TABLE_BYTES, Table, Tables};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

const POLICY_BYTES: usize = 1 << 20;

/// Where a version keeps what stands beside the two policies.
const SITE: &str = "site";
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

pub struct Closure {
    /// SHA-256 in hexadecimal. Depends on content only, not on the project's name or the machine.
    pub hash: String,
    /// Of what the site alone decides, in the same way.
    pub site_hash: String,
    pub label: Planned,
    pub chain: Vec<Planned>,
    /// Anonymize steps that are switched off.
    pub off: Vec<Planned>,
    pub route: Planned,
    pub filters: Vec<(Scope, Filter)>,
    pub leak_check: LeakCheck,
    pub file_names: FileNames,
    pub overwrite: Overwrite,
    /// What a policy asks for and does not get, and why.
    pub notes: Vec<String>,
    /// All that it was made of: `site/policy.json`, `project/policy.json`, tables beside them,
    /// `modules/<name>/…` and `shipped/<name>/…`. Read again ([`Folder::of_version`]), they give the same.
    pub files: Files,
    /// The candidate that a policy names to run beside it; or why it can't be used, which is no reason not to
    /// use the rest.
    pub shadow: Option<Result<Box<Closure>, RuleSetError>>,
}

impl Closure {
    /// `project` has been checked to be a bare name.
    pub fn read(folder: &Folder, project: &str) -> Result<Self, RuleSetError> {
        let paths = [
            "site/policy.json".to_owned(),
            folder.project_policy(project),
        ];
        let mut texts = [None, None];
        for (text, path) in texts.iter_mut().zip(&paths) {
            *text = folder.read(path, POLICY_BYTES)?;
        }
        let parse = |at: usize| parse_policy(folder.shown(&paths[at]), texts[at].as_deref());
        let (site, own) = (parse(0)?, parse(1)?);
        let tried = |policy: &Policy, text: &Option<Arc<[u8]>>| {
            let shadow = policy.shadow.as_deref();
            parse_policy(
                format!("{} (shadow)", policy.file),
                shadow.or(text.as_deref()),
            )
        };
        let shadow = (site.shadow.is_some() || own.shadow.is_some()).then(|| {
            let (site, own) = (tried(&site, &texts[0])?, tried(&own, &texts[1])?);
            Self::assemble(folder, project, "sluice shadow 1", &texts, site, own)
        });
        let mut closure = Self::assemble(folder, project, "sluice rule set 1", &texts, site, own)?;
        if let Some(shadow) = shadow {
            closure.add_shadow(shadow);
        }
        Ok(closure)
    }

    fn add_shadow(&mut self, shadow: Result<Self, RuleSetError>) {
        let mut hash = ContentHash::new("sluice rule set with a shadow 1");
        hash.part(self.hash.as_bytes());
        match &shadow {
            Ok(shadow) => {
                hash.part(shadow.hash.as_bytes());
                self.files.extend(shadow.files.clone());
            }
            Err(error) => self
                .notes
                .push(format!("the shadow can't be used: {error}")),
        }
        self.hash = hash.finish();
        self.shadow = Some(shadow.map(Box::new));
    }

    /// What two policies make together. `texts` are theirs, as they are kept.
    fn assemble(
        folder: &Folder,
        project: &str,
        domain: &str,
        texts: &[Option<Arc<[u8]>>; 2],
        site: Policy,
        own: Policy,
    ) -> Result<Self, RuleSetError> {
        let mut hash = ContentHash::new(domain);
        let mut files = Files::new();
        for (text, kept) in texts
            .iter()
            .zip(["site/policy.json", "project/policy.json"])
        {
            hash.part(text.as_deref().unwrap_or_default());
            files.extend(text.clone().map(|text| (kept.to_owned(), text)));
        }
        let mut modules = Modules {
            folder,
            project,
            named: BTreeMap::new(),
            scripts: BTreeMap::new(),
            tables: BTreeMap::new(),
        };

        let label = modules.first_of(
            [
                (Scope::Project, &own, &own.label),
                (Scope::Site, &site, &site.label),
            ],
            "/label",
            (Kind::Label, "xnat-labels", json!({})),
        )?;
        let route = modules.first_of(
            [
                (Scope::Project, &own, &own.route),
                (Scope::Site, &site, &site.route),
            ],
            "/route",
            (Kind::Route, "xnat-routing", json!({ "prearchive_code": 0 })),
        )?;
        let mut chain = Vec::new();
        match &site.anonymize {
            Some(steps) => modules.chain(Scope::Site, &site, steps, &mut chain)?,
            None => chain.push(modules.built_in(Kind::Anonymize, "xnat-default", json!({}))?),
        }
        modules.chain(
            Scope::Project,
            &own,
            own.anonymize.as_deref().unwrap_or_default(),
            &mut chain,
        )?;
        let (chain, off): (Vec<_>, Vec<_>) = chain.into_iter().partition(|step| step.enabled);

        for (name, source) in &modules.named {
            hash.part(name.as_bytes());
            hash.part(source.hash.as_bytes());
            let kept = match source.origin {
                Origin::Shipped => shipped_folder(name),
                Origin::Folder => folder_of(name),
            };
            let of_module = source.files();
            files.extend(of_module.map(|(file, text)| (format!("{kept}/{file}"), text.clone())));
        }
        for ((place, name), source) in &modules.scripts {
            hash.part(place.as_bytes());
            hash.part(name.as_bytes());
            hash.part(source.hash.as_bytes());
            let text = Arc::clone(source.code());
            files.insert(format!("{place}/{name}"), text);
        }
        let mut site_hash = ContentHash::new("sluice site rules 1");
        site_hash.part(files.get("site/policy.json").map_or(&[], |text| text));
        let of_site = |step: &&Planned| step.scope != Scope::Project;
        for step in [&label, &route].into_iter().chain(&chain).filter(of_site) {
            site_hash.part(step.source.hash.as_bytes());
        }
        for ((place, name), (text, _)) in &modules.tables {
            hash.part(place.as_bytes());
            hash.part(name.as_bytes());
            hash.part(text);
            if *place == SITE {
                site_hash.part(name.as_bytes());
                site_hash.part(text);
            }
            files.insert(format!("{place}/{name}"), text.clone());
        }
        let mut notes = Vec::new();
        let leak_check = stricter_leak_check(&site, &own, &mut notes);
        let overwrite = stricter_overwrite(&site, &own, &mut notes);
        let file_names = own.file_names.or(site.file_names).unwrap_or_default();
        let filters = [
            (Scope::Site, site.series_filter),
            (Scope::Project, own.series_filter),
        ];
        Ok(Self {
            hash: hash.finish(),
            site_hash: site_hash.finish(),
            label,
            chain,
            off,
            route,
            filters: filters
                .into_iter()
                .filter_map(|(scope, filter)| Some((scope, filter?)))
                .filter(|(_, filter)| !filter.is_open())
                .collect(),
            leak_check,
            file_names,
            overwrite,
            notes,
            files,
            shadow: None,
        })
    }
}

impl Closure {
    /// The modules that come from the rules folder, each once.
    pub fn own_modules(&self) -> Vec<Arc<ModuleSource>> {
        let steps = [&self.label, &self.route].into_iter().chain(&self.chain);
        let own =
            steps.filter(|step| step.source.origin == Origin::Folder && !step.source.is_loose());
        let name_to_source: BTreeMap<_, _> = own
            .map(|step| (&step.source.manifest.name, &step.source))
            .collect();
        name_to_source.into_values().map(Arc::clone).collect()
    }
}

/// One that doesn't exist leaves everything out.
fn parse_policy(file: String, text: Option<&[u8]>) -> Result<Policy, RuleSetError> {
    match text {
        Some(text) => Ok(Policy::parse(&file, text)?),
        None => Ok(Policy {
            file,
            ..Policy::default()
        }),
    }
}

/// A project can't loosen the site's leak check. Not an error: the site may become stricter at any
/// time, and that must not keep a project on its old, looser rules.
fn stricter_leak_check(site: &Policy, own: &Policy, notes: &mut Vec<String>) -> LeakCheck {
    let held = site.leak_check.unwrap_or_default();
    let wished = own.leak_check.unwrap_or(held);
    if wished < held {
        notes.push(format!(
            "{}: /leak_check: {wished:?} is looser than the site's {held:?}, which holds",
            own.file
        ));
    }
    wished.max(held)
}

/// Nor can it have more overwritten than the site allows.
fn stricter_overwrite(site: &Policy, own: &Policy, notes: &mut Vec<String>) -> Overwrite {
    let held = site.overwrite.unwrap_or_default();
    let wished = own.overwrite.unwrap_or(held);
    if wished > held {
        notes.push(format!(
            "{}: /overwrite: {wished:?} is looser than the site's {held:?}, which holds",
            own.file
        ));
    }
    wished.min(held)
}

/// A table's text and what it says.
type ReadTable = (Arc<[u8]>, Arc<Table>);

/// The modules that policies name, each read once.
struct Modules<'a> {
    folder: &'a Folder,
    project: &'a str,
    named: BTreeMap<String, Arc<ModuleSource>>,
    /// DicomEdit scripts, by the policy that they stand beside, and their file names.
    scripts: BTreeMap<(&'static str, String), Arc<ModuleSource>>,
    /// By the policy that they stand beside, and their file names.
    tables: BTreeMap<(&'static str, String), ReadTable>,
}

impl Modules<'_> {
    fn first_of(
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

    fn chain(
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

    fn built_in(
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

fn folder_of(module: &str) -> String {
    format!("modules/{module}")
}

/// Where a version keeps a module that shipped when it was made.
fn shipped_folder(module: &str) -> String {
    format!("shipped/{module}")
}
