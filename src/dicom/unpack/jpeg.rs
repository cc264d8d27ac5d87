//! JPEG (ITU-T T.81): the lossy processes of 8 bits, and the lossless one of up to 16.

use super::Shape;
use jpeg_decoder::{ColorTransform, Decoder};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What a frame header tells (T.81 B.2.2).
struct Frame {
    is_lossless: bool,
    precision: u8,
    rows: u64,
    columns: u64,
    components: u64,
}

/// Whether the picture is what the dataset says, and of a kind that can be decoded; answers whether it was
/// compressed with loss.
pub fn check(picture: &[u8], shape: Shape) -> Result<bool, String> {
    let frame = Frame::find(picture).ok_or("it holds no JPEG picture that is known")?;
    let found = (frame.columns, frame.rows, frame.components);
    if found != (shape.columns, shape.rows, shape.samples) {
        return Err(format!(
            "it is a JPEG picture of {} x {} in {} components, not of {} x {} in {}",
            found.0, found.1, found.2, shape.columns, shape.rows, shape.samples
        ));
    }
    let can = match frame.is_lossless {
        true => (2..=8 * shape.bytes).contains(&u64::from(frame.precision)),
        false => frame.precision == 8,
    };
    // The decoder has no colours of more than 8 bits.
    if !can || (shape.samples > 1 && (frame.precision != 8 || shape.bytes != 1)) {
        return Err(format!(
            "there is no decoder for JPEG of {} bits in {} components",
            frame.precision, shape.samples
        ));
    }
    Ok(!frame.is_lossless)
}

/// Pixel after pixel. Luminance and chrominances come out as RGB, but where the process is lossless.
pub fn unpack(picture: &[u8], shape: Shape, is_ybr: bool) -> Result<Vec<u8>, String> {
    check(picture, shape)?;
    let frame = Frame::find(picture).ok_or("it holds no JPEG picture")?;
    let mut decoder = Decoder::new(picture);
    if shape.samples == 3 {
        decoder.set_color_transform(match is_ybr && !frame.is_lossless {
            true => ColorTransform::YCbCr,
            false => ColorTransform::RGB,
        });
    }
    // What a damaged picture makes it do must not end the import.
    let decoded = catch_unwind(AssertUnwindSafe(|| decoder.decode()))
        .map_err(|_| "the decoder broke".to_owned())?
        .map_err(|error| error.to_string())?;
    // Samples of one byte, or of two in this machine's order, by their precision.
    let samples = (shape.pixels() * shape.samples) as usize;
    let narrow = decoded.len() == samples;
    match (shape.bytes, narrow) {
        (1, true) => Ok(decoded),
        (2, true) => Ok(decoded.into_iter().flat_map(|byte| [byte, 0]).collect()),
        (bytes, false) if decoded.len() == 2 * samples => {
            let words = decoded.chunks_exact(2);
            let words = words.map(|word| u16::from_ne_bytes([word[0], word[1]]));
            Ok(match bytes {
                // Up to 7 bits come as two bytes, of which the higher is empty.
                1 => words.map(|word| word as u8).collect(),
                _ => words.flat_map(u16::to_le_bytes).collect(),
            })
        }
        _ => Err(format!(
            "{} bytes came out for {samples} samples",
            decoded.len()
        )),
    }
}

impl Frame {
    /// The first frame header; none if there is none, or it is of a process that the decoder does not know.
    fn find(picture: &[u8]) -> Option<Self> {
        let mut rest = picture.strip_prefix(&[0xFF, 0xD8])?;
        loop {
            let (marker, after) = match rest {
                // B.1.1.2: any number of fill bytes.
                [0xFF, 0xFF, ..] => {
                    rest = &rest[1..];
                    continue;
                }
                [0xFF, marker, after @ ..] => (*marker, after),
                _ => return None,
            };
            let length = usize::from(u16::from_be_bytes(after.get(..2)?.try_into().ok()?));
            let segment = after.get(2..length)?;
            match marker {
                0xC0..=0xC3 => {
                    let number = |at: usize| {
                        let bytes = segment.get(at..at + 2)?.try_into().ok()?;
                        Some(u64::from(u16::from_be_bytes(bytes)))
                    };
                    return Some(Self {
                        is_lossless: marker == 0xC3,
                        precision: *segment.first()?,
                        rows: number(1)?,
                        columns: number(3)?,
                        components: u64::from(*segment.get(5)?),
                    });
                }
                // Arithmetic and hierarchical processes; the picture, before any frame header.
                0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF | 0xDA | 0xD9 => return None,
                _ => rest = &after[length..],
            }
        }
    }
}
