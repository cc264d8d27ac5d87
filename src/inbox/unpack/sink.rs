//! Where members go: numbered files of the private folder, counted against the limits as they are written.

use super::name::{self, Separators};
use super::{CHUNK, Limit, Limits, NAME_BYTES, RATIO_FLOOR, UnpackError};
use crate::inbox::walk::{Found, MAX_DEPTH, NotRegular};
use rustix::fs::{AtFlags, Mode, OFlags, openat, unlinkat};
use std::collections::HashSet;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::sync::Arc;

pub struct Sink<'a> {
    folder: Arc<File>,
    /// The archive's own size.
    packed: u64,
    limits: Limits,
    ask: &'a mut dyn FnMut(u64) -> bool,
    entries: u64,
    bytes: u64,
    name_bytes: u64,
    members: Vec<Found>,
    taken: HashSet<PathBuf>,
    buffer: Vec<u8>,
}

/// Why a copy stopped.
pub enum CopyError {
    /// The member's own data.
    Data(io::Error),
    All(UnpackError),
}

impl<'a> Sink<'a> {
    pub fn new(
        folder: Arc<File>,
        packed: u64,
        limits: Limits,
        ask: &'a mut dyn FnMut(u64) -> bool,
    ) -> Self {
        Self {
            folder,
            packed,
            limits,
            ask,
            entries: 0,
            bytes: 0,
            name_bytes: 0,
            members: Vec::new(),
            taken: HashSet::new(),
            buffer: vec![0; CHUNK],
        }
    }

    /// Counts an entry of whatever kind, with its name. To be called for each, first.
    pub fn count(&mut self, name: &[u8]) -> Result<(), UnpackError> {
        self.entries += 1;
        self.name_bytes += name.len() as u64;
        self.check_entries(self.entries)?;
        match self.name_bytes > NAME_BYTES {
            true => Err(Limit::Names.into()),
            false => Ok(()),
        }
    }

    /// For an archive that says beforehand how many it has.
    pub fn check_entries(&self, entries: u64) -> Result<(), UnpackError> {
        match entries > self.limits.entries {
            true => Err(Limit::Entries(self.limits.entries).into()),
            false => Ok(()),
        }
    }

    /// Lists a member that can't be had, by the harmless part of its name.
    pub fn refuse(&mut self, name: &[u8], why: NotRegular) {
        let found = self.found(name::harmless(name), Some(why));
        self.members.push(found);
    }

    /// Takes a member in: `data` to its end. `size` is what the archive says of it.
    ///
    /// # Errors
    /// [`CopyError::Data`] if `data` can't be read; the member is then not taken.
    pub fn add(
        &mut self,
        name: &[u8],
        separators: Separators,
        size: u64,
        data: &mut dyn Read,
    ) -> Result<(), CopyError> {
        let path = match name::clean(name, separators) {
            Ok(path) => path,
            Err(why) => {
                self.refuse(name, NotRegular::Name(why));
                return Ok(());
            }
        };
        if path.components().count() > MAX_DEPTH {
            self.refuse(name, NotRegular::TooDeep);
            return Ok(());
        }
        if self.taken.contains(&path) {
            self.refuse(name, NotRegular::Twice);
            return Ok(());
        }
        self.check_size(size).map_err(CopyError::All)?;
        let found = self.found(path.clone(), None);
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let mode = Mode::RUSR | Mode::WUSR;
        let file = openat(&*self.folder, found.name(), flags, mode)
            .map_err(|e| CopyError::All(UnpackError::Write(e.into())))?;
        if let Err(error) = self.copy(data, Some(&mut File::from(file))) {
            // What can't be removed now goes with the folder.
            _ = unlinkat(&*self.folder, found.name(), AtFlags::empty());
            return Err(error);
        }
        self.taken.insert(path);
        self.members.push(found);
        Ok(())
    }

    /// Reads on without keeping anything, counted all the same: unpacking costs time, too.
    pub fn drain(&mut self, data: &mut dyn Read) -> Result<(), CopyError> {
        self.copy(data, None)
    }

    /// In the order of a walk: step by step, each by its bytes.
    pub fn into_members(mut self) -> Vec<Found> {
        self.members.sort_by(|a, b| a.relative.cmp(&b.relative));
        self.members
    }

    fn found(&self, path: PathBuf, trouble: Option<NotRegular>) -> Found {
        let number = OsString::from(self.members.len().to_string());
        Found::new(self.folder.clone(), number, path, trouble)
    }

    fn copy(&mut self, data: &mut dyn Read, mut to: Option<&mut File>) -> Result<(), CopyError> {
        let mut buffer = std::mem::take(&mut self.buffer);
        let mut member = 0;
        let copied = loop {
            let count = match data.read(&mut buffer) {
                Ok(0) => break Ok(()),
                Ok(count) => count,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => break Err(CopyError::Data(e)),
            };
            member += count as u64;
            if let Err(error) = self.charge(count as u64, member) {
                break Err(CopyError::All(error));
            }
            if let Some(file) = &mut to
                && let Err(error) = file.write_all(&buffer[..count])
            {
                break Err(CopyError::All(UnpackError::Write(error)));
            }
        };
        self.buffer = buffer;
        copied
    }

    /// What the archive says of a member is enough to refuse it.
    fn check_size(&self, size: u64) -> Result<(), UnpackError> {
        if size > self.limits.member_bytes {
            return Err(Limit::MemberBytes(self.limits.member_bytes).into());
        }
        match self.bytes.saturating_add(size) > self.limits.bytes {
            true => Err(Limit::Bytes(self.limits.bytes).into()),
            false => Ok(()),
        }
    }

    fn charge(&mut self, count: u64, member: u64) -> Result<(), UnpackError> {
        self.bytes += count;
        self.check_size(0)?;
        if member > self.limits.member_bytes {
            return Err(Limit::MemberBytes(self.limits.member_bytes).into());
        }
        let most = self.packed.saturating_mul(self.limits.ratio);
        if self.bytes > most.max(RATIO_FLOOR) {
            return Err(Limit::Ratio(self.limits.ratio).into());
        }
        match (self.ask)(count) {
            true => Ok(()),
            false => Err(UnpackError::Stopped),
        }
    }
}
