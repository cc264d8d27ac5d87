//! A table of edits as text, which is how a rule gives a long one at little cost: one row on a line, the action
//! first, then the pattern; what an action needs behind `=`. Empty lines and those that start with `//` say nothing.
//!
//! ```text
//! remove     */PatientAddress
//! set        DeidentificationMethod = site rules 3
//! shift_date StudyDate = -40
//! ```

use super::{Action, Edit, EditError};
use crate::rules::document::did_you_mean;

/// The actions by the names that a rule gives them.
pub const ACTIONS: [&str; 6] = ["remove", "blank", "set", "uid", "dummy", "shift_date"];

/// # Errors
/// The first line that is no row, by its number.
pub fn parse(table: &str) -> Result<Vec<Edit>, EditError> {
    let rows = (1..).zip(table.lines().map(row_of));
    rows.filter_map(|(number, row)| {
        let told = |why| EditError::BadValue(format!("line {number} of the table: {why}"));
        Some(row?.map_err(told))
    })
    .collect()
}

/// What a line says; none if nothing.
pub fn row_of(line: &str) -> Option<Result<Edit, String>> {
    let line = line.trim();
    (!line.is_empty() && !line.starts_with("//")).then(|| row(line))
}

fn row(line: &str) -> Result<Edit, String> {
    let (action, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let (pattern, value) = match assignment(rest) {
        Some(at) => (rest[..at].trim(), Some(rest[at + 1..].trim())),
        None => (rest.trim(), None),
    };
    let action = match (action, value) {
        ("remove", None) => Action::Remove,
        ("blank", None) => Action::Blank,
        ("uid", None) => Action::Uid,
        ("dummy", None) => Action::Dummy,
        ("set", Some(value)) => Action::Set(value.to_owned()),
        ("set", None) => return Err("`set` needs a value: `set PATTERN = VALUE`".to_owned()),
        ("shift_date", Some(days)) => match days.parse() {
            Ok(days) => Action::ShiftDate(days),
            Err(_) => return Err(format!("`{days}` is no whole number of days")),
        },
        ("shift_date", None) => {
            return Err("`shift_date` needs days: `shift_date PATTERN = DAYS`".to_owned());
        }
        (known, Some(_)) if ACTIONS.contains(&known) => {
            return Err(format!("`{known}` takes no value"));
        }
        (other, _) => {
            let hint = did_you_mean(other, ACTIONS.into_iter());
            return Err(format!("there is no action `{other}`{hint}"));
        }
    };
    if pattern.is_empty() {
        return Err("names no element".to_owned());
    }
    Ok(Edit {
        pattern: pattern.to_owned(),
        action,
    })
}

/// Where the first `=` stands that is not within the braces of a private creator.
fn assignment(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    text.char_indices().find_map(|(at, c)| {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            '=' if depth == 0 => return Some(at),
            _ => {}
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_an_action_a_pattern_and_what_the_action_needs() {
        let table = "\n  // who\n  remove  */PatientAddress\n\tset PatientComments = a = b \n\
                     set PatientID =\nblank (0019,{A=B C}01)\nshift_date StudyDate = -40\n";
        let edit = |pattern: &str, action| Edit {
            pattern: pattern.to_owned(),
            action,
        };
        assert_eq!(
            parse(table),
            Ok(vec![
                edit("*/PatientAddress", Action::Remove),
                edit("PatientComments", Action::Set("a = b".to_owned())),
                edit("PatientID", Action::Set(String::new())),
                edit("(0019,{A=B C}01)", Action::Blank),
                edit("StudyDate", Action::ShiftDate(-40)),
            ])
        );
    }

    #[test]
    fn a_bad_row_is_told_with_its_line() {
        let why = |table| parse(table).expect_err(table).to_string();
        for (table, said) in [
            (
                "remove PatientID\nremov PatientName",
                "line 2 of the table: there is no action `remov` (did you mean \"remove\"?)",
            ),
            ("set PatientID", "line 1 of the table: `set` needs a value"),
            (
                "blank PatientID = x",
                "line 1 of the table: `blank` takes no value",
            ),
            (
                "shift_date StudyDate = ten",
                "line 1 of the table: `ten` is no whole number of days",
            ),
            ("uid", "line 1 of the table: names no element"),
        ] {
            assert!(why(table).contains(said), "{}", why(table));
        }
    }
}
