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

#[cfg(test)]
mod tests {
    use super::shift;

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
