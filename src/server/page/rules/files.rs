//! Changing a file: a module's code, its manifest and schema, or a script or a table beside a policy. Looked at first, with
//! errors at their lines and the difference, then saved, if it is good.

use axum::extract::{Form, Path, Query};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use serde::Deserialize;

use super::super::super::address::address;
use super::super::super::rules::hash;
use super::super::shell::{self, Section};
use super::super::{Refusal, Visitor};
use super::checked::{self, Checked, change};
use super::edit::{changed, lines, put_over};
use super::model::{Whose, module};
use super::trial;

/// Where a file is, in the page and in the REST interface.
struct Place {
    /// The view above it.
    above: String,
    above_name: String,
    file: String,
    here: String,
    call: Vec<String>,
    /// Below the rules folder.
    path: String,
    whose: Whose,
    can_change: bool,
}

#[derive(Deserialize)]
pub struct Edit {
    text: String,
    #[serde(default)]
    base: String,
    #[serde(default)]
    reason: String,
    #[serde(default, rename = "do")]
    wanted: String,
}

#[derive(Deserialize)]
pub struct Named {
    name: String,
}

impl Place {
    async fn of_module(visitor: &Visitor, name: &str, file: String) -> Result<Place, Refusal> {
        let found = module(visitor, name)
            .await?
            .ok_or_else(Refusal::not_found)?;
        let here = address(&["rules", "~modules", name, "files", &file], &[]);
        let call = ["xapi", "rules", "modules", name, "files", &file];
        Ok(Place {
            above: found.module.address(),
            above_name: name.to_owned(),
            here,
            call: call.map(str::to_owned).into(),
            path: format!("modules/{name}/{file}"),
            whose: Whose::Site,
            can_change: visitor.admin && !found.module.is_shipped(),
            file,
        })
    }

    fn of_policy(whose: Whose, file: String) -> Place {
        let mut call: Vec<String> = vec!["xapi".into(), "rules".into()];
        match &whose {
            Whose::Site => call.push("site".into()),
            Whose::Project(id) => call.extend(["projects".into(), id.clone()]),
        }
        call.extend(["files".into(), file.clone()]);
        Place {
            above: whose.view(&[], &[]),
            above_name: whose.step().to_owned(),
            here: whose.view(&["files", &file], &[]),
            call,
            path: whose.path(&file),
            whose,
            can_change: true,
            file,
        }
    }

    fn uri(&self, reason: &str) -> String {
        let steps: Vec<&str> = self.call.iter().map(String::as_str).collect();
        address(&steps, &[("reason", reason)])
    }

    /// The file's text; an empty one where there is none yet.
    async fn text(&self, visitor: &Visitor) -> Result<String, Refusal> {
        let text = visitor.rest.text(&self.uri("")).await;
        self.whose.or_empty(visitor, text).await
    }
}

pub async fn module_file(
    visitor: Visitor,
    Path((name, file)): Path<(String, String)>,
) -> Result<Response, Refusal> {
    let place = Place::of_module(&visitor, &name, file).await?;
    show(visitor, place).await
}

pub async fn policy_file(
    visitor: Visitor,
    Path((whose, file)): Path<(String, String)>,
) -> Result<Response, Refusal> {
    show(visitor, Place::of_policy(Whose::of(&whose), file)).await
}

pub async fn change_module_file(
    visitor: Visitor,
    Path((name, file)): Path<(String, String)>,
    Form(edit): Form<Edit>,
) -> Result<Response, Refusal> {
    let place = Place::of_module(&visitor, &name, file).await?;
    save(visitor, place, edit).await
}

pub async fn change_policy_file(
    visitor: Visitor,
    Path((whose, file)): Path<(String, String)>,
    Form(edit): Form<Edit>,
) -> Result<Response, Refusal> {
    save(visitor, Place::of_policy(Whose::of(&whose), file), edit).await
}

