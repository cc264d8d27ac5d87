//! Imports end to end, as a ratio to `cp -r` and sync of the same tree in the same run.
//!
//! A number of seconds says more about the disk than about Sluice, so each round copies the tree and imports it,
//! in changing order, and what is printed is the median of the rounds' ratios. The server is the built binary on
//! a fresh data folder; the clock runs from the call to `Completed`. The folder that is imported is moved into
//! the inbox, so that both read the same files in the same state of the page cache. Beside it stand other
//! programs, on a part of the same files (`benches/rivals.sh` installs them), and what a caller notices of a
//! server at work.
//!
//! Environment: `BENCH_ROUNDS` (5), `BENCH_SCALE` (1: all files; 10: a tenth of them), `BENCH_ONLY` (some of
//! `a,b,c,d,e,rivals,start,answers,size`), `BENCH_RIVALS` (some of the other programs), `BENCH_DIR`
//! (`target/bench`), which should lie on the disk that is to be measured.

mod disk;
mod server;
mod service;

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use sluice::sample::{Corpus, Kind, Syntax};

use disk::RIVALS;
use server::{Server, scaffold, write_policy};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Projects that a corpus is imported into, each a part of its own.
const PROJECTS: [&str; 2] = ["BENCH", "BENCH2"];

/// The chains measured, beside what every project has: de-identification in WebAssembly, alone and with two more.
const CHAINS: [(&str, &[&str]); 2] = [
    ("ps315-basic", &["ps315-basic"]),
    (
        "three WebAssembly modules",
        &["ps315-basic", "first", "second"],
    ),
];

/// Other programs are given every so manyth series: some take minutes for as much.
const RIVALS_STEP: usize = 2;

/// A corpus on disk, in as many parts as it has projects.
struct Tree {
    name: &'static str,
    path: PathBuf,
    parts: Vec<(PathBuf, u64)>,
    bytes: u64,
}

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
    let any_of = |parts: &[&str]| parts.iter().any(|part| is_asked_for("BENCH_ONLY", part));
    println!(
        "{rounds} rounds, scale 1/{scale}; times are medians, a ratio is cp + sync over the work\n"
    );
    if any_of(&["a", "b", "c", "d", "e"]) {
        throughput(scratch, rounds, scale)?;
    }
    if any_of(&["rivals"]) {
        rivals(scratch, rounds.min(3), scale)?;
    }
    if any_of(&["start", "answers", "size"]) {
        service::measure(scratch, scale)?;
    }
    Ok(())
}

/// Name, corpus, and in how many projects it is.
fn corpora(scale: u32) -> [(&'static str, Corpus, usize); 5] {
    let ct = |studies| Corpus {
        studies,
        series: 4 / studies,
        slices: 500 / scale,
        ..Corpus::new(Kind::Ct)
    };
    [
        ("(a) 2,000 CT slices of 512 × 512", ct(1), 1),
        (
            "(b) 20,000 slices of 128 × 128",
            Corpus {
                series: 20,
                slices: 1000 / scale,
                ..Corpus::new(Kind::Tiny)
            },
            1,
        ),
        (
            "(c) one file of 1,000 frames",
            Corpus {
                slices: 1000 / scale,
                ..Corpus::new(Kind::Enhanced)
            },
            1,
        ),
        (
            "(d) 2,000 CT slices in RLE",
            Corpus {
                syntax: Syntax::Rle,
                ..ct(1)
            },
            1,
        ),
        ("(e) two projects at once", ct(2), 2),
    ]
}

fn write(scratch: &Path, name: &'static str, corpus: &Corpus, projects: usize) -> Outcome<Tree> {
    let path = scratch.join("corpus");
    let written = corpus.write(&path)?;
    let mut parts = Vec::new();
    match projects {
        1 => parts.push((path.clone(), written.files)),
        _ => {
            for study in 1..=projects {
                let part = path.join(format!("study_{study:03}"));
                parts.push((part, written.files / projects as u64));
            }
        }
    }
    disk::settled(scratch)?;
    Ok(Tree {
        name,
        path,
        parts,
        bytes: written.bytes,
    })
}

fn throughput(scratch: &Path, rounds: u32, scale: u32) -> Outcome<()> {
    println!(
        "| corpus | rules | files | MB | cp + sync | import | ratio | lowest | highest | peak memory |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    // `(a) …`
    let named = |name: &str| is_asked_for("BENCH_ONLY", &name[1..2]);
    for (name, corpus, projects) in corpora(scale).into_iter().filter(|(name, ..)| named(name)) {
        let tree = write(scratch, name, &corpus, projects)?;
        for (rules, chain) in CHAINS {
            let rows = measure(scratch, &tree, chain, rounds)?;
            println!(
                "| {} | {rules} | {} | {:.0} | {:.2} s | {:.2} s | {:.2} | {:.2} | {:.2} | {:.0} MB |",
                tree.name,
                tree.parts.iter().map(|part| part.1).sum::<u64>(),
                tree.bytes as f64 / 1e6,
                median(rows.iter().map(|round| round.copy).collect()),
                median(rows.iter().map(|round| round.import).collect()),
                median(rows.iter().map(Round::ratio).collect()),
                rows.iter().map(Round::ratio).fold(f64::INFINITY, f64::min),
                rows.iter().map(Round::ratio).fold(0.0, f64::max),
                rows.iter().map(|round| round.peak).fold(0.0, f64::max),
            );
        }
        disk::removed(scratch, &tree.path)?;
        disk::emptied(scratch)?;
    }
    println!();
    Ok(())
}

struct Round {
    /// Seconds.
    copy: f64,
    import: f64,
    /// The server's memory at most, in megabytes.
    peak: f64,
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
                let copy = disk::copy(scratch, &tree.path)?;
                let (import, peak) = import(scratch, tree, chain)?;
                Ok(Round { copy, import, peak })
            } else {
                let (import, peak) = import(scratch, tree, chain)?;
                let copy = disk::copy(scratch, &tree.path)?;
                Ok(Round { copy, import, peak })
            }
        })
        .collect()
}

