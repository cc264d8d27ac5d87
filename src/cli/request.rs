//! `sluice request`: imports of a server, from its database and its reports.

use std::io::Write as _;

use crate::config::StateArgs;
use crate::import::verify::{Check, Verified};
use crate::server::{self, AppState};
use crate::store::{Cancelled, ImportRequest, RequestFilter};

use super::{BY, CliError, importer, open};

#[derive(clap::Subcommand)]
pub enum Command {
    /// List imports, the oldest first
    List {
        /// Only those that are not finished
        #[arg(long)]
        active: bool,
        #[command(flatten)]
        state: StateArgs,
    },
    /// Show an import: where it stands, its counts, its sessions
    Show {
        id: i64,
        #[command(flatten)]
        state: StateArgs,
    },
    /// Cancel an import that is not finished; what it has stored stays
    Cancel {
        id: i64,
        #[command(flatten)]
        state: StateArgs,
    },
    /// Queue a finished import again, as a new request of the same user with the same parameters
    Retry {
        id: i64,
        #[command(flatten)]
        state: StateArgs,
    },
    /// Derive what an import stored again from its sources, and compare; exit status 1 for any difference
    Verify {
        id: i64,
        /// Everything, as JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        state: StateArgs,
    },
    /// Print an import's report: every file with its outcome and reason (JSON)
    Report {
        id: i64,
        #[command(flatten)]
        state: StateArgs,
    },
}

pub async fn run(command: Command) -> Result<(), CliError> {
    match command {
        Command::List { active, state } => {
            let (_, store) = open(&state).await?;
            let filter = RequestFilter {
                active,
                ..RequestFilter::default()
            };
            for request in store.requests().list(filter).await? {
                println!("{}", line(&request));
            }
        }
        Command::Show { id, state } => {
            let (_, store) = open(&state).await?;
            let request = store
                .requests()
                .get(id)
                .await?
                .ok_or("no request of that number")?;
            println!("{}", line(&request));
            println!("path\t{}", request.session_path);
            if let Some(old) = request.retry_of {
                println!("retry of\t{old}");
            }
            if let Some(new) = request.retried_as {
                println!("retried as\t{new}");
            }
            if let Some(resolution) = &request.resolution {
                println!("resolution\t{resolution}");
            }
            let counts = serde_json::to_value(request.counts)?;
            for (name, count) in counts.as_object().into_iter().flatten() {
                if name == "found" || count != 0 {
                    println!("{name}\t{count}");
                }
            }
            for session in store.requests().sessions(id).await? {
                println!("session\t{}\t/data{}", session.state, session.uri());
            }
        }
        Command::Cancel { id, state } => {
            let (_, store) = open(&state).await?;
            match store.requests().cancel(id, BY).await? {
                Cancelled::Ended => println!("{id}\tcancelled"),
                Cancelled::Asked => println!("{id}\tits worker is told to end it"),
                Cancelled::TooLate => return Err("everything is stored already".into()),
                Cancelled::Final => return Err("the request has ended already".into()),
                Cancelled::Missing => return Err("no request of that number".into()),
            }
        }
        Command::Retry { id, state } => {
            let (config, store) = open(&state).await?;
            let importer = importer(&config, &store)?;
            let state = AppState::new(config, importer)?;
            let new = server::retry_for_owner(&state, id, BY).await?;
            println!("{new}");
        }
        Command::Verify { id, json, state } => {
            let (config, store) = open(&state).await?;
            let request = store.requests().get(id).await?;
            let request = request.ok_or("no request of that number")?;
            let importer = importer(&config, &store)?;
            let told = tokio::task::spawn_blocking(move || importer.verify(&request)).await??;
            match json {
                true => println!("{}", serde_json::to_string_pretty(&told)?),
                false => print_verified(&told),
            }
            if !told.is_good() {
                let all = told.files.len();
                return Err(format!("{} of {all} files differ", told.counts.different).into());
            }
        }
        Command::Report { id, state } => {
            let (config, store) = open(&state).await?;
            store
                .requests()
                .get(id)
                .await?
                .ok_or("no request of that number")?;
            let report =
                std::fs::read(config.report(id)).map_err(|_| "no report is written yet")?;
            std::io::stdout().write_all(&report)?;
        }
    }
    Ok(())
}

/// Those that are as they should be are counted, the others named.
fn print_verified(told: &Verified) {
    let counts = told.counts;
    for (what, count) in [
        ("the same", counts.same),
        ("moved on, derived as recorded", counts.as_recorded),
        ("different", counts.different),
        ("source gone", counts.source_gone),
        ("source changed", counts.source_changed),
    ] {
        if count > 0 {
            println!("{count}\t{what}");
        }
    }
    for file in &told.files {
        let what = match file.check {
            Check::Same | Check::AsRecorded => continue,
            Check::Different => "different",
            Check::SourceGone => "source gone",
            Check::SourceChanged => "source changed",
        };
        let why = file.why.as_deref().unwrap_or_default();
        println!("{what}\t{}\t{why}", file.path);
        if let Some(difference) = &file.difference {
            let value = |value: &Option<String>| match value {
                Some(value) => format!("{value:?}"),
                None => "absent".to_owned(),
            };
            match &difference.tag {
                Some(tag) => println!(
                    "\t{tag}: derived {}, stored {}",
                    value(&difference.derived),
                    value(&difference.stored)
                ),
                None => println!("\tpreamble, file meta information or encoding"),
            }
        }
    }
}

fn line(request: &ImportRequest) -> String {
    format!(
        "{}\t{}\t{}\t{}\t{} found\t{} stored",
        request.id,
        request.status,
        request.username,
        request.project,
        request.counts.found,
        request.counts.stored
    )
}
