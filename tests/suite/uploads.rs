//! Imports of a file that comes with the call: they go the way of everything in the inbox, answer where it went,
//! and leave nothing behind.

mod destination;
mod members;
mod receiving;

use std::fs;
use std::path::Path;

use crate::answer::Answer;
use crate::archives;
use crate::dicom;
use crate::site::Site;

pub const IMPORT: &str = "/data/services/import";
pub const NOTHING: Vec<String> = Vec::new();

/// A study of so many files, packed.
pub fn study(site: &Site, number: u32, files: u32) -> Vec<u8> {
    let folder = site.path(&format!("study-{number}"));
    fs::create_dir_all(&folder).unwrap();
    dicom::study(&folder, number, 1, files);
    let archive = site.path(&format!("study-{number}.zip"));
    archives::zip(&folder, &archive);
    fs::read(archive).unwrap()
}

pub fn tgz(folder: &Path) -> Vec<u8> {
    let packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let mut tar = tar::Builder::new(packed);
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        tar.append_path_with_name(&path, path.file_name().unwrap())
            .unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap()
}

pub fn upload(site: &Site, user: &str, query: &[(&str, &str)], kind: &str, body: &[u8]) -> Answer {
    site.upload(user, IMPORT, query, kind, body)
}

/// As xnatpy and others send it.
pub fn zip(site: &Site, query: &[(&str, &str)], body: &[u8]) -> Answer {
    upload(site, "ada", query, "application/zip", body)
}

pub fn check_nothing_left(site: &Site) {
    assert_eq!(site.files("uploads"), NOTHING);
    assert_eq!(site.files("staging"), NOTHING);
}
