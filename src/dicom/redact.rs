//! Regions of the picture made black: noted when a rule asks, done while the pixels are written, so that
//! no more of them is ever in memory than a buffer.
//!
//! Only Pixel Data that is not compressed: in it a pixel stands where rows and columns say (PS3.5 8.1.1).

use super::edit::EditProblem;
use super::instance::Instance;
use super::source::{Source, Span};
use super::tree::{Encoding, Value};
use dicom_core::{Tag, VR};
use dicom_dictionary_std::{tags, uids};
use std::io;
use std::os::unix::fs::FileExt;

const BUFFER: u64 = 256 * 1024;

/// A rectangle in pixels, right and bottom not in it, in every frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Region {
    pub left: u32,
    pub top: u32,
    pub right: u32,
    pub bottom: u32,
}

/// How the pixels lie in Pixel Data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Layout {
    rows: u64,
    columns: u64,
    frames: u64,
    /// Three where each colour has a plane of its own.
    planes: u64,
    /// Of one pixel in one plane.
    pixel: u64,
}

/// Regions, and where they lie in the value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Redaction {
    layout: Layout,
    regions: Vec<Region>,
}

impl Instance {
    /// Has a region of every frame written as zeros, which is black in all but MONOCHROME1 and palettes.
    /// What reaches out of the picture is cut off.
    ///
    /// # Errors
    /// If the pixels are compressed, or of a kind that this does not know; if the region holds no pixel.
    pub fn redact(&mut self, region: Region) -> Result<(), EditProblem> {
        let fail = |why: String| EditProblem::Value {
            path: "PixelData".to_owned(),
            why,
        };
        let layout = self.layout().map_err(fail)?;
        let (width, height) = (layout.columns, layout.rows);
        let is_empty = region.left >= region.right || region.top >= region.bottom;
        if is_empty || u64::from(region.left) >= width || u64::from(region.top) >= height {
            let Region {
                left,
                top,
                right,
                bottom,
            } = region;
            return Err(fail(format!(
                "the region from {left},{top} to {right},{bottom} holds no pixel of the {width} x {height} picture"
            )));
        }
        match &mut self.redaction {
            // The layout may have been edited in between: each would mean other pixels.
            Some(before) if before.layout != layout => Err(fail(
                "the picture's layout was edited between two redactions".into(),
            )),
            Some(before) => {
                before.regions.push(region);
                Ok(())
            }
            None => {
                self.redaction = Some(Redaction {
                    layout,
                    regions: vec![region],
                });
                Ok(())
            }
        }
    }

    /// How the pixels lie, if they are such that a region can be found among them.
    fn layout(&self) -> Result<Layout, String> {
        let pixels = self.dataset.get(tags::PIXEL_DATA);
        let elements = self.dataset.elements.iter();
        if elements
            .filter(|element| element.tag == tags::PIXEL_DATA)
            .count()
            > 1
        {
            return Err("can't redact: it is there twice".into());
        }
        let span = match pixels.map(|element| &element.value) {
            None => return Err("there is none here, and so nothing to redact".into()),
            Some(Value::Source(span)) if self.is_native() => *span,
            Some(_) => {
                return Err(format!(
                    "can't redact transfer syntax {}: the pixels are compressed",
                    self.transfer_syntax
                ));
            }
        };
        let number = |tag: Tag, name: &str, default: Option<u64>| {
            let text = self.text(tag);
            let read = text.as_deref().map(|text| text.trim().parse::<u64>());
            match (read, default) {
                (Some(Ok(number)), _) => Ok(number),
                (None, Some(default)) => Ok(default),
                _ => Err(format!("can't redact: {name} {tag} is no number here")),
            }
        };
        let rows = number(tags::ROWS, "Rows", None)?;
        let columns = number(tags::COLUMNS, "Columns", None)?;
        let bits = number(tags::BITS_ALLOCATED, "BitsAllocated", None)?;
        let samples = number(tags::SAMPLES_PER_PIXEL, "SamplesPerPixel", Some(1))?;
        let planar = number(tags::PLANAR_CONFIGURATION, "PlanarConfiguration", Some(0))?;
        let frames = number(tags::NUMBER_OF_FRAMES, "NumberOfFrames", Some(1))?;
        let photometric = self
            .text(tags::PHOTOMETRIC_INTERPRETATION)
            .unwrap_or_default();
        let most = u64::from(u16::MAX);
        if rows > most || columns > most {
            return Err(format!(
                "can't redact a picture of {columns} x {rows}: a side has at most {most}"
            ));
        }
        // PS3.5 A.3: in words of another byte order, two pixels stand the other way round.
        let is_swapped = self.encoding == Encoding::ExplicitBig
            && bits == 8
            && pixels.is_some_and(|element| element.vr == VR::OW);
        if is_swapped {
            return Err("can't redact pixels of 8 bits in words of the big byte order".into());
        }
        if !matches!(bits, 8 | 16) {
            return Err(format!(
                "can't redact pixels of {bits} bits: 8 and 16 are known"
            ));
        }
        let planes = match (photometric.as_str(), samples, planar) {
            ("MONOCHROME1" | "MONOCHROME2" | "PALETTE COLOR", 1, _) | ("RGB", 3, 0) => 1,
            ("RGB", 3, 1) => 3,
            _ => {
                return Err(format!(
                    "can't redact {photometric} pixels of {samples} samples: MONOCHROME1, MONOCHROME2, PALETTE COLOR and RGB are known"
                ));
            }
        };
        let layout = Layout {
            rows,
            columns,
            frames,
            planes,
            pixel: bits / 8 * samples / planes,
        };
        // Sides have 16 bits: only the number of frames can overflow.
        match layout.frame().checked_mul(frames) {
            Some(whole) if whole <= span.len && whole > 0 => Ok(layout),
            _ => Err(format!(
                "can't redact: {} bytes of pixels are not {frames} frames of {columns} x {rows}",
                span.len
            )),
        }
    }

