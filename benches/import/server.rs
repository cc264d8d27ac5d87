//! The built binary as a server on a fresh data folder.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;
use sluice::client::{Client, Import};

use super::Outcome;

pub const PASSWORD: &str = "bench";
const START_DEADLINE: Duration = Duration::from_secs(30);
const IMPORT_DEADLINE: Duration = Duration::from_secs(3600);

pub struct Server {
    process: Child,
    pub client: Client,
    pub base: String,
    /// From the start of the process until it was ready.
    pub started_in: Duration,
}

impl Server {
    pub fn start(data: &Path) -> Outcome<Server> {
        fs::create_dir_all(data)?;
        // Free a moment ago; a bench may lose that race and be started again.
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let listen = format!("127.0.0.1:{port}");
        let start = Instant::now();
        let process = Command::new(env!("CARGO_BIN_EXE_sluice"))
            .args(["serve".as_ref(), "--data".as_ref(), data.as_os_str()])
            .args(["--listen", &listen])
            .env("SLUICE_ADMIN_PASSWORD", PASSWORD)
            // The corpus may just have been written, and nobody writes to it any more.
            .env("SLUICE_SETTLE_SECONDS", "0")
            .stdout(Stdio::null())
            .stderr(fs::File::create(data.join("server.log"))?)
            .spawn()?;
        let base = format!("http://{listen}");
        let client = Client::new(&base, "admin", PASSWORD);
        let mut server = Server {
            process,
            client,
            base,
            started_in: Duration::ZERO,
        };
        while server.client.text("/readyz").is_err() {
            if server.process.try_wait()?.is_some() || start.elapsed() > START_DEADLINE {
                let log = fs::read_to_string(data.join("server.log"))?;
                return Err(format!("the server did not start:\n{log}").into());
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        server.started_in = start.elapsed();
        Ok(server)
    }

    /// From the calls to the end of the last: each imports a folder of its own project's inbox.
    pub fn import(&self, calls: &[(&str, PathBuf, u64)]) -> Outcome<f64> {
        let start = Instant::now();
        let mut addresses = Vec::new();
        for (project, path, files) in calls {
            let import = Import {
                project,
                path: &path.to_string_lossy(),
                subject: Some("S1"),
                session: Some("S1_1"),
                cleanup: false,
            };
            addresses.push((self.client.import(&import)?, *files));
        }
        let mut ended = Vec::new();
        for (address, files) in addresses {
            ended.push((self.client.wait(&address, IMPORT_DEADLINE)?, address, files));
        }
        let seconds = start.elapsed().as_secs_f64();
        for (status, address, files) in ended {
            let stored = self.client.get(&address)?["counts"]["stored"].as_u64();
            if status.status != "Completed" || stored != Some(files) {
                return Err(
                    format!("{files} files to import, {stored:?} stored: {status:?}").into(),
                );
            }
        }
        Ok(seconds)
    }

    /// What the process holds in memory and what it held at most, in megabytes.
    pub fn memory(&self) -> Outcome<(f64, f64)> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let megabytes = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let kibibytes = line?.trim().strip_suffix(" kB")?.parse::<f64>().ok()?;
            Some(kibibytes * 1024.0 / 1e6)
        };
        match (megabytes("VmRSS:"), megabytes("VmHWM:")) {
            (Some(now), Some(peak)) => Ok((now, peak)),
            _ => Err("the kernel does not tell of the server's memory".into()),
        }
    }
}

/// Written before the server starts, or while it runs.
pub fn write_policy(data: &Path, id: &str, chain: &[&str]) -> Outcome<()> {
    let folder = data.join("rules/projects").join(id);
    fs::create_dir_all(&folder)?;
    let chain: Vec<_> = chain
        .iter()
        .map(|module| json!({ "module": module }))
        .collect();
    let policy = json!({
        "label": { "module": "xnat-labels" },
        "anonymize": chain,
        "route": { "module": "xnat-routing", "settings": { "prearchive_code": 0 } },
    });
    fs::write(folder.join("policy.json"), policy.to_string())?;
    Ok(())
}

/// A module of the folder, as `sluice rule new` makes it.
pub fn scaffold(data: &Path, name: &str) -> Outcome<()> {
    let folder = data.join("rules/modules").join(name);
    let status = Command::new(env!("CARGO_BIN_EXE_sluice"))
        .args(["rule", "new", "anonymize", "--engine", "wasm"])
        .arg(folder)
        .stdout(Stdio::null())
        .status()?;
    match status.success() {
        true => Ok(()),
        false => Err(format!("the module {name} could not be made").into()),
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // SIGTERM, so that it ends as it would in service; SIGKILL is what Child::kill would send.
        let _ = Command::new("kill")
            .arg(self.process.id().to_string())
            .status();
        let _ = self.process.wait();
    }
}
