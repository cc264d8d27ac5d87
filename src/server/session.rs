//! What is below a session, in the prearchive and in the archive alike: scans, resources, files and their bytes.
//!
//! A URI's first steps say which session; whoever may see that may list what is in it. Bytes of what is in
//! quarantine, or has still to be anonymized for the archive, are for owners and administrators.

mod header;
mod summary;
mod thumbnail;

use std::fs::File;
use std::path::PathBuf;

use axum::extract::{FromRequestParts, Path, Query, State};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use axum::response::Response;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::dicom::Instance;
use crate::store::{Area, ScanSummary, Session};

use super::api::{Api, Schema, get};
use super::auth::Caller;
use super::content;
use super::error::ApiError;
use super::state::AppState;
use super::table::{Item, Table, View};
use super::{experiments, prearchive};

const SCAN_COLUMNS: [&str; 8] = [
    "xnat_imagescandata_id",
    "ID",
    "type",
    "quality",
    "xsiType",
    "note",
    "series_description",
    "URI",
];

pub use header::routes as headers;

/// The routes below a session's address, whichever way that was reached.
pub fn below(family: &'static str) -> Api {
    let listing = |path: &'static str| {
        get(path, "Files, or with `format=zip` what is in them")
            .table()
            .or_zip()
    };
    let file = |path: &'static str| {
        get(
            path,
            "A file's bytes, or the part of them that `Range` asks for",
        )
        .kind("application/dicom", Schema::Opaque)
        .kind_at(206, "A part", "application/dicom", Schema::Opaque)
        .fails([403, 416])
    };
    Api::new(family)
        .on(listing("/files"), files)
        .on(file("/files/{name}"), download)
        .on(
            get(
                "/resources",
                "Resources of the session itself, of which there are none; or of all scans",
            )
            .query::<Levels>()
            .table(),
            session_resources,
        )
        .on(
            get("/summary", "A session in short, with its scans").json::<summary::Summary>(),
            summary::summary,
        )
        .on(listing("/resources/{resource}/files"), files)
        .on(file("/resources/{resource}/files/{name}"), download)
        .on(get("/scans", "A session's scans").table(), scans)
        .on(
            get("/scans/{scan}", "A scan, with its resources")
                .item()
                .or_zip(),
            show_scan,
        )
        .on(
            get("/scans/{scan}/resources", "A scan's resources").table(),
            resources,
        )
        .on(
            get(
                "/scans/{scan}/thumbnail",
                "What the scan's middle instance shows, as a small picture",
            )
            .kind("image/png", Schema::Opaque)
            .empty(304, "As `If-None-Match` knows it")
            .fails([403, 422]),
            thumbnail::thumbnail,
        )
        .on(listing("/scans/{scan}/files"), files)
        .on(file("/scans/{scan}/files/{name}"), download)
        .on(listing("/scans/{scan}/resources/{resource}/files"), files)
        .on(
            file("/scans/{scan}/resources/{resource}/files/{name}"),
            download,
        )
}

/// The steps of a URI, as far as it goes.
#[derive(Debug, Default, Deserialize)]
pub struct Steps {
    pub project: Option<String>,
    pub subject: Option<String>,
    pub experiment: Option<String>,
    timestamp: Option<String>,
    folder: Option<String>,
    scan: Option<String>,
    resource: Option<String>,
    name: Option<String>,
}

impl Steps {
    fn scan(&self) -> &str {
        self.scan.as_deref().unwrap_or("ALL")
    }

    /// Those of an address that is a parameter, with `/data` and `/archive` before it or not; none if it leads to
    /// no session.
    fn of_source(source: &str) -> Option<Steps> {
        let below = source.strip_prefix("/data").unwrap_or(source);
        let below = below.strip_prefix("/archive").unwrap_or(below);
        let mut parts = below.strip_prefix('/')?.split('/').map(str::to_owned);
        let mut steps = Steps::default();
        while let Some(kind) = parts.next() {
            let value = parts.next().filter(|value| !value.is_empty())?;
            match kind.as_str() {
                "prearchive" if value == "projects" => {
                    steps.project = Some(parts.next()?);
                    steps.timestamp = Some(parts.next()?);
                    steps.folder = Some(parts.next()?);
                }
                "projects" => steps.project = Some(value),
                "subjects" => steps.subject = Some(value),
                "experiments" => steps.experiment = Some(value),
                "scans" => steps.scan = Some(value),
                "resources" => steps.resource = Some(value),
                "files" => steps.name = Some(value),
                _ => return None,
            }
        }
        (steps.folder.is_some() || steps.experiment.is_some()).then_some(steps)
    }
}

/// The session that a URI names, which the caller may see, and what of it.
pub struct Reached {
    pub session: Session,
    pub caller: Caller,
    steps: Steps,
}

impl FromRequestParts<AppState> for Reached {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let caller = Caller::from_request_parts(parts, state).await?;
        let Path(steps) = Path::<Steps>::from_request_parts(parts, state)
            .await
            .map_err(|_| ApiError::BadRequest("The address could not be read.".into()))?;
        Reached::find(state, caller, steps).await
    }
}

impl Reached {
    async fn find(state: &AppState, caller: Caller, steps: Steps) -> Result<Self, ApiError> {
        let session = match (&steps.project, &steps.timestamp, &steps.folder) {
            (Some(project), Some(timestamp), Some(folder)) => {
                let place = prearchive::Place {
                    project: project.clone(),
                    timestamp: timestamp.clone(),
                    folder: folder.clone(),
                };
                prearchive::find(state, &caller, &place).await?
            }
            _ => experiments::find(state, &caller, &steps).await?,
        };
        Ok(Reached {
            session,
            caller,
            steps,
        })
    }

