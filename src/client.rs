//! A client of Sluice's REST surface, as a script would use it: one import from the call to its end.
//!
//! Used by the demo and the benches. It knows addresses and JSON, and nothing of the server's inside.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::Value;

/// How long one call may wait for an import's end: less than a connection's time.
const LONGEST_CALL: Duration = Duration::from_secs(30);

#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("{method} {path}: the server can't be reached")]
    Http {
        method: &'static str,
        path: String,
        source: Box<ureq::Error>,
    },
    #[error("{method} {path}: {status}: {body}")]
    Refused {
        method: &'static str,
        path: String,
        status: u16,
        body: String,
    },
    #[error("{path}: the answer is not what was expected")]
    Answer {
        path: String,
        source: serde_json::Error,
    },
    #[error("{path} is still {status} after {} s", .after.as_secs())]
    Slow {
        path: String,
        status: String,
        after: Duration,
    },
}

/// A server's address, and who calls.
pub struct Client {
    agent: ureq::Agent,
    base: String,
    authorization: String,
}

/// The parameters of XNAT's import handler `inbox`.
#[derive(Debug, Clone, Default)]
pub struct Import<'a> {
    pub project: &'a str,
    pub path: &'a str,
    pub subject: Option<&'a str>,
    pub session: Option<&'a str>,
    pub cleanup: bool,
}

