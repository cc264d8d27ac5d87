//! Modules in all that they say of themselves: for whoever chooses a module, sets it, or reads its files.

use super::error::RuleSetError;
use super::folder::Folder;
use super::manifest::EngineKind;
use super::module::{ModuleSource, Origin};
use super::registry::{Change, ModuleStatus, Registry};
use super::shipped;
use serde::Serialize;
use serde_json::Value;

/// A module with its manifest, and what settings it takes.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct ModuleDetail {
    #[serde(flatten)]
    pub status: ModuleStatus,
    /// What follows is of its manifest, as far as that can be read.
    pub engine: Option<EngineKind>,
    /// The file that holds its code.
    pub entry: Option<String>,
    pub reads: Vec<String>,
    pub writes: Vec<String>,
    pub author: Option<String>,
    pub licence: Option<String>,
    /// The JSON Schema of its settings; null: it takes none.
    pub settings: Option<Value>,
    /// The files in its folder.
    pub files: Vec<String>,
}

impl Registry {
    /// A module, shipped or in the folder; none if there is none of that name.
    ///
    /// # Errors
    /// If the folder can't be read. What is wrong with the module is in its status.
    pub fn module_detail(&self, name: &str) -> Result<Option<ModuleDetail>, RuleSetError> {
        let Some(status) = self.modules()?.into_iter().find(|m| m.name == name) else {
            return Ok(None);
        };
        let folder = self.folder(&[])?;
        let found = read(&folder, name, status.origin).ok();
        let files = match status.origin {
            Origin::Shipped => shipped::find(name).map_or(Vec::new(), |shipped| {
                shipped
                    .files
                    .iter()
                    .map(|(file, _)| (*file).to_owned())
                    .collect()
            }),
            Origin::Folder => folder.files(&format!("modules/{name}"))?,
        };
        let settings = found.as_ref().and_then(ModuleSource::settings_schema);
        let manifest = found.map(|source| source.manifest);
        let (reads, writes) = match &manifest {
            Some(manifest) => (manifest.reads.clone(), manifest.writes.clone()),
            None => Default::default(),
        };
        Ok(Some(ModuleDetail {
            status,
            engine: manifest.as_ref().map(|manifest| manifest.engine),
            entry: manifest.as_ref().map(|manifest| manifest.entry.clone()),
            author: manifest
                .as_ref()
                .and_then(|manifest| manifest.author.clone()),
            licence: manifest.and_then(|manifest| manifest.licence),
            reads,
            writes,
            settings,
            files,
        }))
    }

    /// Where a module of that name would be taken from.
    pub fn origin_of(&self, name: &str) -> Option<Origin> {
        match shipped::find(name) {
            Some(_) => Some(Origin::Shipped),
            None => {
                let folder = self.folder(&[]).ok()?;
                folder
                    .holds(&format!("modules/{name}"))
                    .then_some(Origin::Folder)
            }
        }
    }

    /// Whether a module of the folder consists of a file, after some changes.
    ///
    /// # Errors
    /// If the module could not be read then.
    pub fn has_module_file(
        &self,
        name: &str,
        file: &str,
        changes: &[Change],
    ) -> Result<bool, RuleSetError> {
        let source = read(&self.folder(changes)?, name, Origin::Folder)?;
        Ok(source.files().any(|(known, _)| known == file))
    }

    /// A file of a module; none if there is none.
    ///
    /// # Errors
    /// If it is too large, or can't be read.
    pub fn module_file(
        &self,
        name: &str,
        file: &str,
    ) -> Result<Option<std::sync::Arc<[u8]>>, RuleSetError> {
        match shipped::find(name) {
            Some(shipped) => Ok(shipped.file(file).map(std::sync::Arc::from)),
            None => self.file(&format!("modules/{name}/{file}")),
        }
    }
}

fn read(folder: &Folder, name: &str, origin: Origin) -> Result<ModuleSource, RuleSetError> {
    match origin {
        Origin::Shipped => ModuleSource::by_name(name),
        Origin::Folder => ModuleSource::from_folder(folder, &format!("modules/{name}"), origin),
    }
}
