//! Small pictures of frames: what they show, from pixels of every kind, and what is not shown.

use super::encoder::{dataset, encode, file, leaf, transfer_syntax};
use super::redact::Picture;
use super::unpack::{LOSSLESS, RLE, WRAPPED, compressed, lossless, one_each, rle};
use crate::dicom::{Encoding, Instance, PictureError, Tag, VR, tags};
use proptest::prelude::*;

const JPEG2000: &str = "1.2.840.10008.1.2.4.90";
const JPEG_LS: &str = "1.2.840.10008.1.2.4.80";

/// 16 x 16 samples of 16 bits, (16 x + y) * 16 each, by OpenJPEG.
const GRADIENT: &str = "ff4fff5100290000000000100000001000000000000000000000001000000010000000000000000000010f0101\
    ff52000c00000001000104040001ff5c00074080888890ff640025000143726561746564206279204f70656e4a50454720766572\
    73696f6e20322e352e34ff90000a0000000000760001ff93dff89290122b67168f8fa182181637b80060063c4a5fd826bab832b7\
    56d2eb48dde6f9ee6baf9be6fb96402034a6fac66ca2b97409a94ad29399a684e54fa5440000100bec4364615781a859c90de09c\
    e7243782767fc01f982c001f385036a199d37f3da634607fffd9";

fn gradient() -> Vec<u8> {
    let digits: String = GRADIENT.split_whitespace().collect();
    hex::decode(digits).expect("hex")
}

fn gradient_picture() -> Picture {
    Picture::grey(16, 16, 1, 16)
}

fn gradient_pixels() -> Vec<u8> {
    let pixel = |at: u16| ((at % 16 * 16 + at / 16) * 16).to_le_bytes();
    (0..256).flat_map(pixel).collect()
}

/// With elements before the pixels.
fn native(picture: &Picture, pixels: &[u8], more: &[(Tag, VR, &str)]) -> Vec<u8> {
    let mut whole = picture.dataset(pixels);
    let at = whole.nodes.iter().position(|n| n.tag == tags::PIXEL_DATA);
    let more = more.iter().map(|(tag, vr, text)| {
        let mut bytes = text.as_bytes().to_vec();
        bytes.resize(bytes.len().next_multiple_of(2), b' ');
        leaf(*tag, *vr, &bytes)
    });
    let at = at.expect("pixels");
    whole.nodes.splice(at..at, more);
    let bytes = encode(&whole, picture.encoding);
    file(transfer_syntax(picture.encoding), &bytes)
}

/// A window that leaves values of 8 bits as they are.
const AS_THEY_ARE: [(Tag, VR, &str); 2] = [
    (tags::WINDOW_CENTER, VR::DS, "128\\40"),
    (tags::WINDOW_WIDTH, VR::DS, "256\\400"),
];

fn drawn(bytes: Vec<u8>, side: u32) -> Result<crate::dicom::Picture, PictureError> {
    let instance = Instance::from_bytes(bytes).expect("a valid file");
    instance.picture(None, side)
}

fn why(bytes: Vec<u8>) -> String {
    drawn(bytes, 64).expect_err("no picture").to_string()
}

#[test]
fn grey_is_what_the_window_makes_of_it() {
    let picture = Picture::grey(3, 5, 1, 8);
    let pixels = picture.pixels();
    let told = drawn(native(&picture, &pixels, &AS_THEY_ARE), 64).expect("a picture");
    assert_eq!((told.width, told.height, told.is_grey), (5, 3, true));
    assert_eq!(told.pixels, pixels);
    let inverted = Picture {
        photometric: "MONOCHROME1",
        ..picture.clone()
    };
    let told = drawn(native(&inverted, &pixels, &AS_THEY_ARE), 64).expect("a picture");
    let expected: Vec<u8> = pixels.iter().map(|value| 255 - value).collect();
    assert_eq!(told.pixels, expected);
    // Without a window, from the least to the most; rescaled, values of both signs.
    let rescaled = [
        (tags::RESCALE_INTERCEPT, VR::DS, "-1024"),
        (tags::RESCALE_SLOPE, VR::DS, "2"),
    ];
    let told = drawn(native(&picture, &pixels, &rescaled), 64).expect("a picture");
    assert_eq!((told.pixels[0], told.pixels[14]), (0, 255));
    assert!(told.pixels.is_sorted());
    let signed = gradient_picture();
    let words: Vec<u8> = [-3i16, -2, -1, 0]
        .iter()
        .flat_map(|word| word.to_le_bytes())
        .collect();
    let signed = Picture {
        rows: 2,
        columns: 2,
        ..signed
    };
    let is_signed = (tags::PIXEL_REPRESENTATION, VR::US, "\u{1}\0");
    let told = drawn(native(&signed, &words, &[is_signed]), 64).expect("a picture");
    assert_eq!(told.pixels, [0, 85, 170, 255]);
}

