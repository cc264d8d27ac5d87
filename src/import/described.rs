//! What is said of a session, as its first instance and its series have it.

use crate::archive::{session_modality, session_type};
use crate::dicom::{Instance, tags};
use crate::store::{NewSession, Scan};

/// The members that these tell; the others are empty.
pub fn described(first: &Instance, scans: &[Scan]) -> NewSession {
    let modality = session_modality(scans.iter().map(|s| s.modality.as_str()));
    NewSession {
        study_uid: first.text(tags::STUDY_INSTANCE_UID).unwrap_or_default(),
        scan_date: first.text(tags::STUDY_DATE).and_then(|d| iso_date(&d)),
        scan_time: first.text(tags::STUDY_TIME).and_then(|t| iso_time(&t)),
        xsi_type: session_type(&modality),
        modality,
        ..NewSession::default()
    }
}

/// `20240229` as `2024-02-29`, as XNAT's rows have it.
fn iso_date(date: &str) -> Option<String> {
    let digits: String = date.chars().filter(char::is_ascii_digit).collect();
    (digits.len() == 8).then(|| format!("{}-{}-{}", &digits[..4], &digits[4..6], &digits[6..]))
}

/// `141530.25` as `14:15:30`.
fn iso_time(time: &str) -> Option<String> {
    let digits: String = time.chars().filter(char::is_ascii_digit).collect();
    (digits.len() >= 6).then(|| format!("{}:{}:{}", &digits[..2], &digits[2..4], &digits[4..6]))
}
