//! Import calls that bear an `Idempotency-Key`: repeated, they queue nothing and name the same request.

use std::collections::BTreeMap;

use axum::http::{HeaderMap, HeaderName};

use crate::store::{CallKey, Inserted};

use super::super::auth::Caller;
use super::super::error::ApiError;
use super::super::form::Parameters;
use super::super::state::AppState;

pub const KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Says that nothing was queued by this call.
pub const REPLAYED: [(HeaderName, &str); 1] =
    [(HeaderName::from_static("idempotent-replayed"), "true")];

pub const OTHER_CALL: &str = "The Idempotency-Key was used for a call with other parameters; \
take a new key for a new call.";

const LONGEST_KEY: usize = 255;

/// The call's key, with its parameters; none if it bears none.
pub fn key(
    caller: &Caller,
    headers: &HeaderMap,
    parameters: &Parameters,
) -> Result<Option<CallKey>, ApiError> {
    let mut keys = headers.get_all(KEY).iter();
    let Some(key) = keys.next() else {
        return Ok(None);
    };
    let legal = |key: &&str| {
        let visible = key.bytes().all(|b| b.is_ascii_graphic());
        (1..=LONGEST_KEY).contains(&key.len()) && visible
    };
    let key = key.to_str().ok().filter(legal);
    let Some(key) = key.filter(|_| keys.next().is_none()) else {
        return Err(ApiError::BadRequest(
            format!(
                "The header Idempotency-Key must be one of 1 to {LONGEST_KEY} visible ASCII \
                 characters, without spaces."
            )
            .into(),
        ));
    };
    let canonical = canonical(parameters)?;
    let pairs = canonical.iter().map(|(n, v)| (*n, v.as_str()));
    Ok(Some(CallKey::new(&caller.name, key, pairs)))
}

/// Two calls that mean the same are the same: what is blank is not there, a default needs not be said,
/// and a label has one name.
fn canonical(parameters: &Parameters) -> Result<BTreeMap<&str, String>, ApiError> {
    let said = parameters.iter().filter(|(_, v)| !v.trim().is_empty());
    let mut canonical: BTreeMap<&str, String> = said.map(|(n, v)| (n, v.to_owned())).collect();
    let cleanup = parameters.flag("cleanupAfterImport")?.unwrap_or(false);
    canonical.insert("cleanupAfterImport", cleanup.to_string());
    if let Some(label) = canonical.remove("session") {
        canonical.entry("EXPT_LABEL").or_insert(label);
    }
    Ok(canonical)
}

/// Queues the call's request unless the same call did so before.
pub async fn insert(
    state: &AppState,
    caller: &Caller,
    parameters: Parameters,
    key: &CallKey,
) -> Result<Inserted, ApiError> {
    let requests = state.store.requests();
    // Before the checks: by now the folder may be cleaned up, and the label the request's own.
    if let Some(before) = requests.find_call(key).await? {
        return Ok(before);
    }
    match super::check(state, caller, parameters).await {
        Ok(new) => Ok(requests.insert_once(new, key).await?),
        Err(error) => match requests.find_call(key).await? {
            Some(before) => Ok(before),
            None => Err(error),
        },
    }
}
