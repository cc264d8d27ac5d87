//! How a caller wants a listing: XNAT's `format`, `columns`, `sortBy` and `sortOrder`, `limit` and `offset`, and
//! the header `Accept`.

use axum::extract::{FromRequestParts, Query};
use axum::http::header::ACCEPT;
use axum::http::request::Parts;

use super::super::error::ApiError;
use super::super::form::Parameters;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Form {
    #[default]
    Json,
    Csv,
    Xml,
    Html,
    /// The files themselves, not their list.
    Zip,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct View {
    pub form: Form,
    /// Empty for all.
    pub columns: Vec<String>,
    pub sort_by: Vec<String>,
    pub descending: bool,
    pub limit: Option<usize>,
    pub offset: usize,
}

impl View {
    pub fn is_zip(&self) -> bool {
        self.form == Form::Zip
    }

    pub fn is_page(&self) -> bool {
        self.limit.is_some() || self.offset > 0
    }

    /// Of a call whose parameters are read already.
    ///
    /// # Errors
    /// If one of them can't be followed.
    pub fn of(parameters: &Parameters) -> Result<View, ApiError> {
        View::read(|name| parameters.text(name), None)
    }

    fn read<'a>(
        text: impl Fn(&str) -> Option<&'a str>,
        accept: Option<&str>,
    ) -> Result<View, ApiError> {
        let names = |name| text(name).map_or_else(Vec::new, split);
        let number = |name: &'static str| match text(name).map(str::parse::<usize>) {
            None => Ok(None),
            Some(Ok(number)) => Ok(Some(number)),
            Some(Err(_)) => Err(ApiError::BadRequest(
                format!("The parameter {name} must be a number, 0 or more.").into(),
            )),
        };
        let order = text("sortOrder").unwrap_or("asc").to_ascii_lowercase();
        Ok(View {
            form: match text("format") {
                Some(name) => form(name)?,
                None => accept.map_or(Form::Json, accepted),
            },
            columns: names("columns"),
            sort_by: names("sortBy"),
            descending: match &*order {
                "asc" => false,
                "desc" => true,
                _ => {
                    return Err(ApiError::BadRequest(
                        "The parameter sortOrder must be asc or desc.".into(),
                    ));
                }
            },
            // 0 is XNAT's way to say no limit.
            limit: number("limit")?.filter(|limit| *limit > 0),
            offset: number("offset")?.unwrap_or(0),
        })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for View {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<View, ApiError> {
        let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri)
            .map_err(|_| ApiError::BadRequest("The query could not be read.".into()))?;
        let accept = parts.headers.get(ACCEPT).and_then(|v| v.to_str().ok());
        let text = |name: &str| {
            let found = pairs.iter().find(|(n, v)| n == name && !v.is_empty());
            found.map(|(_, value)| value.as_str())
        };
        View::read(text, accept)
    }
}

fn split(names: &str) -> Vec<String> {
    let names = names.split(',').map(str::trim);
    let named = names.filter(|name| !name.is_empty());
    named.map(str::to_owned).collect()
}

fn form(name: &str) -> Result<Form, ApiError> {
    Ok(match name.to_ascii_lowercase().as_str() {
        // pyxnat asks for `single` where it wants the answer of an action.
        "json" | "single" => Form::Json,
        "csv" => Form::Csv,
        "xml" => Form::Xml,
        "html" => Form::Html,
        "zip" => Form::Zip,
        _ => {
            return Err(ApiError::BadRequest(
                "The format must be json, csv, xml, html or, for files, zip.".into(),
            ));
        }
    })
}

/// The form that `Accept` likes most, the first of those it likes alike (RFC 9110, section 12.5.1); JSON where it
/// names none of ours. `zip` is asked for by `format` alone.
fn accepted(accept: &str) -> Form {
    let mut best = (0.0, Form::Json);
    for range in accept.split(',') {
        let mut parts = range.split(';').map(str::trim);
        let form = match parts
            .next()
            .unwrap_or_default()
            .to_ascii_lowercase()
            .as_str()
        {
            "application/json" | "*/*" | "application/*" => Form::Json,
            "text/csv" => Form::Csv,
            "application/xml" | "text/xml" => Form::Xml,
            "text/html" => Form::Html,
            _ => continue,
        };
        let weight = parts.find_map(|part| part.strip_prefix("q="));
        let weight = weight.map_or(1.0, |q| q.parse::<f64>().unwrap_or(0.0));
        if weight > best.0 {
            best = (weight, form);
        }
    }
    best.1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accept_chooses_a_form() {
        for (accept, expected) in [
            ("*/*", Form::Json),
            ("text/csv", Form::Csv),
            ("text/xml;q=0.5, text/csv;q=0.4", Form::Xml),
            ("application/xml;q=0.2,application/json", Form::Json),
            (
                "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
                Form::Html,
            ),
            ("image/png", Form::Json),
            ("text/csv;q=0", Form::Json),
        ] {
            assert_eq!(accepted(accept), expected, "{accept}");
        }
    }

    #[test]
    fn what_can_t_be_followed_is_refused() {
        for (name, value) in [
            ("format", "pdf"),
            ("limit", "x"),
            ("offset", "-1"),
            ("sortOrder", "up"),
        ] {
            let read = View::read(|n| (n == name).then_some(value), None);
            assert!(read.is_err(), "{name}={value}");
        }
    }
}
