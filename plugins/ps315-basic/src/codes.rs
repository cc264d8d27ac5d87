//! What the action codes of Table E.1-1 come to, for an attribute of a given VR.
//!
//! Only `build.rs` and the tests compile this: a file meets the treatments that came of it.

use crate::treatment::Treatment;

/// The Basic Profile's own action, PS3.15 Table E.1-1 with the codes of E.1.1; none if unknown.
///
/// A combined code (`X/Z/D`) leaves the choice to the attribute's type in its IOD. The profile
/// serves every IOD, so it takes the last code, which is valid whatever the type is.
pub fn basic(code: &str, vr: &str) -> Option<Treatment> {
    let last = code.rsplit('/').next().unwrap_or(code);
    Some(match (last, vr) {
        ("X", _) => Treatment::Remove,
        ("Z", _) => Treatment::Blank,
        // Any UID is a dummy; a consistent one keeps references whole as well.
        ("D", "UI") => Treatment::Uid,
        ("D", _) => Treatment::Dummy,
        // U* is the replacement of the UIDs in a sequence's items.
        ("U" | "U*", _) => Treatment::Uid,
        _ => return None,
    })
}

/// What an option's column says instead; none where it leaves the Basic Profile's action.
///
/// C, to clean, asks for judgement. Only dates are cleaned here, by moving them: a time of day
/// says nothing of when once its date is moved by whole days. The host leaves times as they are, and
/// moves a date that stands where a time should: kept, it would tell how far the others were moved.
/// Other values take the Basic Profile's action, which is always stricter.
pub fn option(code: &str, vr: &str) -> Option<Treatment> {
    match (code, vr) {
        ("K", _) => Some(Treatment::Keep),
        ("C", "DA" | "DT" | "TM") => Some(Treatment::ShiftDate),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Treatment::*;

    #[test]
    fn the_last_of_a_combined_code_holds() {
        assert_eq!(basic("X", "LO"), Some(Remove));
        assert_eq!(basic("X/Z", "LO"), Some(Blank));
        assert_eq!(basic("X/Z/D", "LO"), Some(Dummy));
        assert_eq!(basic("Q", "LO"), None);
    }

    #[test]
    fn a_uid_is_replaced_where_a_dummy_is_asked_for() {
        assert_eq!(basic("D", "UI"), Some(Uid));
        assert_eq!(basic("X/Z/U*", "SQ"), Some(Uid));
    }

    #[test]
    fn only_dates_and_times_are_cleaned() {
        assert_eq!(option("C", "DA"), Some(ShiftDate));
        assert_eq!(option("C", "TM"), Some(ShiftDate));
        assert_eq!(option("C", "LO"), None);
        assert_eq!(option("", "DA"), None);
        assert_eq!(option("K", "LO"), Some(Keep));
    }
}
