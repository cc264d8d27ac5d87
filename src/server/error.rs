//! What went wrong, for the caller and for the log.
//!
//! One enum for all handlers. The caller gets a status and a text that says what to do; the cause of an
//! internal error goes to the log with the request's id and is never returned. `/data` routes answer
//! with a small HTML page, as XNAT's do, the others with plain text.

use std::borrow::Cow;
use std::error::Error as _;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::config::ConfigError;
use crate::project::ProjectError;
use crate::settings::SettingsError;
use crate::store::StoreError;

/// A text for the caller.
pub type Text = Cow<'static, str>;

#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    #[error("{0}")]
    BadRequest(Text),
    #[error("{0}")]
    Unauthorized(Text),
    #[error("{0}")]
    Forbidden(Text),
    #[error("{0}")]
    NotFound(Text),
    /// 404 without a body, where XNAT's xAPI has none.
    #[error("not found")]
    Nothing,
    #[error("{0}")]
    Conflict(Text),
    /// No longer what the caller made a change of.
    #[error("{0}")]
    Changed(Text),
    /// Understood, and at odds with an earlier call.
    #[error("{0}")]
    Unprocessable(Text),
    /// Too often in too short a time; the same call may do after so many seconds.
    #[error("{message}")]
    TooMany { message: Text, seconds: u64 },
    #[error("{0}")]
    TooLarge(Text),
    /// The server can't do it now, and the caller is told why.
    #[error("{0}")]
    Unavailable(Text),
    #[error("the store failed")]
    Store(#[from] StoreError),
    #[error("{what}")]
    Io {
        what: &'static str,
        source: std::io::Error,
    },
    #[error("the server's folders")]
    Config(#[from] ConfigError),
    #[error("{0}")]
    Internal(&'static str),
}

impl ApiError {
    pub fn io(what: &'static str) -> impl FnOnce(std::io::Error) -> ApiError {
        move |source| ApiError::Io { what, source }
    }

    pub fn no_such(what: &'static str) -> ApiError {
        ApiError::NotFound(format!("Unable to identify the specified {what}.").into())
    }

    fn status(&self) -> StatusCode {
        match self {
            ApiError::BadRequest(_) => StatusCode::BAD_REQUEST,
            ApiError::Unauthorized(_) => StatusCode::UNAUTHORIZED,
            ApiError::Forbidden(_) => StatusCode::FORBIDDEN,
            ApiError::NotFound(_) | ApiError::Nothing => StatusCode::NOT_FOUND,
            ApiError::Conflict(_) => StatusCode::CONFLICT,
            ApiError::Changed(_) => StatusCode::PRECONDITION_FAILED,
            ApiError::Unprocessable(_) => StatusCode::UNPROCESSABLE_ENTITY,
            ApiError::TooMany { .. } => StatusCode::TOO_MANY_REQUESTS,
            ApiError::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            ApiError::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            ApiError::Store(StoreError::NulCharacter) => StatusCode::BAD_REQUEST,
            ApiError::Store(StoreError::Away(_)) => StatusCode::SERVICE_UNAVAILABLE,
            ApiError::Store(_)
            | ApiError::Io { .. }
            | ApiError::Config(_)
            | ApiError::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

/// A change that the store refuses is the caller's to put right.
pub fn refusal(error: StoreError) -> ApiError {
    match error {
        StoreError::Refused(why) => ApiError::Conflict(why.into()),
        other => ApiError::Store(other),
    }
}

impl From<ProjectError> for ApiError {
    fn from(error: ProjectError) -> Self {
        match error {
            ProjectError::Store(error) => refusal(error),
            ProjectError::Io(source) => ApiError::Io {
                what: "the rules folder",
                source,
            },
            ProjectError::Unknown => ApiError::no_such("project"),
            ProjectError::Malformed | ProjectError::OtherRoute => {
                ApiError::Conflict(error.to_string().into())
            }
        }
    }
}

impl From<SettingsError> for ApiError {
    fn from(error: SettingsError) -> Self {
        match error {
            SettingsError::Io(source) => ApiError::Io {
                what: "the rules folder",
                source,
            },
            SettingsError::Bad(why) => ApiError::BadRequest(why.into()),
            SettingsError::NoPlace(why) => ApiError::Conflict(why.into()),
        }
    }
}

/// Rides on an error's response to the layers that log it and give it its form.
#[derive(Clone)]
pub struct Problem {
    pub message: Text,
    /// For the log alone.
    pub cause: Option<Arc<ApiError>>,
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = self.status();
        let mut response = if let ApiError::Nothing = self {
            return status.into_response();
        } else if status.is_server_error() && !matches!(self, ApiError::Unavailable(_)) {
            let message = match status {
                StatusCode::SERVICE_UNAVAILABLE => {
                    "The database can't be reached at present; try again in a while."
                }
                _ => "The server failed; its log says why, under the id in x-request-id.",
            };
            let mut response = (status, message).into_response();
            let cause = Some(Arc::new(self));
            response.extensions_mut().insert(Problem {
                message: message.into(),
                cause,
            });
            response
        } else {
            let retry_after = match &self {
                ApiError::TooMany { seconds, .. } => Some(HeaderValue::from(*seconds)),
                _ => None,
            };
            let message: Text = match self {
                ApiError::TooMany { message, .. } => message,
                ApiError::BadRequest(text)
                | ApiError::Unauthorized(text)
                | ApiError::Forbidden(text)
                | ApiError::NotFound(text)
                | ApiError::Conflict(text)
                | ApiError::Changed(text)
                | ApiError::Unprocessable(text)
                | ApiError::TooLarge(text)
                | ApiError::Unavailable(text) => text,
                other => other
                    .source()
                    .map_or_else(String::new, ToString::to_string)
                    .into(),
            };
            let mut response = (status, message.clone().into_owned()).into_response();
            if let Some(seconds) = retry_after {
                response.headers_mut().insert(header::RETRY_AFTER, seconds);
            }
            response.extensions_mut().insert(Problem {
                message,
                cause: None,
            });
            response
        };
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Basic realm=\"Sluice\""),
            );
        }
        response
    }
}

/// Gives an error of a `/data` route its page: xnatpy shows the text of `<h3>`, and pyxnat crashes on
/// a page that parses as XML, hence the `<br>` that is never closed (as in Restlet's own page).
pub async fn html_errors(mut response: Response) -> Response {
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return response;
    }
    let message: Text = match response.extensions().get::<Problem>() {
        Some(problem) => problem.message.clone(),
        None => status.canonical_reason().unwrap_or("Error").into(),
    };
    let page = format!(
        "<html>\n<head>\n   <title>Status page</title>\n</head>\n<body>\n<h3>{}</h3>\n<p>Status {}<br>\n</p>\n</body>\n</html>\n",
        escape(&message),
        status.as_u16()
    );
    let headers = response.headers_mut();
    headers.remove(header::CONTENT_LENGTH);
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/html; charset=utf-8"),
    );
    *response.body_mut() = Body::from(page);
    response
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
