//! Import throughput, as a ratio to `cp -r` and sync of the same tree in the same run.
//!
//! A number of seconds says more about the disk than about Sluice, so each round copies the tree and imports it,
//! in changing order, and what is printed is the median of the rounds' ratios. The server is the built binary on
//! a fresh data folder; the clock runs from the call to `Completed`. The folder that is imported is moved into
//! the inbox, so that both read the same files in the same state of the page cache.
//!
//! Environment: `BENCH_ROUNDS` (5), `BENCH_SCALE` (1: all files; 10: a tenth of them),
//! `BENCH_DIR` (`target/bench`), which should lie on the disk that is to be measured.

use std::error::Error;
use std::ffi::OsStr;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;
use sluice::client::{Client, Import};
use sluice::sample::{Corpus, Kind, Written};

type Outcome<T> = Result<T, Box<dyn Error>>;

const PROJECT: &str = "BENCH";
const PASSWORD: &str = "bench";
const START_DEADLINE: Duration = Duration::from_secs(30);
const IMPORT_DEADLINE: Duration = Duration::from_secs(1800);

/// A corpus on disk.
struct Tree {
    name: &'static str,
    path: PathBuf,
    written: Written,
}

/// The chains measured: what every project has, and de-identification in WebAssembly.
const CHAINS: [(&str, &[&str]); 2] = [
    ("site script only", &[]),
    ("with ps315-basic", &["ps315-basic"]),
];

fn main() -> Outcome<()> {
    // Cargo passes --bench to say that it isn't a test run; there are no options of our own.
    let rounds = number("BENCH_ROUNDS", 5)?.max(1);
    let scale = number("BENCH_SCALE", 1)?.max(1);
    let folder = std::env::var_os("BENCH_DIR").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("target/bench"),
        PathBuf::from,
    );
    let scratch = folder.join(format!("run-{}", std::process::id()));
    fs::create_dir_all(&scratch)?;
    let scratch = scratch.canonicalize()?;
    let result = measure_all(&scratch, rounds, scale);
    fs::remove_dir_all(&scratch)?;
    result
}

fn measure_all(scratch: &Path, rounds: u32, scale: u32) -> Outcome<()> {
    let corpora = [
        (
            "2,000 CT slices of 512 × 512",
            Corpus {
                series: 4,
                slices: 500 / scale,
                ..Corpus::new(Kind::Ct)
            },
        ),
        (
            "20,000 slices of 128 × 128",
            Corpus {
                series: 20,
                slices: 1000 / scale,
                ..Corpus::new(Kind::Tiny)
            },
        ),
    ];
    println!(
        "{rounds} rounds, scale 1/{scale}; times are medians, ratio is cp + sync over import\n"
    );
    println!("| corpus | rules | files | MB | cp + sync | import | ratio | lowest | highest |");
    println!("|---|---|---|---|---|---|---|---|---|");
    for (name, corpus) in corpora {
        let path = scratch.join("corpus");
        let written = corpus.write(&path)?;
        let tree = Tree {
            name,
            path,
            written,
        };
        run("sync", ["-f".as_ref(), scratch.as_os_str()])?;
        for (rules, chain) in CHAINS {
            let row = measure(scratch, &tree, chain, rounds)?;
            println!(
                "| {} | {rules} | {} | {:.0} | {:.2} s | {:.2} s | {:.2} | {:.2} | {:.2} |",
                tree.name,
                tree.written.files,
                tree.written.bytes as f64 / 1e6,
                median(row.iter().map(|round| round.copy).collect()),
                median(row.iter().map(|round| round.import).collect()),
                median(row.iter().map(Round::ratio).collect()),
                row.iter().map(Round::ratio).fold(f64::INFINITY, f64::min),
                row.iter().map(Round::ratio).fold(0.0, f64::max),
            );
        }
        fs::remove_dir_all(&tree.path)?;
    }
    Ok(())
}

/// Seconds.
struct Round {
    copy: f64,
    import: f64,
}

impl Round {
    fn ratio(&self) -> f64 {
        self.copy / self.import
    }
}

fn measure(scratch: &Path, tree: &Tree, chain: &[&str], rounds: u32) -> Outcome<Vec<Round>> {
    (0..rounds)
        .map(|round| {
            // In turns, so that neither always finds the disk as the other left it.
            if round.is_multiple_of(2) {
                let copy = copy(scratch, tree)?;
                Ok(Round {
                    copy,
                    import: import(scratch, tree, chain)?,
                })
            } else {
                let import = import(scratch, tree, chain)?;
                Ok(Round {
                    copy: copy(scratch, tree)?,
                    import,
                })
            }
        })
        .collect()
}

