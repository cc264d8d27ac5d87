//! How the request as a whole ended, in XNAT's words where it has some.

use super::outcome::{FileState, Outcome};
use super::settle::Settled;
use crate::store::{Counts, SessionState, Status};

/// Completed if anything of the folder is stored now, or was before; else Failed, with what stood in the way.
pub fn of(
    path: &str,
    counts: &Counts,
    files: &[FileState],
    sessions: &[Settled],
) -> (Status, String) {
    let rest = other_outcomes(counts);
    let stored: Vec<_> = sessions.iter().filter_map(|s| s.session.as_ref()).collect();
    // A duplicate of a file of the walk is only as good as that one, which may have been refused.
    let was_stored = |f: &FileState| f.outcome() == Outcome::Duplicate && f.duplicate_of.is_none();
    if stored.is_empty() && !files.iter().any(was_stored) {
        let dicom =
            counts.filtered + counts.rejected + counts.failed + counts.conflict + counts.duplicate;
        let text = match dicom {
            0 => format!("No valid DICOM files found for the specified session :{path} ({rest})"),
            _ => format!("Nothing was left to import: {rest}"),
        };
        return (Status::Failed, text);
    }
    let mut text = match stored.as_slice() {
        [] => "Everything was stored before".to_owned(),
        [one] => one.uri(),
        several => format!(
            "{} sessions: {}",
            several.len(),
            several
                .iter()
                .map(|s| s.uri())
                .collect::<Vec<_>>()
                .join(" ")
        ),
    };
    for session in stored
        .iter()
        .filter(|s| matches!(s.state, SessionState::Conflict | SessionState::Quarantined))
    {
        text.push_str(&format!(
            "; {} is in {}",
            session.folder,
            session.state.as_str()
        ));
    }
    if !rest.is_empty() {
        text.push_str(&format!(
            "; {} of {} files stored, {rest}",
            counts.stored + counts.quarantined,
            counts.found
        ));
    }
    (Status::Completed, text)
}

fn other_outcomes(counts: &Counts) -> String {
    let named = [
        (counts.duplicate, "duplicate"),
        (counts.conflict, "in conflict"),
        (counts.filtered, "filtered"),
        (counts.rejected, "rejected"),
        (counts.failed, "failed"),
        (counts.not_dicom, "not DICOM"),
        (counts.unreadable, "unreadable"),
        (counts.cut_short, "cut short"),
        (counts.changed, "changed while read"),
    ];
    let parts: Vec<String> = named
        .iter()
        .filter(|(n, _)| *n > 0)
        .map(|(n, name)| format!("{n} {name}"))
        .collect();
    parts.join(", ")
}
