//! A waiting session made anew, by the steps at archiving or by another project's rules: all of it, or nothing.

use super::super::Stop;
use super::super::described::described;
use super::super::leak::STILL_STANDS;
use super::super::outcome::{Outcome, Staged};
use super::super::stage::Placing;
use super::super::staged::scans_of;
use super::at_archive::{Input, Leaks, Pass, Remade, ScanWish};
use crate::archive::{ActionError, Content, Incoming, Names};
use crate::dicom::Instance;
use crate::file_system::FileSystem;
use crate::rules::{At, Labels, LeakCheck, RuleSet, Run};
use crate::store::{NewSession, StoredFile};
use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// What the steps made of a session.
pub(super) struct Remake {
    pub content: Content,
    /// Why it is to be looked at, if it is.
    pub review: Vec<String>,
    pub rejected: Vec<Rejected>,
}

/// What a session is made anew for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Archive,
    /// For another project's prearchive. Whether files that its rules don't let in are left out: else none is
    /// moved.
    Move {
        leave_out: bool,
    },
}

impl Purpose {
    fn at(self) -> At {
        match self {
            Purpose::Archive => At::Archive,
            Purpose::Move { .. } => At::Import,
        }
    }

    /// Not what, and how to go on.
    fn failed(self) -> (&'static str, &'static str) {
        match self {
            Purpose::Archive => ("Not archived", "Mend the rules and archive it again."),
            Purpose::Move { .. } => ("Not moved", "Mend the project's rules and move it again."),
        }
    }
}

/// A file that a rule left out, by its place in the session that waited, and why.
pub(super) type Rejected = (PathBuf, String);

/// Runs the steps over a session's files. `there` is the experiment that they will join.
pub(super) fn remake(
    purpose: Purpose,
    data: &Path,
    staging: &Path,
    content: Content,
    there: &Incoming,
    rules: &RuleSet,
    run: &Run,
) -> Result<Remake, ActionError> {
    let file_system = FileSystem::of(data)?;
    let mut names = Names::default();
    for scan in &there.scans {
        names.scan(&scan.scan_id, &scan.series_uid, &scan.modality);
    }
    let mut sop_to_name = HashMap::new();
    for file in &there.files {
        names.file(&file.scan_id, &file.resource, &file.name, &file.sop_uid);
        sop_to_name.insert(file.sop_uid.as_str(), file.name.as_str());
    }
    let labels = Labels {
        subject: content.session.subject.clone(),
        session: content.session.label.clone(),
        ..Labels::default()
    };
    let home = data.join(&content.folder);
    let inputs: Vec<Input> = content
        .incoming
        .files
        .iter()
        .map(|file| Input {
            from: home.join(file.below_session()),
            file: file.below_session().to_string_lossy().into_owned(),
            source_name: file.name.clone(),
            scan: ScanWish::Stored(file.scan_id.to_string()),
        })
        .collect();
    let target = data.join(staging);
    let stored = |sop_uid: &str| sop_to_name.get(sop_uid).map(|name| (*name).to_owned());
    let pass = Pass {
        rules,
        at: purpose.at(),
        run,
        labels: &labels,
        placing: Placing {
            names: &Mutex::new(names),
            file_names: rules.file_names(),
            stored: &stored,
        },
        leaks: match rules.leak_check() {
            LeakCheck::Off => Leaks::Off,
            LeakCheck::Report | LeakCheck::Quarantine => Leaks::Own,
        },
        target: &target,
        stopped: &|| false,
    };
    let remade = pass.over(&inputs).map_err(|stop| match stop {
        Stop::Store(error) => ActionError::Store(error),
        other => ActionError::Files(std::io::Error::other(other.to_string())),
    });
    let made = remade.and_then(|remade| gather(purpose, remade, rules, data, staging, content));
    let made = made.and_then(|made| Ok(file_system.sync().map(|()| made)?));
    if made.is_err() {
        drop_folder(&target);
    }
    made
}

