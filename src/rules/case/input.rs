//! What a case is run on: a DICOM file, DICOM JSON, a handful of elements, or a session's summary.

use super::CaseContext;
use crate::dicom::Instance;
use crate::dicom::edit::{Change, Reach};
use crate::dicom::path::Pattern;
use crate::rules::document::{self, DocumentError};
use crate::rules::error::RuleSetError;
use dicom_core::{DataElement, PrimitiveValue, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::{FileMetaTableBuilder, InMemDicomObject};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

/// More than any header, and room for pixels.
const INSTANCE_BYTES: u64 = 64 << 20;

#[derive(Debug)]
pub enum Input {
    Instance {
        base: Base,
        /// By path; none: removed.
        with: BTreeMap<String, Option<String>>,
    },
    Summary(Map<String, Value>),
}

#[derive(Debug)]
pub enum Base {
    File(PathBuf),
    Json(Value),
    /// An instance with nothing but its UIDs.
    Bare,
}

impl Input {
    pub fn new(
        folder: &Path,
        file: Option<String>,
        dataset: Option<Value>,
        with: Option<BTreeMap<String, Option<String>>>,
        summary: Option<Map<String, Value>>,
    ) -> Result<Self, String> {
        let base = match (file, dataset, summary) {
            (None, None, Some(summary)) if with.is_none() => return Ok(Self::Summary(summary)),
            (Some(file), None, None) => Base::File(folder.join(file)),
            (None, Some(dataset), None) => Base::Json(dataset),
            (None, None, None) if with.is_some() => Base::Bare,
            _ => {
                return Err("needs one of \"file\", \"dataset\", \"with\" and \"summary\"; \"with\" goes with either of the first two".into());
            }
        };
        Ok(Self::Instance {
            base,
            with: with.unwrap_or_default(),
        })
    }

    /// The file that it is read from, if there is one.
    pub fn file(&self) -> Option<PathBuf> {
        match self {
            Self::Instance {
                base: Base::File(file),
                ..
            } => Some(file.clone()),
            _ => None,
        }
    }

    /// The instance. `case` is only named in errors.
    pub fn instance(&self, case: &Path) -> Result<Instance, RuleSetError> {
        let Self::Instance { base, with } = self else {
            return Err(unreadable(case, "is a case without an instance"));
        };
        let (file, bytes) = match base {
            Base::File(file) => {
                let bytes = read(file, INSTANCE_BYTES)?;
                match file.extension().is_some_and(|e| e == "json") {
                    true => {
                        let json = document::parse(&file.display().to_string(), &bytes)?;
                        (
                            file.as_path(),
                            from_json(json).map_err(|m| unreadable(file, m))?,
                        )
                    }
                    false => (file.as_path(), bytes),
                }
            }
            Base::Json(json) => {
                let bytes = from_json(json.clone()).map_err(|message| {
                    DocumentError::content(&case.display().to_string(), "/dataset", message)
                })?;
                (case, bytes)
            }
            Base::Bare => (case, encode(bare()).map_err(|m| unreadable(case, m))?),
        };
        let mut instance = Instance::from_bytes(bytes).map_err(|e| unreadable(file, e))?;
        for (path, value) in with {
            change(&mut instance, path, value.as_deref()).map_err(|message| {
                let pointer = format!("/with/{}", path.replace('~', "~0").replace('/', "~1"));
                DocumentError::content(&case.display().to_string(), &pointer, message)
            })?;
        }
        if with.is_empty() {
            return Ok(instance);
        }
        // Read again: to the rule, what the case changed is what the file has.
        let bytes = instance.to_bytes().map_err(|e| unreadable(case, e))?;
        Instance::from_bytes(bytes).map_err(|e| unreadable(case, e))
    }
}

fn change(instance: &mut Instance, path: &str, value: Option<&str>) -> Result<(), String> {
    let pattern = Pattern::parse_path(path).map_err(|error| error.to_string())?;
    match value {
        Some(value) => instance
            .set(&pattern, value)
            .map_err(|error| error.to_string()),
        None => instance
            .edit(
                Reach::Everything,
                &mut |location, _, _| match pattern.matches(location) {
                    true => Change::Remove,
                    false => Change::Keep,
                },
            )
            .map(|_| ())
            .map_err(|error| error.to_string()),
    }
}

/// DICOM JSON is UTF-8, and so is the dataset that is made of it, unless it says otherwise.
fn from_json(json: Value) -> Result<Vec<u8>, String> {
    let mut object: InMemDicomObject =
        dicom_json::from_value(json).map_err(|error| format!("is no DICOM JSON: {error}"))?;
    if object
        .element_opt(tags::SPECIFIC_CHARACTER_SET)
        .ok()
        .flatten()
        .is_none()
    {
        object.put_str(tags::SPECIFIC_CHARACTER_SET, VR::CS, "ISO_IR 192");
    }
    encode(object)
}

fn bare() -> InMemDicomObject {
    InMemDicomObject::from_element_iter(
        [
            (tags::SPECIFIC_CHARACTER_SET, VR::CS, "ISO_IR 192"),
            (tags::SOP_CLASS_UID, VR::UI, uids::CT_IMAGE_STORAGE),
            (tags::SOP_INSTANCE_UID, VR::UI, "1.2.3.1"),
            (tags::STUDY_INSTANCE_UID, VR::UI, "1.2.3"),
            (tags::SERIES_INSTANCE_UID, VR::UI, "1.2.3.0"),
        ]
        .map(|(tag, vr, text)| DataElement::new(tag, vr, PrimitiveValue::from(text))),
    )
}

/// As a file, in explicit VR little endian. UIDs that the file meta information needs and the dataset
/// lacks are made up there, not in the dataset.
fn encode(object: InMemDicomObject) -> Result<Vec<u8>, String> {
    let uid = |tag, or: &str| {
        let element = object.element_opt(tag).ok().flatten();
        let text = element.and_then(|e| Some(e.to_str().ok()?.into_owned()));
        text.unwrap_or_else(|| or.to_owned())
    };
    let meta = FileMetaTableBuilder::new()
        .transfer_syntax(uids::EXPLICIT_VR_LITTLE_ENDIAN)
        .media_storage_sop_class_uid(uid(tags::SOP_CLASS_UID, uids::CT_IMAGE_STORAGE))
        .media_storage_sop_instance_uid(uid(tags::SOP_INSTANCE_UID, "1.2.3.1"));
    let file = object.with_meta(meta).map_err(|error| error.to_string())?;
    let mut bytes = Vec::new();
    file.write_all(&mut bytes)
        .map_err(|error| error.to_string())?;
    Ok(bytes)
}

/// An empty session's summary with the case's members put over it, at any depth.
pub fn summary(changes: &Map<String, Value>, context: &CaseContext) -> Value {
    let mut summary = json!({
        "project": context.project, "subject": context.subject, "session": context.session,
        "failed": 0, "study": { "modality": null, "date": null, "uid": null }, "series": [],
        "counts": {
            "found": 0, "stored": 0, "duplicate": 0, "conflict": 0, "filtered": 0, "rejected": 0, "failed": 0,
            "quarantined": 0, "not_dicom": 0, "unreadable": 0, "cut_short": 0, "changed": 0
        },
        "stored": [], "leaks": [], "conflicts": [],
        "labels": { "auto_archive": null, "visit": null, "scan": null },
        "parameters": context.parameters
    });
    put_over(&mut summary, &Value::Object(changes.clone()));
    summary
}

fn put_over(base: &mut Value, changes: &Value) {
    match (base, changes) {
        (Value::Object(base), Value::Object(changes)) => {
            for (key, change) in changes {
                put_over(base.entry(key.clone()).or_insert(Value::Null), change);
            }
        }
        (base, change) => *base = change.clone(),
    }
}

/// A whole file, if it is not larger than it may be.
pub fn read(path: &Path, limit: u64) -> Result<Vec<u8>, RuleSetError> {
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(|e| unreadable(path, e))?;
    file.take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| unreadable(path, e))?;
    match bytes.len() as u64 > limit {
        true => Err(unreadable(
            path,
            format!("is larger than {} MiB", limit >> 20),
        )),
        false => Ok(bytes),
    }
}

pub fn unreadable(path: &Path, message: impl std::fmt::Display) -> RuleSetError {
    RuleSetError::Unreadable {
        file: path.display().to_string(),
        message: message.to_string(),
    }
}
