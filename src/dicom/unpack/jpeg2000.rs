//! JPEG 2000 (ITU-T T.800), to be looked at: decoded no finer than a picture of some size needs.
//!
//! The decoder has no unsafe code, but trusts a picture to be divided sensibly: one in a million parts of a pixel
//! each would take gigabytes. So its markers are looked at first.

use super::Shape;
use hayro_jpeg2000::{DecodeSettings, DecoderContext, Image};
use std::panic::{AssertUnwindSafe, catch_unwind};

const START: u16 = 0xFF4F;
const SIZE: u16 = 0xFF51;
const CODING_STYLE: u16 = 0xFF52;
const CODING_STYLE_OF_COMPONENT: u16 = 0xFF53;
const TILE_PART: u16 = 0xFF90;
const DATA: u16 = 0xFF93;
const END: u16 = 0xFFD9;

const MOST_TILES: u64 = 4096;

/// Exponents of two. Encoders make code blocks of 10 to 12, and precincts of 14 and more.
const SMALLEST_BLOCK: u8 = 8;
const SMALLEST_PRECINCT: u8 = 5;

/// A picture, perhaps smaller than the header says: its samples, pixel after pixel.
#[derive(Debug)]
pub struct Reduced {
    pub columns: u64,
    pub rows: u64,
    pub values: Vec<i64>,
}

/// What samples may be.
struct Range {
    least: i64,
    most: i64,
    /// By the decoder, to those that have a sign as to the others.
    added: i64,
}

/// The picture, as small as it comes without being smaller than `side` pixels.
pub fn unpack(picture: &[u8], shape: Shape, side: u32) -> Result<Reduced, String> {
    let range = check(picture, shape)?;
    let settings = DecodeSettings {
        resolve_palette_indices: false,
        strict: false,
        target_resolution: Some((side, side)),
    };
    // What a damaged picture makes it do must not end more than this.
    let decoded = catch_unwind(AssertUnwindSafe(|| {
        let image = Image::new(picture, &settings).map_err(|error| error.to_string())?;
        let mut context = DecoderContext::default();
        let decoded = image
            .decode(&mut context)
            .map_err(|error| error.to_string())?;
        let (columns, rows) = (u64::from(image.width()), u64::from(image.height()));
        let components = decoded.components();
        let pixels = (columns * rows) as usize;
        let is_whole = components.iter().all(|one| one.samples().len() == pixels);
        if components.len() as u64 != shape.samples || !is_whole || pixels == 0 {
            return Err("it came out in another shape".to_owned());
        }
        let mut values = Vec::with_capacity(pixels * components.len());
        for pixel in 0..pixels {
            for component in components {
                let value = component.samples()[pixel].round() as i64 - range.added;
                values.push(value.clamp(range.least, range.most));
            }
        }
        Ok(Reduced {
            columns,
            rows,
            values,
        })
    }));
    decoded.map_err(|_| "the decoder broke".to_owned())?
}

/// Whether the picture is what the dataset says, and divided sensibly. Answers what its samples may be.
fn check(picture: &[u8], shape: Shape) -> Result<Range, String> {
    let damaged = || "it holds no JPEG 2000 picture that is whole".to_owned();
    let at = Markers(picture);
    if at.word(0) != Some(START) || at.word(2) != Some(SIZE) {
        return Err(damaged());
    }
    // A.5.1: the reference grid, where the picture and the tiles begin on it, the components.
    let number = |place: usize| at.long(8 + 4 * place).map(u64::from).ok_or_else(damaged);
    let (width, height, left, top) = (number(0)?, number(1)?, number(2)?, number(3)?);
    let (tile_width, tile_height) = (number(4)?, number(5)?);
    let components = u64::from(at.word(40).ok_or_else(damaged)?);
    let size = (width.saturating_sub(left), height.saturating_sub(top));
    if (size.0, size.1, components) != (shape.columns, shape.rows, shape.samples) {
        return Err(format!(
            "it is a JPEG 2000 picture of {} x {} in {components} components, not of {} x {} in {}",
            size.0, size.1, shape.columns, shape.rows, shape.samples
        ));
    }
    if tile_width == 0 || tile_height == 0 {
        return Err(damaged());
    }
    let tiles = width.div_ceil(tile_width) * height.div_ceil(tile_height);
    if tiles > MOST_TILES {
        return Err(format!("it is a JPEG 2000 picture of {tiles} tiles"));
    }
    let first = *picture.get(42).ok_or_else(damaged)?;
    for component in 0..components as usize {
        let of_it = picture.get(42 + 3 * component..45 + 3 * component);
        if of_it != Some(&[first, 1, 1]) {
            return Err("its components differ, or are not sampled for each pixel".into());
        }
    }
    let bits = u32::from(first & 0x7F) + 1;
    if bits > 16 {
        return Err(format!("it is a JPEG 2000 picture of {bits} bits"));
    }
    match at.are_sensible() {
        Some(true) => {}
        Some(false) => return Err("it is divided into too small parts".into()),
        None => return Err(damaged()),
    }
    Ok(match first & 0x80 {
        0 => Range {
            least: 0,
            most: (1 << bits) - 1,
            added: 0,
        },
        _ => Range {
            least: -1 << (bits - 1),
            most: (1 << (bits - 1)) - 1,
            added: 1 << (bits - 1),
        },
    })
}

/// Marker segments by their offsets.
struct Markers<'a>(&'a [u8]);

impl Markers<'_> {
    fn word(&self, at: usize) -> Option<u16> {
        let bytes = self.0.get(at..at.checked_add(2)?)?.try_into().ok()?;
        Some(u16::from_be_bytes(bytes))
    }

    fn long(&self, at: usize) -> Option<u32> {
        let bytes = self.0.get(at..at.checked_add(4)?)?.try_into().ok()?;
        Some(u32::from_be_bytes(bytes))
    }

    /// Goes through the headers of the picture and of all tile-parts; none if they do not follow each other.
    fn are_sensible(&self) -> Option<bool> {
        let mut at = 2;
        let mut part_ends = None;
        loop {
            // A.4.2: without a length, a tile-part reaches to the end; some streams lack the last marker.
            if at >= self.0.len() {
                return part_ends.map(|_| true);
            }
            let marker = self.word(at)?;
            match marker {
                END => return Some(true),
                DATA => {
                    at = part_ends?;
                    continue;
                }
                _ => {}
            }
            let length = usize::from(self.word(at + 2)?);
            let segment = self.0.get(at + 4..at + 2 + length)?;
            // A.6.1 and A.6.2: style, then levels, code block's width and height, two more, and the precincts.
            let style = match marker {
                TILE_PART => {
                    part_ends = match self.long(at + 6)? as usize {
                        0 => Some(self.0.len()),
                        length if length < 14 => return None,
                        length => Some(at.checked_add(length)?),
                    };
                    None
                }
                CODING_STYLE => Some((*segment.first()?, segment.get(5..)?)),
                CODING_STYLE_OF_COMPONENT => Some((*segment.get(1)?, segment.get(2..)?)),
                _ => None,
            };
            if let Some((style, [_, width, height, _, _, precincts @ ..])) = style {
                let is_small =
                    |one: &u8| one & 0x0F < SMALLEST_PRECINCT || one >> 4 < SMALLEST_PRECINCT;
                let block = width.saturating_add(*height).saturating_add(4);
                if block < SMALLEST_BLOCK || (style & 1 == 1 && precincts.iter().any(is_small)) {
                    return Some(false);
                }
            } else if style.is_some() {
                return None;
            }
            at += 2 + length;
        }
    }
}
