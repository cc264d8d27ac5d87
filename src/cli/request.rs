//! `sluice request`: imports of a server, from its database and its reports.

use std::io::Write as _;

use crate::archive::Archive;
use crate::config::StateArgs;
use crate::rulebook::Rulebook;
use crate::rules::Registry;
use crate::server::{self, AppState};
use crate::store::{Cancelled, ImportRequest, RequestFilter};

use super::{BY, CliError, inbox, open};

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
            let archive = Archive::new(store.clone(), config.data.clone());
            let inbox = inbox(&config)?;
            let rulebook = Rulebook::new(store.clone(), Registry::open(config.rules()));
            let state = AppState::new(config, store, inbox, archive, rulebook)?;
            let new = server::retry_for_owner(&state, id, BY).await?;
            println!("{new}");
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
