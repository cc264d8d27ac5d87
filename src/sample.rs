//! Generated DICOM corpora: what the demo, the tests and the benches import when there is no patient to ask.
//!
//! A [`Corpus`] is a description (modality, counts, size, transfer syntax, seed) and writes the same bytes for
//! the same description on every machine. Headers are built with `dicom-object` and carry what a real scanner
//! leaves in them: names in several character sets, private blocks, nested sequences of both styles of length.
//! Pixels are a smooth phantom with noise, rotated from slice to slice, so that a gigabyte costs no more than
//! writing it. Reading DICOM, and judging what an import made of a corpus, is not done here.

mod encode;
mod header;
mod hostile;
mod modality;
mod patient;
mod pixels;
mod private;
mod random;

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use dicom_transfer_syntax_registry::entries;

pub use hostile::{Expected, HostileFile, write_hostile};

use encode::Encoder;
use header::Header;
use modality::Series;
use patient::Study;
use pixels::Phantom;

/// What the instances of a corpus are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// CT slices, 512 × 512 unless told otherwise: 0.5 MB each.
    Ct,
    /// MR slices, 256 × 256, with large vendor blocks and private elements behind the pixels.
    Mr,
    /// CT slices of 128 × 128, where the cost per file rules.
    Tiny,
    /// One Enhanced CT instance a series, its slices as frames.
    Enhanced,
}

/// How the instances are encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Syntax {
    Implicit,
    Explicit,
    /// Retired, and still met in archives.
    BigEndian,
    Deflated,
    Rle,
}

impl Syntax {
    pub fn uid(self) -> &'static str {
        match self {
            Syntax::Implicit => entries::IMPLICIT_VR_LITTLE_ENDIAN.uid(),
            Syntax::Explicit => entries::EXPLICIT_VR_LITTLE_ENDIAN.uid(),
            Syntax::BigEndian => entries::EXPLICIT_VR_BIG_ENDIAN.uid(),
            Syntax::Deflated => entries::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN.uid(),
            Syntax::Rle => entries::RLE_LOSSLESS.uid(),
        }
    }
}

/// A description of a corpus; [`Corpus::write`] makes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Corpus {
    pub kind: Kind,
    pub syntax: Syntax,
    /// Each study has a patient of its own.
    pub studies: u32,
    /// The number of the first one; it decides on the patient, whose name goes round the character sets.
    pub first_study: u32,
    /// Per study.
    pub series: u32,
    /// Per series; the number of frames for [`Kind::Enhanced`].
    pub slices: u32,
    pub rows: u16,
    pub columns: u16,
    pub seed: u64,
}

/// What [`Corpus::write`] wrote.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Written {
    pub files: u64,
    pub bytes: u64,
}

impl Corpus {
    /// One study of one series with ten slices of the kind's usual size.
    pub fn new(kind: Kind) -> Self {
        let side = match kind {
            Kind::Ct | Kind::Enhanced => 512,
            Kind::Mr => 256,
            Kind::Tiny => 128,
        };
        Corpus {
            kind,
            syntax: Syntax::Explicit,
            studies: 1,
            first_study: 0,
            series: 1,
            slices: 10,
            rows: side,
            columns: side,
            seed: 1,
        }
    }

    /// Writes `dir/study_001/series_01/IM00001.dcm` and so on. Existing files of these names are replaced.
    pub fn write(&self, dir: &Path) -> io::Result<Written> {
        let mut written = Written::default();
        let mut writer = InstanceWriter::new(self)?;
        for study_number in self.first_study..self.first_study + self.studies {
            let study = Study::new(self.kind, self.seed, study_number);
            for series_number in 0..self.series {
                let folder = dir
                    .join(format!("study_{:03}", study_number + 1))
                    .join(format!("series_{:02}", series_number + 1));
                fs::create_dir_all(&folder)?;
                let mut series = Series::new(self, &study, series_number);
                if self.kind == Kind::Enhanced {
                    let header = series.enhanced(self.slices);
                    written.add(writer.write(
                        &folder.join("IM00001.dcm"),
                        header,
                        0..self.slices,
                    )?);
                    continue;
                }
                for slice in 0..self.slices {
                    let path = folder.join(format!("IM{:05}.dcm", slice + 1));
                    written.add(writer.write(&path, series.slice(slice), slice..slice + 1)?);
                }
            }
        }
        Ok(written)
    }
}

impl Written {
    fn add(&mut self, bytes: u64) {
        self.files += 1;
        self.bytes += bytes;
    }
}

/// Writes one instance after another, over buffers that are made once.
struct InstanceWriter {
    encoder: Encoder,
    phantom: Phantom,
    buffer: Vec<u8>,
}