fn copy(scratch: &Path, tree: &Tree) -> Outcome<f64> {
    let target = scratch.join("copy");
    let start = Instant::now();
    run(
        "cp",
        [
            "-r".as_ref(),
            "--reflink=never".as_ref(),
            tree.path.as_os_str(),
            target.as_os_str(),
        ],
    )?;
    run("sync", ["-f".as_ref(), target.as_os_str()])?;
    let seconds = start.elapsed().as_secs_f64();
    fs::remove_dir_all(&target)?;
    run("sync", ["-f".as_ref(), scratch.as_os_str()])?;
    Ok(seconds)
}

fn import(scratch: &Path, tree: &Tree, chain: &[&str]) -> Outcome<f64> {
    let data = scratch.join("data");
    let inbox = data.join("inbox").join(PROJECT);
    let rules = data.join("rules/projects").join(PROJECT);
    fs::create_dir_all(&inbox)?;
    fs::create_dir_all(&rules)?;
    let chain: Vec<_> = chain
        .iter()
        .map(|module| json!({ "module": module }))
        .collect();
    let policy = json!({
        "label": { "module": "xnat-labels" },
        "anonymize": chain,
        "route": { "module": "xnat-routing", "settings": { "prearchive_code": 0 } },
    });
    fs::write(rules.join("policy.json"), policy.to_string())?;

    let server = Server::start(&data)?;
    server
        .client
        .put(&format!("/data/projects/{PROJECT}"), &[])?;
    let path = inbox.join("corpus");
    fs::rename(&tree.path, &path)?;
    let seconds = server.import(&path, tree.written.files);
    fs::rename(&path, &tree.path)?;
    drop(server);
    fs::remove_dir_all(&data)?;
    run("sync", ["-f".as_ref(), scratch.as_os_str()])?;
    seconds
}

/// The built binary, serving a data folder until it is dropped.
struct Server {
    process: Child,
    client: Client,
}

impl Server {
    fn start(data: &Path) -> Outcome<Server> {
        // Free a moment ago; a bench may lose that race and be started again.
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let listen = format!("127.0.0.1:{port}");
        let process = Command::new(env!("CARGO_BIN_EXE_sluice"))
            .args(["serve".as_ref(), "--data".as_ref(), data.as_os_str()])
            .args(["--listen", &listen])
            .env("SLUICE_ADMIN_PASSWORD", PASSWORD)
            // The corpus may just have been written, and nobody writes to it any more.
            .env("SLUICE_SETTLE_SECONDS", "0")
            .stdout(Stdio::null())
            .stderr(fs::File::create(data.join("server.log"))?)
            .spawn()?;
        let client = Client::new(&format!("http://{listen}"), "admin", PASSWORD);
        let mut server = Server { process, client };
        let start = Instant::now();
        while !server.ready() {
            if server.process.try_wait()?.is_some() || start.elapsed() > START_DEADLINE {
                let log = fs::read_to_string(data.join("server.log"))?;
                return Err(format!("the server did not start:\n{log}").into());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(server)
    }

    fn ready(&self) -> bool {
        self.client.text("/readyz").is_ok()
    }

    /// From the call to its end, in seconds.
    fn import(&self, path: &Path, files: u64) -> Outcome<f64> {
        let import = Import {
            project: PROJECT,
            path: &path.to_string_lossy(),
            subject: Some("S1"),
            session: Some("S1_1"),
            cleanup: false,
        };
        let start = Instant::now();
        let address = self.client.import(&import)?;
        let status = self.client.wait(&address, IMPORT_DEADLINE)?;
        let seconds = start.elapsed().as_secs_f64();
        let stored = self
            .client
            .report(&address)?
            .outcome_to_count()
            .get("stored")
            .copied();
        if status.status != "Completed" || stored != Some(files as usize) {
            return Err(format!("{files} files to import, {stored:?} stored: {status:?}").into());
        }
        Ok(seconds)
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

fn run<'a>(program: &str, arguments: impl IntoIterator<Item = &'a OsStr>) -> Outcome<()> {
    let status = Command::new(program).args(arguments).status()?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("{program}: {status}").into())
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len().is_multiple_of(2) {
        (values[middle - 1] + values[middle]) / 2.0
    } else {
        values[middle]
    }
}

fn number(variable: &str, usual: u32) -> Outcome<u32> {
    match std::env::var(variable) {
        Ok(text) => Ok(text
            .parse()
            .map_err(|_| format!("{variable}={text} is not a number"))?),
        Err(_) => Ok(usual),
    }
}
