//! Parameters as XNAT takes them: from the query and from a form, urlencoded or of several parts, as one.

use std::collections::BTreeMap;

use axum::body::{Bytes, HttpBody as _};
use axum::extract::{FromRequest, Query, Request};
use axum::http::{HeaderMap, Method, Uri, header};
use axum::{Form, RequestExt as _};

use super::LARGEST_BODY;
use super::error::ApiError;
use super::multipart::{Multipart, boundary};
use super::state::AppState;

const FORM: &str = "application/x-www-form-urlencoded";

/// The merged parameters. What the query says wins over the body; the first of equal names wins.
#[derive(Debug, Clone, Default)]
pub struct Parameters {
    name_to_value: BTreeMap<String, String>,
    /// All values of names that may come several times, in order.
    pairs: Vec<(String, String)>,
    /// The body is something else than a form, or a form that brings a file.
    pub has_file: bool,
}

impl Parameters {
    /// Those of an earlier call.
    pub fn from_map(name_to_value: BTreeMap<String, String>) -> Parameters {
        Parameters {
            name_to_value,
            ..Parameters::default()
        }
    }

    /// Those of a query.
    pub fn of_query(uri: &Uri) -> Result<Parameters, ApiError> {
        let mut parameters = Parameters::default();
        let Query(query) = Query::<Vec<(String, String)>>::try_from_uri(uri)
            .map_err(|_| ApiError::BadRequest("The query could not be read.".into()))?;
        parameters.add(query);
        Ok(parameters)
    }

    /// Name and value of each, in the order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let pairs = self.name_to_value.iter();
        pairs.map(|(name, value)| (name.as_str(), value.as_str()))
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.name_to_value.get(name).map(String::as_str)
    }

    /// A parameter that is there and not blank.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|value| !value.trim().is_empty())
    }

    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.pairs
            .iter()
            .filter(move |(n, _)| n == name)
            .map(|(_, value)| value.as_str())
    }

    /// `true` or `false` in any letter case. Of what else XNAT takes for false, what means no is taken for it, too;
    /// what does not is refused: it was perhaps meant to be true.
    pub fn flag(&self, name: &str) -> Result<Option<bool>, ApiError> {
        match self.text(name).map(str::to_ascii_lowercase).as_deref() {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false" | "0" | "no" | "off") => Ok(Some(false)),
            Some(_) => Err(ApiError::BadRequest(
                format!("The parameter {name} must be true or false.").into(),
            )),
        }
    }

    pub fn take(&mut self, name: &str) -> Option<String> {
        self.name_to_value.remove(name)
    }

    pub fn set(&mut self, name: &str, value: String) {
        self.name_to_value.insert(name.to_string(), value);
    }

    pub fn into_map(self) -> BTreeMap<String, String> {
        self.name_to_value
    }

    pub fn add(&mut self, pairs: Vec<(String, String)>) {
        for (name, value) in pairs {
            self.name_to_value
                .entry(name.clone())
                .or_insert_with(|| value.clone());
            self.pairs.push((name, value));
        }
    }

    /// Those of a form of several parts, whose files nobody wants.
    async fn add_parts(&mut self, mut form: Multipart) -> Result<(), ApiError> {
        let mut pairs = Vec::new();
        while let Some(mut part) = form.next().await? {
            if part.file_name().is_none() {
                pairs.push(form.field(part).await?);
                continue;
            }
            self.has_file = true;
            while let Some(chunk) = part.next().await {
                chunk?;
            }
        }
        self.add(pairs);
        Ok(())
    }
}

impl FromRequest<AppState> for Parameters {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, ApiError> {
        let bad = |what: &'static str| ApiError::BadRequest(what.into());
        let mut parameters = Parameters::of_query(request.uri())?;
        if matches!(*request.method(), Method::GET | Method::HEAD) {
            return Ok(parameters);
        }
        if let Some(boundary) = boundary(request.headers())
            && !request.body().is_end_stream()
        {
            let body = request.with_limited_body().into_body();
            let form = Multipart::new(body, boundary, LARGEST_BODY);
            parameters.add_parts(form).await?;
        } else if is_form(request.headers()) {
            let Form(form) = Form::<Vec<(String, String)>>::from_request(request, state)
                .await
                .map_err(|_| bad("The form could not be read, or is too large."))?;
            parameters.add(form);
        } else {
            let body = Bytes::from_request(request, state)
                .await
                .map_err(|_| bad("The body could not be read, or is too large."))?;
            parameters.has_file = !body.is_empty();
        }
        Ok(parameters)
    }
}

/// Whether a body is an urlencoded form.
pub fn is_form(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|kind| kind.to_ascii_lowercase().starts_with(FORM))
}
