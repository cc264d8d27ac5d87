//! What a script returns, read into what its kind answers. Anything else is a broken rule.

use super::super::answer::{Decision, Labels, RuleFailure, Verdict};
use super::super::document::did_you_mean;
use super::api::Answer;
use super::failure::broke;
use ::rhai::{Dynamic, Map};

const LABELS: [&str; 6] = [
    "subject",
    "session",
    "project",
    "visit",
    "scan",
    "auto_archive",
];

pub fn verdict(module: &str, value: Dynamic) -> Result<Verdict, RuleFailure> {
    const EXPECTED: &str = "keep(), reject(why) or quarantine(why)";
    match cast(module, "anonymize", EXPECTED, value)? {
        Answer::Keep => Ok(Verdict::Keep),
        Answer::Reject(why) => Ok(Verdict::Reject(why)),
        Answer::Quarantine(why) => Ok(Verdict::Quarantine(why)),
        other => Err(unexpected(module, "anonymize", EXPECTED, other.name())),
    }
}

pub fn decision(module: &str, value: Dynamic) -> Result<Decision, RuleFailure> {
    const EXPECTED: &str = "prearchive(why), archive(why), archive_overwrite(why), quarantine(why) \
                            or reject(why)";
    match cast(module, "route", EXPECTED, value)? {
        Answer::Prearchive(why) => Ok(Decision::Prearchive(why)),
        Answer::Archive(why) => Ok(Decision::Archive(why)),
        Answer::ArchiveOverwrite(why) => Ok(Decision::ArchiveOverwrite(why)),
        Answer::Quarantine(why) => Ok(Decision::Quarantine(why)),
        Answer::Reject(why) => Ok(Decision::Reject(why)),
        Answer::Keep => Err(unexpected(module, "route", EXPECTED, "keep()")),
    }
}

/// A map; a label that is left out or `()` is absent.
pub fn labels(module: &str, value: Dynamic) -> Result<Labels, RuleFailure> {
    const EXPECTED: &str = "a map like #{ subject: \"…\", session: \"…\" }";
    let found = value.type_name();
    let Some(map) = value.try_cast::<Map>() else {
        return Err(unexpected(module, "label", EXPECTED, found));
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
                    .map_err(|found| wrong_type(module, "auto_archive", "a bool", found))?;
                labels.auto_archive = Some(wish);
                continue;
            }
            other => {
                let hint = did_you_mean(other, LABELS.into_iter());
                return Err(broke(
                    module,
                    format!("label answered an unknown key {other:?}{hint}"),
                ));
            }
        };
        *slot =
            (value.into_string()).map_err(|found| wrong_type(module, &key, "a string", found))?;
    }
    Ok(labels)
}

fn cast(
    module: &str,
    function: &str,
    expected: &str,
    value: Dynamic,
) -> Result<Answer, RuleFailure> {
    let found = value.type_name();
    value
        .try_cast()
        .ok_or_else(|| unexpected(module, function, expected, found))
}

fn unexpected(module: &str, function: &str, expected: &str, found: &str) -> RuleFailure {
    let found = if found == "()" { "nothing" } else { found };
    broke(
        module,
        format!("{function} answered {found}, expected {expected}"),
    )
}

fn wrong_type(module: &str, key: &str, expected: &str, found: &str) -> RuleFailure {
    broke(
        module,
        format!("label answered {found} for {key}, expected {expected}"),
    )
}
