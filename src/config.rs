//! How a server is set up: one struct, from flags, environment and file, checked once.
//!
//! A flag wins over the environment, the environment over the file, the file over the default. What is
//! parsed is a `RawConfig` (`config/flags.rs`); what the rest of the program sees is a `Config`, whose values were
//! checked against each other and the machine. Projects' rules are not here, but in the rules folder.

mod flags;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use flags::{KeepFlags, LogFormat, MetricsAccess, RawConfig, StateArgs};

use crate::inbox::Limits;
use crate::store::sqlite_url;

use flags::read_file;

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
