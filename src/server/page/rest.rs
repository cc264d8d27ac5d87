//! The REST interface, called from within in the name of a visitor.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::request::{Builder, Parts};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tower::ServiceExt as _;

use super::super::address;
use super::super::error::Problem;
use super::super::log::RequestContext;
use super::shell;

/// The largest answer that a view is made of: listings and reports of sessions with many files.
const LARGEST_ANSWER: usize = 256 * 1024 * 1024;

/// What says who is calling, from where, and what they know already.
const PASSED_ON: [header::HeaderName; 5] = [
    header::COOKIE,
    header::AUTHORIZATION,
    header::ORIGIN,
    header::HOST,
    header::IF_NONE_MATCH,
];

pub struct Rest {
    router: Router,
    headers: HeaderMap,
    context: Option<RequestContext>,
}

/// Why REST did not do what a view needs.
#[derive(Debug)]
pub struct Refusal {
    pub status: StatusCode,
    pub message: String,
}

/// A listing, as XNAT wraps it.
#[derive(Deserialize)]
pub struct Table<T> {
    #[serde(rename = "ResultSet")]
    set: ResultSet<T>,
}

#[derive(Deserialize)]
struct ResultSet<T> {
    #[serde(rename = "Result")]
    rows: Vec<T>,
}

impl<T> Table<T> {
    pub fn rows(&self) -> &[T] {
        &self.set.rows
    }
}

impl Rest {
    pub fn new(router: Router, parts: &Parts) -> Rest {
        let passed = PASSED_ON
            .iter()
            .filter_map(|name| Some((name.clone(), parts.headers.get(name)?.clone())));
        Rest {
            router,
            headers: passed.collect(),
            context: parts.extensions.get().cloned(),
        }
    }

    /// What a JSON route answers.
    pub async fn get<T: DeserializeOwned>(&self, uri: &str) -> Result<T, Refusal> {
        let body = self.call(Method::GET, uri, "", Bytes::new()).await?;
        understood(&body)
    }

    /// A page of a list, and how many there are in all.
    pub async fn page<T: DeserializeOwned>(&self, uri: &str) -> Result<(T, u64), Refusal> {
        let response = self.response(Method::GET, uri, "", Bytes::new()).await?;
        let total = response.headers().get("x-total-count");
        let total = total.and_then(|total| total.to_str().ok()?.parse().ok());
        Ok((understood(&read(response).await?)?, total.unwrap_or(0)))
    }

    pub async fn text(&self, uri: &str) -> Result<String, Refusal> {
        let body = self.call(Method::GET, uri, "", Bytes::new()).await?;
        Ok(String::from_utf8_lossy(&body).into_owned())
    }

    /// A call with a form, or without one; answers its text.
    pub async fn send(
        &self,
        method: Method,
        uri: &str,
        form: &[(&str, &str)],
    ) -> Result<String, Refusal> {
        let kind = match form {
            [] => "",
            _ => "application/x-www-form-urlencoded",
        };
        let form = Bytes::from(address::pairs(form));
        let body = self.call(method, uri, kind, form).await?;
        Ok(String::from_utf8_lossy(&body).into_owned())
    }

    /// A call with a body of that media type.
    pub async fn call(
        &self,
        method: Method,
        uri: &str,
        kind: &str,
        body: Bytes,
    ) -> Result<Bytes, Refusal> {
        let response = self.response(method, uri, kind, body).await?;
        read(response).await
    }

    /// The same, of a change that was made of what has that hash. Nothing is written over what it has not.
    pub async fn put_over(
        &self,
        hash: &str,
        uri: &str,
        kind: &str,
        body: Bytes,
    ) -> Result<Bytes, Refusal> {
        let mut request = Request::put(uri);
        request = request.header(header::IF_MATCH, format!("\"{hash}\""));
        read(self.sent(request, kind, Body::from(body)).await?).await
    }

    /// A call with a body that is passed on as it comes.
    pub async fn pass_on(
        &self,
        method: Method,
        uri: &str,
        kind: &str,
        body: Body,
    ) -> Result<Bytes, Refusal> {
        read(self.answer(method, uri, kind, body).await?).await
    }

    /// The answer as it comes, with its headers; an error's too.
    pub async fn response(
        &self,
        method: Method,
        uri: &str,
        kind: &str,
        body: Bytes,
    ) -> Result<Response, Refusal> {
        self.answer(method, uri, kind, Body::from(body)).await
    }

    async fn answer(
        &self,
        method: Method,
        uri: &str,
        kind: &str,
        body: Body,
    ) -> Result<Response, Refusal> {
        let request = Request::builder().method(method).uri(uri);
        self.sent(request, kind, body).await
    }

    async fn sent(
        &self,
        mut request: Builder,
        kind: &str,
        body: Body,
    ) -> Result<Response, Refusal> {
        if let Some(headers) = request.headers_mut() {
            headers.extend(self.headers.clone());
        }
        if !kind.is_empty() {
            request = request.header(header::CONTENT_TYPE, kind);
        }
        if let Some(context) = &self.context {
            request = request.extension(context.clone());
        }
        let request = request.body(body).map_err(|_| Refusal::internal())?;
        match self.router.clone().oneshot(request).await {
            Ok(response) => Ok(response),
            Err(never) => match never {},
        }
    }
}

/// The JSON of an answer.
pub fn understood<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|error| {
        // The error's text may hold a value.
        let (line, column) = (error.line(), error.column());
        tracing::error!(
            line,
            column,
            "the page does not understand an answer of the REST interface"
        );
        Refusal::internal()
    })
}

async fn read(response: Response) -> Result<Bytes, Refusal> {
    let status = response.status();
    let problem = response.extensions().get::<Problem>().cloned();
    let body = axum::body::to_bytes(response.into_body(), LARGEST_ANSWER).await;
    let body = body.map_err(|_| Refusal::internal())?;
    if status.is_success() || status.is_redirection() {
        return Ok(body);
    }
    Err(Refusal {
        status,
        message: match problem {
            Some(problem) => problem.message.into_owned(),
            None if status == StatusCode::NOT_FOUND => {
                "There is nothing at this address, or you may not see it.".into()
            }
            None => String::from_utf8_lossy(&body).into_owned(),
        },
    })
}

/// Nothing, where REST has nothing.
pub fn none_if_missing<T>(got: Result<T, Refusal>) -> Result<Option<T>, Refusal> {
    match got {
        Ok(got) => Ok(Some(got)),
        Err(refusal) if refusal.status == StatusCode::NOT_FOUND => Ok(None),
        Err(refusal) => Err(refusal),
    }
}

impl Refusal {
    pub fn internal() -> Refusal {
        Refusal {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            message: "The server failed; its log says why, under the id in x-request-id.".into(),
        }
    }

    pub fn not_found() -> Refusal {
        Refusal {
            status: StatusCode::NOT_FOUND,
            message: "There is nothing at this address, or you may not see it.".into(),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self.status {
            StatusCode::UNAUTHORIZED => Redirect::to("/login").into_response(),
            status => (status, shell::refused(status, &self.message)).into_response(),
        }
    }
}
