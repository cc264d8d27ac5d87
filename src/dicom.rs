//! A DICOM instance: a tree with byte spans over an untouched file.
//!
//! dicom-rs decodes element headers and knows the dictionary and the transfer syntaxes; ours is what it
//! lacks: spans, splicing, code extensions, paths with wildcards. Knows nothing of rules, HTTP or storage.

mod closed;
pub mod date;
pub mod dictionary;
mod digest;
pub mod edit;
mod error;
mod instance;
mod meta;
mod parse;
pub mod path;
mod picture;
mod redact;
mod sign;
mod source;
#[cfg(test)]
mod tests;
pub mod text;
pub mod tree;
mod unpack;
pub mod value;
mod write;

pub use dicom_core::{Tag, VR};
pub use dicom_dictionary_std::tags;
pub use digest::{HeaderDigest, Told};
pub use error::{ReadError, SourceError};
pub use instance::Instance;
pub use picture::{Picture, PictureError};
pub use redact::Region;
pub use source::{Source, Span};
pub use tree::{Dataset, Element, Encoding, Value};
