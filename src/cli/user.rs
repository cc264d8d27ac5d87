//! `sluice user`: who may call a server.

use std::io::Read as _;

use crate::config::StateArgs;
use crate::password;
use crate::store::NewUser;

use super::{BY, CliError, open};

#[derive(clap::Subcommand)]
pub enum Command {
    /// Add a user
    Add {
        name: String,
        /// Make the user an administrator of the site
        #[arg(long)]
        admin: bool,
        /// Read the password from standard input (arguments can be seen by others)
        #[arg(long, required = true)]
        password_stdin: bool,
        #[command(flatten)]
        state: StateArgs,
    },
    /// Give a user another password
    Password {
        name: String,
        /// Read the password from standard input (arguments can be seen by others)
        #[arg(long, required = true)]
        password_stdin: bool,
        #[command(flatten)]
        state: StateArgs,
    },
    /// List all users
    List {
        #[command(flatten)]
        state: StateArgs,
    },
}

pub async fn run(command: Command) -> Result<(), CliError> {
    match command {
        Command::Add {
            name, admin, state, ..
        } => {
            let (_, store) = open(&state).await?;
            let record = password::hash(&password_from_stdin()?)?;
            let user = NewUser {
                admin,
                ..NewUser::new(name, record.as_str())
            };
            store.users().add_by(user, BY).await?;
        }
        Command::Password { name, state, .. } => {
            let (_, store) = open(&state).await?;
            let record = password::hash(&password_from_stdin()?)?;
            store.users().set_password(&name, &record, BY).await?;
        }
        Command::List { state } => {
            let (_, store) = open(&state).await?;
            for user in store.users().list().await? {
                let admin = if user.admin { "admin" } else { "" };
                let enabled = if user.enabled { "" } else { "disabled" };
                println!(
                    "{}",
                    [user.name.as_str(), admin, enabled].join("\t").trim_end()
                );
            }
        }
    }
    Ok(())
}

/// All of standard input but the line end that `echo` adds.
fn password_from_stdin() -> Result<String, CliError> {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text)?;
    Ok(text
        .strip_suffix('\n')
        .map(|t| t.strip_suffix('\r').unwrap_or(t))
        .unwrap_or(&text)
        .to_string())
}
