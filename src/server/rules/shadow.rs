//! Where candidates that ran beside imports disagreed with the active rules, for a project's owners. What they
//! disagreed in is told by the requests' reports.

use axum::Json;
use axum::extract::{Query, State};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::store::{ShadowCounts, ShadowRun};

use super::super::auth::Caller;
use super::super::error::ApiError;
use super::super::state::AppState;

#[derive(Deserialize, JsonSchema)]
pub struct Which {
    /// One that the caller owns.
    project: String,
}

/// A candidate with all requests that it ran beside.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Candidate")]
pub struct CandidateView {
    /// Null: it can't be used; the rules' status says why.
    candidate: Option<String>,
    counts: ShadowCounts,
    requests: u64,
    /// The requests in which there was a disagreement, the newest first.
    disagreements: Vec<RequestView>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Disagreement")]
struct RequestView {
    request: i64,
    at: i64,
    counts: ShadowCounts,
}

/// By candidates, the last one that ran first.
pub async fn list(
    State(state): State<AppState>,
    caller: Caller,
    Query(which): Query<Which>,
) -> Result<Json<Vec<CandidateView>>, ApiError> {
    let project = state.owned_project(&caller, &which.project).await?;
    let runs = state.store.shadows().of_project(&project.id).await?;
    let mut views: Vec<CandidateView> = Vec::new();
    for run in runs {
        let candidate = Some(run.candidate.clone()).filter(|hash| !hash.is_empty());
        let at = match views.iter().position(|view| view.candidate == candidate) {
            Some(at) => at,
            None => {
                views.push(CandidateView {
                    candidate,
                    counts: ShadowCounts::default(),
                    requests: 0,
                    disagreements: Vec::new(),
                });
                views.len() - 1
            }
        };
        views[at].add(&run);
    }
    Ok(Json(views))
}

impl CandidateView {
    fn add(&mut self, run: &ShadowRun) {
        let (sum, more) = (&mut self.counts, &run.counts);
        sum.files += more.files;
        sum.outcome += more.outcome;
        sum.output += more.output;
        sum.errors += more.errors;
        sum.sessions += more.sessions;
        sum.labels += more.labels;
        sum.route += more.route;
        self.requests += 1;
        if more.disagreements() > 0 {
            self.disagreements.push(RequestView {
                request: run.request,
                at: run.at,
                counts: run.counts,
            });
        }
    }
}
