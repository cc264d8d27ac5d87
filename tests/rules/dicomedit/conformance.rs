//! Runs the cases in `cases/`, and holds them against the sentences of the language in `sentences.md`.
//!
//! A case is run over files that are made here, in each encoding, and over real ones, from which everything
//! that the case names is taken out first. Its form:
//!
//! ```text
//! == name-of-the-case
//! on: explicit, the reason why not everywhere
//! before:
//! (0008,1111)[0]/(0008,1155) = 1.2.3
//! (0019,1001) OB = text
//! script:
//! - */(0008,1155)
//! after:
//! (0008,1111)[0]/(0008,1155) absent
//! ```
//!
//! Several scripts may follow, each with its own end: `after:`, `error: part of the message`,
//! `refused: part of the reason why it does not load`, `rejected:`. Behind `after:` a path is `absent`,
//! `present`, `empty`, has a `VR XX` or `= text`; `echo text` is what the script said. A script gets a version
//! line unless it begins with one, or with `!as it is`.

use super::files::{self, File};
use super::*;
use std::collections::BTreeSet;
use std::path::Path;

const CASES: [(&str, &str); 10] = [
    ("versions", include_str!("cases/versions.cases")),
    ("source", include_str!("cases/source.cases")),
    ("paths", include_str!("cases/paths.cases")),
    ("values", include_str!("cases/values.cases")),
    ("assignments", include_str!("cases/assignments.cases")),
    ("deletions", include_str!("cases/deletions.cases")),
    ("conditions", include_str!("cases/conditions.cases")),
    ("functions", include_str!("cases/functions.cases")),
    ("dates", include_str!("cases/dates.cases")),
    ("bulk", include_str!("cases/bulk.cases")),
];

const SENTENCES: &str = include_str!("sentences.md");

#[derive(Default)]
struct Case<'a> {
    name: &'a str,
    on: &'a str,
    before: Vec<&'a str>,
    runs: Vec<(String, End<'a>)>,
}

enum End<'a> {
    After(Vec<&'a str>),
    Error(&'a str),
    Refused(&'a str),
    Rejected,
}

macro_rules! chapters {
    ($($chapter:ident),+) => {
        $(#[test]
        fn $chapter() {
            check_chapter(stringify!($chapter));
        })+

        #[test]
        fn every_chapter_is_run() {
            let run = [$(stringify!($chapter)),+];
            assert_eq!(CASES.map(|(name, _)| name).as_slice(), run.as_slice());
        }
    };
}
chapters!(
    versions,
    source,
    paths,
    values,
    assignments,
    deletions,
    conditions,
    functions,
    dates,
    bulk
);

/// Each sentence has a case, and each case a sentence. A case is one of `cases/`, or a test of the repository,
/// `path::name`.
#[test]
fn every_sentence_has_its_cases_and_every_case_its_sentence() {
    let texts = CASES.map(|(_, text)| parse(text));
    let mut cases: BTreeSet<&str> = BTreeSet::new();
    for case in texts.iter().flatten() {
        assert!(cases.insert(case.name), "{}: there are two", case.name);
    }
    let mut named = BTreeSet::new();
    let rows: Vec<&str> = (SENTENCES.lines().filter(|line| line.starts_with("| ")))
        .skip(1)
        .collect();
    let mut numbers = BTreeSet::new();
    for row in rows {
        let columns: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let [number, sentence, listed] = columns[..] else {
            panic!("{row}: a sentence has its number, its text and its cases");
        };
        assert!(numbers.insert(number), "{number}: there are two");
        assert!(!sentence.is_empty() && !listed.is_empty(), "{row}");
        for name in listed.split(", ") {
            match name.split_once("::") {
                Some((file, test)) => assert!(is_test(file, test), "{number}: no test {name}"),
                None => {
                    assert!(cases.contains(name), "{number}: there is no case {name}");
                    named.insert(name);
                }
            }
        }
    }
    let unnamed: Vec<_> = cases.difference(&named).collect();
    assert!(unnamed.is_empty(), "cases of no sentence: {unnamed:?}");
}

fn is_test(file: &str, test: &str) -> bool {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file));
    let text = text.unwrap_or_else(|error| panic!("{file}: {error}"));
    let start = format!("fn {test}()");
    let mut before = "";
    text.lines().map(str::trim).any(|line| {
        let is_it = line.contains(&start) && before.contains("test]");
        before = line;
        is_it
    })
}

