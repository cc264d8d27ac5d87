//! `sluice request`: imports of a server, from its database and its reports.

use std::io::Write as _;
use std::path::PathBuf;

use crate::config::StateArgs;
use crate::import::replay::{Changed, Replayed};
use crate::import::verify::{Check, Verified};
use crate::rules::Registry;
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
    /// What would be different of an import under other rules; writes nothing
    Replay {
        id: i64,
        /// The rules folder to try; what is active in the project if it is left out
        #[arg(long, value_name = "FOLDER")]
        rules: Option<PathBuf>,
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
        Command::Replay {
            id,
            rules,
            json,
            state,
        } => {
            let (config, store) = open(&state).await?;
            let request = store.requests().get(id).await?;
            let request = request.ok_or("no request of that number")?;
            if let Some(folder) = rules.as_ref().filter(|folder| !folder.is_dir()) {
                return Err(format!("there is no folder {}", folder.display()).into());
            }
            let importer = importer(&config, &store)?;
            let project = &request.project;
            let active = match &rules {
                Some(_) => None,
                None => importer.rulebook.active(project).await?,
            };
            let candidate = match active {
                Some(active) => {
                    super::say_if_apart(&config, project, active.hash(), "the active version");
                    active
                }
                None => Registry::open(rules.unwrap_or_else(|| config.rules())).check(project)?,
            };
            let told = tokio::task::spawn_blocking(move || importer.replay(&request, &candidate));
            let told = told.await??;
            match json {
                true => println!("{}", serde_json::to_string_pretty(&told)?),
                false => print_replayed(&told)?,
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

fn print_replayed(told: &Replayed) -> Result<(), CliError> {
    let counts = told.counts;
    println!(
        "{} of {} sessions and {} of {} files would change",
        counts.sessions_changed, counts.sessions, counts.files_changed, counts.files
    );
    if counts.source_gone > 0 {
        println!("{} files are no longer there to replay", counts.source_gone);
    }
    for session in &told.sessions {
        println!(
            "session {}",
            session.label.as_deref().unwrap_or("without a label")
        );
        if let Some(labels) = &session.labels {
            print_change("labels", labels)?;
        }
        if let Some(route) = &session.route {
            print_change("route", route)?;
        }
        if let Some(review) = &session.review {
            print_change("held for review", review)?;
        }
    }
    for file in &told.files {
        println!("{}", file.path);
        if let Some(outcome) = &file.outcome {
            print_change("outcome", outcome)?;
        }
        if let Some(reason) = &file.reason {
            print_change("reason", reason)?;
        }
        for (sign, acts) in [('-', &file.no_longer), ('+', &file.newly)] {
            for act in acts {
                println!("  {sign} {} {} {}", act.module, act.action, act.tag);
            }
        }
        if file.output && file.no_longer.is_empty() && file.newly.is_empty() {
            println!("  other values");
        }
    }
    Ok(())
}

fn print_change<T: serde::Serialize>(what: &str, change: &Changed<T>) -> Result<(), CliError> {
    let text = |side: &T| serde_json::to_string(side);
    println!(
        "  {what}: {} -> {}",
        text(&change.before)?,
        text(&change.after)?
    );
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
