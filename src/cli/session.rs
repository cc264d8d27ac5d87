//! `sluice session`: what waits in the prearchive or in quarantine, and what is to become of it.

use crate::archive::{ArchiveOptions, Release, parse_uri};
use crate::config::StateArgs;
use crate::import::Importer;
use crate::presence::Presence;
use crate::rules::Overwrite;
use crate::store::{Session, SessionFilter, SessionState, Store};

use super::{BY, CliError, importer, open};

#[derive(clap::Subcommand)]
pub enum Command {
    /// List sessions with their addresses, the oldest first; archived ones only by --state ARCHIVED
    List {
        /// Such as READY, CONFLICT, ERROR or QUARANTINED
        #[arg(long)]
        state: Option<String>,
        #[arg(long)]
        project: Option<String>,
        #[command(flatten)]
        server: StateArgs,
    },
    /// Let a session out of quarantine, into the prearchive
    Release {
        /// Its address, /prearchive/projects/PROJECT/TIMESTAMP/FOLDER
        uri: String,
        /// Kept with the session
        #[arg(long, default_value = "")]
        reason: String,
        /// Where a session of its study and label waits in the prearchive: none, append or delete
        #[arg(long, default_value = "none", value_parser = overwrite)]
        overwrite: Overwrite,
        #[command(flatten)]
        server: StateArgs,
    },
    /// Remove a session for good
    Purge {
        uri: String,
        #[command(flatten)]
        server: StateArgs,
    },
    /// Move a session of the prearchive into the archive, through the rules that wait for that
    Archive {
        uri: String,
        /// Where an experiment of its label is there: none, append or delete
        #[arg(long, default_value = "none", value_parser = overwrite)]
        overwrite: Overwrite,
        /// Another label than its own
        #[arg(long)]
        label: Option<String>,
        /// Another subject than its own
        #[arg(long)]
        subject: Option<String>,
        #[command(flatten)]
        server: StateArgs,
    },
}

fn overwrite(text: &str) -> Result<Overwrite, String> {
    Overwrite::from_text(text).ok_or_else(|| "it is none, append or delete".into())
}

pub async fn run(command: Command) -> Result<(), CliError> {
    match command {
        Command::List {
            state,
            project,
            server,
        } => list(state, project, &server).await,
        Command::Release {
            uri,
            reason,
            overwrite,
            server,
        } => {
            let (importer, session, here) = find(&server, &uri).await?;
            let release = Release {
                reason,
                merge: overwrite >= Overwrite::Append,
                overwrite_files: overwrite == Overwrite::Delete,
            };
            let released = importer.release_session(&session, release, BY).await;
            here.leave().await?;
            println!("{}", line(&released?));
            Ok(())
        }
        Command::Purge { uri, server } => {
            let (importer, session, here) = find(&server, &uri).await?;
            let deleted = importer.archive.delete(&session, BY).await;
            here.leave().await?;
            Ok(deleted?)
        }
        Command::Archive {
            uri,
            overwrite,
            label,
            subject,
            server,
        } => {
            for label in [&label, &subject].into_iter().flatten() {
                crate::server::check_label("given", Some(label)).map_err(|e| e.to_string())?;
            }
            let (importer, session, here) = find(&server, &uri).await?;
            let options = ArchiveOptions {
                merge: overwrite >= Overwrite::Append,
                override_conflicts: overwrite == Overwrite::Delete,
                overwrite_files: overwrite == Overwrite::Delete,
                subject,
                label,
            };
            let archived = importer.archive_session(&session, options, BY).await;
            here.leave().await?;
            println!("{}", line(&archived?));
            Ok(())
        }
    }
}

async fn list(
    state: Option<String>,
    project: Option<String>,
    server: &StateArgs,
) -> Result<(), CliError> {
    let state = state
        .map(|text| {
            SessionState::from_text(&text.to_ascii_uppercase())
                .ok_or_else(|| format!("there is no session state {text}"))
        })
        .transpose()?;
    let (_, store) = open(server).await?;
    let filter = SessionFilter {
        project: project.as_deref(),
        ..SessionFilter::default()
    };
    for session in store.sessions().list(filter).await? {
        let is_wanted = match state {
            Some(state) => session.state == state,
            None => session.state != SessionState::Archived,
        };
        if is_wanted {
            println!("{}", line(&session));
        }
    }
    Ok(())
}

/// The session of an address, and what acts on it: the same as in the server, on the same data folder, whose
/// other processes see this one as living for as long as it holds the last.
async fn find(server: &StateArgs, uri: &str) -> Result<(Importer, Session, Presence), CliError> {
    let (config, store) = open(server).await?;
    let (project, timestamp, folder) =
        parse_uri(uri).ok_or("the address is /prearchive/projects/PROJECT/TIMESTAMP/FOLDER")?;
    let session = session(&store, project, timestamp, folder).await?;
    let importer = importer(&config, &store)?;
    let presence = Presence::enter(store, &config.data, 0).await?;
    Ok((importer, session, presence))
}

async fn session(
    store: &Store,
    project: &str,
    timestamp: &str,
    folder: &str,
) -> Result<Session, CliError> {
    let found = store
        .sessions()
        .find_in_prearchive(project, timestamp, folder)
        .await?;
    Ok(found.ok_or("there is no such session in the prearchive or in quarantine")?)
}

fn line(session: &Session) -> String {
    format!(
        "{}\t{}\t{}\t{}\t{}",
        session.state,
        session.project,
        session.subject,
        session.label,
        session.uri()
    )
}
