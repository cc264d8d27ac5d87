//! RLE Lossless (PS3.5 annex G): for each byte of each sample a segment, packed as Macintoshes did.

use super::Shape;

/// G.5: the number of segments, and where each of at most 15 starts.
const HEADER: usize = 64;

/// Whether the frame has the segments that the header's shape asks for.
pub fn check(frame: &[u8], shape: Shape) -> Result<(), String> {
    segments(frame, shape).map(|_| ())
}

/// Pixel after pixel, in the little byte order.
pub fn unpack(frame: &[u8], shape: Shape) -> Result<Vec<u8>, String> {
    let pixels = shape.pixels() as usize;
    let (samples, bytes) = (shape.samples as usize, shape.bytes as usize);
    let mut unpacked = vec![0; shape.frame() as usize];
    for (number, segment) in segments(frame, shape)?.into_iter().enumerate() {
        // G.2: the most significant byte of a sample comes first.
        let (sample, byte) = (number / bytes, bytes - 1 - number % bytes);
        let plane = unpack_bits(segment, pixels)
            .ok_or_else(|| format!("segment {} is too short", number + 1))?;
        let places = unpacked.iter_mut().skip(sample * bytes + byte);
        for (place, value) in places.step_by(samples * bytes).zip(plane) {
            *place = value;
        }
    }
    Ok(unpacked)
}

fn segments(frame: &[u8], shape: Shape) -> Result<Vec<&[u8]>, String> {
    let wanted = (shape.samples * shape.bytes) as usize;
    let words: Vec<usize> = frame
        .get(..HEADER)
        .ok_or("it has no RLE header")?
        .chunks_exact(4)
        .map(|w| u32::from_le_bytes([w[0], w[1], w[2], w[3]]) as usize)
        .collect();
    if words[0] != wanted {
        return Err(format!("{} segments of {wanted}", words[0]));
    }
    let ends = words[2..=wanted].iter().copied().chain([frame.len()]);
    let segments = words[1..=wanted].iter().zip(ends);
    segments
        .map(|(start, end)| frame.get(*start..end).filter(|_| *start >= HEADER))
        .collect::<Option<Vec<_>>>()
        .ok_or_else(|| "its segments lie outside of it".into())
}

/// G.3.2. None if fewer than `length` bytes come out; what is left over is padding.
fn unpack_bits(mut packed: &[u8], length: usize) -> Option<Vec<u8>> {
    let mut unpacked = Vec::with_capacity(length);
    while unpacked.len() < length {
        let (count, rest) = packed.split_first()?;
        packed = match *count {
            // No operation.
            128 => rest,
            0..128 => {
                let (literal, rest) = rest.split_at_checked(usize::from(*count) + 1)?;
                unpacked.extend_from_slice(literal);
                rest
            }
            _ => {
                let (value, rest) = rest.split_first()?;
                unpacked.extend(std::iter::repeat_n(*value, 257 - usize::from(*count)));
                rest
            }
        };
    }
    unpacked.truncate(length);
    Some(unpacked)
}
