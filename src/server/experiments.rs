//! The archive as XNAT lists it: subjects, experiments, scans, resources, files.
//!
//! Every route is mounted below `/data` and below `/data/archive`; ids and labels are interchangeable.
//! What a caller has no role for is answered like what does not exist.

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::store::{Area, Session, SessionFilter};

use super::api::{Api, Field, delete, get, put};
use super::auth::Caller;
use super::content;
use super::error::ApiError;
use super::form::Parameters;
use super::import::check_label;
use super::prearchive::to_its_end;
use super::session::{self, Reached, Steps};
use super::state::AppState;
use super::table::{Item, Table, View, timestamp};

const COLUMNS: [&str; 10] = [
    "ID",
    "project",
    "date",
    "xsiType",
    "label",
    "insert_date",
    "insert_user",
    "subject_ID",
    "subject_label",
    "URI",
];

/// Types that stand for every kind of session.
const ANY_SESSION: [&str; 3] = [
    "xnat:experimentData",
    "xnat:subjectAssessorData",
    "xnat:imageSessionData",
];

const CHANGE: &[Field] = &[("label", "text", "The new label.")];

pub fn routes() -> Api {
    let mut api = Api::new("Experiments");
    for parent in [
        "",
        "/projects/{project}",
        "/projects/{project}/subjects/{subject}",
        "/subjects/{subject}",
    ] {
        let one = format!("{parent}/experiments/{{experiment}}");
        api = api
            .on(
                get(
                    format!("{parent}/experiments"),
                    "Archived sessions that the caller may see",
                )
                .query::<Narrow>()
                .table(),
                list,
            )
            .on(
                get(
                    one.clone(),
                    "An archived session, with its scans and their resources",
                )
                .item()
                .or_zip(),
                show,
            )
            .on(
                put(
                    one.clone(),
                    "Give an archived session another label: its id",
                )
                .form(CHANGE)
                .text()
                .fails([409]),
                change,
            )
            .on(
                delete(one.clone(), "Delete an archived session and its files")
                    .empty(200, "")
                    .fails([409]),
                remove,
            )
            .nest(&one, session::below("Experiments"));
    }
    api
}

/// What a listing may be narrowed by, besides its steps.
#[derive(Debug, Deserialize, JsonSchema)]
struct Narrow {
    /// An experiment's id or label.
    #[serde(rename = "ID")]
    id: Option<String>,
    /// A project's id.
    project: Option<String>,
    /// A session's label.
    label: Option<String>,
    /// Such as xnat:mrSessionData.
    #[serde(rename = "xsiType")]
    xsi_type: Option<String>,
}

impl Narrow {
    fn takes(&self, session: &Session) -> bool {
        let is = |wanted: &Option<String>, value: &str| wanted.as_ref().is_none_or(|w| w == value);
        let id = session.experiment_id.as_deref().unwrap_or_default();
        (is(&self.id, id) || is(&self.id, &session.label))
            && is(&self.project, &session.project)
            && is(&self.label, &session.label)
            && (is(&self.xsi_type, &session.xsi_type)
                || self
                    .xsi_type
                    .as_deref()
                    .is_some_and(|t| ANY_SESSION.contains(&t)))
    }
}

async fn list(
    State(state): State<AppState>,
    caller: Caller,
    Path(steps): Path<Steps>,
    Query(narrow): Query<Narrow>,
    view: View,
) -> Result<Response, ApiError> {
    if let Some(project) = &steps.project {
        state.readable_project(&caller, project).await?;
    }
    let filter = SessionFilter {
        project: steps.project.as_deref(),
        area: Some(Area::Archive),
        ..SessionFilter::default()
    };
    let mut sessions = state.store.sessions().list(filter).await?;
    let visible: std::collections::BTreeSet<String> = state
        .visible_projects(&caller)
        .await?
        .into_iter()
        .map(|project| project.id)
        .collect();
    sessions.retain(|session| {
        visible.contains(&session.project)
            && narrow.takes(session)
            && steps
                .subject
                .as_deref()
                .is_none_or(|subject| is_of_subject(session, subject))
    });
    Table::of("Experiments", &COLUMNS, sessions, |session| {
        let id = session.experiment_id.unwrap_or_default();
        let uri = format!("/data/experiments/{id}");
        [
            id,
            session.project,
            session.scan_date.unwrap_or_default(),
            session.xsi_type,
            session.label,
            session.archived.map(timestamp).unwrap_or_default(),
            session.archived_by.unwrap_or_default(),
            session.subject_id.unwrap_or_default(),
            session.subject,
            uri,
        ]
    })
    .with_choice()
    .answer(&view)
}

