//! A project made and set up: its row in the store and its policy in the rules folder.
//!
//! XNAT keeps a project's prearchive and quarantine codes in a table; here they are settings of the route module in
//! `rules/projects/<ID>/policy.json`, which these functions read and write for REST and command line.
//! What else a policy holds is left as it is; whether it is valid is the rule engine's to say.

use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::rules::Change;
use crate::store::{NewProject, Store, StoreError};
use crate::whole::replace_whole;

/// The module whose settings hold XNAT's code.
const ROUTING_MODULE: &str = "xnat-routing";

const PREARCHIVE_CODE: &str = "prearchive_code";
const QUARANTINE_CODE: &str = "quarantine_code";

#[derive(Debug, thiserror::Error)]
pub enum ProjectError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the project's policy could not be read or written: {0}")]
    Io(#[from] io::Error),
    #[error("the project's policy is not a JSON object")]
    Malformed,
    #[error("the project's policy has a route module of its own; its settings are in the policy")]
    OtherRoute,
    #[error("no project of that ID")]
    Unknown,
}

/// XNAT's prearchive codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PrearchiveCode {
    /// Sessions wait in the prearchive.
    Manual,
    /// They are archived unless something speaks against it.
    AutoArchive,
    /// And replace equal files.
    AutoArchiveOverwrite,
}

impl PrearchiveCode {
    pub fn number(self) -> u8 {
        match self {
            PrearchiveCode::Manual => 0,
            PrearchiveCode::AutoArchive => 4,
            PrearchiveCode::AutoArchiveOverwrite => 5,
        }
    }

    pub fn from_number(number: u64) -> Option<PrearchiveCode> {
        match number {
            0 => Some(PrearchiveCode::Manual),
            4 => Some(PrearchiveCode::AutoArchive),
            5 => Some(PrearchiveCode::AutoArchiveOverwrite),
            _ => None,
        }
    }

    /// As a caller writes it: XNAT also takes `true` for 1 and `false` for 0, of which 1 is no code.
    pub fn from_text(text: &str) -> Option<PrearchiveCode> {
        match text {
            "false" => Some(PrearchiveCode::Manual),
            _ => PrearchiveCode::from_number(text.parse().ok()?),
        }
    }
}

/// The policies below a rules folder.
#[derive(Debug, Clone)]
pub struct Policies {
    rules: PathBuf,
}

impl Policies {
    pub fn new(rules: impl Into<PathBuf>) -> Self {
        Policies {
            rules: rules.into(),
        }
    }

    /// Makes a project and, where a code is given, writes it into a policy. The policy comes first: a
    /// project must not take imports for a moment under a code that was not asked for.
    pub async fn create_project(
        &self,
        store: &Store,
        project: NewProject,
        code: Option<PrearchiveCode>,
        by: &str,
    ) -> Result<(), ProjectError> {
        if let Some(code) = code {
            // What the store is going to refuse must not have become a folder of rules before.
            store.projects().check_new(&project).await?;
            self.set_prearchive_code(&project.id, code)?;
        }
        Ok(store.projects().create(project, by).await?)
    }

    /// Removes an empty project; its policy is set aside, so that a later project of the same ID
    /// starts without it.
    pub async fn remove_project(
        &self,
        store: &Store,
        id: &str,
        by: &str,
    ) -> Result<(), ProjectError> {
        store.projects().remove(id, by).await?;
        let folder = self.folder(id);
        if folder.exists() {
            let aside = self.rules.join("removed");
            std::fs::create_dir_all(&aside)?;
            std::fs::rename(
                folder,
                aside.join(format!("{id}-{}", crate::store::now_ms())),
            )?;
        }
        Ok(())
    }

    /// The code that the project's policy gives, else the site's, else 0: what waits is not lost.
    pub fn prearchive_code(&self, id: &str) -> Result<PrearchiveCode, ProjectError> {
        let code = self.setting(id, PREARCHIVE_CODE)?;
        Ok(code
            .and_then(PrearchiveCode::from_number)
            .unwrap_or(PrearchiveCode::Manual))
    }

    /// Writes a code into the project's policy, which is made when it is missing.
    pub fn set_prearchive_code(&self, id: &str, code: PrearchiveCode) -> Result<(), ProjectError> {
        let policy = self.policy_with(id, PREARCHIVE_CODE, code.number())?;
        write(&self.file(id), &policy)
    }

    /// The same as a change that is not made yet.
    pub fn with_prearchive_code(
        &self,
        id: &str,
        code: PrearchiveCode,
    ) -> Result<Change, ProjectError> {
        self.change(id, PREARCHIVE_CODE, code.number())
    }

    /// Whether what would be archived at once is held for review.
    pub fn quarantines(&self, id: &str) -> Result<bool, ProjectError> {
        Ok(self.setting(id, QUARANTINE_CODE)? == Some(1))
    }

    /// The change that makes it so, or not so.
    pub fn with_quarantine(&self, id: &str, on: bool) -> Result<Change, ProjectError> {
        self.change(id, QUARANTINE_CODE, on.into())
    }

    fn change(&self, id: &str, setting: &str, code: u8) -> Result<Change, ProjectError> {
        let policy = self.policy_with(id, setting, code)?;
        Ok(Change {
            path: format!("projects/{id}/policy.json"),
            content: Some(to_text(&policy)?.into_bytes().into()),
        })
    }

