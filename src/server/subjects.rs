//! Subjects of the archive, in XNAT's listing and as single objects.

use axum::extract::{Path, State};
use axum::response::Response;
use serde::Deserialize;

use crate::store::{Area, SessionFilter};

use super::api::{Api, get};
use super::auth::Caller;
use super::error::ApiError;
use super::state::AppState;
use super::table::{Item, Table, View, timestamp};

const COLUMNS: [&str; 6] = [
    "ID",
    "project",
    "label",
    "insert_date",
    "insert_user",
    "URI",
];

pub fn routes() -> Api {
    let mut api = Api::new("Subjects");
    for parent in ["", "/projects/{project}"] {
        let (all, one) = (
            format!("{parent}/subjects"),
            format!("{parent}/subjects/{{subject}}"),
        );
        api = api
            .on(
                get(all, "Subjects of the projects that the caller may see").table(),
                list,
            )
            .on(get(one, "A subject, with its experiments").item(), show);
    }
    api
}

#[derive(Debug, Deserialize)]
struct Place {
    project: Option<String>,
    subject: Option<String>,
}

async fn list(
    State(state): State<AppState>,
    caller: Caller,
    Path(place): Path<Place>,
    view: View,
) -> Result<Response, ApiError> {
    if let Some(project) = &place.project {
        state.readable_project(&caller, project).await?;
    }
    let visible: std::collections::BTreeSet<String> = state
        .visible_projects(&caller)
        .await?
        .into_iter()
        .map(|project| project.id)
        .collect();
    let mut subjects = state
        .store
        .subjects()
        .list(place.project.as_deref())
        .await?;
    subjects.retain(|subject| visible.contains(&subject.project));
    Table::of("Subjects", &COLUMNS, subjects, |subject| {
        let id = subject.accession();
        let uri = format!("/data/subjects/{id}");
        [
            id,
            subject.project,
            subject.label,
            timestamp(subject.created),
            subject.created_by,
            uri,
        ]
    })
    .with_choice()
    .answer(&view)
}

async fn show(
    State(state): State<AppState>,
    caller: Caller,
    Path(place): Path<Place>,
    view: View,
) -> Result<Response, ApiError> {
    let unknown = || ApiError::no_such("subject");
    if let Some(project) = &place.project {
        state.readable_project(&caller, project).await?;
    }
    let named = place.subject.as_deref().unwrap_or_default();
    let subject = state
        .store
        .subjects()
        .find(place.project.as_deref(), named)
        .await?
        .ok_or_else(unknown)?;
    if !state.may_read(&caller, &subject.project).await? {
        return Err(unknown());
    }
    let filter = SessionFilter {
        project: Some(&subject.project),
        area: Some(Area::Archive),
        ..SessionFilter::default()
    };
    let id = subject.accession();
    let mut experiments = state.store.sessions().list(filter).await?;
    experiments.retain(|session| session.subject_id.as_deref() == Some(&id));
    let experiments = experiments.into_iter().map(|session| {
        Item::new(
            session.xsi_type,
            [
                ("ID", session.experiment_id.unwrap_or_default()),
                ("project", session.project),
                ("label", session.label),
                ("UID", session.study_uid),
                ("date", session.scan_date.unwrap_or_default()),
            ],
        )
    });
    Item::new(
        "xnat:subjectData",
        [
            ("ID", id),
            ("project", subject.project),
            ("label", subject.label),
        ],
    )
    .with("experiments/experiment", experiments.collect())
    .answer(&view)
}
