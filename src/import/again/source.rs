//! The source of a request that has ended, once more: whatever of it still stands, to see what rules make of it.

use super::super::Importer;
use crate::archive::LOOK_BACK;
use crate::inbox::{Found, Kind, Located, Opened, Walk, unpack};
use crate::store::ImportRequest;
use std::path::Path;

/// What still stands of a source.
pub(super) struct Again {
    /// In the order of the walk.
    pub found: Vec<Found>,
    /// Where an archive's members lie; gone with this.
    _unpacked: Option<tempfile::TempDir>,
}

impl Importer {
    /// None if nothing is there any more. An archive is unpacked to a private folder beside the staging of
    /// imports, which is never looked at by them.
    ///
    /// # Errors
    /// Why what is there can't be read.
    pub(super) fn source_again(&self, request: &ImportRequest) -> Result<Option<Again>, String> {
        match self.inbox.locate_queued(&request.session_path) {
            Ok(located) => self.located_again(&located),
            Err(_) => Ok(None),
        }
    }

    /// The same for what was located in the inbox; a single file too.
    ///
    /// # Errors
    /// Why what is there can't be read.
    pub(super) fn located_again(&self, located: &Located) -> Result<Option<Again>, String> {
        if located.kind == Kind::OtherFile {
            let found = self.inbox.open_file(located).ok();
            return Ok(found.map(|found| Again {
                found: vec![found],
                _unpacked: None,
            }));
        }
        let Ok(opened) = self.inbox.open(located) else {
            return Ok(None);
        };
        match opened {
            Opened::Folder(folder) => {
                let walk = Walk::new(folder).map_err(|e| format!("can't be listed: {e}"))?;
                Ok(Some(Again {
                    found: walk.collect(),
                    _unpacked: None,
                }))
            }
            Opened::Archive(found, format) => {
                let Ok(file) = found.open() else {
                    return Ok(None);
                };
                let folder = private_folder(&self.data.join("staging"))
                    .map_err(|e| format!("can't be unpacked: {e}"))?;
                let mut room = |bytes| self.disk.has_room(bytes);
                let members = folder.path().join("members");
                let found = unpack(&file, format, &members, &self.limits, &mut room)
                    .map_err(|e| format!("can't be unpacked: {e}"))?;
                Ok(Some(Again {
                    found,
                    _unpacked: Some(folder),
                }))
            }
        }
    }
}

fn private_folder(staging: &Path) -> std::io::Result<tempfile::TempDir> {
    std::fs::create_dir_all(staging)?;
    tempfile::Builder::new()
        .prefix(LOOK_BACK)
        .tempdir_in(staging)
}
