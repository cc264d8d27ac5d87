//! Regions made black: every byte of the picture against a reading of it pixel by pixel, and what is refused.

use super::encoder;
use super::encoder::{Dataset, Node, dataset, encode, file, leaf, sequence, transfer_syntax};
use super::unpack::{RLE, compressed_dataset, rle};
use crate::dicom::edit::EditProblem;
use crate::dicom::{Encoding, Instance, Region, Tag, VR, tags, tree};
use proptest::prelude::*;
use std::io::Write as _;

#[derive(Debug, Clone)]
pub struct Picture {
    pub rows: u16,
    pub columns: u16,
    pub frames: u16,
    pub bits: u16,
    pub samples: u16,
    pub planar: u16,
    pub photometric: &'static str,
    pub encoding: Encoding,
}

impl Picture {
    pub fn grey(rows: u16, columns: u16, frames: u16, bits: u16) -> Self {
        Self {
            rows,
            columns,
            frames,
            bits,
            samples: 1,
            planar: 0,
            photometric: "MONOCHROME2",
            encoding: Encoding::ExplicitLittle,
        }
    }

    pub fn pixels(&self) -> Vec<u8> {
        let sides = usize::from(self.rows) * usize::from(self.columns);
        let length = sides * usize::from(self.frames * self.samples * self.bits / 8);
        // None is black before.
        (0..length).map(|at| 1 + (at % 251) as u8).collect()
    }

    pub fn dataset(&self, pixels: &[u8]) -> Dataset {
        let word = |number: u16| match self.encoding {
            Encoding::ExplicitBig => number.to_be_bytes(),
            _ => number.to_le_bytes(),
        };
        let text = |text: &str| {
            let mut bytes = text.as_bytes().to_vec();
            bytes.resize(bytes.len().next_multiple_of(2), b' ');
            bytes
        };
        let mut pixels = pixels.to_vec();
        pixels.resize(pixels.len().next_multiple_of(2), 0);
        dataset(vec![
            leaf(tags::SAMPLES_PER_PIXEL, VR::US, &word(self.samples)),
            leaf(
                tags::PHOTOMETRIC_INTERPRETATION,
                VR::CS,
                &text(self.photometric),
            ),
            leaf(tags::PLANAR_CONFIGURATION, VR::US, &word(self.planar)),
            leaf(
                tags::NUMBER_OF_FRAMES,
                VR::IS,
                &text(&self.frames.to_string()),
            ),
            leaf(tags::ROWS, VR::US, &word(self.rows)),
            leaf(tags::COLUMNS, VR::US, &word(self.columns)),
            leaf(tags::BITS_ALLOCATED, VR::US, &word(self.bits)),
            leaf(tags::PIXEL_DATA, VR::OB, &pixels),
            leaf(Tag(0xFFFC, 0xFFFC), VR::OB, &[0; 10]),
        ])
    }

    fn whole(&self, pixels: &[u8]) -> Vec<u8> {
        let bytes = encode(&self.dataset(pixels), self.encoding);
        file(transfer_syntax(self.encoding), &bytes)
    }

    /// The picture as it should be, each sample by itself.
    pub fn blackened(&self, regions: &[Region]) -> Vec<u8> {
        let mut pixels = self.pixels();
        let (rows, columns) = (u32::from(self.rows), u32::from(self.columns));
        let (samples, bytes) = (u32::from(self.samples), u32::from(self.bits / 8));
        for (at, byte) in pixels.iter_mut().enumerate() {
            let sample = at as u32 / bytes;
            let pixel = match self.planar {
                1 => sample % (rows * columns),
                _ => sample / samples % (rows * columns),
            };
            let (x, y) = (pixel % columns, pixel / columns);
            let is_in =
                |r: &Region| (r.left..r.right).contains(&x) && (r.top..r.bottom).contains(&y);
            if regions.iter().any(is_in) {
                let number = match self.planar {
                    1 => sample / (rows * columns) % samples,
                    _ => sample % samples,
                };
                let is_chrominance = self.photometric == "YBR_FULL" && number > 0;
                *byte = if is_chrominance { 128 } else { 0 };
            }
        }
        pixels
    }
}

