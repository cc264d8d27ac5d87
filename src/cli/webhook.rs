//! `sluice webhook`: whom a server tells of the ends of requests.

use crate::config::StateArgs;
use crate::store::NewWebhook;
use crate::webhook::check_url;

use super::{BY, CliError, open};

#[derive(clap::Subcommand)]
pub enum Command {
    /// Add a target, and print its number and its secret, which is shown this once
    Add {
        /// An http:// or https:// address
        url: String,
        /// Only of this project's requests [default: of all]
        #[arg(long, value_name = "ID")]
        project: Option<String>,
        #[command(flatten)]
        state: StateArgs,
    },
    /// List the targets
    List {
        #[command(flatten)]
        state: StateArgs,
    },
    /// Remove a target, with what it is still to be told
    Remove {
        id: i64,
        #[command(flatten)]
        state: StateArgs,
    },
}

pub async fn run(command: Command) -> Result<(), CliError> {
    match command {
        Command::Add {
            url,
            project,
            state,
        } => {
            check_url(&url)?;
            let (_, store) = open(&state).await?;
            if let Some(project) = &project
                && store.projects().get(project).await?.is_none()
            {
                return Err("no project of that ID".into());
            }
            let new = NewWebhook {
                url,
                project,
                enabled: true,
            };
            let (webhook, secret) = store.webhooks().add(new, BY).await?;
            println!("{}\t{}", webhook.id, secret.as_str());
        }
        Command::List { state } => {
            let (_, store) = open(&state).await?;
            for webhook in store.webhooks().list().await? {
                println!(
                    "{}\t{}\t{}\t{}",
                    webhook.id,
                    if webhook.enabled {
                        "enabled"
                    } else {
                        "disabled"
                    },
                    webhook.project.as_deref().unwrap_or("(all)"),
                    webhook.url,
                );
            }
        }
        Command::Remove { id, state } => {
            let (_, store) = open(&state).await?;
            if !store.webhooks().remove(id, BY).await? {
                return Err("no webhook of that number".into());
            }
        }
    }
    Ok(())
}
