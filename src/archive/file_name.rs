//! Names of stored files and of scan folders (XNAT's `DicomFileNameTemplate` and scan naming).

use super::catalog::is_catalog;
use crate::dicom::{Instance, Tag, tags};
use crate::store::Scan;
use sha2::{Digest as _, Sha256};
use std::collections::{HashMap, HashSet};
use std::path::{Component, Path};
use std::sync::Arc;

/// XNAT's default template,
/// `${StudyInstanceUID}-${SeriesNumber}-${InstanceNumber}-${HashSOPClassUIDWithSOPInstanceUID}`,
/// filled from the anonymized dataset: source names may carry a patient's.
pub fn template(instance: &Instance) -> String {
    let value = |tag: Tag, keyword: &str| {
        instance
            .text(tag)
            .unwrap_or_else(|| format!("no-value-for-{keyword}"))
    };
    let class = value(tags::SOP_CLASS_UID, "SOPClassUID");
    let uid = value(tags::SOP_INSTANCE_UID, "SOPInstanceUID");
    let name = format!(
        "{}-{}-{}-{}.dcm",
        value(tags::STUDY_INSTANCE_UID, "StudyInstanceUID"),
        value(tags::SERIES_NUMBER, "SeriesNumber"),
        value(tags::INSTANCE_NUMBER, "InstanceNumber"),
        base36(list_hash(&[&class, &uid])),
    );
    clean(&name)
}

/// A name of only `[A-Za-z0-9_.-]`, without leading dots, at most 200 bytes of it.
pub fn clean(name: &str) -> String {
    let safe = |c: char| {
        if c.is_ascii_alphanumeric() || "_.-".contains(c) {
            c
        } else {
            '_'
        }
    };
    let name: String = name
        .trim_start_matches('.')
        .chars()
        .map(safe)
        .take(200)
        .collect();
    if name.is_empty() { "_".into() } else { name }
}

/// A series' folder: its number, else its UID, else `NA` (XNAT's `DicomObjectIdentifier.getScanID` chain).
pub fn series_folder(instance: &Instance) -> String {
    let number = instance.text(tags::SERIES_NUMBER).filter(|n| is_plain(n));
    let uid = || {
        instance
            .text(tags::SERIES_INSTANCE_UID)
            .map(|uid| clean(&uid.replace('.', "_")))
    };
    number.or_else(uid).unwrap_or_else(|| "NA".into())
}

/// Whether a name leads to something in a folder itself, and nowhere else.
pub fn is_one_step(name: &str) -> bool {
    let mut steps = Path::new(name).components();
    matches!((steps.next(), steps.next()), (Some(Component::Normal(step)), None) if step == name)
}

/// The scan that is wanted, then those beside it (XNAT's `2-MR1`), without end. The modality is the header's: of it
/// only what may stand in a folder's name.
pub fn scan_ids(wanted: &str, modality: &str) -> impl Iterator<Item = String> {
    let modality: String = modality
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .take(16)
        .collect();
    let stem = format!("{wanted}-{modality}");
    std::iter::once(wanted.to_owned()).chain((1..).map(move |n| format!("{stem}{n}")))
}

fn is_plain(text: &str) -> bool {
    text.len() <= 64
        && !text.starts_with('.')
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))
}

/// Java's `List.hashCode` over `String.hashCode`, in which XNAT's names are made.
fn list_hash(texts: &[&str]) -> u32 {
    let of_text = |text: &str| {
        text.encode_utf16()
            .fold(0u32, |h, c| h.wrapping_mul(31).wrapping_add(u32::from(c)))
    };
    texts.iter().fold(1u32, |h, text| {
        h.wrapping_mul(31).wrapping_add(of_text(text))
    })
}

fn base36(mut number: u32) -> String {
    let mut digits = Vec::new();
    loop {
        digits.push(char::from_digit(number % 36, 36).unwrap_or('0'));
        number /= 36;
        if number == 0 {
            return digits.iter().rev().collect();
        }
    }
}

/// Stands for texts where only their sameness is asked: the first half of a SHA-256, which no two texts that
/// anybody could make have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint(u128);

impl Fingerprint {
    pub fn of(texts: &[&str]) -> Self {
        let mut hasher = Sha256::new();
        for text in texts {
            hasher.update((text.len() as u64).to_le_bytes());
            hasher.update(text);
        }
        let digest: [u8; 32] = hasher.finalize().into();
        let (half, _) = digest.split_at(16);
        Self(
            half.iter()
                .fold(0, |number, byte| number << 8 | u128::from(*byte)),
        )
    }
}

