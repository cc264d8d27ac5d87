//! A folder of trouble: files that are no DICOM, broken DICOM, or sound DICOM that a careless importer loses.
//!
//! Each file comes with what an importer must make of it, so that a test can go through the list.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use dicom_dictionary_std::tags;

use super::encode::Encoder;
use super::modality::Series;
use super::patient::Study;
use super::pixels::Phantom;
use super::{Corpus, Kind, Syntax};

/// What must become of a file, in the words of an import's report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    Stored,
    /// The same instance and content as one that is stored.
    Duplicate,
    /// The same instance as one that is stored, with other content.
    Conflict,
    NotDicom,
    CutShort,
    /// Not usable as it is; named as cut short or unreadable, whichever is met first.
    Broken,
    /// Stored or refused with a reason, at the importer's choice; it must survive either way.
    Reported,
}

/// One file of [`write_hostile`].
#[derive(Debug, Clone)]
pub struct HostileFile {
    /// Relative to the folder written to.
    pub path: PathBuf,
    pub expected: Expected,
}

/// Makes the folder `dir` of one study's good, doubtful and broken files.
///
/// Files whose order decides an outcome (duplicates, conflicts) sort behind the file they collide with.
pub fn write_hostile(dir: &Path, seed: u64) -> io::Result<Vec<HostileFile>> {
    let mut set = Set {
        dir,
        maker: Maker::new(seed)?,
        files: Vec::new(),
    };
    set.sound()?;
    set.not_dicom()?;
    set.cut_short()?;
    set.broken()?;
    set.collisions()?;
    Ok(set.files)
}

struct Set<'a> {
    dir: &'a Path,
    maker: Maker,
    files: Vec<HostileFile>,
}

impl Set<'_> {
    fn put(&mut self, path: impl AsRef<Path>, bytes: &[u8], expected: Expected) -> io::Result<()> {
        let path = path.as_ref();
        let target = self.dir.join(path);
        if let Some(folder) = target.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(target, bytes)?;
        self.files.push(HostileFile {
            path: path.to_owned(),
            expected,
        });
        Ok(())
    }

    /// Sound files under odd names and in odd company.
    fn sound(&mut self) -> io::Result<()> {
        for (index, name) in [
            "a-good.dcm",
            "no extension",
            "naïve ü 名/with spaces .dcm",
            ".hidden.dcm",
            "-rf",
            "a'b\"c;$(d)&e.dcm",
        ]
        .into_iter()
        .enumerate()
        {
            let bytes = self.maker.file(index as u32)?.bytes;
            self.put(name, &bytes, Expected::Stored)?;
        }
        let bytes = self.maker.file(10)?.bytes;
        self.put(
            format!("{}.dcm", "long-name-".repeat(24)),
            &bytes,
            Expected::Stored,
        )?;
        #[cfg(unix)]
        {
            use std::os::unix::ffi::OsStrExt;
            let bytes = self.maker.file(11)?.bytes;
            // A name in Latin-1, which is no valid UTF-8.
            self.put(
                std::ffi::OsStr::from_bytes(b"latin1_\xe9.dcm"),
                &bytes,
                Expected::Stored,
            )?;
        }
        // PS3.10 7.1: the preamble is free; here the file is a TIFF or a Windows program at the same time.
        for (index, name, start) in [
            (12, "preamble-tiff.dcm", b"II*\0"),
            (13, "preamble-program.dcm", b"MZ\x90\0"),
        ] {
            let mut bytes = self.maker.file(index)?.bytes;
            bytes[..4].copy_from_slice(start);
            self.put(name, &bytes, Expected::Stored)?;
        }
        Ok(())
    }

    fn not_dicom(&mut self) -> io::Result<()> {
        let good = self.maker.file(20)?.bytes;
        self.put(
            "not-dicom.txt",
            b"Notes on patient SMITH, kept beside the pictures.\n",
            Expected::NotDicom,
        )?;
        self.put(
            "photo.jpg",
            &[&[0xff, 0xd8, 0xff, 0xe0][..], &[0; 2000]].concat(),
            Expected::NotDicom,
        )?;
        self.put("empty.dcm", b"", Expected::NotDicom)?;
        self.put("one-byte.dcm", b"\0", Expected::NotDicom)?;
        self.put("preamble-only.dcm", &good[..128], Expected::NotDicom)?;
        // A directory record file (PS3.3 F): DICOM in form, no instance in content.
        let directory = [&good[..132], b"\x02\0\0\0UL\x04\0\0\0\0\0"].concat();
        self.put("DICOMDIR", &directory, Expected::Reported)?;
        self.put(
            "._a-good.dcm",
            &[&b"\0\x05\x16\x07\0\x02\0\0Mac OS X"[..], &[0; 60]].concat(),
            Expected::NotDicom,
        )
    }

    fn cut_short(&mut self) -> io::Result<()> {
        let made = self.maker.file(30)?;
        self.put("cut-in-meta.dcm", &made.bytes[..170], Expected::Broken)?;
        self.put(
            "cut-in-header.dcm",
            &made.bytes[..made.pixels - 700],
            Expected::CutShort,
        )?;
        let made = self.maker.file(31)?;
        self.put(
            "cut-in-pixels.dcm",
            &made.bytes[..made.pixels + 1000],
            Expected::CutShort,
        )?;
        let made = self.maker.file(32)?;
        let all_but_two = made.bytes.len() - 2;
        self.put(
            "cut-by-two-bytes.dcm",
            &made.bytes[..all_but_two],
            Expected::CutShort,
        )
    }

    fn broken(&mut self) -> io::Result<()> {
        let made = self.maker.file(40)?;
        let (header, pixels) = made.bytes.split_at(made.pixels);
        // (0042,0011) Encapsulated Document, claiming a gigabyte that isn't there.
        let claim = b"\x42\0\x11\0OB\0\0\0\0\0\x40%PDF-1.4";
        self.put(
            "length-claimed.dcm",
            &[header, claim].concat(),
            Expected::CutShort,
        )?;
        let open = b"\x40\0\x30\xa7SQ\0\0\xff\xff\xff\xff\xfe\xff\0\xe0\xff\xff\xff\xff";
        let close = b"\xfe\xff\x0d\xe0\0\0\0\0\xfe\xff\xdd\xe0\0\0\0\0";
        self.put(
            "sequence-open.dcm",
            &[header, open, &pixels[..200]].concat(),
            Expected::Broken,
        )?;
        for (index, depth) in [(41, 50), (42, 5_000), (43, 100_000)] {
            let made = self.maker.file(index)?;
            let (header, pixels) = made.bytes.split_at(made.pixels);
            // (0010,0010) at the bottom: a rule that looks everywhere must find it, or the file be refused.
            let name = b"\x10\0\x10\0PN\x08\0DEEP^PHI";
            let deep = [
                header,
                &open.repeat(depth),
                name,
                &close.repeat(depth),
                pixels,
            ]
            .concat();
            let expected = if depth == 50 {
                Expected::Stored
            } else {
                Expected::Reported
            };
            self.put(format!("nested-{depth}.dcm"), &deep, expected)?;
        }
        let made = self.maker.file(44)?;
        self.put(
            "trailing-bytes.dcm",
            &[&made.bytes[..], &[0xde, 0xad, 0xbe, 0xef]].concat(),
            Expected::Reported,
        )?;
        let made = self.maker.file(45)?;
        let unknown = replace(
            &made.bytes,
            b"1.2.840.10008.1.2.1\0",
            b"1.2.840.10008.1.9.9\0",
        );
        self.put("unknown-syntax.dcm", &unknown, Expected::Reported)?;
        let made = self.maker.file(46)?;
        let (header, pixels) = made.bytes.split_at(made.pixels);
        let late = b"\x10\0\x10\0PN\x0a\0LATE^NAME ";
        self.put(
            "tag-out-of-order.dcm",
            &[header, late, pixels].concat(),
            Expected::Reported,
        )?;
        let mut escaping = self.maker.header(47);
        escaping.text(tags::SOP_INSTANCE_UID, "../../../../etc/x");
        let bytes = self.maker.encode(&escaping)?.bytes;
        self.put("uid-with-path.dcm", &bytes, Expected::Reported)
    }

    fn collisions(&mut self) -> io::Result<()> {
        let good = self.maker.file(0)?.bytes;
        self.put("z/duplicate-of-a-good.dcm", &good, Expected::Duplicate)?;
        let mut other = self.maker.header(0);
        other.text(
            tags::IMAGE_COMMENTS,
            "another picture under the same identity",
        );
        let bytes = self.maker.encode(&other)?.bytes;
        self.put("z/conflict-with-a-good.dcm", &bytes, Expected::Conflict)
    }
}

