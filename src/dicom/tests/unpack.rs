//! Regions made black in compressed pictures: what comes out is the picture uncompressed, black there and as it
//! was elsewhere, in a file that says so. The encoders are as small as the standards let them be.

use super::encoder::{Dataset, Node, Value, encode, file};
use super::redact::{Picture, pictures, redacted, region};
use crate::dicom::edit::EditProblem;
use crate::dicom::{Encoding, Instance, Region, Tag, VR, tags};
use proptest::prelude::*;

pub const RLE: &str = "1.2.840.10008.1.2.5";
pub const WRAPPED: &str = "1.2.840.10008.1.2.1.98";
pub const BASELINE: &str = "1.2.840.10008.1.2.4.50";
pub const LOSSLESS: &str = "1.2.840.10008.1.2.4.70";

pub fn compressed(picture: &Picture, syntax: &str, fragments: Vec<Vec<u8>>) -> Vec<u8> {
    let dataset = compressed_dataset(picture, fragments);
    file(syntax, &encode(&dataset, Encoding::ExplicitLittle))
}

pub fn compressed_dataset(picture: &Picture, fragments: Vec<Vec<u8>>) -> Dataset {
    let mut dataset = picture.dataset(&[]);
    for node in &mut dataset.nodes {
        if node.tag == tags::PIXEL_DATA {
            let even = fragments.iter().map(|fragment| {
                let mut fragment = fragment.clone();
                fragment.resize(fragment.len().next_multiple_of(2), 0);
                fragment
            });
            node.vr = VR::OB;
            node.value = Value::Fragments(even.collect());
        }
    }
    let offsets = Node {
        tag: Tag(0x7FE0, 0x0001),
        vr: VR::OV,
        value: Value::Bytes(vec![0; 8]),
    };
    let at = dataset.nodes.iter().position(|n| n.tag == tags::PIXEL_DATA);
    dataset.nodes.insert(at.expect("pixels"), offsets);
    dataset
}

/// One fragment a frame, without offsets.
pub fn one_each(frames: impl Iterator<Item = Vec<u8>>) -> Vec<Vec<u8>> {
    std::iter::once(Vec::new()).chain(frames).collect()
}

/// PS3.5 annex G, in runs of one and literals of up to three.
pub fn rle(frame: &[u8], picture: &Picture) -> Vec<u8> {
    let bytes = usize::from(picture.bits / 8);
    let pixel = bytes * usize::from(picture.samples);
    let mut header = vec![0u8; 64];
    let mut body = Vec::new();
    let mut number = 0;
    for sample in 0..usize::from(picture.samples) {
        for byte in (0..bytes).rev() {
            number += 1;
            header[4 * number..4 * number + 4]
                .copy_from_slice(&(64 + body.len() as u32).to_le_bytes());
            let plane: Vec<u8> = frame
                .iter()
                .skip(sample * bytes + byte)
                .step_by(pixel)
                .copied()
                .collect();
            for part in plane.chunks(4) {
                match part {
                    [a, b, rest @ ..] if a == b && rest.is_empty() => body.extend([255, *a]),
                    _ => {
                        body.push(128);
                        body.push(part.len() as u8 - 1);
                        body.extend(part);
                    }
                }
            }
            if body.len() % 2 == 1 {
                body.push(0);
            }
        }
    }
    header[0] = number as u8;
    header.extend(body);
    header
}

/// Bits into bytes, with the zero that T.81 wants behind each 0xFF.
#[derive(Default)]
struct Bits(Vec<u8>, u32, u32);

impl Bits {
    fn put(&mut self, value: u32, count: u32) {
        for at in (0..count).rev() {
            self.1 = self.1 << 1 | (value >> at & 1);
            self.2 += 1;
            if self.2 == 8 {
                self.0.push(self.1 as u8);
                if self.1 == 0xFF {
                    self.0.push(0);
                }
                (self.1, self.2) = (0, 0);
            }
        }
    }

