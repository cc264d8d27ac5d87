//! Rebuilding a waiting session: its files are read again, and what the store says of it is what they say.
//!
//! Labels stay, and so does what rules found. A file that somebody put into the folder is not taken in: it has not
//! been through the rules.

use super::super::Importer;
use super::super::described::described;
use crate::archive::{ActionError, Reread, scan_type};
use crate::dicom::{Instance, tags};
use crate::store::{Scan, Session, SessionState, StoredFile};
use std::collections::HashSet;
use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;

impl Importer {
    /// Reads a waiting session again, which ends ERROR, and CONFLICT where nothing stands in its way any more.
    ///
    /// # Errors
    /// [`ActionError::Busy`] if somebody else is at it; other errors leave it as it was.
    pub async fn rebuild_session(
        &self,
        session: &Session,
        by: &str,
    ) -> Result<Session, ActionError> {
        if session.state == SessionState::Quarantined {
            return Err(ActionError::Refused(
                "The session is in quarantine: an owner releases it first.".into(),
            ));
        }
        let claimed = self.archive.claim_for_rebuild(session, by).await?;
        let rebuilt = self.read_and_rebuild(&claimed, session, by).await;
        if rebuilt.is_err() {
            self.archive
                .end_rebuild(session, session.state, None, by)
                .await?;
        }
        rebuilt
    }

    async fn read_and_rebuild(
        &self,
        claimed: &Session,
        before: &Session,
        by: &str,
    ) -> Result<Session, ActionError> {
        let there = self.archive.incoming(before).await?;
        let unknown = self.archive.unknown_files(before, &there.files).await?;
        let home = self.data.join(before.home());
        let reread = tokio::task::spawn_blocking(move || reread(&home, there.files, there.scans));
        let reread = reread
            .await
            .map_err(|e| ActionError::Files(std::io::Error::other(e)))??;
        self.archive
            .rebuilt(claimed, before, reread, unknown, by)
            .await
    }
}

/// A file that can't be read stays as the store has it.
fn reread(home: &Path, files: Vec<StoredFile>, scans: Vec<Scan>) -> Result<Reread, std::io::Error> {
    let mut reread = Reread {
        scans,
        files: Vec::with_capacity(files.len()),
        ..Reread::default()
    };
    let mut first = None;
    let mut told = HashSet::new();
    for mut file in files {
        let read = match File::open(home.join(file.below_session())) {
            Ok(opened) => {
                let size = opened.metadata()?.len();
                Instance::read(opened).map(|instance| (instance, size)).ok()
            }
            Err(e) if e.kind() == ErrorKind::NotFound => {
                reread.gone.push(file);
                continue;
            }
            Err(error) => return Err(error),
        };
        let Some((instance, size)) = read else {
            reread.unreadable += 1;
            reread.files.push(file);
            continue;
        };
        let text = |tag| instance.text(tag).unwrap_or_default();
        let (sop_uid, size) = (
            text(tags::SOP_INSTANCE_UID),
            i64::try_from(size).unwrap_or(i64::MAX),
        );
        if (&file.sop_uid, file.size) != (&sop_uid, size) {
            file.digest = None;
        }
        file.sop_class = text(tags::SOP_CLASS_UID).into();
        file.instance_number = instance.text(tags::INSTANCE_NUMBER);
        (file.sop_uid, file.size) = (sop_uid, size);
        let scan = reread
            .scans
            .iter_mut()
            .find(|s| *s.scan_id == *file.scan_id);
        // The first file says it for the series.
        if let Some(scan) = scan.filter(|_| told.insert(file.scan_id.clone())) {
            scan.modality = text(tags::MODALITY);
            scan.xsi_type = scan_type(&scan.modality);
            scan.series_uid = text(tags::SERIES_INSTANCE_UID);
            scan.description = text(tags::SERIES_DESCRIPTION);
        }
        reread.files.push(file);
        first.get_or_insert(instance);
    }
    let files = &reread.files;
    reread
        .scans
        .retain(|scan| files.iter().any(|f| *f.scan_id == *scan.scan_id));
    if let Some(first) = &first {
        reread.told = described(first, &reread.scans);
    }
    Ok(reread)
}