/// The session that has been made, if all of it could be.
fn gather(
    purpose: Purpose,
    remade: Vec<Remade>,
    rules: &RuleSet,
    data: &Path,
    staging: &Path,
    content: Content,
) -> Result<Remake, ActionError> {
    let target = data.join(staging);
    let all = remade.len();
    let mut staged: Vec<Staged> = Vec::with_capacity(all);
    let mut review: Vec<String> = Vec::new();
    let mut failed: Vec<String> = Vec::new();
    let mut rejected: Vec<Rejected> = Vec::new();
    let mut leaked = false;
    for (remade, before) in remade.into_iter().zip(&content.incoming.files) {
        match remade {
            Remade::Staged(made) => {
                let file = made.staged;
                leaked |= !made.leaks.is_empty();
                if let Some(reason) = &file.file.findings.quarantine
                    && !review.contains(reason)
                {
                    review.push(reason.clone());
                }
                staged.push(file);
            }
            Remade::Dropped(Outcome::Rejected | Outcome::Filtered, reason) => {
                rejected.push((before.below_session(), reason));
            }
            Remade::Dropped(_, reason) => failed.push(reason),
        }
    }
    let (failure, advice) = purpose.failed();
    if let Some(reason) = failed.first() {
        return Err(ActionError::Refused(format!(
            "{failure}: rules failed on {} of {all} files: {reason}. {advice}",
            failed.len()
        )));
    }
    let Some(first) = staged.first() else {
        let reason = rejected.first().map_or("", |(_, why)| why);
        return Err(ActionError::Refused(format!(
            "{failure}: rules rejected all of its files: {reason}"
        )));
    };
    if let (Purpose::Move { leave_out: false }, Some((_, reason))) = (purpose, rejected.first()) {
        return Err(ActionError::Refused(format!(
            "{failure}: the project's rules don't let in {} of {all} files: {reason}. They would be gone: move it \
             with leaveOut=true if that is wanted.",
            rejected.len()
        )));
    }
    if leaked && rules.leak_check() == LeakCheck::Quarantine {
        review.push(STILL_STANDS.into());
    }
    let instance = File::open(target.join(first.file.below_session()))?;
    let instance = Instance::read(instance).map_err(std::io::Error::other)?;
    let scans = scans_of(&staged);
    let told = described(&instance, &scans);
    let left_out = rejected.first().map(|(_, why)| {
        let when = match purpose {
            Purpose::Archive => "at archiving",
            Purpose::Move { .. } => "on the way from another project",
        };
        format!(
            "{} of {all} files were rejected {when}: {why}",
            rejected.len()
        )
    });
    let session = content.session.clone();
    let session = match purpose {
        Purpose::Archive => NewSession {
            archive_rule_set: Some(rules.hash().to_owned()),
            identified: false,
            reason: left_out,
            ..session
        },
        Purpose::Move { .. } => NewSession {
            rule_set: Some(rules.hash().to_owned()),
            archive_rule_set: None,
            identified: rules.defers(),
            reason: left_out.or(session.reason),
            ..session
        },
    };
    let session = NewSession {
        study_uid: told.study_uid,
        scan_date: told.scan_date,
        scan_time: told.scan_time,
        modality: told.modality,
        xsi_type: told.xsi_type,
        ..session
    };
    let files: Vec<StoredFile> = staged
        .into_iter()
        .map(|s| Arc::unwrap_or_clone(s.file))
        .collect();
    Ok(Remake {
        content: Content {
            session,
            folder: staging.to_owned(),
            incoming: Incoming { files, scans },
        },
        review,
        rejected,
    })
}

/// What can't be removed now goes at the next start.
pub(super) fn drop_folder(folder: &Path) {
    if let Err(error) = std::fs::remove_dir_all(folder)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!(%error, "what was staged for the archive can't be removed");
    }
}
