//! What a site has to live through beside crashes: databases, disks and sources that fail under a running import,
//! input that is made to do harm, and callers who try where they may not go.

mod bodies;
#[cfg(feature = "failpoints")]
mod broken;
mod disk;
mod hostile;
mod logins;
mod origins;
mod paths;
mod postgres;
mod races;
mod sources;
