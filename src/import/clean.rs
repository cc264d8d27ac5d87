//! Clean-up: removes exactly the sources whose content is stored, once every session is committed.

use super::Job;
use super::outcome::{FileState, Outcome};
use super::source::{Archive, Source};
use crate::inbox::remove_source;

impl Job<'_> {
    /// Removes the sources of what was stored, and of what is proved to be stored already. All others stay;
    /// an archive does if one of its members would.
    pub(super) fn clean_up(&self, source: &mut Source, files: &mut [FileState]) {
        match source {
            Source::Folder(_) => self.clean_files(files),
            Source::Archive(archive) => {
                archive.cleaned = Some(self.clean_archive(archive, files));
            }
        }
    }

    fn clean_archive(&self, archive: &Archive, files: &[FileState]) -> Result<(), String> {
        let mut kept = (0..files.len()).filter(|index| !is_safe(files, *index));
        if let Some(first) = kept.next() {
            return Err(format!(
                "{} of its {} members are not stored, first `{}`",
                1 + kept.count(),
                files.len(),
                files[first].found.display()
            ));
        }
        if files.is_empty() {
            return Err("it has no members".into());
        }
        remove_source(&archive.found, &archive.identity, self.request.id)
            .map_err(|why| why.to_string())
    }

    fn clean_files(&self, files: &mut [FileState]) {
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