fn check_chapter(chapter: &str) {
    let (_, text) = CASES.iter().find(|(name, _)| *name == chapter).unwrap();
    let mut wrong = Vec::new();
    for case in parse(text) {
        for (index, file) in files::on(case.on).into_iter().enumerate() {
            for (script, end) in &case.runs {
                // What does not load is the same for every file.
                if index > 0 && matches!(end, End::Refused(_)) {
                    continue;
                }
                if let Err(why) = check_run(&case, file, script, end) {
                    wrong.push(format!("{} on {file:?}\n{script}\n{why}", case.name));
                }
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "\n{}\n{} wrong",
        wrong.join("\n\n"),
        wrong.len()
    );
}

fn check_run(case: &Case<'_>, file: File, script: &str, end: &End<'_>) -> Result<(), String> {
    if let End::Refused(expected) = end {
        return match compile(script) {
            Ok(_) => Err(format!("loads, not {expected:?}")),
            Err(error) if error.contains(expected) => Ok(()),
            Err(error) => Err(format!("{error:?}, not {expected:?}")),
        };
    }
    let after = match end {
        End::After(after) => after.as_slice(),
        _ => &[],
    };
    let named = [&case.before[..], after, &[script]].concat().join("\n");
    let ran = run_on(files::make(file, &case.before, &named), script);
    match (&ran.verdict, end) {
        (Ok(Verdict::Keep), End::After(_)) => {}
        (Ok(Verdict::Reject(_)), End::Rejected) => return Ok(()),
        (Err(error), End::Error(expected)) if error.contains(expected) => return Ok(()),
        (Err(error), End::Error(expected)) => {
            return Err(format!("{error:?}, not {expected:?}"));
        }
        (verdict, _) => return Err(format!("{verdict:?}")),
    }
    let mut echoes = ran.echoes.iter();
    let after_all = reread(&ran.instance);
    let mut host = host_of(reread(&ran.instance));
    for line in after {
        if let Some(expected) = line.strip_prefix("echo ") {
            let told = echoes.next().map(String::as_str);
            if told != Some(expected) {
                return Err(format!("echo {told:?}, not {expected:?}"));
            }
            continue;
        }
        let (path, rest) = files::split(line);
        let found = match files::is_there(&after_all, path) {
            true if path.ends_with(']') => Some(String::new()),
            true => Some(host.get(path).unwrap_or_default()),
            false => None,
        };
        let is_right = match rest {
            "absent" => found.is_none(),
            "present" => found.is_some(),
            "empty" => found.as_deref() == Some(""),
            rest if rest.starts_with("VR ") => host.vr(path).as_deref() == rest.get(3..),
            rest => {
                let expected = rest.strip_prefix("= ").map(files::unquoted);
                assert!(expected.is_some(), "{line}: what is that?");
                found.as_deref() == expected
            }
        };
        if !is_right {
            return Err(format!("{line}, but found {found:?}"));
        }
    }
    Ok(())
}

fn parse(text: &str) -> Vec<Case<'_>> {
    let mut cases: Vec<Case<'_>> = Vec::new();
    let mut part = "";
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("== ") {
            cases.push(Case {
                name,
                ..Case::default()
            });
            part = "";
            continue;
        }
        let Some(case) = cases.last_mut() else {
            assert!(line.is_empty() || line.starts_with('#'), "{line}");
            continue;
        };
        let head = line.split_once(':').map(|(head, rest)| (head, rest.trim()));
        match head {
            Some(("on", rest)) if part.is_empty() => case.on = rest,
            Some(("before", "")) => part = "before",
            Some(("script", "")) => {
                part = "script";
                case.runs.push((String::new(), End::After(Vec::new())));
            }
            Some(("after", "")) if part == "script" => part = "after",
            Some(("error", rest)) if part == "script" => set_end(case, End::Error(rest)),
            Some(("refused", rest)) if part == "script" => set_end(case, End::Refused(rest)),
            Some(("rejected", "")) if part == "script" => set_end(case, End::Rejected),
            _ => match part {
                "before" if !line.is_empty() => case.before.push(line),
                "script" => {
                    let (script, _) = case.runs.last_mut().unwrap();
                    script.push_str(line);
                    script.push('\n');
                }
                "after" if !line.is_empty() => {
                    let Some((_, End::After(after))) = case.runs.last_mut() else {
                        panic!("{line}");
                    };
                    after.push(line);
                }
                _ => assert!(line.is_empty(), "{line}: in no part of {}", case.name),
            },
        }
    }
    for case in &mut cases {
        assert!(!case.runs.is_empty(), "{}: has no script", case.name);
        for (script, end) in &mut case.runs {
            let is_empty = matches!(end, End::After(after) if after.is_empty());
            assert!(!is_empty, "{}: a script without an end", case.name);
            match script.strip_prefix("!as it is\n") {
                Some(as_it_is) => *script = as_it_is.to_owned(),
                None if script.starts_with("version") => {}
                None => script.insert_str(0, "version \"6.6\"\n"),
            }
        }
    }
    cases
}

fn set_end<'a>(case: &mut Case<'a>, end: End<'a>) {
    if let Some((_, last)) = case.runs.last_mut() {
        *last = end;
    }
}
