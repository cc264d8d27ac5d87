//! The ways in which this profile treats an attribute.

/// What is done to an attribute that is there; one that isn't stays absent.
///
/// On a sequence, `Dummy`, `Uid` and `ShiftDate` hold for what stands in its items and has no row of
/// its own; the items stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Treatment {
    /// Untouched; the items of a sequence are still walked.
    Keep,
    Remove,
    /// Zero length, or no items.
    Blank,
    Dummy,
    /// A sequence goes, and one made-up item stands in its place: see `stand_in.rs`.
    StandIn,
    /// A keyed UID, the same for the same original.
    Uid,
    /// A date moved by the subject's offset; a time of day stays.
    ShiftDate,
}

impl Treatment {
    /// What the host calls it; none where nothing is to be done.
    pub fn action(self) -> Option<&'static str> {
        Some(match self {
            Self::Keep => return None,
            Self::Remove | Self::StandIn => "remove",
            Self::Blank => "blank",
            Self::Dummy => "dummy",
            Self::Uid => "uid",
            Self::ShiftDate => "shift_date",
        })
    }
}