    /// A difference as its category in a code of five bits, and its bits (T.81 F.1.2.1 and H.1.2.2).
    fn difference(&mut self, difference: i32) {
        let category = 32 - difference.unsigned_abs().leading_zeros();
        self.put(category, 5);
        // -32768 has category 16, which carries no bits.
        if category < 16 {
            let bits = if difference < 0 {
                difference - 1
            } else {
                difference
            };
            self.put(bits as u32 & ((1 << category) - 1), category);
        }
    }

    fn end(mut self) -> Vec<u8> {
        while self.2 != 0 {
            self.put(1, 1);
        }
        self.0
    }
}

fn segment(marker: u8, content: &[u8], to: &mut Vec<u8>) {
    to.extend([0xFF, marker]);
    to.extend((content.len() as u16 + 2).to_be_bytes());
    to.extend(content);
}

/// Frame header, scan header, and what stands around the scan.
fn jpeg(picture: &Picture, process: u8, precision: u8, scan: Bits) -> Vec<u8> {
    let mut to = vec![0xFF, 0xD8];
    let components = 1..=picture.samples as u8;
    if process == 0xC0 {
        segment(0xDB, &[[0].as_slice(), &[1; 64]].concat(), &mut to);
    }
    let mut head = vec![precision];
    head.extend(picture.rows.to_be_bytes());
    head.extend(picture.columns.to_be_bytes());
    head.push(picture.samples as u8);
    head.extend(components.clone().flat_map(|number| [number, 0x11, 0]));
    segment(process, &head, &mut to);
    // Seventeen codes of five bits, in order: the categories.
    let mut codes = vec![0; 17];
    codes[5] = 17;
    codes.extend(0..17);
    if process == 0xC0 {
        // Twelve categories of differences; of what follows them, only the end of the block.
        codes = vec![0; 17];
        codes[5] = 12;
        codes.extend(0..12);
        let mut ends = vec![0; 17];
        (ends[0], ends[1]) = (0x10, 1);
        ends.push(0);
        segment(0xC4, &ends, &mut to);
    }
    segment(0xC4, &codes, &mut to);
    let mut scan_head = vec![picture.samples as u8];
    scan_head.extend(components.flat_map(|number| [number, 0]));
    scan_head.extend(match process {
        0xC3 => [1, 0, 0],
        _ => [0, 63, 0],
    });
    segment(0xDA, &scan_head, &mut to);
    to.extend(scan.end());
    to.extend([0xFF, 0xD9]);
    to
}

/// T.81 annex H with the first predictor: the sample to the left, above at the start of a row.
pub fn lossless(frame: &[u8], picture: &Picture) -> Vec<u8> {
    let bytes = usize::from(picture.bits / 8);
    let samples = usize::from(picture.samples);
    let columns = usize::from(picture.columns);
    let value = |row: usize, column: usize, sample: usize| {
        let at = ((row * columns + column) * samples + sample) * bytes;
        let word = &frame[at..at + bytes];
        i32::from(word[0]) | word.get(1).map_or(0, |high| i32::from(*high) << 8)
    };
    let mut scan = Bits::default();
    for row in 0..usize::from(picture.rows) {
        for column in 0..columns {
            for sample in 0..samples {
                let predicted = match (row, column) {
                    (0, 0) => 1 << (picture.bits - 1),
                    (_, 0) => value(row - 1, 0, sample),
                    _ => value(row, column - 1, sample),
                };
                // H.1.2.1: modulo 2 to the 16th.
                let difference = (value(row, column, sample) - predicted) as i16;
                scan.difference(difference.into());
            }
        }
    }
    jpeg(picture, 0xC3, picture.bits as u8, scan)
}

/// The baseline process, of blocks of one colour each: `colours` are those of the blocks, row by row.
pub fn baseline(picture: &Picture, colours: &[[u8; 3]]) -> Vec<u8> {
    let mut scan = Bits::default();
    let mut before = [0; 3];
    for colour in colours {
        for sample in 0..usize::from(picture.samples) {
            let level = 8 * (i32::from(colour[sample]) - 128);
            scan.difference(level - before[sample]);
            before[sample] = level;
            scan.put(0, 1);
        }
    }
    jpeg(picture, 0xC0, 8, scan)
}

