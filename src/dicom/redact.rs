//! Regions of the picture made black: noted when a rule asks, done while the pixels are written, so that
//! no more of them is ever in memory than a buffer.
//!
//! In Pixel Data that is not compressed, a pixel stands where rows and columns say (PS3.5 8.1.1). Compressed
//! pixels are unpacked for it, and written so: the instance is then in explicit VR little endian.

mod others;

use super::edit::EditProblem;
use super::instance::Instance;
use super::path::Pattern;
use super::source::{Source, Span};
use super::tree::{Encoding, Value};
use super::unpack::{Packed, Shape};
use dicom_core::{Tag, VR};
use dicom_dictionary_std::{tags, uids};
use std::borrow::Cow;
use std::io;
use std::sync::Arc;

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
    colour: Colour,
}

/// What black is: where there is luminance, none of it, and chrominances in the middle of their range (PS3.3
/// C.7.6.3.1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Colour {
    /// Zeros.
    Plain,
    /// Three bytes for a pixel.
    Ybr,
    /// Four for two beside each other, which have their chrominances in common: Y, Y, Cb, Cr.
    YbrInPairs,
}

/// Regions, and where they lie in the value.
#[derive(Debug)]
pub(super) struct Redaction {
    layout: Layout,
    regions: Vec<Region>,
    packed: Option<Arc<Packed>>,
}

/// Pixel Data as it is written, where not as it was.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rewritten {
    /// The value in the source.
    pub span: Span,
    /// VR and length of what is written, where the source is compressed.
    pub unpacked: Option<(VR, u64)>,
}

