//! The functions of a script at work: texts, UIDs and dates here; what edits in place is in [`super::bulk`].

use super::functions::Id;
use super::interpreter::{Run, Step, Stop};
use super::path;
use super::syntax::{Call, End, Kind, TagPath};
use super::value::{Value, flat};
use super::{date, text, uid};
use crate::dicom::VR;
use std::sync::Arc;

impl Run<'_> {
    pub(super) fn call(&mut self, call: &Call) -> Step<Value> {
        let arguments = call
            .arguments
            .iter()
            .map(|argument| self.argument(argument))
            .collect::<Step<Vec<Value>>>()?;
        // Errors name this call, and those after it the one around.
        let around = std::mem::replace(&mut self.at, call.position);
        self.step()?;
        let answer = self.answer(call, &arguments)?;
        self.at = around;
        Ok(answer)
    }

    fn answer(&mut self, call: &Call, arguments: &[Value]) -> Step<Value> {
        let is_literal = |index: usize| {
            (call.arguments.get(index)).is_some_and(|a| matches!(a.kind, Kind::Text(_)))
        };
        let name = call.function.name;
        Ok(match call.function.id {
            Id::Concatenate => {
                let mut joined = String::new();
                for argument in arguments {
                    joined.push_str(&self.needed(name, argument)?);
                    if joined.len() > self.longest() {
                        return Err(self.failed(text::too_long()));
                    }
                }
                Value::text(joined)
            }
            Id::Format => {
                let pattern = self.needed(name, &arguments[0])?;
                let rest = self.done(flat(&arguments[1..]))?;
                let mut texts = Vec::with_capacity(rest.len());
                for value in &rest {
                    let text = self.text(value)?;
                    texts.push(text.map_or_else(|| "null".to_owned(), |text| text.to_string()));
                }
                Value::text(self.done(text::format(&pattern, &texts, self.longest()))?)
            }
            Id::Lowercase => Value::text(self.needed(name, &arguments[0])?.to_lowercase()),
            Id::Uppercase => Value::text(self.needed(name, &arguments[0])?.to_uppercase()),
            Id::Substring => {
                let [of, begin, end] = self.three(name, arguments)?;
                Value::text(self.done(text::substring(&of, &begin, &end))?)
            }
            Id::Replace => {
                let [of, find, with] = self.three(name, arguments)?;
                Value::text(self.done(text::replace(&of, &find, &with, self.longest()))?)
            }
            Id::Match => {
                let [of, regex, group] = self.three(name, arguments)?;
                let group = group.trim().parse();
                let group = group.map_err(|_| self.failed("match: a group is a number".into()))?;
                let regex = self.regex(&regex, is_literal(1))?;
                Value::of(self.done(regex.group(&of, group))?)
            }
            Id::IsMatch => {
                let of = self.needed(name, &arguments[0])?;
                let regex = self.needed(name, &arguments[1])?;
                let regex = self.regex(&regex, is_literal(1))?;
                Value::Truth(self.done(regex.is_match(&of))?)
            }
            Id::NormalizeString => {
                let with = match arguments.get(1) {
                    Some(with) => self.needed(name, with)?,
                    None => "_".into(),
                };
                match self.text(&arguments[0])? {
                    Some(of) => Value::text(self.done(text::normalize(&of, &with))?),
                    None => Value::Null,
                }
            }
            Id::True => Value::Truth(true),
            Id::False => Value::Truth(false),
            Id::IsPresent => {
                let mut are_present = true;
                for value in self.done(flat(arguments))? {
                    are_present &= self.is_present(&value)?;
                }
                Value::Truth(are_present)
            }
            Id::Lookup => {
                let kind = self.needed(name, &arguments[0])?;
                let key = self.needed(name, &arguments[1])?;
                let found = self.host.context.tables.lookup(&kind, &key);
                // A kind that there is no table of has no keys.
                Value::of(found.ok().flatten().map(str::to_owned))
            }
            Id::GetUrl => {
                let url = self.needed(name, &arguments[0])?;
                Value::text(self.asked(&url)?)
            }
            Id::HashUid => match self.text(&arguments[0])? {
                Some(text) => Value::text(uid::hash(&text)),
                None => Value::Null,
            },
            Id::NewUid => {
                self.new_uids += 1;
                let script = &self.script.name;
                let pseudonyms = &self.host.pseudonyms;
                Value::text(uid::new(
                    script,
                    &self.instance_uid,
                    self.new_uids,
                    pseudonyms,
                ))
            }
            Id::MapUid => {
                let original = self.text(&arguments[0])?;
                let prefix = self.needed(name, &arguments[1])?;
                // What is absent is mapped too, and not as the empty text is.
                let original =
                    original.map_or_else(|| "\0null".to_owned(), |text| text.to_string());
                let mapped = uid::mapped(&prefix, &original, &self.host.pseudonyms);
                Value::text(self.done(mapped)?)
            }
            Id::ShiftDate => self.shifted(name, arguments, "days", &[VR::DA])?,
            Id::ShiftDateTime => self.shifted(name, arguments, "seconds", &[VR::DA, VR::DT])?,
            Id::Reject => {
                let is_wanted = match arguments.first() {
                    None | Some(Value::Truth(true)) => true,
                    Some(Value::Truth(false)) => false,
                    Some(other) => match self.text(other)?.as_deref() {
                        Some(text) if text.eq_ignore_ascii_case("true") => true,
                        Some(text) if text.eq_ignore_ascii_case("false") => false,
                        _ => return Err(self.failed("reject takes true[] or false[]".into())),
                    },
                };
                if is_wanted {
                    return Err(Stop::Rejected(self.at));
                }
                Value::Nothing
            }
            Id::CollectValues => {
                let collected = self.collect(arguments)?;
                Value::List(collected.into_iter().map(Value::text).collect())
            }
            Id::AlterPixels => {
                self.alter_pixels(arguments)?;
                Value::Nothing
            }
            Id::BlankValues => {
                self.blank_values(arguments)?;
                Value::Nothing
            }
            Id::Delete | Id::Set => {
                let path = self.needed(name, &arguments[0])?;
                let path = self.done(path::direct(&path))?;
                match arguments.get(1) {
                    None => {
                        let matcher = self.matcher([&path])?;
                        self.remove(&matcher, true)?;
                    }
                    Some(value) => {
                        let text = self.needed(name, value)?;
                        self.assign(&path.pattern, &text, "set")?;
                    }
                }
                Value::Nothing
            }
            Id::HashUidList => {
                self.hash_uids(arguments)?;
                Value::Nothing
            }
            Id::MapReferencedUids => {
                self.map_referenced_uids(arguments)?;
                Value::Nothing
            }
            Id::RemoveTags => {
                let paths = self.paths(name, arguments)?;
                let matcher = self.matcher(paths.iter().map(|path| &**path))?;
                self.delete(&matcher)?;
                Value::Nothing
            }
            Id::RetainPrivateTags => {
                self.retain_private(arguments)?;
                Value::Nothing
            }
            Id::ScalePatientAge => {
                self.scale_patient_age()?;
                Value::Nothing
            }
            Id::ShiftDateTimeList => {
                self.shift_list(arguments)?;
                Value::Nothing
            }
            Id::ShiftDateTimeSequence => {
                self.shift_in_place(arguments)?;
                Value::Nothing
            }
        })
    }

    fn is_present(&mut self, value: &Value) -> Step<bool> {
        let Value::Path(path) = value else {
            return Err(self.failed("isPresent takes tag paths".to_owned()));
        };
        match path.end {
            _ if !path.is_singular => Err(self.failed(format!(
                "isPresent: {} may be several elements: name items by number",
                path.text
            ))),
            End::Item(number) => {
                let count = self.host.item_count(&path.pattern).unwrap_or(0);
                Ok(count > number as usize)
            }
            End::Element | End::EveryItem => Ok(self.host.is_present(&path.pattern)),
        }
    }

    /// A date that is given or read, shifted.
    fn shifted(&mut self, name: &str, arguments: &[Value], unit: &str, vrs: &[VR]) -> Step<Value> {
        if let Value::Path(path) = &arguments[0]
            && path.is_singular
            && let Some(vr) = self.host.vr_of(&path.pattern)
            && !vrs.contains(&vr)
        {
            return Err(self.failed(format!(
                "{name}: {} is of VR {}, and no date",
                path.text,
                vr.to_string()
            )));
        }
        let value = self.needed(name, &arguments[0])?;
        let increment = self.needed(name, &arguments[1])?;
        let unit = match arguments.get(2) {
            Some(unit) => self.needed(name, unit)?,
            None => unit.into(),
        };
        let by = self.done(date::distance(&increment, &unit))?;
        let shifted =
            (value.split('\\').map(|value| date::shift(value, by))).collect::<Option<Vec<_>>>();
        match shifted {
            Some(values) => Ok(Value::text(values.join("\\"))),
            None => Err(self.failed(format!(
                "{name}: what is to be shifted is no date, or the shift leaves the calendar"
            ))),
        }
    }

    /// A text that must be there.
    pub(super) fn needed(&mut self, function: &str, value: &Value) -> Step<Arc<str>> {
        self.text(value)?
            .ok_or_else(|| self.failed(format!("{function}: an argument is absent")))
    }

    fn three(&mut self, function: &str, arguments: &[Value]) -> Step<[Arc<str>; 3]> {
        Ok([
            self.needed(function, &arguments[0])?,
            self.needed(function, &arguments[1])?,
            self.needed(function, &arguments[2])?,
        ])
    }

    /// Paths and texts that hold paths, lists of them too.
    pub(super) fn paths(&mut self, function: &str, values: &[Value]) -> Step<Vec<Arc<TagPath>>> {
        let mut paths = Vec::with_capacity(values.len());
        for value in self.done(flat(values))? {
            match value {
                Value::Path(path) => paths.push(path),
                Value::Text(text) => {
                    let parsed = super::parser::parse_path(&text);
                    paths.push(Arc::new(self.done(parsed)?));
                }
                _ => return Err(self.failed(format!("{function} takes tag paths"))),
            }
        }
        Ok(paths)
    }
}
