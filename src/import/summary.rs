//! What the route rule sees of a session: JSON, see `schemas/session-summary.schema.json`.

use super::Job;
use super::outcome::{FileState, count};
use super::study::Study;
use crate::archive::session_modality;
use crate::dicom::{Instance, tags};
use crate::rules::Labels;
use crate::store::Scan;

/// What stands against storing a session as it is.
#[derive(Debug, serde::Serialize)]
pub struct Conflict {
    pub code: &'static str,
    pub detail: String,
}

impl Job<'_> {
    /// `first` is the first instance as it will be stored.
    pub(super) fn summary(
        &self,
        study: &Study,
        labels: &Labels,
        files: &[FileState],
        scans: &[Scan],
        conflicts: &[Conflict],
        first: &Instance,
    ) -> serde_json::Value {
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
            "leaks": leaks,
            "conflicts": conflicts,
            "labels": { "auto_archive": labels.auto_archive, "visit": labels.visit, "scan": labels.scan },
            "parameters": *self.run.parameters,
        })
    }
}

pub fn of_study<'a>(study: &Study, files: &'a [FileState]) -> impl Iterator<Item = &'a FileState> {
    let index = study.index;
    files.iter().filter(move |f| f.study == Some(index))
}

/// The series of what is staged, in the order in which they were met.
pub fn scans_of(files: &[FileState], staged: &[usize]) -> Vec<Scan> {
    let mut scans: Vec<Scan> = Vec::new();
    for file in staged.iter().filter_map(|i| files[*i].staged.as_ref()) {
        if !scans.iter().any(|s| s.scan_id == file.scan.scan_id) {
            scans.push(file.scan.clone());
        }
    }
    scans
}
