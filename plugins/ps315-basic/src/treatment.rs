//! The ways in which this profile treats an attribute.

/// What is done to an attribute that is there; one that isn't stays absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Treatment {
    /// Untouched. A sequence's items are still walked.
    Keep,
    Remove,
    /// Zero length, or no items.
    Blank,
    Dummy,
    /// A sequence keeps its items, and each value in them becomes a dummy.
    DummyInside,
    /// A sequence goes, and one made-up item stands in its place: see `stand_in.rs`.
    StandIn,
    /// A keyed UID, the same for the same original.
    Uid,
    /// A date moved by the subject's offset.
    ShiftDate,
}
