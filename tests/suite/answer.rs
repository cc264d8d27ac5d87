//! What a call over HTTP came back with, and who made it.

use serde_json::Value;

/// What a call came back with.
pub struct Answer {
    pub status: u16,
    pub kind: String,
    pub headers: ureq::http::HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// The value of a header, empty if it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().unwrap())
    }

    pub fn json(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text());
        self.body_json()
    }

    /// The same, of an answer with any status.
    pub fn body_json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The rows of one of XNAT's tables.
    pub fn rows(&self) -> Vec<Value> {
        let table = self.json();
        let rows = table["ResultSet"]["Result"].as_array().unwrap().clone();
        assert_eq!(
            table["ResultSet"]["totalRecords"],
            rows.len().to_string().as_str()
        );
        rows
    }
}

/// Everybody's password is their name; nobody has none.
pub fn authorization(user: &str) -> Option<String> {
    (!user.is_empty()).then(|| sluice::client::basic(user, user))
}

/// Adds the header `Authorization`, if there is one.
pub fn headed<B>(
    request: ureq::RequestBuilder<B>,
    authorization: Option<String>,
) -> ureq::RequestBuilder<B> {
    match authorization {
        Some(value) => request.header("Authorization", value),
        None => request,
    }
}

/// Takes an answer in, body and all.
pub fn read(answer: ureq::http::Response<ureq::Body>) -> Answer {
    try_read(answer).unwrap()
}

/// The same from a server that may die meanwhile.
pub fn try_read(mut answer: ureq::http::Response<ureq::Body>) -> Result<Answer, ureq::Error> {
    let kind = answer.headers().get("content-type");
    Ok(Answer {
        status: answer.status().as_u16(),
        kind: kind.map_or("", |kind| kind.to_str().unwrap()).to_owned(),
        headers: answer.headers().clone(),
        body: answer.body_mut().read_to_vec()?,
    })
}
