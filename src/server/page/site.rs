//! The site: how it does, and who may do what in it.

mod overview;
mod projects;
mod users;

use axum::Router;
use axum::routing::{get, post};
use maud::{Markup, html};

use super::{Page, Visitor};

pub fn routes() -> Router<Page> {
    Router::new()
        .route("/site", get(overview::show))
        .route("/site/users", get(users::list).post(users::add))
        .route("/site/users/{login}", post(users::change))
        .route("/site/projects", get(projects::list).post(projects::create))
        .route(
            "/site/projects/{id}",
            get(projects::show).post(projects::change),
        )
        .route("/site/projects/{id}/code", post(projects::set_code))
        .route("/site/projects/{id}/members", post(projects::grant))
        .route("/site/projects/{id}/revoke", post(projects::revoke))
        .route("/site/projects/{id}/delete", post(projects::remove))
}

/// The section's own navigation; users are for administrators.
fn tabs(visitor: &Visitor, current: &str) -> Markup {
    let tabs = [
        ("/site", "Overview", true),
        ("/site/projects", "Projects", false),
        ("/site/users", "Users", true),
    ];
    let open = tabs.into_iter().filter(|tab| visitor.admin || !tab.2);
    html! {
        nav.tabs aria-label="Site" {
            @for (address, name, _) in open { a href=(address) aria-current=[(address == current).then_some("page")] { (name) } }
        }
    }
}
