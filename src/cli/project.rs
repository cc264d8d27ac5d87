//! `sluice project`: projects of a server and who may work in them.

use crate::config::StateArgs;
use crate::project::{Policies, PrearchiveCode};
use crate::store::{NewProject, Role};

use super::{BY, CliError, open};

#[derive(clap::Subcommand)]
pub enum Command {
    /// Make a project, with its inbox folder and, where a code is given, its policy
    Create {
        id: String,
        /// XNAT's code: 0 keeps sessions in the prearchive, 4 archives them, 5 also replaces files
        #[arg(long, value_name = "0|4|5")]
        prearchive_code: Option<u64>,
        #[command(flatten)]
        state: StateArgs,
    },
    /// Give a user a role in a project: owner, member or collaborator
    Grant {
        id: String,
        user: String,
        role: String,
        #[command(flatten)]
        state: StateArgs,
    },
    /// Give a project a new pseudonym key: what is imported from then on gets other pseudonyms than before
    RotateKey {
        id: String,
        /// That this is meant: it can't be taken back
        #[arg(long)]
        confirm: bool,
        #[command(flatten)]
        state: StateArgs,
    },
    /// List all projects
    List {
        #[command(flatten)]
        state: StateArgs,
    },
}

pub async fn run(command: Command) -> Result<(), CliError> {
    match command {
        Command::Create {
            id,
            prearchive_code,
            state,
        } => {
            let code = prearchive_code
                .map(|n| PrearchiveCode::from_number(n).ok_or("the prearchive code is 0, 4 or 5"))
                .transpose()?;
            let (config, store) = open(&state).await?;
            let new = NewProject::new(id.clone());
            Policies::new(config.rules())
                .create_project(&store, new, code, BY)
                .await?;
            config.make_inbox_folder(&id)?;
        }
        Command::Grant {
            id,
            user,
            role,
            state,
        } => {
            let role = Role::from_text(&role).ok_or("the role is owner, member or collaborator")?;
            let (_, store) = open(&state).await?;
            store.projects().grant(&id, &user, role, BY).await?;
        }
        Command::RotateKey { id, confirm, state } => {
            if !confirm {
                return Err(
                    "the project's new imports will get other pseudonyms, which can't be linked to those \
                     before, and this can't be taken back; add --confirm if it is meant"
                        .into(),
                );
            }
            let (_, store) = open(&state).await?;
            let generation = store.projects().rotate_key(&id, BY).await?;
            println!("The pseudonym key of {id} is now its key number {generation}.");
        }
        Command::List { state } => {
            let (config, store) = open(&state).await?;
            let policies = Policies::new(config.rules());
            for project in store.projects().list().await? {
                let code = policies.prearchive_code(&project.id)?.number();
                println!("{}\t{code}\t{}", project.id, project.name);
            }
        }
    }
    Ok(())
}
