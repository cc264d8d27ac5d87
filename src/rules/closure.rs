//! Everything that a project's rule set is made of, read and put together, nothing compiled yet: the
//! two policies, what each leaves to the other, the modules that they name, and one hash over it all.

mod modules;

use super::error::RuleSetError;
use super::filter::Filter;
use super::folder::{Files, Folder};
use super::hash::ContentHash;
use super::manifest::Kind;
use super::module::{ModuleSource, Origin};
use super::policy::{FileNames, LeakCheck, Overwrite, Policy, Scope};
pub use modules::Planned;
use modules::{Modules, SITE, folder_of, shipped_folder};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;

const POLICY_BYTES: usize = 1 << 20;

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
        let mut modules = Modules::new(folder, project);

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
