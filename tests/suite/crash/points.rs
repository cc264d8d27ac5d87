//! The points in the sources, and that none is left out.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use regex::Regex;

use super::{deaths, disk};

/// Whether a point has the process die; at the others the disk refuses.
pub fn kills(name: &str) -> bool {
    in_sources("crash_point").contains(name)
}

/// The points of one kind that the program has.
pub fn in_sources(kind: &str) -> BTreeSet<String> {
    let pattern = Regex::new(&format!(r#"\b{kind}\("([a-z_.]+)"\)"#)).unwrap();
    let mut names = BTreeSet::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let text = fs::read_to_string(&path).unwrap();
                names.extend(
                    pattern
                        .captures_iter(&text)
                        .map(|found| found[1].to_owned()),
                );
            }
        }
    }
    names
}

fn owned(names: impl IntoIterator<Item = &'static str>) -> BTreeSet<String> {
    names.into_iter().map(str::to_owned).collect()
}

#[test]
fn every_point_is_died_at() {
    assert_eq!(owned(deaths::all()), in_sources("crash_point"));
}

#[test]
fn the_disk_refuses_at_every_point_where_it_may() {
    assert_eq!(owned(disk::POINTS), in_sources("disk_point"));
}
