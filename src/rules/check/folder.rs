//! A whole rules folder: its modules, its policies, and each project's rule set put together.

use super::{Finding, module, own_name};
use crate::rules::module::MANIFEST;
use crate::rules::policy::Policy;
use crate::rules::registry::Registry;
use std::path::{Path, PathBuf};

/// An ID that has no folder: the site's rules alone.
const NO_PROJECT: &str = "_";

/// Everything that is wrong in a folder with `site`, `projects` and `modules`.
pub fn folder(root: &Path) -> Vec<Finding> {
    let mut findings = Vec::new();
    for folder in folders(&root.join("modules")) {
        findings.extend(match folder.join(MANIFEST).exists() {
            true => module(&folder),
            false => vec![Finding::error(&folder, None, "has no module.json")],
        });
    }
    findings.extend(policy(&root.join("site/policy.json")));
    let registry = Registry::open(root.to_owned());
    let real = |file: &str| match file.strip_prefix("rules/") {
        Some(below) => root.join(below),
        None => PathBuf::from(file),
    };
    let mut projects = vec![(NO_PROJECT.to_owned(), root.join("site/policy.json"))];
    for folder in folders(&root.join("projects")) {
        let file = folder.join("policy.json");
        findings.extend(policy(&file));
        let id = folder.file_name().unwrap_or_default().to_string_lossy();
        projects.push((id.into_owned(), file));
    }
    for (id, file) in projects {
        match registry.check(&id) {
            Ok(rules) => {
                for note in rules.notes() {
                    let (_, said) = note.split_once(": ").unwrap_or(("", note));
                    findings.push(Finding::warning(&file, None, said));
                }
                let warning = own_name::warning(&rules);
                findings.extend(warning.map(|said| Finding::warning(&file, None, said)));
            }
            // Most of them were told above, and with more beside them.
            Err(error) => {
                let finding = Finding::of(&error, real);
                let same = |known: &Finding| {
                    known.file == finding.file && known.position == finding.position
                };
                if !findings.iter().any(same) {
                    findings.push(finding);
                }
            }
        }
    }
    findings
}

/// Everything that is wrong with a policy by itself; nothing if it is not there.
pub(super) fn policy(file: &Path) -> Vec<Finding> {
    let Ok(text) = std::fs::read(file) else {
        return Vec::new();
    };
    let problems = Policy::problems("", &text).into_iter();
    let mut findings: Vec<Finding> = problems
        .map(|error| Finding::of_document(file, &text, &error))
        .collect();
    findings.sort_by_key(|finding| finding.position);
    findings
}

/// In the order of their names.
fn folders(path: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(path).into_iter().flatten();
    let mut folders: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    folders
}
