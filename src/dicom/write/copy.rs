//! Bytes from file to file, on their way to the disk as soon as they are there.

use crate::dicom::SourceError;
use crate::dicom::source::Span;
use crate::failpoint::read_point;
use rustix::io::Errno;
use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Seek as _, Write};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::FileExt as _;

/// Of a long value so much is copied at a time; then the disk is given it, and writes it while the next is
/// copied. All of it at once would leave the disk idle at first, and who waits for it at the end.
const STRETCH: u64 = 16 * 1024 * 1024;

/// Fits into a core's cache.
const BUFFER: usize = 256 * 1024;

/// File systems share blocks between files where these are whole.
const BLOCK: u64 = 4096;

/// Those whose server copies by itself: NFS, SMB (statfs(2)).
const SERVED: [i64; 3] = [0x6969, 0xFE53_4D42, 0xFF53_4D42];

thread_local! {
    static COPIED: RefCell<Box<[u8]>> = RefCell::new(vec![0; BUFFER].into());
}

/// A span of a file to the end of what is written of another.
///
/// The kernel is asked where it may have nothing to copy: blocks can be shared, or a file server does it. Else a
/// buffer is faster, by a third on ext4: the kernel's own way goes through a pipe of 64 KiB.
pub(super) fn copy(from: &File, span: Span, to: &mut File) -> io::Result<()> {
    read_point("source.copied").map_err(SourceError::of)?;
    let at = to.stream_position()?;
    let mut behind = Behind { at, given: at };
    let mut offset = span.start;
    if span.start % BLOCK == at % BLOCK || is_served(to) {
        offset = copy_in_kernel(from, span, to, &mut behind)?;
    }
    copy_buffered(from, offset, span.end(), to, &mut |to, len| {
        behind.note(to, len)
    })
}

/// Answers how far it came: not to the end where the file systems can't, or the buffer's way is to tell which of
/// the two files can't be read or written.
fn copy_in_kernel(from: &File, span: Span, to: &File, behind: &mut Behind) -> io::Result<u64> {
    let mut offset = span.start;
    while offset < span.end() {
        let want = usize::try_from((span.end() - offset).min(STRETCH)).unwrap_or(usize::MAX);
        match rustix::fs::copy_file_range(from, Some(&mut offset), to, None, want) {
            Ok(0) => {
                return Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "the source became shorter while it was copied",
                ));
            }
            Ok(len) => behind.note(to, len),
            Err(Errno::INTR) => {}
            Err(Errno::XDEV | Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP | Errno::IO) => break,
            Err(e) => return Err(e.into()),
        }
    }
    Ok(offset)
}

/// The same through a buffer, to any writer; tells how much was written each time.
pub(super) fn copy_buffered<W: Write + ?Sized>(
    from: &File,
    mut offset: u64,
    end: u64,
    to: &mut W,
    written: &mut dyn FnMut(&W, usize),
) -> io::Result<()> {
    COPIED.with_borrow_mut(|buffer| {
        while offset < end {
            let want = (end - offset).min(buffer.len() as u64) as usize;
            let read = from.read_exact_at(&mut buffer[..want], offset);
            read.map_err(SourceError::of)?;
            to.write_all(&buffer[..want])?;
            written(to, want);
            offset += want as u64;
        }
        Ok(())
    })
}

fn is_served(file: &File) -> bool {
    rustix::fs::fstatfs(file).is_ok_and(|fs| SERVED.contains(&fs.f_type))
}

/// What is written of a file, and how much of that the disk was given.
struct Behind {
    at: u64,
    given: u64,
}

impl Behind {
    /// Has the disk begin with each stretch that is whole. Whether it was written is asked later, of all.
    fn note(&mut self, file: &File, len: usize) {
        self.at += len as u64;
        if self.at - self.given < STRETCH {
            return;
        }
        let (Ok(start), Ok(len)) = (
            i64::try_from(self.given),
            i64::try_from(self.at - self.given),
        ) else {
            return;
        };
        // SAFETY: the descriptor is open as long as `file` is borrowed, and no memory is handed over.
        let _ = unsafe {
            libc::sync_file_range(file.as_raw_fd(), start, len, libc::SYNC_FILE_RANGE_WRITE)
        };
        self.given = self.at;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;

    /// A file of so many bytes, each told by its place.
    fn source(len: usize) -> (File, Vec<u8>) {
        let bytes: Vec<u8> = (0..len).map(|at| (at % 251) as u8).collect();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes).unwrap();
        (file, bytes)
    }

    /// What stands in a new file behind `before` bytes once a span was copied there.
    fn copied(from: &File, span: Span, before: usize) -> io::Result<Vec<u8>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("copy");
        let mut to = File::create(&path).unwrap();
        to.write_all(&vec![1; before]).unwrap();
        copy(from, span, &mut to)?;
        to.write_all(b"end").unwrap();
        let mut all = Vec::new();
        File::open(&path).unwrap().read_to_end(&mut all).unwrap();
        assert_eq!(all.split_off(all.len() - 3), b"end");
        Ok(all.split_off(before))
    }

    #[test]
    fn spans_of_any_length_arrive_whole_wherever_they_stand() {
        let long = 2 * STRETCH as usize + 12_345;
        let (from, bytes) = source(long + 5000);
        for (start, len, before) in [
            (0, 1, 0),
            (7, BUFFER + 1, 3),
            (132, long, 4097),
            // Blocks stand on blocks: the kernel is asked.
            (4100, 100_000, 4),
            (0, long, 0),
        ] {
            let span = Span::new(start, start + len as u64);
            let copy = copied(&from, span, before).unwrap();
            let start = start as usize;
            assert!(copy == bytes[start..start + len], "{start} {len} {before}");
        }
    }

    #[test]
    fn a_source_that_became_shorter_is_told() {
        let (from, _) = source(10_000);
        for (start, before) in [(100, 0), (0, 0)] {
            let error = copied(&from, Span::new(start, 20_000), before).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        }
    }
}
