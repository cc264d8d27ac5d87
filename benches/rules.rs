//! What rules cost for an instance, against reading its header, with Sluice's own reader and with dicom-rs's: three
//! modules of ten edits in each language, edit by edit and as a table, and the de-identification that ships; and a
//! long DicomEdit script on many frames. All run on one file in turns, on one thread; what is printed are medians.
//!
//! Environment: `BENCH_RUNS` (2000); `BENCH_ONLY`, what the names of the wanted rules hold, for a profile of them.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dicom_object::OpenFileOptions;
use serde_json::{Value, json};
use sluice::dicom::edit::{Change, Reach};
use sluice::dicom::path::Pattern;
use sluice::dicom::{Instance, tags};
use sluice::rules::host::Detail;
use sluice::rules::{At, Labels, Registry, RuleSet, Run, Verdict};
use sluice::sample::{Corpus, Kind};

type Outcome<T> = Result<T, Box<dyn Error>>;

const ELEMENTS: usize = 200;
const PROJECT: &str = "BENCH";
const SCRIPTS: [(&str, &str); 2] = [
    ("ten-edits-rhai", include_str!("ten_edits.rhai")),
    ("ten-rows-rhai", include_str!("ten_rows.rhai")),
];

fn main() -> Outcome<()> {
    let runs = match std::env::var("BENCH_RUNS") {
        Ok(text) => text.parse::<usize>()?.max(1),
        Err(_) => 2000,
    };
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("header.dcm");
    fs::write(&file, header(folder.path())?)?;

    let three = |module: &str| vec![json!({ "module": module }); 3];
    let chains = [
        ("3 modules of 10 edits, Rhai", three("ten-edits-rhai")),
        (
            "3 modules of 10 edits in a table, Rhai",
            three("ten-rows-rhai"),
        ),
        ("3 modules of 10 edits, WebAssembly", three("ten-edits")),
        ("ps315-basic", vec![json!({ "module": "ps315-basic" })]),
    ];
    let rules = folder.path().join("rules");
    let only = std::env::var("BENCH_ONLY").unwrap_or_default();
    let sets = chains
        .into_iter()
        .filter(|(name, _)| name.contains(&only))
        .map(|(name, chain)| Ok((name, compile(&rules, chain)?)))
        .collect::<Outcome<Vec<_>>>()?;

    let (mut parsing, mut known) = (Vec::with_capacity(runs), Vec::with_capacity(runs));
    let mut costs = vec![Vec::with_capacity(runs); sets.len()];
    for _ in 0..runs {
        let start = Instant::now();
        let object = OpenFileOptions::new()
            .read_until(tags::PIXEL_DATA)
            .open_file(&file)?;
        known.push(start.elapsed());
        drop(object);
        for ((name, set), costs) in sets.iter().zip(&mut costs) {
            let start = Instant::now();
            let instance = Instance::read(File::open(&file)?)?;
            parsing.push(start.elapsed());
            costs.push(anonymize(name, set, instance)?);
        }
    }
    let (parse, known) = (median(&mut parsing), median(&mut known));
    println!(
        "{runs} runs; reading a header of {ELEMENTS} elements takes {}, with dicom-rs {}\n",
        micros(parse),
        micros(known)
    );
    println!(
        "| rules | for an instance | of reading | of reading with dicom-rs |\n|---|---|---|---|"
    );
    for ((name, _), costs) in sets.iter().zip(&mut costs) {
        let cost = median(costs);
        println!(
            "| {name} | {} | {:.2} | {:.2} |",
            micros(cost),
            cost.as_secs_f64() / parse.as_secs_f64(),
            cost.as_secs_f64() / known.as_secs_f64()
        );
    }
    if only.is_empty() {
        println!("\n{}", deletions(runs)?);
    }
    Ok(())
}

/// A DicomEdit script that deletes 250 tags at any depth, on a header of 1,000 elements of which the most stand in
/// per-frame items.
fn deletions(runs: usize) -> Outcome<String> {
    const FRAMES: usize = 240;
    let mut instance = Instance::from_bytes(plain_header())?;
    for frame in 0..FRAMES {
        for tag in ["(0018,9074)", "(0020,9157)", "(0020,0032)"] {
            let path = Pattern::parse_path(&format!("(5200,9230)[{frame}]/(0020,9111)[0]/{tag}"))?;
            instance.set_as_given(&path, "1")?;
        }
    }
    let bytes = instance.to_bytes()?;
    let folder = tempfile::tempdir()?;
    let header = folder.path().join("frames.dcm");
    fs::write(&header, bytes)?;
    let mut script = "version \"6.6\"\n".to_owned();
    for index in 0..250 {
        // Half of them at the top, and none of the frames' own.
        let level = if index % 2 == 0 { "*/" } else { "" };
        script.push_str(&format!("- {level}(0010,{:04X})\n", 0x1000 + index));
    }
    let rules = folder.path().join("rules");
    fs::create_dir_all(rules.join("site"))?;
    fs::write(rules.join("site/site.das"), script)?;
    fs::write(
        rules.join("site/policy.json"),
        br#"{ "anonymize": [{ "script": "site.das" }] }"#,
    )?;
    let set = Registry::open(rules).check(PROJECT)?;
    let (mut parsing, mut costs) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        let start = Instant::now();
        let instance = Instance::read(File::open(&header)?)?;
        parsing.push(start.elapsed());
        costs.push(anonymize("250 deletions", &set, instance)?);
    }
    let mut elements = 0;
    Instance::read(File::open(&header)?)?.walk(&mut |_, _, _| {
        elements += 1;
        true
    });
    let (parse, cost) = (median(&mut parsing), median(&mut costs));
    Ok(format!(
        "250 deletions in DicomEdit on {elements} elements in {FRAMES} frames: {}, reading them {} ({:.2})",
        micros(cost),
        micros(parse),
        cost.as_secs_f64() / parse.as_secs_f64()
    ))
}

