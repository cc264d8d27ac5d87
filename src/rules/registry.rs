//! Rule sets read and compiled, each once for its content: from the rules folder as it is, as it would
//! be after a change, or from the files of an earlier version. Which of them is active for a project is
//! [`crate::rulebook`]'s to say.

use super::case::{self, Case, ModuleTests};
use super::closure::Closure;
use super::error::RuleSetError;
use super::folder::{Files, Folder};
use super::manifest::Kind;
use super::module::{Module, ModuleSource, Origin};
use super::rule_set::RuleSet;
use super::shipped;
use super::urls::Urls;
use serde::Serialize;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// What the rules folder is called in messages.
const NAME: &str = "rules";

const LONGEST_PROJECT_ID: usize = 64;

/// Of the folder's files, the components of modules are the largest.
const LARGEST_FILE: usize = 64 << 20;

pub struct Registry {
    root: PathBuf,
    state: Mutex<State>,
    urls: Arc<Urls>,
}

/// Shared by content, so that a hundred projects with the same policy hold one rule set.
#[derive(Default)]
struct State {
    hash_to_rule_set: HashMap<String, Weak<RuleSet>>,
    hash_to_module: HashMap<String, Weak<Module>>,
}

/// A project's rule set, read and put together but not compiled.
pub struct Draft(Closure);

impl Draft {
    /// Of everything that it is made of, SHA-256 in hexadecimal.
    pub fn hash(&self) -> &str {
        &self.0.hash
    }

    pub fn files(&self) -> &Files {
        &self.0.files
    }
}

/// A change of the rules folder that is not made yet.
#[derive(Debug, Clone)]
pub struct Change {
    /// Below the rules folder.
    pub path: String,
    /// None takes the file away.
    pub content: Option<Arc<[u8]>>,
}

/// A module that policies may name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
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
    /// is optional, and read anew at each [`Registry::draft`].
    pub fn open(root: PathBuf) -> Self {
        Self {
            root,
            state: Mutex::default(),
            urls: Arc::default(),
        }
    }

    /// With hosts that DicomEdit scripts may ask.
    #[must_use]
    pub fn with_urls(mut self, urls: Urls) -> Self {
        self.urls = Arc::new(urls);
        self
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// What the folder holds for a project at present, or would hold after some changes.
    ///
    /// # Errors
    /// Also if there is no folder: rules that can't be found are not rules that say nothing.
    pub fn draft(&self, project: &str, changes: &[Change]) -> Result<Draft, RuleSetError> {
        check_project_id(project)?;
        let folder = self.folder(changes)?;
        if !folder.is_there() {
            return Err(RuleSetError::Missing {
                file: NAME.to_owned(),
                message: "the rules folder is missing: mount it, or put it back; to do without rules of your own, \
                          make it as an empty folder"
                    .to_owned(),
            });
        }
        Closure::read(&folder, project).map(Draft)
    }

    /// What a file of the folder is called in messages.
    pub fn shown(&self, path: &str) -> String {
        format!("{NAME}/{path}")
    }

    /// The folder as it would be after some changes.
    pub(super) fn folder(&self, changes: &[Change]) -> Result<Folder, RuleSetError> {
        let open = Folder::open(NAME, &self.root)?;
        Ok(changes.iter().fold(open, |folder, change| {
            folder.with(&change.path, change.content.clone())
        }))
    }

    /// A file of the folder; none if there is none.
    ///
    /// # Errors
    /// If it is too large, or can't be read.
    pub fn file(&self, path: &str) -> Result<Option<Arc<[u8]>>, RuleSetError> {
        self.folder(&[])?.read(path, LARGEST_FILE)
    }

    /// What a version held, from its files.
    pub fn version(&self, files: Files) -> Result<Draft, RuleSetError> {
        let folder = Folder::of_version("version", files);
        Closure::read(&folder, "version").map(Draft)
    }

    /// What the folder holds now, compiled; nothing becomes active.
    pub fn check(&self, project: &str) -> Result<Arc<RuleSet>, RuleSetError> {
        self.compile(self.draft(project, &[])?)
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
                None => ModuleSource::from_folder(&folder, &path, Origin::Folder),
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

    /// A rule set that is in use, by its hash.
    pub fn known(&self, hash: &str) -> Option<Arc<RuleSet>> {
        self.state()
            .hash_to_rule_set
            .get(hash)
            .and_then(Weak::upgrade)
    }

    /// Compiles what was read, unless that was done before. Without the lock, so that no project waits
    /// for another's compiler; at worst two threads do the same work.
    pub fn compile(&self, draft: Draft) -> Result<Arc<RuleSet>, RuleSetError> {
        if let Some(rule_set) = self.known(draft.hash()) {
            return Ok(rule_set);
        }
        let mut module = |source: &ModuleSource| self.module(source);
        let rule_set = RuleSet::compile(draft.0, &mut module, &self.urls)?;
        let rule_set = Arc::new(rule_set);
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

    /// Compiles what is to become active, and runs the test cases that its modules of the folder have
    /// there.
    ///
    /// # Errors
    /// Also the first case that a module fails.
    pub fn stage(&self, draft: Draft) -> Result<Arc<RuleSet>, RuleSetError> {
        let own = draft.0.own_modules();
        let rule_set = self.compile(draft)?;
        for source in own {
            self.run_cases(&source)?;
        }
        Ok(rule_set)
    }

    /// Whether a module of the folder would be good with some changes: compiled, and its cases run.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn stage_module(
        &self,
        name: &str,
        changes: &[Change],
    ) -> Result<ModuleSource, RuleSetError> {
        let folder = self.folder(changes)?;
        let path = format!("modules/{name}");
        let source = ModuleSource::from_folder(&folder, &path, Origin::Folder)?;
        self.run_cases(&source)?;
        Ok(source)
    }

    fn run_cases(&self, source: &ModuleSource) -> Result<(), RuleSetError> {
        let module = self.module(source)?;
        for case in Case::read_all(&self.module_folder(&source.manifest.name)) {
            test(&case?, &module)?;
        }
        Ok(())
    }

    /// Runs all cases of a module of the folder, and says of each what came.
    ///
    /// # Errors
    /// If the module can't be used.
    pub fn test_module(&self, name: &str) -> Result<ModuleTests, RuleSetError> {
        let folder = self.folder(&[])?;
        let path = format!("modules/{name}");
        let source = ModuleSource::from_folder(&folder, &path, Origin::Folder)?;
        case::run_all(&self.module_folder(name), &source)
    }

    fn module_folder(&self, name: &str) -> PathBuf {
        self.root.join("modules").join(name)
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

fn test(case: &Case, module: &Module) -> Result<(), RuleSetError> {
    let differences = case.compare(case.run(module)?)?;
    match differences.first() {
        None => Ok(()),
        Some(first) => Err(RuleSetError::Test {
            file: format!(
                "{NAME}/modules/{}/tests/{}.json",
                module.manifest.name, case.name
            ),
            message: first.to_string(),
        }),
    }
}

/// It becomes a part of a path.
pub(super) fn check_project_id(project: &str) -> Result<(), RuleSetError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    match !project.is_empty() && project.len() <= LONGEST_PROJECT_ID && project.chars().all(allowed)
    {
        true => Ok(()),
        false => Err(RuleSetError::ProjectId(project.to_owned())),
    }
}