impl InstanceWriter {
    fn new(corpus: &Corpus) -> io::Result<Self> {
        Ok(InstanceWriter {
            encoder: Encoder::new(corpus.syntax)?,
            phantom: Phantom::new(
                corpus.rows,
                corpus.columns,
                corpus.seed,
                corpus.syntax == Syntax::BigEndian,
            ),
            buffer: Vec::new(),
        })
    }

    /// Writes `header` and the phantom's `frames` to `path`, and returns the file's size.
    fn write(
        &mut self,
        path: &Path,
        header: &Header,
        frames: std::ops::Range<u32>,
    ) -> io::Result<u64> {
        let file = File::create(path)?;
        let mut file = Counted { file, bytes: 0 };
        self.buffer.clear();
        self.encoder.meta(header, &mut self.buffer)?;
        match self.encoder.syntax() {
            Syntax::Deflated => {
                let mut body = Vec::new();
                self.encoder.before_pixels(header, &mut body)?;
                self.encoder
                    .native_pixels(&self.phantom, frames, &mut body)?;
                self.encoder.after_pixels(header, &mut body)?;
                self.encoder.deflate(&body, &mut self.buffer)?;
                file.write_all(&self.buffer)?;
            }
            Syntax::Rle => {
                self.encoder.before_pixels(header, &mut self.buffer)?;
                self.encoder
                    .rle_pixels(&self.phantom, frames, &mut self.buffer)?;
                self.encoder.after_pixels(header, &mut self.buffer)?;
                file.write_all(&self.buffer)?;
            }
            Syntax::Implicit | Syntax::Explicit | Syntax::BigEndian => {
                self.encoder.before_pixels(header, &mut self.buffer)?;
                self.encoder
                    .native_pixels_header(&self.phantom, frames.len(), &mut self.buffer)?;
                file.write_all(&self.buffer)?;
                for frame in frames {
                    for part in self.phantom.frame(frame) {
                        file.write_all(part)?;
                    }
                }
                self.buffer.clear();
                self.encoder.after_pixels(header, &mut self.buffer)?;
                file.write_all(&self.buffer)?;
            }
        }
        Ok(file.bytes)
    }
}

/// A file that knows how much was written to it, without asking the system.
struct Counted {
    file: File,
    bytes: u64,
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.bytes += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dicom_object::open_file;

    fn small(kind: Kind, syntax: Syntax) -> Corpus {
        Corpus {
            syntax,
            slices: 2,
            rows: 16,
            columns: 24,
            studies: 2,
            ..Corpus::new(kind)
        }
    }

    fn bytes_of(corpus: &Corpus) -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        corpus.write(folder.path()).unwrap();
        fs::read(folder.path().join("study_002/series_01/IM00001.dcm")).unwrap()
    }

    #[test]
    fn the_same_description_gives_the_same_bytes() {
        let corpus = small(Kind::Mr, Syntax::Explicit);
        assert_eq!(bytes_of(&corpus), bytes_of(&corpus));
        assert_ne!(
            bytes_of(&corpus),
            bytes_of(&Corpus {
                seed: 2,
                ..corpus.clone()
            })
        );
    }

    #[test]
    fn every_kind_in_every_syntax_is_read_back() {
        for kind in [Kind::Ct, Kind::Mr, Kind::Tiny, Kind::Enhanced] {
            for syntax in [
                Syntax::Implicit,
                Syntax::Explicit,
                Syntax::BigEndian,
                Syntax::Deflated,
                Syntax::Rle,
            ] {
                let corpus = small(kind, syntax);
                let folder = tempfile::tempdir().unwrap();
                let written = corpus.write(folder.path()).unwrap();
                assert_eq!(written.files, if kind == Kind::Enhanced { 2 } else { 4 });
                let path = folder.path().join("study_001/series_01/IM00001.dcm");
                let object = open_file(&path).unwrap();
                assert_eq!(object.meta().transfer_syntax(), syntax.uid());
                let name = object
                    .element_by_name("PatientName")
                    .unwrap()
                    .to_str()
                    .unwrap();
                assert_eq!(name, "Müller^Jürgen^^Dr.", "{kind:?} {syntax:?}");
                let pixels = object.element_by_name("PixelData").unwrap();
                match syntax {
                    Syntax::Rle => assert!(
                        pixels
                            .fragments()
                            .is_some_and(|fragments| !fragments.is_empty())
                    ),
                    _ => {
                        let frames = if kind == Kind::Enhanced { 2 } else { 1 };
                        assert_eq!(pixels.to_bytes().unwrap().len(), 16 * 24 * 2 * frames);
                    }
                }
            }
        }
    }
}
