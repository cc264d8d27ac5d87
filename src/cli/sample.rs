//! `sluice sample`: writes a generated corpus, for tests, benches and trying things out.

use std::io;
use std::path::PathBuf;

use clap::Args;

use crate::sample::{Corpus, Kind, Syntax, write_hostile};

#[derive(Debug, Args)]
pub struct SampleArgs {
    /// The folder to write to; made if missing.
    out: PathBuf,
    #[arg(long, value_enum, default_value = "ct")]
    kind: Kind,
    /// Write the set of broken and doubtful files instead.
    #[arg(long, conflicts_with_all = ["kind", "ts"])]
    hostile: bool,
    #[arg(long, default_value_t = 1)]
    studies: u32,
    /// The number of the first study: each has another patient, and the names go round the character sets.
    #[arg(long, default_value_t = 0)]
    first: u32,
    /// Per study.
    #[arg(long, default_value_t = 1)]
    series: u32,
    /// Per series.
    #[arg(long, default_value_t = 10)]
    slices: u32,
    /// Rows and columns of a picture; the kind decides unless given.
    #[arg(long)]
    rows: Option<u16>,
    /// The transfer syntax.
    #[arg(long, value_enum, default_value = "explicit")]
    ts: Syntax,
    /// The same seed gives the same files.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Writes the corpus and says what was written.
pub fn run(args: SampleArgs) -> io::Result<()> {
    if args.hostile {
        let files = write_hostile(&args.out, args.seed)?;
        println!("{} files", files.len());
        return Ok(());
    }
    let usual = Corpus::new(args.kind);
    let corpus = Corpus {
        studies: args.studies,
        first_study: args.first,
        series: args.series,
        slices: args.slices,
        rows: args.rows.unwrap_or(usual.rows),
        columns: args.rows.unwrap_or(usual.columns),
        syntax: args.ts,
        seed: args.seed,
        ..usual
    };
    let written = corpus.write(&args.out)?;
    println!(
        "{} files, {:.1} MB",
        written.files,
        written.bytes as f64 / 1e6
    );
    Ok(())
}
