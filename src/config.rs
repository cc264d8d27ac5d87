//! How a server is set up: one struct, from flags, environment and file, checked once.
//!
//! A flag wins over the environment, the environment over the file, the file over the default. What is
//! parsed is a `RawConfig`; what the rest of the program sees is a `Config`, whose values were checked
//! against each other and the machine. Projects' rules are not here, but in the rules folder.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use crate::inbox::Limits;
use crate::store::sqlite_url;

/// Read from the data folder when no other file is named.
const FILE_NAME: &str = "sluice.toml";

/// XNAT's session timeout.
const DEFAULT_LOGIN_MINUTES: u32 = 15;

/// More imports at once would share the same disk and the same cores. One is always left for another project.
const DEFAULT_WORKERS: usize = 3;
const MAX_WORKERS: usize = 64;

/// In seconds: longer than a writer pauses, shorter than anyone minds.
const DEFAULT_SETTLE: u32 = 2;

/// Enough for the database and the logs to go on while somebody makes room.
const DEFAULT_RESERVE_MB: u32 = 1024;

/// What is known of each of them is in memory until all are done.
const DEFAULT_MAX_FILES: u32 = 200_000;

/// In seconds.
const DEFAULT_DISK_WAIT: u32 = 600;

#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("{file}:{line}: {message}")]
    File {
        file: String,
        line: usize,
        message: String,
    },
    #[error("can't read {file}: {source}")]
    Unreadable {
        file: String,
        source: std::io::Error,
    },
    #[error("{name} in the environment is no setting of this program")]
    UnknownVariable { name: String },
    #[error("{key}: {reason}")]
    Value { key: &'static str, reason: String },
}

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

/// How long what is kept; none for ever.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Keep {
    /// Ended requests with their reports.
    pub requests: Option<Duration>,
    pub reports: Option<Duration>,
    pub audit: Option<Duration>,
    /// Files that others took the place of.
    pub history: Option<Duration>,
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

/// A server's settings, checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// Absolute.
    pub data: PathBuf,
    pub listen: SocketAddr,
    /// May hold a password: not to be logged.
    pub database: String,
    pub workers: usize,
    /// Absolute.
    pub inbox: PathBuf,
    pub project_to_inbox_root: BTreeMap<String, PathBuf>,
    pub client_prefix_to_path: BTreeMap<String, PathBuf>,
    /// Whom DicomEdit scripts may ask over the network.
    pub geturl_hosts: Vec<String>,
    pub login_lifetime: Duration,
    /// For how long a source counts as just written.
    pub settle: Duration,
    /// What imports leave free on the data folder's disk.
    pub reserve_bytes: u64,
    /// How long an import waits for more.
    pub disk_wait: Duration,
    /// Files that one import may find.
    pub max_files: usize,
    /// What an archive may unpack to.
    pub archives: Limits,
    pub log: String,
    /// None: text on a terminal, else JSON.
    pub log_format: Option<LogFormat>,
    pub keep: Keep,
    pub metrics: MetricsAccess,
}

impl Config {
    /// Settings for a command that has none of its own but where the state is.
    pub fn load_state(state: &StateArgs) -> Result<Config, ConfigError> {
        Config::load(state, RawConfig::default())
    }

