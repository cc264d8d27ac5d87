//! What is fuzzed: each function takes any bytes, and panics only where Sluice is wrong. The targets in
//! `fuzz_targets/` run them under libFuzzer, `tests/fuzz_corpus.rs` over the committed corpus.

use sluice::dicom::Instance;
use sluice::dicom::edit::{Change, Reach, Wanted};
use sluice::dicom::path::{Location, Pattern, location_text};
use sluice::inbox::{Format, Limits, UnpackError, unpack};
use sluice::rules::dicomedit::{self, DicomEditEngine, convert};
use sluice::rules::host::{Access, Context, Host};
use sluice::rules::pseudonym::Pseudonyms;
use sluice::rules::{Engine, EngineKind, Manifest, Verdict};
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
