//! Table E.1-1 of PS3.15, edition 2024e, as constant rows: `table_e1_2024e.csv`, read by `build.rs`.

use crate::treatment::Treatment;

/// An attribute of the table, wherever it stands in the dataset.
pub struct Row {
    pub pattern: &'static str,
    /// Under the Basic Profile alone.
    pub basic: Treatment,
    /// Under each of [`Options`], where it says otherwise.
    options: [Option<Treatment>; 6],
}

/// The profile's options in effect, in the order of precedence where two speak of one attribute:
/// dates first, so that a device's calibration date is moved too when dates are.
pub struct Options {
    pub modified_dates: bool,
    pub full_dates: bool,
    pub device_identity: bool,
    pub institution_identity: bool,
    pub patient_characteristics: bool,
    pub uids: bool,
}

impl Options {
    /// Whether the Basic Profile stands alone.
    pub fn are_none(&self) -> bool {
        !(self.modified_dates
            || self.full_dates
            || self.device_identity
            || self.institution_identity
            || self.patient_characteristics
            || self.uids)
    }
}

impl Row {
    pub fn treatment(&self, options: &Options) -> Treatment {
        let in_effect = [
            options.modified_dates,
            options.full_dates,
            options.device_identity,
            options.institution_identity,
            options.patient_characteristics,
            options.uids,
        ];
        let said = self
            .options
            .iter()
            .zip(in_effect)
            .filter(|(_, on)| *on)
            .find_map(|(t, _)| *t);
        said.unwrap_or(self.basic)
    }
}

include!(concat!(env!("OUT_DIR"), "/rows.rs"));

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: Options = Options {
        modified_dates: false,
        full_dates: false,
        device_identity: false,
        institution_identity: false,
        patient_characteristics: false,
        uids: false,
    };

    fn treatment(pattern: &str, options: &Options) -> Treatment {
        let row = ROWS.iter().find(|r| r.pattern == pattern);
        row.unwrap_or_else(|| panic!("no row {pattern}"))
            .treatment(options)
    }

    #[test]
    fn every_row_of_the_table_is_there_once() {
        // 621, less three of groups 0000 and 0002, less the one on private attributes; and three for what is out of
        // place.
        assert_eq!(ROWS.len(), 620);
        let mut patterns: Vec<_> = ROWS.iter().map(|r| r.pattern).collect();
        patterns.sort_unstable();
        patterns.dedup();
        assert_eq!(patterns.len(), 620);
    }

    #[test]
    fn the_actions_are_as_many_as_in_the_standard() {
        let count = |t| ROWS.iter().filter(|r| r.basic == t).count();
        // X 384, less (0000,1000) and the private attributes; what is out of place 3.
        assert_eq!(count(Treatment::Remove), 385);
        // U 54, less (0000,1001) and (0002,0003); X/Z/U* 2; D of a UID, and of references.
        assert_eq!(count(Treatment::Uid), 56);
        // Z 42 and X/Z 11.
        assert_eq!(count(Treatment::Blank), 53);
        // D 92, X/D 22, X/Z/D 8, Z/D 6; less these two, and two that have a stand-in.
        assert_eq!(count(Treatment::Dummy), 124);
        assert_eq!(count(Treatment::StandIn), 2);
    }

    #[test]
    fn an_option_speaks_for_its_own_attributes_only() {
        let options = Options {
            patient_characteristics: true,
            ..NONE
        };
        assert_eq!(treatment("*/(0010,0040)", &NONE), Treatment::Blank);
        assert_eq!(treatment("*/(0010,0040)", &options), Treatment::Keep);
        assert_eq!(treatment("*/(0010,0030)", &options), Treatment::Blank);
        // Allergies: C, which is not done by machine.
        assert_eq!(treatment("*/(0010,2110)", &options), Treatment::Remove);
    }

    #[test]
    fn moved_dates_go_before_a_retained_device() {
        let options = Options {
            modified_dates: true,
            device_identity: true,
            ..NONE
        };
        assert_eq!(treatment("*/(0018,1200)", &options), Treatment::ShiftDate);
        // A time of day: the host keeps it, unless it is a date.
        assert_eq!(treatment("*/(0018,1201)", &options), Treatment::ShiftDate);
        assert_eq!(treatment("*/(0018,1000)", &options), Treatment::Keep);
        // A person's birth date is no longitudinal date.
        assert_eq!(treatment("*/(0010,0030)", &options), Treatment::Blank);
    }

    #[test]
    fn what_is_out_of_place_goes_whatever_is_retained() {
        let options = Options { uids: true, ..NONE };
        for pattern in ["*/(0000,XXXX)", "*/(0002,XXXX)", "*/(XXXX,0000)"] {
            assert_eq!(treatment(pattern, &options), Treatment::Remove);
        }
    }

    #[test]
    fn repeating_groups_are_even() {
        assert_eq!(treatment("*/(60X@,3000)", &NONE), Treatment::Remove);
        assert_eq!(treatment("*/(50X@,XXXX)", &NONE), Treatment::Remove);
    }
}
