//! Projects: listing, making and removing them, their prearchive and quarantine codes, and who is in them.
//!
//! Differs from XNAT: only site administrators make and remove projects, and a project that holds
//! sessions is not removed.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use crate::project::PrearchiveCode;
use crate::rulebook::Author;
use crate::store::{NewProject, Role, UNASSIGNED};

use super::api::{Api, Field, Schema, delete, get, put};
use super::auth::Caller;
use super::error::{ApiError, refusal};
use super::form::Parameters;
use super::state::AppState;
use super::table::{Item, Table, View};

const COLUMNS: [&str; 7] = [
    "ID",
    "secondary_ID",
    "name",
    "description",
    "pi_firstname",
    "pi_lastname",
    "URI",
];

const USER_COLUMNS: [&str; 6] = [
    "login",
    "firstname",
    "lastname",
    "email",
    "displayname",
    "GROUP_ID",
];

/// XNAT's numbered folders below a project's archive; here there is one.
const ARCHIVE_FOLDER: &str = "arc001";

/// Listings, which are also below `/data/archive`.
pub fn listings() -> Api {
    Api::new(FAMILY)
        .on(
            get("/projects", "The projects that the caller may see").table(),
            list,
        )
        .on(get("/projects/{project}", "A project").item(), show)
}

const FAMILY: &str = "Projects";

const FIELDS: &[Field] = &[
    ("name", "text", "Or `xnat:projectData/name`."),
    ("description", "text", "Or `xnat:projectData/description`."),
    (
        "prearchive_code",
        "0|4|5",
        "Of a new project: where sessions go.",
    ),
];

pub fn settings() -> Api {
    let one = "/projects/{project}";
    let below = |steps: &str| format!("{one}/{steps}");
    let member = || below("users/{role}/{user}");
    Api::new(FAMILY)
        .on(
            put(one, "Make a project, or change its fields")
                .form(FIELDS)
                .kind("text/plain", Schema::Opaque)
                .kind_at(201, "Made", "text/plain", Schema::Opaque)
                .fails([409]),
            create_or_update,
        )
        .on(
            delete(one, "Remove a project that holds nothing")
                .empty(200, "")
                .fails([409]),
            remove,
        )
        .on(
            get(
                below("prearchive_code"),
                "Where sessions go: 0 prearchive, 4 archive, 5 archive, replacing",
            )
            .text(),
            prearchive_code,
        )
        .on(
            put(
                below("prearchive_code/{code}"),
                "Say where sessions go: 0, 4 or 5",
            )
            .empty(200, "")
            .fails([409]),
            set_prearchive_code,
        )
        .on(
            get(
                below("quarantine_code"),
                "Whether sessions are held for review: 1 or 0",
            )
            .text(),
            quarantine_code,
        )
        .on(
            put(
                below("quarantine_code/{code}"),
                "Have sessions held for review (1) or not (0)",
            )
            .empty(200, "")
            .fails([409]),
            set_quarantine_code,
        )
        .on(
            get(below("current_arc"), "The name of the archive's folder").text(),
            current_arc,
        )
        .on(
            get(below("users"), "Who is in a project")
                .table()
                .fails([403]),
            users,
        )
        .on(
            put(member(), "Give a user a role in a project")
                .empty(200, "")
                .fails([409]),
            grant,
        )
        .on(
            delete(member(), "Take a user's role in a project").empty(200, ""),
            revoke,
        )
}

async fn list(
    State(state): State<AppState>,
    caller: Caller,
    view: View,
) -> Result<Response, ApiError> {
    let mut projects = state.visible_projects(&caller).await?;
    projects.retain(|project| project.id != UNASSIGNED);
    Table::of("Projects", &COLUMNS, projects, |project| {
        let uri = format!("/data/projects/{}", project.id);
        let id = project.id;
        [
            id.clone(),
            id,
            project.name,
            project.description,
            String::new(),
            String::new(),
            uri,
        ]
    })
    .with_choice()
    .answer(&view)
}

async fn show(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
    view: View,
) -> Result<Response, ApiError> {
    let project = state.readable_project(&caller, &id).await?;
    Item::new(
        "xnat:projectData",
        [
            ("ID", project.id.clone()),
            ("secondary_ID", project.id),
            ("name", project.name),
            ("description", project.description),
        ],
    )
    .answer(&view)
}

/// XNAT takes the fields by their XML paths, and clients by plain names too.
async fn create_or_update(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
    parameters: Parameters,
) -> Result<Response, ApiError> {
    if parameters.has_file {
        return Err(ApiError::BadRequest(
            "A project's fields are given in the query or as a form.".into(),
        ));
    }
    let field = |name: &str| {
        let path = format!("xnat:projectData/{name}");
        parameters
            .text(&path)
            .or_else(|| parameters.text(name))
            .map(str::to_string)
    };
    match state.store.projects().get(&id).await? {
        Some(project) => {
            state.owned_project(&caller, &id).await?;
            let changed = NewProject {
                name: field("name").unwrap_or(project.name),
                description: field("description").unwrap_or(project.description),
                id: id.clone(),
            };
            state.store.projects().update(changed, &caller.name).await?;
            Ok((StatusCode::OK, id).into_response())
        }
        None => {
            caller.require_admin()?;
            let code = parameters
                .text("prearchive_code")
                .map(code_from)
                .transpose()?;
            let new = NewProject {
                name: field("name").unwrap_or_else(|| id.clone()),
                description: field("description").unwrap_or_default(),
                id: id.clone(),
            };
            state
                .policies
                .create_project(&state.store, new, code, &caller.name)
                .await?;
            state.config.make_inbox_folder(&id)?;
            Ok((StatusCode::CREATED, id).into_response())
        }
    }
}

