//! The picture: one phantom for a corpus, rotated by some pixels for each frame, and its RLE encoding.
//!
//! Integers only, so that the bytes are the same on every machine.

use super::random::Random;

/// Values are 12 bits wide, as CT scanners store them.
const MAXIMUM: i64 = 4095;

pub(super) struct Phantom {
    /// 16-bit pixels in the byte order of the transfer syntax.
    bytes: Vec<u8>,
    columns: usize,
}

impl Phantom {
    pub(super) fn new(rows: u16, columns: u16, seed: u64, big_endian: bool) -> Self {
        let mut random = Random::new(seed, "phantom");
        let (height, width) = (i64::from(rows), i64::from(columns));
        let mut bytes = Vec::with_capacity(2 * usize::from(rows) * usize::from(columns));
        for y in 0..height {
            for x in 0..width {
                // An ellipse of tissue with a smooth wave in it, in air, with the scanner's noise over both.
                let (u, v) = (
                    (2 * x - width) * 1000 / width,
                    (2 * y - height) * 1000 / height,
                );
                let inside = u * u * 10 / 7 + v * v * 10 / 8 < 1_000_000;
                let wave = (triangle(u * 3 + v) + triangle(v * 5 - u)) / 8;
                let tissue = if inside { 1024 + wave } else { 24 };
                let noise = random.between(0, 32) as i64 - 16;
                let value = (tissue + noise).clamp(0, MAXIMUM) as u16;
                bytes.extend(if big_endian {
                    value.to_be_bytes()
                } else {
                    value.to_le_bytes()
                });
            }
        }
        Phantom {
            bytes,
            columns: columns.into(),
        }
    }

    pub(super) fn frame_length(&self) -> usize {
        self.bytes.len()
    }

    /// The bytes of a frame, in two parts.
    pub(super) fn frame(&self, number: u32) -> [&[u8]; 2] {
        if self.bytes.is_empty() {
            return [&[], &[]];
        }
        let pixels = self.bytes.len() / 2;
        let start = 2 * (number as usize * (self.columns + 3) % pixels);
        [&self.bytes[start..], &self.bytes[..start]]
    }

    /// A frame as RLE (PS3.5 Annex G): a header of offsets, then a segment for the high and one for the low bytes.
    pub(super) fn rle(&self, number: u32) -> Vec<u8> {
        let frame = self.frame(number).concat();
        let mut fragment = vec![0; 64];
        fragment[0] = 2;
        for segment in 0..2 {
            let offset = fragment.len() as u32;
            fragment[4 + 4 * segment..8 + 4 * segment].copy_from_slice(&offset.to_le_bytes());
            // G.2: the most significant byte's plane comes first; G.3.1: no run crosses a row.
            for row in frame.chunks(2 * self.columns) {
                let plane: Vec<u8> = row.iter().copied().skip(1 - segment).step_by(2).collect();
                pack_bits(&plane, &mut fragment);
            }
            if !fragment.len().is_multiple_of(2) {
                fragment.push(0);
            }
        }
        fragment
    }
}

/// PS3.5 G.3.1: runs of two or more equal bytes as a count and the byte, all else literally, 128 at most.
fn pack_bits(row: &[u8], to: &mut Vec<u8>) {
    let run_at = |start: usize| {
        row[start..]
            .iter()
            .take(128)
            .take_while(|byte| **byte == row[start])
            .count()
    };
    let mut at = 0;
    while at < row.len() {
        let run = run_at(at);
        if run >= 2 {
            to.push((257 - run) as u8);
            to.push(row[at]);
            at += run;
        } else {
            let start = at;
            // A run of two inside a literal would cost more than it saves.
            while at < row.len() && at - start < 128 && run_at(at) < 3 {
                at += 1;
            }
            to.push((at - start - 1) as u8);
            to.extend(&row[start..at]);
        }
    }
}

/// A wave between -1000 and 1000 of period 4000.
fn triangle(x: i64) -> i64 {
    let phase = x.rem_euclid(4000);
    if phase < 2000 {
        phase - 1000
    } else {
        3000 - phase
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unpack_bits(mut packed: &[u8], length: usize) -> Vec<u8> {
        let mut row = Vec::new();
        while row.len() < length {
            let (count, rest) = packed.split_first().unwrap();
            packed = if *count < 128 {
                let (literal, rest) = rest.split_at(usize::from(*count) + 1);
                row.extend(literal);
                rest
            } else {
                row.extend(std::iter::repeat_n(rest[0], 257 - usize::from(*count)));
                &rest[1..]
            };
        }
        assert!(packed.len() < 2, "nothing but padding is left");
        row
    }

    #[test]
    fn packed_bits_unpack_to_what_they_were() {
        let mut random = Random::new(7, "rows");
        for length in 0..400 {
            let row: Vec<u8> = (0..length).map(|_| random.between(0, 3) as u8).collect();
            let mut packed = Vec::new();
            pack_bits(&row, &mut packed);
            assert_eq!(unpack_bits(&packed, length), row);
        }
        let mut packed = Vec::new();
        pack_bits(&[9; 1000], &mut packed);
        assert_eq!(unpack_bits(&packed, 1000), [9; 1000]);
    }

    #[test]
    fn frames_differ_and_hold_the_same_pixels() {
        let phantom = Phantom::new(32, 32, 1, false);
        let (mut first, mut second) = (phantom.frame(0).concat(), phantom.frame(1).concat());
        assert_ne!(first, second);
        first.sort_unstable();
        second.sort_unstable();
        assert_eq!(first, second);
    }
}
