//! From stored values to red, green and blue.

use super::Picture;
use super::samples::Samples;
use crate::dicom::instance::Instance;
use crate::dicom::tree::Encoding;
use dicom_core::Tag;
use dicom_dictionary_std::tags;

/// PS3.3 C.7.6.3.1.5: as many entries as 16 bits can name, of two bytes each.
const LARGEST_PALETTE: u64 = 2 * 65_536;

pub fn from_rgb(samples: Samples, bits: u64) -> Picture {
    let bytes = |values: &[i64]| values.iter().map(|value| byte(*value, bits)).collect();
    let pixels = bytes(&samples.values);
    coloured(&samples, pixels)
}

/// PS3.3 C.7.6.3.1.2.
pub fn from_ybr(samples: Samples, bits: u64) -> Picture {
    let mut pixels = Vec::with_capacity(samples.values.len());
    for pixel in samples.values.chunks_exact(3) {
        let part = |at: usize| f64::from(byte(pixel[at], bits));
        let (y, blue, red) = (part(0), part(1) - 128.0, part(2) - 128.0);
        let colours = [
            y + 1.402 * red,
            y - 0.344_136 * blue - 0.714_136 * red,
            y + 1.772 * blue,
        ];
        pixels.extend(colours.map(|colour| colour.round() as u8));
    }
    coloured(&samples, pixels)
}

pub fn from_palette(instance: &Instance, samples: Samples) -> Result<Picture, String> {
    let palettes = [
        (
            tags::RED_PALETTE_COLOR_LOOKUP_TABLE_DESCRIPTOR,
            tags::RED_PALETTE_COLOR_LOOKUP_TABLE_DATA,
        ),
        (
            tags::GREEN_PALETTE_COLOR_LOOKUP_TABLE_DESCRIPTOR,
            tags::GREEN_PALETTE_COLOR_LOOKUP_TABLE_DATA,
        ),
        (
            tags::BLUE_PALETTE_COLOR_LOOKUP_TABLE_DESCRIPTOR,
            tags::BLUE_PALETTE_COLOR_LOOKUP_TABLE_DATA,
        ),
    ];
    let mut tables = Vec::with_capacity(3);
    for (descriptor, data) in palettes {
        let table = Palette::read(instance, descriptor, data);
        tables.push(table.ok_or("its palette is not there, or of a kind that is not known")?);
    }
    let pixels = samples.values.iter();
    let pixels = pixels.flat_map(|value| tables.iter().map(|table| table.colour(*value)));
    let pixels = pixels.collect();
    Ok(coloured(&samples, pixels))
}

struct Palette {
    first: i64,
    entries: Vec<u8>,
}

impl Palette {
    /// None if there is none, or in segments.
    fn read(instance: &Instance, descriptor: Tag, data: Tag) -> Option<Self> {
        let descriptor = instance.text(descriptor)?;
        let mut numbers = descriptor.split('\\').map(str::parse::<i64>);
        let count = match numbers.next()?.ok()? {
            0 => 65_536,
            // Written as a number with a sign.
            count if count < 0 => count + 65_536,
            count => count,
        };
        let (first, bits) = (numbers.next()?.ok()?, numbers.next()?.ok()?);
        let data = instance.read_bytes(data, LARGEST_PALETTE)?;
        let count = count as usize;
        let entries: Vec<u8> = if data.len() >= 2 * count {
            let is_big = instance.encoding() == Encoding::ExplicitBig;
            let words = data.chunks_exact(2).take(count).map(|word| match is_big {
                true => u16::from_be_bytes([word[0], word[1]]),
                false => u16::from_le_bytes([word[0], word[1]]),
            });
            let words: Vec<u16> = words.collect();
            // Some write 8 bits and say 16.
            let is_wide = bits > 8 && words.iter().any(|word| *word > 0xFF);
            let words = words.into_iter();
            words
                .map(|word| {
                    if is_wide {
                        (word >> 8) as u8
                    } else {
                        word as u8
                    }
                })
                .collect()
        } else {
            data.get(..count)?.to_vec()
        };
        (!entries.is_empty()).then_some(Self { first, entries })
    }

    fn colour(&self, value: i64) -> u8 {
        let last = self.entries.len() as i64 - 1;
        self.entries[value.saturating_sub(self.first).clamp(0, last) as usize]
    }
}

/// The highest 8 of so many bits.
fn byte(value: i64, bits: u64) -> u8 {
    let value = match bits {
        0..=8 => value,
        bits => value >> (bits - 8),
    };
    value.clamp(0, 255) as u8
}

fn coloured(samples: &Samples, pixels: Vec<u8>) -> Picture {
    Picture {
        width: samples.width,
        height: samples.height,
        is_grey: false,
        pixels,
    }
}