/// `GET /xapi/dicom/{id}`, as far as it is shown here.
#[derive(Debug, Clone, Deserialize)]
pub struct ImportStatus {
    pub id: u64,
    pub status: String,
    pub resolution: Option<String>,
    /// What the import made or added to.
    #[serde(default)]
    pub sessions: Vec<ImportedSession>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct ImportedSession {
    pub project: String,
    pub subject: String,
    pub label: String,
    /// `READY`, `ARCHIVED` and so on.
    pub status: String,
    /// Without `/data`, as XNAT gives it.
    pub uri: String,
}

/// `GET /xapi/dicom/{id}/report`.
#[derive(Debug, Clone, Deserialize)]
pub struct ImportReport {
    #[serde(default)]
    pub sessions: Vec<ReportedSession>,
    pub files: Vec<ReportedFile>,
}

/// What the report says of a session and the status doesn't.
#[derive(Debug, Clone, Deserialize)]
pub struct ReportedSession {
    pub label: String,
    /// Why it went where it is.
    pub reason: String,
}

#[derive(Debug, Clone, Deserialize)]
pub struct ReportedFile {
    /// Below the folder that was imported.
    pub path: String,
    pub outcome: String,
    #[serde(default)]
    pub reason: Option<String>,
    /// Where a stored file went, below its session's folder.
    #[serde(default)]
    pub stored: Option<String>,
}

impl ImportedSession {
    /// The session's folder below the data folder, in XNAT's layout; none for one in quarantine.
    pub fn folder(&self) -> Option<PathBuf> {
        let folder = match self.status.as_str() {
            "ARCHIVED" => Path::new("archive")
                .join(&self.project)
                .join("arc001")
                .join(&self.label),
            "QUARANTINED" => return None,
            _ => {
                let below = self.uri.strip_prefix("/prearchive/projects/")?;
                Path::new("prearchive").join(below)
            }
        };
        Some(folder)
    }
}

impl Client {
    /// `base` is the server's address without a slash at its end.
    pub fn new(base: &str, user: &str, password: &str) -> Self {
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(60)))
            .build()
            .new_agent();
        Client {
            agent,
            base: base.to_owned(),
            authorization: basic(user, password),
        }
    }

    pub fn get(&self, path: &str) -> Result<Value, ClientError> {
        let text = self.call("GET", path, &[])?;
        parse(path, &text)
    }

    /// An answer that is not JSON.
    pub fn text(&self, path: &str) -> Result<String, ClientError> {
        self.call("GET", path, &[])
    }

    /// A call with parameters in its query, answered in text.
    pub fn put(&self, path: &str, query: &[(&str, &str)]) -> Result<String, ClientError> {
        self.call("PUT", path, query)
    }

    pub fn post(&self, path: &str, query: &[(&str, &str)]) -> Result<String, ClientError> {
        self.call("POST", path, query)
    }

    /// Queues an import, and returns the address of its status.
    pub fn import(&self, import: &Import<'_>) -> Result<String, ClientError> {
        let cleanup = if import.cleanup { "true" } else { "false" };
        let mut query = vec![
            ("import-handler", "inbox"),
            ("cleanupAfterImport", cleanup),
            ("PROJECT_ID", import.project),
            ("path", import.path),
        ];
        query.extend(import.subject.map(|subject| ("SUBJECT_ID", subject)));
        query.extend(import.session.map(|session| ("EXPT_LABEL", session)));
        let address = self.post("/data/services/import", &query)?;
        Ok(address.trim().to_owned())
    }

    /// Waits for an import's end, whatever it is.
    pub fn wait(&self, address: &str, at_most: Duration) -> Result<ImportStatus, ClientError> {
        let start = Instant::now();
        loop {
            // The server answers at the end, or after that many seconds.
            let left = at_most.saturating_sub(start.elapsed()).min(LONGEST_CALL);
            let text = self.call(
                "GET",
                address,
                &[("wait", &left.as_secs().max(1).to_string())],
            )?;
            let status: ImportStatus = parse(address, &text)?;
            if matches!(status.status.as_str(), "Completed" | "Failed") {
                return Ok(status);
            }
            if start.elapsed() > at_most {
                let path = address.to_owned();
                return Err(ClientError::Slow {
                    path,
                    status: status.status,
                    after: at_most,
                });
            }
        }
    }

    pub fn report(&self, address: &str) -> Result<ImportReport, ClientError> {
        let path = format!("{address}/report");
        let text = self.call("GET", &path, &[])?;
        parse(&path, &text)
    }

    fn call(
        &self,
        method: &'static str,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<String, ClientError> {
        let url = format!("{}{path}", self.base);
        let pairs = query.iter().copied();
        let http = |source| ClientError::Http {
            method,
            path: path.to_owned(),
            source: Box::new(source),
        };
        let answer = match method {
            "GET" => {
                let request = self.agent.get(url).query_pairs(pairs);
                request.header("Authorization", &self.authorization).call()
            }
            "PUT" => {
                let request = self.agent.put(url).query_pairs(pairs);
                request
                    .header("Authorization", &self.authorization)
                    .send_empty()
            }
            _ => {
                let request = self.agent.post(url).query_pairs(pairs);
                request
                    .header("Authorization", &self.authorization)
                    .send_empty()
            }
        };
        let mut answer = answer.map_err(http)?;
        let body = answer.body_mut().read_to_string().map_err(http)?;
        let status = answer.status().as_u16();
        if status >= 400 {
            let path = path.to_owned();
            return Err(ClientError::Refused {
                method,
                path,
                status,
                body: body.trim().to_owned(),
            });
        }
        Ok(body)
    }
}

impl ImportReport {
    /// How many files came to each outcome.
    pub fn outcome_to_count(&self) -> BTreeMap<&str, usize> {
        let mut counts = BTreeMap::new();
        for file in &self.files {
            *counts.entry(file.outcome.as_str()).or_default() += 1;
        }
        counts
    }
}

fn parse<T: serde::de::DeserializeOwned>(path: &str, text: &str) -> Result<T, ClientError> {
    serde_json::from_str(text).map_err(|source| ClientError::Answer {
        path: path.to_owned(),
        source,
    })
}

/// The value of the header `Authorization` (RFC 7617).
pub fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", base64(format!("{user}:{password}").as_bytes()))
}

/// RFC 4648 4; what HTTP Basic wants, and addresses that hold what they lead to.
pub fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let at = |index: usize| u32::from(group.get(index).copied().unwrap_or(0));
        let number = at(0) << 16 | at(1) << 8 | at(2);
        for digit in 0..4 {
            if digit <= group.len() {
                text.push(DIGITS[(number >> (18 - 6 * digit) & 63) as usize].into());
            } else {
                text.push('=');
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::base64;

    #[test]
    fn base64_is_that_of_rfc_4648() {
        for (plain, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(plain.as_bytes()), text);
        }
    }
}
