//! A frame as a small picture, for who wants to see what a series shows.
//!
//! Of native pixels only those are read that the picture has, of compressed ones only the frame. Windows and
//! rescaling are dicom-rs's, the colours ours.

mod colour;
mod grey;
mod samples;

use super::instance::Instance;
use super::text::Charset;
use super::tree::{Dataset, Encoding, Value};
use super::unpack::Shape;
use super::value;
use dicom_core::Tag;
use dicom_dictionary_std::tags;
use samples::Samples;

/// Pixels of one byte in grey, or of three in red, green and blue.
#[derive(Debug, PartialEq, Eq)]
pub struct Picture {
    pub width: u32,
    pub height: u32,
    pub is_grey: bool,
    pub pixels: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PictureError {
    #[error("the instance holds no pixels")]
    NoPixels,
    #[error("the pixels can't be shown: {0}")]
    NotShown(String),
}

/// What the header says of the pixels.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Pixels {
    shape: Shape,
    /// Of a sample: how many bits mean something, and above how many that mean nothing.
    stored: u64,
    shift: u64,
    is_signed: bool,
    is_planar: bool,
    frames: u64,
    photometric: String,
}

impl Instance {
    /// A frame in at most `side` pixels of each direction; by default the one in the middle. Regions that rules
    /// have marked to be black are not.
    ///
    /// # Errors
    /// If there are no pixels, or they are of a kind, or compressed in a way, that this does not know.
    pub fn picture(&self, frame: Option<u64>, side: u32) -> Result<Picture, PictureError> {
        if self.dataset.get(tags::PIXEL_DATA).is_none() {
            return Err(PictureError::NoPixels);
        }
        self.drawn(frame, side).map_err(PictureError::NotShown)
    }

    fn drawn(&self, frame: Option<u64>, side: u32) -> Result<Picture, String> {
        let pixels = self.described()?;
        let frame = frame.unwrap_or(pixels.frames / 2);
        if frame >= pixels.frames {
            return Err(format!("there are {} frames", pixels.frames));
        }
        let samples = Samples::of(self, &pixels, frame, side.max(1))?;
        match (samples.photometric.as_str(), pixels.shape.samples) {
            ("PALETTE COLOR", 1) => colour::from_palette(self, samples),
            ("RGB" | "YBR_RCT" | "YBR_ICT", 3) => Ok(colour::from_rgb(samples, pixels.stored)),
            ("YBR_FULL" | "YBR_FULL_422", 3) => Ok(colour::from_ybr(samples, pixels.stored)),
            (photometric, 1) => {
                let is_inverted = photometric == "MONOCHROME1";
                Ok(grey::picture(self, samples, frame, is_inverted))
            }
            (photometric, samples) => Err(format!(
                "{photometric} of {samples} samples is no kind of picture that is known"
            )),
        }
    }

    fn described(&self) -> Result<Pixels, String> {
        let number = |tag: Tag, name: &str, default: Option<u64>| {
            let text = self.text(tag);
            let read = text.as_deref().map(|text| text.trim().parse::<u64>());
            match (read, default) {
                (Some(Ok(number)), _) => Ok(number),
                (None, Some(default)) => Ok(default),
                _ => Err(format!("{name} is no number")),
            }
        };
        let allocated = number(tags::BITS_ALLOCATED, "BitsAllocated", None)?;
        if !matches!(allocated, 8 | 16 | 32) {
            return Err(format!("pixels of {allocated} bits are not known"));
        }
        let stored = number(tags::BITS_STORED, "BitsStored", Some(allocated))?;
        let high = number(tags::HIGH_BIT, "HighBit", Some(stored.saturating_sub(1)))?;
        if stored == 0 || stored > allocated || high >= allocated || high + 1 < stored {
            return Err(format!(
                "{stored} bits up to bit {high} do not fit in {allocated}"
            ));
        }
        let side = |tag, name: &str| match number(tag, name, None)? {
            side @ 1..=0xFFFF => Ok(side),
            side => Err(format!("{name} is {side}")),
        };
        let pixels = Pixels {
            shape: Shape {
                rows: side(tags::ROWS, "Rows")?,
                columns: side(tags::COLUMNS, "Columns")?,
                samples: number(tags::SAMPLES_PER_PIXEL, "SamplesPerPixel", Some(1))?,
                bytes: allocated / 8,
            },
            stored,
            shift: high + 1 - stored,
            is_signed: number(tags::PIXEL_REPRESENTATION, "PixelRepresentation", Some(0))? == 1,
            is_planar: number(tags::PLANAR_CONFIGURATION, "PlanarConfiguration", Some(0))? == 1,
            frames: number(tags::NUMBER_OF_FRAMES, "NumberOfFrames", Some(1))?,
            photometric: self
                .text(tags::PHOTOMETRIC_INTERPRETATION)
                .unwrap_or_default(),
        };
        match pixels.shape.samples {
            1 | 3 => Ok(pixels),
            samples => Err(format!("pixels of {samples} samples are not known")),
        }
    }

    /// The text of an element that may differ from frame to frame (PS3.3 C.7.6.16): of the frame, of all frames,
    /// or at the top.
    fn text_of_frame(&self, frame: u64, group: Tag, tag: Tag) -> Option<String> {
        let of_frame = self.functional_group(
            tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE,
            frame as usize,
            group,
            tag,
        );
        let of_all =
            || self.functional_group(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE, 0, group, tag);
        of_frame.or_else(of_all).or_else(|| self.text(tag))
    }

    fn functional_group(&self, groups: Tag, item: usize, group: Tag, tag: Tag) -> Option<String> {
        let groups = self.dataset.get(groups)?.sequence()?;
        let group = groups.items.get(item)?.dataset.get(group)?.sequence()?;
        let charset = Charset::default();
        self.nested_text(&group.items.first()?.dataset, group.encoding, tag, &charset)
    }

    fn nested_text(
        &self,
        dataset: &Dataset,
        encoding: Encoding,
        tag: Tag,
        charset: &Charset,
    ) -> Option<String> {
        let element = dataset.get(tag)?;
        value::text(element, self.source(), encoding, charset).filter(|text| !text.is_empty())
    }

    /// A value's bytes at the top level, read if they are not in memory.
    fn read_bytes(&self, tag: Tag, most: u64) -> Option<Vec<u8>> {
        match &self.dataset.get(tag)?.value {
            Value::Source(span) if span.len <= most => self.source().read(*span).ok(),
            Value::Edited(bytes) => Some(bytes.clone()),
            _ => None,
        }
    }
}

impl Picture {
    /// As a file.
    ///
    /// # Errors
    /// What the encoder fails with.
    pub fn png(&self) -> Result<Vec<u8>, png::EncodingError> {
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, self.width, self.height);
        encoder.set_color(match self.is_grey {
            true => png::ColorType::Grayscale,
            false => png::ColorType::Rgb,
        });
        encoder.set_depth(png::BitDepth::Eight);
        encoder.write_header()?.write_image_data(&self.pixels)?;
        Ok(file)
    }
}
