//! Changing a policy: as a form or as the JSON that it is, looked at with its difference before it is saved.
//!
//! Nothing is kept on the server meanwhile: the form brings the policy as it stands, and what was filled in is put
//! over that.

use axum::extract::{Form, Path, Query};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

use super::super::super::rules::hash;
use super::super::shell::{self, Section};
use super::super::{Refusal, Visitor};
use super::checked::{self, Checked};
use super::model::{Whose, module, modules};
use super::policy::{self, Known};
use super::settings::{Problems, Sent};
use super::trial;

const FILE: &str = "policy.json";

/// What a change may start from instead of the active version.
const FOLDER: &str = "folder";

#[derive(Deserialize, Default)]
pub struct As {
    /// `text`: the JSON that it is.
    #[serde(default, rename = "as")]
    form: String,
    /// `folder`: what the rules folder holds, also where that is not what is active.
    #[serde(default)]
    from: String,
}

/// What stands in the view.
struct Draft {
    text: String,
    /// Where it came from has that hash.
    base: String,
    is_text: bool,
    sent: Sent,
    problems: Problems,
    checked: Option<Checked>,
    refused: Option<String>,
}

pub async fn show(
    visitor: Visitor,
    Path(whose): Path<String>,
    Query(shown): Query<As>,
) -> Result<Response, Refusal> {
    let whose = Whose::of(&whose);
    let folder = whose.policy(&visitor).await?;
    let base = hash(&folder);
    let text = match whose.active_policy(&visitor).await? {
        Some(active) if shown.from != FOLDER => active,
        _ => folder,
    };
    let draft = Draft {
        base,
        is_text: shown.form == "text",
        text,
        sent: Sent::default(),
        problems: Vec::new(),
        checked: None,
        refused: None,
    };
    let content = view(&visitor, &whose, draft).await?;
    Ok(visitor.show(Section::Rules, "Change rules", content))
}

/// Every button of the form leads here; only `save` changes anything.
pub async fn change(
    visitor: Visitor,
    Path(whose): Path<String>,
    Form(sent): Form<Vec<(String, String)>>,
) -> Result<Response, Refusal> {
    let whose = Whose::of(&whose);
    let sent = Sent(sent);
    let mut problems = Vec::new();
    let text = match (sent.get("text"), sent.get("policy")) {
        (Some(text), _) => lines(text),
        (None, Some(policy)) if sent.get("fields").is_none() => lines(policy),
        (None, policy) => {
            let before = parsed(policy.unwrap_or_default());
            let known = known(&visitor, &before).await?;
            pretty(&policy::sent_policy(before, &known, &sent, &mut problems))
        }
    };
    let mut draft = Draft {
        base: sent.get("base").unwrap_or_default().to_owned(),
        is_text: sent.get("text").is_some() || sent.get("as") == Some("text"),
        text,
        problems,
        checked: None,
        refused: None,
        sent,
    };
    let wanted = draft.sent.get("do").unwrap_or_default().to_owned();
    if wanted == "form" {
        draft.is_text = false;
    }
    if wanted == "text" {
        draft.is_text = true;
    }
    let changes = change_of(&whose, &draft.text);
    if wanted == "save" && draft.problems.is_empty() {
        match save(&visitor, &whose, &draft).await {
            Ok(()) => {
                let here = whose.view(&[], &[]);
                return Ok(visitor.done("The rules are changed; the next import runs them.", &here));
            }
            Err(refusal) => draft.refused = Some(refusal.message),
        }
    }
    if matches!(wanted.as_str(), "check" | "save") {
        let checked = checked::check(&visitor, &changes).await?;
        for finding in checked.findings.iter().filter(|finding| finding.is_error()) {
            if let Some((pointer, why)) = finding.place()
                && let Some(input) = policy::input_of(pointer)
            {
                draft.problems.push((input, why.to_owned()));
            }
        }
        draft.checked = Some(checked);
    }
    let status = match (&draft.refused, draft.problems.is_empty()) {
        (None, true) => StatusCode::OK,
        _ => StatusCode::BAD_REQUEST,
    };
    let content = view(&visitor, &whose, draft).await?;
    let page = visitor.show(Section::Rules, "Change rules", content);
    Ok((status, page).into_response())
}

async fn save(visitor: &Visitor, whose: &Whose, draft: &Draft) -> Result<(), Refusal> {
    let reason = draft.sent.get("reason").unwrap_or_default();
    let uri = whose.call(&["policy"], &[("reason", reason)]);
    let put = put_over(visitor, &draft.base, &uri, "application/json", &draft.text);
    put.await.map_err(|refusal| changed(refusal, "policy"))
}

/// Writes a text over the one that has that hash.
pub async fn put_over(
    visitor: &Visitor,
    base: &str,
    uri: &str,
    kind: &str,
    text: &str,
) -> Result<(), Refusal> {
    let body = text.to_owned().into();
    let put = visitor.rest.put_over(base, uri, kind, body).await;
    put.map(drop)
}

