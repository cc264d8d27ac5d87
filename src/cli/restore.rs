//! `sluice restore`: a data folder from a backup.

use std::path::PathBuf;

use clap::Args;

use crate::backup::Restore;

use super::{BY, CliError};

#[derive(Args)]
pub struct RestoreArgs {
    /// The backup
    #[arg(long, value_name = "FILE")]
    from: PathBuf,
    /// The new data folder, missing or empty
    #[arg(long, env = "SLUICE_DATA", value_name = "DIR")]
    data: PathBuf,
    /// An empty database to restore into [default: the file sluice.db in the data folder]
    #[arg(
        long,
        env = "SLUICE_DATABASE",
        value_name = "URL",
        hide_env_values = true
    )]
    database: Option<String>,
}

pub async fn run(args: RestoreArgs) -> Result<(), CliError> {
    let restore = Restore {
        from: args.from,
        data: std::path::absolute(&args.data)?,
        database: args.database,
        by: BY,
    };
    let restored = restore.run().await?;
    println!(
        "{}: restored as of {}, {} rows",
        args.data.display(),
        restored.created,
        restored.rows
    );
    if restored.queued > 0 {
        println!(
            "{} imports were not finished: they are in the queue and start with the server. \
             One whose folder is gone fails and says so.",
            restored.queued
        );
    }
    if !restored.with_files && restored.sessions > 0 {
        println!(
            "The files of {} sessions are not in the backup: copy prearchive, quarantine and archive here.",
            restored.sessions
        );
    }
    if let Some(path) = restored.settings_aside {
        println!(
            "The settings name a database, that of the server they come from: they are in {}. \
             Take over what holds here as sluice.toml.",
            path.display()
        );
    }
    Ok(())
}
