//! What a file is to hold, piece by piece, and which of it a digest tells by its length alone.

use crate::dicom::digest::{hash, parts};
use crate::dicom::source::{Source, Span};
use sha2::{Digest as _, Sha256};
use std::io;

/// Spans that are longer are copied by the kernel, even where they happen to be in memory.
const KERNEL_COPY: u64 = 64 * 1024;

/// A stretch of the output.
#[derive(Debug)]
pub(super) enum Piece {
    Bytes(Vec<u8>),
    /// Of the source file.
    File(Span),
    /// Pixels of the dataset's source, with regions of them black; so many bytes then.
    Redacted(Span, u64),
}

impl Piece {
    fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File(span) => span.len,
            Self::Redacted(_, written) => *written,
        }
    }
}

/// The output: pieces, adjacent bytes in one.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    pub list: Vec<Piece>,
    pub len: u64,
    /// What a digest tells by its length, by places in the output, in order. Each lies in one piece.
    bulk: Vec<Span>,
}

impl Pieces {
    fn tail(&mut self) -> &mut Vec<u8> {
        if !matches!(self.list.last(), Some(Piece::Bytes(_))) {
            self.list.push(Piece::Bytes(Vec::new()));
        }
        match self.list.last_mut() {
            Some(Piece::Bytes(bytes)) => bytes,
            _ => unreachable!("a piece of bytes was just made sure of"),
        }
    }

    pub fn bytes(&mut self, bytes: &[u8]) {
        self.tail().extend_from_slice(bytes);
        self.len += bytes.len() as u64;
    }

    /// A value that was edited and is long.
    pub fn bulk_bytes(&mut self, bytes: &[u8]) {
        self.bulk
            .push(Span::new(self.len, self.len + bytes.len() as u64));
        self.bytes(bytes);
    }

    pub fn redacted(&mut self, pixels: Span, written: u64) {
        self.bulk.push(Span::new(self.len, self.len + written));
        self.list.push(Piece::Redacted(pixels, written));
        self.len += written;
    }

    /// `bulk` are the values of the source that a digest tells by their length, in order.
    pub fn span(&mut self, span: Span, source: &Source, bulk: &[Span]) {
        let first = bulk.partition_point(|value| value.start < span.start);
        let values = bulk[first..].iter();
        for value in values.take_while(|value| value.end() <= span.end()) {
            let start = self.len + (value.start - span.start);
            self.bulk.push(Span::new(start, start + value.len));
        }
        match source.loaded(span) {
            Some(bytes) if span.len <= KERNEL_COPY || source.handle().is_none() => {
                self.bytes(bytes);
            }
            _ => {
                match self.list.last_mut() {
                    Some(Piece::File(last)) if last.end() == span.start => last.len += span.len,
                    _ => self.list.push(Piece::File(span)),
                }
                self.len += span.len;
            }
        }
    }

    pub fn append(&mut self, other: Pieces) {
        for value in other.bulk {
            let start = self.len + value.start;
            self.bulk.push(Span::new(start, start + value.len));
        }
        for piece in other.list {
            match piece {
                Piece::Bytes(bytes) => self.tail().extend(bytes),
                piece => self.list.push(piece),
            }
        }
        self.len += other.len;
    }

    /// Puts what a digest is made of into it: see [`crate::dicom::digest`].
    pub fn digest(&self, file: &Source, hasher: &mut Sha256) -> io::Result<()> {
        let mut at = 0;
        for piece in &self.list {
            let whole = Span::new(at, at + piece.len());
            for (part, by_length) in parts(whole, &self.bulk) {
                let from = part.start - at;
                match piece {
                    _ if by_length => hasher.update(part.len.to_le_bytes()),
                    Piece::Bytes(bytes) => {
                        hasher.update(&bytes[from as usize..][..part.len as usize]);
                    }
                    Piece::File(span) => {
                        let start = span.start + from;
                        hash(hasher, file, Span::new(start, start + part.len), &[])?;
                    }
                    // Before and behind the pixels.
                    Piece::Redacted(..) => debug_assert_eq!(part.len, 0),
                }
            }
            at = whole.end();
        }
        Ok(())
    }
}