    /// A setting of the route step that holds for the project: its own, or the site's where it has none.
    fn setting(&self, id: &str, name: &str) -> Result<Option<u64>, ProjectError> {
        let has_route = |policy: &Option<Value>| {
            let route = policy.as_ref().and_then(|policy| policy.get("route"));
            route.is_some()
        };
        let own = read(&self.file(id))?;
        let policy = match has_route(&own) {
            true => own,
            false => read(&self.site_file())?,
        };
        let path = format!("/route/settings/{name}");
        let code = policy.as_ref().and_then(|policy| policy.pointer(&path));
        Ok(code.and_then(Value::as_u64))
    }

    fn policy_with(&self, id: &str, setting: &str, code: u8) -> Result<Value, ProjectError> {
        let mut policy = read(&self.file(id))?.unwrap_or_else(|| json!({}));
        // A project's step stands in the place of the site's as a whole: what that says has to go on.
        let site = read(&self.site_file())?;
        let of_site = site.as_ref().and_then(|site| site.get("route"));
        let of_site = of_site.filter(|route| route["module"] == ROUTING_MODULE);
        let route = policy
            .as_object_mut()
            .ok_or(ProjectError::Malformed)?
            .entry("route")
            .or_insert_with(|| match of_site {
                Some(route) => json!({ "module": ROUTING_MODULE, "settings": route["settings"] }),
                None => json!({ "module": ROUTING_MODULE }),
            });
        if route["module"] != ROUTING_MODULE {
            return Err(ProjectError::OtherRoute);
        }
        let settings = &mut route["settings"];
        if settings.is_null() {
            *settings = json!({});
        }
        settings
            .as_object_mut()
            .ok_or(ProjectError::Malformed)?
            .insert(setting.into(), code.into());
        Ok(policy)
    }

    fn folder(&self, id: &str) -> PathBuf {
        self.rules.join("projects").join(id)
    }

    fn file(&self, id: &str) -> PathBuf {
        self.folder(id).join("policy.json")
    }

    fn site_file(&self) -> PathBuf {
        self.rules.join("site").join("policy.json")
    }
}

fn read(file: &Path) -> Result<Option<Value>, ProjectError> {
    match std::fs::read(file) {
        Ok(bytes) => Ok(Some(
            serde_json::from_slice(&bytes).map_err(|_| ProjectError::Malformed)?,
        )),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn write(file: &Path, policy: &Value) -> Result<(), ProjectError> {
    Ok(replace_whole(file, to_text(policy)?.as_bytes())?)
}

fn to_text(policy: &Value) -> Result<String, ProjectError> {
    let text = serde_json::to_string_pretty(policy).map_err(|_| ProjectError::Malformed)?;
    Ok(text + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_projects_code_wins_over_the_sites_and_the_rest_of_the_policy_stays() {
        let folder = tempfile::tempdir().unwrap();
        let policies = Policies::new(folder.path());
        assert_eq!(
            policies.prearchive_code("P").unwrap(),
            PrearchiveCode::Manual
        );
        write(
            &folder.path().join("site/policy.json"),
            &json!({ "route": { "module": "xnat-routing", "settings": { "prearchive_code": 4 } } }),
        )
        .unwrap();
        assert_eq!(
            policies.prearchive_code("P").unwrap(),
            PrearchiveCode::AutoArchive
        );
        let file = folder.path().join("projects/P/policy.json");
        write(&file, &json!({ "leak_check": "report" })).unwrap();
        policies
            .set_prearchive_code("P", PrearchiveCode::AutoArchiveOverwrite)
            .unwrap();
        assert_eq!(policies.prearchive_code("P").unwrap().number(), 5);
        assert_eq!(read(&file).unwrap().unwrap()["leak_check"], "report");
    }

    #[test]
    fn a_projects_first_code_leaves_the_sites_others_as_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let policies = Policies::new(folder.path());
        write(
            &folder.path().join("site/policy.json"),
            &json!({ "route": { "module": "xnat-routing", "settings": { "prearchive_code": 4 } } }),
        )
        .unwrap();
        assert!(!policies.quarantines("P").unwrap());
        let change = policies.with_quarantine("P", true).unwrap();
        let policy: Value = serde_json::from_slice(&change.content.unwrap()).unwrap();
        let expected = json!({ "prearchive_code": 4, "quarantine_code": 1 });
        assert_eq!(policy["route"]["settings"], expected);
        write(&folder.path().join("projects/P/policy.json"), &policy).unwrap();
        assert!(policies.quarantines("P").unwrap());
        assert_eq!(policies.prearchive_code("P").unwrap().number(), 4);
    }

    #[test]
    fn a_route_module_of_ones_own_is_not_touched() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("projects/P/policy.json");
        write(&file, &json!({ "route": { "module": "mine" } })).unwrap();
        let set = Policies::new(folder.path()).set_prearchive_code("P", PrearchiveCode::Manual);
        assert!(matches!(set, Err(ProjectError::OtherRoute)));
    }

    #[test]
    fn codes_are_read_as_xnat_reads_them() {
        let numbers = |text| PrearchiveCode::from_text(text).map(PrearchiveCode::number);
        assert_eq!(
            ["0", "4", "5", "false"].map(numbers),
            [Some(0), Some(4), Some(5), Some(0)]
        );
        assert_eq!(["1", "true", "x", ""].map(numbers), [None; 4]);
    }
}
