//! The samples of a frame, of as many pixels as the picture has.

use super::Pixels;
use crate::dicom::instance::Instance;
use crate::dicom::source::Span;
use crate::dicom::tree::{Encoding, Value};
use crate::dicom::unpack::{Reduced, Shape, Unpacked, one_frame};
use dicom_core::VR;
use dicom_dictionary_std::tags;

#[derive(Debug)]
pub struct Samples {
    pub width: u32,
    pub height: u32,
    /// Pixel after pixel.
    pub values: Vec<i64>,
    /// What they are, once unpacked.
    pub photometric: String,
}

/// Reads a part of a frame.
type Read<'a> = &'a dyn Fn(u64, u64) -> Result<Vec<u8>, String>;

impl Samples {
    pub fn of(instance: &Instance, pixels: &Pixels, frame: u64, side: u32) -> Result<Self, String> {
        let mut pixels = pixels.clone();
        let source = instance.source();
        let element = instance.dataset.get(tags::PIXEL_DATA);
        let element = element.ok_or("there are none")?;
        match &element.value {
            Value::Source(span) => {
                let is_big = instance.encoding() == Encoding::ExplicitBig;
                if is_big && pixels.shape.bytes == 1 && element.vr == VR::OW {
                    return Err("8 bits in words of the big byte order".into());
                }
                let size = pixels.frame();
                let start = frame.checked_mul(size).filter(|start| {
                    let end = start.checked_add(size);
                    end.is_some_and(|end| end <= span.len)
                });
                let start = start.ok_or("there are fewer of them than the header says")?;
                let read = |at: u64, len: u64| {
                    let part = Span {
                        start: span.start + start + at,
                        len,
                    };
                    source.read(part).map_err(|error| error.kind().to_string())
                };
                pixels.thinned(&read, side, is_big)
            }
            Value::Fragments(fragments) => {
                let unpacked = one_frame(
                    instance.transfer_syntax(),
                    source,
                    *fragments,
                    (frame, pixels.frames),
                    pixels.shape,
                    pixels.photometric.starts_with("YBR"),
                    side,
                )?;
                let bytes = match unpacked {
                    Unpacked::Reduced(reduced) => return Ok(pixels.of_reduced(&reduced, side)),
                    Unpacked::Bytes { bytes, is_rgb } => {
                        if is_rgb {
                            pixels.photometric = "RGB".into();
                        }
                        bytes
                    }
                };
                pixels.is_planar = false;
                if pixels.photometric == "YBR_FULL_422" {
                    pixels.photometric = "YBR_FULL".into();
                }
                let read = |at: u64, len: u64| {
                    let part = bytes.get(at as usize..(at + len) as usize);
                    part.map(<[u8]>::to_vec)
                        .ok_or_else(|| "the frame is too short".to_owned())
                };
                pixels.thinned(&read, side, false)
            }
            _ => Err("they are edited, or no pixels".into()),
        }
    }
}

impl Pixels {
    /// Two pixels beside each other have their chrominances in common: Y, Y, Cb, Cr.
    fn is_in_pairs(&self) -> bool {
        self.photometric == "YBR_FULL_422" && self.shape.samples == 3 && self.shape.bytes == 1
    }

    /// The bytes of a native frame.
    fn frame(&self) -> u64 {
        let Shape { rows, columns, .. } = self.shape;
        match self.is_in_pairs() {
            true => rows * columns.next_multiple_of(2) * 2,
            false => self.shape.frame(),
        }
    }

    fn thinned(&self, read: Read, side: u32, is_big: bool) -> Result<Samples, String> {
        let Shape {
            rows,
            columns,
            samples,
            bytes,
        } = self.shape;
        let (width, height) = fitted(columns, rows, side);
        let mut values = Vec::with_capacity((width * height * samples) as usize);
        let (planes, in_pixel) = match self.is_planar && samples == 3 {
            true => (3, bytes),
            false => (1, bytes * samples),
        };
        for y in 0..height {
            let row = chosen(y, height, rows);
            if self.is_in_pairs() {
                let stride = columns.next_multiple_of(2) * 2;
                let line = read(row * stride, stride)?;
                for x in 0..width {
                    let column = chosen(x, width, columns) as usize;
                    let pair = &line[column / 2 * 4..column / 2 * 4 + 4];
                    values.extend([pair[column % 2], pair[2], pair[3]].map(i64::from));
                }
                continue;
            }
            let stride = columns * in_pixel;
            let mut lines = Vec::with_capacity(planes as usize);
            for plane in 0..planes {
                lines.push(read((plane * rows + row) * stride, stride)?);
            }
            for x in 0..width {
                let at = (chosen(x, width, columns) * in_pixel) as usize;
                for sample in lines
                    .iter()
                    .flat_map(|line| line[at..at + in_pixel as usize].chunks(bytes as usize))
                {
                    values.push(self.value(sample, is_big));
                }
            }
        }
        Ok(Samples {
            width: width as u32,
            height: height as u32,
            values,
            photometric: self.photometric.clone(),
        })
    }

    fn of_reduced(&self, reduced: &Reduced, side: u32) -> Samples {
        let samples = self.shape.samples;
        let (width, height) = fitted(reduced.columns, reduced.rows, side);
        let mut values = Vec::with_capacity((width * height * samples) as usize);
        for y in 0..height {
            for x in 0..width {
                let row = chosen(y, height, reduced.rows);
                let pixel = row * reduced.columns + chosen(x, width, reduced.columns);
                let at = (pixel * samples) as usize;
                let found = &reduced.values[at..at + samples as usize];
                // Some write values with a sign into pictures without one, and the other way round.
                values.extend(found.iter().map(|value| self.stored(*value)));
            }
        }
        Samples {
            width: width as u32,
            height: height as u32,
            values,
            photometric: self.photometric.clone(),
        }
    }

    /// PS3.5 8.1.1: the bits that are stored, the highest of them the sign.
    fn value(&self, sample: &[u8], is_big: bool) -> i64 {
        let put = |sum: i64, byte: &u8| sum << 8 | i64::from(*byte);
        let whole = match is_big {
            true => sample.iter().fold(0, put),
            false => sample.iter().rev().fold(0, put),
        };
        self.stored(whole >> self.shift)
    }

    /// The lowest bits of a value, with or without a sign.
    fn stored(&self, value: i64) -> i64 {
        let unused = 64 - self.stored as u32;
        match self.is_signed {
            true => value << unused >> unused,
            false => value & (i64::MAX >> (unused - 1)),
        }
    }
}

/// The size of a picture that keeps its proportions.
fn fitted(columns: u64, rows: u64, side: u32) -> (u64, u64) {
    let (longest, side) = (columns.max(rows), u64::from(side));
    match longest <= side {
        true => (columns, rows),
        false => {
            let share = |one: u64| (one * side / longest).max(1);
            (share(columns), share(rows))
        }
    }
}

/// Which of `there` lines one of `of` shows.
fn chosen(number: u64, of: u64, there: u64) -> u64 {
    ((2 * number + 1) * there / (2 * of)).min(there - 1)
}
