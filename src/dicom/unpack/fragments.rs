//! Which fragments of encapsulated Pixel Data make up which frame (PS3.5 A.4).

use crate::dicom::source::{Source, Span};
use std::io;

/// An item's tag and length.
const HEADER: u64 = 8;
const ITEM: [u8; 4] = [0xFE, 0xFF, 0x00, 0xE0];

/// ITU-T T.81 B.1.1.3: each picture begins with this marker, which stands nowhere else at a start.
pub const SOI: [u8; 2] = [0xFF, 0xD8];

/// Whole slides have some hundred thousand.
const MOST_FRAGMENTS: usize = 2_000_000;

/// The fragments of each frame, none without.
#[derive(Debug, PartialEq, Eq)]
pub struct Frames(Vec<Vec<Span>>);

impl Frames {
    /// `value` is the offset table, the fragments and the delimiter behind them.
    ///
    /// # Errors
    /// If it can't be told where frames start.
    pub fn find(source: &Source, value: Span, frames: u64, is_jpeg: bool) -> Result<Self, String> {
        let unreadable = |error: io::Error| error.kind().to_string();
        let items = items(source, value)?;
        let Some((table, fragments)) = items.split_first() else {
            return Err("there is no offset table before the fragments".into());
        };
        let count = fragments.len() as u64;
        if frames == 0 || count < frames {
            return Err(format!("{count} fragments are not {frames} frames"));
        }
        if count == frames {
            return Ok(Self(fragments.iter().map(|one| vec![*one]).collect()));
        }
        let mut starts = Vec::new();
        if frames == 1 {
            starts.push(0);
        } else if table.len == 4 * frames {
            // Offsets are counted from the first fragment's item on.
            let table = source.read(*table).map_err(unreadable)?;
            let origin = fragments[0].start - HEADER;
            for offset in table.chunks_exact(4) {
                let offset = u32::from_le_bytes([offset[0], offset[1], offset[2], offset[3]]);
                let wanted = origin + HEADER + u64::from(offset);
                starts.extend(fragments.iter().position(|one| one.start == wanted));
            }
        } else if is_jpeg {
            for (index, fragment) in fragments.iter().enumerate() {
                let head = Span {
                    start: fragment.start,
                    len: fragment.len.min(2),
                };
                if source.read(head).map_err(unreadable)? == SOI {
                    starts.push(index);
                }
            }
        }
        let is_rising = starts.first() == Some(&0) && starts.is_sorted_by(|a, b| a < b);
        if !is_rising || starts.len() as u64 != frames {
            return Err(format!(
                "it can't be told which of {count} fragments make up {frames} frames"
            ));
        }
        let ends = starts.iter().skip(1).copied().chain([fragments.len()]);
        let frame = |(start, end): (&usize, usize)| fragments[*start..end].to_vec();
        Ok(Self(starts.iter().zip(ends).map(frame).collect()))
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// How many fragments behind the first of a frame begin another, by what is in them.
    pub fn count_within(
        &self,
        source: &Source,
        begins_one: &dyn Fn(&[u8]) -> bool,
    ) -> io::Result<usize> {
        let mut count = 0;
        for fragment in self.0.iter().flat_map(|frame| frame.iter().skip(1)) {
            count += usize::from(begins_one(&source.read(*fragment)?));
        }
        Ok(count)
    }

    /// How many bytes a frame has.
    pub fn size(&self, number: usize) -> u64 {
        let fragments = self.0.get(number).into_iter().flatten();
        fragments.map(|one| one.len).sum()
    }

    /// A frame's bytes, its fragments one after the other.
    pub fn bytes(&self, source: &Source, number: usize) -> io::Result<Vec<u8>> {
        let fragments = self.0.get(number).map(Vec::as_slice).unwrap_or_default();
        let mut bytes = Vec::new();
        for fragment in fragments {
            bytes.extend(source.read(*fragment)?);
        }
        Ok(bytes)
    }
}

/// The contents of the items, of which the parser has seen that they are whole.
fn items(source: &Source, value: Span) -> Result<Vec<Span>, String> {
    let mut items = Vec::new();
    let mut at = value.start;
    while at + HEADER <= value.end() {
        let head = source.read(Span {
            start: at,
            len: HEADER,
        });
        let head = head.map_err(|error| error.kind().to_string())?;
        if items.len() > MOST_FRAGMENTS {
            return Err(format!("there are more than {MOST_FRAGMENTS} fragments"));
        }
        if head[..4] != ITEM {
            break;
        }
        let len = u64::from(u32::from_le_bytes([head[4], head[5], head[6], head[7]]));
        items.push(Span {
            start: at + HEADER,
            len,
        });
        at += HEADER + len;
    }
    Ok(items)
}