    fn is_native(&self) -> bool {
        matches!(
            self.transfer_syntax.as_str(),
            uids::IMPLICIT_VR_LITTLE_ENDIAN
                | uids::EXPLICIT_VR_LITTLE_ENDIAN
                | uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN
        ) || self.transfer_syntax == EXPLICIT_VR_BIG_ENDIAN
    }
}

/// Retired, and still met in archives.
const EXPLICIT_VR_BIG_ENDIAN: &str = "1.2.840.10008.1.2.2";

impl Layout {
    fn plane(&self) -> u64 {
        self.rows * self.columns * self.pixel
    }

    fn frame(&self) -> u64 {
        self.plane() * self.planes
    }
}

impl Redaction {
    /// Hands the value's bytes on, a buffer at a time, with the regions black.
    pub(super) fn copy(
        &self,
        source: &Source,
        span: Span,
        put: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut buffer = Vec::new();
        let mut done = 0;
        while done < span.len {
            let length = (span.len - done).min(BUFFER);
            let part = Span {
                start: span.start + done,
                len: length,
            };
            buffer.clear();
            match (source.loaded(part), source.handle()) {
                (Some(bytes), _) => buffer.extend_from_slice(bytes),
                (None, Some(file)) => {
                    buffer.resize(length as usize, 0);
                    file.read_exact_at(&mut buffer, part.start)?;
                }
                (None, None) => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
            self.blacken(&mut buffer, done);
            put(&buffer)?;
            done += length;
        }
        Ok(())
    }

    /// `bytes` stand at `offset` in the value.
    fn blacken(&self, bytes: &mut [u8], offset: u64) {
        let Layout {
            rows,
            columns,
            frames,
            pixel,
            ..
        } = self.layout;
        let (plane, end) = (self.layout.plane(), offset + bytes.len() as u64);
        // A plane of a frame after the other, whether there is one in a frame or three.
        let last = (end - 1) / plane;
        for number in (offset / plane)..=last.min(frames * self.layout.planes - 1) {
            let start = number * plane;
            for region in &self.regions {
                let (left, right) = (u64::from(region.left), u64::from(region.right).min(columns));
                // Only the rows that these bytes reach.
                let first = offset.saturating_sub(start) / (columns * pixel);
                let after = (end - start).div_ceil(columns * pixel);
                let bottom = u64::from(region.bottom).min(rows).min(after);
                for row in u64::from(region.top).max(first)..bottom {
                    let from = start + (row * columns + left) * pixel;
                    let to = from + (right - left) * pixel;
                    let (from, to) = (from.max(offset), to.min(end));
                    if from < to {
                        bytes[(from - offset) as usize..(to - offset) as usize].fill(0);
                    }
                }
            }
        }
    }
}
