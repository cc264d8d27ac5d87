//! Keywords and VRs, from dicom-rs's dictionary of the standard (PS3.6).

use dicom_core::dictionary::{
    DataDictionary, DataDictionaryEntry, DataDictionaryEntryRef, TagRange, VirtualVr,
};
use dicom_core::{Tag, VR};
use dicom_dictionary_std::StandardDataDictionary;
use std::sync::OnceLock;

const STANDARD: &StandardDataDictionary = &StandardDataDictionary;

fn entry_of(tag: Tag) -> Option<&'static DataDictionaryEntryRef<'static>> {
    DataDictionary::by_tag(&STANDARD, tag)
}

/// `PatientName` → (0010,0010).
pub fn tag_of(keyword: &str) -> Option<Tag> {
    DataDictionary::by_name(&STANDARD, keyword).map(|entry| entry.tag())
}

/// (0010,0010) → `PatientName`; none for private and unknown tags.
pub fn keyword_of(tag: Tag) -> Option<&'static str> {
    entry_of(tag).map(|entry| entry.alias)
}

/// The same where the keyword leads back to that tag: not of private creators, and of repeating groups (60xx) the
/// first alone.
pub fn own_keyword_of(tag: Tag) -> Option<&'static str> {
    let is_own = |entry: &&DataDictionaryEntryRef<'_>| {
        entry.tag() == tag && entry.tag != TagRange::PrivateCreator
    };
    entry_of(tag).filter(is_own).map(|entry| entry.alias)
}

/// The VR that the standard gives a tag; of several, the one that dicom-rs prefers.
pub fn vr_of(tag: Tag) -> Option<VR> {
    // dicom-rs knows private creators (PS3.5 7.8.1: LO) and group lengths (UL) too.
    entry_of(tag).map(|entry| entry.vr().relaxed())
}

/// Whether the pixels say which of the two it is: see [`super::sign`].
pub fn is_us_or_ss(tag: Tag) -> bool {
    entry_of(tag).is_some_and(|entry| entry.vr() == VirtualVr::Xs)
}

/// The nearest keyword, for `did you mean`: none if nothing is close.
pub fn nearest_keyword(word: &str) -> Option<&'static str> {
    const CLOSE: f64 = 0.75;
    let word = word.to_ascii_lowercase();
    keywords()
        .iter()
        .map(|keyword| {
            (
                strsim::normalized_damerau_levenshtein(&word, &keyword.to_ascii_lowercase()),
                *keyword,
            )
        })
        .filter(|(likeness, _)| *likeness >= CLOSE)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, keyword)| keyword)
}

/// Every keyword. dicom-rs has no list of its entries, so its tags are asked for, once, group by group.
fn keywords() -> &'static [&'static str] {
    static KEYWORDS: OnceLock<Vec<&'static str>> = OnceLock::new();
    const GROUPS: [u16; 41] = [
        0x0002, 0x0004, 0x0008, 0x0010, 0x0012, 0x0014, 0x0016, 0x0018, 0x0020, 0x0022, 0x0024,
        0x0028, 0x0032, 0x0034, 0x0038, 0x003A, 0x0040, 0x0042, 0x0044, 0x0046, 0x0048, 0x0050,
        0x0052, 0x0054, 0x0060, 0x0062, 0x0064, 0x0066, 0x0068, 0x0070, 0x0072, 0x0074, 0x0076,
        0x0078, 0x0080, 0x0082, 0x0088, 0x3006, 0x300A, 0x300C, 0x7FE0,
    ];
    KEYWORDS.get_or_init(|| {
        let tags = GROUPS
            .iter()
            .flat_map(|group| (1..=u16::MAX).map(|element| Tag(*group, element)));
        tags.filter_map(|tag| entry_of(tag).filter(|e| e.tag() == tag))
            .map(|entry| entry.alias)
            .collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_own_keyword_leads_back_to_its_tag() {
        for group in [
            0x0002, 0x0008, 0x0009, 0x0010, 0x0028, 0x5000, 0x6000, 0x6002, 0x7FE0,
        ] {
            for element in 0..=u16::MAX {
                let tag = Tag(group, element);
                let leads_back = keyword_of(tag).filter(|keyword| tag_of(keyword) == Some(tag));
                assert_eq!(own_keyword_of(tag), leads_back, "{tag}");
            }
        }
    }
}
