//! What `plugins/wit` is in Rust, generated, and its answers as ours. The three worlds share the
//! interfaces of the first.

use super::super::answer;
use super::super::host;

mod anonymize {
    wasmtime::component::bindgen!({
        path: "plugins/wit",
        world: "anonymize",
        with: { "sluice:rules/dicom.dataset": crate::rules::wasm::guest::Dataset },
        imports: { default: trappable },
    });
}

mod label {
    wasmtime::component::bindgen!({
        path: "plugins/wit",
        world: "label",
        with: {
            "sluice:rules/dicom": super::anonymize::sluice::rules::dicom,
            "sluice:rules/pseudonym": super::anonymize::sluice::rules::pseudonym,
            "sluice:rules/context": super::anonymize::sluice::rules::context,
            "sluice:rules/types": super::anonymize::sluice::rules::types,
        },
    });
}

mod route {
    wasmtime::component::bindgen!({
        path: "plugins/wit",
        world: "route",
        with: {
            "sluice:rules/pseudonym": super::anonymize::sluice::rules::pseudonym,
            "sluice:rules/context": super::anonymize::sluice::rules::context,
            "sluice:rules/types": super::anonymize::sluice::rules::types,
        },
    });
}

pub use anonymize::sluice::rules::{context, dicom, pseudonym, types};
pub use anonymize::{Anonymize, AnonymizePre};
pub use label::{Label, LabelPre};
pub use route::{Route, RoutePre};

impl From<types::Verdict> for answer::Verdict {
    fn from(verdict: types::Verdict) -> Self {
        match verdict {
            types::Verdict::Keep => Self::Keep,
            types::Verdict::Reject(why) => Self::Reject(why),
            types::Verdict::Quarantine(why) => Self::Quarantine(why),
        }
    }
}

impl From<types::Labels> for answer::Labels {
    fn from(labels: types::Labels) -> Self {
        Self {
            subject: labels.subject,
            session: labels.session,
            project: labels.project,
            visit: labels.visit,
            scan: labels.scan,
            auto_archive: labels.auto_archive,
        }
    }
}

impl From<types::Decision> for answer::Decision {
    fn from(decision: types::Decision) -> Self {
        match decision {
            types::Decision::Prearchive(why) => Self::Prearchive(why),
            types::Decision::Archive(why) => Self::Archive(why),
            types::Decision::ArchiveOverwrite(why) => Self::ArchiveOverwrite(why),
            types::Decision::Quarantine(why) => Self::Quarantine(why),
            types::Decision::Reject(why) => Self::Reject(why),
            types::Decision::Split(parts) => {
                Self::Split(parts.into_iter().map(answer::Part::from).collect())
            }
        }
    }
}

impl From<types::Part> for answer::Part {
    fn from(part: types::Part) -> Self {
        let to = match part.to {
            types::Destination::Prearchive => answer::Decision::Prearchive,
            types::Destination::Archive => answer::Decision::Archive,
            types::Destination::ArchiveOverwrite => answer::Decision::ArchiveOverwrite,
            types::Destination::Quarantine => answer::Decision::Quarantine,
            types::Destination::Reject => answer::Decision::Reject,
        };
        Self {
            series: part.series,
            session: part.session,
            decision: to(part.why),
        }
    }
}

impl From<host::EditError> for dicom::EditError {
    fn from(error: host::EditError) -> Self {
        match error {
            host::EditError::BadPath(what) => Self::BadPath(what),
            host::EditError::BadValue(what) => Self::BadValue(what),
            host::EditError::Undeclared(what) => Self::Undeclared(what),
            host::EditError::Protected(what) => Self::Protected(what),
            // The interface's variant is fixed: components of before must still fit it.
            host::EditError::NotRedactable(what) => Self::NotRedactable(what),
        }
    }
}

impl From<dicom::Edit> for host::Edit {
    fn from(edit: dicom::Edit) -> Self {
        let action = match edit.action {
            dicom::Action::Remove => host::Action::Remove,
            dicom::Action::Blank => host::Action::Blank,
            dicom::Action::Set(value) => host::Action::Set(value),
            dicom::Action::Uid => host::Action::Uid,
            dicom::Action::Dummy => host::Action::Dummy,
            dicom::Action::ShiftDate(days) => host::Action::ShiftDate(days),
        };
        Self {
            pattern: edit.pattern,
            action,
        }
    }
}
