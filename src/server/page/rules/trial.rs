//! Trying rules on a file: the active ones, or changes that are not saved yet; a file of the inbox, or one that comes
//! with the form and is not kept.

mod results;

use axum::body::{Body, Bytes};
use axum::extract::{Form, FromRequest as _, Query, Request};
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt as _, stream};
use maud::{Markup, html};
use multer::Multipart;
use serde::Deserialize;

use super::super::super::address::address;
use super::super::super::form::is_form;
use super::super::listings::{self, Listing, projects};
use super::super::parts::{self, Tone, badge};
use super::super::shell::{self, Section};
use super::super::{Refusal, Visitor};
use super::checked::Changes;
use super::model::Whose;
use results::{Explained, results};

/// Of a field that is no file.
const LONGEST_FIELD: usize = 2 * 1024 * 1024;

const EXPLAIN: &str = "/xapi/rules/explain";

const HERE: &str = "/rules/~try";

/// Between the parts of what is passed on. No file holds it: it is not guessed.
const BOUNDARY: &str = "sluice-";

#[derive(Deserialize, Default)]
pub struct Wish {
    #[serde(default)]
    project: String,
    /// A folder below the project's, that is looked into.
    #[serde(default)]
    folder: String,
    /// What is tried, by its full path.
    #[serde(default)]
    path: String,
    #[serde(default)]
    subject: String,
    #[serde(default)]
    session: String,
    /// As JSON.
    #[serde(default)]
    changes: String,
    #[serde(default, rename = "do")]
    wanted: String,
}

/// A button by which changes that are not saved are tried.
pub fn offer(changes: &Changes, whose: &Whose) -> Markup {
    let text = serde_json::to_string(changes).unwrap_or_default();
    html! {
        form.action method="post" action=(HERE) {
            @if let Whose::Project(id) = whose { input type="hidden" name="project" value=(id); }
            input type="hidden" name="changes" value=(text);
            button.plain { "Try it on a file, before it is saved" }
        }
    }
}

pub async fn ask(visitor: Visitor, Query(wish): Query<Wish>) -> Result<Response, Refusal> {
    let content = view(&visitor, &wish, None).await?;
    Ok(visitor.show(Section::Rules, "Try rules", content))
}

/// Opens a folder, or tries what is chosen.
pub async fn run(visitor: Visitor, request: Request) -> Result<Response, Refusal> {
    let (wish, told) = match is_form(request.headers()) {
        true => {
            let form = Form::<Wish>::from_request(request, &()).await;
            let Form(wish) = form.map_err(|rejection| bad(&rejection.body_text()))?;
            let told = match wish.wanted.as_str() {
                "try" => Some(of_inbox(&visitor, &wish).await),
                _ => None,
            };
            (wish, told)
        }
        false => {
            let (wish, told) = of_upload(&visitor, request).await?;
            (wish, Some(told))
        }
    };
    let status = match &told {
        Some(Err(refusal)) => refusal.status,
        _ => StatusCode::OK,
    };
    let content = view(&visitor, &wish, told.as_ref()).await?;
    let page = visitor.show(Section::Rules, "Try rules", content);
    Ok((status, page).into_response())
}

async fn of_inbox(visitor: &Visitor, wish: &Wish) -> Result<Explained, Refusal> {
    let form = [
        ("PROJECT_ID", wish.project.as_str()),
        ("path", &wish.path),
        ("SUBJECT_ID", &wish.subject),
        ("EXPT_LABEL", &wish.session),
        ("changes", &wish.changes),
    ];
    let answer = visitor.rest.send(Method::POST, EXPLAIN, &form).await?;
    super::super::rest::understood(answer.as_bytes())
}

/// The form's file is passed on as it comes; its other fields stand before it.
async fn of_upload(
    visitor: &Visitor,
    request: Request,
) -> Result<(Wish, Result<Explained, Refusal>), Refusal> {
    let kind = request.headers().get(header::CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let boundary = multer::parse_boundary(kind).map_err(|_| bad("The form could not be read."))?;
    let mut form = Multipart::new(request.into_body().into_data_stream(), boundary);
    let mut wish = Wish::default();
    loop {
        let field = form.next_field().await;
        let field = field.map_err(|_| bad("The form could not be read."))?;
        let Some(mut field) = field else {
            return Ok((wish, Err(bad("Choose a file."))));
        };
        if let Some(name) = field.file_name() {
            if name.is_empty() {
                return Ok((wish, Err(bad("Choose a file."))));
            }
            let told = pass_on(visitor, &wish, field).await;
            return Ok((wish, told));
        }
        let name = field.name().unwrap_or_default().to_owned();
        let mut value = Vec::new();
        while let Some(chunk) = field
            .chunk()
            .await
            .map_err(|_| bad("The form could not be read."))?
        {
            value.extend_from_slice(&chunk);
            if value.len() > LONGEST_FIELD {
                return Err(bad("A field of the form is too long."));
            }
        }
        let value = String::from_utf8(value).map_err(|_| bad("A field of the form is no text."))?;
        match name.as_str() {
            "project" => wish.project = value,
            "folder" => wish.folder = value,
            "subject" => wish.subject = value,
            "session" => wish.session = value,
            "changes" => wish.changes = value,
            _ => {}
        }
    }
}

async fn pass_on(
    visitor: &Visitor,
    wish: &Wish,
    file: multer::Field<'static>,
) -> Result<Explained, Refusal> {
    let mut number = [0; 16];
    getrandom::fill(&mut number).map_err(|_| Refusal::internal())?;
    let boundary = format!("{BOUNDARY}{}", hex::encode(number));
    let fields = [
        ("SUBJECT_ID", &wish.subject),
        ("EXPT_LABEL", &wish.session),
        ("changes", &wish.changes),
    ];
    let mut head = String::new();
    for (name, value) in fields.into_iter().filter(|(_, value)| !value.is_empty()) {
        head += &format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
        );
    }
    head += &format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"file\"\r\n\r\n"
    );
    let tail = format!("\r\n--{boundary}--\r\n");
    let whole =
        |text: String| stream::once(async move { Ok::<_, multer::Error>(Bytes::from(text)) });
    let body = Body::from_stream(whole(head).chain(file).chain(whole(tail)));
    let uri = address(
        &["xapi", "rules", "explain"],
        &[("PROJECT_ID", &wish.project)],
    );
    let kind = format!("multipart/form-data; boundary={boundary}");
    let answer = visitor
        .rest
        .pass_on(Method::POST, &uri, &kind, body)
        .await?;
    super::super::rest::understood(&answer)
}