/// Seconds and megabytes.
fn import(scratch: &Path, tree: &Tree, chain: &[&str]) -> Outcome<(f64, f64)> {
    let data = scratch.join("data");
    for project in PROJECTS {
        fs::create_dir_all(data.join("inbox").join(project))?;
        write_policy(&data, project, chain)?;
    }
    for module in ["first", "second"] {
        scaffold(&data, module)?;
    }
    let server = Server::start(&data)?;
    let mut calls = Vec::new();
    for (project, (part, files)) in PROJECTS.into_iter().zip(&tree.parts) {
        server
            .client
            .put(&format!("/data/projects/{project}"), &[])?;
        let path = data.join("inbox").join(project).join("corpus");
        fs::rename(part, &path)?;
        calls.push((project, path, *files));
    }
    // The policies are live before the first call, as those of an administrator are.
    server.client.post("/xapi/rules/reload", &[])?;
    let seconds = server.import(&calls);
    let memory = server.memory();
    for ((_, path, _), (part, _)) in calls.iter().zip(&tree.parts) {
        fs::rename(path, part)?;
    }
    drop(server);
    disk::removed(scratch, &data)?;
    Ok((seconds?, memory?.1))
}

/// What other programs do, on a part of (a) and (b).
fn rivals(scratch: &Path, rounds: u32, scale: u32) -> Outcome<()> {
    println!("| program | what it does | (a) ratio | (b) ratio |");
    println!("|---|---|---|---|");
    let mut rows: Vec<Vec<Option<f64>>> = vec![Vec::new(); RIVALS.len() + 1];
    for (name, corpus, _) in corpora(scale).into_iter().take(2) {
        let tree = write(scratch, name, &corpus, 1)?;
        let path = disk::part(&tree.path, scratch.join("part"), RIVALS_STEP)?;
        let part = Tree {
            name,
            parts: vec![(path.clone(), tree.parts[0].1 / RIVALS_STEP as u64)],
            path,
            bytes: 0,
        };
        let rounds = measure(scratch, &part, CHAINS[0].1, rounds)?;
        rows[0].push(Some(median(rounds.iter().map(Round::ratio).collect())));
        for (row, (rival, _)) in rows[1..].iter_mut().zip(RIVALS) {
            let mut ratios = Vec::new();
            if !is_asked_for("BENCH_RIVALS", rival) {
                row.push(None);
                continue;
            }
            for _ in 0..rounds.len() {
                let copy = disk::copy(scratch, &part.path)?;
                if let Some(seconds) = disk::rival(scratch, &part.path, rival)? {
                    ratios.push(copy / seconds);
                }
            }
            row.push((!ratios.is_empty()).then(|| median(ratios)));
        }
        disk::removed(scratch, &part.path)?;
        disk::removed(scratch, &tree.path)?;
        disk::emptied(scratch)?;
    }
    let ours = ("sluice", "an import with ps315-basic");
    for ((name, what), row) in [ours].into_iter().chain(RIVALS).zip(rows) {
        let cell = |ratio: &Option<f64>| ratio.map_or("–".into(), |ratio| format!("{ratio:.2}"));
        println!(
            "| {name} | {what} | {} |",
            row.iter().map(cell).collect::<Vec<_>>().join(" | ")
        );
    }
    println!();
    Ok(())
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

/// Whether a variable lists this, or is not set: then all is asked for.
fn is_asked_for(variable: &str, one: &str) -> bool {
    let list = std::env::var(variable).unwrap_or_default();
    list.is_empty() || list.split(',').any(|listed| listed == one)
}

fn number(variable: &str, usual: u32) -> Outcome<u32> {
    match std::env::var(variable) {
        Ok(text) => Ok(text
            .parse()
            .map_err(|_| format!("{variable}={text} is not a number"))?),
        Err(_) => Ok(usual),
    }
}