async fn remove(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    state.readable_project(&caller, &id).await?;
    caller.require_admin()?;
    state
        .policies
        .remove_project(&state.store, &id, &caller.name)
        .await?;
    Ok(StatusCode::OK)
}

async fn prearchive_code(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<String, ApiError> {
    state.readable_project(&caller, &id).await?;
    Ok(state.policies.prearchive_code(&id)?.number().to_string())
}

async fn set_prearchive_code(
    State(state): State<AppState>,
    caller: Caller,
    Path((id, code)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    state.owned_project(&caller, &id).await?;
    let code = code_from(&code)?;
    let author = Author {
        username: &caller.name,
        reason: "prearchive code",
    };
    let _alone = state.changing_rules.lock().await;
    state
        .rulebook
        .check_there(std::slice::from_ref(&id), false)
        .await?;
    let policy = state.policies.with_prearchive_code(&id, code)?;
    state.rulebook.change(&[id], &[policy], author).await?;
    Ok(StatusCode::OK)
}

async fn quarantine_code(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<&'static str, ApiError> {
    state.readable_project(&caller, &id).await?;
    Ok(match state.policies.quarantines(&id)? {
        true => "1",
        false => "0",
    })
}

async fn set_quarantine_code(
    State(state): State<AppState>,
    caller: Caller,
    Path((id, code)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    state.owned_project(&caller, &id).await?;
    let on = match code.as_str() {
        "1" | "true" => true,
        "0" | "false" => false,
        _ => {
            return Err(ApiError::BadRequest(
                "The quarantine code must be 0 or 1.".into(),
            ));
        }
    };
    let author = Author {
        username: &caller.name,
        reason: "quarantine code",
    };
    let _alone = state.changing_rules.lock().await;
    state
        .rulebook
        .check_there(std::slice::from_ref(&id), false)
        .await?;
    let policy = state.policies.with_quarantine(&id, on)?;
    state.rulebook.change(&[id], &[policy], author).await?;
    Ok(StatusCode::OK)
}

fn code_from(text: &str) -> Result<PrearchiveCode, ApiError> {
    PrearchiveCode::from_text(text)
        .ok_or_else(|| ApiError::BadRequest("The prearchive code must be 0, 4 or 5.".into()))
}

async fn current_arc(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<&'static str, ApiError> {
    state.readable_project(&caller, &id).await?;
    Ok(ARCHIVE_FOLDER)
}

async fn users(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
    view: View,
) -> Result<Response, ApiError> {
    state.editable_project(&caller, &id).await?;
    let mut table = Table::new("Users", &USER_COLUMNS);
    for entry in state.store.projects().roles(&id).await? {
        let Some(user) = state.store.users().get(&entry.username).await? else {
            continue;
        };
        table.push([
            user.name,
            user.firstname,
            user.lastname,
            user.email,
            display_name(entry.role).into(),
            format!("{id}_{}", entry.role),
        ]);
    }
    table.answer(&view)
}

async fn grant(
    State(state): State<AppState>,
    caller: Caller,
    Path((id, role, user)): Path<(String, String, String)>,
) -> Result<StatusCode, ApiError> {
    state.owned_project(&caller, &id).await?;
    let role = role_from(&id, &role)?;
    state
        .store
        .projects()
        .grant(&id, &user, role, &caller.name)
        .await
        .map_err(refusal)?;
    Ok(StatusCode::OK)
}

async fn revoke(
    State(state): State<AppState>,
    caller: Caller,
    Path((id, role, user)): Path<(String, String, String)>,
) -> Result<StatusCode, ApiError> {
    state.owned_project(&caller, &id).await?;
    let role = role_from(&id, &role)?;
    if state.store.projects().role(&id, &user).await? != Some(role) {
        return Err(ApiError::no_such("user of that role"));
    }
    state
        .store
        .projects()
        .revoke(&id, &user, &caller.name)
        .await?;
    Ok(StatusCode::OK)
}

/// XNAT takes the group's display name or its id: `Owners`, `DEMO_owner`; here also `owner`.
fn role_from(project: &str, text: &str) -> Result<Role, ApiError> {
    let bare = text
        .strip_prefix(project)
        .and_then(|rest| rest.strip_prefix('_'))
        .unwrap_or(text);
    let lower = bare.to_ascii_lowercase();
    Role::from_text(lower.strip_suffix('s').unwrap_or(&lower)).ok_or_else(|| {
        ApiError::BadRequest("The role must be Owners, Members or Collaborators.".into())
    })
}

fn display_name(role: Role) -> &'static str {
    match role {
        Role::Owner => "Owners",
        Role::Member => "Members",
        Role::Collaborator => "Collaborators",
    }
}
