//! The rules of the site or of a project: what runs, what was before, and what a candidate would have done.

use std::collections::BTreeMap;

use axum::extract::{Path, Query};
use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;

use crate::store::ShadowCounts;

use super::super::super::address::address;
use super::super::parts;
use super::super::shell::Section;
use super::super::{Refusal, Visitor};
use super::model::{Activation, Chain, ModuleDetail, Status, Whose, module, short};
use super::{chain, state, troubles, version};

/// Versions named at once.
const MOST_VERSIONS: &str = "50";

#[derive(Deserialize, Default)]
pub struct Shown {
    /// An earlier version's hash.
    #[serde(default)]
    version: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Candidate {
    candidate: Option<String>,
    counts: ShadowCounts,
    requests: u64,
    disagreements: Vec<Disagreement>,
}

#[derive(Deserialize)]
struct Disagreement {
    request: i64,
    at: i64,
    counts: ShadowCounts,
}

pub async fn show(
    visitor: Visitor,
    Path(whose): Path<String>,
    Query(shown): Query<Shown>,
) -> Result<Response, Refusal> {
    let whose = Whose::of(&whose);
    let content = match (&whose, shown.version.as_str()) {
        (Whose::Project(id), hash) if !hash.is_empty() => {
            version::view(&visitor, &whose, id, hash).await?
        }
        (Whose::Project(id), _) => project(&visitor, &whose, id).await?,
        (Whose::Site, _) => site(&visitor, &whose).await?,
    };
    Ok(visitor.show(Section::Rules, &whose.name(), content))
}

/// What runs, as a picture and in words.
pub async fn rules(visitor: &Visitor, whose: &Whose, uri: &str) -> Result<Markup, Refusal> {
    let chain: Chain = visitor.rest.get(uri).await?;
    let mut name_to_module: BTreeMap<String, ModuleDetail> = BTreeMap::new();
    for step in chain.steps.iter().filter(|step| !step.is_script()) {
        if !name_to_module.contains_key(&step.module)
            && let Some(detail) = module(visitor, &step.module).await?
        {
            name_to_module.insert(step.module.clone(), detail);
        }
    }
    Ok(html! {
        (chain::picture(&chain))
        (chain::facts(&chain))
        @for note in &chain.notes { p.notice.bad { (note) } }
        h2 { "What runs" }
        (chain::steps(whose, &chain, &|name| name_to_module.get(name)))
        p.dim { "Version " code { (short(&chain.rule_set)) } }
    })
}

async fn project(visitor: &Visitor, whose: &Whose, id: &str) -> Result<Markup, Refusal> {
    let query = [("project", id), ("limit", MOST_VERSIONS)];
    let uri = address(&["xapi", "rules", "versions"], &query);
    let history: Vec<Activation> = visitor.rest.get(&uri).await?;
    let statuses: Vec<Status> = visitor.rest.get("/xapi/rules/status").await?;
    let status = statuses.into_iter().find(|status| status.project == id);
    let uri = address(&["xapi", "rules", "shadow"], &[("project", id)]);
    let candidates: Vec<Candidate> = visitor.rest.get(&uri).await?;
    // There may be nothing that runs: rules that were broken from the first.
    let rules = rules(visitor, whose, &whose.call(&["chain"], &[])).await;
    let policy = whose.policy(visitor).await?;
    Ok(html! {
        (head(whose))
        @if let Some(status) = &status {
            p { (state(status)) @if let Some(active) = &status.active { " since " (parts::time(active.at)) " by " (active.username) @if !active.reason.is_empty() { ": " (active.reason) } } }
            (troubles(status))
        }
        @match rules {
            Ok(rules) => (rules),
            Err(refusal) => p.notice.bad { (refusal.message) }
        }
        (beside(whose, &policy))
        (shadow(&candidates))
        (self::history(whose, &history))
    })
}

async fn site(visitor: &Visitor, whose: &Whose) -> Result<Markup, Refusal> {
    let policy = whose.policy(visitor).await?;
    let rules = rules(visitor, whose, &whose.call(&["chain"], &[])).await;
    let rules = match rules {
        Err(refusal) if refusal.status != axum::http::StatusCode::BAD_REQUEST => {
            return Err(refusal);
        }
        rules => rules,
    };
    Ok(html! {
        (head(whose))
        p { "This is what runs where a project says nothing of its own. The site's anonymize steps run in every project, before the project's." }
        @match rules {
            Ok(rules) => (rules),
            Err(refusal) => p.notice.bad { (refusal.message) }
        }
        (beside(whose, &policy))
        p { "What changed when, and going back, is told with each project: a version holds both the site's rules and the project's." }
    })
}

fn head(whose: &Whose) -> Markup {
    html! {
        p.crumbs { a href="/rules" { "Rules" } }
        div.head {
            h1 { (whose.name()) }
            a.button href=(whose.view(&["edit"], &[])) { "Change" }
            @if let Whose::Project(id) = whose { a.button href=(address(&["rules", "~try"], &[("project", id)])) { "Try on a file" } }
        }
    }
}

/// The scripts and tables that the policy names.
fn beside(whose: &Whose, policy: &str) -> Markup {
    let policy: serde_json::Value = serde_json::from_str(policy).unwrap_or_default();
    let mut files = Vec::new();
    let steps = policy["anonymize"].as_array().into_iter().flatten();
    for step in steps.chain([&policy["label"], &policy["route"]]) {
        files.extend(step["script"].as_str());
        let tables = step["tables"].as_object().into_iter().flatten();
        files.extend(tables.filter_map(|(_, file)| file.as_str()));
    }
    files.sort_unstable();
    files.dedup();
    html! {
        h2 { "Beside the policy" }
        @if files.is_empty() { p.empty { "The policy names no script and no table." } } @else {
            ul { @for file in files { li { a href=(whose.view(&["files", file], &[])) { (file) } } } }
        }
        form.filter method="get" action=(whose.view(&["file"], &[])) {
            label { "Write a script (.das) or a table (.csv)" input name="name" placeholder="project.das" required maxlength="127"; }
            button.plain { "Open" }
        }
    }
}

fn disagreements(counts: &ShadowCounts) -> String {
    let kinds = [
        (counts.outcome, "outcome"),
        (counts.output, "output"),
        (counts.errors, "error"),
        (counts.labels, "label"),
        (counts.route, "route"),
    ];
    let some = kinds.into_iter().filter(|(amount, _)| *amount > 0);
    let told: Vec<String> = some
        .map(|(amount, kind)| parts::count(amount, kind))
        .collect();
    match told.is_empty() {
        true => "none".into(),
        false => told.join(", "),
    }
}

fn shadow(candidates: &[Candidate]) -> Markup {
    html! {
        @if !candidates.is_empty() {
            h2 #shadow { "Candidates that ran beside imports" }
            @for candidate in candidates {
                article {
                    h3 { @match &candidate.candidate { Some(hash) => { "Candidate " code { (short(hash)) } } None => { "A candidate that can't be used" } } }
                    p {
                        "Beside " (parts::count(candidate.requests, "import")) ": "
                        (parts::count(candidate.counts.files, "file")) ", " (parts::count(candidate.counts.sessions, "session"))
                        "; disagreements: " (disagreements(&candidate.counts)) "."
                    }
                    @if !candidate.disagreements.is_empty() {
                        ul {
                            @for one in &candidate.disagreements {
                                li { a href={ "/imports/" (one.request) } { "Import " (one.request) } " " (parts::time(one.at)) ": " (disagreements(&one.counts)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn history(whose: &Whose, history: &[Activation]) -> Markup {
    let before = |at: usize| history.get(at + 1).map(|before| before.rule_set.as_str());
    html! {
        h2 #history { "History" }
        @if history.is_empty() { p.empty { "Nothing was active yet." } } @else {
            div.wide tabindex="0" role="region" aria-labelledby="history" {
                table {
                    thead { tr { th { "Version" } th { "Active since" } th { "By" } th { "Why" } th { "Changes" } } }
                    tbody {
                        @for (at, active) in history.iter().enumerate() {
                            tr {
                                td { a href=(whose.view(&[], &[("version", &active.rule_set)])) { code { (short(&active.rule_set)) } } @if at == 0 { " (active)" } }
                                td { (parts::time(active.at)) }
                                td { (active.username) }
                                td { (active.reason) }
                                td {
                                    @if let Some(before) = before(at) {
                                        a href=(whose.view(&["diff"], &[("from", before), ("to", &active.rule_set)])) {
                                            "against the one before"
                                        }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
