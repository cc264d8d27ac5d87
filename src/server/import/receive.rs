//! Receiving an upload: the body, or the file of a multipart form, to a private folder as it comes.
//!
//! Memory does not grow with it. What breaks off leaves nothing.

use axum::body::Bytes;
use axum::extract::Request;
use axum::http::header;
use futures_util::{Stream, StreamExt as _};
use tokio::io::AsyncWriteExt as _;

use crate::inbox::{Upload, Uploads};

use super::super::LARGEST_BODY;
use super::super::error::ApiError;
use super::super::form::Parameters;
use super::super::multipart::{Multipart, boundary, broken, in_time};
use super::super::state::AppState;

/// Of an uploaded file.
const LONGEST_NAME: usize = 200;

/// Up to the last byte by which the kind of a file is told (a tar's magic number).
const HEAD: usize = 262;

/// While it is received.
const PART: &str = "part";

const MB: u64 = 1024 * 1024;

/// What an upload's first bytes say that it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Zip,
    /// Compressed by gzip, or not.
    Tar,
    Dicom,
    Unknown,
}

/// How much a call may bring.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Of the file, in bytes.
    pub file: u64,
    /// What the file's limit is called, for who meets it.
    pub name: &'static str,
    /// Of all multipart fields that are no files together, in bytes.
    pub fields: usize,
}

impl Bounds {
    /// Those of an import.
    pub fn of_import(state: &AppState) -> Bounds {
        Bounds {
            file: state.importer.limits.bytes,
            name: " (archive_max_mb)",
            fields: LARGEST_BODY,
        }
    }
}

/// An upload that is whole.
pub struct Received {
    pub upload: Upload,
    pub kind: Kind,
    /// The client's name for it, where it is one that a file may have here.
    pub file_name: Option<String>,
}

impl Received {
    /// Gives the file the name by which it is imported.
    ///
    /// # Errors
    /// If it can't be renamed.
    pub fn name(&self, name: &str) -> Result<(), ApiError> {
        let renamed = self.upload.rename(PART, name);
        renamed.map_err(ApiError::io("an upload could not be renamed"))
    }
}

/// Writes down what the call brings; none if that is a multipart form without a file. Its fields are added to
/// `parameters`.
///
/// # Errors
/// If there is more than one file, it is larger than the bounds or than the disk has room for, or it breaks off.
pub async fn receive(
    state: &AppState,
    uploads: &Uploads,
    bounds: Bounds,
    request: Request,
    parameters: &mut Parameters,
) -> Result<Option<Received>, ApiError> {
    let boundary = boundary(request.headers());
    let announced = request.headers().get(header::CONTENT_LENGTH);
    let announced = announced.and_then(|length| length.to_str().ok()?.parse().ok());
    check_size(bounds, announced.unwrap_or(0))?;
    check_room(state, announced.unwrap_or(0))?;
    let body = request.into_body();
    match boundary {
        Some(boundary) => {
            let form = Multipart::new(body, boundary, bounds.fields);
            of_form(state, uploads, bounds, form, parameters).await
        }
        None => {
            let written = write(state, uploads, bounds, body.into_data_stream()).await?;
            Ok(Some(written))
        }
    }
}

async fn of_form(
    state: &AppState,
    uploads: &Uploads,
    bounds: Bounds,
    mut form: Multipart,
    parameters: &mut Parameters,
) -> Result<Option<Received>, ApiError> {
    let mut received = None;
    let mut pairs = Vec::new();
    while let Some(part) = form.next().await? {
        let Some(file_name) = part.file_name().map(legal) else {
            pairs.push(form.field(part).await?);
            continue;
        };
        if received.is_some() {
            return Err(ApiError::BadRequest(
                "Importer is limited to one uploaded resource at a time.".into(),
            ));
        }
        let written = write(state, uploads, bounds, part.into_stream()).await?;
        received = Some(Received {
            file_name,
            ..written
        });
    }
    parameters.add(pairs);
    Ok(received)
}

