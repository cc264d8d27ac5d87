//! The demo's prose: what became of files and sessions, and of one header, in columns for a terminal.

use std::fmt::Write as _;
use std::path::Path;

use dicom_dictionary_std::tags;
use dicom_object::{FileDicomObject, InMemDicomObject, OpenFileOptions, ReadError};

use crate::client::{ImportReport, ImportStatus};

/// Of files that fared well, so many are shown; of the others, all.
const SHOWN_PER_OUTCOME: usize = 2;

/// Elements worth a look, by keyword: who, when, where, and what has to stay.
const SHOWN_ELEMENTS: [&str; 11] = [
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "StudyDate",
    "AccessionNumber",
    "InstitutionName",
    "ReferringPhysicianName",
    "PatientComments",
    "StudyInstanceUID",
    "Modality",
    "SliceThickness",
];

const LONGEST_VALUE: usize = 34;

pub(super) fn heading(text: &mut String, title: &str) {
    let _ = writeln!(text, "\n{title}\n{}", "─".repeat(title.chars().count()));
}

pub(super) fn files(text: &mut String, report: &ImportReport) {
    for (outcome, count) in report.outcome_to_count() {
        let _ = writeln!(text, "  {count:>4} {outcome}");
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
            if let Some(stored_as) = &file.stored_as {
                let _ = write!(line, "\n           → {stored_as}");
            }
            let _ = writeln!(text, "{line}");
        }
        if count > shown {
            let _ = writeln!(text, "         … and {} more", count - shown);
        }
    }
}

pub(super) fn sessions(text: &mut String, status: &ImportStatus, data: &Path) {
    for session in &status.sessions {
        let _ = writeln!(
            text,
            "  session {} of subject {}: {}",
            session.label, session.subject, session.status
        );
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
) -> Result<(), Box<ReadError>> {
    let (before, after) = (read(before)?, read(after)?);
    let _ = writeln!(text, "  one header, before and after:");
    for keyword in SHOWN_ELEMENTS {
        let (old, new) = (value(&before, keyword), value(&after, keyword));
        let new = if new == old {
            "(the same)".to_owned()
        } else {
            new
        };
        let _ = writeln!(text, "       {keyword:<23} {}  {new}", pad(&old));
    }
    let private = |object: &InMemDicomObject| {
        object
            .iter()
            .filter(|e| e.header().tag.group() % 2 == 1)
            .count()
    };
    let _ = writeln!(
        text,
        "       {:<23} {}  {}",
        "private elements",
        pad(&private(&before).to_string()),
        private(&after)
    );
    Ok(())
}

fn read(path: &Path) -> Result<FileDicomObject<InMemDicomObject>, Box<ReadError>> {
    OpenFileOptions::new()
        .read_until(tags::PIXEL_DATA)
        .open_file(path)
        .map_err(Box::new)
}

fn value(object: &InMemDicomObject, keyword: &str) -> String {
    let Ok(element) = object.element_by_name(keyword) else {
        return "–".to_owned();
    };
    let value = element.to_str().unwrap_or_default();
    // Escape sequences of code extensions would reach the terminal as such.
    let printable = value
        .trim()
        .chars()
        .map(|c| if c.is_control() { '␛' } else { c });
    let shown: String = printable.take(LONGEST_VALUE).collect();
    if shown.is_empty() {
        "(empty)".to_owned()
    } else {
        shown
    }
}

fn pad(value: &str) -> String {
    format!(
        "{value}{}",
        " ".repeat(LONGEST_VALUE.saturating_sub(value.chars().count()))
    )
}
