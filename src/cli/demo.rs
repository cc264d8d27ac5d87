//! `sluice demo`: a server on a demo's data folder, sample imports over its own REST surface, and a tour of what
//! became of them.
//!
//! The server is the one that `sluice serve` starts; here it is waited for, and stopped by Ctrl-C.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::client::Client;
use crate::config::{Config, RawConfig, StateArgs};
use crate::demo::{DemoError, DemoFolder, import_and_tell, make_projects, next_steps};
use crate::store::Store;

use super::serve;

/// The first administrator's name, as for every server.
const ADMIN: &str = "admin";

/// Compiling the shipped modules is what takes a server the longest.
const READY_DEADLINE: Duration = Duration::from_secs(30);

type StartError = Box<dyn std::error::Error + Send + Sync>;

#[derive(Debug, Args)]
pub struct DemoArgs {
    /// The data folder; a new one, or one that the demo made before
    #[arg(
        long,
        env = "SLUICE_DATA",
        value_name = "DIR",
        default_value = "sluice-data"
    )]
    data: PathBuf,
    /// Address and port to listen on
    #[arg(
        long,
        env = "SLUICE_LISTEN",
        value_name = "ADDR",
        default_value = "127.0.0.1:8080"
    )]
    listen: SocketAddr,
}

#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error(transparent)]
    Demo(#[from] DemoError),
    #[error("the server did not start: {0}")]
    Start(#[source] StartError),
    #[error("the server ended: {0}")]
    Server(#[source] StartError),
    #[error("the server is not ready after {} s", READY_DEADLINE.as_secs())]
    NotReady,
    #[error("a task of this program broke off")]
    Broken(#[from] tokio::task::JoinError),
}

/// A server and its workers, running in this process.
struct Started {
    /// The address it listens on.
    address: SocketAddr,
    /// Sent to, or dropped, to stop it.
    stop: oneshot::Sender<()>,
    ended: JoinHandle<Result<(), StartError>>,
}

/// Runs the demo until Ctrl-C.
pub async fn run(args: DemoArgs) -> Result<(), RunError> {
    let folder =
        DemoFolder::open(&args.data, super::admin_password()).map_err(DemoError::Folder)?;
    let Started {
        address,
        stop,
        mut ended,
    } = start(&folder, args.listen).await.map_err(RunError::Start)?;

    let mut tour = tokio::task::spawn_blocking(move || show_around(&folder, address));
    let mut outcome = Ok(());
    let mut toured = false;
    loop {
        tokio::select! {
            result = &mut tour, if !toured => {
                toured = true;
                outcome = result.map_err(RunError::Broken).flatten();
                if outcome.is_err() {
                    break;
                }
            }
            result = &mut ended => return result?.map_err(RunError::Server),
            _ = tokio::signal::ctrl_c() => {
                println!("\nStopping…");
                break;
            }
        }
    }
    // The receiver is gone only if the server has ended already.
    let _ = stop.send(());
    let stopped = ended.await?.map_err(RunError::Server);
    outcome.and(stopped)
}

/// The same server as `sluice serve` runs, with warnings only in its log.
async fn start(folder: &DemoFolder, listen: SocketAddr) -> Result<Started, StartError> {
    let state = StateArgs {
        data: folder.path().to_owned(),
        ..StateArgs::default()
    };
    let flags = RawConfig {
        listen: Some(listen),
        log: Some("warn".into()),
        ..RawConfig::default()
    };
    let config = Config::load(&state, flags)?;
    serve::start_logging(&config)?;
    config.make_folders()?;
    let store = Store::open(&config.database).await?;
    serve::ensure_admin(&store, Some(folder.password().to_owned())).await?;
    let listener = serve::bind(listen).await?;
    let address = listener.local_addr()?;
    let (stop, stopped) = oneshot::channel();
    let stopped = async { stopped.await.unwrap_or_default() };
    let ended = tokio::spawn(serve::run_server(config, store, listener, stopped));
    Ok(Started {
        address,
        stop,
        ended,
    })
}

fn show_around(folder: &DemoFolder, address: SocketAddr) -> Result<(), RunError> {
    let base = format!("http://{address}");
    let client = Client::new(&base, ADMIN, folder.password());
    let start = Instant::now();
    while client.text("/readyz").is_err() {
        if start.elapsed() > READY_DEADLINE {
            return Err(RunError::NotReady);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    make_projects(&client)?;
    let waiting = import_and_tell(&client, folder)?;
    let (password, data) = (folder.password(), folder.path());
    println!(
        "{}",
        next_steps(&base, ADMIN, password, data, waiting.as_deref())
    );
    Ok(())
}