    /// Reads the file, lets flags and environment win over it, and checks the outcome.
    pub fn load(state: &StateArgs, flags: RawConfig) -> Result<Config, ConfigError> {
        let data = absolute("data", &state.data)?;
        let file = match &state.config {
            Some(path) => read_file(path)?,
            None => {
                let path = data.join(FILE_NAME);
                if path.exists() {
                    read_file(&path)?
                } else {
                    RawConfig::default()
                }
            }
        };
        let inbox = match flags.inbox.or(file.inbox) {
            Some(path) => absolute("inbox", &path)?,
            None => data.join("inbox"),
        };
        let workers = flags.workers.or(file.workers).unwrap_or(DEFAULT_WORKERS);
        if !(1..=MAX_WORKERS).contains(&workers) {
            return Err(value(
                "workers",
                format!("1 to {MAX_WORKERS}, not {workers}"),
            ));
        }
        let minutes = flags
            .login_minutes
            .or(file.login_minutes)
            .unwrap_or(DEFAULT_LOGIN_MINUTES);
        if minutes == 0 {
            return Err(value("login_minutes", "must be at least 1".into()));
        }
        let max_files = flags.import_max_files.or(file.import_max_files);
        let max_files = max_files.unwrap_or(DEFAULT_MAX_FILES) as usize;
        let archives = Limits {
            bytes: bytes(flags.archive_max_mb.or(file.archive_max_mb), 100 * 1024),
            member_bytes: bytes(
                flags.archive_max_member_mb.or(file.archive_max_member_mb),
                32 * 1024,
            ),
            entries: flags
                .archive_max_entries
                .or(file.archive_max_entries)
                .map_or(1_000_000, u64::from),
            ratio: flags
                .archive_max_ratio
                .or(file.archive_max_ratio)
                .map_or(200, u64::from),
        };
        for root in file.inbox_roots.values() {
            if !root.is_absolute() {
                return Err(value(
                    "inbox_roots",
                    format!("{} is not absolute", root.display()),
                ));
            }
        }
        for (theirs, ours) in &file.inbox_prefixes {
            if !theirs.starts_with('/') || !ours.is_absolute() {
                return Err(value(
                    "inbox_prefixes",
                    format!("{theirs:?}: both must be absolute"),
                ));
            }
        }
        Ok(Config {
            listen: flags
                .listen
                .or(file.listen)
                .unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 8080))),
            database: state
                .database
                .clone()
                .or(file.database)
                .unwrap_or_else(|| sqlite_url(&data.join("sluice.db"))),
            workers,
            inbox,
            project_to_inbox_root: file.inbox_roots,
            client_prefix_to_path: file.inbox_prefixes,
            geturl_hosts: file.geturl_hosts,
            login_lifetime: Duration::from_secs(u64::from(minutes) * 60),
            settle: seconds(flags.settle_seconds.or(file.settle_seconds), DEFAULT_SETTLE),
            reserve_bytes: bytes(flags.reserve_mb.or(file.reserve_mb), DEFAULT_RESERVE_MB),
            disk_wait: seconds(
                flags.disk_wait_seconds.or(file.disk_wait_seconds),
                DEFAULT_DISK_WAIT,
            ),
            max_files,
            archives,
            log: flags.log.or(file.log).unwrap_or_else(|| "info".into()),
            log_format: flags.log_format.or(file.log_format),
            keep: Keep {
                requests: days(flags.keep_requests_days.or(file.keep_requests_days)),
                reports: days(flags.keep_reports_days.or(file.keep_reports_days)),
                audit: days(flags.keep_audit_days.or(file.keep_audit_days)),
                history: days(flags.keep_history_days.or(file.keep_history_days)),
            },
            metrics: flags.metrics.or(file.metrics).unwrap_or_default(),
            data,
        })
    }

    pub fn rules(&self) -> PathBuf {
        self.data.join("rules")
    }

    pub fn reports(&self) -> PathBuf {
        self.data.join("reports")
    }

    /// Where an import's report is, once it is written.
    pub fn report(&self, request: i64) -> PathBuf {
        self.reports().join(format!("{request}.json"))
    }

    /// Makes a project's folder in the inbox, unless its inbox is elsewhere.
    pub fn make_inbox_folder(&self, project: &str) -> Result<(), ConfigError> {
        match self.project_to_inbox_root.contains_key(project) {
            true => Ok(()),
            false => make_folder(&self.inbox.join(project)),
        }
    }

    /// Makes the folders of a data folder that are missing.
    pub fn make_folders(&self) -> Result<(), ConfigError> {
        let folders = [
            self.data.clone(),
            self.data.join("prearchive"),
            self.data.join("archive"),
            self.data.join("quarantine"),
            self.data.join("staging"),
            self.rules().join("projects"),
            self.rules().join("modules"),
            self.reports(),
            self.inbox.clone(),
        ];
        for folder in folders {
            make_folder(&folder)?;
        }
        Ok(())
    }
}

/// Not for everybody: what lies in it are patients' data.
fn make_folder(path: &Path) -> Result<(), ConfigError> {
    let mut builder = std::fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o750);
    builder.recursive(true).create(path).map_err(|source| {
        value(
            "data",
            format!("can't make the folder {}: {source}", path.display()),
        )
    })
}

