//! From stored values to grey: rescaling, then the window that the header asks for, else all there is.

use super::Picture;
use super::samples::Samples;
use crate::dicom::instance::Instance;
use dicom_dictionary_std::tags;
use dicom_pixeldata::{Rescale, VoiLutFunction, WindowLevel, WindowLevelTransform};

pub fn picture(instance: &Instance, samples: Samples, frame: u64, is_inverted: bool) -> Picture {
    let rescale = rescale(instance, frame);
    let values: Vec<f64> = (samples.values.iter())
        .map(|value| rescale.apply(*value as f64))
        .collect();
    let grey: Vec<f64> = match window(instance, frame) {
        Some(window) => values.iter().map(|v| window.apply(*v, 255.0)).collect(),
        None => {
            let least = values.iter().copied().fold(f64::INFINITY, f64::min);
            let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let range = (most - least).max(f64::MIN_POSITIVE);
            values.iter().map(|v| (v - least) / range * 255.0).collect()
        }
    };
    let byte = |grey: f64| {
        // A cast of what is beyond a byte gives its nearest, of what is no number 0.
        let byte = grey.round() as u8;
        if is_inverted { 255 - byte } else { byte }
    };
    Picture {
        width: samples.width,
        height: samples.height,
        is_grey: true,
        pixels: grey.into_iter().map(byte).collect(),
    }
}

/// PS3.3 C.11.1.
fn rescale(instance: &Instance, frame: u64) -> Rescale {
    let number = |tag| {
        let group = tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE;
        first_number(&instance.text_of_frame(frame, group, tag)?)
    };
    let slope = number(tags::RESCALE_SLOPE).filter(|slope| *slope != 0.0);
    Rescale::new(
        slope.unwrap_or(1.0),
        number(tags::RESCALE_INTERCEPT).unwrap_or(0.0),
    )
}

/// PS3.3 C.11.2: the first of several.
fn window(instance: &Instance, frame: u64) -> Option<WindowLevelTransform> {
    let text = |tag| instance.text_of_frame(frame, tags::FRAME_VOILUT_SEQUENCE, tag);
    let center = first_number(&text(tags::WINDOW_CENTER)?)?;
    let width = first_number(&text(tags::WINDOW_WIDTH)?)?;
    let function = text(tags::VOILUT_FUNCTION)
        .and_then(|name| VoiLutFunction::try_from(name.as_str()).ok())
        .unwrap_or_default();
    let is_one = center.is_finite() && width.is_finite() && width > 0.0;
    is_one.then(|| WindowLevelTransform::new(function, WindowLevel { width, center }))
}

fn first_number(text: &str) -> Option<f64> {
    let first = text.split('\\').next()?;
    first.trim().parse::<f64>().ok()
}
