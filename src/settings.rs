//! XNAT's plain settings, as its REST calls read and write them, where they stand here: in the policies of
//! site and projects, and the scripts beside those.
//!
//! Nothing is kept besides: what a call sets is a change of the policy's files, and goes live, gets its version
//! and is rolled back as any other. Reading is from the folder, or from the files of an earlier version.

mod filter;
mod routing;
mod script;

use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::rules::Change;

pub use script::DEFAULT as DEFAULT_SCRIPT;

/// Whose setting it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Level {
    Site,
    Project(String),
}

/// One of the settings that are known here, by the tool and path of XNAT's configuration service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setting {
    /// The anonymization script.
    Script,
    SeriesFilter,
    /// Routing expressions of the label rule.
    Routing(Routing),
}

/// What routing expressions are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Routing {
    Project,
    Subject,
    Session,
    AutoArchive,
}

/// A setting that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    pub contents: String,
    /// What is not enabled is kept, and has no effect.
    pub enabled: bool,
}

/// A setting that shall be another: its contents, whether it is enabled, or both.
#[derive(Debug, Clone)]
pub struct Wish {
    pub setting: Setting,
    pub contents: Option<String>,
    pub enabled: Option<bool>,
}

#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    #[error("the rules folder could not be read: {0}")]
    Io(#[from] io::Error),
    /// What was given is not fit to be set.
    #[error("{0}")]
    Bad(String),
    /// The policy is such that the setting has no place in it.
    #[error("{0}")]
    NoPlace(String),
}

impl Setting {
    pub const ALL: [Setting; 6] = [
        Setting::Script,
        Setting::Routing(Routing::Project),
        Setting::Routing(Routing::Subject),
        Setting::Routing(Routing::Session),
        Setting::Routing(Routing::AutoArchive),
        Setting::SeriesFilter,
    ];

    pub fn tool(self) -> &'static str {
        match self {
            Setting::Script => "anon",
            Setting::SeriesFilter => "seriesImportFilter",
            Setting::Routing(_) => "dicom",
        }
    }

    pub fn path(self) -> &'static str {
        match self {
            Setting::Script => "script",
            Setting::SeriesFilter => "config",
            Setting::Routing(Routing::Project) => "projectRules",
            Setting::Routing(Routing::Subject) => "subjectRules",
            Setting::Routing(Routing::Session) => "sessionRules",
            Setting::Routing(Routing::AutoArchive) => "aaRules",
        }
    }

    pub fn find(tool: &str, path: &str) -> Option<Setting> {
        let mut all = Setting::ALL.into_iter();
        all.find(|setting| setting.tool() == tool && setting.path() == path)
    }

    /// Whether a project may have one of its own: which project it is, only the site says.
    pub fn is_of(self, level: &Level) -> bool {
        *level == Level::Site || self != Setting::Routing(Routing::Project)
    }

    /// What a policy and the files beside it say of it; none where they don't. `read` answers such a file's text.
    fn held(
        self,
        level: &Level,
        policy: &Policy,
        read: &Read,
    ) -> Result<Option<Held>, SettingsError> {
        match self {
            Setting::Script => script::held(level, policy, read),
            Setting::SeriesFilter => filter::held(policy),
            Setting::Routing(which) => Ok(routing::held(which, policy)),
        }
    }
}

/// A policy's JSON object; empty where there is none.
type Policy = Map<String, Value>;

type Read<'a> = dyn Fn(&str) -> Result<Option<String>, SettingsError> + 'a;

const POLICY: &str = "policy.json";

impl Level {
    /// Its folder in the rules folder.
    fn folder(&self) -> String {
        match self {
            Level::Site => "site".into(),
            Level::Project(id) => format!("projects/{id}"),
        }
    }

    /// The same in the files of a version, which is of one project and does not name it.
    pub fn folder_in_version(&self) -> &'static str {
        match self {
            Level::Site => "site",
            Level::Project(_) => "project",
        }
    }
}

/// The settings in a rules folder.
#[derive(Debug, Clone)]
pub struct Settings {
    rules: PathBuf,
}

impl Settings {
    pub fn new(rules: impl Into<PathBuf>) -> Self {
        Settings {
            rules: rules.into(),
        }
    }

    pub fn get(&self, level: &Level, setting: Setting) -> Result<Option<Held>, SettingsError> {
        let policy = self.policy(level)?;
        setting.held(level, &policy, &|file| self.text(level, file))
    }

    /// The same in the files beside each other of a version: `file` answers their texts.
    pub fn in_version(
        level: &Level,
        setting: Setting,
        file: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Held>, SettingsError> {
        let policy = parsed(level, file(POLICY).as_deref())?;
        setting.held(level, &policy, &|name| Ok(file(name)))
    }

    /// What has to be written to change settings: all of them, or none. Scripts come before the policy that names
    /// them, so that there is no moment at which one is named that isn't there.
    ///
    /// # Errors
    /// As far as can be seen without compiling anything.
    pub fn change(&self, level: &Level, wishes: &[Wish]) -> Result<Vec<Change>, SettingsError> {
        let mut policy = self.policy(level)?;
        let mut changes = Vec::new();
        let folder = level.folder();
        let change = |file: &str, text: String| Change {
            path: format!("{folder}/{file}"),
            content: Some(text.into_bytes().into()),
        };
        for wish in wishes {
            let (contents, enabled) = (wish.contents.as_deref(), wish.enabled);
            match wish.setting {
                Setting::Script => {
                    let site = self.policy(&Level::Site)?;
                    let beside = script::change(level, &mut policy, &site, contents, enabled)?;
                    changes.extend(beside.map(|(file, text)| change(&file, text)));
                }
                Setting::SeriesFilter => filter::change(&mut policy, contents, enabled)?,
                Setting::Routing(which) => {
                    let site = self.policy(&Level::Site)?;
                    routing::change(which, &mut policy, &site, contents, enabled)?;
                }
            }
        }
        let text = serde_json::to_string_pretty(&policy)
            .map_err(|error| SettingsError::Bad(error.to_string()))?;
        changes.push(change(POLICY, text + "\n"));
        Ok(changes)
    }

    fn policy(&self, level: &Level) -> Result<Policy, SettingsError> {
        parsed(level, self.text(level, POLICY)?.as_deref())
    }

    fn text(&self, level: &Level, file: &str) -> Result<Option<String>, SettingsError> {
        let path = self.rules.join(level.folder()).join(Path::new(file));
        match std::fs::read_to_string(path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

fn parsed(level: &Level, text: Option<&str>) -> Result<Policy, SettingsError> {
    let Some(text) = text else {
        return Ok(Policy::new());
    };
    serde_json::from_str(text).map_err(|error| {
        SettingsError::NoPlace(format!(
            "rules/{}/{POLICY} is not a JSON object ({error}): put it right first",
            level.folder()
        ))
    })
}

#[cfg(test)]
mod tests;
