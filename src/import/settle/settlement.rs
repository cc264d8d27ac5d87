//! Where a study's staged files go: what the route rule decided, within what it may; and the settings for
//! overwriting and for review.

use super::super::Job;
use super::super::leak::STILL_STANDS;
use super::super::outcome::{FileState, Outcome};
use super::super::staged::of_study;
use super::super::study::Study;
use super::summary::Conflict;
use crate::archive::MIXED;
use crate::rules::{Decision, LeakCheck, Overwrite};
use crate::store::{Area, SessionState};

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
        if joins.is_some_and(|(session, _)| study.is_mixed(session, identified)) {
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
}
