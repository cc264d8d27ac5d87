//! The settings of `settings.schema.json`, which the host has checked against it.

use miniserde::{Deserialize, json};

use crate::table::Options;

const DEFAULT_MAX_SHIFT_DAYS: u32 = 365;

/// As written in the policy; what is left out is off.
#[derive(Deserialize)]
struct Written {
    retain_uids: Option<bool>,
    retain_device_identity: Option<bool>,
    retain_institution_identity: Option<bool>,
    retain_patient_characteristics: Option<bool>,
    retain_full_dates: Option<bool>,
    retain_modified_dates: Option<bool>,
    max_shift_days: Option<u32>,
    retain_safe_private: Option<Vec<String>>,
}

pub struct Settings {
    pub options: Options,
    /// Private elements to keep, as path patterns.
    pub safe_private: Vec<String>,
    pub max_shift_days: u32,
}

impl Settings {
    pub fn parse(text: &str) -> Result<Self, String> {
        let written: Written = json::from_str(text).map_err(|_| "the settings can't be read")?;
        let on = |option: Option<bool>| option.unwrap_or(false);
        let settings = Settings {
            options: Options {
                modified_dates: on(written.retain_modified_dates),
                full_dates: on(written.retain_full_dates),
                device_identity: on(written.retain_device_identity),
                institution_identity: on(written.retain_institution_identity),
                patient_characteristics: on(written.retain_patient_characteristics),
                uids: on(written.retain_uids),
            },
            safe_private: written.retain_safe_private.unwrap_or_default(),
            max_shift_days: written.max_shift_days.unwrap_or(DEFAULT_MAX_SHIFT_DAYS),
        };
        if settings.options.full_dates && settings.options.modified_dates {
            return Err("retain_full_dates and retain_modified_dates exclude each other".into());
        }
        Ok(settings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_retained_unless_asked() {
        let settings = Settings::parse("{}").unwrap();
        assert!(!settings.options.uids && !settings.options.full_dates);
        assert!(settings.safe_private.is_empty());
        assert_eq!(settings.max_shift_days, 365);
    }

    #[test]
    fn dates_are_not_both_kept_and_moved() {
        let both = r#"{"retain_full_dates": true, "retain_modified_dates": true}"#;
        assert!(Settings::parse(both).is_err());
        assert!(
            Settings::parse(r#"{"retain_full_dates": true, "retain_modified_dates": false}"#)
                .is_ok()
        );
    }

    #[test]
    fn private_patterns_are_taken_as_written() {
        let text =
            r#"{"retain_safe_private": ["*/(0019,{SIEMENS MR HEADER}0C)"], "max_shift_days": 30}"#;
        let settings = Settings::parse(text).unwrap();
        assert_eq!(settings.safe_private, ["*/(0019,{SIEMENS MR HEADER}0C)"]);
        assert_eq!(settings.max_shift_days, 30);
    }
}
