//! A look at changes of the rules folder that are not made yet: the files that they touch, copied to a private
//! place and changed there.

use super::{Finding, folder, loose, module};
use crate::rules::error::RuleSetError;
use crate::rules::registry::Change;
use crate::rules::tables::Table;
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// What messages call the rules folder.
const NAME: &str = "rules";

pub struct Candidate {
    /// The changed files, and all others of their modules.
    copy: TempDir,
    root: PathBuf,
    changed: Vec<String>,
}

impl Candidate {
    /// The changes' paths have been checked: none leads out of `root`.
    ///
    /// # Errors
    /// If the files can't be copied.
    pub fn new(root: &Path, changes: &[Change]) -> io::Result<Self> {
        let copy = tempfile::tempdir()?;
        let changed: Vec<String> = changes.iter().map(|change| change.path.clone()).collect();
        for name in modules_of(&changed) {
            let below = Path::new("modules").join(name);
            copy_folder(&root.join(&below), &copy.path().join(&below))?;
        }
        for change in changes {
            let file = copy.path().join(&change.path);
            if let Some(folder) = file.parent() {
                std::fs::create_dir_all(folder)?;
            }
            match &change.content {
                Some(content) => std::fs::write(file, content)?,
                None => drop(std::fs::remove_file(file)),
            }
        }
        Ok(Self {
            copy,
            root: root.to_owned(),
            changed,
        })
    }

    /// Everything that is wrong with the changed files, and with the modules that they belong to.
    pub fn findings(&self) -> Vec<Finding> {
        let place = |below: &str| self.copy.path().join(below);
        let mut findings = Vec::new();
        for name in modules_of(&self.changed) {
            findings.extend(module(&place("modules").join(name)));
        }
        let others = (self.changed.iter()).filter(|path| !path.starts_with("modules/"));
        for path in others {
            let file = place(path);
            match path.rsplit_once('.').map(|(_, extension)| extension) {
                Some("das") if file.exists() => findings.extend(loose(&file)),
                Some("csv") => findings.extend(table(&file)),
                _ => findings.extend(folder::policy(&file)),
            }
        }
        for finding in &mut findings {
            self.rename(finding);
        }
        findings
    }

    /// Why no rule set can be made with the changes, with its place in the file as it would be.
    pub fn finding(&self, error: &RuleSetError) -> Finding {
        let mut finding = Finding::of(error, |file| {
            let below = file.strip_prefix("rules/").unwrap_or(file);
            let changed = self.copy.path().join(below);
            match changed.exists() {
                true => changed,
                false => self.root.join(below),
            }
        });
        self.rename(&mut finding);
        finding
    }

    /// As messages call it, wherever it is.
    fn rename(&self, finding: &mut Finding) {
        for root in [self.copy.path(), &self.root] {
            if let Ok(below) = finding.file.strip_prefix(root) {
                finding.file = Path::new(NAME).join(below);
                return;
            }
        }
    }
}

fn modules_of(paths: &[String]) -> BTreeSet<&str> {
    let below = paths
        .iter()
        .filter_map(|path| path.strip_prefix("modules/"));
    below
        .filter_map(|below| Some(below.split_once('/')?.0))
        .collect()
}

fn table(file: &Path) -> Option<Finding> {
    let text = std::fs::read(file).ok()?;
    let error = Table::parse(&file.display().to_string(), &text).err()?;
    Some(Finding::of_document(file, &text, &error))
}

/// Links are left out: nothing reads a module's file by one that leads elsewhere.
fn copy_folder(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::create_dir_all(to)?;
    let entries = match std::fs::read_dir(from) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        let (kind, target) = (entry.file_type()?, to.join(entry.file_name()));
        if kind.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else if kind.is_file() {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(path: &str, text: &str) -> Change {
        Change {
            path: path.into(),
            content: Some(text.as_bytes().into()),
        }
    }

    fn told(root: &Path, changes: &[Change]) -> Vec<String> {
        let candidate = Candidate::new(root, changes).unwrap();
        let findings = candidate.findings();
        findings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place_in_the_rules_folder() {
        let root = tempfile::tempdir().unwrap();
        let policy = change("projects/P/policy.json", "{\n  \"leak_chek\": \"off\"\n}");
        let script = change("site/site.das", "version \"6.3\"\n(0010,0010) :=\n");
        assert_eq!(
            told(root.path(), &[policy]),
            [
                r#"rules/projects/P/policy.json:2:3: error: /leak_chek: unknown key (did you mean "leak_check"?)"#
            ]
        );
        let script = told(root.path(), &[script]);
        assert!(script[0].starts_with("rules/site/site.das:"), "{script:?}");
    }

    #[test]
    fn a_module_is_looked_at_as_a_whole_with_its_changed_file() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("modules/mine");
        std::fs::create_dir_all(&folder).unwrap();
        let manifest = r#"{ "name": "mine", "version": "1.0.0", "interface": "1", "kind": "anonymize",
            "engine": "rhai", "entry": "rule.rhai", "reads": [], "writes": ["PatientName"] }"#;
        std::fs::write(folder.join("module.json"), manifest).unwrap();
        std::fs::write(folder.join("rule.rhai"), "fn anonymize(ds, ctx) { keep() }").unwrap();
        let code = "fn anonymize(ds, ctx) {\n    ds.set(\"PatientNam\", \"x\");\n    keep()\n}";
        let told = told(root.path(), &[change("modules/mine/rule.rhai", code)]);
        let expected = "rules/modules/mine/rule.rhai:2:";
        assert!(
            told.iter().any(|line| line.starts_with(expected)),
            "{told:?}"
        );
        let on_disk = std::fs::read_to_string(folder.join("rule.rhai")).unwrap();
        assert!(!on_disk.contains("PatientNam"));
    }
}
