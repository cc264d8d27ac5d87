//! What rules did to the files of an import, for its report: which action of which module on which element.
//! Most files of a study fare alike, so a course of actions is kept once, however many files went it; items of a
//! sequence are told together. No value is kept.

use super::gate::lock;
use crate::rules::StepEdits;
use serde::Serialize;
use std::collections::HashMap;
use std::sync::Mutex;

/// An action of a module on an element, in whichever items of sequences.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Act {
    /// Its place in the report's list of modules.
    pub module: usize,
    pub action: &'static str,
    pub tag: String,
}

/// The courses that files went, by numbers that mean nothing outside this process: they depend on which
/// thread came first.
#[derive(Debug, Default)]
pub struct Trails {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    acts: Vec<Act>,
    act_to_number: HashMap<Act, usize>,
    trails: Vec<Vec<usize>>,
    trail_to_number: HashMap<Vec<usize>, usize>,
    /// What was added before, as a text: most files of a series are edited in the very same way.
    text_to_number: HashMap<Vec<u8>, usize>,
}

/// Texts that are kept; others are looked through act by act.
const MOST_TEXTS: usize = 64;

impl Trails {
    /// The course of a file that came along another course before, or is at its start.
    pub fn add(&self, before: Option<usize>, steps: &[StepEdits]) -> usize {
        let text = text_of(before, steps);
        if let Some(number) = lock(&self.inner).text_to_number.get(&text) {
            return *number;
        }
        let acts = steps.iter().flat_map(|step| {
            step.edits.iter().map(|edit| Act {
                module: step.step,
                action: edit.action,
                tag: any_item(&edit.path),
            })
        });
        let acts: Vec<Act> = acts.collect();
        let mut inner = lock(&self.inner);
        let number = inner.add(before, acts);
        if inner.text_to_number.len() < MOST_TEXTS {
            inner.text_to_number.insert(text, number);
        }
        number
    }

    /// What was done on a course, in order.
    pub fn acts(&self, trail: usize) -> Vec<Act> {
        let inner = lock(&self.inner);
        let acts = inner.trails[trail].iter();
        acts.map(|act| inner.acts[*act].clone()).collect()
    }

    /// The courses in the order of the files that went them, so that the same import tells the same.
    pub fn in_order(&self, files: impl Iterator<Item = usize>) -> InOrder {
        let inner = lock(&self.inner);
        let mut told = InOrder::default();
        let mut act_to_place: HashMap<usize, usize> = HashMap::new();
        for number in files {
            if told.trail_to_place.contains_key(&number) {
                continue;
            }
            told.trail_to_place.insert(number, told.trails.len());
            let acts = inner.trails[number].iter().map(|act| {
                *act_to_place.entry(*act).or_insert_with(|| {
                    told.acts.push(inner.acts[*act].clone());
                    told.acts.len() - 1
                })
            });
            let acts = acts.collect();
            told.trails.push(acts);
        }
        told
    }
}

impl Inner {
    fn add(&mut self, before: Option<usize>, acts: Vec<Act>) -> usize {
        let mut trail = before.map_or_else(Vec::new, |number| self.trails[number].clone());
        for act in acts {
            let number = self.number_of(act);
            if !trail.contains(&number) {
                trail.push(number);
            }
        }
        if let Some(number) = self.trail_to_number.get(&trail) {
            return *number;
        }
        let number = self.trails.len();
        self.trails.push(trail.clone());
        self.trail_to_number.insert(trail, number);
        number
    }

    fn number_of(&mut self, act: Act) -> usize {
        if let Some(number) = self.act_to_number.get(&act) {
            return *number;
        }
        let number = self.acts.len();
        self.acts.push(act.clone());
        self.act_to_number.insert(act, number);
        number
    }
}

/// Courses as the report has them.
#[derive(Debug, Default)]
pub struct InOrder {
    pub acts: Vec<Act>,
    /// By places in `acts`.
    pub trails: Vec<Vec<usize>>,
    trail_to_place: HashMap<usize, usize>,
}

impl InOrder {
    pub fn place_of(&self, trail: usize) -> Option<usize> {
        self.trail_to_place.get(&trail).copied()
    }
}

/// All that is added, edit by edit. No part holds a zero byte or is empty: a zero where an action would start begins
/// a step.
fn text_of(before: Option<usize>, steps: &[StepEdits]) -> Vec<u8> {
    let mut text = Vec::with_capacity(2048);
    text.extend(before.map_or(0, |number| number + 1).to_le_bytes());
    for step in steps {
        text.push(0);
        text.extend(step.step.to_le_bytes());
        for edit in &step.edits {
            for part in [edit.action, &*edit.path] {
                text.extend(part.as_bytes());
                text.push(0);
            }
        }
    }
    text
}

/// `A[3]/B` as `A[%]/B`.
fn any_item(path: &str) -> String {
    let mut text = String::with_capacity(path.len());
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('[') {
        text.push_str(before);
        match after.split_once(']') {
            Some((_, after)) => {
                text.push_str("[%]");
                rest = after;
            }
            None => {
                text.push('[');
                rest = after;
            }
        }
    }
    text + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::host::TracedEdit;

    fn step(step: usize, paths: &[&str]) -> StepEdits {
        let edit = |path: &&str| TracedEdit {
            path: (*path).to_owned().into(),
            action: "remove",
            position: None,
            before: None,
            after: None,
        };
        StepEdits {
            step,
            edits: paths.iter().map(edit).collect(),
        }
    }

    #[test]
    fn items_are_told_together() {
        for (path, told) in [
            ("PatientName", "PatientName"),
            ("A[0]/B[12]/C", "A[%]/B[%]/C"),
            ("A[0", "A[0"),
        ] {
            assert_eq!(any_item(path), told);
        }
    }

    #[test]
    fn a_course_is_kept_once_and_told_in_the_order_of_the_files() {
        let trails = Trails::default();
        let late = trails.add(None, &[step(2, &["B", "A"])]);
        let early = trails.add(None, &[step(1, &["S[0]/A", "S[1]/A"]), step(2, &["B"])]);
        assert_eq!(
            early,
            trails.add(None, &[step(1, &["S[7]/A"]), step(2, &["B"])])
        );
        let longer = trails.add(Some(late), &[step(3, &["C"])]);
        let told = trails.in_order([early, late, early, longer].into_iter());
        let acts: Vec<(usize, &str)> = told
            .acts
            .iter()
            .map(|a| (a.module, a.tag.as_str()))
            .collect();
        assert_eq!(acts, [(1, "S[%]/A"), (2, "B"), (2, "A"), (3, "C")]);
        assert_eq!(told.trails, [vec![0, 1], vec![1, 2], vec![1, 2, 3]]);
        assert_eq!(told.place_of(longer), Some(2));
    }
}
