//! What lies in a folder of the inbox, for who chooses what to import.

use std::path::{Component, Path};

use super::{Format, Inbox, NotThere, self_or};

/// A folder's entries that a call could name.
#[derive(Debug, Clone)]
pub struct Listing {
    /// The folder, as a client names it.
    pub path: String,
    /// Folders first, by name.
    pub entries: Vec<Entry>,
    /// There are more than were asked for.
    pub cut: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    pub kind: EntryKind,
    pub name: String,
    /// Of a file, in bytes.
    pub size: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum EntryKind {
    Folder,
    Archive,
    /// Imported with its folder, not by itself.
    File,
}

impl Inbox {
    /// Lists a folder below a project's, without following links. Names that are not UTF-8 can't be named in a
    /// call and are left out; they are imported with their folder.
    ///
    /// # Errors
    /// [`NotThere`], whatever the reason.
    pub fn list(&self, project: &str, below: &str, most: usize) -> Result<Listing, NotThere> {
        let below = Path::new(below);
        let is_step = |part: Component| matches!(part, Component::Normal(_));
        let mut steps = Path::new(project).components();
        let one_step = steps.next().is_some_and(is_step) && steps.next().is_none();
        if !one_step || !below.components().all(is_step) {
            return Err(NotThere);
        }
        let folder = self.project_folder(project)?;
        let folder = folder.open_dir(self_or(below)).map_err(|_| NotThere)?;
        let mut entries = Vec::new();
        for entry in folder.entries().map_err(|_| NotThere)? {
            let Ok(entry) = entry else { continue };
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            let Ok(metadata) = entry.metadata() else {
                continue;
            };
            let kind = match metadata.file_type() {
                kind if kind.is_dir() => EntryKind::Folder,
                kind if !kind.is_file() => continue,
                _ if Format::of(name.as_ref()).is_some() => EntryKind::Archive,
                _ => EntryKind::File,
            };
            let size = if metadata.is_file() {
                metadata.len()
            } else {
                0
            };
            entries.push(Entry { kind, name, size });
        }
        entries.sort();
        let cut = entries.len() > most;
        entries.truncate(most);
        let root = match self.project_to_folder.get(project) {
            Some(folder) => folder.clone(),
            None => self.root.join(project),
        };
        let path = match below.as_os_str().is_empty() {
            true => root,
            false => root.join(below),
        };
        Ok(Listing {
            path: path.to_string_lossy().into_owned(),
            entries,
            cut,
        })
    }
}