/// From memory, and from a file to a file.
pub fn redacted(bytes: &[u8], regions: &[Region]) -> [Vec<u8>; 2] {
    let mut from = tempfile::tempfile().expect("a file");
    from.write_all(bytes).expect("written");
    let mut to = tempfile::NamedTempFile::new().expect("a file");
    let mut on_disk = Instance::read(from).expect("a valid file");
    let mut in_memory = Instance::from_bytes(bytes.to_vec()).expect("a valid file");
    for region in regions {
        on_disk.redact(*region).expect("redacted");
        in_memory.redact(*region).expect("redacted");
    }
    let told = on_disk.write(to.as_file_mut()).expect("written");
    let written = std::fs::read(to.path()).expect("read");
    assert_eq!(written.len() as u64, told.size);
    let read = Instance::from_bytes(written.clone()).expect("a valid file");
    let digest = read.digest_as_read().expect("digest");
    assert_eq!(hex::encode(told.digest), hex::encode(digest));
    [written, in_memory.to_bytes().expect("bytes")]
}

pub fn region(left: u32, top: u32, right: u32, bottom: u32) -> Region {
    Region {
        left,
        top,
        right,
        bottom,
    }
}

pub fn pictures() -> impl Strategy<Value = Picture> {
    let kind = prop_oneof![
        Just((1, 0, "MONOCHROME1")),
        Just((1, 1, "MONOCHROME2")),
        Just((1, 0, "PALETTE COLOR")),
        Just((3, 0, "RGB")),
        Just((3, 1, "RGB")),
        Just((3, 0, "YBR_FULL")),
        Just((3, 1, "YBR_FULL")),
    ];
    let encoding = prop_oneof![
        Just(Encoding::ImplicitLittle),
        Just(Encoding::ExplicitLittle),
        Just(Encoding::ExplicitBig),
    ];
    let bits = prop_oneof![Just(8u16), Just(16)];
    (1u16..20, 1u16..20, 1u16..4, bits, kind, encoding).prop_map(
        |(rows, columns, frames, bits, (samples, planar, photometric), encoding)| {
            let bits = if photometric == "YBR_FULL" { 8 } else { bits };
            Picture {
                rows,
                columns,
                frames,
                bits,
                samples,
                // One sample has one plane, whatever is said.
                planar: if samples == 1 { 0 } else { planar },
                photometric,
                // In implicit VR, and for 8 bits in the big byte order, these would be words.
                encoding: if bits == 8 && encoding == Encoding::ExplicitBig {
                    Encoding::ExplicitLittle
                } else {
                    encoding
                },
            }
        },
    )
}

proptest! {
    #[test]
    fn regions_are_black_and_nothing_else_is(
        picture in pictures(),
        corners in prop::collection::vec((0u32..20, 0u32..20, 1u32..25, 1u32..25), 1..4),
    ) {
        let (width, height) = (u32::from(picture.columns), u32::from(picture.rows));
        let regions: Vec<Region> = corners
            .into_iter()
            .map(|(x, y, w, h)| (x % width, y % height, w, h))
            .map(|(x, y, w, h)| region(x, y, x + w, y + h))
            .collect();
        let expected = picture.whole(&picture.blackened(&regions));
        for written in redacted(&picture.whole(&picture.pixels()), &regions) {
            prop_assert!(written == expected);
        }
    }
}

#[test]
fn a_picture_larger_than_the_buffer_is_black_where_it_should_be() {
    for (rows, columns, frames) in [(700, 701, 2), (3, 60_000, 2), (1000, 7, 40)] {
        let picture = Picture::grey(rows, columns, frames, 16);
        let regions = [region(1, 1, 5, u32::from(rows)), region(0, 2, 6, 3)];
        let expected = picture.whole(&picture.blackened(&regions));
        for written in redacted(&picture.whole(&picture.pixels()), &regions) {
            assert!(written == expected, "{rows} x {columns}");
        }
    }
}

