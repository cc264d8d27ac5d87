//! One action on many sessions: each by a call of its own, so that for each it can be said what came of it.

use axum::extract::{Form, Query};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};

use super::super::imports::view_of;
use super::super::parts;
use super::super::shell::{self, Section};
use super::super::{Refusal, Visitor};
use super::actions::{self, Given};
use super::forms;
use super::{PAGE, Search};

/// What was asked for, and which sessions it was refused for.
#[derive(Default)]
pub struct Bulk {
    given: Given,
    error: Option<&'static str>,
    done: u64,
    refused: Vec<(String, String)>,
}

pub async fn act(
    visitor: Visitor,
    Query(search): Query<Search>,
    Form(pairs): Form<Vec<(String, String)>>,
) -> Result<Response, Refusal> {
    let (ticked, given): (Vec<_>, Vec<_>) = pairs.into_iter().partition(|(name, _)| name == "src");
    let mut bulk = Bulk {
        given: Given::new(given),
        ..Bulk::default()
    };
    bulk.error = match &bulk.given {
        _ if ticked.is_empty() => Some("No session is ticked."),
        _ if ticked.len() as u64 > PAGE => Some("More sessions are ticked than a page has."),
        given if given.is_of("delete") && given.text("sure") != "yes" => {
            Some("Nothing is deleted: tick that they are to be deleted for good.")
        }
        _ => None,
    };
    if bulk.error.is_some() {
        bulk.refused = ticked
            .into_iter()
            .map(|(_, uri)| (uri, String::new()))
            .collect();
        return bulk.shown(&visitor, &search, StatusCode::BAD_REQUEST).await;
    }
    for (_, uri) in ticked {
        match actions::on(&visitor, &uri, &bulk.given).await {
            Ok(()) => bulk.done += 1,
            Err(refusal) if refusal.status == StatusCode::UNAUTHORIZED => return Err(refusal),
            Err(refusal) => bulk.refused.push((uri, refusal.message)),
        }
    }
    match bulk.refused.is_empty() {
        true => Ok(visitor.done(bulk.sentence(), &search.address(&["prearchive"], 0, &[]))),
        false => bulk.shown(&visitor, &search, StatusCode::CONFLICT).await,
    }
}

impl Bulk {
    async fn shown(
        &self,
        visitor: &Visitor,
        search: &Search,
        status: StatusCode,
    ) -> Result<Response, Refusal> {
        let content = super::view(visitor, search, self).await?;
        let page = visitor.show(Section::Prearchive, "Prearchive", content);
        Ok((status, page).into_response())
    }

    fn sentence(&self) -> String {
        let what = match self.given.text("action") {
            "archive" => "archived",
            "move" => "moved",
            "rebuild" => "rebuilt",
            "release" => "released",
            _ => "deleted",
        };
        format!("{} {what}.", parts::count(self.done, "session"))
    }

    /// Those that it was not done to stay ticked.
    pub fn is_ticked(&self, uri: &str) -> bool {
        self.refused.iter().any(|(refused, _)| refused == uri)
    }

    pub fn outcome(&self) -> Markup {
        let refused = self.refused.iter().filter(|(_, why)| !why.is_empty());
        html! {
            @if let Some(error) = self.error { (shell::told(false, error)) }
            @else if !self.refused.is_empty() {
                @if self.done > 0 { (shell::told(true, &self.sentence())) }
                div.notice.bad role="alert" {
                    p { "Refused for " (parts::count(self.refused.len() as u64, "session")) ":" }
                    ul {
                        @for (uri, why) in refused {
                            li {
                                @match view_of(uri) { Some(address) => a href=(address) { (uri.rsplit('/').next().unwrap_or(uri)) }, None => (uri) }
                                ": " (why)
                            }
                        }
                    }
                }
            }
        }
    }

    pub fn controls(&self, projects: &[String]) -> Markup {
        let given = &self.given;
        html! {
            fieldset.controls {
                legend { "With those that are ticked" }
                span.group {
                    button name="action" value="archive" { "Archive" }
                    label { "where archived already " (forms::overwrite("overwrite", given.text("overwrite"))) }
                }
                span.group {
                    button.plain name="action" value="move" { "Move" }
                    label { "to " select name="project" {
                        option value="" { "project…" }
                        @for id in projects { option selected[id == given.get("move", "project")] { (id) } }
                    } }
                }
                span.group { button.plain name="action" value="rebuild" { "Rebuild" } }
                span.group {
                    button.plain name="action" value="release" { "Release" }
                    label { "because " input name="reason" value=(given.get("release", "reason")) maxlength="500"; }
                }
                span.group {
                    button.danger name="action" value="delete" { "Delete" }
                    (forms::sure("for good"))
                }
            }
        }
    }
}
