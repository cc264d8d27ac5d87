//! A DICOM instance: a tree with byte spans over an untouched file.

pub struct Instance;