fn bad(message: &str) -> Refusal {
    Refusal {
        status: StatusCode::BAD_REQUEST,
        message: message.to_owned(),
    }
}

async fn view(
    visitor: &Visitor,
    wish: &Wish,
    told: Option<&Result<Explained, Refusal>>,
) -> Result<Markup, Refusal> {
    let projects = projects(visitor).await?;
    let project = match (wish.project.as_str(), projects.as_slice()) {
        ("", [only]) => only,
        (chosen, _) => chosen,
    };
    let listing: Option<Listing> = match project {
        "" => None,
        project => {
            // There may be no folder for the project yet; a file can be brought all the same.
            listings::inbox(visitor, project, &wish.folder).await?
        }
    };
    Ok(html! {
        p.crumbs { a href="/rules" { "Rules" } @if !project.is_empty() { " / " a href=(address(&["rules", project], &[])) { (project) } } }
        h1 { "Try rules on a file" }
        @if wish.changes.is_empty() { p { "The active rules. Nothing is stored." } }
        @else { p { (badge(Tone::Warn, "not saved")) " The rules with your changes. Nothing is stored; to save them, go back to where you changed them." } }
        @match told {
            Some(Ok(explained)) => (results(explained)),
            Some(Err(refusal)) => (shell::told(false, &refusal.message)),
            None => {}
        }
        form.filter method="post" action=(HERE) {
            (kept(wish))
            label { "Project"
                select name="project" { @for id in &projects { option selected[id == project] { (id) } } }
            }
            button.plain { "Open its inbox" }
        }
        @if !project.is_empty() {
            (upload(wish, project))
            @match &listing {
                Some(listing) => (inbox(wish, project, listing)),
                None => p.empty { "The project has no folder in the inbox." }
            }
        }
    })
}

/// The candidate goes along from view to view.
fn kept(wish: &Wish) -> Markup {
    html! { @if !wish.changes.is_empty() { input type="hidden" name="changes" value=(wish.changes); } }
}

fn labels(wish: &Wish, of: &str) -> Markup {
    html! {
        label for={ "subject-" (of) } { "Subject " small { "(else the rules say)" } }
        input id={ "subject-" (of) } name="subject" value=(wish.subject) maxlength="64";
        label for={ "session-" (of) } { "Session " small { "(else the rules say)" } }
        input id={ "session-" (of) } name="session" value=(wish.session) maxlength="64";
    }
}

fn upload(wish: &Wish, project: &str) -> Markup {
    html! {
        h2 { "A file of your own" }
        form.stacked method="post" action=(HERE) enctype="multipart/form-data" {
            input type="hidden" name="project" value=(project);
            input type="hidden" name="folder" value=(wish.folder);
            (kept(wish))
            (labels(wish, "own"))
            label for="file" { "A DICOM file, or an archive of some " small { "(choose it, or drop it here)" } }
            input #file type="file" name="file" required;
            button { "Try this file" }
        }
    }
}

fn inbox(wish: &Wish, project: &str, listing: &Listing) -> Markup {
    let below = |name: &str| match wish.folder.as_str() {
        "" => name.to_owned(),
        folder => format!("{folder}/{name}"),
    };
    let above = wish.folder.rsplit_once('/').map_or("", |(above, _)| above);
    let files = || {
        listing
            .entries
            .iter()
            .filter(|entry| entry.kind != "folder")
    };
    html! {
        h2 { "What lies in the inbox of " (project) @if !wish.folder.is_empty() { ", in " (wish.folder) } }
        form method="post" action=(HERE) {
            input type="hidden" name="project" value=(project);
            (kept(wish))
            ul.folder {
                @if !wish.folder.is_empty() { li { button.plain name="folder" value=(above) { "../" } } }
                @for entry in listing.entries.iter().filter(|entry| entry.kind == "folder") {
                    li { button.plain name="folder" value=(below(&entry.name)) { (entry.name) "/" } }
                }
            }
        }
        @if listing.cut { p { "There is more in it than is shown here." } }
        form.stacked method="post" action=(HERE) {
            input type="hidden" name="project" value=(project);
            input type="hidden" name="folder" value=(wish.folder);
            (kept(wish))
            label for="path" { "Which" }
            select #path name="path" {
                option value=(listing.path) { "all of this folder" }
                @for entry in files() {
                    @let path = format!("{}/{}", listing.path, entry.name);
                    option value=(path) selected[path == wish.path] { (entry.name) " (" (parts::bytes(entry.size)) ")" }
                }
            }
            (labels(wish, "inbox"))
            button name="do" value="try" { "Try it" }
        }
    }
}
