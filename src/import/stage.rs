//! The second gate gives an instance its place in the session; then it is written there, in staging.

use super::gate::lock;
use super::outcome::{Outcome, Staged};
use super::study::Study;
use super::{Job, Stop, disk};
use crate::archive::{Names, is_one_step, resource_of, series_folder, template};
use crate::dicom::{HeaderDigest, Instance, SourceError, tags};
use crate::failpoint::{crash_point, disk_point};
use crate::inbox::Identity;
use crate::rules::FileNames;
use crate::store::{Scan, StoredFile};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// What a file may need of the disk beside its content.
pub const FOLDERS: u64 = 16 * 1024;

const SAME_INSTANCE: &str = "the rules gave this instance the SOP Instance UID of an earlier one";

const NO_NAME: &str = "no folder or file can be named after this instance's series";

pub enum Trouble {
    /// This file is not imported.
    File(Outcome, String),
    /// Nothing can be: the disk is full, or not writable, or the import is to stop.
    Request(Stop),
}

/// What is known of a session's names while its files get their places.
pub struct Placing<'a> {
    pub names: &'a Mutex<Names>,
    pub file_names: FileNames,
    /// The name under which an instance is stored already.
    pub stored: &'a (dyn Fn(&str) -> Option<String> + Sync),
}

/// The place of an instance in its session. To be called at a gate. `scan` is wanted, else one from the header.
///
/// # Errors
/// If the rules made this instance and an earlier one the same, or it can't be named.
pub fn place(
    placing: &Placing<'_>,
    instance: &Instance,
    scan: Option<&str>,
    source: &str,
) -> Result<Staged, String> {
    let text = |tag| instance.text(tag).unwrap_or_default();
    let series_uid = text(tags::SERIES_INSTANCE_UID);
    let modality = text(tags::MODALITY);
    let wanted = scan.map_or_else(|| series_folder(instance), str::to_owned);
    let (sop_class, sop_uid) = (text(tags::SOP_CLASS_UID), text(tags::SOP_INSTANCE_UID));
    let resource = resource_of(&sop_class);
    let mut names = lock(placing.names);
    if !names.place(&sop_uid) {
        return Err(SAME_INSTANCE.into());
    }
    let scan_id = names.scan(&wanted, &series_uid, &modality);
    let name = match placing.file_names {
        FileNames::Template => template(instance),
        FileNames::Source => crate::archive::clean(source),
    };
    let name = match (placing.stored)(&sop_uid) {
        // Stored before: staged under its name, to be compared when the session is settled.
        Some(name) => name,
        None => names
            .file(&scan_id, resource, &name, &sop_uid)
            .ok_or(SAME_INSTANCE)?,
    };
    // The last wall before the disk: whatever stood in a header, no name leads out of its folder.
    if !is_one_step(&scan_id) || !is_one_step(&name) {
        return Err(NO_NAME.into());
    }
    let scan = Scan {
        xsi_type: crate::archive::scan_type(&modality),
        scan_id: scan_id.clone(),
        modality,
        series_uid,
        description: text(tags::SERIES_DESCRIPTION),
    };
    let file = StoredFile {
        scan_id: names.text(&scan_id),
        resource: names.text(resource),
        sop_class: names.text(&sop_class),
        name,
        sop_uid,
        instance_number: instance.text(tags::INSTANCE_NUMBER),
        size: 0,
        digest: None,
        findings: Default::default(),
    };
    let scan = names.shared(scan);
    Ok(Staged {
        file: Arc::new(file),
        scan,
    })
}

/// Writes an instance to its place in staging, and sees that the source is still what was read, where it
/// could have changed. Answers the digest of what was written.
pub fn write(
    path: &Path,
    instance: &Instance,
    staged: &mut Staged,
    as_read: Option<&Identity>,
) -> Result<HeaderDigest, Trouble> {
    let request = |e: io::Error| {
        let why = disk::told(&e);
        Trouble::Request(Stop::Failed(format!(
            "The staging folder can't be written to: {why}"
        )))
    };
    let mut file = create(path).map_err(request)?;
    crash_point("stage.created");
    disk_point("stage.disk").map_err(request)?;
    let written = instance.write(&mut file);
    crash_point("stage.written");
    let unchanged = as_read.is_none_or(|as_read| {
        let now = instance.handle().and_then(|h| h.metadata().ok());
        now.is_some_and(|m| Identity::of(&m) == *as_read)
    });
    let drop_it = |outcome, reason: String| {
        // What can't be removed now goes with the staging folder.
        _ = fs::remove_file(path);
        Trouble::File(outcome, reason)
    };
    if !unchanged {
        return Err(drop_it(
            Outcome::Changed,
            "the file changed while it was read".into(),
        ));
    }
    match written {
        Ok(written) => {
            Arc::make_mut(&mut staged.file).size = i64::try_from(written.size).unwrap_or(i64::MAX);
            Ok(written.digest)
        }
        Err(e) if e.kind() == io::ErrorKind::InvalidData => {
            Err(drop_it(Outcome::Failed, e.to_string()))
        }
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => {
            Err(drop_it(Outcome::CutShort, e.to_string()))
        }
        Err(e) if SourceError::is_in(&e) => Err(drop_it(Outcome::Unreadable, e.to_string())),
        Err(e) => Err(request(e)),
    }
}

/// Where a file stands in staging.
pub fn path(job: &Job<'_>, study: &Study, file: &StoredFile) -> PathBuf {
    job.staging.join(study.staging()).join(file.below_session())
}

/// Folders are made when the first file needs them.
fn create(path: &Path) -> io::Result<File> {
    match File::create_new(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            fs::create_dir_all(path.parent().unwrap_or(path))?;
            File::create_new(path)
        }
        done => done,
    }
}