/// Names the first `SLUICE_*` variable that no flag reads: most likely one that was misspelt.
pub fn check_environment<'a>(
    names: impl IntoIterator<Item = String>,
    known: impl Fn(&str) -> bool + 'a,
) -> Result<(), ConfigError> {
    // Kubernetes sets these in every pod beside a service named sluice; no one wrote them.
    let from_kubernetes = |name: &str| {
        name.starts_with("SLUICE_SERVICE_")
            || name == "SLUICE_PORT"
            || name.starts_with("SLUICE_PORT_")
    };
    for name in names {
        if name.starts_with("SLUICE_") && !known(&name) && !from_kubernetes(&name) {
            return Err(ConfigError::UnknownVariable { name });
        }
    }
    Ok(())
}

fn read_file(path: &Path) -> Result<RawConfig, ConfigError> {
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

fn absolute(key: &'static str, path: &Path) -> Result<PathBuf, ConfigError> {
    std::path::absolute(path).map_err(|e| value(key, e.to_string()))
}

fn seconds(given: Option<u32>, default: u32) -> Duration {
    Duration::from_secs(u64::from(given.unwrap_or(default)))
}

fn bytes(given_mb: Option<u32>, default_mb: u32) -> u64 {
    u64::from(given_mb.unwrap_or(default_mb)) * 1024 * 1024
}

/// 0 is for ever.
fn days(number: Option<u32>) -> Option<Duration> {
    let number = number.filter(|number| *number > 0)?;
    Some(Duration::from_secs(u64::from(number) * 24 * 60 * 60))
}

fn value(key: &'static str, reason: String) -> ConfigError {
    ConfigError::Value { key, reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(data: &Path) -> StateArgs {
        StateArgs {
            data: data.to_path_buf(),
            config: None,
            database: None,
        }
    }

    #[test]
    fn a_flag_wins_over_the_file_and_the_file_over_the_default() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(
            folder.path().join(FILE_NAME),
            "workers = 3\nlisten = \"127.0.0.1:9\"\nkeep_audit_days = 2\nkeep_reports_days = 0\nkeep_history_days = 3\n",
        )
        .unwrap();
        let flags = RawConfig {
            workers: Some(5),
            ..RawConfig::default()
        };
        let config = Config::load(&state(folder.path()), flags).unwrap();
        assert_eq!(config.workers, 5);
        assert_eq!(config.listen.port(), 9);
        assert_eq!(config.inbox, folder.path().join("inbox"));
        assert_eq!(config.login_lifetime.as_secs(), 900);
        assert_eq!(config.keep.audit.unwrap().as_secs(), 2 * 86_400);
        assert_eq!((config.keep.requests, config.keep.reports), (None, None));
        let flags = RawConfig::default().with_keep(KeepFlags {
            keep_history_days: Some(0),
            ..KeepFlags::default()
        });
        let config = Config::load(&state(folder.path()), flags).unwrap();
        assert_eq!(config.keep.history, None, "the flag wins");
    }

    #[test]
    fn a_bad_key_is_named_with_its_file_and_line() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(FILE_NAME);
        for (text, names) in [
            ("workers = 3\nlissen = 1\n", "lissen"),
            ("\nworkers = \"x\"\n", "x"),
        ] {
            std::fs::write(&file, text).unwrap();
            let error = Config::load_state(&state(folder.path()))
                .unwrap_err()
                .to_string();
            assert!(
                error.contains("sluice.toml:2: ") && error.contains(names),
                "{error}"
            );
        }
    }

    #[test]
    fn an_unknown_variable_is_named() {
        let check = |name: &str| check_environment([name.to_string()], |n| n == "SLUICE_DATA");
        assert!(check("SLUICE_DATA").is_ok());
        assert!(check("PATH").is_ok());
        assert!(check("SLUICE_PORT_8080_TCP_ADDR").is_ok());
        assert!(
            check("SLUICE_DTAA")
                .unwrap_err()
                .to_string()
                .contains("SLUICE_DTAA")
        );
    }
}
