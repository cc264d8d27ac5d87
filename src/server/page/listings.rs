//! What several views let their visitor choose from.

use serde::Deserialize;

use super::super::address::address;
use super::rest::{Table, none_if_missing};
use super::{Refusal, Visitor};

#[derive(Deserialize)]
struct Project {
    #[serde(rename = "ID")]
    id: String,
}

/// The IDs of the projects that the visitor sees.
pub async fn projects(visitor: &Visitor) -> Result<Vec<String>, Refusal> {
    let projects: Table<Project> = visitor.rest.get("/data/projects?format=json").await?;
    let ids = projects.rows().iter().map(|project| project.id.clone());
    Ok(ids.collect())
}

/// A folder of a project's inbox.
#[derive(Deserialize)]
pub struct Listing {
    /// As the import call takes it.
    pub path: String,
    pub entries: Vec<Entry>,
    /// There is more in it.
    pub cut: bool,
}

#[derive(Deserialize)]
pub struct Entry {
    pub name: String,
    pub kind: String,
    pub size: u64,
}

/// What lies in a folder below a project's, or in that itself; none if it is not there, as that of a project may be.
pub async fn inbox(
    visitor: &Visitor,
    project: &str,
    below: &str,
) -> Result<Option<Listing>, Refusal> {
    let uri = address(&["xapi", "inbox", "projects", project], &[("path", below)]);
    none_if_missing(visitor.rest.get(&uri).await)
}
