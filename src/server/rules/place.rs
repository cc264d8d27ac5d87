//! The files of the rules folder that calls name, and who may change them.

use axum::body::Bytes;
use serde_json::Value;

use crate::rules::Change;

use super::super::auth::Caller;
use super::super::error::ApiError;
use super::super::state::AppState;

/// Of changes that are only looked at.
const MOST_CHANGES: usize = 20;

const LONGEST_NAME: usize = 128;

/// Whose file it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    Site,
    Project(String),
    Module(String),
}

impl Place {
    /// Its folder, below the rules folder.
    fn folder(&self) -> String {
        match self {
            Place::Site => "site".into(),
            Place::Project(id) => format!("projects/{id}"),
            Place::Module(name) => format!("modules/{name}"),
        }
    }

    /// A file in it.
    ///
    /// # Errors
    /// If that can't be the name of one.
    pub fn file(&self, name: &str) -> Result<String, ApiError> {
        let owner = match self {
            Place::Site => "site",
            Place::Project(name) | Place::Module(name) => name,
        };
        match is_bare(owner) && is_bare(name) {
            true => Ok(format!("{}/{name}", self.folder())),
            false => Err(ApiError::BadRequest(
                format!(
                    "A file's name has letters (A to Z), digits and _ - . but no leading dot, \
                     at most {LONGEST_NAME} of them."
                )
                .into(),
            )),
        }
    }

    /// Where a path below the rules folder leads, and the file's name.
    fn of(path: &str) -> Option<(Place, &str)> {
        let steps: Vec<&str> = path.split('/').collect();
        match steps[..] {
            ["site", file] => Some((Place::Site, file)),
            ["projects", id, file] => Some((Place::Project(id.into()), file)),
            ["modules", name, file] => Some((Place::Module(name.into()), file)),
            _ => None,
        }
    }

    /// A project's files are its owners' to change, all others a site administrator's.
    pub async fn check_may_change(
        &self,
        state: &AppState,
        caller: &Caller,
    ) -> Result<(), ApiError> {
        match self {
            Place::Project(id) => state.owned_project(caller, id).await.map(drop),
            Place::Site | Place::Module(_) => caller.require_admin(),
        }
    }
}

fn is_bare(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    let fits = !name.is_empty() && name.len() <= LONGEST_NAME;
    fits && name.chars().all(allowed) && !name.starts_with('.')
}

/// A file's new content as a change.
pub fn change(path: String, body: &Bytes) -> Change {
    Change {
        path,
        content: Some(body.to_vec().into()),
    }
}

/// Changes as a call names them, `{"projects/P/policy.json": "…"}`; each is the caller's to make.
pub async fn changes(
    state: &AppState,
    caller: &Caller,
    given: &serde_json::Map<String, Value>,
) -> Result<Vec<Change>, ApiError> {
    let bad = |text: String| ApiError::BadRequest(text.into());
    if given.len() > MOST_CHANGES {
        return Err(bad(format!(
            "Up to {MOST_CHANGES} files may be changed at once."
        )));
    }
    let mut changes = Vec::with_capacity(given.len());
    for (path, content) in given {
        let unknown = || {
            bad(format!(
                "{path:?} is no file of site/, projects/ID/ or modules/NAME/ in the rules folder."
            ))
        };
        let (place, file) = Place::of(path).ok_or_else(unknown)?;
        place.check_may_change(state, caller).await?;
        let content = match content {
            Value::String(text) => Some(text.as_bytes().into()),
            Value::Null => None,
            _ => {
                return Err(bad(format!(
                    "The content of {path:?} must be a text, or null."
                )));
            }
        };
        changes.push(Change {
            path: place.file(file)?,
            content,
        });
    }
    Ok(changes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_leads_nowhere_else() {
        assert_eq!(
            Place::of("projects/P/site.das"),
            Some((Place::Project("P".into()), "site.das"))
        );
        for path in [
            "",
            "site",
            "site/a/b",
            "/site/a",
            "projects/P/a/b",
            "removed/P-1/policy.json",
        ] {
            assert_eq!(Place::of(path), None, "{path}");
        }
        let place = |path| Place::of(path).unwrap();
        for path in [
            "projects/../x",
            "modules/m/..",
            "site/",
            "site/.x",
            "site/a b",
            "modules//x",
        ] {
            let (place, file) = place(path);
            assert!(place.file(file).is_err(), "{path}");
        }
    }
}
