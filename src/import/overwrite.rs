//! What is staged against what is stored: duplicates, instances of other content, and what the setting for
//! overwriting makes of them.

use super::leak::STILL_STANDS;
use super::outcome::{FileState, Outcome};
use super::session::staged;
use super::study::Study;
use super::summary::{Conflict, of_study};
use super::{Job, Stop, stage};
use crate::archive::{MIXED, same_bytes};
use crate::rules::{Decision, LeakCheck, Overwrite};
use crate::store::{Area, Place, Session, SessionState, StoredFile};
use std::collections::HashSet;
use std::fs::File;
use std::io::ErrorKind;
use std::sync::Arc;

/// Where a study's staged files go, and what they may do there.
#[derive(Debug)]
pub(super) struct Settlement {
    pub state: SessionState,
    pub overwrite: Overwrite,
    pub reason: String,
    /// The files wait for the steps at archiving.
    pub identified: bool,
}

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
                        if equal && own.contains(&place_of(session, stored)) {
                            before = Some(session.id);
                        }
                    }
                    // It has been archived or deleted since the walk.
                    Err(e) if e.kind() == ErrorKind::NotFound => return Err(Stop::Overtaken),
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

    /// Where this very request has stored files before it was cut off, if it was.
    pub(super) fn own_places(&self, study: &Study) -> Result<HashSet<Place>, Stop> {
        if study.stored.sessions.is_empty() {
            return Ok(HashSet::new());
        }
        let requests = self.importer.store.requests();
        let places = requests.stored_places(self.request.id);
        Ok(self.importer.block_on(places)?)
    }

    /// What the call wants done to what is stored: its `overwrite`, else `overwrite_files=true`.
    fn wish(&self) -> Option<Overwrite> {
        let parameter = |name: &str| self.request.parameters.get(name).map(String::as_str);
        let overwrites_files = || {
            let flag = parameter("overwrite_files")?;
            flag.eq_ignore_ascii_case("true")
                .then_some(Overwrite::Delete)
        };
        parameter("overwrite")
            .and_then(Overwrite::from_text)
            .or_else(overwrites_files)
    }

    /// Why a study is held for review, if it is, whatever the route rule says: a rule's wish, the request's, or
    /// leaks where the policy says so.
    pub(super) fn review_reasons(&self, study: &Study) -> Vec<String> {
        let mut reasons = study.quarantine_reasons();
        if self.asks_for_quarantine() {
            reasons.push("the request asks for quarantine".into());
        }
        if self.rules.leak_check() == LeakCheck::Quarantine && !study.leaks().is_empty() {
            reasons.push(STILL_STANDS.into());
        }
        reasons
    }

    /// `quarantine=true`. Differs from XNAT, which archives the session and flags it there.
    fn asks_for_quarantine(&self) -> bool {
        let asked = self.request.parameters.get("quarantine");
        asked.is_some_and(|asked| asked.eq_ignore_ascii_case("true"))
    }

    /// What the rule decided, within what it may: a rule's failure and a conflict keep a session from the
    /// archive, and a wish for review stands above all. Err: rejected, and why.
    pub(super) fn settlement(
        &self,
        decision: Decision,
        study: &Study,
        files: &[FileState],
        conflicts: &[Conflict],
        identified: bool,
    ) -> Result<Settlement, String> {
        let replaces = matches!(decision, Decision::ArchiveOverwrite(_));
        let wish = self.wish().unwrap_or(match replaces {
            true => Overwrite::Delete,
            false => Overwrite::Append,
        });
        let overwrite = wish.min(self.rules.overwrite());
        let settled = |state, reason| {
            Ok(Settlement {
                state,
                overwrite,
                reason,
                identified,
            })
        };
        let review = self.review_reasons(study);
        if !review.is_empty() && !matches!(decision, Decision::Reject(_)) {
            return settled(SessionState::Quarantined, review.join("; "));
        }
        let (wanted, reason) = match decision {
            Decision::Reject(reason) => return Err(reason),
            Decision::Quarantine(reason) => return settled(SessionState::Quarantined, reason),
            Decision::Prearchive(reason) => (SessionState::Ready, reason),
            Decision::Archive(reason) | Decision::ArchiveOverwrite(reason) => {
                (SessionState::Archived, reason)
            }
            // Of a whole study the parts are settled; of a part it is no answer.
            Decision::Split(_) => (SessionState::Ready, "a part can't be split again".into()),
        };
        if let Some(conflict) = conflicts.iter().find(|c| c.code != "instance") {
            return settled(SessionState::Conflict, conflict.detail.clone());
        }
        if overwrite == Overwrite::None && study.of_label().next().is_some() {
            let why = "a part of the session is stored already, and nothing may be added to it (overwrite=none)";
            return settled(SessionState::Conflict, why.into());
        }
        let joins = match wanted {
            SessionState::Archived => study.waiting(),
            _ => study.session_in(Area::Prearchive),
        };
        if joins.is_some_and(|(session, _)| session.identified != identified) {
            return settled(SessionState::Conflict, MIXED.into());
        }
        let count =
            |fits: &dyn Fn(&FileState) -> bool| of_study(study, files).filter(|f| fits(f)).count();
        let failures = count(&|f| !f.is_staged() && f.outcome() == Outcome::Failed);
        let met_twice = count(&|f| f.outcome() == Outcome::Conflict);
        let differing = count(&|f| f.is_staged() && f.differs);
        let against = if wanted != SessionState::Archived {
            None
        } else if failures > 0 {
            Some(format!("rules failed on {failures} files"))
        } else if met_twice > 0 {
            Some(format!(
                "{met_twice} instances were met with other content before"
            ))
        } else if differing > 0 && overwrite < Overwrite::Delete {
            let limit = match wish > overwrite {
                true => ", which the policy does not allow to be replaced",
                false => "",
            };
            Some(format!(
                "{differing} instances differ from those stored{limit}"
            ))
        } else {
            None
        };
        match against {
            Some(why) => settled(SessionState::Ready, format!("not archived: {why}")),
            None => settled(wanted, reason),
        }
    }

    /// Instances that differ from a stored one replace it, if they may; else they are in conflict.
    pub(super) fn settle_differing(
        &self,
        study: &Study,
        files: &mut [FileState],
        settlement: &Settlement,
    ) -> Result<(), Stop> {
        let into = self.into(study, settlement);
        if into.is_some_and(|(session, _)| session.identified != settlement.identified) {
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

pub(super) fn place_of(session: &Session, file: &StoredFile) -> Place {
    (
        session.id,
        file.scan_id.clone(),
        file.resource.clone(),
        file.name.clone(),
    )
}
