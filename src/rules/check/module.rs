//! One module: manifest, settings schema, code, and its tests as far as they are documents.

use super::{Finding, script};
use crate::dicom::path::Pattern;
use crate::rules::case::Case;
use crate::rules::locate::locate;
use crate::rules::manifest::{EngineKind, Manifest};
use crate::rules::module::{MANIFEST, ModuleSource};
use std::path::Path;

/// Everything that is wrong with the module in a folder.
pub fn module(folder: &Path) -> Vec<Finding> {
    let file = folder.join(MANIFEST);
    let text = match std::fs::read(&file) {
        Ok(text) => text,
        Err(error) => return vec![Finding::error(&file, None, error.to_string())],
    };
    let of_manifest = |error| Finding::of_document(&file, &text, &error);
    let mut findings: Vec<Finding> = Manifest::problems("", &text)
        .into_iter()
        .map(of_manifest)
        .collect();
    findings.sort_by_key(|finding| finding.position);
    let Ok(manifest) = Manifest::parse("", &text) else {
        return findings;
    };
    findings.extend(
        wrong_name(folder, &manifest)
            .map(|message| Finding::error(&file, Some(locate(&text, "/name")), message)),
    );
    for (key, patterns) in [("reads", &manifest.reads), ("writes", &manifest.writes)] {
        for (index, pattern) in patterns.iter().enumerate().filter(|(_, p)| *p != "*") {
            if let Err(error) = Pattern::parse(pattern) {
                let at = locate(&text, &format!("/{key}/{index}"));
                findings.push(Finding::error(&file, Some(at), error.to_string()));
            }
        }
    }
    let are_patterns_good = findings.is_empty();
    let source = match ModuleSource::open(folder) {
        Ok(source) => source,
        Err(error) => {
            findings.push(Finding::of(&error, |file| file.into()));
            return findings;
        }
    };
    // Bad patterns are told already, and more than the first of them.
    let compiled = source.compile();
    match &compiled {
        Err(error) if are_patterns_good => findings.push(Finding::of(error, |file| file.into())),
        _ => {}
    }
    if let Some(code) = source.script()
        && are_patterns_good
    {
        let declared = script::Declared {
            manifest: &manifest,
            file: &file,
            text: &text,
        };
        findings.extend(script::check(
            &folder.join(&manifest.entry),
            code,
            &declared,
        ));
    }
    let cases = Case::read_all(folder);
    if cases.is_empty() {
        findings.push(Finding::warning(
            &folder.join("tests"),
            None,
            "the module has no tests",
        ));
    }
    for case in cases {
        let checked = case.and_then(|case| match &compiled {
            Ok(module) => case.check(module),
            Err(_) => Ok(()),
        });
        if let Err(error) = checked {
            findings.push(Finding::of(&error, |file| file.into()));
        }
    }
    findings
}

/// Everything that is wrong with a DicomEdit script by itself.
pub fn loose(file: &Path) -> Vec<Finding> {
    let source = ModuleSource::loose(file, EngineKind::DicomEdit);
    match source.and_then(|source| source.compile().map(|_| source)) {
        Ok(source) => script::dicomedit_problems(file, source.script().unwrap_or_default()),
        Err(error) => vec![Finding::of(&error, |file| file.into())],
    }
}

/// A policy names a module by its folder.
fn wrong_name(folder: &Path, manifest: &Manifest) -> Option<String> {
    let folder = folder.canonicalize().ok()?;
    let name = folder.file_name()?.to_str()?;
    (manifest.name != name).then(|| {
        format!(
            "/name: {:?} is not the folder's name, {name:?}",
            manifest.name
        )
    })
}
