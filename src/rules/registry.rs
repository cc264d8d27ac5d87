//! The rule sets of all projects: made from the rules folder when a request pins one, kept as long as
//! they are in use. A project whose rules are broken keeps its last good rule set; no project's error
//! reaches another. The store's versions and the watch on the folder are not its business.

use super::closure::Closure;
use super::error::RuleSetError;
use super::folder::Folder;
use super::manifest::Kind;
use super::module::{Module, ModuleSource, Origin};
use super::rule_set::RuleSet;
use super::shipped;
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// What the rules folder is called in messages.
const NAME: &str = "rules";

const LONGEST_PROJECT_ID: usize = 64;

pub struct Registry {
    root: PathBuf,
    state: Mutex<State>,
}

/// Shared by content, so that a hundred projects with the same policy hold one rule set.
#[derive(Default)]
struct State {
    hash_to_rule_set: HashMap<String, Weak<RuleSet>>,
    hash_to_module: HashMap<String, Weak<Module>>,
    project_to_active: BTreeMap<String, Active>,
}

#[derive(Default)]
struct Active {
    last_good: Option<Arc<RuleSet>>,
    /// Why the folder's present content isn't active, if it isn't.
    error: Option<RuleSetError>,
}

/// Where a project's rules stand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProjectStatus {
    pub project: String,
    /// Of the rule set that imports get; none if there never was a good one.
    pub active: Option<String>,
    /// Why the folder's present content isn't active, if it isn't.
    pub error: Option<String>,
    /// What a policy asks for and does not get, and why.
    pub notes: Vec<String>,
}

/// A module that policies may name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ModuleStatus {
    pub name: String,
    pub origin: Origin,
    pub kind: Option<Kind>,
    pub version: Option<String>,
    pub description: Option<String>,
    pub hash: Option<String>,
    /// Why it can't be used, if it can't.
    pub error: Option<String>,
}

impl Registry {
    /// `root` holds `site/policy.json`, `projects/<ID>/policy.json` and `modules/<name>/`; all of it
    /// is optional, and read anew at each [`Registry::pin`].
    pub fn open(root: PathBuf) -> Self {
        Self {
            root,
            state: Mutex::default(),
        }
    }

    /// The rule set for an import into `project`: of the folder's present content, or the last good
    /// one while that is broken.
    pub fn pin(&self, project: &str) -> Result<Arc<RuleSet>, RuleSetError> {
        check_project_id(project)?;
        let made = self.make(project);
        let mut state = self.state();
        let active = state
            .project_to_active
            .entry(project.to_owned())
            .or_default();
        match made {
            Ok(rule_set) => {
                active.error = None;
                active.last_good = Some(Arc::clone(&rule_set));
                Ok(rule_set)
            }
            Err(error) => {
                let last_good = active.last_good.clone();
                if active.error.as_ref() != Some(&error) {
                    tracing::warn!(
                        project,
                        code = error.code(),
                        kept = last_good.as_ref().map(|rule_set| rule_set.hash()),
                        "the project's rules are broken, see the rules' status"
                    );
                }
                active.error = Some(error.clone());
                last_good.ok_or(error)
            }
        }
    }

    /// What the folder holds now, compiled; nothing becomes active. For a check before a change.
    pub fn check(&self, project: &str) -> Result<Arc<RuleSet>, RuleSetError> {
        check_project_id(project)?;
        self.make(project)
    }

    /// Of every project that was pinned since the start.
    pub fn status(&self) -> Vec<ProjectStatus> {
        let of = |(project, active): (&String, &Active)| ProjectStatus {
            project: project.clone(),
            active: active
                .last_good
                .as_ref()
                .map(|rule_set| rule_set.hash().to_owned()),
            error: active.error.as_ref().map(RuleSetError::to_string),
            notes: active
                .last_good
                .as_ref()
                .map_or(Vec::new(), |set| set.notes().to_vec()),
        };
        self.state().project_to_active.iter().map(of).collect()
    }

    /// Every module, shipped or in the folder, compiled to see whether it can be used.
    pub fn modules(&self) -> Result<Vec<ModuleStatus>, RuleSetError> {
        let folder = Folder::open(NAME, &self.root)?;
        let shipped = shipped::MODULES.iter().map(|shipped| {
            let found = ModuleSource::shipped(shipped);
            self.module_status(shipped.name, Origin::Shipped, found)
        });
        let own = folder.folders("modules")?.into_iter().map(|name| {
            let path = format!("modules/{name}");
            let found = match shipped::find(&name) {
                None => ModuleSource::from_folder(&folder, &path),
                Some(_) => Err(RuleSetError::Unreadable {
                    file: folder.shown(&path),
                    message: "has the name of a shipped module: give it another".to_owned(),
                }),
            };
            self.module_status(&name, Origin::Folder, found)
        });
        Ok(shipped.chain(own).collect())
    }

    fn module_status(
        &self,
        name: &str,
        origin: Origin,
        found: Result<ModuleSource, RuleSetError>,
    ) -> ModuleStatus {
        let manifest = found.as_ref().ok().map(|source| source.manifest.clone());
        let hash = found.as_ref().ok().map(|source| source.hash.clone());
        let compiled = found.and_then(|source| self.module(&source));
        ModuleStatus {
            name: name.to_owned(),
            origin,
            kind: manifest.as_ref().map(|manifest| manifest.kind),
            version: manifest.as_ref().map(|manifest| manifest.version.clone()),
            description: manifest.and_then(|manifest| manifest.description),
            hash,
            error: compiled.err().map(|error| error.to_string()),
        }
    }

    /// Reads what `project` needs, and compiles it unless that was done before. Without the lock, so
    /// that no project waits for another's compiler; at worst two threads do the same work.
    fn make(&self, project: &str) -> Result<Arc<RuleSet>, RuleSetError> {
        let folder = Folder::open(NAME, &self.root)?;
        let closure = Closure::read(&folder, project)?;
        let known = self
            .state()
            .hash_to_rule_set
            .get(&closure.hash)
            .and_then(Weak::upgrade);
        if let Some(rule_set) = known {
            return Ok(rule_set);
        }
        let rule_set = Arc::new(RuleSet::compile(closure, &mut |source| {
            self.module(source)
        })?);
        let mut state = self.state();
        state
            .hash_to_rule_set
            .retain(|_, known| known.strong_count() > 0);
        let hash = rule_set.hash().to_owned();
        state
            .hash_to_rule_set
            .insert(hash, Arc::downgrade(&rule_set));
        Ok(rule_set)
    }

    fn module(&self, source: &ModuleSource) -> Result<Arc<Module>, RuleSetError> {
        let known = self
            .state()
            .hash_to_module
            .get(&source.hash)
            .and_then(Weak::upgrade);
        if let Some(module) = known {
            return Ok(module);
        }
        let module = Arc::new(source.compile()?);
        let mut state = self.state();
        state
            .hash_to_module
            .retain(|_, known| known.strong_count() > 0);
        state
            .hash_to_module
            .insert(source.hash.clone(), Arc::downgrade(&module));
        Ok(module)
    }

    /// No code that holds it can leave it half changed.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// It becomes a part of a path.
fn check_project_id(project: &str) -> Result<(), RuleSetError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    match !project.is_empty() && project.len() <= LONGEST_PROJECT_ID && project.chars().all(allowed)
    {
        true => Ok(()),
        false => Err(RuleSetError::ProjectId(project.to_owned())),
    }
}
