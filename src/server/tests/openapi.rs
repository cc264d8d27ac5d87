//! The OpenAPI document says what the router does.

use std::collections::BTreeSet;
use std::path::Path;

use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use serde_json::Value;
use tower::Service as _;

use super::Site;

async fn document(site: &Site) -> Value {
    let request = Request::get("/xapi/openapi.json").body(Body::empty());
    let answer = site.send(request.unwrap()).await;
    assert_eq!(answer.status, StatusCode::OK);
    answer.json()
}

/// Each path with the methods that are said to be there, those that it is also reached by included.
fn described(document: &Value) -> Vec<(String, BTreeSet<String>)> {
    let mut described: Vec<(String, BTreeSet<String>)> = Vec::new();
    let mut add = |path: &str, method: &str| {
        let method = method.to_uppercase();
        match described.iter_mut().find(|(known, _)| known == path) {
            Some((_, methods)) => _ = methods.insert(method),
            None => described.push((path.to_owned(), BTreeSet::from([method]))),
        }
    };
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            add(path, method);
            for also in operation["x-also-at"].as_array().into_iter().flatten() {
                add(&also.as_str().unwrap().replace("{*", "{"), method);
            }
        }
    }
    described
}

#[tokio::test]
async fn each_address_has_the_methods_that_are_described() {
    let site = Site::new().await;
    let document = document(&site).await;
    let described = described(&document);
    assert!(described.len() > 200, "{}", described.len());
    let mut differences = Vec::new();
    for (path, methods) in described {
        let filled = path.split('/').map(|step| match step.starts_with('{') {
            true => "1",
            false => step,
        });
        let filled = filled.collect::<Vec<_>>().join("/");
        // No route has it: the router then names those that there are.
        let request = Request::builder().method(Method::TRACE).uri(&filled);
        let request = request.body(Body::empty()).unwrap();
        let answer = site.router.clone().call(request).await.unwrap();
        let allowed = answer.headers().get(header::ALLOW);
        let allowed = allowed.map_or("", |value| value.to_str().unwrap());
        let allowed = allowed.split(',').filter(|m| !m.is_empty() && *m != "HEAD");
        let allowed: BTreeSet<String> = allowed.map(str::to_owned).collect();
        if answer.status() != StatusCode::METHOD_NOT_ALLOWED || allowed != methods {
            differences.push(format!("{path}: {methods:?}, and not {allowed:?}"));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// Routes are made where they are described, and nowhere else.
#[test]
fn no_route_is_made_without_a_description() {
    fn look(folder: &Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            // The page is a client of what is described, and for people.
            if path.ends_with("page") || path.ends_with("page.rs") {
                continue;
            }
            if path.is_dir() {
                look(&path, found);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let makes = [
                ".route(",
                ".route_service(",
                "Router::new(",
                ".nest_service(",
            ];
            if makes.iter().any(|call| text.contains(call)) {
                found.push(path.file_name().unwrap().to_string_lossy().into_owned());
            }
        }
    }
    let mut found = Vec::new();
    look(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("src/server"),
        &mut found,
    );
    found.retain(|name| name != "openapi.rs");
    assert_eq!(found, ["api.rs"]);
}

#[tokio::test]
async fn all_that_is_referred_to_is_in_the_document() {
    fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(fields) => {
                for (name, field) in fields {
                    match field.as_str().filter(|_| name == "$ref") {
                        Some(reference) => found.push(reference),
                        None => references(field, found),
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }
    let document = document(&Site::new().await).await;
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.len() > 500);
    for reference in found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}

/// Every step of a path is a parameter of its operations, names are told once, and what is told has a word to it.
#[tokio::test]
async fn every_operation_is_described_as_a_whole() {
    let document = document(&Site::new().await).await;
    let mut ids = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for operation in item.as_object().unwrap().values() {
            let at = format!("{path}: {operation}");
            assert!(ids.insert(operation["operationId"].to_string()), "{at}");
            assert!(!operation["summary"].as_str().unwrap().is_empty(), "{at}");
            assert_ne!(operation["tags"][0], "", "{at}");
            let parameters = operation["parameters"].as_array();
            let parameters: Vec<&Value> = parameters.into_iter().flatten().collect();
            let steps = path
                .split('{')
                .skip(1)
                .map(|rest| rest.split('}').next().unwrap());
            let told = parameters.iter().filter(|p| p["in"] == "path");
            let told: Vec<&str> = told.map(|p| p["name"].as_str().unwrap()).collect();
            assert_eq!(told, steps.collect::<Vec<_>>(), "{at}");
            let all: Vec<String> = parameters
                .iter()
                .map(|p| format!("{}{}{}", p["$ref"], p["in"], p["name"]))
                .collect();
            assert_eq!(BTreeSet::from_iter(&all).len(), all.len(), "{at}");
            for parameter in parameters {
                let is_told = parameter["$ref"].is_string() || parameter["description"].is_string();
                assert!(is_told, "{parameter} of {at}");
            }
            let responses = operation["responses"].as_object().unwrap();
            assert!(
                responses.keys().any(|status| status.as_str() < "400") || path == "/data/version",
                "{at}"
            );
        }
    }
}

#[tokio::test]
async fn the_page_shows_every_operation_and_fetches_nothing() {
    let site = Site::new().await;
    let document = document(&site).await;
    let request = Request::get("/xapi/docs").body(Body::empty());
    let answer = site.send(request.unwrap()).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.kind, "text/html; charset=utf-8");
    let page = answer.text();
    for path in document["paths"].as_object().unwrap().keys() {
        assert!(page.contains(&format!("<code>{path}</code>")), "{path}");
    }
    assert!(!page.contains("<script") && !page.contains("src=") && !page.contains("http"));
    assert!(page.len() < 100_000, "{}", page.len());
}