async fn write<E>(
    state: &AppState,
    uploads: &Uploads,
    bounds: Bounds,
    chunks: impl Stream<Item = Result<Bytes, E>>,
) -> Result<Received, ApiError> {
    let failed = || ApiError::io("an upload could not be written");
    let upload = uploads.begin(state.store.instance()).map_err(failed())?;
    let file = upload.create(PART).map_err(failed())?;
    let mut file = tokio::io::BufWriter::with_capacity(256 * 1024, tokio::fs::File::from_std(file));
    let mut chunks = std::pin::pin!(chunks);
    let (mut size, mut head) = (0_u64, Vec::with_capacity(HEAD));
    while let Some(chunk) = in_time(chunks.next()).await? {
        let chunk = chunk.map_err(|_| broken())?;
        size += chunk.len() as u64;
        check_size(bounds, size)?;
        check_room(state, chunk.len() as u64)?;
        if head.len() < HEAD {
            head.extend_from_slice(&chunk[..chunk.len().min(HEAD - head.len())]);
        }
        file.write_all(&chunk).await.map_err(failed())?;
    }
    file.flush().await.map_err(failed())?;
    // A request is queued for it: it must survive the machine, as the request does.
    file.get_ref().sync_all().await.map_err(failed())?;
    if size == 0 {
        return Err(ApiError::BadRequest("The uploaded file is empty.".into()));
    }
    let kind = kind_of(&head);
    Ok(Received {
        upload,
        kind,
        file_name: None,
    })
}

/// A client's name for its file, without folders; none if a file here could not bear it.
fn legal(name: &str) -> Option<String> {
    let name = name.rsplit(['/', '\\']).next()?;
    let is_legal = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    let fits = !name.is_empty() && name.len() <= LONGEST_NAME && name.chars().all(is_legal);
    (fits && !name.starts_with('.')).then(|| name.to_owned())
}

fn kind_of(head: &[u8]) -> Kind {
    let at = |offset: usize, magic: &[u8]| head.get(offset..).is_some_and(|h| h.starts_with(magic));
    if at(0, b"PK\x03\x04") || at(0, b"PK\x05\x06") {
        Kind::Zip
    } else if at(0, b"\x1f\x8b") || at(257, b"ustar") {
        Kind::Tar
    } else if at(128, b"DICM") {
        Kind::Dicom
    } else {
        Kind::Unknown
    }
}

fn check_size(bounds: Bounds, bytes: u64) -> Result<(), ApiError> {
    match bytes <= bounds.file {
        true => Ok(()),
        false => Err(ApiError::TooLarge(
            format!("An upload may have {} MB{}.", bounds.file / MB, bounds.name).into(),
        )),
    }
}

fn check_room(state: &AppState, bytes: u64) -> Result<(), ApiError> {
    match state.importer.disk.has_room(bytes) {
        true => Ok(()),
        false => Err(ApiError::Unavailable(
            "The server's disk has no room for the upload; nothing of it was kept.".into(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clients_name_for_a_file_leads_nowhere() {
        assert_eq!(legal("C:\\scans\\IM_1.dcm").as_deref(), Some("IM_1.dcm"));
        assert_eq!(legal("../../a/b").as_deref(), Some("b"));
        for name in ["", "..", ".x", "a/", "a b", "ä", "a\0", &"x".repeat(201)] {
            assert_eq!(legal(name), None, "{name:?}");
        }
    }

    #[test]
    fn a_file_is_what_its_first_bytes_say() {
        let mut tar = vec![0; 300];
        tar[257..262].copy_from_slice(b"ustar");
        let mut dicom = vec![0; 132];
        dicom[128..].copy_from_slice(b"DICM");
        assert_eq!(kind_of(b"PK\x03\x04rest"), Kind::Zip);
        assert_eq!(kind_of(b"\x1f\x8b\x08"), Kind::Tar);
        assert_eq!(kind_of(&tar), Kind::Tar);
        assert_eq!(kind_of(&dicom), Kind::Dicom);
        assert_eq!(kind_of(b"P"), Kind::Unknown);
        assert_eq!(kind_of(b""), Kind::Unknown);
    }
}
