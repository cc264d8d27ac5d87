//! A study that the route rule splits by its series: each part is settled as a session by itself, under the
//! study's label or one of its own. PET and MR of one study are the case that it is for.

use super::super::outcome::FileState;
use super::super::study::{PartOf, Study};
use super::super::{Job, Stop, disk, stage};
use crate::failpoint::crash_point;
use crate::rules::{Decision, Labels, Part, check_labels};
use crate::store::Scan;
use std::collections::HashSet;
use std::fs;
use std::io;
use std::sync::Arc;

/// Why a split can't be followed, if it can't: each series has to be in one part, and labels become folders.
pub(super) fn misfit(decision: &Decision, labels: &Labels, scans: &[Scan]) -> Option<String> {
    let Decision::Split(parts) = decision else {
        return None;
    };
    let mut left: HashSet<&str> = scans.iter().map(|scan| scan.series_uid.as_str()).collect();
    for series in parts.iter().flat_map(|part| &part.series) {
        if !left.remove(series.as_str()) {
            return Some("it put a series into two parts, or one that the session has not".into());
        }
    }
    if !left.is_empty() {
        return Some(format!("it left {} series out of all parts", left.len()));
    }
    parts.iter().find_map(|part| {
        let labels = labels_of(part, labels);
        check_labels(&labels).err()
    })
}

fn labels_of(part: &Part, labels: &Labels) -> Labels {
    let mut labels = labels.clone();
    if let Some(session) = &part.session {
        labels.session.clone_from(session);
    }
    labels
}

impl Job<'_> {
    /// Makes a study of a part, and stages its files as that one's. What is stored is looked up anew: an
    /// earlier part may have joined it.
    pub(super) fn part(
        &self,
        whole: &Study,
        labels: &Labels,
        part: Part,
        identified: bool,
        index: usize,
        files: &mut [FileState],
    ) -> Result<Study, Stop> {
        let labels = labels_of(&part, labels);
        let stored = self.stored(&whole.keys, Some(&labels.session))?;
        let names = self.known_names(&stored, identified)?;
        let part_of = PartOf {
            whole: whole.index,
            decision: part.decision,
            identified,
        };
        let study = whole.part(index, labels, stored, names, part_of);
        let of_part = |file: &&mut FileState| {
            let series = file.staged.as_ref().map(|staged| &staged.scan.series_uid);
            file.study == Some(whole.index) && series.is_some_and(|uid| part.series.contains(uid))
        };
        for file in files.iter_mut().filter(of_part) {
            self.hand_over(whole, &study, file).map_err(|error| {
                let why = disk::told(&error);
                Stop::Failed(format!("The staging folder can't be written to: {why}"))
            })?;
        }
        crash_point("split.handed_over");
        self.make_durable().map_err(Stop::Failed)?;
        Ok(study)
    }

    /// Gives a file its place in the part, beside what is stored under the part's label.
    fn hand_over(&self, whole: &Study, part: &Study, file: &mut FileState) -> io::Result<()> {
        file.study = Some(part.index);
        let is_staged = file.is_staged();
        let Some(staged) = file.staged.as_mut().filter(|_| is_staged) else {
            return Ok(());
        };
        let from = stage::path(self, whole, &staged.file);
        let identified = part.part.as_ref().is_some_and(|part| part.identified);
        let scan = Arc::make_mut(&mut staged.scan);
        let mut names = super::super::gate::lock(&part.names);
        scan.scan_id = names.scan(&scan.scan_id, &scan.series_uid, &scan.modality);
        let placed = Arc::make_mut(&mut staged.file);
        placed.scan_id = names.text(&scan.scan_id);
        let stored = part.stored_files(&placed.sop_uid, identified).next();
        let name = match stored {
            Some((_, stored)) => Some(stored.name.clone()),
            None => names.file(
                &placed.scan_id,
                &placed.resource,
                &placed.name,
                &placed.sop_uid,
            ),
        };
        if let Some(name) = name {
            placed.name = name;
        }
        drop(names);
        let to = stage::path(self, part, placed);
        if let Some(folder) = to.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::rename(from, to)
    }
}
