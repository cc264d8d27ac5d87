//! What became of the sources that an import was to remove.

use std::collections::{HashMap, HashSet};

/// By their places among the report's files. Of an archive, whose members go with it or stay, there is one answer.
#[derive(Debug, Default)]
pub struct Removed {
    gone: HashSet<usize>,
    left: HashMap<usize, String>,
    pub archive: Option<Result<(), String>>,
}

impl Removed {
    pub fn note(&mut self, file: usize, removed: Result<(), String>) {
        match removed {
            Ok(()) => _ = self.gone.insert(file),
            Err(why) => _ = self.left.insert(file, why),
        }
    }

    /// None for a source that was not to be removed; Err: why it is still there.
    pub fn of(&self, file: usize) -> Option<Result<(), &str>> {
        match self.left.get(&file) {
            Some(why) => Some(Err(why)),
            None => self.gone.contains(&file).then_some(Ok(())),
        }
    }
}