fn frames(picture: &Picture) -> Vec<Vec<u8>> {
    let pixels = picture.pixels();
    let frame = pixels.len() / usize::from(picture.frames);
    pixels.chunks(frame).map(<[u8]>::to_vec).collect()
}

fn text(instance: &Instance, tag: Tag) -> String {
    instance.text(tag).unwrap_or_default()
}

/// The pixels of what was written, which is a whole file that says what it is.
fn unpacked(bytes: &[u8]) -> (Instance, Vec<u8>) {
    let instance = Instance::from_bytes(bytes.to_vec()).expect("a valid file");
    assert_eq!(instance.transfer_syntax(), "1.2.840.10008.1.2.1");
    assert!(instance.dataset.get(Tag(0x7FE0, 0x0001)).is_none());
    let last = instance.dataset.elements.last().expect("elements");
    assert_eq!(last.tag, Tag(0xFFFC, 0xFFFC));
    let element = instance.dataset.get(tags::PIXEL_DATA).expect("pixels");
    let pixels = instance.bytes(element).expect("native pixels").to_vec();
    (instance, pixels)
}

fn padded(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.resize(bytes.len().next_multiple_of(2), 0);
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn lossless_pictures_come_out_whole_and_black_where_they_should_be(
        picture in pictures(),
        corner in (0u32..20, 0u32..20, 1u32..25, 1u32..25),
    ) {
        let picture = Picture { planar: 0, encoding: Encoding::ExplicitLittle, ..picture };
        let (width, height) = (u32::from(picture.columns), u32::from(picture.rows));
        let (x, y) = (corner.0 % width, corner.1 % height);
        let regions = [region(x, y, x + corner.2, y + corner.3)];
        let expected = padded(picture.blackened(&regions));
        let frames = frames(&picture);
        // The decoder has no colours of more than 8 bits.
        let is_jpeg = picture.samples == 1 || picture.bits == 8;
        let packed = [
            Some((RLE, one_each(frames.iter().map(|frame| rle(frame, &picture))))),
            Some((WRAPPED, one_each(frames.iter().cloned()))),
            is_jpeg.then(|| (LOSSLESS, one_each(frames.iter().map(|frame| lossless(frame, &picture))))),
        ];
        for (syntax, fragments) in packed.into_iter().flatten() {
            for written in redacted(&compressed(&picture, syntax, fragments), &regions) {
                let (instance, pixels) = unpacked(&written);
                prop_assert!(pixels == expected, "{syntax}");
                prop_assert_eq!(text(&instance, tags::PHOTOMETRIC_INTERPRETATION), picture.photometric);
                prop_assert_eq!(text(&instance, tags::LOSSY_IMAGE_COMPRESSION), "");
            }
        }
    }

    #[test]
    fn damaged_frames_are_refused_or_fail_and_never_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..200), at in 0usize..400, flip in 1u8..,
    ) {
        let picture = Picture::grey(16, 16, 1, 8);
        let whole = lossless(&picture.pixels(), &picture);
        let mut cut = whole.clone();
        cut.truncate(at);
        let mut flipped = whole.clone();
        let place = at % whole.len();
        flipped[place] ^= flip;
        for (syntax, frame) in [(RLE, bytes.clone()), (BASELINE, bytes), (LOSSLESS, cut), (LOSSLESS, flipped)] {
            let file = compressed(&picture, syntax, vec![vec![], frame]);
            let mut instance = Instance::from_bytes(file).expect("a valid file");
            if instance.redact(region(0, 0, 4, 4)).is_ok()
                && let Err(error) = instance.to_bytes()
            {
                prop_assert_eq!(error.kind(), std::io::ErrorKind::InvalidData);
            }
        }
    }
}

fn colour(photometric: &'static str) -> Picture {
    Picture {
        samples: 3,
        planar: 0,
        photometric,
        ..Picture::grey(16, 16, 1, 8)
    }
}

