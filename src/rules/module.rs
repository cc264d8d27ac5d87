//! One rule module: read ([`ModuleSource`]), then checked and compiled ([`Module`]). Where it is used,
//! and with which settings, is said by a policy.

use super::answer::{Answer, RuleFailure};
use super::dicomedit::{self, DicomEditEngine};
use super::document::{DocumentError, Schema, did_you_mean};
use super::engine::{CompileError, Engine, Ran};
use super::error::RuleSetError;
use super::folder::Folder;
use super::hash::ContentHash;
use super::host::{Access, Host};
use super::manifest::{EngineKind, Manifest};
use super::rhai::RhaiEngine;
use super::rhai::inspect::inspect;
use super::shipped::{self, Shipped};
use super::tables::{TABLE_BYTES, Table, Tables};
use super::usage::Reached;
use super::wasm::WasmEngine;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

/// A manifest, a schema: far more than anyone writes by hand.
const DOCUMENT_BYTES: usize = 1 << 20;
/// A script; and a component, those with an interpreter inside being the largest.
const SCRIPT_BYTES: usize = 1 << 20;
const WASM_BYTES: usize = 64 << 20;

pub(super) const MANIFEST: &str = "module.json";
const SETTINGS: &str = "settings.schema.json";

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// Part of Sluice.
    Shipped,
    /// From the rules folder.
    Folder,
}

/// A module as it was read: the manifest is checked, nothing is compiled.
#[derive(Debug)]
pub struct ModuleSource {
    pub manifest: Manifest,
    pub origin: Origin,
    /// Of all its files, SHA-256 in hexadecimal.
    pub hash: String,
    /// Where it is, for messages.
    place: String,
    manifest_text: Arc<[u8]>,
    code: Arc<[u8]>,
    settings: Option<Arc<[u8]>>,
    tables: Vec<ModuleTable>,
}

/// A table of the module's own.
#[derive(Debug)]
struct ModuleTable {
    name: String,
    file: String,
    text: Arc<[u8]>,
    table: Arc<Table>,
}

/// A module that can run.
pub struct Module {
    pub manifest: Manifest,
    pub origin: Origin,
    pub hash: String,
    pub access: Arc<Access>,
    pub engine: Box<dyn Engine>,
    /// Its own; a policy may put others over them.
    pub tables: Tables,
    settings: Option<Schema>,
}

impl ModuleSource {
    pub fn shipped(shipped: &'static Shipped) -> Result<Self, RuleSetError> {
        Self::read(shipped.folder, Origin::Shipped, |file, _| {
            Ok(shipped.file(file).map(Arc::from))
        })
    }

    /// A shipped module by its name; the error names a near one.
    pub fn by_name(name: &str) -> Result<Self, RuleSetError> {
        match shipped::find(name) {
            Some(shipped) => Self::shipped(shipped),
            None => {
                let known = shipped::MODULES.iter().map(|module| module.name);
                let message = format!(
                    "there is no shipped module, and no folder, of that name{}",
                    did_you_mean(name, known)
                );
                Err(RuleSetError::Unreadable {
                    file: name.to_owned(),
                    message,
                })
            }
        }
    }

    /// Code without a manifest, as an anonymize rule that may read and write everything.
    pub fn loose(path: &Path, engine: EngineKind) -> Result<Self, RuleSetError> {
        let unreadable = |message: String| RuleSetError::Unreadable {
            file: path.display().to_string(),
            message,
        };
        let (Some(folder), Some(entry)) =
            (path.parent(), path.file_name().and_then(|n| n.to_str()))
        else {
            return Err(unreadable("is no file".to_owned()));
        };
        let folder = if folder.as_os_str().is_empty() {
            Path::new(".")
        } else {
            folder
        };
        let place = folder.display().to_string();
        let limit = code_bytes(engine);
        let code = Folder::open(&place, folder)?
            .read(entry, limit)?
            .ok_or_else(|| unreadable("does not exist".to_owned()))?;
        let mut hash = ContentHash::new("sluice loose rule 1");
        hash.part(&code);
        Ok(Self {
            manifest: Manifest::permissive(entry, engine),
            origin: Origin::Folder,
            hash: hash.finish(),
            place,
            manifest_text: Arc::from([]),
            code,
            settings: None,
            tables: Vec::new(),
        })
    }

