//! The bytes that an instance was read from: a few segments in memory, the rest left in the file.
//!
//! Spans are absolute offsets. The header is loaded as the parser asks for it; pixel data and other
//! bulk values are skipped, so memory does not grow with the file.

use super::ReadError;
use crate::failpoint::read_point;
use std::fs::File;
use std::os::unix::fs::FileExt;

/// A range of the source: absolute offset and length in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    pub start: u64,
    pub len: u64,
}

impl Span {
    pub fn new(start: u64, end: u64) -> Self {
        Self {
            start,
            len: end - start,
        }
    }

    pub fn end(self) -> u64 {
        self.start + self.len
    }
}

/// Read at once: most headers fit, and it costs a small file no second call.
const CHUNK: u64 = 32 * 1024;

/// The most header that is held in memory. Enhanced multi-frame headers with thousands of per-frame
/// items stay far below it; a file beyond it is refused, not half read.
const MAX_LOADED: u64 = 256 * 1024 * 1024;

#[derive(Debug)]
struct Segment {
    start: u64,
    bytes: Vec<u8>,
}

impl Segment {
    fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }
}

/// Random access to what an instance was read from.
#[derive(Debug)]
pub struct Source {
    file: Option<File>,
    segments: Vec<Segment>,
    len: u64,
    loaded: u64,
}

impl Source {
    pub fn file(file: File) -> std::io::Result<Self> {
        let len = file.metadata()?.len();
        Ok(Self {
            file: Some(file),
            segments: Vec::new(),
            len,
            loaded: 0,
        })
    }

    pub fn memory(bytes: Vec<u8>) -> Self {
        let len = bytes.len() as u64;
        Self {
            file: None,
            segments: vec![Segment { start: 0, bytes }],
            len,
            loaded: len,
        }
    }

    pub fn len(&self) -> u64 {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The file behind it; none for a source in memory.
    pub fn handle(&self) -> Option<&File> {
        self.file.as_ref()
    }

    /// The bytes of a span, if they were loaded.
    pub fn loaded(&self, span: Span) -> Option<&[u8]> {
        if span.len == 0 {
            return Some(&[]);
        }
        let after = self.segments.partition_point(|s| s.start <= span.start);
        let segment = self.segments.get(after.checked_sub(1)?)?;
        let from = (span.start - segment.start) as usize;
        segment.bytes.get(from..from + span.len as usize)
    }

    /// The bytes of a span, loaded now if they were not. Called with rising offsets by the parser.
    pub fn load(&mut self, span: Span) -> Result<&[u8], ReadError> {
        if span.end() > self.len {
            return Err(ReadError::CutShort {
                at: span.start,
                wanted: span.len,
                left: self.len.saturating_sub(span.start),
            });
        }
        if self.loaded(span).is_none() {
            self.extend_to(span)?;
        }
        Ok(self.loaded(span).unwrap_or_default())
    }

    /// The bytes of a span, without keeping them.
    ///
    /// # Errors
    /// If the file can't be read, or has become shorter.
    pub fn read(&self, span: Span) -> std::io::Result<Vec<u8>> {
        if let Some(bytes) = self.loaded(span) {
            return Ok(bytes.to_vec());
        }
        let file = self
            .file
            .as_ref()
            .filter(|_| span.end() <= self.len)
            .ok_or(std::io::ErrorKind::UnexpectedEof)?;
        let mut bytes = vec![0; span.len as usize];
        file.read_exact_at(&mut bytes, span.start)?;
        Ok(bytes)
    }

    /// Where the first byte of a span stands that is not zero. What is not loaded stays so.
    pub fn first_nonzero(&self, span: Span) -> Result<Option<u64>, ReadError> {
        let nonzero = |bytes: &[u8]| bytes.iter().position(|b| *b != 0).map(|p| p as u64);
        if let Some(bytes) = self.loaded(span) {
            return Ok(nonzero(bytes).map(|p| span.start + p));
        }
        let Some(file) = &self.file else {
            return Ok(Some(span.start));
        };
        let mut buffer = vec![0; CHUNK as usize];
        let mut at = span.start;
        while at < span.end() {
            let part = &mut buffer[..(span.end() - at).min(CHUNK) as usize];
            file.read_exact_at(part, at).map_err(ReadError::Io)?;
            if let Some(position) = nonzero(part) {
                return Ok(Some(at + position));
            }
            at += part.len() as u64;
        }
        Ok(None)
    }

    fn extend_to(&mut self, span: Span) -> Result<(), ReadError> {
        let Some(file) = &self.file else {
            return Ok(());
        };
        let continues = self
            .segments
            .last()
            .is_some_and(|s| (s.start..=s.end()).contains(&span.start));
        if !continues {
            self.segments.push(Segment {
                start: span.start,
                bytes: Vec::new(),
            });
        }
        let Some(segment) = self.segments.last_mut() else {
            return Ok(());
        };
        let end = span.end().max(segment.end() + CHUNK).min(self.len);
        let more = end - segment.end();
        self.loaded += more;
        if self.loaded > MAX_LOADED {
            return Err(ReadError::HeaderTooLarge { limit: MAX_LOADED });
        }
        let from = segment.bytes.len();
        let at = segment.end();
        segment.bytes.resize(from + more as usize, 0);
        read_point("source.read").map_err(ReadError::Io)?;
        file.read_exact_at(&mut segment.bytes[from..], at)
            .map_err(|e| match e.kind() {
                // The file was cut after its length was taken.
                std::io::ErrorKind::UnexpectedEof => ReadError::CutShort {
                    at,
                    wanted: more,
                    left: 0,
                },
                _ => ReadError::Io(e),
            })
    }
}
