//! Parameters as XNAT takes them: from the query and from an urlencoded body, as one.

use std::collections::BTreeMap;

use axum::Form;
use axum::body::Bytes;
use axum::extract::{FromRequest, Query, Request};
use axum::http::{HeaderMap, Method, Uri, header};

use super::error::ApiError;
use super::state::AppState;

const FORM: &str = "application/x-www-form-urlencoded";

/// The merged parameters. What the query says wins over the body; the first of equal names wins.
#[derive(Debug, Clone, Default)]
pub struct Parameters {
    name_to_value: BTreeMap<String, String>,
    /// All values of names that may come several times, in order.
    pairs: Vec<(String, String)>,
    /// The body is something else than a form.
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

    /// `true` or `false` in any letter case.
    pub fn flag(&self, name: &str) -> Result<Option<bool>, ApiError> {
        match self.text(name).map(str::to_ascii_lowercase).as_deref() {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
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
}

impl FromRequest<AppState> for Parameters {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, ApiError> {
        let bad = |what: &'static str| ApiError::BadRequest(what.into());
        let mut parameters = Parameters::of_query(request.uri())?;
        if matches!(*request.method(), Method::GET | Method::HEAD) {
            return Ok(parameters);
        }
        if is_form(request.headers()) {
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
