//! What a script returns: how it says so, and how that is read into what its kind answers. Anything else is a broken
//! rule.

use super::super::answer::{Decision, Labels, Part, RuleFailure, Verdict};
use super::super::document::did_you_mean;
use super::super::host::Quotes;
use super::context::Ctx;
use super::dataset::Dataset;
use super::failure::broke;
use ::rhai::plugin::*;
use ::rhai::{Array, Dynamic, Map};

/// What an anonymize or a route rule returns.
#[derive(Debug, Clone)]
pub enum Answer {
    Keep,
    Reject(String),
    Quarantine(String),
    Prearchive(String),
    Archive(String),
    ArchiveOverwrite(String),
    /// Maps, each a part.
    Split(Array),
}

impl Answer {
    /// As a script writes it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Keep => "keep()",
            Self::Reject(_) => "reject(why)",
            Self::Quarantine(_) => "quarantine(why)",
            Self::Prearchive(_) => "prearchive(why)",
            Self::Archive(_) => "archive(why)",
            Self::ArchiveOverwrite(_) => "archive_overwrite(why)",
            Self::Split(_) => "split(parts)",
        }
    }
}

/// Whose answer is read, and what may be quoted of it.
pub struct Answered<'a> {
    pub module: &'a str,
    pub quotes: &'a Quotes,
    pub settings: &'a str,
}

impl Answered<'_> {
    /// A key of an answer, where it is no value that the script read.
    fn shown(&self, key: &str, hint: &str) -> String {
        match self.quotes.holds(key, self.settings) {
            true => format!(" {key:?}{hint}"),
            false => " that is not in its code".to_owned(),
        }
    }
}

const LABELS: [&str; 6] = [
    "subject",
    "session",
    "project",
    "visit",
    "scan",
    "auto_archive",
];

pub fn verdict(of: &Answered<'_>, value: Dynamic) -> Result<Verdict, RuleFailure> {
    const EXPECTED: &str = "keep(), reject(why) or quarantine(why)";
    match cast(of, "anonymize", EXPECTED, value)? {
        Answer::Keep => Ok(Verdict::Keep),
        Answer::Reject(why) => Ok(Verdict::Reject(why)),
        Answer::Quarantine(why) => Ok(Verdict::Quarantine(why)),
        other => Err(unexpected(of, "anonymize", EXPECTED, other.name())),
    }
}

pub fn decision(of: &Answered<'_>, value: Dynamic) -> Result<Decision, RuleFailure> {
    const EXPECTED: &str = "prearchive(why), archive(why), archive_overwrite(why), quarantine(why), \
                            reject(why) or split(parts)";
    match cast(of, "route", EXPECTED, value)? {
        Answer::Prearchive(why) => Ok(Decision::Prearchive(why)),
        Answer::Archive(why) => Ok(Decision::Archive(why)),
        Answer::ArchiveOverwrite(why) => Ok(Decision::ArchiveOverwrite(why)),
        Answer::Quarantine(why) => Ok(Decision::Quarantine(why)),
        Answer::Reject(why) => Ok(Decision::Reject(why)),
        Answer::Split(parts) => {
            let parts = parts.into_iter().map(|value| part(of, value));
            Ok(Decision::Split(parts.collect::<Result<_, _>>()?))
        }
        Answer::Keep => Err(unexpected(of, "route", EXPECTED, "keep()")),
    }
}

