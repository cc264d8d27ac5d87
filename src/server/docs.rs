//! /xapi/openapi.json and /xapi/docs: what this server can be asked, for programs and for people.
//!
//! Both are open to everybody: they hold what is in the source, and nothing of the site.

mod page;

use std::sync::{Arc, OnceLock};

use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use serde_json::Value;

use super::api::{self, Api, Operation, Schema, get};

/// Nothing is fetched from elsewhere, and no script runs.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/// What is said of all routes, once they are known.
#[derive(Clone, Default)]
pub struct Document(Arc<Parts>);

#[derive(Default)]
struct Parts {
    operations: OnceLock<Vec<Operation>>,
    written: OnceLock<Written>,
}

struct Written {
    json: String,
    page: String,
}

impl Document {
    /// The routes, with those that are made here.
    pub fn is_of(&self, operations: Vec<Operation>) {
        // Set once, by who makes the router.
        let _ = self.0.operations.set(operations);
    }

    /// Written when it is first asked for.
    fn written(&self) -> &Written {
        self.0.written.get_or_init(|| {
            let operations = self.0.operations.get().map_or(&[][..], Vec::as_slice);
            let document: Value = api::document(operations);
            Written {
                page: page::page(&document),
                json: document.to_string(),
            }
        })
    }
}

pub fn routes(document: &Document) -> Api {
    let (json, page) = (document.clone(), document.clone());
    Api::new("Site")
        .on(
            get("/openapi.json", "This document")
                .open()
                .kind("application/json", Schema::Opaque),
            async move || -> Response {
                let kind = [(header::CONTENT_TYPE, "application/json")];
                (kind, json.written().json.clone()).into_response()
            },
        )
        .on(
            get("/docs", "The document as a page")
                .open()
                .kind("text/html", Schema::Opaque),
            async move || -> Response {
                let headers = [
                    (header::CONTENT_TYPE, "text/html; charset=utf-8"),
                    (header::CONTENT_SECURITY_POLICY, POLICY),
                ];
                (headers, page.written().page.clone()).into_response()
            },
        )
}
