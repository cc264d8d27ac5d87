//! All cases of a module in one go, and which of its lines they run.

use super::Case;
use crate::rules::error::RuleSetError;
use crate::rules::module::{Module, ModuleSource};
use serde::Serialize;
use std::path::Path;

/// What came of a module's cases.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct ModuleTests {
    pub module: String,
    pub version: String,
    pub cases: Vec<CaseTold>,
    /// Of a script.
    pub coverage: Option<Coverage>,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct CaseTold {
    pub name: String,
    pub passed: bool,
    /// Where what came is not what was expected; or why the case could not be run.
    pub differences: Vec<String>,
}

/// The lines of a script that could run.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct Coverage {
    pub lines: usize,
    /// Those that no case runs.
    pub missed: Vec<usize>,
}

/// Runs the cases in a module's folder.
///
/// # Errors
/// If the module can't be used.
pub fn run_all(folder: &Path, source: &ModuleSource) -> Result<ModuleTests, RuleSetError> {
    let module = source.compile()?;
    let (mut told, mut runnable) = (Vec::new(), Vec::new());
    for case in Case::read_all(folder) {
        let (name, differences) = match case {
            Ok(case) => {
                let differences = differences(&case, &module);
                let name = case.name.clone();
                runnable.push(case);
                (name, differences)
            }
            Err(error) => ("unreadable".to_owned(), vec![error.to_string()]),
        };
        told.push(CaseTold {
            name,
            passed: differences.is_empty(),
            differences,
        });
    }
    Ok(ModuleTests {
        module: source.manifest.name.clone(),
        version: source.manifest.version.clone(),
        cases: told,
        coverage: coverage(source, &runnable)?,
    })
}

fn differences(case: &Case, module: &Module) -> Vec<String> {
    match case.run(module).and_then(|done| case.compare(done)) {
        Ok(differences) => differences.iter().map(ToString::to_string).collect(),
        Err(error) => vec![error.to_string()],
    }
}

/// The lines that the cases run, found in runs of their own: being watched takes time. None where the code is no
/// script.
///
/// # Errors
/// If the module can't be used.
pub fn coverage(source: &ModuleSource, cases: &[Case]) -> Result<Option<Coverage>, RuleSetError> {
    let Some(lines) = source.script_lines() else {
        return Ok(None);
    };
    let (module, reached) = source.compile_watched()?;
    for case in cases {
        // What fails is told already.
        if let Ok(prepared) = case.prepare(&module) {
            _ = prepared.run(&module);
        }
    }
    let reached = reached.lines();
    Ok(Some(Coverage {
        lines: lines.len(),
        missed: lines.difference(&reached).copied().collect(),
    }))
}
