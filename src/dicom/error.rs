//! Why a file is no instance that can be imported.

/// Messages carry offsets and codes, never a value of the file.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("no DICM prefix at offset 128: not a DICOM file (PS3.10 7.1)")]
    NotDicom,
    #[error("cut short: {wanted} bytes wanted at offset {at}, {left} left")]
    CutShort { at: u64, wanted: u64, left: u64 },
    #[error("{what}, at offset {at}")]
    Malformed { at: u64, what: &'static str },
    #[error("sequences nest deeper than {limit}, at offset {at}")]
    TooDeep { at: u64, limit: usize },
    #[error("more than {limit} elements and items")]
    TooManyNodes { limit: usize },
    #[error("the header is larger than {} MiB", limit / (1024 * 1024))]
    HeaderTooLarge { limit: u64 },
    #[error("the file meta information names no transfer syntax (0002,0010)")]
    NoTransferSyntax,
    #[error("the transfer syntax {0} is not known")]
    UnknownTransferSyntax(String),
    #[error("the deflated dataset can't be inflated")]
    Deflate(#[source] std::io::Error),
    #[error("the file can't be read: {0}")]
    Io(#[source] std::io::Error),
}
