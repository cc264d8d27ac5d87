//! Which of XNAT's data types a series and a session are, by modality and SOP class.

use dicom_core::dictionary::UidDictionary;
use dicom_dictionary_std::StandardSopClassDictionary;

/// Modalities with an XNAT session and scan type of their own: (modality, prefix of the type).
const TYPES: [(&str, &str); 17] = [
    ("MR", "mr"),
    ("CT", "ct"),
    ("PT", "pet"),
    ("US", "us"),
    ("CR", "cr"),
    ("DX", "dx"),
    ("MG", "mg"),
    ("NM", "nm"),
    ("XA", "xa"),
    ("RF", "rf"),
    ("ES", "es"),
    ("OP", "op"),
    ("SR", "sr"),
    ("SEG", "seg"),
    ("RTIMAGE", "rtImage"),
    ("SC", "sc"),
    ("OT", "otherDicom"),
];

/// What a session of both is called.
const PET_WITH_MR: &str = "PT/MR";

fn prefix(modality: &str) -> &'static str {
    TYPES
        .iter()
        .find(|(m, _)| *m == modality)
        .map_or("otherDicom", |(_, prefix)| prefix)
}

/// `xnat:mrScanData` and the like; `xnat:otherDicomScanData` for what XNAT has no type for.
pub fn scan_type(modality: &str) -> String {
    format!("xnat:{}ScanData", prefix(modality))
}

/// `xnat:mrSessionData` and the like, of a session's modality.
pub fn session_type(modality: &str) -> String {
    match modality {
        PET_WITH_MR => "xnat:petmrSessionData".into(),
        _ => format!("xnat:{}SessionData", prefix(modality)),
    }
}

/// All that [`scan_type`] answers.
pub fn scan_types() -> impl Iterator<Item = String> {
    TYPES.iter().map(|(modality, _)| scan_type(modality))
}

/// All that [`session_type`] answers.
pub fn session_types() -> impl Iterator<Item = String> {
    let modalities = TYPES.iter().map(|(modality, _)| *modality);
    modalities.chain([PET_WITH_MR]).map(session_type)
}

/// The modality that names a session: that of most series that are images of the patient, not derived
/// objects; PET with MR is a kind of its own (XNAT's `petmr`).
pub fn session_modality<'a>(modalities: impl IntoIterator<Item = &'a str>) -> String {
    const DERIVED: [&str; 8] = ["SR", "SEG", "SC", "OT", "PR", "KO", "REG", "RTSTRUCT"];
    let all: Vec<&str> = modalities.into_iter().collect();
    if all.contains(&"PT") && all.contains(&"MR") {
        return PET_WITH_MR.into();
    }
    if all.contains(&"PT") {
        return "PT".into();
    }
    let count = |modality: &&str| all.iter().filter(|m| *m == modality).count();
    let primary = all.iter().filter(|m| !DERIVED.contains(m));
    // Of equals the first met, so that the order of the walk decides.
    let most = primary.rev().max_by_key(|m| count(m)).or(all.first());
    most.map_or_else(|| "OT".into(), |m| (*m).to_owned())
}

/// XNAT's resource for an instance: `secondary` for secondary capture and SOP classes it doesn't know.
pub fn resource_of(sop_class: &str) -> &'static str {
    const SECONDARY_CAPTURE: &str = "1.2.840.10008.5.1.4.1.1.7";
    let known = StandardSopClassDictionary.by_uid(sop_class).is_some();
    match known && !sop_class.starts_with(SECONDARY_CAPTURE) {
        true => "DICOM",
        false => "secondary",
    }
}
