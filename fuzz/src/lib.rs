//! What is fuzzed: each function takes any bytes, and panics only where Sluice is wrong. The targets in
//! `fuzz_targets/` run them under libFuzzer, `tests/fuzz_corpus.rs` over the committed corpus.

use sluice::dicom::edit::{Change, Reach, Wanted};
use sluice::dicom::path::{Location, Pattern, location_text};
use sluice::dicom::{Instance, Region};
use sluice::inbox::{Format, Limits, UnpackError, unpack};
use sluice::rules::dicomedit::{self, DicomEditEngine, convert};
use sluice::rules::host::{Access, Action, Context, Edit, Host};
use sluice::rules::pseudonym::Pseudonyms;
use sluice::rules::{Engine, EngineKind, Manifest, Policy, Verdict};
use std::cell::RefCell;
use std::io::{Seek, Write};
use std::sync::Arc;

/// A small instance with what scripts are about: sequences in sequences, private blocks, dates, pixels.
const INSTANCE: &[u8] = include_bytes!("instance.dcm");

/// DicomEdit's lexer and parser, and the converter of DicomEdit 4: any text is a script, or is refused.
pub fn script(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let lines = dicomedit::lines(text);
    let count = text.lines().count();
    assert!(lines.iter().all(|line| (1..=count).contains(line)));
    let converted = convert::convert(text);
    assert!(converted.notes.iter().all(|note| note.line <= count));
}

/// Parser and interpreter: what a script leaves of an instance is an instance.
pub fn script_run(data: &[u8]) {
    let manifest = Manifest::permissive("fuzz.das", EngineKind::DicomEdit);
    let Ok(engine) = DicomEditEngine::compile(&manifest, data, None) else {
        return;
    };
    let everything = ["*".to_owned()];
    let access = Access::new(&everything, &everything, true).expect("a star is a pattern");
    let context = Context {
        project: "DEMO".to_owned(),
        subject: Some("S1".to_owned()),
        session: Some("E1".to_owned()),
        record: true,
        ..Context::default()
    };
    let instance = Instance::from_bytes(INSTANCE.to_vec()).expect("the file beside this one");
    let host = Host::new(
        instance,
        Arc::new(access),
        Arc::new(context),
        Arc::new(Pseudonyms::new(&[7; 32])),
    );
    let ran = engine.anonymize(host);
    if ran.answer == Ok(Verdict::Keep) {
        written_and_read(&ran.host.into_instance());
    }
}

/// The reader of DICOM files: what was read is written as it was, and what is edited can be read again.
pub fn instance(data: &[u8]) {
    let Ok(mut instance) = Instance::from_bytes(data.to_vec()) else {
        return;
    };
    let mut paths = Vec::new();
    instance.walk(&mut |location, element, scope| {
        _ = scope.text(element);
        paths.push(location_text(location));
        true
    });
    // Every place has a path, and a path that is written parses.
    for path in &paths {
        Pattern::parse_path(path).unwrap_or_else(|error| panic!("{error}"));
    }
    if let Ok(bytes) = instance.to_bytes() {
        assert_eq!(bytes, data, "nothing was touched");
    }
    let is_private = |tag: sluice::dicom::Tag| tag.group() % 2 == 1;
    _ = instance.edit(
        Reach::Anywhere(Wanted::Those(&is_private)),
        &mut |_, element, _| match element.is_private() {
            true => Change::Remove,
            false => Change::Keep,
        },
    );
    for path in [
        "PatientName",
        "ReferencedStudySequence[1]/StudyDate",
        "(0019,{ACME}01)",
    ] {
        let path = Pattern::parse_path(path).expect("a path");
        _ = instance.set_as_given(&path, "20240131");
    }
    written_and_read(&instance);
}

