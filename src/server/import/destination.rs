//! Where an upload, or a session that waits, shall go: XNAT's `dest`, and the names that its handlers know project and labels by.

use super::super::error::ApiError;
use super::super::form::Parameters;

/// The parameters of the inbox, with the names that other handlers have for them.
const NAMES: [(&str, &str); 3] = [
    ("PROJECT_ID", "project"),
    ("SUBJECT_ID", "subject"),
    ("EXPT_LABEL", "session"),
];

const MALFORMED: &str = "The parameter dest must be /archive or /prearchive, or /archive/projects/P, with \
/subjects/S and /experiments/E after it or not, or /prearchive/projects/P, with a timestamp and a session's name \
after it or not.";

const ARCHIVE: &str = "/archive";
const PREARCHIVE: &str = "/prearchive";

/// Project, subject and session that a `dest` names.
type Labels<'a> = [Option<&'a str>; 3];

/// Gives project and labels their names of the inbox, wherever the call has them from, and the wish for the archive
/// the form of a `dest`.
///
/// # Errors
/// If `dest` is malformed, or says something else than the parameters.
pub fn settle(parameters: &mut Parameters) -> Result<(), ApiError> {
    if parameters.text("dest").is_none()
        && let Some(wish) = wish(parameters)?
    {
        parameters.set("dest", wish.into());
    }
    settle_names(parameters)
}

/// The same for a session that waits, under the names that the services have: `project`, `subject` and `session`.
///
/// # Errors
/// Also if `dest` is no place in the archive, or two names of one thing say different ones.
pub fn settle_archiving(parameters: &mut Parameters) -> Result<(), ApiError> {
    for (name, other) in NAMES {
        if let (Some(one), Some(another)) = (parameters.text(name), parameters.text(other))
            && one != another
        {
            return Err(ApiError::BadRequest(
                format!("The parameters {name} and {other} name different ones; give one of them.")
                    .into(),
            ));
        }
    }
    settle_names(parameters)?;
    if parameters.text("dest").is_some() && !is_archive(parameters) {
        return Err(ApiError::BadRequest(
            "The parameter dest must be in the archive: to another place in the prearchive leads \
             /data/services/prearchive/move."
                .into(),
        ));
    }
    for (name, other) in NAMES {
        if let Some(value) = parameters.take(name) {
            parameters.set(other, value);
        }
    }
    Ok(())
}

fn settle_names(parameters: &mut Parameters) -> Result<(), ApiError> {
    let dest = parameters.text("dest").map(str::to_owned);
    let named = match &dest {
        Some(dest) => labels(dest).ok_or_else(|| ApiError::BadRequest(MALFORMED.into()))?,
        None => [None; 3],
    };
    for ((name, other), named) in NAMES.into_iter().zip(named) {
        let text = |name| parameters.text(name).map(str::to_owned);
        let given = text(name).or_else(|| text(other));
        parameters.take(name);
        parameters.take(other);
        if let (Some(given), Some(named)) = (&given, named)
            && given != named
        {
            return Err(ApiError::BadRequest(
                format!("The parameters dest and {name} (or {other}) name different ones; give one of them.")
                    .into(),
            ));
        }
        if let Some(value) = given.or(named.map(str::to_owned)) {
            parameters.set(name, value);
        }
    }
    Ok(())
}

/// XNAT's other ways to say that a session goes to the archive, or stays out of it.
fn wish(parameters: &Parameters) -> Result<Option<&'static str>, ApiError> {
    let code = match parameters.text("prearchive_code") {
        None => None,
        Some("0" | "false") => Some(PREARCHIVE),
        // With an overwrite too: that XNAT refuses the two together is a slip in its check.
        Some("1" | "true" | "4" | "5") => Some(ARCHIVE),
        Some(_) => {
            return Err(ApiError::BadRequest(
                "The parameter prearchive_code must be 0 (prearchive) or 1 (archive).".into(),
            ));
        }
    };
    Ok(match parameters.flag("Direct-Archive")? {
        Some(true) => Some(ARCHIVE),
        _ => code,
    })
}

