//! Arguments of the functions, as far as they stand in the script.

use super::{Access, Looking};
use crate::rules::dicomedit::functions::Id;
use crate::rules::dicomedit::parser::parse_path;
use crate::rules::dicomedit::regex::JavaRegex;
use crate::rules::dicomedit::syntax::{Call, Expression, Kind};
use crate::rules::dicomedit::{date, pixels, text, uid};

impl Looking {
    pub(super) fn call(&mut self, call: &Call) {
        let arguments = call.arguments.as_slice();
        for argument in arguments {
            self.argument(argument);
        }
        match call.function.id {
            Id::BlankValues | Id::CollectValues => self.paths(arguments, Access::Read, None),
            Id::HashUidList | Id::RemoveTags => self.paths(arguments, Access::Write, Some(true)),
            Id::RetainPrivateTags => {
                self.paths(arguments, Access::Keep, Some(true));
                self.are_private(arguments);
            }
            Id::ShiftDateTimeList => {
                self.paths(&arguments[..1], Access::Write, Some(true));
                self.distance(&arguments[1], arguments.get(2));
            }
            Id::MapReferencedUids => {
                self.prefix(&arguments[0]);
                self.paths(&arguments[1..], Access::Write, Some(false));
            }
            Id::ShiftDateTimeSequence => {
                self.distance(&arguments[0], None);
                self.paths(&arguments[1..], Access::Write, Some(false));
            }
            Id::IsPresent => self.are_present(arguments),
            Id::Delete => self.direct(&arguments[0]),
            Id::Set => {
                self.direct(&arguments[0]);
                self.read_argument(&arguments[1]);
            }
            Id::GetUrl => self.warning(
                call.position,
                "getURL fails unless geturl_hosts in sluice.toml names the host; a table and lookup[…] need no network"
                    .to_owned(),
            ),
            Id::ShiftDate | Id::ShiftDateTime => {
                self.read_argument(&arguments[0]);
                self.distance(&arguments[1], arguments.get(2));
            }
            Id::MapUid => {
                self.read_argument(&arguments[0]);
                self.prefix(&arguments[1]);
            }
            Id::IsMatch | Id::Match => {
                self.read_argument(&arguments[0]);
                self.regex(&arguments[1]);
                if let Some(group) = arguments.get(2) {
                    self.group(&arguments[1], group);
                }
            }
            Id::Format => {
                arguments.iter().for_each(|argument| self.read_argument(argument));
                if let Some(pattern) = literal(&arguments[0])
                    && let Err(message) = text::format(pattern, &[], usize::MAX)
                {
                    self.error(arguments[0].position, message);
                }
            }
            Id::AlterPixels => {
                if let Some(sides) = literal(&arguments[1])
                    && let Err(message) = pixels::region(sides)
                {
                    self.error(arguments[1].position, message);
                }
            }
            Id::Concatenate
            | Id::HashUid
            | Id::Lookup
            | Id::Lowercase
            | Id::NormalizeString
            | Id::Replace
            | Id::Substring
            | Id::Uppercase => arguments.iter().for_each(|argument| self.read_argument(argument)),
            Id::False | Id::NewUid | Id::Reject | Id::ScalePatientAge | Id::True => {}
        }
    }

    /// A text that may come from an element.
    fn read_argument(&mut self, argument: &Expression) {
        if let Kind::Path(path) = &argument.kind {
            self.read(path, argument.position);
        }
    }

    /// Paths, and texts that have to be some: with `must`, or are skipped else; without it they are just texts.
    fn paths(&mut self, arguments: &[Expression], access: Access, must: Option<bool>) {
        for argument in arguments {
            match (&argument.kind, must) {
                (Kind::Path(path), _) => self.name(path, access, argument.position),
                (Kind::List(items), _) => self.paths(items, access, must),
                (Kind::Text(text), Some(must)) => match parse_path(text) {
                    Ok(path) => self.name(&path, access, argument.position),
                    Err(message) if must => self.error(argument.position, message),
                    Err(message) => {
                        self.warning(argument.position, format!("is skipped: {message}"));
                    }
                },
                _ => {}
            }
        }
    }

    fn are_private(&mut self, arguments: &[Expression]) {
        for argument in arguments {
            let text = match &argument.kind {
                Kind::Path(path) => path.text.clone(),
                Kind::Text(text) => text.to_string(),
                Kind::List(items) => {
                    self.are_private(items);
                    continue;
                }
                Kind::Variable(_) | Kind::Call(_) => continue,
            };
            let is_public = parse_path(&text).is_ok_and(|path| !path.is_private());
            if is_public {
                self.error(
                    argument.position,
                    format!("retainPrivateTags: {text} is public, and stays anyway"),
                );
            }
        }
    }

    fn are_present(&mut self, arguments: &[Expression]) {
        for argument in arguments {
            match &argument.kind {
                Kind::Path(path) => self.read(path, argument.position),
                Kind::List(items) => self.are_present(items),
                Kind::Text(_) => {
                    self.error(argument.position, "isPresent takes tag paths".to_owned());
                }
                Kind::Variable(_) | Kind::Call(_) => {}
            }
        }
    }

    fn distance(&mut self, increment: &Expression, unit: Option<&Expression>) {
        self.read_argument(increment);
        let unit = match unit {
            Some(unit) => literal(unit),
            None => Some("days"),
        };
        if let (Some(number), Some(unit)) = (literal(increment), unit)
            && let Err(message) = date::distance(number, unit)
        {
            self.error(increment.position, message);
        }
    }

    fn prefix(&mut self, argument: &Expression) {
        self.read_argument(argument);
        if let Some(prefix) = literal(argument)
            && let Err(message) = uid::check_prefix(prefix)
        {
            self.error(argument.position, message);
        }
    }

    fn group(&mut self, regex: &Expression, group: &Expression) {
        let (Some(text), Some(number)) = (literal(regex), literal(group)) else {
            return;
        };
        let Ok(regex) = JavaRegex::new(text) else {
            return;
        };
        match number.trim().parse::<usize>() {
            Ok(number) if regex.has_group(number) => {}
            Ok(number) => self.error(
                group.position,
                format!("the expression has no group {number}"),
            ),
            Err(_) => self.error(group.position, "match: a group is a number".to_owned()),
        }
    }
}

fn literal(expression: &Expression) -> Option<&str> {
    match &expression.kind {
        Kind::Text(text) => Some(text),
        _ => None,
    }
}
