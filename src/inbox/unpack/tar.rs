//! Tar files, compressed by gzip or not: read from front to end, once.

use super::name::Separators;
use super::sink::{CopyError, Sink};
use super::{CHUNK, UnpackError};
use crate::inbox::walk::NotRegular;
use flate2::bufread::GzDecoder;
use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use tar::{Archive, Entry, EntryType};

/// The start of a gzip member (RFC 1952 2.3.1).
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// What may stand between two members' data: long names, pax records, sparse maps. They are held in memory.
const MAX_HEADERS: u64 = 1024 * 1024;

pub fn unpack(file: &File, sink: &mut Sink<'_>) -> Result<(), UnpackError> {
    let mut input = BufReader::with_capacity(CHUNK, file);
    let start = input.fill_buf().map_err(UnpackError::Read)?;
    if !start.starts_with(&GZIP) {
        let rest = read(input, sink)?;
        return sink.drain(&mut Padding(rest)).map_err(all);
    }
    let mut rest = Padding(read(Gzip::Member(GzDecoder::new(input)), sink)?);
    // Gzip's checksum, too, which vouches for all that was unpacked.
    sink.drain(&mut rest).map_err(all)?;
    match rest.0 {
        Gzip::Ended(behind) => sink.drain(&mut Padding(behind)).map_err(all),
        Gzip::Member(_) | Gzip::Broken => Ok(()),
    }
}

/// Takes all members in, and returns what stands behind them.
fn read<R: Read>(input: R, sink: &mut Sink<'_>) -> Result<R, UnpackError> {
    let meter = Meter::default();
    let mut archive = Archive::new(Metered {
        input,
        meter: &meter,
    });
    let mut entries = archive.entries().map_err(damaged)?;
    let mut next = || {
        meter.allowed.set(Some(MAX_HEADERS));
        let next = entries.next();
        meter.allowed.set(None);
        next
    };
    while let Some(entry) = next() {
        member(entry.map_err(damaged)?, sink)?;
    }
    match meter.ended.get() {
        // Cut between two members, it would look whole (POSIX pax: two zero blocks end an archive).
        true => Err(UnpackError::Damaged("its end mark is missing".into())),
        false => Ok(archive.into_inner().input),
    }
}

fn member<R: Read>(mut entry: Entry<'_, R>, sink: &mut Sink<'_>) -> Result<(), UnpackError> {
    let name = entry.path_bytes().into_owned();
    sink.count(&name)?;
    let size = entry.size();
    let kind = entry.header().entry_type();
    let is_sparse = entry
        .pax_extensions()
        .map_err(damaged)?
        .is_some_and(|mut records| {
            records.any(|r| r.is_ok_and(|r| r.key_bytes().starts_with(b"GNU.sparse.")))
        });
    let mut data = Counted {
        input: entry,
        count: 0,
    };
    let trouble = match kind {
        // Its map stands in front of its data, which tar does not part.
        _ if is_sparse => Some(NotRegular::Method("sparse pax".into())),
        // Very old tars know no type for folders.
        EntryType::Regular if name.ends_with(b"/") && size == 0 => return Ok(()),
        EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
            sink.add(&name, Separators::Slash, size, &mut data)
                .map_err(all)?;
            None
        }
        EntryType::Directory | EntryType::XGlobalHeader => None,
        EntryType::Link => Some(NotRegular::HardLink),
        EntryType::Symlink => Some(NotRegular::Link),
        _ => Some(NotRegular::Special),
    };
    if let Some(trouble) = trouble {
        sink.refuse(&name, trouble);
    }
    sink.drain(&mut data).map_err(all)?;
    match data.count == size {
        true => Ok(()),
        false => Err(UnpackError::Damaged("it ends within a member".into())),
    }
}

/// In a tar a member's data that can't be read is the archive's: what follows can't be found.
fn all(error: CopyError) -> UnpackError {
    match error {
        CopyError::Data(error) => damaged(error),
        CopyError::All(error) => error,
    }
}

fn damaged(error: io::Error) -> UnpackError {
    match error.raw_os_error() {
        Some(_) => UnpackError::Read(error),
        None => UnpackError::Damaged(error.to_string()),
    }
}

/// What stands behind an end mark: zeros to fill a block, of any number. Anything else is an archive that another
/// one was appended to, whose members would be lost without a word.
struct Padding<R>(R);

impl<R: Read> Read for Padding<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.0.read(buffer)?;
        match buffer[..count].iter().all(|byte| *byte == 0) {
            true => Ok(count),
            false => Err(io::Error::other(
                "more follows its end mark, as in two archives that were joined; import each by itself",
            )),
        }
    }
}

/// All members of a gzip file, one after the other (RFC 1952 2.2).
enum Gzip<R> {
    Member(GzDecoder<R>),
    /// No further member; this follows.
    Ended(R),
    /// Never met: in the middle of a read that went wrong.
    Broken,
}

impl<R: BufRead> Read for Gzip<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Self::Member(decoder) = self {
            let count = decoder.read(buffer)?;
            if count > 0 || buffer.is_empty() {
                return Ok(count);
            }
            let Self::Member(ended) = std::mem::replace(self, Self::Broken) else {
                break;
            };
            let mut input = ended.into_inner();
            let next = input.fill_buf()?;
            // A buffer may end between the two bytes.
            let is_next = match next {
                [first] => *first == GZIP[0],
                more => more.starts_with(&GZIP),
            };
            *self = match is_next {
                true => Self::Member(GzDecoder::new(input)),
                false => Self::Ended(input),
            };
        }
        Ok(0)
    }
}

#[derive(Default)]
struct Meter {
    /// How much may be read now; none for any amount.
    allowed: Cell<Option<u64>>,
    /// Whether the end of the input was met.
    ended: Cell<bool>,
}

struct Metered<'a, R> {
    input: R,
    meter: &'a Meter,
}

impl<R: Read> Read for Metered<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let allowed = self.meter.allowed.get();
        if allowed == Some(0) {
            return Err(io::Error::other("the headers of a member are too long"));
        }
        let most = allowed.map_or(buffer.len(), |most| {
            buffer
                .len()
                .min(usize::try_from(most).unwrap_or(usize::MAX))
        });
        let count = self.input.read(&mut buffer[..most])?;
        if count == 0 && !buffer.is_empty() {
            self.meter.ended.set(true);
        }
        self.meter
            .allowed
            .set(allowed.map(|most| most - count as u64));
        Ok(count)
    }
}

struct Counted<R> {
    input: R,
    count: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(buffer)?;
        self.count += count as u64;
        Ok(count)
    }
}
