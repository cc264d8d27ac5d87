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

/// In an error of writing an instance: what failed was the reading of its source.
#[derive(Debug, thiserror::Error)]
#[error("the file can't be read: {0}")]
pub struct SourceError(#[source] std::io::Error);

impl SourceError {
    /// A source that ended early stays what it is.
    pub(super) fn of(error: std::io::Error) -> std::io::Error {
        match error.kind() {
            std::io::ErrorKind::UnexpectedEof => error,
            kind => std::io::Error::new(kind, Self(error)),
        }
    }

    /// Whether it was the source that failed an [`super::Instance::write`].
    pub fn is_in(error: &std::io::Error) -> bool {
        error.get_ref().is_some_and(|inner| inner.is::<Self>())
    }
}
