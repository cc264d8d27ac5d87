//! Zip files. The directory at the end is read entry by entry, so that memory does not grow with it, and
//! every entry is met, also the second of a name; rawzip reads the structure, the checksums are checked here.

use super::name::Separators;
use super::sink::{CopyError, Sink};
use super::{CHUNK, UnpackError};
use crate::inbox::walk::NotRegular;
use rawzip::{CompressionMethod, RECOMMENDED_BUFFER_SIZE, ZipArchive, ZipFileHeaderRecord};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read};

/// The type in a Unix mode: `S_IFMT`, and what stands in it.
const TYPE: u32 = 0o170_000;
const FOLDER: u32 = 0o040_000;
const REGULAR: u32 = 0o100_000;
const LINK: u32 = 0o120_000;

type Archive = ZipArchive<rawzip::FileReader>;

pub fn unpack(file: &File, sink: &mut Sink<'_>) -> Result<(), UnpackError> {
    let file = file.try_clone().map_err(UnpackError::Read)?;
    let mut buffer =
        vec![0; RECOMMENDED_BUFFER_SIZE.max(rawzip::MAX_CENTRAL_DIRECTORY_RECORD_SIZE)];
    let archive = ZipArchive::from_file(file, &mut buffer).map_err(damaged)?;
    let expected = archive.entries_hint();
    sink.check_entries(expected)?;
    let mut ranges = Ranges::default();
    let mut met = 0;
    let mut entries = archive.entries(&mut buffer);
    while let Some(entry) = entries.next_entry().map_err(damaged)? {
        met += 1;
        sink.count(entry.file_path().as_bytes())?;
        member(&archive, &entry, &mut ranges, sink)?;
    }
    match met == expected {
        true => Ok(()),
        false => Err(UnpackError::Damaged(format!(
            "its directory lists {met} members and says {expected}"
        ))),
    }
}

fn member(
    archive: &Archive,
    entry: &ZipFileHeaderRecord<'_>,
    ranges: &mut Ranges,
    sink: &mut Sink<'_>,
) -> Result<(), UnpackError> {
    let path = entry.file_path();
    let name = path.as_bytes();
    let size = entry.uncompressed_size_hint();
    let kind = match entry.mode().value() & TYPE {
        _ if entry.is_dir() => FOLDER,
        0 => REGULAR,
        kind => kind,
    };
    let trouble = match kind {
        // A folder with content is none.
        FOLDER if size == 0 => return Ok(()),
        LINK => Some(NotRegular::Link),
        REGULAR => None,
        _ => Some(NotRegular::Special),
    };
    let is_locked = entry.flags().is_encrypted() || entry.flags().has_strong_encryption();
    let trouble = trouble.or(is_locked.then_some(NotRegular::Encrypted));
    if let Some(trouble) = trouble {
        sink.refuse(name, trouble);
        return Ok(());
    }
    let opened = match archive.get_entry(entry.wayfinder()) {
        Ok(opened) => opened,
        Err(error) => {
            sink.refuse(name, NotRegular::Damaged(error.to_string()));
            return Ok(());
        }
    };
    ranges.add(opened.compressed_data_range())?;
    let packed = BufReader::with_capacity(CHUNK, opened.reader());
    let mut data: Box<dyn Read> = match entry.compression_method() {
        CompressionMethod::STORE => Box::new(opened.verifying_reader(packed)),
        CompressionMethod::DEFLATE => {
            Box::new(opened.verifying_reader(flate2::bufread::DeflateDecoder::new(packed)))
        }
        // What Windows uses for members of more than 2 GB.
        CompressionMethod::DEFLATE64 => {
            Box::new(opened.verifying_reader(deflate64::Deflate64Decoder::with_buffer(packed)))
        }
        other => {
            let method = other.name().map_or(other.as_u16().to_string(), Into::into);
            sink.refuse(name, NotRegular::Method(method));
            return Ok(());
        }
    };
    match sink.add(name, Separators::SlashAndBackslash, size, &mut data) {
        Ok(()) => Ok(()),
        Err(CopyError::Data(error)) => {
            sink.refuse(name, NotRegular::Damaged(error.to_string()));
            Ok(())
        }
        Err(CopyError::All(error)) => Err(error),
    }
}

/// The bytes that members take in the archive. Members that share some make a bomb of a small file.
#[derive(Default)]
struct Ranges {
    start_to_end: BTreeMap<u64, u64>,
}

impl Ranges {
    fn add(&mut self, (start, end): (u64, u64)) -> Result<(), UnpackError> {
        if start >= end {
            return Ok(());
        }
        let last_before = self.start_to_end.range(..end).next_back();
        if last_before.is_some_and(|(_, other_end)| *other_end > start) {
            let why = "two members share bytes, as in a zip bomb";
            return Err(UnpackError::Damaged(why.into()));
        }
        self.start_to_end.insert(start, end);
        Ok(())
    }
}

fn damaged(error: rawzip::Error) -> UnpackError {
    match error.into_kind() {
        rawzip::ErrorKind::IO(error) => UnpackError::Read(error),
        other => UnpackError::Damaged(other.to_string()),
    }
}