    /// A DicomEdit script from a folder inside the rules folder, as an anonymize rule by its file's name; none if
    /// there is none.
    pub fn script_in(
        folder: &Folder,
        place: &str,
        file: &str,
    ) -> Result<Option<Self>, RuleSetError> {
        let engine = EngineKind::DicomEdit;
        let Some(code) = folder.read(&format!("{place}/{file}"), code_bytes(engine))? else {
            return Ok(None);
        };
        let mut hash = ContentHash::new("sluice script 1");
        hash.part(file.as_bytes());
        hash.part(&code);
        Ok(Some(Self {
            manifest: Manifest::permissive(file, engine),
            origin: Origin::Folder,
            hash: hash.finish(),
            place: folder.shown(place),
            manifest_text: Arc::from([]),
            code,
            settings: None,
            tables: Vec::new(),
        }))
    }

    /// `path` is the module's folder inside `folder`. The manifest's name must be the folder's.
    pub fn from_folder(folder: &Folder, path: &str, origin: Origin) -> Result<Self, RuleSetError> {
        let place = folder.shown(path);
        let source = Self::read(&place, origin, |file, limit| {
            folder.read(&format!("{path}/{file}"), limit)
        })?;
        let name = path.rsplit('/').next().unwrap_or(path);
        if source.manifest.name != name {
            let message = format!(
                "{:?} is not the folder's name, {name:?}",
                source.manifest.name
            );
            let file = format!("{place}/{MANIFEST}");
            return Err(DocumentError::content(&file, "/name", message).into());
        }
        Ok(source)
    }

    /// A module folder anywhere, for the command line.
    pub fn open(path: &Path) -> Result<Self, RuleSetError> {
        let folder = Folder::open(&path.display().to_string(), path)?;
        Self::read(
            &path.display().to_string(),
            Origin::Folder,
            |file, limit| folder.read(file, limit),
        )
    }

    fn read(
        place: &str,
        origin: Origin,
        read: impl Fn(&str, usize) -> Result<Option<Arc<[u8]>>, RuleSetError>,
    ) -> Result<Self, RuleSetError> {
        let needed = |file: &str, limit: usize| {
            read(file, limit)?.ok_or_else(|| RuleSetError::Unreadable {
                file: format!("{place}/{file}"),
                message: "does not exist".to_owned(),
            })
        };
        let manifest_text = needed(MANIFEST, DOCUMENT_BYTES)?;
        let manifest = Manifest::parse(&format!("{place}/{MANIFEST}"), &manifest_text)?;
        let code = needed(&manifest.entry, code_bytes(manifest.engine))?;
        let settings = read(SETTINGS, DOCUMENT_BYTES)?;
        let mut hash = ContentHash::new("sluice module 1");
        hash.part(&manifest_text);
        hash.part(&code);
        hash.part(settings.as_deref().unwrap_or_default());
        let mut tables = Vec::with_capacity(manifest.tables.len());
        for (name, file) in &manifest.tables {
            let text = needed(file, TABLE_BYTES)?;
            let table = Table::parse(&format!("{place}/{file}"), &text)?;
            hash.part(name.as_bytes());
            hash.part(&text);
            tables.push(ModuleTable {
                name: name.clone(),
                file: file.clone(),
                text,
                table: Arc::new(table),
            });
        }
        let hash = hash.finish();
        Ok(Self {
            tables,
            manifest,
            origin,
            hash,
            place: place.to_owned(),
            manifest_text,
            code,
            settings,
        })
    }

    /// Whether it is code alone, without a manifest and a folder of its own.
    pub fn is_loose(&self) -> bool {
        self.manifest_text.is_empty()
    }

    pub(super) fn code(&self) -> &Arc<[u8]> {
        &self.code
    }

    /// The code, where it is a script.
    pub fn script(&self) -> Option<&str> {
        match self.manifest.engine {
            EngineKind::DicomEdit | EngineKind::Rhai => std::str::from_utf8(&self.code).ok(),
            EngineKind::Wasm => None,
        }
    }

    /// The lines on which a statement of the script starts; none where the code is no script.
    pub fn script_lines(&self) -> Option<BTreeSet<usize>> {
        let code = self.script()?;
        Some(match self.manifest.engine {
            EngineKind::DicomEdit => dicomedit::lines(code),
            _ => inspect(&self.manifest, code)
                .map_or_else(|_| BTreeSet::new(), |script| script.lines),
        })
    }

    /// What settings it takes, as far as that is JSON.
    pub fn settings_schema(&self) -> Option<Value> {
        serde_json::from_slice(self.settings.as_deref()?).ok()
    }