/// The names of one session: no two files in one place, no two series in one folder. There may be very many
/// files, so that these are known by fingerprints.
#[derive(Debug, Default)]
pub struct Names {
    /// Scan → the series it is of.
    scan_to_series: HashMap<String, String>,
    /// (scan, resource, name) → SOP instance.
    files: HashMap<Fingerprint, Fingerprint>,
    /// The SOP instances that an import has brought in so far.
    placed: HashSet<Fingerprint>,
    /// What was said of each scan last.
    scans: HashMap<String, Arc<Scan>>,
    texts: HashSet<Arc<str>>,
}

impl Names {
    /// The scan of a series: `wanted`, or with the modality and a number behind it (XNAT's `2-MR1`)
    /// where another series has that.
    pub fn scan(&mut self, wanted: &str, series_uid: &str, modality: &str) -> String {
        for scan in scan_ids(wanted, modality) {
            let holder = self
                .scan_to_series
                .entry(scan.clone())
                .or_insert_with(|| series_uid.to_owned());
            if holder == series_uid {
                return scan;
            }
        }
        unreachable!("the numbers don't end")
    }

    /// Gives an instance its place. False if one of the same identity has it already: rules can make two
    /// instances one.
    pub fn place(&mut self, sop_uid: &str) -> bool {
        self.placed.insert(Fingerprint::of(&[sop_uid]))
    }

    /// A free name for an instance: `wanted`, or with a number behind it where another instance has that.
    /// None if this very instance has been named already. No instance is named like a catalog, which would be
    /// written over it.
    pub fn file(
        &mut self,
        scan: &str,
        resource: &str,
        wanted: &str,
        sop_uid: &str,
    ) -> Option<String> {
        let instance = Fingerprint::of(&[sop_uid]);
        let (stem, extension) = wanted
            .rsplit_once('.')
            .map_or((wanted, String::new()), |(s, e)| (s, format!(".{e}")));
        let others = (1..).map(|n| format!("{stem}_{n}{extension}"));
        let free = |name: &String| !is_catalog(name);
        for name in std::iter::once(wanted.to_owned())
            .chain(others)
            .filter(free)
        {
            let place = Fingerprint::of(&[scan, resource, &name]);
            match self.files.get(&place) {
                Some(holder) if *holder == instance => return None,
                Some(_) => {}
                None => {
                    self.files.insert(place, instance);
                    return Some(name);
                }
            }
        }
        unreachable!("the numbers don't end")
    }

    /// The same text, in one place of memory for all the files that have it.
    pub fn text(&mut self, text: &str) -> Arc<str> {
        match self.texts.get(text) {
            Some(known) => known.clone(),
            None => {
                let shared: Arc<str> = text.into();
                self.texts.insert(shared.clone());
                shared
            }
        }
    }

    /// The same scan, in one place of memory for all the files of which the same is said.
    pub fn shared(&mut self, scan: Scan) -> Arc<Scan> {
        match self.scans.get(&scan.scan_id) {
            Some(known) if **known == scan => known.clone(),
            _ => {
                let shared = Arc::new(scan);
                self.scans.insert(shared.scan_id.clone(), shared.clone());
                shared
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_as_java_does() {
        // java.util.List.of("ab", "c").hashCode() == 31 * (31 * 1 + 3105) + 99
        assert_eq!(list_hash(&["ab", "c"]), 31 * (31 + 3105) + 99);
        assert_eq!(base36(35), "z");
        assert_eq!(base36(36), "10");
    }

    #[test]
    fn two_instances_never_share_a_name() {
        let mut names = Names::default();
        assert_eq!(
            names.file("1", "DICOM", "a.dcm", "1.1").as_deref(),
            Some("a.dcm")
        );
        assert_eq!(
            names.file("1", "DICOM", "a.dcm", "1.2").as_deref(),
            Some("a_1.dcm")
        );
        assert_eq!(names.file("1", "DICOM", "a.dcm", "1.1"), None);
        assert_eq!(names.scan("2", "9.1", "MR"), "2");
        assert_eq!(names.scan("2", "9.2", "MR"), "2-MR1");
        assert_eq!(names.scan("2", "9.1", "MR"), "2");
        assert_eq!(names.scan("2", "9.3", "../../x/MR"), "2-xMR1");
        assert!(["2-xMR1", "..a"].iter().all(|name| is_one_step(name)));
        assert!(
            !["", ".", "..", "a/b", "/a", "a/"]
                .iter()
                .any(|name| is_one_step(name))
        );
        let catalog = names.file("1", "DICOM", "scan_1_catalog.xml", "1.3");
        assert_eq!(catalog.as_deref(), Some("scan_1_catalog_1.xml"));
    }
}
