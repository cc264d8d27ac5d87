//! What the route rule sees of a session: JSON, see `schemas/session-summary.schema.json`.

use super::Job;
use super::outcome::{FileState, count};
use super::overwrite::place_of;
use super::session::Seen;
use super::study::{Stored, Study};
use crate::archive::session_modality;
use crate::dicom::tags;
use crate::rules::Labels;
use crate::store::{Place, Scan, Session, StoredFile};
use std::collections::{BTreeMap, HashSet};

/// What stands against storing a session as it is.
#[derive(Debug, serde::Serialize)]
pub struct Conflict {
    pub code: &'static str,
    pub detail: String,
}

impl Job<'_> {
    pub(super) fn summary(
        &self,
        study: &Study,
        labels: &Labels,
        files: &[FileState],
        seen: &Seen,
        conflicts: &[Conflict],
    ) -> serde_json::Value {
        let Seen { scans, first, own } = seen;
        let mut counts = count(of_study(study, files));
        // What is staged counts as stored, if the rule lets it.
        let staged = of_study(study, files).filter(|f| f.is_staged()).count() as u64;
        counts.failed -= staged;
        counts.stored += staged;
        // Unless they are replaced, these will be in conflict.
        let differing = of_study(study, files)
            .filter(|f| f.is_staged() && f.differs)
            .count() as u64;
        counts.stored -= differing;
        counts.conflict += differing;
        let in_scan = |scan: &Scan| {
            let is_in = |f: &&FileState| {
                f.staged
                    .as_ref()
                    .is_some_and(|s| s.scan.scan_id == scan.scan_id)
            };
            of_study(study, files)
                .filter(|f| f.is_staged())
                .filter(is_in)
                .count()
        };
        let series: Vec<_> = scans
            .iter()
            .map(|scan| {
                serde_json::json!({
                    "scan": scan.scan_id, "modality": scan.modality, "series_uid": scan.series_uid,
                    "description": scan.description, "count": in_scan(scan),
                })
            })
            .collect();
        let leaks: Vec<_> = study
            .leaks()
            .into_iter()
            .map(|(finding, files)| serde_json::json!({ "kind": finding.kind, "tag": finding.tag, "count": files }))
            .collect();
        serde_json::json!({
            "project": self.request.project,
            "subject": labels.subject,
            "session": labels.session,
            "failed": counts.failed,
            "study": {
                "modality": session_modality(scans.iter().map(|s| s.modality.as_str())),
                "date": first.text(tags::STUDY_DATE),
                "uid": first.text(tags::STUDY_INSTANCE_UID),
            },
            "series": series,
            "counts": counts,
            "differing": differing,
            "stored": stored(&study.stored, own),
            "leaks": leaks,
            "conflicts": conflicts,
            "labels": { "auto_archive": labels.auto_archive, "visit": labels.visit, "scan": labels.scan },
            "parameters": *self.run.parameters,
        })
    }
}

/// The sessions of the study that are stored already, under this label and others. What this request itself has
/// stored, before it was cut off, does not count.
fn stored(stored: &Stored, own: &HashSet<Place>) -> Vec<serde_json::Value> {
    let of_label = stored.sessions.iter().map(|(session, files)| {
        let mut scan_to_count: BTreeMap<String, u64> = BTreeMap::new();
        let is_own = |file: &StoredFile| own.contains(&place_of(session, file));
        for file in files.values().filter(|file| !is_own(file)) {
            *scan_to_count.entry(file.scan_id.to_string()).or_default() += 1;
        }
        (session, scan_to_count)
    });
    let mut all: Vec<_> = of_label.collect();
    let elsewhere = stored.elsewhere.iter();
    all.extend(elsewhere.map(|(session, scans)| (session, scans.clone())));
    all.sort_by_key(|(session, _)| session.id);
    let told = all.iter();
    told.filter_map(|(session, scans)| told_of(session, scans))
        .collect()
}

fn told_of(session: &Session, scan_to_count: &BTreeMap<String, u64>) -> Option<serde_json::Value> {
    let count: u64 = scan_to_count.values().sum();
    let scans = scan_to_count
        .iter()
        .map(|(scan, count)| serde_json::json!({ "scan": scan, "count": count }));
    (count > 0).then(|| {
        serde_json::json!({
            "area": session.area().as_str(),
            "status": session.state.as_str(),
            "subject": session.subject,
            "session": session.label,
            "modality": session.modality,
            "count": count,
            "scans": scans.collect::<Vec<_>>(),
        })
    })
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
pub fn scans_of(files: &[FileState], staged: &[usize]) -> Vec<Scan> {
    let mut scans: Vec<Scan> = Vec::new();
    for file in staged.iter().filter_map(|i| files[*i].staged.as_ref()) {
        if !scans.iter().any(|s| s.scan_id == file.scan.scan_id) {
            scans.push(Scan::clone(&file.scan));
        }
    }
    scans
}