/// What somebody sees who would have written over another's change.
pub fn changed(refusal: Refusal, what: &str) -> Refusal {
    match refusal.status {
        StatusCode::PRECONDITION_FAILED => Refusal {
            status: StatusCode::CONFLICT,
            message: format!(
                "Somebody has changed the {what} meanwhile: see below what yours would now change, and save again."
            ),
        },
        _ => refusal,
    }
}

fn change_of(whose: &Whose, text: &str) -> checked::Changes {
    checked::change(whose.path(FILE), text)
}

/// Browsers send each line's end as two characters.
pub fn lines(text: &str) -> String {
    text.replace("\r\n", "\n")
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| json!({}))
}

fn pretty(policy: &Value) -> String {
    serde_json::to_string_pretty(policy).unwrap_or_default() + "\n"
}

async fn known(visitor: &Visitor, policy: &Value) -> Result<Known, Refusal> {
    let mut details = BTreeMap::new();
    for name in policy::named(policy) {
        if let Some(detail) = module(visitor, &name).await? {
            details.insert(name, detail);
        }
    }
    Ok(Known {
        all: modules(visitor).await?,
        details,
    })
}

async fn view(visitor: &Visitor, whose: &Whose, mut draft: Draft) -> Result<Markup, Refusal> {
    // What was saved against is what the next save has to find.
    if draft.checked.is_some() || draft.base.is_empty() {
        draft.base = hash(&whose.policy(visitor).await?);
    }
    let is_json = draft.text.is_empty() || serde_json::from_str::<Value>(&draft.text).is_ok();
    let is_text = draft.is_text || !is_json;
    let policy = parsed(&draft.text);
    let known = known(visitor, &policy).await?;
    let here = whose.view(&["edit"], &[]);
    let is_apart = whose.active_policy(visitor).await?.is_some();
    Ok(html! {
        p.crumbs { a href="/rules" { "Rules" } " / " a href=(whose.view(&[], &[])) { (whose.step()) } }
        h1 { "Change the " @if *whose == Whose::Site { "site's rules" } @else { "rules of " (whose.step()) } }
        @if is_apart { (apart(whose, is_text)) }
        @if let Some(refused) = &draft.refused { (shell::told(false, refused)) }
        @if let Some(checked) = &draft.checked { (looked_at(whose, &here, &draft, checked)) }
        form method="post" action=(here) {
            // Enter in a field must not be the first button of the chain.
            button.hidden name="do" value="check" tabindex="-1" aria-hidden="true" { "Check" }
            input type="hidden" name="base" value=(draft.base);
            @if is_text {
                label for="text" { "The policy as JSON" }
                textarea.code #text name="text" spellcheck="false" rows="24" { "\n" (draft.text) }
            } @else {
                input type="hidden" name="fields" value="true";
                input type="hidden" name="policy" value=(draft.text);
                (policy::form(&policy, &known, &draft.sent, &draft.problems, *whose == Whose::Site))
            }
            p {
                button name="do" value="check" { "Check, and show what changes" } " "
                @if is_text { button.plain name="do" value="form" disabled[!is_json] { "As a form" } }
                @else { button.plain name="do" value="text" { "As JSON" } }
            }
        }
    })
}

/// Saving makes the folder active: who has gone back must not undo it unawares.
fn apart(whose: &Whose, is_text: bool) -> Markup {
    let form = [("as", if is_text { "text" } else { "" })];
    let folder = [form[0], ("from", FOLDER)];
    html! {
        p.notice.bad {
            "What is active is not what the rules folder holds: somebody went back to an earlier version, or the folder can't be used. "
            "Saving makes the folder active, with this policy. Start from "
            a href=(whose.view(&["edit"], &form)) { "the active version's policy" } " or from "
            a href=(whose.view(&["edit"], &folder)) { "the folder's" } "."
        }
    }
}

fn looked_at(whose: &Whose, here: &str, draft: &Draft, checked: &Checked) -> Markup {
    let changes = change_of(whose, &draft.text);
    let reason = draft.sent.get("reason").unwrap_or_default();
    html! {
        section aria-labelledby="changes" {
            h2 #changes { "What would change" }
            (checked::findings(&checked.findings, &changes))
            (checked::diff(&checked.diff))
            @if checked.is_good() && draft.problems.is_empty() && !checked.diff.is_empty() {
                (checked::concerned(&checked.projects))
                form.stacked method="post" action=(here) {
                    input type="hidden" name="base" value=(draft.base);
                    input type="hidden" name="policy" value=(draft.text);
                    @if draft.is_text { input type="hidden" name="as" value="text"; }
                    label for="reason" { "Why" }
                    input #reason name="reason" maxlength="500" value=(reason);
                    button name="do" value="save" { "Save" }
                }
                (trial::offer(&changes, whose))
            } @else if !checked.is_good() {
                p { "This can't be saved: what is active stays." }
            }
        }
        h2 { "Go on changing" }
    }
}
