//! Compressed pixels, unpacked a frame at a time: where a region of them is to be black, which has to be done to
//! the pixels themselves, and where somebody looks at one. What is written is then uncompressed.
//!
//! RLE Lossless, JPEG of 8 bits, JPEG Lossless, and frames that are wrapped and not compressed; to be looked at,
//! JPEG 2000 too. For the others there is no decoder in safe Rust that is kept well enough to be handed files from
//! anywhere.

mod fragments;
mod jpeg;
mod jpeg2000;
mod rle;

use super::source::{Source, Span};
use dicom_dictionary_std::uids;
use fragments::Frames;
pub(super) use jpeg2000::Reduced;
use std::io;

/// A frame is in memory as a whole while it is unpacked; no modality's is larger.
const LARGEST_FRAME: u64 = 512 * 1024 * 1024;

/// How frames are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Codec {
    /// PS3.5 A.4.11: as native ones.
    Wrapped,
    /// PS3.5 annex G.
    Rle,
    /// ITU-T T.81, with and without loss.
    Jpeg,
}

impl Codec {
    fn of(transfer_syntax: &str) -> Option<Self> {
        match transfer_syntax {
            ENCAPSULATED_UNCOMPRESSED => Some(Self::Wrapped),
            uids::RLE_LOSSLESS => Some(Self::Rle),
            uids::JPEG_BASELINE8_BIT
            | uids::JPEG_EXTENDED12_BIT
            | uids::JPEG_LOSSLESS
            | uids::JPEG_LOSSLESS_SV1 => Some(Self::Jpeg),
            _ => None,
        }
    }
}

/// What the header says of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    pub rows: u64,
    pub columns: u64,
    pub samples: u64,
    /// Of a sample: 1 or 2.
    pub bytes: u64,
}

/// Compressed pixels that can be unpacked.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Packed {
    codec: Codec,
    frames: Frames,
    shape: Shape,
    /// The samples in the frames are luminance and chrominances.
    is_ybr: bool,
    /// Compressed with loss, and colour as the decoder gives it.
    is_lossy: bool,
}

impl Shape {
    pub fn frame(self) -> u64 {
        self.pixels() * self.samples * self.bytes
    }

    fn pixels(self) -> u64 {
        self.rows * self.columns
    }
}

impl Packed {
    /// Looks at each frame's head.
    ///
    /// # Errors
    /// If there is no decoder, or a frame is other than the header says.
    pub fn open(
        transfer_syntax: &str,
        source: &Source,
        value: Span,
        frames: u64,
        shape: Shape,
        photometric: &str,
    ) -> Result<Self, String> {
        let codec = Codec::of(transfer_syntax).ok_or_else(|| {
            format!("can't redact transfer syntax {transfer_syntax}: there is no decoder for it")
        })?;
        if shape.frame() == 0 || shape.frame() > LARGEST_FRAME {
            return Err(format!(
                "can't redact frames of {} x {} pixels",
                shape.columns, shape.rows
            ));
        }
        let frames = Frames::find(source, value, frames, codec == Codec::Jpeg)
            .map_err(|why| format!("can't redact: {why}"))?;
        // They would be lost, unseen by whoever counts on the header.
        let begins_one = |fragment: &[u8]| match codec {
            Codec::Wrapped => false,
            Codec::Rle => rle::check(fragment, shape).is_ok(),
            Codec::Jpeg => fragment.starts_with(&fragments::SOI),
        };
        let extra = frames
            .count_within(source, &begins_one)
            .map_err(|error| format!("can't redact: {}", error.kind()))?;
        if extra > 0 {
            let counted = frames.len();
            return Err(format!(
                "can't redact: {} frames, where NumberOfFrames says {counted}",
                counted + extra
            ));
        }
        let mut packed = Self {
            codec,
            frames,
            shape,
            is_ybr: photometric.starts_with("YBR"),
            is_lossy: false,
        };
        for number in 0..packed.frames.len() {
            let wrong = |why: String| format!("can't redact frame {}: {why}", number + 1);
            let bytes = packed
                .frames
                .bytes(source, number)
                .map_err(|error| wrong(error.kind().to_string()))?;
            match codec {
                Codec::Wrapped if (bytes.len() as u64) < shape.frame() => {
                    return Err(wrong("it is too short".into()));
                }
                // PS3.5 A.4.11: but for the padding of its fragment.
                Codec::Wrapped if bytes.len() as u64 > shape.frame().next_multiple_of(2) => {
                    let (len, wanted) = (bytes.len(), shape.frame());
                    return Err(wrong(format!("{len} bytes where it takes {wanted}")));
                }
                Codec::Wrapped => {}
                Codec::Rle => rle::check(&bytes, shape).map_err(wrong)?,
                Codec::Jpeg => packed.is_lossy |= jpeg::check(&bytes, shape).map_err(wrong)?,
            }
        }
        Ok(packed)
    }

