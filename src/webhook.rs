//! Telling webhooks of the ends of requests: takes notices from the outbox, signs and posts them.
//!
//! At least once: what is not answered with 2xx is tried again, later and later, for a day. A target is
//! any address that an administrator gave (a hospital's are private ones), but only that address: no
//! redirect is followed, and of an answer nothing but the status counts. Logs hold ids and codes only.

use std::sync::Arc;
use std::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Map, Value};
use sha2::Sha256;
use tokio::sync::watch;
use tokio::task::JoinSet;
use ureq::tls::{RootCerts, TlsConfig};

use crate::metrics::metrics;
use crate::store::{Attempt, Delivery, Secret, Store, StoreError, now_ms};

/// How often the outbox is looked at without a notice of its own: for what is to be tried again, and what
/// another process put there.
const POLL: Duration = Duration::from_secs(1);

/// Targets that are told at once.
const AT_ONCE: usize = 4;

/// For the whole attempt, and for each of its parts; the lease of a notice is longer.
const SLOWEST: Duration = Duration::from_secs(10);
const SLOWEST_PART: Duration = Duration::from_secs(5);

/// Between one attempt and the next: a second, then four times as long each time, up to an hour.
const FIRST_PAUSE_MS: i64 = 1_000;
const LONGEST_PAUSE_MS: i64 = 60 * 60 * 1000;

/// How long a notice is tried, and how long one that has ended can be looked at.
const GIVE_UP_MS: i64 = 24 * 60 * 60 * 1000;
const KEEP_MS: i64 = 30 * 24 * 60 * 60 * 1000;
const FORGET_EVERY: Duration = Duration::from_secs(60 * 60);

/// What a target's address may be.
const LONGEST_URL: usize = 2_000;

pub const SIGNATURE: &str = "X-Sluice-Signature";

#[derive(Debug, thiserror::Error)]
#[error(
    "The url of a webhook is http:// or https://, a host, and perhaps a port, a path and a query: no \
     user name, no fragment, up to {LONGEST_URL} characters."
)]
pub struct BadUrl;

/// Whether a target may have this address.
pub fn check_url(url: &str) -> Result<(), BadUrl> {
    let parsed: ureq::http::Uri = url.parse().map_err(|_| BadUrl)?;
    let scheme = matches!(parsed.scheme_str(), Some("http" | "https"));
    let host = parsed.host().is_some_and(|host| !host.is_empty());
    // Who reads the address would read a password in it.
    let user = parsed
        .authority()
        .is_some_and(|at| at.as_str().contains('@'));
    match scheme && host && !user && !url.contains('#') && url.len() <= LONGEST_URL {
        true => Ok(()),
        false => Err(BadUrl),
    }
}

/// Delivers notices until `shutdown` turns true. What is under way then ends within its bounded time, or
/// is tried again by whoever takes its lease.
pub async fn run(store: Store, mut shutdown: watch::Receiver<bool>) {
    let agent = Arc::new(agent());
    let mut under_way = JoinSet::new();
    let mut forget = tokio::time::interval(FORGET_EVERY);
    while !*shutdown.borrow() {
        while under_way.len() < AT_ONCE {
            match store.webhooks().take().await {
                Ok(Some((delivery, url, secret))) => {
                    let (agent, store) = (agent.clone(), store.clone());
                    under_way.spawn(deliver(agent, store, delivery, url, secret));
                }
                Ok(None) => break,
                Err(error) => {
                    tracing::error!(%error, "the outbox could not be read");
                    break;
                }
            }
        }
        tokio::select! {
            _ = under_way.join_next(), if !under_way.is_empty() => {}
            () = store.notice_added(), if under_way.len() < AT_ONCE => {}
            () = tokio::time::sleep(POLL) => {}
            _ = forget.tick() => {
                if let Err(error) = forget_old(&store).await {
                    tracing::error!(%error, "old notices could not be removed");
                }
            }
            () = wait_for(&mut shutdown) => {}
        }
    }
    while under_way.join_next().await.is_some() {}
}

/// Until the server goes down, or is gone.
async fn wait_for(shutdown: &mut watch::Receiver<bool>) {
    drop(shutdown.wait_for(|down| *down).await);
}

async fn forget_old(store: &Store) -> Result<(), StoreError> {
    let given_up = store.webhooks().give_up(now_ms() - GIVE_UP_MS).await?;
    if given_up > 0 {
        tracing::warn!(given_up, "notices to webhooks were not told for too long");
    }
    store.webhooks().forget(now_ms() - KEEP_MS).await?;
    Ok(())
}

async fn deliver(
    agent: Arc<ureq::Agent>,
    store: Store,
    delivery: Delivery,
    url: String,
    secret: Secret,
) {
    let told = delivery.clone();
    let posted = tokio::task::spawn_blocking(move || post(&agent, &told, &url, &secret));
    // A panic of the client says nothing of the target.
    let (answered, problem) = posted.await.unwrap_or((None, Some("client")));
    let attempt = outcome(&delivery, answered, problem, now_ms());
    let result = match (attempt.problem, attempt.again) {
        (None, _) => "delivered",
        (Some(_), Some(_)) => "failed",
        (Some(_), None) => "given_up",
    };
    metrics().delivery(result);
    tracing::info!(
        webhook = delivery.webhook,
        delivery = delivery.id,
        attempt = delivery.attempts,
        result,
        problem = attempt.problem.unwrap_or_default(),
        "webhook told"
    );
    if let Err(error) = settle(&store, &delivery, attempt).await {
        // The lease runs out, and it is told again.
        tracing::error!(delivery = delivery.id, %error, "a delivery could not be written down");
    }
}

