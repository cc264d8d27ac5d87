//! A request's files, counted.

use serde::{Deserialize, Serialize};

/// Files by what became of them. `found` is the sum of the others; while an import runs there are also
/// those that are being worked on.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(default)]
pub struct Counts {
    pub found: u64,
    pub stored: u64,
    pub duplicate: u64,
    pub conflict: u64,
    pub filtered: u64,
    pub rejected: u64,
    pub failed: u64,
    pub quarantined: u64,
    pub not_dicom: u64,
    pub unreadable: u64,
    pub cut_short: u64,
    pub changed: u64,
    /// Through the rules, and not settled yet: none once the import has ended.
    #[serde(skip_serializing_if = "is_zero")]
    pub staged: u64,
}

impl Counts {
    /// Counts the files of another request too.
    pub fn add(&mut self, other: &Counts) {
        self.found += other.found;
        self.stored += other.stored;
        self.duplicate += other.duplicate;
        self.conflict += other.conflict;
        self.filtered += other.filtered;
        self.rejected += other.rejected;
        self.failed += other.failed;
        self.quarantined += other.quarantined;
        self.not_dicom += other.not_dicom;
        self.unreadable += other.unreadable;
        self.cut_short += other.cut_short;
        self.changed += other.changed;
        self.staged += other.staged;
    }

    /// Those of which it is known what became of them.
    pub fn settled(&self) -> u64 {
        self.stored
            + self.duplicate
            + self.conflict
            + self.filtered
            + self.rejected
            + self.failed
            + self.quarantined
            + self.not_dicom
            + self.unreadable
            + self.cut_short
            + self.changed
    }

    /// What is not settled never will be: it has failed.
    pub fn give_up(&mut self) {
        self.failed = 0;
        self.staged = 0;
        self.failed = self.found.saturating_sub(self.settled());
    }
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

#[cfg(test)]
mod tests {
    use super::Counts;

    #[test]
    fn what_is_given_up_has_failed_and_the_sum_is_right() {
        let mut counts = Counts {
            found: 10,
            stored: 3,
            failed: 1,
            not_dicom: 2,
            staged: 2,
            ..Counts::default()
        };
        counts.give_up();
        assert_eq!((counts.failed, counts.staged), (5, 0));
        let text = serde_json::to_value(counts).unwrap();
        let sum = text
            .as_object()
            .unwrap()
            .values()
            .filter_map(|n| n.as_u64());
        assert_eq!(sum.sum::<u64>(), 2 * counts.found);
    }
}
