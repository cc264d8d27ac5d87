//! The page at `/`, for who looks rather than scripts: imports, the prearchive, rules, the site.
//!
//! A client of the REST interface that runs in the server. What it shows and changes goes through the same routes,
//! with the cookie or the password that its visitor came with, so that it can do nothing that REST would refuse them.
//! Views are written on the server and work without scripts; the one script keeps them up to date.

mod assets;
mod imports;
mod listings;
mod login;
mod parts;
mod prearchive;
mod rest;
mod rules;
mod shell;
mod site;
mod visitor;

use axum::Router;
use axum::http::{HeaderValue, header};
use axum::middleware::map_response;
use axum::response::Response;

use super::state::AppState;

pub use rest::Refusal;
pub use visitor::Visitor;

/// What the page's handlers share: the server's state, and the REST interface.
#[derive(Clone)]
pub struct Page {
    state: AppState,
    rest: Router,
}

/// The page's routes, over the routes of the REST interface.
pub fn routes(state: AppState, rest: Router) -> Router {
    Router::new()
        .merge(imports::routes())
        .merge(login::routes())
        .merge(prearchive::routes())
        .merge(rules::routes())
        .merge(site::routes())
        .layer(map_response(guard))
        .merge(assets::routes())
        .with_state(Page { state, rest })
}

/// Nothing of other sites in the page, and the page in no other site.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
     connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

async fn guard(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::REFERRER_POLICY, "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}