    pub fn len(&self) -> u64 {
        self.shape.frame() * self.frames.len() as u64
    }

    pub fn shape(&self) -> Shape {
        self.shape
    }

    pub fn is_lossy(&self) -> bool {
        self.is_lossy
    }

    /// Photometric Interpretation of what comes out, where what went in is said to have this one. The colour
    /// spaces of JPEG's lossy processes mean nothing outside of it (PS3.3 C.7.6.3.1.2).
    pub fn photometric<'a>(&self, declared: &'a str) -> &'a str {
        match self.is_lossy && self.shape.samples == 3 {
            true => "RGB",
            false => declared,
        }
    }

    /// Hands each frame on, pixel after pixel, in the little byte order.
    ///
    /// # Errors
    /// `InvalidData` if a frame can't be unpacked; else what reading, or `put`, fails with.
    pub fn unpack(
        &self,
        source: &Source,
        put: &mut dyn FnMut(u64, &mut Vec<u8>) -> io::Result<()>,
    ) -> io::Result<()> {
        for number in 0..self.frames.len() {
            let bytes = self.frames.bytes(source, number)?;
            let unpacked = match self.codec {
                Codec::Wrapped => Ok(bytes[..self.shape.frame() as usize].to_vec()),
                Codec::Rle => rle::unpack(&bytes, self.shape),
                Codec::Jpeg => jpeg::unpack(&bytes, self.shape, self.is_ybr),
            };
            let mut unpacked = unpacked.map_err(|why| {
                let text = format!("PixelData: frame {} can't be unpacked: {why}", number + 1);
                io::Error::new(io::ErrorKind::InvalidData, text)
            })?;
            put(number as u64 * self.shape.frame(), &mut unpacked)?;
        }
        Ok(())
    }
}

/// One frame, to be looked at.
#[derive(Debug)]
pub(super) enum Unpacked {
    /// As native ones lie, in the little byte order; `is_rgb` if its colours are no more what the header says.
    Bytes { bytes: Vec<u8>, is_rgb: bool },
    /// Perhaps smaller than the header says.
    Reduced(Reduced),
}

/// Samples of a frame that is unpacked to be looked at: mammograms and chest films stay below it.
const LARGEST_LOOK: u64 = 16 * 1024 * 1024;

/// Unpacks one frame by itself, to be shown with `side` pixels.
///
/// # Errors
/// Why it can't be unpacked.
pub(super) fn one_frame(
    transfer_syntax: &str,
    source: &Source,
    fragments: Span,
    (number, frames): (u64, u64),
    shape: Shape,
    is_ybr: bool,
    side: u32,
) -> Result<Unpacked, String> {
    let codec = Codec::of(transfer_syntax);
    let is_jpeg2000 = matches!(transfer_syntax, uids::JPEG2000_LOSSLESS | uids::JPEG2000);
    if codec.is_none() && !is_jpeg2000 {
        return Err(format!(
            "there is no decoder for transfer syntax {transfer_syntax}"
        ));
    }
    let samples = shape.pixels().saturating_mul(shape.samples);
    if samples == 0 || samples > LARGEST_LOOK {
        let (columns, rows) = (shape.columns, shape.rows);
        return Err(format!(
            "compressed frames of {columns} x {rows} pixels are not shown"
        ));
    }
    let packed = Frames::find(source, fragments, frames, codec == Some(Codec::Jpeg))?;
    if packed.size(number as usize) > LARGEST_LOOK * 4 {
        return Err("the frame is too large".into());
    }
    let packed = packed
        .bytes(source, number as usize)
        .map_err(|error| error.kind().to_string())?;
    let bytes = match codec {
        None => return jpeg2000::unpack(&packed, shape, side).map(Unpacked::Reduced),
        Some(Codec::Wrapped) => packed,
        Some(Codec::Rle) => rle::unpack(&packed, shape)?,
        Some(Codec::Jpeg) => {
            let is_lossy = jpeg::check(&packed, shape)?;
            return Ok(Unpacked::Bytes {
                bytes: jpeg::unpack(&packed, shape, is_ybr)?,
                is_rgb: is_lossy && shape.samples == 3,
            });
        }
    };
    Ok(Unpacked::Bytes {
        bytes,
        is_rgb: false,
    })
}

const ENCAPSULATED_UNCOMPRESSED: &str = "1.2.840.10008.1.2.1.98";
