//! Tests that have a short form, for every run, and a long one (`make faults`, `make soak`): how large they are
//! is said by the environment, and what they went through becomes a line of that run's table.

use std::fs::OpenOptions;
use std::io::Write as _;

use crate::database;

/// The file that lines of the table are added to.
const TABLE: &str = "SLUICE_TEST_TABLE";

/// How much of something: what `variable` says, or else `short`.
pub fn size(variable: &str, short: u32) -> u32 {
    let given = std::env::var(variable).ok();
    given.map_or(short, |given| {
        given
            .parse()
            .unwrap_or_else(|_| panic!("{variable}: not a number"))
    })
}

/// A line of the table: what was done to the program, how much of it, and what held.
pub fn told(fault: &str, how_much: &str, held: &str) {
    println!("{fault}: {how_much}: {held}");
    let Ok(table) = std::env::var(TABLE) else {
        return;
    };
    let on = match database::is_elsewhere() {
        true => "PostgreSQL",
        false => "SQLite",
    };
    let mut file = OpenOptions::new().append(true).create(true).open(table);
    let line = format!("{fault}\t{on}\t{how_much}\t{held}\n");
    file.as_mut().unwrap().write_all(line.as_bytes()).unwrap();
}