/// Paths and patterns: any text is one, or is refused; what is one parses again from its own text.
pub fn path(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let Ok(pattern) = Pattern::parse(text) else {
        assert!(Pattern::parse_path(text).is_err());
        return;
    };
    assert_eq!(Pattern::parse(pattern.as_str()).as_ref(), Ok(&pattern));
    assert_eq!(Pattern::parse_path(text).is_ok(), pattern.is_path());
    let location = pattern.location();
    if pattern.is_path() {
        assert!(pattern.matches(&location), "a path matches its own place");
    }
    let instance = Instance::from_bytes(INSTANCE.to_vec()).expect("the file beside this one");
    let found = instance.look_up(&pattern).is_some();
    let mut hits = 0;
    instance.walk(&mut |location: &Location, _, _| {
        hits += usize::from(pattern.matches(location));
        true
    });
    if found && pattern.is_path() && !pattern.may_be_in_meta() {
        assert!(hits > 0, "what a path leads to, its pattern matches");
    }
}

/// Policies and manifests: any bytes are one, or are refused with a place; what is said of all problems agrees with
/// what is said of the first. The first byte picks which of the two.
pub fn documents(data: &[u8]) {
    let Some((first, text)) = data.split_first() else {
        return;
    };
    match first % 2 {
        0 => {
            let parsed = Policy::parse("policy.json", text);
            let problems = Policy::problems("policy.json", text);
            assert_eq!(parsed.is_ok(), problems.is_empty(), "{problems:?}");
            if let Ok(policy) = parsed {
                assert!(policy.steps().all(|(place, _)| place.starts_with('/')));
            }
        }
        _ => {
            let parsed = Manifest::parse("module.json", text);
            let problems = Manifest::problems("module.json", text);
            assert_eq!(parsed.is_ok(), problems.is_empty(), "{problems:?}");
            if let Ok(manifest) = parsed {
                _ = manifest.access("module.json");
                assert!(manifest.limits.memory_bytes() <= 1 << 32);
            }
        }
    }
}

/// What a guest may ask of its host, in any order and with any arguments: a line is a call, its parts are parted by
/// tabs. What the manifest does not declare stays as it is, and what is left is an instance.
pub fn host_calls(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let patterns = |list: &[&str]| list.iter().map(|p| (*p).to_owned()).collect::<Vec<_>>();
    let reads = patterns(&["PatientName", "*/StudyDate", "*/(0008,XXXX)", "(0019,XXXX)"]);
    let writes = patterns(&[
        "PatientName",
        "*/StudyDate",
        "ReferencedStudySequence",
        "(0019,XXXX)",
        "PixelData",
    ]);
    let access = Arc::new(Access::new(&reads, &writes, true).expect("patterns"));
    let original = Instance::from_bytes(INSTANCE.to_vec()).expect("the file beside this one");
    let kept = undeclared(&original, &access);
    let pseudonyms = Arc::new(Pseudonyms::new(&[7; 32]));
    let mut host = Host::new(original, access.clone(), Arc::default(), pseudonyms);
    let mut refused = false;
    for line in text.lines() {
        let parts: Vec<&str> = line.split('\t').collect();
        call(&mut host, &parts);
        // Once it is refused, nothing that the guest does takes that back.
        assert!(!refused || host.refusal().is_some());
        refused = host.refusal().is_some();
    }
    let instance = host.into_instance();
    assert_eq!(
        undeclared(&instance, &access),
        kept,
        "an element that is not declared"
    );
    written_and_read(&instance);
}

/// Elements of the first level that a module may not write, with their text.
fn undeclared(instance: &Instance, access: &Access) -> Vec<(String, Option<String>)> {
    let mut elements = Vec::new();
    instance.walk(&mut |location: &Location, element, scope| {
        let path = location_text(location);
        if !path.contains('/') && !access.may_write(location) {
            elements.push((path.into_owned(), scope.text(element)));
        }
        false
    });
    elements
}

