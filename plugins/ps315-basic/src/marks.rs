//! What the dataset says afterwards about its own de-identification, PS3.15 E.1.1 and PS3.3 C.7.1.1.
//!
//! A step before this one may have left such marks; they are added to.

use crate::refused::OrRefused;
use crate::settings::Settings;
use crate::sluice::rules::dicom::Dataset;
use crate::table::Options;

const METHOD: &str = "DeidentificationMethod";
const METHOD_CODES: &str = "DeidentificationMethodCodeSequence";

/// This version of this module, and the edition of its table. An LO: 64 characters at most.
const THIS_METHOD: &str = concat!(
    "Sluice ps315-basic ",
    env!("CARGO_PKG_VERSION"),
    ", PS3.15 2024e"
);

/// A code of CID 7050, PS3.16; its coding scheme is DCM.
type Code = (&'static str, &'static str);

pub fn put(ds: &Dataset, settings: &Settings) -> Result<(), String> {
    set(ds, "PatientIdentityRemoved", "YES")?;
    set(
        ds,
        "LongitudinalTemporalInformationModified",
        longitudinal(&settings.options),
    )?;

    let mut methods = ds.values(METHOD);
    methods.retain(|m| m != THIS_METHOD);
    methods.push(THIS_METHOD.to_owned());
    set(ds, METHOD, &methods.join("\\"))?;
    put_codes(ds, codes(settings))
}

/// PS3.3 C.7.1.1 has these three terms for (0028,0303).
fn longitudinal(options: &Options) -> &'static str {
    match options {
        Options {
            full_dates: true, ..
        } => "UNMODIFIED",
        Options {
            modified_dates: true,
            ..
        } => "MODIFIED",
        _ => "REMOVED",
    }
}

/// The profile's code, then one for each option in effect.
fn codes(settings: &Settings) -> impl Iterator<Item = Code> {
    let Settings {
        options,
        safe_private,
        ..
    } = settings;
    let codes: [(bool, Code); 8] = [
        (
            true,
            ("113100", "Basic Application Confidentiality Profile"),
        ),
        (
            options.full_dates,
            (
                "113106",
                "Retain Longitudinal Temporal Information Full Dates Option",
            ),
        ),
        (
            options.modified_dates,
            (
                "113107",
                "Retain Longitudinal Temporal Information Modified Dates Option",
            ),
        ),
        (
            options.patient_characteristics,
            ("113108", "Retain Patient Characteristics Option"),
        ),
        (
            options.device_identity,
            ("113109", "Retain Device Identity Option"),
        ),
        (options.uids, ("113110", "Retain UIDs Option")),
        (
            !safe_private.is_empty(),
            ("113111", "Retain Safe Private Option"),
        ),
        (
            options.institution_identity,
            ("113112", "Retain Institution Identity Option"),
        ),
    ];
    codes
        .into_iter()
        .filter_map(|(in_effect, code)| in_effect.then_some(code))
}

/// Appends the codes that the sequence does not hold yet.
fn put_codes(ds: &Dataset, codes: impl Iterator<Item = Code>) -> Result<(), String> {
    let present: Vec<String> = (0..).map_while(|item| code_value(ds, item)).collect();
    let mut item = present.len();
    for (value, meaning) in codes {
        if present.iter().any(|p| p == value) {
            continue;
        }
        set(ds, &in_item(item, "CodeValue"), value)?;
        set(ds, &in_item(item, "CodingSchemeDesignator"), "DCM")?;
        set(ds, &in_item(item, "CodeMeaning"), meaning)?;
        item += 1;
    }
    Ok(())
}

/// The code of an item; none past the last. Each item has one of the three, PS3.3 Table 8.8-1.
fn code_value(ds: &Dataset, item: usize) -> Option<String> {
    ["CodeValue", "LongCodeValue", "URNCodeValue"]
        .iter()
        .find_map(|name| ds.get(&in_item(item, name)))
}

fn in_item(item: usize, name: &str) -> String {
    format!("{METHOD_CODES}[{item}]/{name}")
}

fn set(ds: &Dataset, path: &str, value: &str) -> Result<(), String> {
    ds.set(path, value).or_refused(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(text: &str) -> Settings {
        Settings::parse(text).unwrap()
    }

    #[test]
    fn the_codes_name_the_profile_and_each_option_in_effect() {
        let values = |text| {
            codes(&settings(text))
                .map(|(value, _)| value)
                .collect::<Vec<_>>()
        };
        assert_eq!(values("{}"), ["113100"]);
        assert_eq!(
            values(r#"{"retain_uids": true, "retain_safe_private": ["(0019,{ACME}01)"]}"#),
            ["113100", "113110", "113111"]
        );
        assert_eq!(values(r#"{"retain_safe_private": []}"#), ["113100"]);
    }

    #[test]
    fn the_dates_are_said_to_be_what_was_done_to_them() {
        let said = |text| longitudinal(&settings(text).options);
        assert_eq!(said("{}"), "REMOVED");
        assert_eq!(said(r#"{"retain_full_dates": true}"#), "UNMODIFIED");
        assert_eq!(said(r#"{"retain_modified_dates": true}"#), "MODIFIED");
    }

    #[test]
    fn every_text_fits_an_lo() {
        assert!(THIS_METHOD.len() <= 64);
        let all =
            r#"{"retain_uids": true, "retain_full_dates": true, "retain_device_identity": true}"#;
        assert!(codes(&settings(all)).all(|(_, meaning)| meaning.len() <= 64));
    }
}
