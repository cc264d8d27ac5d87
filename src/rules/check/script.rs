//! A script against its manifest: what it names and does not declare fails the file when it gets there,
//! what is declared and never named is a promise that nobody needs.

use super::Finding;
use crate::dicom::edit::is_protected_by_name;
use crate::dicom::path::Pattern;
use crate::rules::dicomedit;
use crate::rules::dicomedit::inspect::{Access, Look, Named};
use crate::rules::host;
use crate::rules::locate::locate;
use crate::rules::manifest::{EngineKind, Kind, Manifest};
use crate::rules::rhai::inspect::{NamedPath, Script, Use, inspect};
use std::path::Path;

/// What each import notes of a script that ran, in De-identification Method Code Sequence (PS3.3 C.7.1.1).
const NOTED: [&str; 4] = [
    "(0012,0064)[0]/(0008,0100)",
    "(0012,0064)[0]/(0008,0102)",
    "(0012,0064)[0]/(0008,0103)",
    "(0012,0064)[0]/(0008,0104)",
];

/// What the manifest declares, with where it says so.
pub struct Declared<'a> {
    pub manifest: &'a Manifest,
    pub file: &'a Path,
    pub text: &'a [u8],
}

pub fn check(file: &Path, code: &str, declared: &Declared<'_>) -> Vec<Finding> {
    // What doesn't compile is told by the compiler.
    let script = match declared.manifest.engine {
        EngineKind::DicomEdit => dicomedit::look(code).map(paths_of),
        _ => inspect(declared.manifest, code).ok(),
    };
    let Some(script) = script else {
        return Vec::new();
    };
    let Ok(access) = declared.manifest.access("") else {
        return Vec::new();
    };
    let problems = script.problems.iter();
    let mut findings: Vec<Finding> = problems
        .map(|(position, message)| Finding::error(file, *position, message))
        .collect();
    for named in &script.paths {
        if let Some(message) = wrong(named, declared.manifest, &access) {
            findings.push(Finding::error(file, named.position, message));
        }
    }
    if declared.manifest.engine == EngineKind::DicomEdit {
        findings.extend(dicomedit_problems(file, code));
        findings.extend(note_not_declared(declared, &access));
    }
    findings.sort_by_key(|finding| finding.position);
    findings.extend(never_named(&script, declared));
    findings
}

/// What is wrong with a DicomEdit script by itself, beyond what its compiler tells.
pub fn dicomedit_problems(file: &Path, code: &str) -> Vec<Finding> {
    let Some(look) = dicomedit::look(code) else {
        return Vec::new();
    };
    let finding = |problem: dicomedit::inspect::Problem| match problem.is_error {
        true => Finding::error(file, Some(problem.position), problem.message),
        false => Finding::warning(file, Some(problem.position), problem.message),
    };
    look.problems.into_iter().map(finding).collect()
}

fn paths_of(look: Look) -> Script {
    let named = |named: Named| NamedPath {
        path: named.path,
        use_: match named.access {
            Access::Read => Use::Find,
            Access::Write => Use::Edit,
            Access::Keep => Use::Keep,
        },
        position: Some(named.position),
    };
    Script {
        paths: look.named.into_iter().map(named).collect(),
        // What an import notes there of itself need not be named in the script.
        texts: NOTED.map(str::to_owned).into(),
        ..Script::default()
    }
}

fn note_not_declared(declared: &Declared<'_>, access: &host::Access) -> Option<Finding> {
    let is_missing = |path: &&&str| {
        Pattern::parse(path).is_ok_and(|path| access.declares_write(&path) == Some(false))
    };
    NOTED.iter().find(is_missing).map(|_| {
        let at = locate(declared.text, "/writes");
        let message = "/writes: an import notes that the script ran, which fails: add \"(0012,0064)/(0008,010X)\"";
        Finding::error(declared.file, Some(at), message)
    })
}

/// What is wrong with a path in its place, if something is.
fn wrong(named: &NamedPath, manifest: &Manifest, access: &host::Access) -> Option<String> {
    let is_single = matches!(named.use_, Use::Read | Use::Set);
    let parsed = match is_single {
        true => Pattern::parse_path(&named.path),
        false => Pattern::parse(&named.path),
    };
    let pattern = match parsed {
        Ok(pattern) => pattern,
        Err(error) => return Some(error.to_string()),
    };
    let path = &named.path;
    match named.use_ {
        Use::Keep => None,
        Use::Read | Use::Find => (access.declares_read(&pattern) == Some(false)).then(|| {
            format!("reads {path}, which the manifest does not declare: add it to \"reads\"")
        }),
        Use::Set | Use::Edit | Use::Redact => {
            if manifest.kind != Kind::Anonymize {
                return Some(format!(
                    "writes {path}, and a {} rule may not write",
                    manifest.kind.function()
                ));
            }
            if let Some((tag, anywhere)) = pattern.plain_tag()
                && named.use_ != Use::Redact
                && is_protected_by_name(tag, anywhere)
            {
                return Some(format!("writes {path}, which Sluice keeps itself"));
            }
            (access.declares_write(&pattern) == Some(false)).then(|| {
                format!("writes {path}, which the manifest does not declare: add it to \"writes\"")
            })
        }
    }
}

fn never_named<'a>(
    script: &'a Script,
    declared: &'a Declared<'_>,
) -> impl Iterator<Item = Finding> + 'a {
    let paths = script.paths.iter().map(|named| named.path.as_str());
    let named: Vec<Pattern> = paths
        .chain(script.texts.iter().map(String::as_str))
        .filter_map(|text| Pattern::parse(text).ok())
        .collect();
    let manifest = declared.manifest;
    let lists = [("reads", &manifest.reads), ("writes", &manifest.writes)];
    let entries = lists.into_iter().flat_map(|(key, list)| {
        (list.iter().enumerate()).map(move |(index, text)| (key, index, text))
    });
    entries.filter_map(move |(key, index, text)| {
        let pattern = Pattern::parse(text).ok().filter(|_| text != "*")?;
        let is_named = named.iter().any(|named| meets(named, &pattern));
        (!is_named).then(|| {
            let at = locate(declared.text, &format!("/{key}/{index}"));
            let message =
                format!("/{key}/{index}: {text} is declared, and never named in the code");
            Finding::warning(declared.file, Some(at), message)
        })
    })
}

/// Whether two patterns may mean the same element, as far as can be told without a dataset.
fn meets(a: &Pattern, b: &Pattern) -> bool {
    let tag = |pattern: &Pattern| pattern.location().last().map(|place| place.tag);
    a.as_str() == b.as_str()
        || a.matches(&b.location())
        || b.matches(&a.location())
        || tag(a) == tag(b)
}
