//! What is in a session: scans, resources, files, and the bytes.
//!
//! The same for the prearchive and the archive; who may see the session was decided before.

use std::collections::BTreeMap;

use axum::http::HeaderMap;
use axum::response::Response;

use crate::store::{ResourceSummary, ScanSummary, Session, Store, StoredFile};

use super::error::ApiError;
use super::file_body;
use super::state::AppState;
use super::table::{Item, Table};
use super::zip_body::{self, Entry, plain};

/// Columns of XNAT's resource listing.
const RESOURCE_COLUMNS: [&str; 11] = [
    "xnat_abstractresource_id",
    "label",
    "element_name",
    "category",
    "cat_id",
    "cat_desc",
    "file_count",
    "file_size",
    "tags",
    "content",
    "format",
];

const FILE_COLUMNS: [&str; 9] = [
    "Name",
    "Size",
    "URI",
    "collection",
    "file_tags",
    "file_format",
    "file_content",
    "cat_ID",
    "digest",
];

/// Which of a session's scans a URI names: one, several with commas between, or all (`ALL`, `*`).
struct Scans<'a>(&'a str);

impl Scans<'_> {
    fn names(&self, scan_id: &str) -> bool {
        matches!(self.0, "ALL" | "*") || self.0.split(',').any(|name| name == scan_id)
    }
}

/// `scans/N/resources`.
pub async fn resources(store: &Store, session: &Session, scan: &str) -> Result<Table, ApiError> {
    let found = resources_of(store, session, scan).await?;
    Ok(Table::of(
        "Resources",
        &RESOURCE_COLUMNS,
        found,
        |resource| {
            [
                resource.id.to_string(),
                resource.label.clone(),
                "xnat:resourceCatalog".into(),
                "scans".into(),
                resource.scan_id,
                String::new(),
                resource.files.to_string(),
                resource.bytes.to_string(),
                String::new(),
                content_of(&resource.label).into(),
                format_of(&resource.label).into(),
            ]
        },
    ))
}

/// Resources as objects below their scan.
pub fn resource_items(found: Vec<ResourceSummary>) -> Vec<Item> {
    let items = found.into_iter().map(|resource| {
        Item::new(
            "xnat:resourceCatalog",
            [
                ("content", content_of(&resource.label).into()),
                ("format", format_of(&resource.label).into()),
                ("file_count", resource.files.to_string()),
                ("file_size", resource.bytes.to_string()),
                ("xnat_abstractresource_id", resource.id.to_string()),
                ("label", resource.label),
            ],
        )
    });
    items.collect()
}

/// `scans/N/files` and `scans/N/resources/R/files`; each URI is `base` and the file's way below it.
pub async fn files(
    store: &Store,
    session: &Session,
    scan: &str,
    resource: Option<&str>,
    base: &str,
) -> Result<Table, ApiError> {
    let mut table = Table::new("Files", &FILE_COLUMNS);
    for found in resources_of(store, session, scan).await? {
        if resource.is_some_and(|name| !is_named(&found, name)) {
            continue;
        }
        for file in store
            .sessions()
            .files(session.id, Some(&found.scan_id))
            .await?
        {
            if *file.resource != *found.label {
                continue;
            }
            let uri = format!(
                "{base}/scans/{}/resources/{}/files/{}",
                found.scan_id,
                found.id,
                super::address::encoded(&file.name)
            );
            table.push([
                file.name,
                file.size.to_string(),
                uri,
                found.label.clone(),
                String::new(),
                format_of(&found.label).into(),
                content_of(&found.label).into(),
                found.id.to_string(),
                file.digest.unwrap_or_default(),
            ]);
        }
    }
    Ok(table)
}

