//! File meta information made new (PS3.10 7.1), for a de-identified instance: whoever wrote the source
//! leaves no trace, and the SOP instance is the one in the dataset.

use dicom_object::FileMetaTableBuilder;

/// Of Sluice as an implementation, from a UUID (PS3.5 B.2).
const IMPLEMENTATION_CLASS_UID: &str = "2.25.214867031184267391150288340513117325107";
const IMPLEMENTATION_VERSION: &str = concat!("SLUICE_", env!("CARGO_PKG_VERSION"));

/// Preamble of zeros, prefix and file meta information.
///
/// # Errors
/// If a UID that the file meta information needs is missing.
pub fn fresh(
    sop_class: &str,
    sop_instance: &str,
    transfer_syntax: &str,
) -> std::io::Result<Vec<u8>> {
    let meta = FileMetaTableBuilder::new()
        .media_storage_sop_class_uid(sop_class)
        .media_storage_sop_instance_uid(sop_instance)
        .transfer_syntax(transfer_syntax)
        .implementation_class_uid(IMPLEMENTATION_CLASS_UID)
        .implementation_version_name(IMPLEMENTATION_VERSION)
        .build()
        .map_err(std::io::Error::other)?;
    let mut bytes = vec![0; 128];
    bytes.extend(b"DICM");
    meta.write(&mut bytes).map_err(std::io::Error::other)?;
    Ok(bytes)
}
