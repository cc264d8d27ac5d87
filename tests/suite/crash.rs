//! A crash between any two steps, and what is left when the server is back: the same as if there had been none.
//!
//! Needs the feature `failpoints`. Each scenario runs once undisturbed, which also tells the points that it
//! passes; then once for each of them, with the process dying there, and a second time where what follows has
//! points of its own. In the end the folders with the files' bytes, the rows, the report and the sources left
//! must be those of the undisturbed run. On PostgreSQL the short form
//! dies at some of the points, the long form (`make faults`) at all.

mod deaths;
mod disk;
mod hang_up;
mod pinned;
pub mod points;
mod scenario;
