//! Bytes from file to file: in the kernel where it can, and on their way to the disk as soon as they are there.

use crate::dicom::SourceError;
use crate::dicom::source::Span;
use crate::failpoint::read_point;
use std::fs::File;
use std::io::{self, Seek as _, Write};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::FileExt as _;

/// Of a long value so much is copied at a time; then the disk is given it, and writes it while the next is
/// copied. All of it at once would leave the disk idle at first, and who waits for it at the end.
const STRETCH: u64 = 16 * 1024 * 1024;

/// `copy_file_range` where the file systems can, else through a buffer.
pub(super) fn copy(from: &File, span: Span, to: &mut File) -> io::Result<()> {
    read_point("source.copied").map_err(SourceError::of)?;
    let mut offset = span.start;
    let mut written = match span.len > STRETCH {
        true => Some(to.stream_position()?),
        false => None,
    };
    while offset < span.end() {
        let want = usize::try_from((span.end() - offset).min(STRETCH)).unwrap_or(usize::MAX);
        match rustix::fs::copy_file_range(from, Some(&mut offset), &*to, None, want) {
            Ok(0) => {
                return Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "the source became shorter while it was copied",
                ));
            }
            Ok(copied) => {
                if let Some(at) = &mut written {
                    start_writing(to, *at, copied);
                    *at += copied as u64;
                }
            }
            Err(rustix::io::Errno::INTR) => {}
            Err(
                rustix::io::Errno::XDEV
                | rustix::io::Errno::INVAL
                | rustix::io::Errno::NOSYS
                | rustix::io::Errno::OPNOTSUPP
                // The buffer's way tells which of the two files it is.
                | rustix::io::Errno::IO,
            ) => {
                return copy_buffered(from, offset, span.end(), to);
            }
            Err(e) => return Err(e.into()),
        }
    }
    Ok(())
}

/// Has the disk begin with a stretch of a file. Whether it was written is asked later, of all.
fn start_writing(file: &File, at: u64, len: usize) {
    let (Ok(at), Ok(len)) = (i64::try_from(at), i64::try_from(len)) else {
        return;
    };
    // SAFETY: the descriptor is open as long as `file` is borrowed, and no memory is handed over.
    let _ =
        unsafe { libc::sync_file_range(file.as_raw_fd(), at, len, libc::SYNC_FILE_RANGE_WRITE) };
}

pub(super) fn copy_buffered(
    from: &File,
    mut offset: u64,
    end: u64,
    to: &mut dyn Write,
) -> io::Result<()> {
    let mut buffer = vec![0; 256 * 1024];
    while offset < end {
        let want = (end - offset).min(buffer.len() as u64) as usize;
        let read = from.read_exact_at(&mut buffer[..want], offset);
        read.map_err(SourceError::of)?;
        to.write_all(&buffer[..want])?;
        offset += want as u64;
    }
    Ok(())
}