#[test]
fn large_pictures_become_small_and_keep_their_proportions() {
    let picture = Picture::grey(100, 200, 1, 8);
    let pixels: Vec<u8> = (0..20_000).map(|at| (at % 200) as u8).collect();
    let told = drawn(native(&picture, &pixels, &AS_THEY_ARE), 50).expect("a picture");
    assert_eq!((told.width, told.height), (50, 25));
    let row: Vec<u8> = (0..50).map(|x| 4 * x + 2).collect();
    assert_eq!(&told.pixels[..50], row);
    assert_eq!(&told.pixels[24 * 50..], row);
}

#[test]
fn the_frame_in_the_middle_is_shown_or_the_one_asked_for() {
    let picture = Picture::grey(2, 2, 3, 8);
    let pixels: Vec<u8> = (0..12).collect();
    let whole = native(&picture, &pixels, &AS_THEY_ARE);
    assert_eq!(drawn(whole.clone(), 64).expect("one").pixels, [4, 5, 6, 7]);
    let frames = pixels.chunks(4).map(|frame| rle(frame, &picture));
    let packed = compressed(&picture, RLE, one_each(frames));
    assert_eq!(drawn(packed, 64).expect("one").pixels, [0, 85, 170, 255]);
    let instance = Instance::from_bytes(whole).expect("a valid file");
    let last = instance.picture(Some(2), 64).expect("one");
    assert_eq!(last.pixels, [8, 9, 10, 11]);
    assert!(instance.picture(Some(3), 64).is_err());
}

#[test]
fn compressed_pixels_show_what_native_ones_do() {
    let picture = gradient_picture();
    let pixels = gradient_pixels();
    let expected = drawn(native(&picture, &pixels, &[]), 64).expect("a picture");
    let packed = [
        (RLE, rle(&pixels, &picture)),
        (LOSSLESS, lossless(&pixels, &picture)),
        (WRAPPED, pixels),
        (JPEG2000, gradient()),
    ];
    for (syntax, frame) in packed {
        let whole = compressed(&picture, syntax, one_each([frame].into_iter()));
        assert_eq!(drawn(whole, 64).as_ref(), Ok(&expected), "{syntax}");
    }
}

#[test]
fn colours_come_out_of_every_layout() {
    let rgb = Picture {
        samples: 3,
        photometric: "RGB",
        ..Picture::grey(1, 2, 1, 8)
    };
    let told = drawn(native(&rgb, &[1, 2, 3, 4, 5, 6], &[]), 64).expect("one");
    assert_eq!((told.is_grey, told.pixels), (false, vec![1, 2, 3, 4, 5, 6]));
    let planar = Picture {
        planar: 1,
        ..rgb.clone()
    };
    let told = drawn(native(&planar, &[1, 4, 2, 5, 3, 6], &[]), 64).expect("one");
    assert_eq!(told.pixels, [1, 2, 3, 4, 5, 6]);
    let ybr = Picture {
        photometric: "YBR_FULL",
        ..rgb.clone()
    };
    // Grey, and red.
    let told = drawn(native(&ybr, &[50, 128, 128, 76, 85, 255], &[]), 64).expect("one");
    assert_eq!(told.pixels, [50, 50, 50, 254, 0, 0]);
    let pairs = Picture {
        photometric: "YBR_FULL_422",
        ..rgb
    };
    let told = drawn(native(&pairs, &[50, 60, 128, 128], &[]), 64).expect("one");
    assert_eq!(told.pixels, [50, 50, 50, 60, 60, 60]);
}