/// Preamble, file meta information and two UIDs.
fn plain_header() -> Vec<u8> {
    let mut meta = Vec::new();
    let mut element = |tag: [u8; 4], uid: &[u8]| {
        meta.extend(tag);
        meta.extend(b"UI");
        meta.extend((uid.len() as u16).to_le_bytes());
        meta.extend(uid);
    };
    element([2, 0, 0x10, 0], b"1.2.840.10008.1.2.1\0");
    let length = meta.len() as u32;
    let mut bytes = vec![0; 128];
    bytes.extend(b"DICM\x02\0\0\0UL\x04\0");
    bytes.extend(length.to_le_bytes());
    bytes.extend(meta);
    bytes.extend(b"\x08\0\x16\0UI\x1A\x001.2.840.10008.5.1.4.1.1.2\0");
    bytes.extend(b"\x08\0\x18\0UI\x08\x001.2.3.4\0");
    bytes
}

/// A generated CT slice, with as many private elements taken out as leave [`ELEMENTS`], those in items counted.
fn header(scratch: &Path) -> Outcome<Vec<u8>> {
    let corpus = scratch.join("corpus");
    Corpus {
        series: 1,
        slices: 1,
        ..Corpus::new(Kind::Ct)
    }
    .write(&corpus)?;
    let slice = first_file(&corpus)?.ok_or("no sample was written")?;
    let mut instance = Instance::read(File::open(slice)?)?;
    let count = |instance: &Instance| {
        let mut count = 0_usize;
        instance.walk(&mut |_, _, _| {
            count += 1;
            true
        });
        count
    };
    let mut surplus = count(&instance).saturating_sub(ELEMENTS);
    instance.edit(Reach::Everything, &mut |location, element, _| {
        let is_spare = location.len() == 1 && element.sequence().is_none() && element.is_private();
        if surplus > 0 && is_spare && element.tag.element() > 0xFF {
            surplus -= 1;
            return Change::Remove;
        }
        Change::Keep
    })?;
    assert_eq!(
        count(&instance),
        ELEMENTS,
        "the sample has other elements than it had"
    );
    Ok(instance.to_bytes()?)
}

fn first_file(folder: &Path) -> Outcome<Option<std::path::PathBuf>> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let found = if path.is_dir() {
            first_file(&path)?
        } else {
            Some(path)
        };
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// A rule set with this chain and nothing beside it.
fn compile(rules: &Path, chain: Vec<Value>) -> Outcome<Arc<RuleSet>> {
    let write = |path: &str, content: &[u8]| {
        let path = rules.join(path);
        fs::create_dir_all(path.parent().unwrap_or(rules))?;
        fs::write(path, content)
    };
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/modules/ten-edits");
    let manifest = fs::read(from.join("module.json"))?;
    write("modules/ten-edits/module.json", &manifest)?;
    write(
        "modules/ten-edits/rule.wasm",
        &fs::read(from.join("rule.wasm"))?,
    )?;
    let mut script: Value = serde_json::from_slice(&manifest)?;
    for (name, code) in SCRIPTS {
        for (key, value) in [("name", name), ("engine", "rhai"), ("entry", "rule.rhai")] {
            script[key] = value.into();
        }
        write(
            &format!("modules/{name}/module.json"),
            script.to_string().as_bytes(),
        )?;
        write(&format!("modules/{name}/rule.rhai"), code.as_bytes())?;
    }
    write("site/policy.json", br#"{ "anonymize": [] }"#)?;
    let policy = json!({ "anonymize": chain });
    write(
        &format!("projects/{PROJECT}/policy.json"),
        policy.to_string().as_bytes(),
    )?;
    Ok(Registry::open(rules.to_owned()).check(PROJECT)?)
}

fn anonymize(name: &str, set: &RuleSet, instance: Instance) -> Outcome<Duration> {
    let run = Run {
        file: "1.dcm".to_owned(),
        ..Run::new(
            PROJECT.to_owned(),
            &[7; 32],
            BTreeMap::new(),
            "2026-01-02T03:04:05Z".parse()?,
        )
    };
    let labels = Labels {
        subject: "S1".to_owned(),
        session: "E1".to_owned(),
        ..Labels::default()
    };
    let start = Instant::now();
    let (done, _) = set.record(&[At::Import], Detail::Actions, instance, &run, &labels);
    let cost = start.elapsed();
    match done.verdict {
        Ok(Verdict::Keep) => Ok(cost),
        other => Err(format!("{name}: {other:?}").into()),
    }
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn micros(time: Duration) -> String {
    format!("{:.1} µs", time.as_nanos() as f64 / 1000.0)
}