/// With its scans, and the resources of each.
async fn show(
    State(state): State<AppState>,
    reached: Reached,
    view: View,
) -> Result<Response, ApiError> {
    if view.is_zip() {
        return reached.zip(&state).await;
    }
    session_item(&state, reached.session).await?.answer(&view)
}

/// An archived or waiting session as an object.
pub async fn session_item(state: &AppState, session: Session) -> Result<Item, ApiError> {
    let mut resources = content::resources_of(&state.store, &session, "ALL").await?;
    let mut scans = Vec::new();
    for summary in state.store.sessions().scans(session.id).await? {
        let id = summary.scan.scan_id.clone();
        let (own, others) = resources.into_iter().partition(|r| r.scan_id == id);
        resources = others;
        let item = session::scan_item(&session, summary);
        scans.push(item.with("file", content::resource_items(own)));
    }
    let item = Item::new(
        session.xsi_type,
        [
            ("ID", session.experiment_id.unwrap_or_default()),
            ("project", session.project),
            ("label", session.label),
            ("subject_ID", session.subject_id.unwrap_or_default()),
            ("UID", session.study_uid),
            ("modality", session.modality),
            ("date", session.scan_date.unwrap_or_default()),
            ("time", session.scan_time.unwrap_or_default()),
            ("rule_set", session.rule_set.unwrap_or_default()),
            (
                "archive_rule_set",
                session.archive_rule_set.unwrap_or_default(),
            ),
        ],
    );
    Ok(item.with("scans/scan", scans))
}

/// XNAT's way to rename: `PUT …?label=`, also by the field's XML path. The files stay as they are, with what
/// rules have stamped into them. Answers the experiment's id.
async fn change(
    State(state): State<AppState>,
    reached: Reached,
    parameters: Parameters,
) -> Result<String, ApiError> {
    let Reached {
        session, caller, ..
    } = reached;
    state.editable_project(&caller, &session.project).await?;
    // xnatpy says `xnat:ctSessionData/label`.
    let by_path = || parameters.iter().find(|(name, _)| name.ends_with("/label"));
    let label = parameters
        .text("label")
        .or_else(|| by_path().map(|(_, value)| value));
    check_label("label", label)?;
    let Some(label) = label.map(str::to_owned) else {
        return Err(ApiError::BadRequest(
            "Give the new label as the parameter label: nothing else of an experiment can be changed."
                .into(),
        ));
    };
    let archive = state.archive.clone();
    let renamed =
        to_its_end(async move { archive.rename(&session, &label, &caller.name).await }).await?;
    Ok(renamed.experiment_id.unwrap_or_default())
}

/// By an owner. Differs from XNAT: the files go too, whether `removeFiles` says so or not; what nobody knows of
/// would stand in the way of the next session of that label.
async fn remove(State(state): State<AppState>, reached: Reached) -> Result<StatusCode, ApiError> {
    let Reached {
        session, caller, ..
    } = reached;
    state.owned_project(&caller, &session.project).await?;
    let archive = state.archive.clone();
    to_its_end(async move { archive.delete_archived(&session, &caller.name).await }).await?;
    Ok(StatusCode::OK)
}

/// The experiment that a URI names.
pub async fn find(state: &AppState, caller: &Caller, steps: &Steps) -> Result<Session, ApiError> {
    let unknown = || ApiError::no_such("experiment");
    if let Some(project) = &steps.project {
        state.readable_project(caller, project).await?;
    }
    let named = steps.experiment.as_deref().unwrap_or_default();
    let session = state
        .store
        .sessions()
        .find_experiment(steps.project.as_deref(), named)
        .await?
        .ok_or_else(unknown)?;
    let at_its_subject = steps
        .subject
        .as_deref()
        .is_none_or(|s| is_of_subject(&session, s));
    match at_its_subject && state.may_read(caller, &session.project).await? {
        true => Ok(session),
        false => Err(unknown()),
    }
}

fn is_of_subject(session: &Session, label_or_id: &str) -> bool {
    session.subject == label_or_id || session.subject_id.as_deref() == Some(label_or_id)
}

/// Where an experiment is found by its id.
pub fn address(session: &Session) -> String {
    format!(
        "/data/experiments/{}",
        session.experiment_id.as_deref().unwrap_or_default()
    )
}
