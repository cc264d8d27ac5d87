//! Settings as they are written: flags, with the variables of the environment that stand in for them, and the keys of
//! the file.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::ConfigError;

/// Where a server's state is; on every command that touches it.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct StateArgs {
    /// The data folder
    #[arg(
        long,
        env = "SLUICE_DATA",
        value_name = "DIR",
        default_value = "sluice-data"
    )]
    pub data: PathBuf,
    /// The configuration file [default: sluice.toml in the data folder, if it is there]
    #[arg(long, env = "SLUICE_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The database's URL [default: the file sluice.db in the data folder]
    #[arg(
        long,
        env = "SLUICE_DATABASE",
        value_name = "URL",
        hide_env_values = true
    )]
    pub database: Option<String>,
}

/// Settings as they were written, each possibly absent: the flags of `serve` and the keys of the file.
#[derive(Debug, Clone, Default, Deserialize, clap::Args)]
#[serde(deny_unknown_fields)]
pub struct RawConfig {
    /// The same as the flag `--database`.
    #[arg(skip)]
    pub database: Option<String>,
    /// Address and port to listen on [default: 127.0.0.1:8080]
    #[arg(long, env = "SLUICE_LISTEN", value_name = "ADDR")]
    pub listen: Option<SocketAddr>,
    /// Imports that run at once [default: 3]
    #[arg(long, env = "SLUICE_WORKERS", value_name = "N")]
    pub workers: Option<usize>,
    /// The inbox, one folder for each project in it [default: inbox in the data folder]
    #[arg(long, env = "SLUICE_INBOX", value_name = "DIR")]
    pub inbox: Option<PathBuf>,
    /// Minutes that a login lasts without being used [default: 15]
    #[arg(long, env = "SLUICE_LOGIN_MINUTES", value_name = "N")]
    pub login_minutes: Option<u32>,
    /// Seconds for which a source counts as just written, and is looked at once more; 0 for never [default: 2]
    #[arg(long, env = "SLUICE_SETTLE_SECONDS", value_name = "N")]
    pub settle_seconds: Option<u32>,
    /// MB that imports leave free on the data folder's disk [default: 1024]
    #[arg(long, env = "SLUICE_RESERVE_MB", value_name = "N")]
    pub reserve_mb: Option<u32>,
    /// Seconds that an import waits for space on the disk before it fails [default: 600]
    #[arg(long, env = "SLUICE_DISK_WAIT_SECONDS", value_name = "N")]
    pub disk_wait_seconds: Option<u32>,
    /// Files that one import may find [default: 200000]
    #[arg(long, env = "SLUICE_IMPORT_MAX_FILES", value_name = "N")]
    pub import_max_files: Option<u32>,
    /// MB that an archive may unpack to [default: 102400]
    #[arg(long, env = "SLUICE_ARCHIVE_MAX_MB", value_name = "N")]
    pub archive_max_mb: Option<u32>,
    /// MB that one member of an archive may unpack to [default: 32768]
    #[arg(long, env = "SLUICE_ARCHIVE_MAX_MEMBER_MB", value_name = "N")]
    pub archive_max_member_mb: Option<u32>,
    /// Members and folders that an archive may have [default: 1000000]
    #[arg(long, env = "SLUICE_ARCHIVE_MAX_ENTRIES", value_name = "N")]
    pub archive_max_entries: Option<u32>,
    /// Unpacked bytes for each byte of an archive, once they are more than 64 MB [default: 200]
    #[arg(long, env = "SLUICE_ARCHIVE_MAX_RATIO", value_name = "N")]
    pub archive_max_ratio: Option<u32>,
    /// What to log, such as info or sluice=debug [default: info]
    #[arg(long, env = "SLUICE_LOG", value_name = "FILTER")]
    pub log: Option<String>,
    /// How to log [default: text on a terminal, else json]
    #[arg(long, env = "SLUICE_LOG_FORMAT", value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,
    /// Who may read /metrics: administrators, anyone, or nobody [default: admin]
    #[arg(long, env = "SLUICE_METRICS", value_name = "WHO")]
    pub metrics: Option<MetricsAccess>,
    /// Projects whose inbox folder is elsewhere: `PROJECT = "/absolute/folder"`.
    #[arg(skip)]
    #[serde(default)]
    pub inbox_roots: BTreeMap<String, PathBuf>,
    /// What clients call a folder that the server knows by another path: `"/theirs" = "/ours"`.
    #[arg(skip)]
    #[serde(default)]
    pub inbox_prefixes: BTreeMap<String, PathBuf>,
    /// Hosts that DicomEdit scripts may ask by `getURL`: names, with `:port` where it is not the scheme's own.
    #[arg(skip)]
    #[serde(default)]
    pub geturl_hosts: Vec<String>,
    /// The same as the flags of [`KeepFlags`].
    #[arg(skip)]
    pub keep_requests_days: Option<u32>,
    #[arg(skip)]
    pub keep_reports_days: Option<u32>,
    #[arg(skip)]
    pub keep_audit_days: Option<u32>,
    #[arg(skip)]
    pub keep_history_days: Option<u32>,
}

impl RawConfig {
    /// With the flags that say how long what is kept.
    pub fn with_keep(self, keep: KeepFlags) -> RawConfig {
        RawConfig {
            keep_requests_days: keep.keep_requests_days,
            keep_reports_days: keep.keep_reports_days,
            keep_audit_days: keep.keep_audit_days,
            keep_history_days: keep.keep_history_days,
            ..self
        }
    }
}

/// How long what is kept, as flags: on every command that removes by it.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct KeepFlags {
    /// Days that an ended import stays in the list, with its report [default: 0, for ever]
    #[arg(long, env = "SLUICE_KEEP_REQUESTS_DAYS", value_name = "N")]
    pub keep_requests_days: Option<u32>,
    /// Days that an import's report stays [default: 0, as long as the import]
    #[arg(long, env = "SLUICE_KEEP_REPORTS_DAYS", value_name = "N")]
    pub keep_reports_days: Option<u32>,
    /// Days that rows of the audit trail stay [default: 0, for ever]
    #[arg(long, env = "SLUICE_KEEP_AUDIT_DAYS", value_name = "N")]
    pub keep_audit_days: Option<u32>,
    /// Days that files stay which others took the place of [default: 0, as long as their session]
    #[arg(long, env = "SLUICE_KEEP_HISTORY_DAYS", value_name = "N")]
    pub keep_history_days: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    Text,
    Json,
}

/// Who may read the metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum MetricsAccess {
    #[default]
    Admin,
    Open,
    Off,
}

pub(super) fn read_file(path: &Path) -> Result<RawConfig, ConfigError> {
    let file = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable {
        file: file.clone(),
        source,
    })?;
    toml::from_str(&text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        let line = 1 + text
            .get(..at)
            .map_or(0, |before| before.matches('\n').count());
        // The first line says what is wrong, in our words or toml's; the rest would repeat the file.
        let message = error
            .message()
            .lines()
            .next()
            .unwrap_or_default()
            .to_string();
        ConfigError::File {
            file,
            line,
            message,
        }
    })
}