#[test]
fn a_palette_gives_its_colours() {
    let picture = Picture {
        photometric: "PALETTE COLOR",
        ..Picture::grey(1, 3, 1, 8)
    };
    let mut whole = picture.dataset(&[9, 10, 99]);
    let at = whole.nodes.iter().position(|n| n.tag == tags::PIXEL_DATA);
    let descriptor: Vec<u8> = [2u16, 9, 16].iter().flat_map(|n| n.to_le_bytes()).collect();
    let mut more = Vec::new();
    for number in 0..3u16 {
        more.push(leaf(Tag(0x0028, 0x1101 + number), VR::US, &descriptor));
    }
    for number in 0..3u16 {
        let words = [0x1000 + 0x0100 * number, 0xF000 + 0x0100 * number];
        let data: Vec<u8> = words.iter().flat_map(|n| n.to_le_bytes()).collect();
        more.push(leaf(Tag(0x0028, 0x1201 + number), VR::OW, &data));
    }
    let at = at.expect("pixels");
    whole.nodes.splice(at..at, more);
    let syntax = transfer_syntax(Encoding::ExplicitLittle);
    let told = drawn(file(syntax, &encode(&whole, Encoding::ExplicitLittle)), 64);
    let expected = [0x10, 0x11, 0x12, 0xF0, 0xF1, 0xF2, 0xF0, 0xF1, 0xF2];
    assert_eq!(told.expect("one").pixels, expected);
}

#[test]
fn what_is_not_shown_says_why() {
    let picture = Picture::grey(4, 4, 1, 8);
    let none = dataset(vec![leaf(tags::ROWS, VR::US, &[4, 0])]);
    let none = encode(&none, Encoding::ExplicitLittle);
    let syntax = transfer_syntax(Encoding::ExplicitLittle);
    assert_eq!(drawn(file(syntax, &none), 64), Err(PictureError::NoPixels));
    let packed = |syntax: &str, picture: &Picture, frame: Vec<u8>| {
        compressed(picture, syntax, one_each([frame].into_iter()))
    };
    assert!(why(packed(JPEG_LS, &picture, vec![0; 20])).contains("no decoder"));
    assert!(why(native(&picture, &[0; 8], &[])).contains("fewer"));
    let huge = Picture::grey(60_000, 60_000, 1, 16);
    assert!(why(packed(RLE, &huge, vec![0; 64])).contains("60000 x 60000"));
    let other = Picture::grey(16, 15, 1, 16);
    assert!(why(packed(JPEG2000, &other, gradient())).contains("16 x 16"));
    // As many tiles as there are pixels; blocks and precincts of a few pixels.
    let picture = Picture::grey(2048, 2048, 1, 16);
    let mut tiles = gradient();
    tiles[8..16].copy_from_slice(&[0, 0, 8, 0, 0, 0, 8, 0]);
    tiles[24..32].copy_from_slice(&[0, 0, 0, 1, 0, 0, 0, 1]);
    assert!(why(packed(JPEG2000, &picture, tiles)).contains("tiles"));
    let mut blocks = gradient();
    blocks[55..57].copy_from_slice(&[0, 0]);
    let picture = gradient_picture();
    assert!(why(packed(JPEG2000, &picture, blocks)).contains("too small parts"));
    let mut precincts = gradient();
    precincts[47..49].copy_from_slice(&14u16.to_be_bytes());
    precincts[49] = 1;
    precincts.splice(59..59, [0, 0]);
    assert!(why(packed(JPEG2000, &picture, precincts)).contains("too small parts"));
}

proptest! {
    /// What is damaged is shown wrongly, or not at all.
    #[test]
    fn damaged_pictures_break_nothing(
        syntax in 0usize..3,
        cut in 0usize..230,
        damage in prop::collection::vec((0usize..230, any::<u8>()), 0..4),
    ) {
        let (picture, pixels) = (gradient_picture(), gradient_pixels());
        let (syntax, mut frame) = vec![
            (JPEG2000, gradient()),
            (RLE, rle(&pixels, &picture)),
            (LOSSLESS, lossless(&pixels, &picture)),
        ].swap_remove(syntax);
        for (at, byte) in damage {
            let at = at % frame.len();
            frame[at] = byte;
        }
        if cut > 100 {
            frame.truncate(cut);
        }
        let whole = compressed(&picture, syntax, one_each([frame].into_iter()));
        if let Ok(told) = drawn(whole, 64) {
            prop_assert_eq!(told.pixels.len(), 256);
        }
    }
}
