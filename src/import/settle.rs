//! Settling: each study that was staged is compared with what is stored, goes where the route rule and all that
//! stands against it send it, and is committed there.

mod commit;
mod compare;
mod session;
mod settlement;
mod split;
mod summary;

pub use commit::not_in_place;
pub use session::Settled;
pub use summary::{LeakSeen, SeriesSeen, SessionSummary, StudySeen};
