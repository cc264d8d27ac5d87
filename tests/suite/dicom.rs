//! DICOM files for the inbox: generated, edited by an independent library, or damaged.

use std::fs;
use std::path::Path;

use dicom_core::{Tag, VR};
use dicom_object::{DefaultDicomObject, open_file};
use sluice::sample::{Corpus, Kind};

/// Every eighth study of a corpus has a patient with an ASCII name; these are they.
fn corpus(study: u32, series: u32, slices: u32) -> Corpus {
    Corpus {
        first_study: 5 + 8 * study,
        series,
        slices,
        rows: 16,
        columns: 16,
        ..Corpus::new(Kind::Tiny)
    }
}

/// Writes the CT study of that number to a folder, as `1-1.dcm` (series, slice), `1-2.dcm` and so on.
pub fn study(folder: &Path, number: u32, series: u32, slices: u32) {
    let scratch = tempfile::tempdir().unwrap();
    corpus(number, series, slices)
        .write(scratch.path())
        .unwrap();
    let study = scratch.path().join(format!("study_{:03}", 6 + 8 * number));
    fs::create_dir_all(folder).unwrap();
    for s in 1..=series {
        for i in 1..=slices {
            let from = study.join(format!("series_{s:02}/IM{i:05}.dcm"));
            fs::copy(from, folder.join(format!("{s}-{i}.dcm"))).unwrap();
        }
    }
}

/// Changes elements of a file in place, by dicom-rs's own writer.
pub fn edit(path: &Path, changes: &[(Tag, VR, &str)]) {
    let mut object = open(path);
    for (tag, vr, value) in changes {
        object.put_str(*tag, *vr, *value);
    }
    object.write_to_file(path).unwrap();
}

pub fn open(path: &Path) -> DefaultDicomObject {
    open_file(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// An element's text; none where it is absent.
pub fn text(path: &Path, tag: Tag) -> Option<String> {
    let object = open(path);
    let element = object.element_opt(tag).unwrap()?;
    Some(element.to_str().unwrap().into_owned())
}

/// Leaves only the first bytes of a file: `keep` of a thousand.
pub fn cut(path: &Path, keep: usize) {
    let whole = fs::read(path).unwrap();
    fs::write(path, &whole[..whole.len() * keep / 1000]).unwrap();
}

/// The bytes from Pixel Data to the end.
pub fn pixels(path: &Path) -> Vec<u8> {
    let object = open(path);
    let element = object
        .element(dicom_dictionary_std::tags::PIXEL_DATA)
        .unwrap();
    element.to_bytes().unwrap().into_owned()
}
