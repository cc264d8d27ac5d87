//! `sluice maintenance`: forgets what has been kept long enough, as the server does every day.

use clap::Args;

use crate::config::{Config, KeepFlags, RawConfig, StateArgs};
use crate::maintenance::Maintenance;

use super::{CliError, open_with};

#[derive(Args)]
pub struct MaintenanceArgs {
    /// Only tell what would go
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    keep: KeepFlags,
    #[command(flatten)]
    state: StateArgs,
}

pub async fn run(args: MaintenanceArgs) -> Result<(), CliError> {
    let config = Config::load(&args.state, RawConfig::default().with_keep(args.keep))?;
    let (config, store) = open_with(config, &args.state).await?;
    let maintenance = Maintenance {
        store,
        data: config.data,
        keep: config.keep,
    };
    let removed = maintenance.by_hand(args.dry_run).await?;
    for (name, count) in [
        ("requests", removed.requests),
        ("reports", removed.reports),
        ("replaced files", removed.replaced_files),
        ("audit rows", removed.audit_rows),
        ("logins", removed.logins),
        ("commits of which nothing is left", removed.commits),
    ] {
        println!("{count}\t{name}");
    }
    Ok(())
}