/// From a form that asks for a name.
pub async fn named(
    _visitor: Visitor,
    Path(whose): Path<String>,
    Query(named): Query<Named>,
) -> Redirect {
    Redirect::to(&Whose::of(&whose).view(&["files", named.name.trim()], &[]))
}

async fn show(visitor: Visitor, place: Place) -> Result<Response, Refusal> {
    let text = place.text(&visitor).await?;
    let edit = Edit {
        base: hash(&text),
        text,
        reason: String::new(),
        wanted: String::new(),
    };
    let content = view(&place, &edit, None, None);
    Ok(visitor.show(Section::Rules, &place.file, content))
}

async fn save(visitor: Visitor, place: Place, mut edit: Edit) -> Result<Response, Refusal> {
    edit.text = lines(&edit.text);
    let mut refused = None;
    if edit.wanted == "save" {
        let uri = place.uri(&edit.reason);
        let result = put_over(&visitor, &edit.base, &uri, "text/plain", &edit.text).await;
        let result = result.map_err(|refusal| changed(refusal, "file"));
        match result {
            Ok(()) => {
                let text = format!("{} is saved; the next import runs it.", place.file);
                return Ok(visitor.done(text, &place.here));
            }
            Err(refusal) => refused = Some(refusal),
        }
    }
    edit.base = hash(&place.text(&visitor).await?);
    let checked = checked::check(&visitor, &change(place.path.clone(), &edit.text)).await?;
    let status = match &refused {
        Some(refusal) => refusal.status,
        None if checked.is_good() => StatusCode::OK,
        None => StatusCode::BAD_REQUEST,
    };
    let content = view(&place, &edit, Some(&checked), refused.as_ref());
    let page = visitor.show(Section::Rules, &place.file, content);
    Ok((status, page).into_response())
}

fn view(
    place: &Place,
    edit: &Edit,
    checked: Option<&Checked>,
    refused: Option<&Refusal>,
) -> Markup {
    let changes = change(place.path.clone(), &edit.text);
    let is_binary = edit.text.contains(['\0', '\u{FFFD}']);
    html! {
        p.crumbs { a href="/rules" { "Rules" } " / " a href=(place.above) { (place.above_name) } }
        h1 { (place.file) }
        @if let Some(refusal) = refused { (shell::told(false, &refusal.message)) }
        @if let Some(checked) = checked { (looked_at(place, edit, checked, &changes)) }
        @if is_binary {
            p { "This file is no text: it is built elsewhere, and put into the rules folder." }
        } @else if place.can_change {
            form method="post" action=(place.here) {
                input type="hidden" name="base" value=(edit.base);
                label for="text" { code { "rules/" (place.path) } }
                textarea.code #text name="text" spellcheck="false" rows="24" aria-invalid=[checked.filter(|c| !c.is_good()).map(|_| "true")] { "\n" (edit.text) }
                p { button name="do" value="check" { "Check, and show what changes" } }
            }
        } @else {
            p.dim { "For reading: what is part of Sluice stays as it is. A copy in the rules folder, under another name, can be changed." }
            pre tabindex="0" { (edit.text) }
        }
    }
}

fn looked_at(place: &Place, edit: &Edit, checked: &Checked, changes: &checked::Changes) -> Markup {
    html! {
        section aria-labelledby="changes" {
            h2 #changes { "What would change" }
            (checked::findings(&checked.findings, changes))
            (checked::diff(&checked.diff))
            @if !checked.is_good() { p { "This can't be saved: what is active stays." } }
            @else if !checked.diff.is_empty() {
                (checked::concerned(&checked.projects))
                form.stacked method="post" action=(place.here) {
                    input type="hidden" name="base" value=(edit.base);
                    input type="hidden" name="text" value=(edit.text);
                    label for="reason" { "Why" }
                    input #reason name="reason" maxlength="500" value=(edit.reason);
                    button name="do" value="save" { "Save" }
                }
                (trial::offer(changes, &place.whose))
            }
        }
        h2 { "Go on changing" }
    }
}
