//! What a file looks like before the rules and after them.

use super::Place;
use crate::client::base64;
use crate::dicom::Instance;
use serde::Serialize;

/// In bytes.
const LARGEST_DRAWN: u64 = 64 << 20;

/// A picture's width or height at most.
const SIDE: u32 = 384;

/// A frame, as PNG in base64.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct Pictures {
    pub before: String,
    pub after: String,
}

/// None where there is nothing to show, or too much to do for it: what is to be written has to be in memory.
pub fn pictures(place: &Place, after: &Instance) -> Option<Pictures> {
    let file = place.open().ok()?;
    if file.metadata().ok()?.len() > LARGEST_DRAWN {
        return None;
    }
    let drawn = |instance: &Instance| {
        let picture = instance.picture(None, SIDE).ok()?;
        Some(base64(&picture.png().ok()?))
    };
    let written = Instance::from_bytes(after.to_bytes().ok()?).ok()?;
    Some(Pictures {
        before: drawn(&Instance::read(file).ok()?)?,
        after: drawn(&written)?,
    })
}
