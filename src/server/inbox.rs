//! /xapi/inbox: what lies in a project's inbox. XNAT has no such call; who scripts imports knows their paths.

use axum::Json;
use axum::extract::{Path, Query, State};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::inbox::{Entry, EntryKind, Listing};

use super::api::{Api, get};
use super::auth::Caller;
use super::error::ApiError;
use super::state::AppState;

/// Entries in one answer: who has more in one folder does not look for one of them by eye.
const MOST_ENTRIES: usize = 2000;

pub fn routes() -> Api {
    Api::new("Imports").on(
        get(
            "/inbox/projects/{project}",
            "What lies in a project's inbox, for who may import it",
        )
        .query::<Below>()
        .json::<ListingView>()
        .fails([403, 404]),
        list,
    )
}

#[derive(Deserialize, JsonSchema)]
struct Below {
    /// A folder below the project's.
    path: Option<String>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "InboxListing")]
struct ListingView {
    /// The folder's full path, as the import call takes it.
    path: String,
    entries: Vec<EntryView>,
    /// There are more entries.
    cut: bool,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "InboxEntry")]
struct EntryView {
    name: String,
    /// `folder`, `archive` (which can be imported by itself) or `file`.
    kind: &'static str,
    /// A file's bytes.
    size: u64,
}

async fn list(
    State(state): State<AppState>,
    caller: Caller,
    Path(project): Path<String>,
    Query(below): Query<Below>,
) -> Result<Json<ListingView>, ApiError> {
    let project = state.editable_project(&caller, &project).await?.id;
    let inbox = state.inbox.clone();
    let below = below.path.unwrap_or_default();
    let listed = tokio::task::spawn_blocking(move || inbox.list(&project, &below, MOST_ENTRIES))
        .await
        .map_err(|_| ApiError::Internal("listing an inbox folder stopped"))?;
    let listing = listed.map_err(|_| {
        ApiError::NotFound("There is no such folder in the project's inbox.".into())
    })?;
    Ok(Json(listing.into()))
}

impl From<Listing> for ListingView {
    fn from(listing: Listing) -> ListingView {
        ListingView {
            path: listing.path,
            entries: listing.entries.into_iter().map(EntryView::from).collect(),
            cut: listing.cut,
        }
    }
}

impl From<Entry> for EntryView {
    fn from(entry: Entry) -> EntryView {
        EntryView {
            name: entry.name,
            kind: match entry.kind {
                EntryKind::Folder => "folder",
                EntryKind::Archive => "archive",
                EntryKind::File => "file",
            },
            size: entry.size,
        }
    }
}