/// `files?format=zip`: the same files, as `<session>/scans/<scan>-<type>/resources/<resource>/files/<name>`.
/// XNAT: 404 where there are none.
pub async fn zip(
    state: &AppState,
    session: &Session,
    scan: &str,
    resource: Option<&str>,
) -> Result<Response, ApiError> {
    let sessions = state.store.sessions();
    let folders: BTreeMap<String, String> = sessions
        .scans(session.id)
        .await?
        .into_iter()
        .map(|summary| {
            let id = summary.scan.scan_id;
            let folder = match summary.scan.description.is_empty() {
                true => plain(&id),
                false => format!("{}-{}", plain(&id), plain(&summary.scan.description)),
            };
            (id, folder)
        })
        .collect();
    let label = plain(&session.label);
    let mut entries = Vec::new();
    for found in resources_of(&state.store, session, scan).await? {
        if resource.is_some_and(|name| !is_named(&found, name)) {
            continue;
        }
        let folder = folders.get(&found.scan_id).unwrap_or(&found.scan_id);
        for file in sessions.files(session.id, Some(&found.scan_id)).await? {
            if *file.resource == *found.label {
                entries.push(Entry {
                    name: format!(
                        "{label}/scans/{folder}/resources/{}/files/{}",
                        found.label, file.name
                    ),
                    path: state.config.data.join(session.path_of(&file)),
                });
            }
        }
    }
    match entries.is_empty() {
        true => Err(ApiError::no_such("file")),
        false => Ok(zip_body::send(&session.label, entries)),
    }
}

/// `files/<name>` below a scan or one of its resources: the bytes.
pub async fn download(
    state: &AppState,
    session: &Session,
    scan: &str,
    resource: Option<&str>,
    name: &str,
    headers: &HeaderMap,
) -> Result<Response, ApiError> {
    let file = find_file(&state.store, session, scan, resource, name)
        .await?
        .ok_or_else(|| ApiError::no_such("file"))?;
    file_body::send(
        &state.config.data.join(session.path_of(&file)),
        "application/dicom",
        headers,
    )
    .await
}

pub async fn find_file(
    store: &Store,
    session: &Session,
    scan: &str,
    resource: Option<&str>,
    name: &str,
) -> Result<Option<StoredFile>, ApiError> {
    for found in resources_of(store, session, scan).await? {
        if resource.is_some_and(|wanted| !is_named(&found, wanted)) {
            continue;
        }
        let file = store
            .sessions()
            .file(session.id, &found.scan_id, &found.label, name)
            .await?;
        if file.is_some() {
            return Ok(file);
        }
    }
    Ok(None)
}

/// The files of the first scan that a URI names, in the order of their instances; its DICOM files, if it has some.
pub async fn files_of_scan(
    store: &Store,
    session: &Session,
    scan: &str,
) -> Result<Vec<StoredFile>, ApiError> {
    let sessions = store.sessions();
    let scans = sessions.scans(session.id).await?;
    let named = |summary: &&ScanSummary| Scans(scan).names(&summary.scan.scan_id);
    let Some(first) = scans.iter().find(named) else {
        return Ok(Vec::new());
    };
    let files = sessions
        .files(session.id, Some(&first.scan.scan_id))
        .await?;
    let (mut dicom, others): (Vec<_>, Vec<_>) = files
        .into_iter()
        .partition(|file| &*file.resource == "DICOM");
    if dicom.is_empty() {
        dicom = others;
    }
    dicom.sort_by_cached_key(|file| {
        let number = file.instance_number.as_deref().unwrap_or_default();
        (number.trim().parse::<i64>().ok(), file.name.clone())
    });
    Ok(dicom)
}

/// The folders of files in the scans that a URI names.
pub async fn resources_of(
    store: &Store,
    session: &Session,
    scan: &str,
) -> Result<Vec<ResourceSummary>, ApiError> {
    let mut found = store.sessions().resources(session.id, None).await?;
    found.retain(|resource| Scans(scan).names(&resource.scan_id));
    Ok(found)
}

/// A resource answers to its label and to its number.
fn is_named(resource: &ResourceSummary, name: &str) -> bool {
    resource.label == name || resource.id.to_string() == name
}

fn format_of(resource: &str) -> &'static str {
    if matches!(resource, "DICOM" | "secondary") {
        "DICOM"
    } else {
        ""
    }
}

fn content_of(resource: &str) -> &'static str {
    match resource {
        "DICOM" => "RAW",
        "secondary" => "secondary",
        _ => "",
    }
}
