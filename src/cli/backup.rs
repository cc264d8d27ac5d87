//! `sluice backup`: a copy of everything that is needed to go on elsewhere, while the server runs.

use std::path::PathBuf;

use clap::Args;

use crate::backup::Backup;
use crate::config::StateArgs;

use super::{BY, CliError, open};

#[derive(Args)]
pub struct BackupArgs {
    /// The file to write, a tar; it must not exist. It holds pseudonym keys and patients' data
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Also the files of all sessions: prearchive, quarantine, archive
    #[arg(long)]
    with_files: bool,
    #[command(flatten)]
    state: StateArgs,
}

pub async fn run(args: BackupArgs) -> Result<(), CliError> {
    let (config, store) = open(&args.state).await?;
    let backup = Backup {
        store,
        settings: Some(match &args.state.config {
            Some(path) => path.clone(),
            None => config.data.join("sluice.toml"),
        }),
        data: config.data,
        with_files: args.with_files,
    };
    let written = backup.write(&args.out, BY).await?;
    println!(
        "{}: {} rows, {} entries, {} bytes",
        args.out.display(),
        written.rows,
        written.entries,
        written.bytes
    );
    if !args.with_files && written.sessions > 0 {
        println!(
            "The files of {} sessions are not in it (--with-files): copy prearchive, quarantine and archive too.",
            written.sessions
        );
    }
    println!("It holds pseudonym keys and patients' data: keep it where nobody else can read it.");
    Ok(())
}