impl Instance {
    /// Has a region of every frame written black: as zeros, which is another colour in MONOCHROME1 and palettes.
    /// What reaches out of the picture is cut off. Icons, which show it too, are removed; answers their paths.
    ///
    /// # Errors
    /// If the pixels are of a kind that this does not know, or compressed as nothing here can unpack; if the
    /// region holds no pixel.
    pub fn redact(&mut self, region: Region) -> Result<Vec<Cow<'static, str>>, EditProblem> {
        let fail = |why: String| EditProblem::Value {
            path: "PixelData".to_owned(),
            why,
        };
        let unknown = |why: String| EditProblem::Pixels { why };
        // Nothing that could be seen is left over then.
        if self.dataset.get(tags::PIXEL_DATA).is_none() {
            return Err(fail("there is none here, and so nothing to redact".into()));
        }
        let packed = match &self.redaction {
            Some(before) => before.packed.clone(),
            None => self.packed().map_err(unknown)?.map(Arc::new),
        };
        let layout = self.layout(packed.as_deref()).map_err(unknown)?;
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
                Ok(Vec::new())
            }
            None => {
                let icons = self.remove_icons()?;
                if let Some(packed) = &packed {
                    self.declare_unpacked(packed)?;
                }
                self.redaction = Some(Redaction {
                    layout,
                    regions: vec![region],
                    packed,
                });
                Ok(icons)
            }
        }
    }

    /// The compressed pixels; none if they are not compressed.
    fn packed(&self) -> Result<Option<Packed>, String> {
        let Some(Value::Fragments(fragments)) = self.pixels()? else {
            return Ok(None);
        };
        // PS3.5 A.4 has encapsulation in explicit VR little endian only; what was written must be that.
        if self.encoding != Encoding::ExplicitLittle {
            return Err("can't redact: compressed pixels in a dataset without VRs".into());
        }
        if others::has_other_fragments(&self.dataset) {
            return Err("can't redact: there is another compressed picture in it".into());
        }
        let shape = Shape {
            rows: self.side(tags::ROWS, "Rows")?,
            columns: self.side(tags::COLUMNS, "Columns")?,
            samples: self.number(tags::SAMPLES_PER_PIXEL, "SamplesPerPixel", Some(1))?,
            bytes: self.bytes_allocated()?,
        };
        if !matches!(shape.samples, 1 | 3) {
            return Err(format!("can't redact pixels of {} samples", shape.samples));
        }
        let frames = self.number(tags::NUMBER_OF_FRAMES, "NumberOfFrames", Some(1))?;
        let photometric = self
            .text(tags::PHOTOMETRIC_INTERPRETATION)
            .unwrap_or_default();
        let source = self.source();
        let packed = Packed::open(
            &self.transfer_syntax,
            source,
            *fragments,
            frames,
            shape,
            &photometric,
        )?;
        // PS3.5 7.1.2: the length field has 32 bits, and all ones in it are no length.
        match packed.len() < u64::from(u32::MAX) - 1 {
            true => Ok(Some(packed)),
            false => Err("can't redact: more than 4 GiB of pixels once unpacked".into()),
        }
    }

    /// The header says what the pixels are once they are unpacked.
    fn declare_unpacked(&mut self, packed: &Packed) -> Result<(), EditProblem> {
        let has_method = self.text(tags::LOSSY_IMAGE_COMPRESSION_METHOD).is_some();
        let mut set = |keyword: &str, value: &str| {
            let path = Pattern::parse_path(keyword).map_err(|error| EditProblem::Path {
                path: keyword.to_owned(),
                why: error.to_string(),
            })?;
            self.set(&path, value)
        };
        if packed.shape().samples == 3 {
            set("PlanarConfiguration", "0")?;
            if packed.is_lossy() {
                set("PhotometricInterpretation", "RGB")?;
            }
        }
        // PS3.3 C.7.6.1.1.5: once compressed with loss, always so.
        if packed.is_lossy() {
            set("LossyImageCompression", "01")?;
            if !has_method {
                set("LossyImageCompressionMethod", "ISO_10918_1")?;
            }
        }
        // PS3.3 C.7.6.3.1.8: offsets and lengths of fragments that are no more.
        self.dataset.elements.retain(|element| {
            !matches!(
                element.tag,
                tags::EXTENDED_OFFSET_TABLE
                    | tags::EXTENDED_OFFSET_TABLE_LENGTHS
                    | ENCAPSULATED_PIXEL_DATA_VALUE_TOTAL_LENGTH
            )
        });
        self.dataset.touch(tags::PIXEL_DATA.group());
        Ok(())
    }

    /// The value of Pixel Data; none if there is more than one of them, or none.
    fn pixels(&self) -> Result<Option<&Value>, String> {
        let elements = self.dataset.elements.iter();
        let mut pixels = elements.filter(|element| element.tag == tags::PIXEL_DATA);
        let first = pixels.next();
        match pixels.next() {
            Some(_) => Err("can't redact: it is there twice".into()),
            None => Ok(first.map(|element| &element.value)),
        }
    }

    fn number(&self, tag: Tag, name: &str, default: Option<u64>) -> Result<u64, String> {
        let text = self.text(tag);
        let read = text.as_deref().map(|text| text.trim().parse::<u64>());
        match (read, default) {
            (Some(Ok(number)), _) => Ok(number),
            (None, Some(default)) => Ok(default),
            _ => Err(format!("can't redact: {name} {tag} is no number here")),
        }
    }

    fn side(&self, tag: Tag, name: &str) -> Result<u64, String> {
        let most = u64::from(u16::MAX);
        match self.number(tag, name, None)? {
            side if side > most => Err(format!(
                "can't redact a picture of {side} {name}: a side has at most {most}"
            )),
            side => Ok(side),
        }
    }

    fn bytes_allocated(&self) -> Result<u64, String> {
        match self.number(tags::BITS_ALLOCATED, "BitsAllocated", None)? {
            bits @ (8 | 16) => Ok(bits / 8),
            bits => Err(format!(
                "can't redact pixels of {bits} bits: 8 and 16 are known"
            )),
        }
    }

    /// How the pixels lie, once unpacked, if they are such that a region can be found among them.
    fn layout(&self, packed: Option<&Packed>) -> Result<Layout, String> {
        let len = match (self.pixels()?, packed) {
            (Some(_), Some(packed)) => packed.len(),
            (Some(Value::Source(span)), None) if self.is_native() => span.len,
            _ => {
                return Err(format!(
                    "can't redact transfer syntax {}: the pixels are compressed",
                    self.transfer_syntax
                ));
            }
        };
        let rows = self.side(tags::ROWS, "Rows")?;
        let columns = self.side(tags::COLUMNS, "Columns")?;
        let bytes = self.bytes_allocated()?;
        let samples = self.number(tags::SAMPLES_PER_PIXEL, "SamplesPerPixel", Some(1))?;
        let planar = match packed {
            Some(_) => 0,
            None => self.number(tags::PLANAR_CONFIGURATION, "PlanarConfiguration", Some(0))?,
        };
        let frames = self.number(tags::NUMBER_OF_FRAMES, "NumberOfFrames", Some(1))?;
        let declared = self
            .text(tags::PHOTOMETRIC_INTERPRETATION)
            .unwrap_or_default();
        let photometric = packed.map_or(declared.as_str(), |packed| packed.photometric(&declared));
        // PS3.5 A.3: in words of another byte order, two pixels stand the other way round.
        let pixels = self.dataset.get(tags::PIXEL_DATA);
        let is_swapped = self.encoding == Encoding::ExplicitBig
            && bytes == 1
            && pixels.is_some_and(|element| element.vr == VR::OW);
        if is_swapped {
            return Err("can't redact pixels of 8 bits in words of the big byte order".into());
        }
        let is_even = columns.is_multiple_of(2);
        let (planes, colour) = match (photometric, samples, planar, bytes) {
            ("MONOCHROME1" | "MONOCHROME2" | "PALETTE COLOR", 1, ..) | ("RGB", 3, 0, _) => {
                (1, Colour::Plain)
            }
            ("RGB", 3, 1, _) => (3, Colour::Plain),
            ("YBR_FULL", 3, 0, 1) => (1, Colour::Ybr),
            ("YBR_FULL", 3, 1, 1) => (3, Colour::Ybr),
            ("YBR_FULL_422", 3, 0, 1) if packed.is_none() && is_even => (1, Colour::YbrInPairs),
            _ => {
                return Err(format!(
                    "can't redact {photometric} pixels of {samples} samples: MONOCHROME1, MONOCHROME2, PALETTE COLOR, RGB, YBR_FULL and YBR_FULL_422 are known"
                ));
            }
        };
        let layout = Layout {
            rows,
            columns,
            frames,
            planes,
            pixel: match colour {
                Colour::YbrInPairs => 2,
                Colour::Plain | Colour::Ybr => bytes * samples / planes,
            },
            colour,
        };
        // Sides have 16 bits: only the number of frames can overflow.
        let whole = layout.frame().saturating_mul(frames);
        // PS3.5 8.1.1: nothing but what pads to even length. More would be pictures that the header does not
        // count, in which the region would be left as it was.
        match len == whole || (whole % 2 == 1 && len == whole + 1) {
            true if whole > 0 => Ok(layout),
            _ => Err(format!(
                "can't redact: {len} bytes of pixels are not {frames} frames of {columns} x {rows}, which take \
                 {whole}"
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

/// (7FE0,0003), newer than the dictionary.
const ENCAPSULATED_PIXEL_DATA_VALUE_TOTAL_LENGTH: Tag = Tag(0x7FE0, 0x0003);

/// Retired, and still met in archives.
const EXPLICIT_VR_BIG_ENDIAN: &str = "1.2.840.10008.1.2.2";

impl Layout {
    fn plane(&self) -> u64 {
        self.rows * self.columns * self.pixel
    }

    fn frame(&self) -> u64 {
        self.plane() * self.planes
    }

    /// Makes bytes black that stand at `offset` in a plane.
    fn fill(&self, bytes: &mut [u8], plane: u64, offset: u64) {
        bytes.fill(0);
        for (at, byte) in (offset..).zip(bytes) {
            let is_chrominance = match (self.colour, self.planes) {
                (Colour::Plain, _) => return,
                (Colour::Ybr, 1) => at % 3 > 0,
                (Colour::Ybr, planes) => !plane.is_multiple_of(planes),
                // Sides are even: each row starts with a pair.
                (Colour::YbrInPairs, _) => at % 4 > 1,
            };
            if is_chrominance {
                *byte = 128;
            }
        }
    }
}

impl Redaction {
    /// Whether what is written is in another transfer syntax than what was read.
    pub(super) fn unpacks(&self) -> bool {
        self.packed.is_some()
    }

    /// `span` is the value in the source.
    pub(super) fn rewritten(&self, span: Span) -> Rewritten {
        let unpacked = self.packed.as_ref().map(|packed| {
            // PS3.5 8.1.1 and A.2.
            let vr = match packed.shape().bytes {
                1 => VR::OB,
                _ => VR::OW,
            };
            (vr, packed.len().next_multiple_of(2))
        });
        Rewritten { span, unpacked }
    }

    /// Hands the value's bytes on, a buffer or a frame at a time, with the regions black.
    pub(super) fn copy(
        &self,
        source: &Source,
        span: Span,
        put: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        if let Some(packed) = &self.packed {
            packed.unpack(source, &mut |offset, frame| {
                self.blacken(frame, offset);
                put(frame)
            })?;
            return match packed.len() % 2 {
                0 => Ok(()),
                _ => put(&[0]),
            };
        }
        let mut done = 0;
        while done < span.len {
            let length = (span.len - done).min(BUFFER);
            let mut buffer = source.read(Span {
                start: span.start + done,
                len: length,
            })?;
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
                let (mut left, mut right) =
                    (u64::from(region.left), u64::from(region.right).min(columns));
                if self.layout.colour == Colour::YbrInPairs {
                    (left, right) = (left - left % 2, right.next_multiple_of(2));
                }
                // Only the rows that these bytes reach.
                let first = offset.saturating_sub(start) / (columns * pixel);
                let after = (end - start).div_ceil(columns * pixel);
                let bottom = u64::from(region.bottom).min(rows).min(after);
                for row in u64::from(region.top).max(first)..bottom {
                    let from = start + (row * columns + left) * pixel;
                    let to = from + (right - left) * pixel;
                    let (from, to) = (from.max(offset), to.min(end));
                    if from < to {
                        let row = &mut bytes[(from - offset) as usize..(to - offset) as usize];
                        self.layout.fill(row, number, from - start);
                    }
                }
            }
        }
    }
}
