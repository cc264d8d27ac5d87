//! A table of edits as text, which is how a rule gives a long one at little cost: one row on a line, the action
//! first, then the pattern; what an action needs behind `=`. Empty lines and those that start with `//` say nothing.
//!
//! ```text
//! remove     */PatientAddress
//! set        DeidentificationMethod = site rules 3
//! shift_date StudyDate = -40
//! ```

use super::{Action, Edit};
use crate::rules::document::did_you_mean;

/// The actions by the names that a rule gives them.
pub const ACTIONS: [&str; 6] = ["remove", "blank", "set", "uid", "dummy", "shift_date"];

/// # Errors
/// The first line that is no row, by its number.
pub fn parse(table: &str) -> Result<Vec<Edit>, BadRow> {
    let rows = (1..).zip(table.lines().map(row_of));
    rows.filter_map(|(number, row)| {
        let bad = |error| BadRow { number, error };
        Some(row?.map_err(bad))
    })
    .collect()
}

/// A line that is no row.
#[derive(Debug, PartialEq, Eq)]
pub struct BadRow {
    number: usize,
    error: RowError,
}

impl BadRow {
    /// With the word that is wrong only where that may be quoted: a value that was put into the table may hold lines.
    pub fn told(&self, may_quote: impl FnOnce(&str) -> bool) -> String {
        let why = match &self.error.word {
            Some((word, without)) if !may_quote(word) => without,
            _ => &*self.error.why,
        };
        format!("line {} of the table: {why}", self.number)
    }
}

/// Why a line is no row.
#[derive(Debug, PartialEq, Eq)]
pub struct RowError {
    pub why: String,
    /// A word of the line that `why` quotes, and the same without it.
    word: Option<(String, &'static str)>,
}

impl From<String> for RowError {
    fn from(why: String) -> Self {
        Self { why, word: None }
    }
}

fn unknown(word: &str, why: String, without: &'static str) -> RowError {
    RowError {
        why,
        word: Some((word.to_owned(), without)),
    }
}

/// What a line says; none if nothing.
pub fn row_of(line: &str) -> Option<Result<Edit, RowError>> {
    let line = line.trim();
    (!line.is_empty() && !line.starts_with("//")).then(|| row(line))
}

fn row(line: &str) -> Result<Edit, RowError> {
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
        ("set", None) => {
            return Err("`set` needs a value: `set PATTERN = VALUE`"
                .to_owned()
                .into());
        }
        ("shift_date", Some(days)) => match days.parse() {
            Ok(days) => Action::ShiftDate(days),
            Err(_) => {
                let why = format!("`{days}` is no whole number of days");
                return Err(unknown(days, why, "its days are no whole number"));
            }
        },
        ("shift_date", None) => {
            return Err("`shift_date` needs days: `shift_date PATTERN = DAYS`"
                .to_owned()
                .into());
        }
        (known, Some(_)) if ACTIONS.contains(&known) => {
            return Err(format!("`{known}` takes no value").into());
        }
        (other, _) => {
            let hint = did_you_mean(other, ACTIONS.into_iter());
            let why = format!("there is no action `{other}`{hint}");
            return Err(unknown(other, why, "starts with no action"));
        }
    };
    if pattern.is_empty() {
        return Err("names no element".to_owned().into());
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
        let why = |table| parse(table).expect_err(table).told(|_| true);
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
        let row = parse("blank PatientID\nDoe^John").expect_err("no row");
        assert_eq!(
            row.told(|_| false),
            "line 2 of the table: starts with no action"
        );
    }
}
