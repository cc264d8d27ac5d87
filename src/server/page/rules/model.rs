//! Rules as the REST interface shows them.

use serde::Deserialize;
use serde_json::Value;

use super::super::super::address::address;
use super::super::rest::none_if_missing;
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
        let text = visitor.rest.text(&self.call(&["policy"], &[])).await;
        self.or_empty(visitor, text).await
    }

    /// Where the active version is not what the folder holds: the version's policy, which is empty where it has none.
    pub async fn active_policy(&self, visitor: &Visitor) -> Result<Option<String>, Refusal> {
        let Whose::Project(id) = self else {
            return Ok(None);
        };
        let statuses: Vec<Status> = visitor.rest.get("/xapi/rules/status").await?;
        let status = statuses.into_iter().find(|status| status.project == *id);
        let Some((active, draft)) = status.and_then(|status| Some((status.active?, status.draft)))
        else {
            return Ok(None);
        };
        if draft.as_ref() == Some(&active.rule_set) {
            return Ok(None);
        }
        let steps = ["xapi", "rules", "versions", &active.rule_set];
        let uri = address(&steps, &[("file", "project/policy.json")]);
        let text = none_if_missing(visitor.rest.text(&uri).await)?;
        Ok(Some(text.unwrap_or_default()))
    }

    /// A file of theirs; an empty text where there is none, and not where there is no such project.
    pub async fn or_empty(
        &self,
        visitor: &Visitor,
        text: Result<String, Refusal>,
    ) -> Result<String, Refusal> {
        if let Some(text) = none_if_missing(text)? {
            return Ok(text);
        }
        if let Whose::Project(id) = self {
            let query = [("project", id.as_str()), ("limit", "1")];
            let uri = address(&["xapi", "rules", "versions"], &query);
            visitor.rest.text(&uri).await?;
        }
        Ok(String::new())
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
    hash.get(..12).unwrap_or(hash)
}
