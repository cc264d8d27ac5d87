//! The demo's prose: what became of files and sessions, and of one header, in columns for a terminal.

use std::fmt::Write as _;
use std::fs::File;
use std::path::Path;

use crate::client::{ImportReport, ImportStatus};
use crate::dicom::{Instance, Tag, tags};

use super::DemoError;

/// Of files that fared well, so many are shown; of the others, all.
const SHOWN_PER_OUTCOME: usize = 2;

/// Elements worth a look: who, when, where, and what has to stay.
const SHOWN_ELEMENTS: [(Tag, &str); 11] = [
    (tags::PATIENT_NAME, "PatientName"),
    (tags::PATIENT_ID, "PatientID"),
    (tags::PATIENT_BIRTH_DATE, "PatientBirthDate"),
    (tags::STUDY_DATE, "StudyDate"),
    (tags::ACCESSION_NUMBER, "AccessionNumber"),
    (tags::INSTITUTION_NAME, "InstitutionName"),
    (tags::REFERRING_PHYSICIAN_NAME, "ReferringPhysicianName"),
    (tags::PATIENT_COMMENTS, "PatientComments"),
    (tags::STUDY_INSTANCE_UID, "StudyInstanceUID"),
    (tags::MODALITY, "Modality"),
    (tags::SLICE_THICKNESS, "SliceThickness"),
];

const LONGEST_VALUE: usize = 34;

pub(super) fn heading(text: &mut String, title: &str) {
    let _ = writeln!(text, "\n{title}\n{}", "─".repeat(title.chars().count()));
}

pub(super) fn files(text: &mut String, report: &ImportReport) {
    for (outcome, count) in report.outcome_to_count() {
        let _ = writeln!(text, "  {count:>4} {}", in_words(outcome));
        let shown = if outcome == "stored" {
            SHOWN_PER_OUTCOME
        } else {
            usize::MAX
        };
        let same = report.files.iter().filter(|file| file.outcome == outcome);
        for file in same.take(shown) {
            let mut line = format!("         {}", file.path);
            if let Some(reason) = file.reason.as_ref().filter(|reason| !reason.is_empty()) {
                let _ = write!(line, ": {reason}");
            }
            if let Some(stored) = &file.stored {
                let _ = write!(line, "\n           → {stored}");
            }
            let _ = writeln!(text, "{line}");
        }
        if count > shown {
            let _ = writeln!(text, "         … and {} more", count - shown);
        }
    }
}

/// The report's code of an outcome, for reading.
fn in_words(outcome: &str) -> String {
    match outcome {
        "not_dicom" => "not DICOM".to_owned(),
        other => other.replace('_', " "),
    }
}

pub(super) fn sessions(
    text: &mut String,
    status: &ImportStatus,
    report: &ImportReport,
    data: &Path,
) {
    for session in &status.sessions {
        let _ = writeln!(
            text,
            "  session {} of subject {}: {}",
            session.label, session.subject, session.status
        );
        let reported = report
            .sessions
            .iter()
            .find(|reported| reported.label == session.label);
        if let Some(reported) = reported.filter(|reported| !reported.reason.is_empty()) {
            let _ = writeln!(text, "       because   {}", reported.reason);
        }
        let _ = writeln!(text, "       address   /data{}", session.uri);
        if let Some(folder) = session.folder() {
            let _ = writeln!(text, "       on disk   {}", data.join(folder).display());
        }
    }
}

/// The same elements of a source file and of what it became.
pub(super) fn before_and_after(
    text: &mut String,
    before: &Path,
    after: &Path,
) -> Result<(), DemoError> {
    let (before, after) = (read(before)?, read(after)?);
    let _ = writeln!(text, "  one header, before and after:");
    for (tag, keyword) in SHOWN_ELEMENTS {
        let (old, new) = (value(&before, tag), value(&after, tag));
        let new = if new == old {
            "(the same)".to_owned()
        } else {
            new
        };
        let _ = writeln!(text, "       {keyword:<23} {}  {new}", pad(&old));
    }
    let (old, new) = (private_elements(&before), private_elements(&after));
    let _ = writeln!(
        text,
        "       {:<23} {}  {new}",
        "private elements",
        pad(&old.to_string())
    );
    Ok(())
}

fn read(path: &Path) -> Result<Instance, DemoError> {
    let file = File::open(path).map_err(|source| DemoError::Open(path.to_owned(), source))?;
    Instance::read(file).map_err(|source| DemoError::Read(path.to_owned(), source))
}

fn private_elements(instance: &Instance) -> usize {
    instance
        .dataset
        .elements
        .iter()
        .filter(|element| element.is_private())
        .count()
}

fn value(instance: &Instance, tag: Tag) -> String {
    if instance.dataset.get(tag).is_none() {
        return "(absent)".to_owned();
    }
    match instance.text(tag) {
        Some(value) => value.trim().chars().take(LONGEST_VALUE).collect(),
        None => "(empty)".to_owned(),
    }
}

/// Pads to a column; East Asian characters take two cells of a terminal.
fn pad(value: &str) -> String {
    let cells: usize = value
        .chars()
        .map(|c| if c >= '\u{1100}' { 2 } else { 1 })
        .sum();
    format!("{value}{}", " ".repeat(LONGEST_VALUE.saturating_sub(cells)))
}