/// Four blocks, of which the region covers the upper left one.
const BLOCKS: [[u8; 3]; 4] = [
    [200, 90, 240],
    [60, 140, 100],
    [30, 128, 128],
    [255, 128, 128],
];
const UPPER_LEFT: Region = Region {
    left: 0,
    top: 0,
    right: 8,
    bottom: 8,
};

fn block_of(pixel: usize) -> usize {
    let (x, y) = (pixel % 16, pixel / 16);
    y / 8 * 2 + x / 8
}

#[test]
fn lossy_colours_come_out_as_rgb_and_stay_lossy() {
    let picture = colour("YBR_FULL_422");
    let file = compressed(
        &picture,
        BASELINE,
        vec![vec![], baseline(&picture, &BLOCKS)],
    );
    for written in redacted(&file, &[UPPER_LEFT]) {
        let (instance, pixels) = unpacked(&written);
        assert_eq!(text(&instance, tags::PHOTOMETRIC_INTERPRETATION), "RGB");
        assert_eq!(text(&instance, tags::PLANAR_CONFIGURATION), "0");
        assert_eq!(text(&instance, tags::LOSSY_IMAGE_COMPRESSION), "01");
        let method = text(&instance, tags::LOSSY_IMAGE_COMPRESSION_METHOD);
        assert_eq!(method, "ISO_10918_1");
        for (at, rgb) in pixels.chunks(3).enumerate() {
            let [y, cb, cr] = BLOCKS[block_of(at)].map(f64::from);
            // PS3.3 C.7.6.3.1.2, turned round.
            let expected = match block_of(at) {
                0 => [0.0; 3],
                _ => [
                    y + 1.402 * (cr - 128.0),
                    y - 0.344_136 * (cb - 128.0) - 0.714_136 * (cr - 128.0),
                    y + 1.772 * (cb - 128.0),
                ],
            };
            for (found, expected) in rgb.iter().zip(expected) {
                assert!((f64::from(*found) - expected).abs() <= 1.5, "{at}: {rgb:?}");
            }
        }
    }
}

#[test]
fn lossy_pictures_that_are_rgb_or_grey_stay_so() {
    for picture in [colour("RGB"), Picture::grey(16, 16, 1, 8)] {
        let file = compressed(
            &picture,
            BASELINE,
            vec![vec![], baseline(&picture, &BLOCKS)],
        );
        for written in redacted(&file, &[UPPER_LEFT]) {
            let (instance, pixels) = unpacked(&written);
            let photometric = text(&instance, tags::PHOTOMETRIC_INTERPRETATION);
            assert_eq!(photometric, picture.photometric);
            let samples = usize::from(picture.samples);
            for (at, pixel) in pixels.chunks(samples).enumerate() {
                let expected = match block_of(at) {
                    0 => [0; 3],
                    block => BLOCKS[block],
                };
                assert_eq!(pixel, &expected[..samples], "{at}");
            }
        }
    }
}

#[test]
fn fragments_are_put_together_by_offsets_or_by_where_pictures_start() {
    let picture = Picture::grey(16, 16, 2, 8);
    let expected = picture.blackened(&[UPPER_LEFT]);
    let parts: Vec<Vec<u8>> = frames(&picture)
        .iter()
        .flat_map(|frame| {
            let bytes = lossless(frame, &picture);
            let (one, other) = bytes.split_at(bytes.len() / 4 * 2);
            [one.to_vec(), other.to_vec()]
        })
        .collect();
    let second = (parts[0].len() + parts[1].len().next_multiple_of(2) + 16) as u32;
    let table = [0u32.to_le_bytes(), second.to_le_bytes()].concat();
    for first in [vec![], table] {
        let fragments = std::iter::once(first).chain(parts.clone()).collect();
        for written in redacted(&compressed(&picture, LOSSLESS, fragments), &[UPPER_LEFT]) {
            assert_eq!(unpacked(&written).1, expected);
        }
    }
}

