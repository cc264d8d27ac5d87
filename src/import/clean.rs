//! Clean-up: removes exactly the sources whose content is stored, once every session is committed.

use super::Job;
use super::outcome::{FileState, Outcome};
use crate::inbox::remove_source;

impl Job<'_> {
    /// Removes the sources of what was stored, and of what is proved to be stored already. All others stay.
    pub(super) fn clean_up(&self, files: &mut [FileState]) {
        for index in 0..files.len() {
            if !is_safe(files, index) {
                continue;
            }
            let Some(identity) = files[index].identity else {
                continue;
            };
            let removed = remove_source(&files[index].found, &identity, self.request.id);
            files[index].cleaned = Some(removed.map_err(|why| why.to_string()));
        }
    }
}

fn is_safe(files: &[FileState], index: usize) -> bool {
    let file = &files[index];
    match (file.outcome(), file.duplicate_of) {
        (Outcome::Stored | Outcome::Quarantined, _) => true,
        // The same content as that of another file of the walk: as safe as that one.
        (Outcome::Duplicate, Some(first)) => {
            let first = usize::try_from(first)
                .ok()
                .and_then(|first| files.get(first));
            first.is_some_and(|f| {
                matches!(
                    f.outcome(),
                    Outcome::Stored | Outcome::Quarantined | Outcome::Duplicate
                )
            })
        }
        // What the rules make of it is stored, byte for byte.
        (Outcome::Duplicate, None) => true,
        _ => false,
    }
}