    /// What addresses of scans and files begin with.
    fn base(&self) -> String {
        match self.session.area() {
            Area::Archive => experiments::address(&self.session),
            Area::Prearchive | Area::Quarantine => format!("/data{}", self.session.uri()),
        }
    }

    /// # Errors
    /// If the caller may list the session's files and not read them.
    pub async fn check_may_see_bytes(&self, state: &AppState) -> Result<(), ApiError> {
        let why = match (self.session.area(), self.session.identified) {
            (Area::Archive, _) | (Area::Prearchive, false) => return Ok(()),
            (Area::Quarantine, _) => "The session is in quarantine",
            (Area::Prearchive, true) => {
                "The session will be anonymized when it is archived, and identifies patients until then"
            }
        };
        let project = &self.session.project;
        match state.may_view_identified(&self.caller, project).await? {
            true => Ok(()),
            false => Err(ApiError::Forbidden(
                format!(
                    "{why}: only an owner of the project or an administrator may see its files."
                )
                .into(),
            )),
        }
    }

    /// All of its files as a zip.
    pub async fn zip(&self, state: &AppState) -> Result<Response, ApiError> {
        self.check_may_see_bytes(state).await?;
        let (scan, resource) = (self.steps.scan(), self.steps.resource.as_deref());
        content::zip(state, &self.session, scan, resource).await
    }
}

/// A stored file, to be looked at. To be called on a thread that may block.
fn opened(path: PathBuf) -> Result<Instance, ApiError> {
    let file = File::open(path).map_err(ApiError::io("a stored file could not be opened"))?;
    // The error's text tells of the file's structure, and not of what is in it.
    Instance::read(file).map_err(|error| {
        ApiError::Unprocessable(format!("The file can't be read: {error}.").into())
    })
}

/// A scan as an object.
pub fn scan_item(session: &Session, summary: ScanSummary) -> Item {
    let scan = summary.scan;
    Item::new(
        scan.xsi_type,
        [
            ("ID", scan.scan_id),
            // XNAT: the type is the series description until someone gives another.
            ("type", scan.description.clone()),
            ("series_description", scan.description),
            ("quality", "usable".into()),
            ("modality", scan.modality),
            ("UID", scan.series_uid),
            ("frames", summary.files.to_string()),
            (
                "image_session_ID",
                session.experiment_id.clone().unwrap_or_default(),
            ),
        ],
    )
}

async fn scans(
    State(state): State<AppState>,
    reached: Reached,
    view: View,
) -> Result<Response, ApiError> {
    let base = reached.base();
    let scans = state.store.sessions().scans(reached.session.id).await?;
    let table = Table::of("Scans", &SCAN_COLUMNS, scans, |summary| {
        let uri = format!("{base}/scans/{}", summary.scan.scan_id);
        [
            summary.id.to_string(),
            summary.scan.scan_id,
            summary.scan.description.clone(),
            "usable".into(),
            summary.scan.xsi_type,
            String::new(),
            summary.scan.description,
            uri,
        ]
    });
    // XNAT knows less of what waits.
    let table = match reached.session.area() {
        Area::Archive => table,
        _ => table.only(&["ID", "xsiType", "series_description", "URI"]),
    };
    table.with_choice().answer(&view)
}

async fn show_scan(
    State(state): State<AppState>,
    reached: Reached,
    view: View,
) -> Result<Response, ApiError> {
    let scans = state.store.sessions().scans(reached.session.id).await?;
    let wanted = reached.steps.scan();
    let mut named = scans.into_iter().filter(|s| s.scan.scan_id == wanted);
    let summary = named.next().ok_or_else(|| ApiError::no_such("scan"))?;
    if view.is_zip() {
        return reached.zip(&state).await;
    }
    let found = content::resources_of(&state.store, &reached.session, wanted).await?;
    scan_item(&reached.session, summary)
        .with("file", content::resource_items(found))
        .answer(&view)
}

async fn resources(
    State(state): State<AppState>,
    reached: Reached,
    view: View,
) -> Result<Response, ApiError> {
    content::resources(&state.store, &reached.session, reached.steps.scan())
        .await?
        .answer(&view)
}

#[derive(Debug, Deserialize, JsonSchema)]
struct Levels {
    /// `true`: those of the scans.
    all: Option<String>,
}

/// XNAT: those that belong to the session and to none of its scans, of which an import makes none; with
/// `all=true` its scans' too.
async fn session_resources(
    State(state): State<AppState>,
    reached: Reached,
    Query(levels): Query<Levels>,
    view: View,
) -> Result<Response, ApiError> {
    let scans = match levels.all.as_deref() {
        Some("true") => "ALL",
        _ => "",
    };
    content::resources(&state.store, &reached.session, scans)
        .await?
        .answer(&view)
}

async fn files(
    State(state): State<AppState>,
    reached: Reached,
    view: View,
) -> Result<Response, ApiError> {
    if view.is_zip() {
        return reached.zip(&state).await;
    }
    content::files(
        &state.store,
        &reached.session,
        reached.steps.scan(),
        reached.steps.resource.as_deref(),
        &reached.base(),
    )
    .await?
    .answer(&view)
}

async fn download(
    State(state): State<AppState>,
    reached: Reached,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    reached.check_may_see_bytes(&state).await?;
    content::download(
        &state,
        &reached.session,
        reached.steps.scan(),
        reached.steps.resource.as_deref(),
        reached.steps.name.as_deref().unwrap_or_default(),
        &headers,
    )
    .await
}
