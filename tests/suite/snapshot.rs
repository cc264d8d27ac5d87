//! All that an import leaves, as lines of text that two runs can be compared by.

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use regex::Regex;
use sha2::{Digest as _, Sha256};
use sqlx::{AnyConnection, Connection as _};

use crate::database;
use crate::site::Site;

/// What tells one run from another and nothing else: the names of prearchive folders.
static TIMESTAMP: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\b\d{8}_\d{6,9}\b").unwrap());

/// And those of uploads' folders.
static UPLOAD: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(DATA/uploads/\w+)/[\w-]+").unwrap());

/// Rows without times, one column of text each.
const ROWS: [(&str, &str); 7] = [
    (
        "session",
        "SELECT project || ' ' || state || ' ' || timestamp || '/' || folder || ' ' || subject || ' ' || label
             || ' ' || study_uid || ' ' || study_key || ' ' || modality || ' ' || xsi_type || ' request '
             || COALESCE(CAST(request AS TEXT), '') || ' experiment ' || COALESCE(CAST(experiment AS TEXT), '') || ' by '
             || COALESCE(archived_by, '') || ' ' || COALESCE(rule_set, '') || ' ' || auto_archive || ': '
             || COALESCE(reason, '') FROM sessions",
    ),
    (
        "file",
        "SELECT s.project || '/' || s.label || '/' || s.state || '/' || c.scan_id || '/' || r.label || '/'
             || f.name || ' ' || f.sop_uid || ' ' || f.size || ' of request ' || COALESCE(CAST(k.request AS TEXT), '')
             || ' visible ' || (k.finished IS NOT NULL) || ' series ' || c.series_uid
         FROM sessions s JOIN scans c ON c.session = s.id JOIN resources r ON r.scan = c.id
         LEFT JOIN files f ON f.resource = r.id LEFT JOIN commits k ON k.id = f.commit_id",
    ),
    (
        "request",
        "SELECT id || ' ' || status || ' ' || counts || ' ' || bytes || ' ' || (finished IS NOT NULL) || ' '
             || (worker IS NULL) || ' ' || (lease_until IS NULL) || ' ' || COALESCE(rule_set, '') || ': '
             || COALESCE(resolution, '') FROM requests",
    ),
    (
        "commit",
        "SELECT COALESCE(CAST(c.request AS TEXT), '') || ' ' || c.outcome || ' ' || COALESCE(s.label, '') || ' '
             || (c.finished IS NOT NULL) || ' from ' || CASE WHEN c.staging LIKE 'staging/%' THEN '' ELSE c.staging END
         FROM commits c LEFT JOIN sessions s ON s.id = c.session",
    ),
    ("label", "SELECT project || ' ' || label || ' ' || study_key FROM labels"),
    ("subject", "SELECT project || ' ' || label FROM subjects"),
    ("counter", "SELECT name || ' ' || value FROM counters"),
];

/// The end state of a site whose server is stopped.
pub fn of(site: &Site) -> Vec<String> {
    let mut lines = Vec::new();
    for area in [
        "prearchive",
        "archive",
        "quarantine",
        "staging",
        "reports",
        "inbox",
        "uploads",
        "run",
    ] {
        for file in site.files(area) {
            let path = site.path(area).join(&file);
            let content = content(&path);
            lines.extend(content.into_iter().map(|c| format!("{area}/{file} {c}")));
        }
    }
    lines.extend(rows(site.data()));
    let data = site.data().to_string_lossy();
    let mut lines: Vec<String> = lines
        .iter()
        .map(|line| {
            let line = line.replace(&*data, "DATA");
            let line = TIMESTAMP.replace_all(&line, "TIME");
            UPLOAD.replace_all(&line, "$1/UPLOAD").into_owned()
        })
        .collect();
    lines.sort();
    lines
}

/// A hash of a file; a report entry by entry, so that a difference can be read.
fn content(path: &Path) -> Vec<String> {
    let bytes = fs::read(path).unwrap();
    if path.extension().is_none_or(|e| e != "json") {
        return vec![hex::encode(Sha256::digest(bytes))];
    }
    let report: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    let mut entries = Vec::new();
    for (name, value) in report.as_object().unwrap() {
        match value.as_array() {
            Some(list) => entries.extend(list.iter().map(|item| format!("{name} {item}"))),
            None => entries.push(format!("{name} {value}")),
        }
    }
    entries
}

fn rows(data: &Path) -> Vec<String> {
    sqlx::any::install_default_drivers();
    let url = database::url_of(data);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut connection = AnyConnection::connect(&url).await.unwrap();
        let mut lines = Vec::new();
        for (name, sql) in ROWS {
            let rows: Vec<(Option<String>,)> = sqlx::query_as(sql)
                .fetch_all(&mut connection)
                .await
                .unwrap();
            lines.extend(
                rows.into_iter()
                    .map(|(row,)| format!("{name} {}", row.unwrap_or_default())),
            );
        }
        connection.close().await.unwrap();
        lines
    })
}

/// What two states differ in, for a message.
pub fn difference(expected: &[String], found: &[String]) -> Option<String> {
    if expected == found {
        return None;
    }
    let without = |these: &[String], those: &[String], sign: &str| {
        let mut rest = those.to_vec();
        let mut lines = Vec::new();
        for line in these {
            match rest.iter().position(|other| other == line) {
                Some(at) => drop(rest.swap_remove(at)),
                None => lines.push(format!("{sign} {line}")),
            }
        }
        lines
    };
    let mut lines = without(expected, found, "-");
    lines.extend(without(found, expected, "+"));
    Some(lines.join("\n"))
}