/// One call of a guest.
fn call(host: &mut Host, parts: &[&str]) {
    let argument = |at: usize| parts.get(at).copied().unwrap_or_default();
    let number = |at: usize| argument(at).parse().unwrap_or_default();
    let owned = |parts: &[&str]| parts.iter().map(|p| (*p).to_owned()).collect::<Vec<_>>();
    match argument(0) {
        "get" => drop(host.get(argument(1))),
        "values" => drop(host.values(argument(1))),
        "vr" => drop(host.vr(argument(1))),
        "exists" => _ = host.exists(argument(1)),
        "find" => {
            for path in host.find(argument(1)) {
                Pattern::parse_path(&path).unwrap_or_else(|error| panic!("{error}"));
            }
        }
        "set" => drop(host.set(argument(1), argument(2))),
        "blank" => drop(host.blank(argument(1))),
        "remove" => drop(host.remove(argument(1))),
        "remove-private" => drop(host.remove_private(&owned(&parts[1..]))),
        "apply" => {
            let edits = parts[1..].chunks_exact(3).map(|part| Edit {
                pattern: part[1].to_owned(),
                action: match part[0] {
                    "remove" => Action::Remove,
                    "blank" => Action::Blank,
                    "uid" => Action::Uid,
                    "dummy" => Action::Dummy,
                    "shift-date" => Action::ShiftDate(part[2].parse().unwrap_or_default()),
                    _ => Action::Set(part[2].to_owned()),
                },
            });
            drop(host.apply(&edits.collect::<Vec<_>>()));
        }
        "apply-table" => drop(host.apply_table(&parts[1..].join("\n"))),
        "redact" => {
            let region = Region {
                left: number(1),
                top: number(2),
                right: number(3),
                bottom: number(4),
            };
            drop(host.redact(region));
        }
        "uid" => {
            let uid = host.pseudonyms.uid(argument(1));
            assert!(
                uid.is_empty() || uid.len() <= 64 && uid.starts_with("2.25."),
                "{uid}"
            );
        }
        "label" => drop(host.pseudonyms.label(argument(1), argument(2), number(3))),
        "days" => {
            let days = host.pseudonyms.days(argument(1), number(2));
            assert!(days != 0, "a date that stays");
        }
        "shift" => {
            let days = argument(2).parse().unwrap_or_default();
            drop(host.pseudonyms.shift_date(argument(1), days));
        }
        _ => {}
    }
}

/// Unpacking: the first byte picks zip or tar, the rest is the archive. Nothing is written past the limits.
pub fn archive(data: &[u8]) {
    const LIMITS: Limits = Limits {
        bytes: 1 << 20,
        member_bytes: 1 << 19,
        entries: 64,
        ratio: 100,
    };
    let Some((first, packed)) = data.split_first() else {
        return;
    };
    let format = match first % 2 {
        0 => Format::Zip,
        _ => Format::Tar,
    };
    ARCHIVE.with_borrow_mut(|file| {
        file.set_len(0).expect("an empty file");
        file.rewind().expect("its start");
        file.write_all(packed).expect("the archive");
        file.rewind().expect("its start");
        let folder = tempfile::tempdir().expect("a folder");
        let mut written = 0;
        let into = folder.path().join("members");
        let unpacked = unpack(file, format, &into, &LIMITS, &mut |bytes| {
            written += bytes;
            true
        });
        assert!(written <= LIMITS.bytes, "{written} bytes written");
        match unpacked {
            Ok(members) => assert!(members.len() as u64 <= LIMITS.entries),
            Err(UnpackError::Write(error)) => panic!("{error}"),
            Err(_) => {}
        }
    });
}

thread_local! {
    static ARCHIVE: RefCell<std::fs::File> =
        RefCell::new(tempfile::tempfile().expect("a temporary file"));
}

/// What can be written can be read again, and then stays as it is.
fn written_and_read(instance: &Instance) {
    let Ok(bytes) = instance.to_bytes() else {
        return;
    };
    let again = Instance::from_bytes(bytes.clone());
    let again = again.unwrap_or_else(|error| panic!("written, and not to be read: {error}"));
    assert_eq!(again.to_bytes().ok().as_ref(), Some(&bytes));
}
