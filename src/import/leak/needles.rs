//! What identifies a patient in an original: values of its header at any depth, folders that it lay in, and
//! the import call's parameters.

use crate::dicom::{Instance, Tag, tags, value};
use crate::rules::{Labels, Run};
use std::collections::BTreeSet;

/// Identifying values and what kind each is of.
pub type Needles = BTreeSet<(String, &'static str)>;

/// The elements whose values are looked for (PS3.15 table E.1-1: the direct identifiers).
const SOURCES: [(Tag, &str); 19] = [
    (tags::PATIENT_NAME, "name"),
    (tags::OTHER_PATIENT_NAMES, "name"),
    (tags::PATIENT_BIRTH_NAME, "name"),
    (tags::PATIENT_MOTHER_BIRTH_NAME, "name"),
    (tags::RESPONSIBLE_PERSON, "name"),
    (tags::REFERRING_PHYSICIAN_NAME, "name"),
    (tags::PATIENT_ID, "patient-id"),
    // OtherPatientIDs, retired and everywhere.
    (Tag(0x0010, 0x1000), "patient-id"),
    // MedicalRecordLocator, retired.
    (Tag(0x0010, 0x1090), "patient-id"),
    (tags::ADMISSION_ID, "patient-id"),
    (tags::PATIENT_BIRTH_DATE, "birth-date"),
    (tags::ACCESSION_NUMBER, "accession"),
    (tags::PATIENT_ADDRESS, "address"),
    (tags::PATIENT_TELEPHONE_NUMBERS, "telephone"),
    (tags::PATIENT_TELECOM_INFORMATION, "telephone"),
    (tags::PATIENT_COMMENTS, "free-text"),
    (tags::ADDITIONAL_PATIENT_HISTORY, "free-text"),
    // StudyComments, retired.
    (Tag(0x0032, 0x4000), "free-text"),
    (tags::IMAGE_COMMENTS, "free-text"),
];

/// Shorter values are found by chance.
const SHORTEST: usize = 4;

/// Parameters of the call that steer the import, or are the labels that it asks for.
const STEERING: [&str; 27] = [
    "import-handler",
    "PROJECT_ID",
    "project",
    "SUBJECT_ID",
    "subject",
    "EXPT_LABEL",
    "session",
    "VISIT",
    "path",
    "dest",
    "overwrite",
    "overwrite_files",
    "quarantine",
    "Ignore-Unparsable",
    "Direct-Archive",
    "action",
    "format",
    "inbody",
    "prevent_anon",
    "prevent_auto_commit",
    "tiggerPipelines",
    "cleanupAfterImport",
    "AA",
    "auto-archive",
    "prearchive_code",
    "rename",
    "triggerPipelines",
];

/// Names of folders that tell what is in them, not of whom.
const ORDINARY: [&str; 34] = [
    "anatomy",
    "archive",
    "baseline",
    "brain",
    "chest",
    "data",
    "dicom",
    "dicomdir",
    "dicoms",
    "export",
    "files",
    "follow-up",
    "followup",
    "images",
    "image",
    "import",
    "inbox",
    "incoming",
    "original",
    "patient",
    "patients",
    "projects",
    "resources",
    "scan",
    "scans",
    "secondary",
    "series",
    "session",
    "sessions",
    "studies",
    "study",
    "subject",
    "test",
    "upload",
];

/// The identifying values of one instance, taken from the original before any rule has run.
pub fn needles(original: &Instance, run: &Run) -> Needles {
    let mut needles = Needles::new();
    let mut add = |text: &str, kind: &'static str| {
        let text = text.trim();
        if is_telling(text) && !needles.iter().any(|(known, _)| known == text) {
            needles.insert((text.to_owned(), kind));
        }
    };
    original.walk(&mut |_, element, scope| {
        if let Some((_, kind)) = SOURCES.iter().find(|(tag, _)| *tag == element.tag)
            && let Some(text) = scope.text(element)
        {
            value::split(&text, value::known_vr(element.tag, element.vr))
                .iter()
                .for_each(|value| add(value, kind));
        }
        true
    });
    let folders = run.file.split('/').rev().skip(1);
    let called = run
        .parameters
        .get("path")
        .map(|path| below_inbox(path, &run.project));
    for part in folders.chain(called.into_iter().flatten()) {
        let is_ordinary = ORDINARY.contains(&part.to_ascii_lowercase().as_str());
        let is_counter = part.len() < 6 && part.bytes().all(|byte| byte.is_ascii_digit());
        if !is_ordinary && !is_counter && part != run.project {
            add(part, "path");
        }
    }
    for (name, value) in run.parameters.iter() {
        let is_switch = ["true", "false"].contains(&value.as_str());
        if !STEERING.contains(&name.as_str()) && !is_switch {
            add(value, "parameter");
        }
    }
    needles
}

/// Whether a value tells anything: a run of one or two characters, as a date that stands for none has, doesn't.
fn is_telling(text: &str) -> bool {
    let letters = text.chars().filter(|c| *c != '^');
    let different = letters.collect::<std::collections::HashSet<_>>().len();
    text.len() >= SHORTEST && different > 2
}

/// The folders that a call's path leads through below the project's, or its last.
fn below_inbox<'a>(path: &'a str, project: &str) -> Vec<&'a str> {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let own = parts.iter().position(|part| *part == project);
    let from = own.map_or(parts.len().saturating_sub(1), |at| at + 1);
    let bare = |part: &'a str| {
        let archive = [".zip", ".tar.gz", ".tgz", ".tar"];
        archive
            .iter()
            .find_map(|end| part.strip_suffix(end))
            .unwrap_or(part)
    };
    parts[from..].iter().map(|part| bare(part)).collect()
}

/// Without folders and parameters that the label rule made labels of: it says that they may be read.
pub fn not_as_labels(mut needles: Needles, labels: &Labels) -> Needles {
    let labels = [
        Some(&labels.subject),
        Some(&labels.session),
        labels.visit.as_ref(),
        labels.scan.as_ref(),
    ];
    needles.retain(|(text, kind)| {
        let may_be_label = matches!(*kind, "path" | "parameter");
        let is_label = || {
            labels
                .iter()
                .flatten()
                .any(|label| label.contains(cleaned(text).as_str()))
        };
        !(may_be_label && is_label())
    });
    needles
}

/// As label rules write it.
fn cleaned(text: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    text.chars()
        .map(|c| if fits(c) { c } else { '_' })
        .collect()
}

/// Those of an instance of the prearchive, of which some rules have run: what they wrote there themselves
/// identifies nobody.
pub fn needles_after_import(stored: &Instance, run: &Run, labels: &Labels) -> Needles {
    let mut needles = needles(stored, run);
    needles.retain(|(text, _)| ![&labels.subject, &labels.session, &run.project].contains(&text));
    needles
}
