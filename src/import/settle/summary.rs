//! What the route rule sees of a session: JSON, see `schemas/session-summary.schema.json`.

use super::super::Job;
use super::super::leak::Finding;
use super::super::outcome::{FileState, count};
use super::super::staged::of_study;
use super::super::study::{Stored, Study};
use crate::archive::session_modality;
use crate::dicom::{Instance, tags};
use crate::rules::{Labels, Run};
use crate::store::{Counts, Place, Scan, Session, StoredFile};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashSet};

/// What the route rule sees of a session, at an import and where one is explained.
#[derive(Debug, Serialize)]
pub struct SessionSummary<'a> {
    pub project: &'a str,
    pub subject: &'a str,
    pub session: &'a str,
    /// The same as in `counts`.
    pub failed: u64,
    pub study: StudySeen,
    pub series: Vec<SeriesSeen<'a>>,
    pub counts: Counts,
    /// How many of those in conflict would replace a stored one, if it is to be replaced.
    pub differing: u64,
    pub stored: Vec<StoredSeen<'a>>,
    pub leaks: Vec<LeakSeen<'a>>,
    pub conflicts: &'a [Conflict],
    pub labels: LabelsSeen<'a>,
    pub parameters: &'a BTreeMap<String, String>,
}

#[derive(Debug, Default, Serialize)]
pub struct StudySeen {
    pub modality: String,
    pub date: Option<String>,
    /// As it will be stored.
    pub uid: Option<String>,
}

#[derive(Debug, Serialize)]
pub struct SeriesSeen<'a> {
    pub scan: &'a str,
    pub modality: &'a str,
    pub series_uid: &'a str,
    pub description: &'a str,
    pub count: u64,
}

/// A session of the study that is stored already.
#[derive(Debug, Serialize)]
pub struct StoredSeen<'a> {
    area: &'static str,
    status: &'static str,
    subject: &'a str,
    session: &'a str,
    modality: &'a str,
    count: u64,
    scans: Vec<StoredScanSeen>,
}

#[derive(Debug, Serialize)]
pub struct StoredScanSeen {
    scan: String,
    count: u64,
}

#[derive(Debug, Serialize)]
pub struct LeakSeen<'a> {
    kind: &'a str,
    tag: &'a str,
    count: u64,
}

/// What stands against storing a session as it is.
#[derive(Debug, Serialize)]
pub struct Conflict {
    pub code: &'static str,
    pub detail: String,
}

/// What the label rule answered beside subject and session.
#[derive(Debug, Serialize)]
pub struct LabelsSeen<'a> {
    auto_archive: Option<bool>,
    visit: Option<&'a str>,
    scan: Option<&'a str>,
}

impl<'a> SessionSummary<'a> {
    /// Of a session that has not been looked at but for its labels and the files it is to have.
    pub fn new(run: &'a Run, labels: &'a Labels, counts: Counts) -> Self {
        Self {
            project: &run.project,
            subject: &labels.subject,
            session: &labels.session,
            failed: counts.failed,
            study: StudySeen::default(),
            series: Vec::new(),
            counts,
            differing: 0,
            stored: Vec::new(),
            leaks: Vec::new(),
            conflicts: &[],
            labels: LabelsSeen {
                auto_archive: labels.auto_archive,
                visit: labels.visit.as_deref(),
                scan: labels.scan.as_deref(),
            },
            parameters: &run.parameters,
        }
    }

    pub fn to_json(&self) -> Value {
        json!(self)
    }
}

impl<'a> LeakSeen<'a> {
    /// What was found in so many files.
    pub fn new(finding: &'a Finding, files: u64) -> Self {
        Self {
            kind: finding.kind,
            tag: &finding.tag,
            count: files,
        }
    }
}

/// What is staged of a study, as the route rule is told of it.
pub(super) struct Seen {
    pub scans: Vec<Scan>,
    /// The first instance as it will be stored.
    pub first: Instance,
    /// What this very request has stored before it was cut off.
    pub own: HashSet<Place>,
}

impl Job<'_> {
    pub(super) fn summary(
        &self,
        study: &Study,
        labels: &Labels,
        files: &[FileState],
        seen: &Seen,
        conflicts: &[Conflict],
    ) -> Value {
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
                .count() as u64
        };
        let series = scans.iter().map(|scan| SeriesSeen {
            scan: &scan.scan_id,
            modality: &scan.modality,
            series_uid: &scan.series_uid,
            description: &scan.description,
            count: in_scan(scan),
        });
        let leaks = study.leaks();
        let summary = SessionSummary {
            study: StudySeen {
                modality: session_modality(scans.iter().map(|s| s.modality.as_str())),
                date: first.text(tags::STUDY_DATE),
                uid: first.text(tags::STUDY_INSTANCE_UID),
            },
            series: series.collect(),
            differing,
            stored: stored(&study.stored, own),
            leaks: (leaks.iter())
                .map(|(finding, files)| LeakSeen::new(finding, *files))
                .collect(),
            conflicts,
            ..SessionSummary::new(&self.run, labels, counts)
        };
        summary.to_json()
    }
}

/// The sessions of the study that are stored already, under this label and others. What this request itself has
/// stored, before it was cut off, does not count.
fn stored<'a>(stored: &'a Stored, own: &HashSet<Place>) -> Vec<StoredSeen<'a>> {
    let of_label = stored.sessions.iter().map(|(session, files)| {
        let mut scan_to_count: BTreeMap<String, u64> = BTreeMap::new();
        let is_own = |file: &StoredFile| own.contains(&session.place_of(file));
        for file in files.values().filter(|file| !is_own(file)) {
            *scan_to_count.entry(file.scan_id.to_string()).or_default() += 1;
        }
        (session, scan_to_count)
    });
    let mut all: Vec<_> = of_label.collect();
    let elsewhere = stored.elsewhere.iter();
    all.extend(elsewhere.map(|(session, scans)| (session, scans.clone())));
    all.sort_by_key(|(session, _)| session.id);
    all.into_iter()
        .filter_map(|(session, scans)| stored_seen(session, scans))
        .collect()
}

fn stored_seen(session: &Session, scan_to_count: BTreeMap<String, u64>) -> Option<StoredSeen<'_>> {
    let count: u64 = scan_to_count.values().sum();
    (count > 0).then(|| StoredSeen {
        area: session.area().as_str(),
        status: session.state.as_str(),
        subject: &session.subject,
        session: &session.label,
        modality: &session.modality,
        count,
        scans: scan_to_count
            .into_iter()
            .map(|(scan, count)| StoredScanSeen { scan, count })
            .collect(),
    })
}