fn labels(dest: &str) -> Option<Labels<'_>> {
    let below = dest.strip_prefix("/data").unwrap_or(dest);
    let steps: Vec<&str> = below.trim_end_matches('/').split('/').collect();
    if steps[1..].iter().any(|step| step.is_empty()) {
        return None;
    }
    match steps[..] {
        ["", "archive" | "prearchive"] => Some([None; 3]),
        ["", "archive", "projects", p] => Some([Some(p), None, None]),
        ["", "archive", "projects", p, "subjects", s] => Some([Some(p), Some(s), None]),
        [
            "",
            "archive",
            "projects",
            p,
            "subjects",
            s,
            "experiments",
            e,
        ] => Some([Some(p), Some(s), Some(e)]),
        // The timestamp is given to a session when it comes, and can't be chosen.
        ["", "prearchive", "projects", p] | ["", "prearchive", "projects", p, _] => {
            Some([Some(p), None, None])
        }
        ["", "prearchive", "projects", p, _, e] => Some([Some(p), None, Some(e)]),
        _ => None,
    }
}

/// Whether the call wants the archive and nothing else.
pub fn is_archive(parameters: &Parameters) -> bool {
    parameters.text("dest").is_some_and(|dest| {
        dest.strip_prefix("/data")
            .unwrap_or(dest)
            .starts_with(ARCHIVE)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destinations_are_read_as_xnat_writes_them() {
        let some = |p, s, e| Some([p, s, e]);
        for (dest, expected) in [
            ("/archive", some(None, None, None)),
            ("/data/prearchive", some(None, None, None)),
            ("/archive/projects/P", some(Some("P"), None, None)),
            (
                "/archive/projects/P/subjects/S",
                some(Some("P"), Some("S"), None),
            ),
            (
                "/data/archive/projects/P/subjects/S/experiments/E",
                some(Some("P"), Some("S"), Some("E")),
            ),
            ("/prearchive/projects/P/", some(Some("P"), None, None)),
            (
                "/prearchive/projects/P/20260101_000000000/E",
                some(Some("P"), None, Some("E")),
            ),
            ("archive", None),
            ("/archive/projects", None),
            ("/archive/projects//subjects/S", None),
            ("/archived", None),
            ("/prearchive/projects/P/t/E/more", None),
            ("", None),
        ] {
            assert_eq!(labels(dest), expected, "{dest}");
        }
    }

    #[test]
    fn what_the_call_says_twice_must_be_the_same() {
        let settled = |pairs: &[(&str, &str)]| {
            let pairs = pairs
                .iter()
                .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()));
            let mut parameters = Parameters::from_map(pairs.collect());
            settle(&mut parameters).map(|()| parameters)
        };
        let both = settled(&[
            ("dest", "/archive/projects/P"),
            ("project", "P"),
            ("session", "E"),
        ]);
        let both = both.unwrap();
        assert_eq!(both.text("PROJECT_ID"), Some("P"));
        assert_eq!(both.text("EXPT_LABEL"), Some("E"));
        assert!(is_archive(&both));
        assert!(settled(&[("dest", "/archive/projects/P"), ("PROJECT_ID", "Q")]).is_err());
        for archiving in [
            [("SUBJECT_ID", "one"), ("subject", "two")],
            [
                ("dest", "/archive/projects/P/subjects/one"),
                ("subject", "two"),
            ],
            [("dest", "/prearchive/projects/P"), ("subject", "two")],
        ] {
            let pairs = archiving.map(|(n, v)| (n.to_owned(), v.to_owned()));
            let mut parameters = Parameters::from_map(pairs.into());
            assert!(settle_archiving(&mut parameters).is_err(), "{archiving:?}");
        }
        let upper = settled(&[("SUBJECT_ID", "one"), ("subject", "two")]).unwrap();
        assert_eq!(upper.text("SUBJECT_ID"), Some("one"));
    }

    #[test]
    fn other_ways_to_want_the_archive_are_a_dest_too() {
        let settled = |pairs: &[(&str, &str)]| {
            let pairs = pairs
                .iter()
                .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()));
            let mut parameters = Parameters::from_map(pairs.collect());
            settle(&mut parameters).map(|()| parameters.text("dest").map(str::to_owned))
        };
        let dest = |pairs| settled(pairs).ok().flatten();
        assert_eq!(
            dest(&[("prearchive_code", "1")]).as_deref(),
            Some("/archive")
        );
        assert_eq!(
            dest(&[("prearchive_code", "0")]).as_deref(),
            Some("/prearchive")
        );
        assert_eq!(
            dest(&[("Direct-Archive", "true")]).as_deref(),
            Some("/archive")
        );
        let said = [("prearchive_code", "1"), ("dest", "/prearchive/projects/P")];
        assert_eq!(dest(&said).as_deref(), Some("/prearchive/projects/P"));
        assert_eq!(dest(&[("project", "P")]), None);
        assert!(settled(&[("prearchive_code", "2")]).is_err());
    }
}
