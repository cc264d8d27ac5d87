//! What a caller notices of a server: how soon it is there, how soon it answers while it works, how many calls it
//! takes at once, what it holds in memory, and whether a large request costs more for each file than a small one.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use sluice::client::{Client, Import};
use sluice::sample::{Corpus, Kind};

use super::server::{PASSWORD, Server, write_policy};
use super::{CHAINS, Outcome, disk, is_asked_for, median};

const PROJECT: &str = "BENCH";

/// Projects whose policies are there at the start.
const POLICIES: usize = 50;

/// Calls at once.
const BURST: usize = 1000;

/// Callers side by side, in the burst and beside a running import.
const CALLERS: usize = 8;

pub fn measure(scratch: &Path, scale: u32) -> Outcome<()> {
    println!("| what | wanted | measured |");
    println!("|---|---|---|");
    if is_asked_for("BENCH_ONLY", "start") {
        start(scratch)?;
    }
    if is_asked_for("BENCH_ONLY", "answers") {
        answers(scratch, scale)?;
    }
    if is_asked_for("BENCH_ONLY", "size") {
        size(scratch, scale)?;
    }
    println!();
    Ok(())
}

fn start(scratch: &Path) -> Outcome<()> {
    let data = scratch.join("data");
    {
        // The first start makes the database and compiles the modules.
        let server = Server::start(&data)?;
        for number in 0..POLICIES {
            server
                .client
                .put(&format!("/data/projects/P{number}"), &[])?;
            write_policy(&data, &format!("P{number}"), CHAINS[0].1)?;
        }
        server.client.post("/xapi/rules/reload", &[])?;
    }
    let mut seconds = Vec::new();
    for _ in 0..5 {
        seconds.push(Server::start(&data)?.started_in.as_secs_f64());
    }
    println!(
        "| start to ready, {POLICIES} projects' policies | < 300 ms | {:.0} ms |",
        median(seconds) * 1e3
    );
    let server = Server::start(&data)?;
    std::thread::sleep(Duration::from_secs(3));
    println!("| memory, idle | < 40 MB | {:.0} MB |", server.memory()?.0);
    drop(server);
    disk::removed(scratch, &data)
}

/// How soon a call is answered while an import runs on all cores; and many calls at once.
fn answers(scratch: &Path, scale: u32) -> Outcome<()> {
    let data = scratch.join("data");
    let inbox = data.join("inbox").join(PROJECT);
    write_policy(&data, PROJECT, CHAINS[0].1)?;
    let small = Corpus {
        slices: 1,
        ..Corpus::new(Kind::Tiny)
    };
    small.write(&inbox.join("small"))?;
    let large = Corpus {
        series: 20,
        slices: 1000 / scale,
        ..Corpus::new(Kind::Tiny)
    };
    let files = large.write(&inbox.join("large"))?.files;
    disk::settled(scratch)?;
    let server = Server::start(&data)?;
    server
        .client
        .put(&format!("/data/projects/{PROJECT}"), &[])?;
    server.client.post("/xapi/rules/reload", &[])?;

    let ended = AtomicBool::new(false);
    let times = Mutex::new(Vec::new());
    let small = inbox.join("small");
    std::thread::scope(|scope| -> Outcome<()> {
        scope.spawn(|| {
            let client = Client::new(&server.base, "admin", PASSWORD);
            let mut number = 0;
            while !ended.load(Ordering::Relaxed) {
                number += 1;
                let start = Instant::now();
                if call(&client, &small, &format!("L{number}")).is_ok()
                    && let Ok(mut times) = times.lock()
                {
                    times.push(start.elapsed().as_secs_f64());
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        let imported = server.import(&[(PROJECT, inbox.join("large"), files)]);
        ended.store(true, Ordering::Relaxed);
        imported.map(drop)
    })?;
    let mut times = times.into_inner().unwrap_or_default();
    times.sort_by(f64::total_cmp);
    let p99 = times
        .get(times.len() * 99 / 100)
        .copied()
        .unwrap_or(f64::NAN);
    println!(
        "| POST to its answer beside an import, p99 of {} | < 20 ms | {:.1} ms |",
        times.len(),
        p99 * 1e3
    );

    let start = Instant::now();
    let addresses = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for caller in 0..CALLERS {
            let (server, small, addresses) = (&server, &small, &addresses);
            scope.spawn(move || {
                let client = Client::new(&server.base, "admin", PASSWORD);
                for number in 0..BURST / CALLERS {
                    if let Ok(address) = call(&client, small, &format!("B{caller}_{number}"))
                        && let Ok(mut addresses) = addresses.lock()
                    {
                        addresses.push(address);
                    }
                }
            });
        }
    });
    let called = start.elapsed().as_secs_f64();
    let addresses = addresses.into_inner().unwrap_or_default();
    for address in &addresses {
        server.client.wait(address, Duration::from_secs(600))?;
    }
    println!(
        "| {BURST} calls by {CALLERS} at once | all accepted, all end | {} accepted in {called:.1} s, all ended after {:.1} s |",
        addresses.len(),
        start.elapsed().as_secs_f64()
    );
    drop(server);
    disk::removed(scratch, &data)
}

fn call(client: &Client, path: &Path, label: &str) -> Outcome<String> {
    Ok(client.import(&Import {
        project: PROJECT,
        path: &path.to_string_lossy(),
        subject: Some(label),
        session: Some(label),
        cleanup: false,
    })?)
}

/// What a file costs in a request of 1,000, and of 100,000.
fn size(scratch: &Path, scale: u32) -> Outcome<()> {
    let mut cost = Vec::new();
    for (series, requests) in [(1, 5), (100, 1)] {
        let data = scratch.join("data");
        write_policy(&data, PROJECT, CHAINS[0].1)?;
        let corpus = Corpus {
            series,
            slices: 1000 / scale,
            ..Corpus::new(Kind::Tiny)
        };
        let path: PathBuf = data.join("inbox").join(PROJECT).join("corpus");
        let files = corpus.write(&path)?.files;
        disk::settled(scratch)?;
        let mut times = Vec::new();
        let mut peak = 0.0;
        for _ in 0..requests {
            let server = Server::start(&data)?;
            server
                .client
                .put(&format!("/data/projects/{PROJECT}"), &[])?;
            server.client.post("/xapi/rules/reload", &[])?;
            times.push(server.import(&[(PROJECT, path.clone(), files)])?);
            peak = server.memory()?.1;
            drop(server);
            // What is stored by now would make duplicates of the next.
            for folder in ["prearchive", "sluice.db", "sluice.db-wal", "sluice.db-shm"] {
                let path = data.join(folder);
                if path.exists() {
                    disk::removed(scratch, &path)?;
                }
            }
        }
        cost.push(median(times) * 1e6 / files as f64);
        println!(
            "| a request of {files} files: each | | {:.0} µs |",
            cost[cost.len() - 1]
        );
        println!("| the same: peak memory | < 150 MB | {peak:.0} MB |");
        disk::removed(scratch, &data)?;
        disk::emptied(scratch)?;
    }
    println!(
        "| a file's cost in the large request over that in the small | < 1.10 | {:.2} |",
        cost[1] / cost[0]
    );
    Ok(())
}
