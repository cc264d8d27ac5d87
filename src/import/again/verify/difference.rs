//! Where what was derived differs from what is stored.

use crate::dicom::{Instance, Told};
use crate::rules::host::shown;
use serde::Serialize;
use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::Path;

/// The first, in the order of the dataset.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct Difference {
    /// None: all elements are the same, and what differs is the preamble, the file meta information, or how
    /// elements are encoded.
    pub tag: Option<String>,
    /// Where the files differ first; none where only digests were compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub byte: Option<u64>,
    /// None: the element is not there, or values are not shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub derived: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stored: Option<String>,
}

/// Compares what was derived with a stored file, byte for byte. None: they are the same.
///
/// # Errors
/// Why the stored file can't be compared.
pub fn compare(derived: &Instance, path: &Path) -> Result<Option<Difference>, String> {
    let failed = |e: io::Error| format!("what is stored can't be read: {}", e.kind());
    let mut comparer = Comparer {
        with: BufReader::new(File::open(path).map_err(failed)?),
        at: 0,
        differs_at: None,
    };
    derived.write_to(&mut comparer).map_err(|e| e.to_string())?;
    let Some(byte) = comparer.first_difference().map_err(failed)? else {
        return Ok(None);
    };
    let stored = File::open(path).map_err(failed)?;
    let mut difference = match Instance::read(stored) {
        Ok(stored) => first_difference(derived, &stored).map_err(|e| e.to_string())?,
        Err(error) => return Err(format!("what is stored is damaged: {error}")),
    };
    difference.byte = Some(byte);
    Ok(Some(difference))
}

/// Takes what is written, and compares it with a file.
struct Comparer {
    with: BufReader<File>,
    at: u64,
    differs_at: Option<u64>,
}

impl Comparer {
    fn first_difference(&mut self) -> io::Result<Option<u64>> {
        if self.differs_at.is_none() && self.with.read(&mut [0])? > 0 {
            self.differs_at = Some(self.at);
        }
        Ok(self.differs_at)
    }
}

impl Write for Comparer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.differs_at.is_some() {
            return Ok(bytes.len());
        }
        let mut there = Vec::with_capacity(bytes.len());
        (&mut self.with)
            .take(bytes.len() as u64)
            .read_to_end(&mut there)?;
        if there != bytes {
            let same = there.iter().zip(bytes).take_while(|(a, b)| a == b).count();
            self.differs_at = Some(self.at + same as u64);
        }
        self.at += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn first_difference(derived: &Instance, stored: &Instance) -> io::Result<Difference> {
    let (derived_list, stored_list) = (derived.told(shown)?, stored.told(shown)?);
    let lengths = derived_list.len().max(stored_list.len());
    let at = (0..lengths).find(|i| match (derived_list.get(*i), stored_list.get(*i)) {
        (Some(a), Some(b)) => !a.is_same(b),
        _ => true,
    });
    let Some(at) = at else {
        return Ok(Difference {
            // Redacted pixels are compared by bytes alone.
            tag: derived.is_redacted().then(|| "PixelData".to_owned()),
            byte: None,
            derived: None,
            stored: None,
        });
    };
    let (a, b) = (derived_list.get(at), stored_list.get(at));
    let is_in = |list: &[Told], told: &Told| list.iter().any(|other| other.path == told.path);
    let text = |told: &Told| Some(told.shown.clone());
    let (tag, derived, stored) = match (a, b) {
        (Some(a), Some(b)) if a.path == b.path => (&a.path, text(a), text(b)),
        (Some(a), _) if !is_in(&stored_list, a) => (&a.path, text(a), None),
        (_, Some(b)) => (&b.path, None, text(b)),
        (Some(a), None) => (&a.path, text(a), None),
        (None, None) => unreachable!("one of the two is longer"),
    };
    Ok(Difference {
        tag: Some(tag.clone()),
        byte: None,
        derived,
        stored,
    })
}