async fn settle(store: &Store, delivery: &Delivery, attempt: Attempt) -> Result<(), StoreError> {
    store.webhooks().settle(delivery, attempt).await
}

fn outcome(
    delivery: &Delivery,
    answered: Option<u16>,
    problem: Option<&'static str>,
    now: i64,
) -> Attempt {
    let exponent = u32::try_from(delivery.attempts - 1).unwrap_or(0);
    let pause = 4i64
        .checked_pow(exponent)
        .and_then(|factor| factor.checked_mul(FIRST_PAUSE_MS))
        .map_or(LONGEST_PAUSE_MS, |pause| pause.min(LONGEST_PAUSE_MS));
    let again = now + pause;
    Attempt {
        answered,
        problem,
        again: (problem.is_some() && again < delivery.created + GIVE_UP_MS).then_some(again),
    }
}

/// One attempt: the answer's status, and what was wrong.
fn post(
    agent: &ureq::Agent,
    delivery: &Delivery,
    url: &str,
    secret: &Secret,
) -> (Option<u16>, Option<&'static str>) {
    let Some(body) = body(delivery) else {
        return (None, Some("content"));
    };
    let signature = sign(secret, now_ms() / 1000, &body);
    let answer = agent
        .post(url)
        .header("Content-Type", "application/json")
        .header("User-Agent", concat!("Sluice/", env!("CARGO_PKG_VERSION")))
        .header("X-Sluice-Event", &delivery.event)
        .header("X-Sluice-Delivery", delivery.id.to_string())
        .header(SIGNATURE, signature)
        .send(&body);
    match answer {
        // Its body is not read: the connection closes instead.
        Ok(answer) => {
            let status = answer.status();
            let problem = match () {
                () if status.is_success() => None,
                () if status.is_redirection() => Some("redirect"),
                () => Some("status"),
            };
            (Some(status.as_u16()), problem)
        }
        Err(error) => (None, Some(code(&error))),
    }
}

/// The same bytes at every attempt.
fn body(delivery: &Delivery) -> Option<String> {
    let mut body = Map::new();
    body.insert("event".into(), delivery.event.as_str().into());
    body.insert("id".into(), delivery.id.into());
    let content: Map<String, Value> = serde_json::from_str(&delivery.content).ok()?;
    body.extend(content);
    Some(Value::Object(body).to_string())
}

/// The time is signed too, so that a notice that someone kept can't be told again for new.
fn sign(secret: &Secret, seconds: i64, body: &str) -> String {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(secret.as_str().as_bytes()).expect("HMAC takes any key");
    mac.update(format!("{seconds}.{body}").as_bytes());
    format!(
        "t={seconds},v1={}",
        hex::encode(mac.finalize().into_bytes())
    )
}

fn agent() -> ureq::Agent {
    // A hospital's own authority is in the system's store, not in a list built in here.
    let tls = TlsConfig::builder()
        .root_certs(RootCerts::PlatformVerifier)
        .build();
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .max_idle_connections(0)
        // An address is what the administrator gave, not what the environment makes of it.
        .proxy(None)
        .tls_config(tls)
        .timeout_global(Some(SLOWEST))
        .timeout_resolve(Some(SLOWEST_PART))
        .timeout_connect(Some(SLOWEST_PART))
        .build()
        .new_agent()
}

fn code(error: &ureq::Error) -> &'static str {
    match error {
        ureq::Error::Timeout(_) => "timeout",
        ureq::Error::HostNotFound => "host",
        ureq::Error::Tls(_) | ureq::Error::Rustls(_) => "tls",
        ureq::Error::Io(error) if error.kind() == std::io::ErrorKind::InvalidData => "tls",
        ureq::Error::Io(_) | ureq::Error::ConnectionFailed => "connection",
        _ => "protocol",
    }
}

#[cfg(test)]
mod tests {
    use super::{GIVE_UP_MS, LONGEST_PAUSE_MS, check_url, outcome};
    use crate::store::{Delivery, DeliveryState};

    fn delivery(attempts: i64) -> Delivery {
        Delivery {
            id: 1,
            webhook: 1,
            event: "request.completed".into(),
            request: Some(1),
            content: "{}".into(),
            state: DeliveryState::Pending,
            attempts,
            created: 0,
            next_attempt: 0,
            answered: None,
            problem: None,
            ended: None,
        }
    }

    #[test]
    fn pauses_grow_to_an_hour_and_end_after_a_day() {
        let pause = |attempts| {
            outcome(&delivery(attempts), None, Some("timeout"), 0)
                .again
                .unwrap()
        };
        let pauses = [1, 2, 3, 6, 7, 100].map(pause);
        assert_eq!(
            pauses,
            [
                1_000,
                4_000,
                16_000,
                1_024_000,
                LONGEST_PAUSE_MS,
                LONGEST_PAUSE_MS
            ]
        );
        let late = outcome(&delivery(30), Some(500), Some("status"), GIVE_UP_MS - 1);
        assert_eq!((late.again, late.problem), (None, Some("status")));
        assert_eq!(outcome(&delivery(1), Some(204), None, 0).problem, None);
    }

    #[test]
    fn an_address_is_http_with_a_host_and_no_password() {
        for good in [
            "http://10.0.0.7:8080/x?y=1",
            "https://example.org",
            "http://[::1]:9/",
        ] {
            assert!(check_url(good).is_ok(), "{good}");
        }
        let long = format!("http://h/{}", "x".repeat(2_000));
        for bad in [
            "",
            "x",
            "/x",
            "ftp://h/",
            "http://",
            "http:///x",
            "http://u:p@h/",
            "http://h/#x",
            "file:///etc/passwd",
            &long,
        ] {
            assert!(check_url(bad).is_err(), "{bad}");
        }
    }
}
