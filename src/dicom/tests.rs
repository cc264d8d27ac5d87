//! Tests over whole instances. Files are made by an encoder of their own, which shares nothing with the code
//! that is tested, so that what an edit writes can be compared with what should be there, byte for byte.

mod edit;
mod encoder;
mod parse;
mod picture;
mod property;
mod redact;
mod text;
mod unpack;
mod value;
mod write;
