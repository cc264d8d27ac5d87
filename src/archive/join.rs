//! How the files of one session join another: which are there already, which replace a stored one, and
//! where each comes to stand (XNAT's `MergePrearcToArchiveSession`).

use super::file_name::scan_ids;
use super::{ActionError, same_bytes};
use crate::store::{Scan, Session, StoredFile};
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::path::Path;

/// What comes in: its files below `folder`, and its series.
#[derive(Debug, Clone, Default)]
pub struct Incoming {
    pub files: Vec<StoredFile>,
    pub scans: Vec<Scan>,
}

/// What of it is added to the stored session.
#[derive(Debug, Default)]
pub struct Joined {
    pub files: Vec<StoredFile>,
    pub scans: Vec<Scan>,
    /// Where a file comes from, by where it goes, if these differ.
    pub moved: BTreeMap<String, String>,
    pub replaces: bool,
}

/// Reads files, so that it may take as long as they are large. `folder` and `home` are the two sessions'.
///
/// # Errors
/// [`ActionError::Conflict`] with how many instances stand in the way, and what to do.
pub fn join(
    incoming: Incoming,
    folder: &Path,
    there: &Incoming,
    home: &Path,
    overwrite: bool,
) -> Result<Joined, ActionError> {
    let by_sop: HashMap<_, _> = there
        .files
        .iter()
        .map(|f| (f.sop_uid.as_str(), f))
        .collect();
    let by_place: HashMap<_, _> = there.files.iter().map(|f| (f.below_session(), f)).collect();
    let scan_to_stored = scans(&incoming.scans, &there.scans);
    let mut joined = Joined::default();
    let (mut differing, mut names_taken) = (0, 0);
    for file in incoming.files {
        let from = file.below_session();
        let mut placed = file.clone();
        if let Some(scan) = scan_to_stored.get(&*file.scan_id) {
            placed.scan_id = scan.scan_id.as_str().into();
        }
        match by_sop.get(file.sop_uid.as_str()) {
            Some(stored) => {
                if is_same(&folder.join(&from), &home.join(stored.below_session()))? {
                    continue;
                }
                let same_series =
                    (&placed.scan_id, &placed.resource) == (&stored.scan_id, &stored.resource);
                if !overwrite || !same_series {
                    differing += 1;
                    continue;
                }
                placed.name.clone_from(&stored.name);
                joined.replaces = true;
            }
            None if by_place.contains_key(&placed.below_session()) => {
                names_taken += 1;
                continue;
            }
            None => {}
        }
        let to = placed.below_session();
        if to != from {
            let text = |path: &Path| path.to_string_lossy().into_owned();
            joined.moved.insert(text(&to), text(&from));
        }
        joined.files.push(placed);
    }
    if names_taken > 0 {
        return Err(ActionError::Conflict(format!(
            "Session already exists with matching files: {names_taken} names belong to other instances there. \
             Archive it under another label, or delete one of the two."
        )));
    }
    if differing > 0 {
        let what_to_do = if overwrite {
            "They are of another series there: delete one of the two sessions, or archive this one under \
             another label."
        } else {
            "Retry with overwrite=delete to replace them, archive it under another label, or delete it."
        };
        return Err(ActionError::Conflict(format!(
            "Session already exists with matching files: {differing} instances differ from those stored. \
             {what_to_do}"
        )));
    }
    joined.scans = incoming
        .scans
        .iter()
        .filter_map(|scan| scan_to_stored.get(scan.scan_id.as_str()).cloned())
        .filter(|scan| joined.files.iter().any(|f| *f.scan_id == *scan.scan_id))
        .collect();
    Ok(joined)
}

/// The scan that each incoming series becomes: the one that it is already, else its own number, or one
/// beside it where another series has that (XNAT's `2-MR1`).
fn scans<'a>(incoming: &'a [Scan], there: &[Scan]) -> BTreeMap<&'a str, Scan> {
    let mut scan_to_stored: BTreeMap<&str, Scan> = BTreeMap::new();
    for scan in incoming {
        let same = there.iter().find(|s| s.series_uid == scan.series_uid);
        let mut becomes = same.unwrap_or(scan).clone();
        if same.is_none() {
            let is_taken = |id: &str| {
                there.iter().any(|s| s.scan_id == id)
                    || scan_to_stored.values().any(|s| s.scan_id == id)
            };
            let free = scan_ids(&scan.scan_id, &scan.modality).find(|id| !is_taken(id));
            becomes.scan_id = free.unwrap_or_else(|| scan.scan_id.clone());
        }
        scan_to_stored.insert(&scan.scan_id, becomes);
    }
    scan_to_stored
}

/// XNAT's rules 3 and 4: modality, subject, study.
pub fn check_same_session(
    stored: &Session,
    session: &Session,
    xsi_type: &str,
    subject: &str,
    override_conflicts: bool,
) -> Result<(), ActionError> {
    let differs = |what: &str, advice: &str| {
        Err(ActionError::Conflict(format!(
            "Invalid modification of session {what} via archive process. {advice}"
        )))
    };
    let merge = "Archive it under another label (session=), or retry with overwrite=delete.";
    if stored.xsi_type != xsi_type && !override_conflicts {
        return differs("modality", merge);
    }
    if stored.subject != subject {
        return differs(
            "subject: the label exists for another subject",
            "Archive it under another label (session=) or for that subject (subject=).",
        );
    }
    if stored.study_key != session.study_key && !override_conflicts {
        return differs("UID", merge);
    }
    Ok(())
}

fn is_same(a: &Path, b: &Path) -> std::io::Result<bool> {
    if std::fs::metadata(a)?.len() != std::fs::metadata(b)?.len() {
        return Ok(false);
    }
    same_bytes(&mut File::open(a)?, &mut File::open(b)?)
}
