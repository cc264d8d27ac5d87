//! Dates and date-times (PS3.5 6.2: DA, DT), as far as rules move them.

use chrono::{Days, NaiveDate};

/// Moves a DA or DT value by so many days, keeping its precision, its time and its offset.
/// None if it is no date, has no day to move, or leaves the calendar (years 0001 to 9999).
pub fn shift(value: &str, days: i32) -> Option<String> {
    let value = value.trim();
    // The ACR-NEMA form with dots still occurs (PS3.5 6.2, note on DA).
    let dotted = value.len() == 10 && value.as_bytes()[4] == b'.' && value.as_bytes()[7] == b'.';
    let plain = if dotted {
        value.replace('.', "")
    } else {
        value.to_owned()
    };
    if plain.len() < 8 || !plain.is_char_boundary(8) {
        return None;
    }
    let (date, rest) = plain.split_at(8);
    if !date.bytes().all(|b| b.is_ascii_digit())
        || !rest
            .bytes()
            .all(|b| b.is_ascii_digit() || b"+-.".contains(&b))
    {
        return None;
    }
    let number = |range: std::ops::Range<usize>| date[range].parse::<u32>().ok();
    let parsed = NaiveDate::from_ymd_opt(number(0..4)? as i32, number(4..6)?, number(6..8)?)?;
    let distance = Days::new(u64::from(days.unsigned_abs()));
    let moved = if days < 0 {
        parsed.checked_sub_days(distance)
    } else {
        parsed.checked_add_days(distance)
    }?;
    let year = moved.format("%Y").to_string();
    if year.len() != 4 {
        return None;
    }
    let format = if dotted { "%Y.%m.%d" } else { "%Y%m%d" };
    Some(format!("{}{rest}", moved.format(format)))
}

/// Whether it is a time of day and nothing else (PS3.5 6.2: TM), `HH[MM[SS[.F{1,6}]]]`, or `HH:MM:SS` of the
/// ACR-NEMA standard. Eight digits are none: they are a date that stands where a time should.
pub fn is_time(value: &str) -> bool {
    let value = value.trim();
    let (whole, fraction) = match value.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (value, None),
    };
    let colons = whole.len() == 8 && whole.as_bytes()[2] == b':' && whole.as_bytes()[5] == b':';
    let digits = match colons {
        true => whole.replace(':', ""),
        false => whole.to_owned(),
    };
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !matches!(digits.len(), 2 | 4 | 6) || !all_digits(&digits) {
        return false;
    }
    if fraction.is_some_and(|f| digits.len() < 6 || !matches!(f.len(), 1..=6) || !all_digits(f)) {
        return false;
    }
    // 60 is a leap second.
    let limits = [(0, 23), (2, 59), (4, 60)].into_iter();
    let parts = limits.filter_map(|(at, most)| Some((digits.get(at..at + 2)?, most)));
    parts
        .into_iter()
        .all(|(part, most)| part.parse::<u32>().is_ok_and(|part| part <= most))
}

#[cfg(test)]
mod tests {
    use super::{is_time, shift};

    #[test]
    fn a_date_is_no_time() {
        for value in [
            "10",
            "1011",
            "101112",
            "235960",
            "101112.5",
            "101112.123456",
            " 101112 ",
            "10:11:12",
            "10:11:12.5",
        ] {
            assert!(is_time(value), "{value}");
        }
        for value in [
            "",
            "1",
            "101",
            "20231127",
            "20231127101112",
            "2023.11.27",
            "24",
            "1060",
            "101161",
            "101112.",
            "101112.1234567",
            "1011.5",
            "10:11",
            "1011-1213",
            "101112+0100",
            "1O1112",
            "ü1",
        ] {
            assert!(!is_time(value), "{value}");
        }
    }

    #[test]
    fn keeps_precision_and_offset() {
        assert_eq!(shift("20240229", 1).as_deref(), Some("20240301"));
        assert_eq!(shift("20240301", -1).as_deref(), Some("20240229"));
        assert_eq!(
            shift("20231231235959.123456+0100", 1).as_deref(),
            Some("20240101235959.123456+0100")
        );
        assert_eq!(shift("2023.12.31", 1).as_deref(), Some("2024.01.01"));
    }

    #[test]
    fn answers_none_for_what_is_no_day() {
        for value in [
            "",
            "2024",
            "202402",
            "20240230",
            "tomorrow",
            "2024022ü",
            "99991231",
        ] {
            assert_eq!(shift(value, 1), None, "{value}");
        }
    }
}