/// Makes small CT files in explicit VR little endian.
struct Maker {
    corpus: Corpus,
    study: Study,
    encoder: Encoder,
    phantom: Phantom,
}

struct Made {
    bytes: Vec<u8>,
    /// Where the element Pixel Data begins.
    pixels: usize,
}

impl Maker {
    fn new(seed: u64) -> io::Result<Self> {
        let corpus = Corpus {
            rows: 64,
            columns: 64,
            seed,
            ..Corpus::new(Kind::Ct)
        };
        Ok(Maker {
            study: Study::new(Kind::Ct, seed, HOSTILE_STUDY),
            encoder: Encoder::new(Syntax::Explicit)?,
            phantom: Phantom::new(corpus.rows, corpus.columns, seed, false),
            corpus,
        })
    }

    fn header(&self, index: u32) -> super::header::Header {
        Series::new(&self.corpus, &self.study, 0)
            .slice(index)
            .clone()
    }

    fn file(&self, index: u32) -> io::Result<Made> {
        self.encode(&self.header(index))
    }

    fn encode(&self, header: &super::header::Header) -> io::Result<Made> {
        let mut bytes = Vec::new();
        self.encoder.meta(header, &mut bytes)?;
        self.encoder.before_pixels(header, &mut bytes)?;
        let pixels = bytes.len();
        self.encoder
            .native_pixels(&self.phantom, 0..1, &mut bytes)?;
        Ok(Made { bytes, pixels })
    }
}

/// A study that no ordinary corpus of the same seed reaches, so that the two never collide.
const HOSTILE_STUDY: u32 = 1_000_000;

fn replace(bytes: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    if let Some(at) = bytes.windows(old.len()).position(|window| window == old) {
        bytes.splice(at..at + old.len(), new.iter().copied());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;
    use crate::dicom::{Instance, ReadError};

    #[test]
    fn each_file_reads_as_what_it_is_made_to_be() {
        let folder = tempfile::tempdir().unwrap();
        let files = write_hostile(folder.path(), 1).unwrap();
        for HostileFile { path, expected } in files {
            let read = Instance::read(File::open(folder.path().join(&path)).unwrap());
            let as_expected = match expected {
                Expected::Stored | Expected::Duplicate | Expected::Conflict => read.is_ok(),
                Expected::NotDicom => matches!(read, Err(ReadError::NotDicom)),
                Expected::CutShort => matches!(read, Err(ReadError::CutShort { .. })),
                Expected::Broken => read.is_err(),
                Expected::Reported => true,
            };
            assert!(
                as_expected,
                "{}: {expected:?}, {:?}",
                path.display(),
                read.err()
            );
        }
    }
}
