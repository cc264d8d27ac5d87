//! Rules: what is active where, the chain as a picture, changing it, trying it, going back.

mod chain;
mod checked;
mod edit;
mod files;
mod model;
mod module;
mod policy;
mod settings;
mod show;
mod trial;
mod version;

use axum::Router;
use axum::response::Response;
use axum::routing::{get, post};
use maud::{Markup, html};

use super::listings::projects;
use super::parts::{self, Tone, badge};
use super::shell::Section;
use super::{Page, Refusal, Visitor};
use model::{Module, Status, Whose, modules, short};

pub fn routes() -> Router<Page> {
    Router::new()
        .route("/rules", get(list))
        .route("/rules/~try", get(trial::ask).post(trial::run))
        .route("/rules/~modules/{name}", get(module::show))
        .route("/rules/~modules/{name}/test", post(module::test))
        .route(
            "/rules/~modules/{name}/files/{file}",
            get(files::module_file).post(files::change_module_file),
        )
        .route("/rules/{whose}", get(show::show))
        .route("/rules/{whose}/edit", get(edit::show).post(edit::change))
        .route("/rules/{whose}/diff", get(version::diff))
        .route("/rules/{whose}/rollback", post(version::roll_back))
        .route(
            "/rules/{whose}/files/{file}",
            get(files::policy_file).post(files::change_policy_file),
        )
        .route("/rules/{whose}/file", get(files::named))
}

async fn list(visitor: Visitor) -> Result<Response, Refusal> {
    let owned: Vec<Status> = visitor.rest.get("/xapi/rules/status").await?;
    let modules = modules(&visitor).await?;
    let all = projects(&visitor).await?;
    let others: Vec<&String> = all
        .iter()
        .filter(|id| owned.iter().all(|status| status.project != **id))
        .collect();
    let content = html! {
        div.head {
            h1 { "Rules" }
            @if visitor.admin { a.button href=(Whose::Site.view(&[], &[])) { "Rules of the site" } }
        }
        p { "The site's rules run first, then the project's. What a project leaves out, the site says; what that leaves out is built in." }
        div #live {
            (statuses(&owned))
            @if !others.is_empty() {
                p { "Rules are shown to a project's owners: you own none of " (join(&others)) "." }
            }
        }
        (module_list(&modules))
    };
    Ok(visitor.show(Section::Rules, "Rules", content))
}

fn join(names: &[&String]) -> String {
    let names: Vec<&str> = names.iter().map(|name| name.as_str()).collect();
    names.join(", ")
}

fn statuses(statuses: &[Status]) -> Markup {
    html! {
        h2 #projects { "Projects" }
        @if statuses.is_empty() { p.empty { "You own no project." } } @else {
            div.wide tabindex="0" role="region" aria-labelledby="projects" {
                table {
                    thead { tr { th { "Project" } th { "State" } th { "Active version" } th { "Since" } th { "By" } th { "Why" } } }
                    tbody { @for status in statuses { (row(status)) } }
                }
            }
        }
    }
}

fn row(status: &Status) -> Markup {
    let whose = Whose::Project(status.project.clone());
    let here = whose.view(&[], &[]);
    html! {
        tr id={ "rules-" (status.project) } {
            td { a href=(here) { (status.project) } }
            td { (state(status)) }
            @match &status.active {
                Some(active) => {
                    td { code { (short(&active.rule_set)) } }
                    td { (parts::time(active.at)) }
                    td { (active.username) }
                    td { (active.reason) }
                }
                None => { td { "none" } td {} td {} td {} }
            }
        }
        @if status.error.is_some() || !status.notes.is_empty() {
            tr.note { td {} td colspan="5" { (troubles(status)) } }
        }
    }
}

pub fn state(status: &Status) -> Markup {
    let is_behind = |active: &model::Activation| Some(&active.rule_set) != status.draft.as_ref();
    match (&status.error, &status.active) {
        (Some(_), _) => badge(Tone::Bad, "the folder is broken"),
        (None, Some(active)) if is_behind(active) => badge(Tone::Warn, "rolled back"),
        (None, Some(_)) => badge(Tone::Good, "as in the folder"),
        (None, None) => badge(Tone::Plain, "nothing yet"),
    }
}

/// What is wrong with what the folder holds, and what a policy asks for in vain.
pub fn troubles(status: &Status) -> Markup {
    html! {
        @if let Some(error) = &status.error {
            p { "What the folder holds is not active, as it can't be used:" }
            pre { (error) }
        }
        @for note in &status.notes { p { (badge(Tone::Warn, "note")) " " (note) } }
    }
}

fn module_list(modules: &[Module]) -> Markup {
    html! {
        h2 #modules { "Modules" }
        div.wide tabindex="0" role="region" aria-labelledby="modules" {
            table {
                thead { tr { th { "Module" } th { "Kind" } th { "Version" } th { "From" } th { "What it does" } } }
                tbody {
                    @for module in modules {
                        tr {
                            td { a href=(module.address()) { (module.name) } }
                            td { (module.kind.as_deref().unwrap_or("?")) }
                            td { (module.version.as_deref().unwrap_or("?")) }
                            td { @if module.is_shipped() { "Sluice" } @else { "the rules folder" } }
                            td {
                                @if module.error.is_some() { (badge(Tone::Bad, "can't be used")) " " }
                                (module.description.as_deref().unwrap_or(""))
                            }
                        }
                    }
                }
            }
        }
    }
}