#[test]
fn a_deflated_file_is_redacted_too() {
    let picture = Picture::grey(8, 8, 1, 8);
    let deflated = |bytes: &[u8]| {
        let dataset = encode(&picture.dataset(bytes), picture.encoding);
        file("1.2.840.10008.1.2.1.99", &super::write::deflate(&dataset))
    };
    let regions = [region(2, 2, 4, 4)];
    for written in redacted(&deflated(&picture.pixels()), &regions) {
        let again = Instance::from_bytes(written).expect("a valid file again");
        let pixels = again
            .dataset
            .get(tags::PIXEL_DATA)
            .and_then(|e| again.bytes(e));
        assert_eq!(pixels, Some(picture.blackened(&regions).as_slice()));
    }
}

#[test]
fn pixels_that_share_their_chrominances_are_black_in_pairs() {
    let picture = Picture {
        samples: 3,
        photometric: "YBR_FULL_422",
        ..Picture::grey(6, 8, 2, 8)
    };
    // Two bytes for a pixel, however many samples are said to be there.
    let mut pixels = picture.pixels();
    pixels.truncate(2 * 6 * 8 * 2);
    let mut expected = pixels.clone();
    for (at, byte) in expected.iter_mut().enumerate() {
        let (pair, row) = (at / 4 % 4, at / 16 % 6);
        if (1..3).contains(&row) && (1..3).contains(&pair) {
            *byte = if at % 4 > 1 { 128 } else { 0 };
        }
    }
    let expected = picture.whole(&expected);
    for written in redacted(&picture.whole(&pixels), &[region(3, 1, 5, 3)]) {
        assert!(written == expected);
    }
}

/// They show the same picture (PS3.3 C.7.6.1.1.6), as do those of the pictures that it is made of.
#[test]
fn icons_are_removed_with_what_they_show() {
    let picture = Picture::grey(4, 4, 1, 8);
    let regions = [region(0, 0, 2, 2), region(2, 2, 3, 3)];
    let icon = sequence(
        tags::ICON_IMAGE_SEQUENCE,
        vec![vec![leaf(tags::PIXEL_DATA, VR::OB, &[7; 4])]],
    );
    let uid = leaf(tags::REFERENCED_SOP_INSTANCE_UID, VR::UI, b"1.2\0");
    let of = |icons: &[Node], pixels: &[u8]| {
        let mut model = picture.dataset(pixels);
        let item = [std::slice::from_ref(&uid), icons].concat();
        let at = model
            .nodes
            .iter()
            .position(|node| node.tag == tags::PIXEL_DATA);
        let at = at.expect("the pixels");
        model.nodes.splice(at..at, icons.iter().cloned());
        let source = sequence(tags::SOURCE_IMAGE_SEQUENCE, vec![item]);
        model.nodes.insert(0, source);
        file(
            transfer_syntax(picture.encoding),
            &encode(&model, picture.encoding),
        )
    };
    let before = of(&[icon], &picture.pixels());
    for written in redacted(&before, &regions) {
        assert!(written == of(&[], &picture.blackened(&regions)));
    }
    let mut instance = Instance::from_bytes(before).expect("a valid file");
    let told = instance.redact(regions[0]).expect("redacted");
    assert_eq!(
        told,
        [
            "SourceImageSequence[0]/IconImageSequence",
            "IconImageSequence"
        ]
    );
    assert!(instance.redact(regions[1]).expect("redacted").is_empty());
}