    /// Its files, by their names in its folder.
    pub fn files(&self) -> impl Iterator<Item = (&str, &Arc<[u8]>)> {
        let settings = self.settings.iter().map(|text| (SETTINGS, text));
        [
            (MANIFEST, &self.manifest_text),
            (self.manifest.entry.as_str(), &self.code),
        ]
        .into_iter()
        .chain(settings)
        .chain((self.tables.iter()).map(|table| (table.file.as_str(), &table.text)))
    }

    pub fn compile(&self) -> Result<Module, RuleSetError> {
        self.compile_as(None)
    }

    /// Compiled so that the lines which its runs reach are noted, where it is a script. Slower; for coverage.
    pub fn compile_watched(&self) -> Result<(Module, Arc<Reached>), RuleSetError> {
        let reached = Arc::new(Reached::default());
        let module = self.compile_as(Some(Arc::clone(&reached)))?;
        Ok((module, reached))
    }

    fn compile_as(&self, reached: Option<Arc<Reached>>) -> Result<Module, RuleSetError> {
        let access = self
            .manifest
            .access(&format!("{}/{MANIFEST}", self.place))?;
        let settings = match &self.settings {
            Some(text) => Some(Schema::compile(
                &format!("{}/{SETTINGS}", self.place),
                text,
            )?),
            None => None,
        };
        let engine: Result<Box<dyn Engine>, CompileError> = match self.manifest.engine {
            EngineKind::DicomEdit => {
                DicomEditEngine::compile(&self.manifest, &self.code, reached).map(boxed)
            }
            EngineKind::Rhai => RhaiEngine::compile(&self.manifest, &self.code, reached).map(boxed),
            EngineKind::Wasm => WasmEngine::compile(&self.manifest, &self.code).map(boxed),
        };
        let engine = engine.map_err(|error| RuleSetError::Code {
            file: format!("{}/{}", self.place, self.manifest.entry),
            position: error.position,
            message: error.message,
        })?;
        Ok(Module {
            manifest: self.manifest.clone(),
            origin: self.origin,
            hash: self.hash.clone(),
            access: Arc::new(access),
            engine,
            settings,
            tables: Tables::new(
                (self.tables.iter()).map(|own| (own.name.clone(), Arc::clone(&own.table))),
            ),
        })
    }
}

fn code_bytes(engine: EngineKind) -> usize {
    match engine {
        EngineKind::DicomEdit | EngineKind::Rhai => SCRIPT_BYTES,
        EngineKind::Wasm => WASM_BYTES,
    }
}

impl Module {
    /// One run of the module. What the host refused fails it, whatever the rule then answered.
    pub fn run<T: Answer>(
        &self,
        host: Host,
        call: impl FnOnce(&dyn Engine, Host) -> Ran<T>,
    ) -> Ran<T> {
        let Ran {
            host,
            answer,
            spent,
        } = call(&*self.engine, host);
        // What is still to be seen in the picture is not let through. A rule may catch the error, and reject
        // or quarantine; one that doesn't fails with it.
        let is_let_through = match &answer {
            Ok(answer) => answer.keeps(),
            Err(failure) => matches!(failure, RuleFailure::Error { .. }),
        };
        let not_redacted = host.not_redacted().filter(|_| is_let_through);
        let refused = host.refusal().or(not_redacted).cloned();
        // Nor is what a rule could not look into, though it meant all that is anywhere.
        let is_stored = answer.as_ref().is_ok_and(Answer::stores);
        let answer = match refused.or_else(|| host.left_closed().filter(|_| is_stored)) {
            Some((refusal, position)) => Err(RuleFailure::Refused {
                module: self.manifest.name.clone(),
                position,
                refusal,
            }),
            None => answer,
        };
        Ran {
            host,
            answer,
            spent,
        }
    }

    /// `file` and `pointer` say where the settings stand.
    pub fn check_settings(
        &self,
        file: &str,
        pointer: &str,
        settings: &Value,
    ) -> Result<(), DocumentError> {
        match &self.settings {
            Some(schema) => schema.check(file, pointer, settings),
            None if settings.as_object().is_none_or(|map| map.is_empty()) => Ok(()),
            None => {
                let message = format!("{} takes no settings", self.manifest.name);
                Err(DocumentError::content(file, pointer, message))
            }
        }
    }
}

fn boxed<E: Engine + 'static>(engine: E) -> Box<dyn Engine> {
    Box::new(engine)
}
