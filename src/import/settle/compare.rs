//! What is staged against what is stored: duplicates, instances of other content, and what a settlement makes of
//! these.

use super::super::outcome::{FileState, Outcome};
use super::super::staged::staged;
use super::super::study::Study;
use super::super::{Job, Stop, stage};
use super::settlement::Settlement;
use crate::archive::{MIXED, same_bytes};
use crate::rules::Overwrite;
use crate::store::{Place, Session};
use std::collections::HashSet;
use std::fs::File;
use std::io::ErrorKind;
use std::sync::Arc;

impl Job<'_> {
    /// Staged instances that are stored already are duplicates, unless this very request has stored them
    /// before it was cut off: it goes on from there. Those of other content are marked.
    pub(super) fn compare_with_stored(
        &self,
        study: &Study,
        files: &mut [FileState],
        identified: bool,
    ) -> Result<(), Stop> {
        let own = self.own_places(study)?;
        for i in staged(study, files) {
            let file = &mut files[i];
            let Some(in_staging) = &file.staged else {
                continue;
            };
            let here = stage::path(self, study, &in_staging.file);
            let (mut same, mut before) = (None, None);
            for (session, stored) in study.stored_files(&in_staging.file.sop_uid, identified) {
                let there = self.importer.data.join(session.path_of(stored));
                let equal =
                    File::open(&here).and_then(|mut a| same_bytes(&mut a, &mut File::open(there)?));
                match equal {
                    Ok(equal) => {
                        same = Some(same.unwrap_or(false) || equal);
                        if equal && own.contains(&session.place_of(stored)) {
                            before = Some(session.id);
                        }
                    }
                    // It has been archived or deleted since the walk; or it was lost, and is here again.
                    Err(e) if e.kind() == ErrorKind::NotFound => {
                        if !self.stands_as_met(session)? {
                            return Err(Stop::Overtaken);
                        }
                        tracing::warn!(
                            request = self.request.id,
                            session = session.id,
                            "a stored file is gone from the disk; it is stored again"
                        );
                    }
                    Err(e) => {
                        return Err(Stop::Failed(format!("A stored file can't be read: {e}")));
                    }
                }
            }
            file.stored_before = before;
            match same {
                Some(true) if before.is_some() => {}
                Some(true) => file.settle(
                    Outcome::Duplicate,
                    Some("the same SOP instance with the same content is stored".into()),
                ),
                Some(false) => file.differs = true,
                None => {}
            }
        }
        Ok(())
    }

    /// Whether nobody has changed a session since the walk met it.
    fn stands_as_met(&self, session: &Session) -> Result<bool, Stop> {
        let now = self
            .importer
            .block_on(self.importer.store.sessions().get(session.id))?;
        Ok(now.is_some_and(|now| (now.state, now.lastmod) == (session.state, session.lastmod)))
    }

    /// Where this very request has stored files before it was cut off, if it was.
    pub(super) fn own_places(&self, study: &Study) -> Result<HashSet<Place>, Stop> {
        if study.stored.sessions.is_empty() {
            return Ok(HashSet::new());
        }
        let requests = self.importer.store.requests();
        let places = requests.stored_places(self.request.id);
        Ok(self.importer.block_on(places)?)
    }

    /// Instances that differ from a stored one replace it, if they may; else they are in conflict.
    pub(super) fn settle_differing(
        &self,
        study: &Study,
        files: &mut [FileState],
        settlement: &Settlement,
    ) -> Result<(), Stop> {
        let into = self.into(study, settlement);
        if into.is_some_and(|(session, _)| study.is_mixed(session, settlement.identified)) {
            staged(study, files)
                .into_iter()
                .for_each(|i| files[i].settle(Outcome::Conflict, Some(MIXED.into())));
            return Ok(());
        }
        let there = into.map(|(_, files)| files);
        for i in staged(study, files) {
            let file = &mut files[i];
            if file.stored_before.is_some() {
                continue;
            }
            let Some(in_staging) = &mut file.staged else {
                continue;
            };
            let stored = there.and_then(|files| files.get(&in_staging.file.sop_uid));
            if file.differs && settlement.overwrite < Overwrite::Delete {
                let why = "the same SOP instance with other content is stored";
                file.settle(Outcome::Conflict, Some(why.into()));
                continue;
            }
            let Some(stored) = stored else { continue };
            let new = &mut in_staging.file;
            if (&new.scan_id, &new.resource) != (&stored.scan_id, &stored.resource) {
                let why = "the same SOP instance is stored in another series";
                file.settle(Outcome::Conflict, Some(why.into()));
                continue;
            }
            // It takes the stored one's place, which another session may have called otherwise.
            if new.name != stored.name {
                let from = stage::path(self, study, new);
                Arc::make_mut(new).name.clone_from(&stored.name);
                std::fs::rename(from, stage::path(self, study, new)).map_err(|e| {
                    Stop::Failed(format!("The staging folder can't be written to: {e}"))
                })?;
            }
            file.replaced = true;
        }
        Ok(())
    }
}
