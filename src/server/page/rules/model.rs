//! Rules as the REST interface shows them.

use serde::Deserialize;
use serde_json::Value;

use super::super::super::address::address;
use super::super::{Refusal, Visitor};

/// What stands for the site where a project's ID would stand; no ID has such a character.
const SITE: &str = "~site";

#[derive(Deserialize)]
pub struct Status {
    pub project: String,
    pub active: Option<Activation>,
    pub draft: Option<String>,
    pub error: Option<String>,
    pub notes: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Activation {
    pub rule_set: String,
    pub at: i64,
    pub username: String,
    pub reason: String,
}

#[derive(Deserialize)]
pub struct Chain {
    pub rule_set: String,
    pub steps: Vec<Step>,
    pub leak_check: String,
    pub overwrite: String,
    pub file_names: String,
    pub notes: Vec<String>,
}

#[derive(Deserialize)]
pub struct Step {
    pub scope: String,
    pub kind: String,
    pub module: String,
    pub version: String,
    #[serde(default)]
    pub at: Option<String>,
    pub engine: String,
    pub settings: serde_json::Map<String, Value>,
}

impl Step {
    pub fn owner(&self) -> &'static str {
        match self.scope.as_str() {
            "site" => "the site's",
            "project" => "the project's",
            _ => "built in",
        }
    }

    /// A script beside a policy goes by its file's name; a module's name has no dot.
    pub fn is_script(&self) -> bool {
        self.module.contains('.')
    }

    pub fn waits(&self) -> bool {
        self.at.as_deref() == Some("archive")
    }
}

#[derive(Deserialize, Clone)]
pub struct Module {
    pub name: String,
    pub origin: String,
    pub kind: Option<String>,
    pub version: Option<String>,
    pub description: Option<String>,
    pub error: Option<String>,
}

#[derive(Deserialize)]
pub struct ModuleDetail {
    #[serde(flatten)]
    pub module: Module,
    pub engine: Option<String>,
    pub entry: Option<String>,
    pub reads: Vec<String>,
    pub writes: Vec<String>,
    pub author: Option<String>,
    pub licence: Option<String>,
    pub settings: Option<Value>,
    pub files: Vec<String>,
}

impl Module {
    pub fn is_shipped(&self) -> bool {
        self.origin == "shipped"
    }

    pub fn address(&self) -> String {
        address(&["rules", "~modules", &self.name], &[])
    }
}

/// The site's rules, or a project's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whose {
    Site,
    Project(String),
}

impl Whose {
    pub fn of(step: &str) -> Whose {
        match step {
            SITE => Whose::Site,
            id => Whose::Project(id.to_owned()),
        }
    }

    /// As a step of the page's addresses.
    pub fn step(&self) -> &str {
        match self {
            Whose::Site => SITE,
            Whose::Project(id) => id,
        }
    }

    pub fn name(&self) -> String {
        match self {
            Whose::Site => "Rules of the site".into(),
            Whose::Project(id) => format!("Rules of {id}"),
        }
    }

    /// A view of the page.
    pub fn view(&self, more: &[&str], query: &[(&str, &str)]) -> String {
        let mut steps = vec!["rules", self.step()];
        steps.extend(more);
        address(&steps, query)
    }

    /// A call of the REST interface.
    pub fn call(&self, more: &[&str], query: &[(&str, &str)]) -> String {
        let mut steps = vec!["xapi", "rules"];
        match self {
            Whose::Site => steps.push("site"),
            Whose::Project(id) => steps.extend(["projects", id]),
        }
        steps.extend(more);
        address(&steps, query)
    }

    /// Where a file beside the policy is, below the rules folder.
    pub fn path(&self, file: &str) -> String {
        match self {
            Whose::Site => format!("site/{file}"),
            Whose::Project(id) => format!("projects/{id}/{file}"),
        }
    }

    /// The policy that the folder holds; an empty one where there is none.
    pub async fn policy(&self, visitor: &Visitor) -> Result<String, Refusal> {
        let found = none_if_missing(visitor.rest.text(&self.call(&["policy"], &[])).await)?;
        Ok(found.unwrap_or_default())
    }
}

pub fn none_if_missing<T>(result: Result<T, Refusal>) -> Result<Option<T>, Refusal> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(refusal) if refusal.status == axum::http::StatusCode::NOT_FOUND => Ok(None),
        Err(refusal) => Err(refusal),
    }
}

/// A module in full; none where there is none of that name.
pub async fn module(visitor: &Visitor, name: &str) -> Result<Option<ModuleDetail>, Refusal> {
    let uri = address(&["xapi", "rules", "modules", name], &[]);
    none_if_missing(visitor.rest.get(&uri).await)
}

pub async fn modules(visitor: &Visitor) -> Result<Vec<Module>, Refusal> {
    visitor.rest.get("/xapi/rules/modules").await
}

/// A version's hash, as much of it as tells it from others.
pub fn short(hash: &str) -> &str {
    &hash[..hash.len().min(12)]
}

#[derive(Deserialize)]
struct Projects {
    #[serde(rename = "ResultSet")]
    result_set: ResultSet,
}

#[derive(Deserialize)]
struct ResultSet {
    #[serde(rename = "Result")]
    result: Vec<Project>,
}

#[derive(Deserialize)]
struct Project {
    #[serde(rename = "ID")]
    id: String,
}

/// The IDs of the projects that the visitor sees.
pub async fn projects(visitor: &Visitor) -> Result<Vec<String>, Refusal> {
    let projects: Projects = visitor.rest.get("/data/projects?format=json").await?;
    let projects = projects.result_set.result.into_iter();
    Ok(projects.map(|project| project.id).collect())
}
