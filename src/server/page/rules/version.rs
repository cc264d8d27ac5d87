//! A version that was active: what it was, how it differs, and going back to it.

use axum::extract::{Form, Path, Query};
use axum::http::Method;
use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;

use super::super::super::address::address;
use super::super::parts;
use super::super::shell::Section;
use super::super::{Refusal, Visitor};
use super::checked;
use super::model::{Activation, Whose, short};
use super::show;

/// As many of the history as are looked through for a version.
const MOST_VERSIONS: &str = "1000";

#[derive(Deserialize)]
pub struct FromTo {
    from: String,
    to: String,
}

#[derive(Deserialize)]
pub struct Back {
    version: String,
    #[serde(default)]
    reason: String,
}

#[derive(Deserialize)]
struct File {
    path: String,
    size: u64,
}

pub async fn view(
    visitor: &Visitor,
    whose: &Whose,
    project: &str,
    hash: &str,
) -> Result<Markup, Refusal> {
    let query = [("project", project), ("limit", MOST_VERSIONS)];
    let uri = address(&["xapi", "rules", "versions"], &query);
    let history: Vec<Activation> = visitor.rest.get(&uri).await?;
    let files: Vec<File> = visitor
        .rest
        .get(&address(&["xapi", "rules", "versions", hash], &[]))
        .await?;
    let active = history.first().map(|active| active.rule_set.as_str());
    let difference = match active {
        Some(active) if active != hash => Some(differences(visitor, active, hash).await?),
        _ => None,
    };
    let rules = show::rules(
        visitor,
        whose,
        &whose.call(&["chain"], &[("version", hash)]),
    )
    .await;
    let times = history.iter().filter(|active| active.rule_set == hash);
    Ok(html! {
        p.crumbs { a href="/rules" { "Rules" } " / " a href=(whose.view(&[], &[])) { (project) } }
        h1 { "Version " code { (short(hash)) } }
        ul {
            @for active in times {
                li { "Active since " (parts::time(active.at)) ", by " (active.username) @if !active.reason.is_empty() { ": " (active.reason) } }
            }
        }
        @match rules {
            Ok(rules) => (rules),
            Err(refusal) => p.notice.bad { (refusal.message) }
        }
        @match &difference {
            None => p { "This is the active version." },
            Some(text) => {
                h2 { "What going back to it would change" }
                (checked::diff(text))
                form.stacked method="post" action=(whose.view(&["rollback"], &[])) data-confirm="Make this version active?" {
                    input type="hidden" name="version" value=(hash);
                    label for="reason" { "Why" }
                    input #reason name="reason" maxlength="500";
                    small { "It stands until the rules folder is changed, or a policy is saved. The folder keeps the newer text." }
                    button { "Go back to this version" }
                }
            }
        }
        h2 { "Its files" }
        ul {
            @for file in &files {
                li { a href=(address(&["xapi", "rules", "versions", hash], &[("file", &file.path)])) { (file.path) } " " small { (parts::bytes(file.size)) } }
            }
        }
    })
}

async fn differences(visitor: &Visitor, from: &str, to: &str) -> Result<String, Refusal> {
    let uri = address(&["xapi", "rules", "diff"], &[("from", from), ("to", to)]);
    visitor.rest.text(&uri).await
}

pub async fn diff(
    visitor: Visitor,
    Path(whose): Path<String>,
    Query(FromTo { from, to }): Query<FromTo>,
) -> Result<Response, Refusal> {
    let whose = Whose::of(&whose);
    let text = differences(&visitor, &from, &to).await?;
    let version = |hash: &str| html! { a href=(whose.view(&[], &[("version", hash)])) { code { (short(hash)) } } };
    let content = html! {
        p.crumbs { a href="/rules" { "Rules" } " / " a href=(whose.view(&[], &[])) { (whose.step()) } }
        h1 { "What changed" }
        p { "From version " (version(&from)) " to " (version(&to)) "." }
        (checked::diff(&text))
    };
    Ok(visitor.show(Section::Rules, "What changed", content))
}

pub async fn roll_back(
    visitor: Visitor,
    Path(whose): Path<String>,
    Form(back): Form<Back>,
) -> Response {
    let whose = Whose::of(&whose);
    let form = [
        ("project", whose.step()),
        ("ruleSet", &back.version),
        ("reason", &back.reason),
    ];
    let result = visitor
        .rest
        .send(Method::POST, "/xapi/rules/rollback", &form)
        .await;
    let to = match &result {
        Ok(_) => whose.view(&[], &[]),
        Err(_) => whose.view(&[], &[("version", &back.version)]),
    };
    let text = format!("Version {} is active again.", short(&back.version));
    visitor.told(result, text, &to)
}
