//! The table under given options, as the text that the host makes its edits from in one walk.

use crate::table::{BASIC, Options, ROWS};
use crate::treatment::Treatment;
use std::borrow::Cow;
use std::fmt::Write;

/// `days` is the subject's date offset; it counts only under modified dates.
pub fn table(options: &Options, days: i32) -> Cow<'static, str> {
    match options.are_none() {
        true => Cow::Borrowed(BASIC),
        false => Cow::Owned(rows(options, days)),
    }
}

fn rows(options: &Options, days: i32) -> String {
    let mut text = String::with_capacity(BASIC.len());
    for row in ROWS {
        let treatment = row.treatment(options);
        let Some(action) = treatment.action() else {
            continue;
        };
        for part in [action, " ", row.pattern] {
            text.push_str(part);
        }
        if treatment == Treatment::ShiftDate {
            // A string takes all that is written to it.
            let _ = write!(text, " = {days}");
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;

    fn row(settings: &str, pattern: &str) -> Option<String> {
        let table = table(&Settings::parse(settings).unwrap().options, -40);
        let mut rows = table.lines().map(str::to_owned);
        rows.find(|row| row.split(' ').nth(1) == Some(pattern))
    }

    #[test]
    fn what_is_kept_is_not_in_the_table() {
        let uid = "*/(0008,0018)";
        assert_eq!(row("{}", uid).as_deref(), Some("uid */(0008,0018)"));
        assert_eq!(row(r#"{"retain_uids": true}"#, uid), None);
    }

    #[test]
    fn dates_move_by_the_offset_of_the_subject() {
        let date = "*/(0008,0020)";
        assert_eq!(row("{}", date).as_deref(), Some("blank */(0008,0020)"));
        assert_eq!(
            row(r#"{"retain_modified_dates": true}"#, date).as_deref(),
            Some("shift_date */(0008,0020) = -40")
        );
        assert_eq!(row(r#"{"retain_full_dates": true}"#, date), None);
    }

    #[test]
    fn what_was_written_beforehand_is_the_table_without_options() {
        assert_eq!(rows(&Settings::parse("{}").unwrap().options, 0), BASIC);
    }
}
