//! What is done to a session: each of XNAT's services, called as REST has it.

use axum::extract::{Form, Path};
use axum::http::Method;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::super::imports::view_of;
use super::super::rest::Table;
use super::super::shell::Section;
use super::super::{Refusal, Visitor};
use super::model::Place;
use super::one;

/// A form as it was sent.
#[derive(Default)]
pub struct Given(Vec<(String, String)>);

impl Given {
    pub fn new(pairs: Vec<(String, String)>) -> Self {
        Self(pairs)
    }

    pub fn text(&self, name: &str) -> &str {
        let mut pairs = self.0.iter();
        pairs
            .find(|(n, _)| n == name)
            .map_or("", |(_, value)| value)
    }

    pub fn is_of(&self, action: &str) -> bool {
        self.text("action") == action
    }

    /// What that action's form had in a field.
    pub fn get(&self, action: &str, name: &str) -> &str {
        match self.is_of(action) {
            true => self.text(name),
            false => "",
        }
    }
}

#[derive(Deserialize)]
struct Row {
    url: String,
}

/// What came of an action: what to say, and where the session is now.
struct Done {
    text: String,
    uri: Option<String>,
}

pub async fn act(
    visitor: Visitor,
    Path(place): Path<Place>,
    Form(pairs): Form<Vec<(String, String)>>,
) -> Result<Response, Refusal> {
    let given = Given::new(pairs);
    match one_action(&visitor, &place.source(), &given).await {
        Ok(done) => {
            let to = done.uri.as_deref().and_then(view_of);
            Ok(visitor.done(done.text, to.as_deref().unwrap_or("/prearchive")))
        }
        Err(refusal) if refusal.status == StatusCode::UNAUTHORIZED => Err(refusal),
        Err(refusal) => {
            // Without the session there is no view that could say it.
            let (title, content) =
                one::view(&visitor, &place, false, &given, Some(&refusal)).await?;
            let page = visitor.show(Section::Prearchive, &title, content);
            Ok((refusal.status, page).into_response())
        }
    }
}

/// One action on one session.
pub async fn on(visitor: &Visitor, source: &str, given: &Given) -> Result<(), Refusal> {
    one_action(visitor, source, given).await.map(|_| ())
}

async fn one_action(visitor: &Visitor, source: &str, given: &Given) -> Result<Done, Refusal> {
    let text = |name| given.text(name);
    let post = async |service: &str, form: &[(&str, &str)]| {
        let form = [&[("src", source)], form].concat();
        visitor.rest.send(Method::POST, service, &form).await
    };
    match text("action") {
        "archive" => {
            let form = [
                ("project", text("project")),
                ("overwrite", text("overwrite")),
                ("subject", text("subject")),
                ("session", text("session")),
            ];
            let answer = post("/data/services/archive", &form).await?;
            done("The session is archived.", below_data(&answer))
        }
        "move" => {
            let form = [
                ("newProject", text("project")),
                ("leaveOut", text("leave_out")),
            ];
            let answer = post("/data/services/prearchive/move", &form).await?;
            done("The session is moved.", first_row(&answer))
        }
        "rebuild" => {
            let answer = post("/data/services/prearchive/rebuild", &[]).await?;
            done("The session's files are read again.", first_row(&answer))
        }
        "release" => {
            let form = [("reason", text("reason")), ("overwrite", text("overwrite"))];
            let answer = post("/data/services/prearchive/release", &form).await?;
            done("The session is released.", first_row(&answer))
        }
        "relabel" => {
            let form = [("subject", text("subject")), ("label", text("session"))];
            let uri = format!("/data{source}");
            let answer = visitor.rest.send(Method::PUT, &uri, &form).await?;
            done("The session has its new labels.", below_data(&answer))
        }
        "delete" if text("sure") != "yes" => Err(Refusal {
            status: StatusCode::BAD_REQUEST,
            message: "Nothing is deleted: tick that it is to be deleted for good.".into(),
        }),
        "delete" => {
            post("/data/services/prearchive/delete", &[]).await?;
            done("The session is deleted.", None)
        }
        _ => Err(Refusal {
            status: StatusCode::BAD_REQUEST,
            message: "There is no such action.".into(),
        }),
    }
}

fn done(text: &str, uri: Option<String>) -> Result<Done, Refusal> {
    Ok(Done {
        text: text.to_owned(),
        uri,
    })
}

fn below_data(answer: &str) -> Option<String> {
    answer.trim().strip_prefix("/data").map(str::to_owned)
}

fn first_row(answer: &str) -> Option<String> {
    let table: Table<Row> = serde_json::from_str(answer).ok()?;
    table.rows().first().map(|row| row.url.clone())
}
