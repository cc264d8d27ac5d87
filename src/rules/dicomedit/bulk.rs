//! Functions that edit in place wherever something stands, each in one walk of the dataset.

use super::interpreter::{Run, Step};
use super::matcher::Matcher;
use super::parser;
use super::syntax::{End, TagPath};
use super::value::{Value, flat};
use super::{date, uid};
use crate::dicom::edit::{Change, Reach};
use crate::dicom::path::Location;
use crate::dicom::{Element, Tag, VR};
use crate::rules::host;
use std::collections::HashSet;
use std::sync::Arc;

/// round(365.24 x 89)
const OLDEST_DAYS: i64 = 32_506;
const OLDEST_YEARS: u32 = 89;

/// Tags and item numbers from the top to an element.
type Key = Vec<(Tag, Option<u32>)>;

impl Run<'_> {
    /// Texts, and the contents of every element that a path matches; as they are now.
    pub(super) fn collect(&mut self, arguments: &[Value]) -> Step<HashSet<String>> {
        let (mut texts, mut paths) = (HashSet::new(), Vec::new());
        for value in self.done(flat(arguments))? {
            match value {
                Value::Path(path) => paths.push(path),
                value => texts.extend(self.text(&value)?.map(|text| text.to_string())),
            }
        }
        let matcher = self.leaves(&paths)?;
        self.host.look_over(
            &mut |location, element| {
                element.sequence().is_none() && matcher.find(location).is_some()
            },
            &mut |_, element, scope| texts.extend(host::content(element, scope)),
        );
        Ok(texts)
    }

    pub(super) fn blank_values(&mut self, arguments: &[Value]) -> Step<()> {
        let mut texts = self.collect(arguments)?;
        // Everything that is empty already equals nothing.
        texts.remove("");
        if texts.is_empty() {
            return Ok(());
        }
        let at = self.at;
        let blanked = (self.host).change(Reach::Everything, true, &mut |_, element, scope| {
            let is_leaf = element.sequence().is_none();
            match is_leaf.then(|| host::content(element, scope)).flatten() {
                Some(text) if texts.contains(&text) => (Change::Blank, "blank", Some(at)),
                _ => (Change::Keep, "", None),
            }
        });
        self.edited(blanked.map(drop))
    }

    pub(super) fn hash_uids(&mut self, arguments: &[Value]) -> Step<()> {
        let paths = self.paths("hashUIDList", arguments)?;
        let matcher = self.leaves(&paths)?;
        let at = self.at;
        let hashed = |text: Option<String>, _: VR| {
            Ok(text.filter(|text| !text.is_empty()).map(|text| {
                let values: Vec<String> = text.split('\\').map(uid::hash).collect();
                values.join("\\")
            }))
        };
        self.change_leaves(&matcher, "uid", &mut { hashed }, at)
    }

    pub(super) fn map_referenced_uids(&mut self, arguments: &[Value]) -> Step<()> {
        let prefix = self.needed("mapReferencedUIDs", &arguments[0])?;
        let paths = self.readable_paths(&arguments[1..])?;
        let matcher = self.leaves(&paths)?;
        let (at, pseudonyms) = (self.at, Arc::clone(&self.host.pseudonyms));
        let mut map = |text: Option<String>, _: VR| {
            let Some(text) = text.filter(|text| !text.is_empty()) else {
                return Ok(None);
            };
            let mapped = text
                .split('\\')
                .map(|value| uid::mapped(&prefix, value, &pseudonyms));
            Ok(Some(mapped.collect::<Result<Vec<_>, _>>()?.join("\\")))
        };
        self.change_leaves(&matcher, "uid", &mut map, at)
    }

    /// What is no date stays, and so does what is empty.
    pub(super) fn shift_in_place(&mut self, arguments: &[Value]) -> Step<()> {
        let increment = self.needed("shiftDateTimeSequenceByIncrement", &arguments[0])?;
        let by = self.done(date::distance(&increment, "seconds"))?;
        let paths = self.readable_paths(&arguments[1..])?;
        let matcher = self.leaves(&paths)?;
        let at = self.at;
        let shift = |text: Option<String>, _: VR| {
            let Some(text) = text else {
                return Ok(None);
            };
            let shifted = |value: &str| date::shift(value, by).unwrap_or_else(|| value.to_owned());
            let values: Vec<String> = text.split('\\').map(shifted).collect();
            let changed = values.join("\\");
            Ok((changed != text).then_some(changed))
        };
        self.change_leaves(&matcher, "shift-date", &mut { shift }, at)
    }

    /// What is no date is an error, what is empty stays.
    pub(super) fn shift_list(&mut self, arguments: &[Value]) -> Step<()> {
        const NAME: &str = "shiftDateTimeListByIncrement";
        if !matches!(arguments[0], Value::List(_)) {
            return Err(self.failed(format!("{NAME}: the first argument is a list of paths")));
        }
        let paths = self.paths(NAME, &arguments[..1])?;
        let increment = self.needed(NAME, &arguments[1])?;
        let unit = self.needed(NAME, &arguments[2])?;
        let by = self.done(date::distance(&increment, &unit))?;
        let matcher = self.leaves(&paths)?;
        let at = self.at;
        let shift = |text: Option<String>, _: VR| {
            let Some(text) = text.filter(|text| !text.is_empty()) else {
                return Ok(None);
            };
            let values: Option<Vec<String>> = text
                .split('\\')
                .map(|value| date::shift(value, by))
                .collect();
            match values {
                Some(values) => Ok(Some(values.join("\\"))),
                None => Err(format!(
                    "{NAME}: an element holds no date, or the shift leaves the calendar"
                )),
            }
        };
        self.change_leaves(&matcher, "shift-date", &mut { shift }, at)
    }

    /// Nobody is told to be older than 89, and the study's date stays.
    pub(super) fn scale_patient_age(&mut self) -> Step<()> {
        let [birth, study, age] = ["(0010,0030)", "(0008,0020)", "(0010,1010)"]
            .map(|path| parser::parse_path(path).map(Arc::new));
        let (birth, study, age) = (self.done(birth)?, self.done(study)?, self.done(age)?);
        let there = |text: Option<String>| text.filter(|text| !text.is_empty());
        let birth_date = there(self.read(&birth)?);
        let study_date = there(self.read(&study)?);
        let at = self.at;
        if let Some(birth_date) = &birth_date {
            let Some(study_date) = &study_date else {
                return Ok(());
            };
            let days = date::days_between(birth_date, study_date);
            let days = days.ok_or_else(|| {
                self.failed("the patient's birth date or the study date is no date".to_owned())
            })?;
            if days > OLDEST_DAYS {
                let by = self.done(date::distance(&(days - OLDEST_DAYS).to_string(), "days"))?;
                let anywhere = self.done(parser::parse_path("*/(0010,0030)"))?;
                let matcher = self.matcher([&anywhere])?;
                let mut shift = |text: Option<String>, _: VR| match there(text) {
                    None => Ok(None),
                    Some(text) => date::shift(&text, by).map(Some).ok_or_else(|| {
                        "a birth date is no date, or leaves the calendar".to_owned()
                    }),
                };
                self.change_leaves(&matcher, "shift-date", &mut shift, at)?;
            }
        }
        let Some(age) = there(self.read(&age)?) else {
            return Ok(());
        };
        let (number, unit) = age.split_at_checked(age.len() - 1).unwrap_or(("", ""));
        let years = number.parse::<u32>().ok().filter(|_| "DWMY".contains(unit));
        let years = years.ok_or_else(|| self.failed("the patient's age is none".to_owned()))?;
        if unit == "Y" && years > OLDEST_YEARS {
            let anywhere = self.done(parser::parse_path("*/(0010,1010)"))?;
            let matcher = self.matcher([&anywhere])?;
            let mut capped = |_: Option<String>, _: VR| Ok(Some(format!("{OLDEST_YEARS:03}Y")));
            self.change_leaves(&matcher, "set", &mut capped, at)?;
        }
        Ok(())
    }

    /// Keeps the private elements that match, all that is in them, and what has to stand for them to be there.
    pub(super) fn retain_private(&mut self, arguments: &[Value]) -> Step<()> {
        let paths = self.paths("retainPrivateTags", arguments)?;
        if let Some(path) = paths.iter().find(|path| !path.is_private()) {
            return Err(self.failed(format!(
                "retainPrivateTags: {} is public, and stays anyway",
                path.text
            )));
        }
        let matcher = self.matcher(paths.iter().map(|path| &**path))?;
        let mut kept: HashSet<Key> = HashSet::new();
        let mut inside = None;
        self.host.look_over(
            &mut |location, element| {
                if inside.is_some_and(|depth| location.len() > depth) {
                    return true;
                }
                inside = None;
                let hit = in_private(location, element) && matcher.find(location).is_some();
                if hit && element.sequence().is_some() {
                    inside = Some(location.len());
                }
                hit
            },
            &mut |location, _, _| keep(location, &mut kept),
        );
        let at = self.at;
        self.host.note_any_depth();
        let removed = (self.host).change(Reach::Everything, false, &mut |location, element, _| {
            match in_private(location, element) && !kept.contains(&key(location)) {
                true => (Change::Remove, "remove-private", Some(at)),
                false => (Change::Keep, "", None),
            }
        });
        self.edited(removed.map(drop))?;
        self.host.drop_emptied_private_items();
        Ok(())
    }

    /// Paths from texts, those left out that are none.
    fn readable_paths(&mut self, values: &[Value]) -> Step<Vec<Arc<TagPath>>> {
        let mut paths = Vec::with_capacity(values.len());
        for value in self.done(flat(values))? {
            match value {
                Value::Path(path) => paths.push(path),
                value => match self.text(&value)?.map(|text| parser::parse_path(&text)) {
                    Some(Ok(path)) => paths.push(Arc::new(path)),
                    Some(Err(message)) => {
                        self.host.set_position(Some(self.at));
                        self.host.echo(format!("skipped: {message}"));
                    }
                    None => {}
                },
            }
        }
        Ok(paths)
    }

    /// Of paths as functions mean them that change values: items have none.
    pub(super) fn leaves(&self, paths: &[Arc<TagPath>]) -> Step<Matcher> {
        let values = paths.iter().filter(|path| path.end == End::Element);
        self.matcher(values.map(|path| &**path))
    }
}

/// Whether it is a private element, or stands in one.
fn in_private(location: &Location, element: &Element) -> bool {
    element.is_private()
        || location
            .iter()
            .any(|place| !place.tag.group().is_multiple_of(2))
}

fn key(location: &Location) -> Key {
    let steps = location.iter();
    steps.map(|place| (place.tag, place.item)).collect()
}

/// The element, the private sequences around it, and the creators of their blocks.
fn keep(location: &Location, kept: &mut HashSet<Key>) {
    let whole = key(location);
    for (index, (tag, _)) in whole.iter().enumerate() {
        let mut to = whole[..=index].to_vec();
        to[index].1 = None;
        if !tag.group().is_multiple_of(2) {
            let mut creator = to.clone();
            creator[index].0 = Tag(tag.group(), tag.element() >> 8);
            kept.insert(creator);
        }
        kept.insert(to);
    }
}