/// A frame that the header does not count would be lost, or not be looked at.
#[test]
fn more_frames_than_the_header_counts_are_refused() {
    let grey = Picture::grey(16, 16, 1, 8);
    let pixels = grey.pixels();
    let (jpeg, packed) = (lossless(&pixels, &grey), rle(&pixels, &grey));
    for (syntax, frame, why) in [
        (LOSSLESS, &jpeg, "2 frames, where NumberOfFrames says 1"),
        (RLE, &packed, "2 frames, where NumberOfFrames says 1"),
        (WRAPPED, &pixels, "frame 1: 512 bytes where it takes 256"),
    ] {
        let bytes = compressed(&grey, syntax, vec![vec![], frame.clone(), frame.clone()]);
        let mut instance = Instance::from_bytes(bytes.clone()).expect("a valid file");
        let problem = instance.redact(UPPER_LEFT).expect_err(why);
        assert!(matches!(problem, EditProblem::Pixels { .. }), "{problem}");
        assert!(problem.to_string().contains(why), "{problem}");
        assert_eq!(instance.to_bytes().expect("bytes"), bytes);
    }
}

#[test]
fn what_cannot_be_unpacked_is_refused_and_left_as_it_was() {
    let grey = Picture::grey(16, 16, 1, 8);
    let whole = lossless(&grey.pixels(), &grey);
    let of = |syntax: &str, picture: &Picture, frame: &[u8]| {
        compressed(picture, syntax, vec![vec![], frame.to_vec()])
    };
    let two = Picture {
        frames: 2,
        ..grey.clone()
    };
    let odd = Picture {
        rows: 15,
        ..grey.clone()
    };
    let mut arithmetic = whole.clone();
    let at = arithmetic.windows(2).position(|w| w == [0xFF, 0xC3]);
    arithmetic[at.expect("a frame header") + 1] = 0xCB;
    for (bytes, why) in [
        (
            of("1.2.840.10008.1.2.4.90", &grey, &[1; 8]),
            "4.90: there is no decoder for it",
        ),
        (
            of("1.2.840.10008.1.2.4.80", &grey, &[1; 8]),
            "4.80: there is no decoder for it",
        ),
        (
            of("1.2.840.10008.1.2.4.102", &grey, &[1; 8]),
            "4.102: there is no decoder for it",
        ),
        (
            of(BASELINE, &grey, &[1; 8]),
            "frame 1: it holds no JPEG picture",
        ),
        (
            of(LOSSLESS, &grey, &arithmetic),
            "frame 1: it holds no JPEG picture",
        ),
        (
            of(LOSSLESS, &odd, &whole),
            "a JPEG picture of 16 x 16 in 1 components, not of 16 x 15 in 1",
        ),
        (of(LOSSLESS, &two, &whole), "1 fragments are not 2 frames"),
        (of(RLE, &grey, &[0; 64]), "frame 1: 0 segments of 1"),
        (of(RLE, &grey, &[1; 8]), "frame 1: it has no RLE header"),
        (of(WRAPPED, &grey, &[1; 8]), "frame 1: it is too short"),
    ] {
        let mut instance = Instance::from_bytes(bytes.clone()).expect("a valid file");
        let problem = instance.redact(UPPER_LEFT).expect_err(why);
        assert!(matches!(problem, EditProblem::Pixels { .. }), "{problem}");
        assert!(problem.to_string().contains(why), "{problem}");
        assert_eq!(instance.to_bytes().expect("bytes"), bytes);
    }
}

#[test]
fn a_frame_that_breaks_off_is_not_written() {
    let grey = Picture::grey(16, 16, 1, 8);
    let mut frame = rle(&grey.pixels(), &grey);
    frame.truncate(100);
    let file = compressed(&grey, RLE, vec![vec![], frame]);
    let mut instance = Instance::from_bytes(file).expect("a valid file");
    instance.redact(UPPER_LEFT).expect("its head is right");
    let error = instance.to_bytes().expect_err("too short");
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidData);
}
