//! The files that cases are run over: made ones in each encoding, and real ones out of
//! `target/real-files` (`tests/real_files.py` fetches them).

use crate::support::*;
use dicom_core::{DataElement, PrimitiveValue};
use sluice::dicom::edit::{Change, Reach};
use sluice::dicom::path::Pattern;
use sluice::dicom::{Instance, Tag, VR};
use std::path::{Path, PathBuf};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum File {
    /// With this transfer syntax.
    Made(&'static str),
    /// Of pydicom's.
    Real(&'static str),
}

const EXPLICIT: File = File::Made("1.2.840.10008.1.2.1");
const IMPLICIT: File = File::Made("1.2.840.10008.1.2");
const BIG: File = File::Made("1.2.840.10008.1.2.2");
const DEFLATED: File = File::Made("1.2.840.10008.1.2.1.99");

/// A CT with private blocks of GE's; an MR in big endian; a plan in implicit VR with sequences in sequences.
const REAL: [File; 3] = [
    File::Real("CT_small.dcm"),
    File::Real("MR_small_bigendian.dcm"),
    File::Real("rtplan.dcm"),
];

/// What a case's `on` means: everything unless it says less, with a reason.
pub fn on(on: &str) -> Vec<File> {
    let made = [EXPLICIT, IMPLICIT, BIG, DEFLATED];
    let (which, reason) = on.split_once(", ").unwrap_or((on, ""));
    assert!(which.is_empty() || !reason.is_empty(), "{on}: why?");
    match which {
        "" => made.into_iter().chain(REAL).collect(),
        "made" => made.to_vec(),
        "explicit" => vec![EXPLICIT, BIG, DEFLATED],
        other => panic!("{other}: where is that?"),
    }
}

/// A file with what a case wants in it. `named` is all of the case's text: what stands in it is taken out of a
/// real file beforehand.
pub fn make(file: File, before: &[&str], named: &str) -> Instance {
    let mut instance = match file {
        File::Made(_) => patient(),
        File::Real(name) => emptied(name, named),
    };
    let mut with_vr = Vec::new();
    for line in before {
        let (path, rest) = split(line);
        match rest.split_once("= ") {
            Some(("", text)) => set(&mut instance, path, unquoted(text)),
            Some((vr, text)) => with_vr.push((path, vr.trim(), unquoted(text))),
            None => panic!("{line}: what is that?"),
        }
    }
    match file {
        File::Made(syntax) => encoded(&instance, syntax, &with_vr),
        File::Real(name) => {
            assert!(with_vr.is_empty(), "VRs are only given `on: made`: {name}");
            Instance::from_bytes(instance.to_bytes().unwrap()).unwrap()
        }
    }
}

/// Where one of pydicom's files is.
pub fn real(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("target/real-files/pydicom/pydicom/data/test_files")
        .join(name)
}

pub fn open(name: &str) -> Instance {
    let bytes = std::fs::read(real(name))
        .unwrap_or_else(|error| panic!("{name}: {error}: run tests/real_files.py"));
    Instance::from_bytes(bytes).unwrap()
}

/// A line's path, and what follows it.
pub fn split(line: &str) -> (&str, &str) {
    let end = line.find(") ").or(line.find("] ")).expect(line) + 1;
    (&line[..end], line[end..].trim())
}

/// Whether an element is there, or an item, `(gggg,eeee)[n]`.
pub fn is_there(instance: &Instance, path: &str) -> bool {
    let item = path
        .strip_suffix(']')
        .and_then(|path| path.rsplit_once('['));
    let (path, item) = item.map_or((path, None), |(path, item)| (path, item.parse().ok()));
    let found = instance.look_up(&Pattern::parse_path(path).unwrap());
    found.is_some_and(|(element, ..)| match (item, element.sequence()) {
        (None, _) => true,
        (Some(item), sequence) => sequence.is_some_and(|s| s.items.len() > item),
    })
}

/// Quotes are only needed around blanks.
pub fn unquoted(text: &str) -> &str {
    let inner = text.strip_prefix('"').and_then(|t| t.strip_suffix('"'));
    inner.unwrap_or(text)
}

fn set(instance: &mut Instance, path: &str, text: &str) {
    let path = Pattern::parse_path(path).unwrap();
    instance.set_as_given(&path, text).unwrap();
}

/// A real file that holds what [`patient`] holds, and else nothing at the top that the case names.
fn emptied(name: &str, named: &str) -> Instance {
    let mut instance = open(name);
    let is_named = |tag: Tag| {
        let group = format!("({:04X},", tag.group());
        let text = format!("{group}{:04X})", tag.element());
        let named = named.to_ascii_uppercase();
        match tag.group() % 2 {
            0 => named.contains(&text),
            _ => named.contains(&group),
        }
    };
    let everything = Reach::Everything;
    instance
        .edit(
            everything,
            &mut |location, _, _| match is_named(location[0].tag) && location.len() == 1 {
                true => Change::Remove,
                false => Change::Keep,
            },
        )
        .unwrap();
    let model = patient();
    let mut elements = Vec::new();
    model.walk(&mut |_, element, scope| {
        let path = format!(
            "({:04X},{:04X})",
            element.tag.group(),
            element.tag.element()
        );
        elements.push((path, scope.text(element).unwrap_or_default()));
        true
    });
    for (path, text) in elements {
        set(&mut instance, &path, &text);
    }
    instance
}

/// Written by dicom-rs, which knows nothing of ours.
fn encoded(instance: &Instance, syntax: &str, with_vr: &[(&str, &str, &str)]) -> Instance {
    let bytes = instance.to_bytes().unwrap();
    let mut object = dicom_object::from_reader(&bytes[..]).unwrap();
    for (path, vr, text) in with_vr {
        let (group, element) = path.trim_matches(['(', ')']).split_once(',').unwrap();
        let number = |text| u16::from_str_radix(text, 16).unwrap();
        let vr: VR = vr.parse().unwrap();
        let value = match vr {
            VR::OB | VR::UN => PrimitiveValue::from(text.replace("\\0", "\0").into_bytes()),
            VR::OW => {
                let words = text.as_bytes().chunks(2);
                let words = words.map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
                PrimitiveValue::U16(words.collect())
            }
            VR::SS => PrimitiveValue::from(text.parse::<i16>().unwrap()),
            VR::US => PrimitiveValue::from(text.parse::<u16>().unwrap()),
            VR::SL => PrimitiveValue::from(text.parse::<i32>().unwrap()),
            VR::UL => PrimitiveValue::from(text.parse::<u32>().unwrap()),
            VR::FL => PrimitiveValue::from(text.parse::<f32>().unwrap()),
            VR::FD => PrimitiveValue::from(text.parse::<f64>().unwrap()),
            _ => PrimitiveValue::from(*text),
        };
        let tag = Tag(number(group), number(element));
        object.put(DataElement::new(tag, vr, value));
    }
    object.update_meta(|meta| syntax.clone_into(&mut meta.transfer_syntax));
    let mut bytes = Vec::new();
    object.write_all(&mut bytes).unwrap();
    Instance::from_bytes(bytes).unwrap()
}
