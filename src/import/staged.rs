//! What is staged of a study: its files, and the series that they are of.

use super::outcome::{FileState, Staged};
use super::study::Study;
use crate::store::Scan;

/// The files of a study that are staged and not settled, by their places.
pub fn staged(study: &Study, files: &[FileState]) -> Vec<usize> {
    (0..files.len())
        .filter(|i| files[*i].study == Some(study.index) && files[*i].is_staged())
        .collect()
}

/// The files of a study; of a part also those that are in no part, for nothing is known of their series.
pub fn of_study<'a>(study: &Study, files: &'a [FileState]) -> impl Iterator<Item = &'a FileState> {
    let index = study.index;
    let whole = study.part.as_ref().map_or(index, |part| part.whole);
    files.iter().filter(move |f| {
        f.study
            .is_some_and(|study| study == index || study == whole)
    })
}

/// The series of what is staged, in the order in which they were met.
pub fn scans_of<'a>(staged: impl IntoIterator<Item = &'a Staged>) -> Vec<Scan> {
    let mut scans: Vec<Scan> = Vec::new();
    for Staged { scan, .. } in staged {
        if !scans.iter().any(|s| s.scan_id == scan.scan_id) {
            scans.push(Scan::clone(scan));
        }
    }
    scans
}
