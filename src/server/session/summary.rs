//! A session in short, wherever it lies: what XNAT's tables and objects tell of it in several calls. Not XNAT's.

use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::Serialize;

use crate::store::{Area, ScanSummary, Session};

use super::super::error::ApiError;
use super::super::state::AppState;
use super::Reached;

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "SessionSummary")]
pub struct Summary {
    /// Its address below `/data`.
    uri: String,
    status: &'static str,
    project: String,
    subject: String,
    label: String,
    modality: String,
    xsi_type: String,
    scan_date: Option<String>,
    study_uid: String,
    /// Milliseconds since 1970.
    uploaded: i64,
    lastmod: i64,
    archived: Option<i64>,
    archived_by: Option<String>,
    /// The import that made it.
    request: Option<i64>,
    rule_set: Option<String>,
    archive_rule_set: Option<String>,
    /// Steps at archiving have still to run over it.
    identified: bool,
    /// It goes to the archive once it is complete.
    auto_archive: bool,
    /// Why it is where it is.
    reason: Option<String>,
    /// Whether the caller may read its files, and see thumbnails and headers.
    files_visible: bool,
    scans: Vec<ScanInShort>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScanInShort {
    id: String,
    modality: String,
    xsi_type: String,
    description: String,
    series_uid: String,
    files: u64,
    bytes: u64,
}

pub async fn summary(
    State(state): State<AppState>,
    reached: Reached,
) -> Result<Json<Summary>, ApiError> {
    let files_visible = match reached.check_may_see_bytes(&state).await {
        Ok(()) => true,
        Err(ApiError::Forbidden(_)) => false,
        Err(error) => return Err(error),
    };
    let session = reached.session;
    let scans = state.store.sessions().scans(session.id).await?;
    Ok(Json(in_short(session, scans, files_visible)))
}

fn in_short(session: Session, scans: Vec<ScanSummary>, files_visible: bool) -> Summary {
    Summary {
        uri: session.uri(),
        status: session.state.as_str(),
        reason: session
            .reason
            .filter(|_| session.state.area() != Area::Archive),
        project: session.project,
        subject: session.subject,
        label: session.label,
        modality: session.modality,
        xsi_type: session.xsi_type,
        scan_date: session.scan_date,
        study_uid: session.study_uid,
        uploaded: session.uploaded,
        lastmod: session.lastmod,
        archived: session.archived,
        archived_by: session.archived_by,
        request: session.request,
        rule_set: session.rule_set,
        archive_rule_set: session.archive_rule_set,
        identified: session.identified,
        auto_archive: session.auto_archive,
        files_visible,
        scans: scans.into_iter().map(ScanInShort::new).collect(),
    }
}

impl ScanInShort {
    fn new(summary: ScanSummary) -> Self {
        let scan = summary.scan;
        Self {
            id: scan.scan_id,
            modality: scan.modality,
            xsi_type: scan.xsi_type,
            description: scan.description,
            series_uid: scan.series_uid,
            files: summary.files.unsigned_abs(),
            bytes: summary.bytes.unsigned_abs(),
        }
    }
}
