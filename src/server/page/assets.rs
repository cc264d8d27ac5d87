//! The page's style and scripts, which are in the program. A browser keeps them until they change: their addresses
//! hold their hash.

use axum::Router;
use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use sha2::{Digest as _, Sha256};

use super::Page;

/// Name, media type, text. `idiomorph.min.js` is idiomorph 0.8.0 (0BSD), as npm has it.
const ASSETS: [(&str, &str, &str); 3] = [
    (
        "page.css",
        "text/css; charset=utf-8",
        include_str!("assets/page.css"),
    ),
    (
        "page.js",
        "text/javascript; charset=utf-8",
        include_str!("assets/page.js"),
    ),
    (
        "idiomorph.min.js",
        "text/javascript; charset=utf-8",
        include_str!("assets/idiomorph.min.js"),
    ),
];

pub fn routes() -> Router<Page> {
    Router::new().route("/assets/{name}", get(asset))
}

/// Where an asset is.
pub fn address(name: &str) -> String {
    let text = ASSETS
        .iter()
        .find(|asset| asset.0 == name)
        .map_or("", |asset| asset.2);
    let hash = hex::encode(&Sha256::digest(text)[..6]);
    format!("/assets/{name}?v={hash}")
}

async fn asset(Path(name): Path<String>) -> Response {
    match ASSETS.iter().find(|asset| asset.0 == name) {
        Some((_, kind, text)) => {
            let headers = [
                (header::CONTENT_TYPE, *kind),
                (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
            ];
            (headers, *text).into_response()
        }
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
