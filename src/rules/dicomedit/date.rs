//! DicomEdit's shifting of dates and date-times: what a value leaves unsaid is taken as the middle of its
//! range, and the output says no more than the input did.

use chrono::{Duration, NaiveDate, NaiveDateTime, NaiveTime};

/// How far, in seconds.
///
/// # Errors
/// What is no whole number, no unit, or farther than any date.
pub fn distance(increment: &str, unit: &str) -> Result<Duration, String> {
    let number: i64 = increment
        .trim()
        .parse()
        .map_err(|_| "the increment of a date is a whole number".to_owned())?;
    let seconds = match unit.trim().to_ascii_lowercase().as_str() {
        "years" => 365 * 86_400,
        "days" => 86_400,
        "hours" => 3_600,
        "minutes" => 60,
        "seconds" => 1,
        _ => {
            return Err(format!(
                "{unit:?} is no unit: years, days, hours, minutes or seconds"
            ));
        }
    };
    number
        .checked_mul(seconds)
        .and_then(Duration::try_seconds)
        .ok_or_else(|| "the increment moves a date out of the calendar".to_owned())
}

/// A value `YYYY[MM[DD[HH[MM[SS]]]]][.F][+-ZZZZ]`, shifted; fraction and zone stay. None if it is none.
pub fn shift(value: &str, by: Duration) -> Option<String> {
    let value = value.trim();
    let digits = value
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(value.len());
    let (date, rest) = value.split_at(digits);
    if !matches!(date.len(), 4 | 6 | 8 | 10 | 12 | 14) || !is_fraction_and_zone(rest) {
        return None;
    }
    let moved = middle(date)?.checked_add_signed(by)?;
    let text = moved.format("%Y%m%d%H%M%S").to_string();
    // Years of more than four digits are no DICOM.
    (text.len() == 14).then(|| format!("{}{rest}", &text[..date.len()]))
}

/// The days from one DA to another.
pub fn days_between(from: &str, to: &str) -> Option<i64> {
    let date = |text: &str| Some(middle(text.trim().get(..8)?)?.date());
    Some((date(to)? - date(from)?).num_days())
}

/// The middle of what the digits leave open.
fn middle(digits: &str) -> Option<NaiveDateTime> {
    let field = |at: usize, len: usize| match digits.get(at..at + len) {
        Some(text) => text.parse::<u32>().ok().map(Some),
        None => Some(None),
    };
    let year: i32 = digits.get(..4)?.parse().ok()?;
    let (Some(month), day) = (field(4, 2)?, field(6, 2)?) else {
        return NaiveDate::from_ymd_opt(year, 7, 1)?.and_hms_opt(0, 0, 0);
    };
    let Some(day) = day else {
        let first = NaiveDate::from_ymd_opt(year, month, 1)?;
        let next = match month {
            12 => NaiveDate::from_ymd_opt(year.checked_add(1)?, 1, 1)?,
            month => NaiveDate::from_ymd_opt(year, month + 1, 1)?,
        };
        let half = (next - first) / 2;
        return first.and_time(NaiveTime::MIN).checked_add_signed(half);
    };
    let date = NaiveDate::from_ymd_opt(year, month, day)?;
    let (hour, minute, second) = (field(8, 2)?, field(10, 2)?, field(12, 2)?);
    match (hour, minute, second) {
        (None, ..) => date.and_hms_opt(12, 0, 0),
        (Some(hour), None, _) => date.and_hms_opt(hour, 30, 0),
        (Some(hour), Some(minute), None) => date.and_hms_opt(hour, minute, 30),
        (Some(hour), Some(minute), Some(second)) => date.and_hms_opt(hour, minute, second),
    }
}

fn is_fraction_and_zone(rest: &str) -> bool {
    let mut rest = rest;
    if let Some(after) = rest.strip_prefix('.') {
        let digits = after
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(after.len());
        if !(1..=6).contains(&digits) {
            return false;
        }
        rest = &after[digits..];
    }
    match rest.strip_prefix(['+', '-']) {
        Some(zone) => zone.len() == 4 && zone.bytes().all(|b| b.is_ascii_digit()),
        None => rest.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shifted(value: &str, increment: &str, unit: &str) -> Option<String> {
        shift(value, distance(increment, unit).unwrap())
    }

    #[test]
    fn the_output_is_as_precise_as_the_input() {
        for (value, increment, unit, expected) in [
            ("20240228", "2", "days", "20240301"),
            ("20240301", "-1", "Days", "20240229"),
            ("20230101", "1", "years", "20240101"),
            ("2024", "1", "days", "2024"),
            ("2024", "200", "days", "2025"),
            // 16 January noon and 15 days and a half, to the end of the month.
            ("202401", "372", "hours", "202402"),
            ("202401", "371", "hours", "202401"),
            ("20240101", "12", "hours", "20240102"),
            ("20240101", "-13", "hours", "20231231"),
            ("2024010110", "30", "minutes", "2024010111"),
            ("202401011030", "29", "seconds", "202401011030"),
            ("202401011030", "30", "seconds", "202401011031"),
            (
                "20240101103015.123456+0100",
                "1",
                "seconds",
                "20240101103016.123456+0100",
            ),
            ("20240101-0500", "1", "days", "20240102-0500"),
        ] {
            let found = shifted(value, increment, unit);
            assert_eq!(
                found.as_deref(),
                Some(expected),
                "{value} by {increment} {unit}"
            );
        }
    }

    #[test]
    fn what_is_no_date_is_none() {
        for value in [
            "",
            "20240230",
            "202",
            "1030.5x",
            "2024-01-01",
            "20240101+01",
            "2024é",
        ] {
            assert_eq!(shifted(value, "1", "days"), None, "{value}");
        }
        assert!(distance("1.5", "days").is_err());
        assert!(distance("1", "weeks").is_err());
        assert!(distance("9223372036854775807", "years").is_err());
        assert_eq!(shifted("99991231", "1", "days"), None);
    }
}