/// PS3.5 A.4: the transfer syntax is that of the pixels at every depth.
#[test]
fn pictures_are_not_unpacked_beside_others_that_stay_compressed() {
    let picture = Picture::grey(4, 4, 1, 8);
    let fragments = vec![vec![], rle(&picture.pixels(), &picture)];
    let mut model = compressed_dataset(&picture, fragments.clone());
    let pixels = Node {
        tag: tags::PIXEL_DATA,
        vr: VR::OB,
        value: encoder::Value::Fragments(fragments),
    };
    let whole = |model: &Dataset| file(RLE, &encode(model, picture.encoding));
    let regions = [region(0, 0, 2, 2)];
    let icon = sequence(tags::ICON_IMAGE_SEQUENCE, vec![vec![pixels.clone()]]);
    model
        .nodes
        .insert(0, sequence(tags::SOURCE_IMAGE_SEQUENCE, vec![vec![icon]]));
    for written in redacted(&whole(&model), &regions) {
        let read = Instance::from_bytes(written).expect("a valid file");
        assert_eq!(read.transfer_syntax(), "1.2.840.10008.1.2.1");
        read.walk(&mut |_, element, _| {
            assert!(!matches!(element.value, tree::Value::Fragments(_)));
            true
        });
    }
    let other = sequence(tags::SOURCE_IMAGE_SEQUENCE, vec![vec![pixels]]);
    model.nodes[0] = other;
    let mut instance = Instance::from_bytes(whole(&model)).expect("a valid file");
    let problem = instance.redact(regions[0]).expect_err("refused");
    assert!(matches!(problem, EditProblem::Pixels { .. }), "{problem}");
    assert_eq!(instance.to_bytes().expect("bytes"), whole(&model));
}

#[test]
fn what_cannot_be_redacted_is_refused_and_left_as_it_was() {
    let refused = |bytes: Vec<u8>, region: Region| {
        let mut instance = Instance::from_bytes(bytes.clone()).expect("a valid file");
        let problem = instance.redact(region).expect_err("refused").to_string();
        assert_eq!(instance.to_bytes().expect("bytes"), bytes);
        problem
    };
    let grey = Picture::grey(4, 4, 1, 8);
    let all = region(0, 0, 4, 4);
    let whole = |picture: &Picture| picture.whole(&grey.pixels());
    let with = |change: fn(&mut Picture)| {
        let mut picture = grey.clone();
        change(&mut picture);
        whole(&picture)
    };
    for (bytes, region, why) in [
        (
            whole(&grey),
            region(2, 0, 2, 4),
            "holds no pixel of the 4 x 4 picture",
        ),
        (whole(&grey), region(4, 0, 9, 4), "holds no pixel"),
        (
            with(|p| p.frames = 2),
            all,
            "16 bytes of pixels are not 2 frames of 4 x 4, which take 32",
        ),
        // A second frame, which the header does not count, with all that is written in it.
        (
            grey.whole(&Picture::grey(4, 4, 2, 8).pixels()),
            all,
            "32 bytes of pixels are not 1 frames of 4 x 4, which take 16",
        ),
        (
            Picture::grey(3, 3, 1, 8).whole(&[1; 12]),
            region(0, 0, 3, 3),
            "12 bytes of pixels are not 1 frames of 3 x 3, which take 9",
        ),
        (with(|p| p.rows = 0), all, "are not 1 frames of 4 x 0"),
        (with(|p| p.bits = 1), all, "pixels of 1 bits"),
        (
            with(|p| p.samples = 3),
            all,
            "can't redact MONOCHROME2 pixels of 3 samples",
        ),
        (
            with(|p| p.photometric = "YBR_FULL_422"),
            all,
            "can't redact YBR_FULL_422",
        ),
        (
            file(
                "1.2.840.10008.1.2.1",
                &encode(
                    &dataset(vec![leaf(tags::ROWS, VR::US, &[4, 0])]),
                    Encoding::ExplicitLittle,
                ),
            ),
            all,
            "there is none here",
        ),
    ] {
        let problem = refused(bytes, region);
        assert!(problem.contains(why), "{problem}");
    }
}
