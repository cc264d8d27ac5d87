//! What the fuzzer starts from, and what it once found, run through the very functions that it runs (`make fuzz`):
//! each of them panics where Sluice is wrong.

#[path = "../fuzz/src/lib.rs"]
mod targets;

use std::path::{Path, PathBuf};

/// The committed seeds may not grow into a download.
const MOST_BYTES: u64 = 100_000;

fn run(target: &str, function: fn(&[u8])) {
    let files = files(&corpus().join(target));
    assert!(!files.is_empty(), "{target}: there is no corpus");
    for file in files {
        let bytes = std::fs::read(&file).unwrap();
        let ran = std::panic::catch_unwind(|| function(&bytes));
        assert!(ran.is_ok(), "{}", file.display());
    }
}

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus")
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

macro_rules! targets {
    ($($target:ident),+) => {
        $(#[test]
        fn $target() {
            run(stringify!($target), targets::$target);
        })+

        #[test]
        fn every_target_is_run_and_the_corpus_is_small() {
            let expected = [$(stringify!($target)),+];
            let name = |file: &PathBuf| file.file_stem().unwrap().to_str().unwrap().to_owned();
            let mut sorted = expected.map(str::to_owned).to_vec();
            sorted.sort();
            let sources = corpus().with_file_name("fuzz_targets");
            assert_eq!(files(&sources).iter().map(name).collect::<Vec<_>>(), sorted);
            assert_eq!(files(&corpus()).iter().map(name).collect::<Vec<_>>(), sorted);
            let all = expected.iter().flat_map(|target| files(&corpus().join(target)));
            let bytes: u64 = all.map(|file| file.metadata().unwrap().len()).sum();
            assert!(bytes < MOST_BYTES, "{bytes} bytes");
        }
    };
}
targets!(
    archive, documents, host_calls, instance, path, script, script_run
);
