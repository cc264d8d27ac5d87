//! The table under given options, as the edits that the host makes in one walk.

use crate::sluice::rules::dicom::{Action, Edit};
use crate::table::{Options, ROWS};
use crate::treatment::Treatment;

/// `days` is the subject's date offset; it counts only under modified dates.
pub fn edits(options: &Options, days: i32) -> Vec<Edit<'static>> {
    let mut edits = Vec::with_capacity(ROWS.len());
    edits.extend(ROWS.iter().filter_map(|row| {
        let action = action(row.treatment(options), days)?;
        Some(Edit {
            pattern: row.pattern,
            action,
        })
    }));
    edits
}

/// None where nothing is to be done.
fn action(treatment: Treatment, days: i32) -> Option<Action<'static>> {
    Some(match treatment {
        Treatment::Keep => return None,
        Treatment::Remove | Treatment::StandIn => Action::Remove,
        Treatment::Blank => Action::Blank,
        Treatment::Dummy => Action::Dummy,
        Treatment::Uid => Action::Uid,
        Treatment::ShiftDate => Action::ShiftDate(days),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;

    fn action_of(settings: &str, pattern: &str) -> Option<Action<'static>> {
        let edits = edits(&Settings::parse(settings).unwrap().options, -40);
        let edit = edits.into_iter().find(|e| e.pattern == pattern);
        edit.map(|e| e.action)
    }

    #[test]
    fn what_is_kept_is_not_in_the_list() {
        let uid = "*/(0008,0018)";
        assert!(matches!(action_of("{}", uid), Some(Action::Uid)));
        assert!(action_of(r#"{"retain_uids": true}"#, uid).is_none());
    }

    #[test]
    fn dates_move_by_the_offset_of_the_subject() {
        let date = "*/(0008,0020)";
        assert!(matches!(action_of("{}", date), Some(Action::Blank)));
        let moved = action_of(r#"{"retain_modified_dates": true}"#, date);
        assert!(matches!(moved, Some(Action::ShiftDate(-40))));
        assert!(action_of(r#"{"retain_full_dates": true}"#, date).is_none());
    }
}