/// `#{ series: [uid, …], to: archive("why"), session: "label" }`; without `session` it keeps the label.
fn part(of: &Answered<'_>, value: Dynamic) -> Result<Part, RuleFailure> {
    const EXPECTED: &str = "parts like #{ series: [\"…\"], to: archive(\"…\") }";
    let found = kind(&value);
    let Some(mut map) = value.try_cast::<Map>() else {
        return Err(unexpected(of, "route", EXPECTED, found));
    };
    let mut take = |key: &str| map.remove(key).filter(|value| !value.is_unit());
    let (series, session, to) = (take("series"), take("session"), take("to"));
    if let Some(other) = map.keys().next() {
        let hint = did_you_mean(other, ["series", "session", "to"].into_iter());
        let shown = of.shown(other, &hint);
        let message = format!("route answered a part with an unknown key{shown}");
        return Err(broke(of.module, message));
    }
    let text = |key: &str, value: Dynamic| {
        let found = kind(&value);
        (value.into_string()).map_err(|_| wrong_type(of, "route", key, "a string", found))
    };
    let series = series.unwrap_or_default();
    let found = kind(&series);
    let series = (series.try_cast::<Array>())
        .ok_or_else(|| wrong_type(of, "route", "series", "a list of UIDs", found))?;
    let decision = decision(of, to.unwrap_or_default())?;
    if matches!(decision, Decision::Split(_)) {
        return Err(broke(
            of.module,
            "route answered a split inside of a split".into(),
        ));
    }
    Ok(Part {
        series: (series.into_iter())
            .map(|uid| text("series", uid))
            .collect::<Result<_, _>>()?,
        session: session.map(|label| text("session", label)).transpose()?,
        decision,
    })
}

/// A map; a label that is left out or `()` is absent.
pub fn labels(of: &Answered<'_>, value: Dynamic) -> Result<Labels, RuleFailure> {
    const EXPECTED: &str = "a map like #{ subject: \"…\", session: \"…\" }";
    let found = kind(&value);
    let Some(map) = value.try_cast::<Map>() else {
        return Err(unexpected(of, "label", EXPECTED, found));
    };
    let mut labels = Labels::default();
    for (key, value) in map {
        if value.is_unit() {
            continue;
        }
        let slot = match key.as_str() {
            "subject" => &mut labels.subject,
            "session" => &mut labels.session,
            "project" => labels.project.get_or_insert_default(),
            "visit" => labels.visit.get_or_insert_default(),
            "scan" => labels.scan.get_or_insert_default(),
            "auto_archive" => {
                let wish = value
                    .as_bool()
                    .map_err(|found| wrong_type(of, "label", "auto_archive", "a bool", found))?;
                labels.auto_archive = Some(wish);
                continue;
            }
            other => {
                let hint = did_you_mean(other, LABELS.into_iter());
                let shown = of.shown(other, &hint);
                return Err(broke(
                    of.module,
                    format!("label answered an unknown key{shown}"),
                ));
            }
        };
        *slot = (value.into_string())
            .map_err(|found| wrong_type(of, "label", &key, "a string", found))?;
    }
    Ok(labels)
}

fn cast(
    of: &Answered<'_>,
    function: &str,
    expected: &str,
    value: Dynamic,
) -> Result<Answer, RuleFailure> {
    let found = kind(&value);
    value
        .try_cast()
        .ok_or_else(|| unexpected(of, function, expected, found))
}

/// What a value is, as messages call it: their readers don't know the names of this program's types.
fn kind(value: &Dynamic) -> &'static str {
    if value.is::<Dataset>() {
        "the dataset"
    } else if value.is::<Ctx>() {
        "the context"
    } else if value.is::<Answer>() {
        "an answer"
    } else {
        value.type_name()
    }
}

fn unexpected(of: &Answered<'_>, function: &str, expected: &str, found: &str) -> RuleFailure {
    let found = if found == "()" { "nothing" } else { found };
    broke(
        of.module,
        format!("{function} answered {found}, expected {expected}"),
    )
}

fn wrong_type(
    of: &Answered<'_>,
    function: &str,
    key: &str,
    expected: &str,
    found: &str,
) -> RuleFailure {
    broke(
        of.module,
        format!("{function} answered {found} for {key}, expected {expected}"),
    )
}

#[export_module]
pub mod answer_functions {
    pub fn keep() -> Answer {
        Answer::Keep
    }

    pub fn reject(why: &str) -> Answer {
        Answer::Reject(why.to_owned())
    }

    pub fn quarantine(why: &str) -> Answer {
        Answer::Quarantine(why.to_owned())
    }

    pub fn prearchive(why: &str) -> Answer {
        Answer::Prearchive(why.to_owned())
    }

    pub fn archive(why: &str) -> Answer {
        Answer::Archive(why.to_owned())
    }

    pub fn archive_overwrite(why: &str) -> Answer {
        Answer::ArchiveOverwrite(why.to_owned())
    }

    pub fn split(parts: Array) -> Answer {
        Answer::Split(parts)
    }
}
