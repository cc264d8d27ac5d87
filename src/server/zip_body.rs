//! Files of a session as one zip, made while it is sent: neither the memory nor the disk holds it.
//!
//! The entries are not made smaller, but wrapped as Deflate's stored blocks: with checksum and size behind each
//! entry, a reader of streams (Java's ZipInputStream) takes no other kind.

use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;

use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use flate2::Compression;
use flate2::write::DeflateEncoder;
use rawzip::{CompressionMethod, ZipArchiveWriter};
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// What is made ahead of the connection: this many pieces of this size, for each download.
const AHEAD: usize = 4;
const PIECE: usize = 256 * 1024;

/// A file, and its name in the zip.
pub struct Entry {
    pub name: String,
    pub path: PathBuf,
}

/// Streams the entries, whose paths come from the store, as an attachment named after `label`, a session's.
pub fn send(label: &str, entries: Vec<Entry>) -> Response {
    let (sender, receiver) = channel(AHEAD);
    tokio::task::spawn_blocking(move || {
        let mut pieces = Pieces {
            sender,
            piece: Vec::with_capacity(PIECE),
        };
        if let Err(error) = write(entries, &mut pieces) {
            // The connection must break, or the client would think it whole. Nobody may be there any more.
            let _ = pieces.sender.blocking_send(Err(error));
        }
    });
    let disposition = format!("attachment; filename=\"{}.zip\"", plain(label));
    let headers = [
        (header::CONTENT_TYPE, "application/zip".to_owned()),
        (header::CONTENT_DISPOSITION, disposition),
    ];
    (headers, Body::from_stream(stream(receiver))).into_response()
}

/// A text as one step of a path in a zip, or in a header.
pub fn plain(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            'A'..='Z' | 'a'..='z' | '0'..='9' | '-' | '_' | '.' => c,
            _ => '_',
        })
        .collect()
}

fn stream(
    receiver: Receiver<io::Result<Bytes>>,
) -> impl futures_util::Stream<Item = io::Result<Bytes>> {
    futures_util::stream::unfold(receiver, async |mut receiver| {
        receiver.recv().await.map(|piece| (piece, receiver))
    })
}

fn write(entries: Vec<Entry>, out: &mut impl Write) -> io::Result<()> {
    let mut archive = ZipArchiveWriter::builder()
        .with_capacity(entries.len())
        .build(&mut *out);
    for Entry { name, path } in entries {
        let mut source = File::open(path)?;
        let (mut entry, config) = archive
            .new_file(name.as_str())
            .compression_method(CompressionMethod::DEFLATE)
            .start()
            .map_err(io::Error::other)?;
        let mut data = config.wrap(DeflateEncoder::new(&mut entry, Compression::none()));
        io::copy(&mut source, &mut data)?;
        let (deflated, descriptor) = data.finish().map_err(io::Error::other)?;
        deflated.finish()?;
        entry.finish(descriptor).map_err(io::Error::other)?;
    }
    archive.finish().map_err(io::Error::other)?;
    out.flush()
}

/// Hands on what is written in pieces, and waits while enough of them are on their way.
struct Pieces {
    sender: Sender<io::Result<Bytes>>,
    piece: Vec<u8>,
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(PIECE - self.piece.len());
        self.piece.extend_from_slice(&bytes[..taken]);
        if self.piece.len() == PIECE {
            self.flush()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        let piece = std::mem::replace(&mut self.piece, Vec::with_capacity(PIECE));
        let sent = self.sender.blocking_send(Ok(piece.into()));
        sent.map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn what_is_written_is_a_zip_of_the_files() {
        let folder = tempfile::tempdir().unwrap();
        let contents = [vec![7; 3 * PIECE + 1], Vec::new(), b"short".to_vec()];
        let mut entries = Vec::new();
        for (number, content) in contents.iter().enumerate() {
            let path = folder.path().join(number.to_string());
            std::fs::write(&path, content).unwrap();
            let name = format!("E1/scans/{number}/files/a.dcm");
            entries.push(Entry { name, path });
        }
        let mut bytes = Vec::new();
        write(entries, &mut bytes).unwrap();
        let mut archive = zip::ZipArchive::new(io::Cursor::new(bytes)).unwrap();
        assert_eq!(archive.len(), contents.len());
        for (number, content) in contents.iter().enumerate() {
            let mut entry = archive.by_index(number).unwrap();
            assert_eq!(
                entry.name().unwrap(),
                format!("E1/scans/{number}/files/a.dcm")
            );
            let mut found = Vec::new();
            entry.read_to_end(&mut found).unwrap();
            assert!(found == *content);
        }
    }

    #[tokio::test]
    async fn a_file_that_is_gone_breaks_the_answer() {
        let entries = vec![Entry {
            name: "a".into(),
            path: "/nowhere/at/all".into(),
        }];
        let body = send("E1", entries).into_body();
        assert!(axum::body::to_bytes(body, usize::MAX).await.is_err());
    }

    #[test]
    fn a_label_is_no_more_than_a_name() {
        assert_eq!(plain("a/b\"c\r\nd é.1"), "a_b_c__d__.1");
    }
}
