//! Looking at sources once more, or before they are imported: what rules make of them, without a change to what is
//! stored.

pub mod explain;
pub mod replay;
mod reported;
mod source;
pub mod verify;
