//! A site under everything at once, for as long as one likes: imports of all sorts into two projects, uploads, broken
//! files, rules that are reloaded (a third of them broken), requests that are cancelled, sessions that are deleted,
//! workers that are killed. Nothing is lost, and the server does not grow.
//!
//! What "flat" means: of samples taken each second, the mean of the last third is held against the mean of the
//! middle third, as what a server needs to get warm is in the first. A leak grows with time and shows there.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use serde_json::json;
use sluice::sample::write_hostile;

use crate::random::Random;
use crate::server::{Server, run, wait_for};
use crate::site::Site;
use crate::{archives, database, dicom, forms};

/// In seconds. On PostgreSQL only where it is said: the short form is of the usual database.
const LENGTH: (&str, u32) = ("SLUICE_TEST_SOAK_SECONDS", 120);

/// Requests that are under way at once.
const AT_ONCE: usize = 5;

/// Sessions beyond which some are deleted.
const SESSIONS: usize = 30;

const RULES_EACH: Duration = Duration::from_secs(5);
const KILL_EACH: Duration = Duration::from_secs(11);
const UPKEEP_EACH: Duration = Duration::from_secs(9);

#[derive(Clone, Copy)]
struct Sample {
    memory: f64,
    files: f64,
    database: f64,
}

struct Soak {
    site: Site,
    random: Random,
    /// Addresses of requests that have not been seen to end.
    under_way: Vec<String>,
    made: u32,
    did: BTreeMap<&'static str, u32>,
    outcome_to_files: BTreeMap<String, u64>,
}

impl Soak {
    fn count(&mut self, what: &'static str) {
        *self.did.entry(what).or_default() += 1;
    }

    /// One more import, of some sort.
    fn import(&mut self) {
        self.made += 1;
        let number = self.made;
        let project = *self.random.one_of(&["P", "AUTO"]);
        let below = format!("{project}/s{number}");
        let folder = self.site.inbox(&below);
        // Few studies: most come in again, whole or in part, or with other bytes.
        let study = self.random.below(25) as u32;
        let kind = self.random.below(10);
        match kind {
            0 => drop(write_hostile(&folder, u64::from(study)).unwrap()),
            1 => {
                dicom::study(&folder, study, 1, 3);
                dicom::cut(&folder.join("1-2.dcm"), 500);
                fs::write(folder.join("notes.txt"), "no picture").unwrap();
            }
            _ => {
                let slices = 2 + self.random.below(12) as u32;
                dicom::study(&folder, study, 1, slices);
            }
        }
        if kind >= 8 {
            self.upload(project, &folder, kind == 9);
            return;
        }
        let below = if kind == 7 {
            archives::zip(&folder, &folder.with_extension("zip"));
            fs::remove_dir_all(&folder).unwrap();
            format!("{below}.zip")
        } else {
            below
        };
        let answer =
            self.site
                .call_import("ada", project, &below, &[("cleanupAfterImport", "true")]);
        match answer.status {
            200 => {
                self.under_way.push(answer.text().trim_end().to_owned());
                self.count("imports");
            }
            // Its label is taken in the archive.
            status => assert_eq!(status, 409, "{}", answer.text()),
        }
    }

    fn upload(&mut self, project: &str, folder: &std::path::Path, broken: bool) {
        let path = folder.with_extension("up");
        archives::zip(folder, &path);
        let mut body = fs::read(&path).unwrap();
        if broken {
            body.truncate(body.len() / 2);
        }
        fs::remove_file(path).unwrap();
        fs::remove_dir_all(folder).unwrap();
        let query = [("import-handler", "DICOM-zip"), ("project", project)];
        let import = "/data/services/import";
        let answer = self
            .site
            .upload("ada", import, &query, "application/zip", &body);
        assert!(answer.status < 500, "{}", answer.text());
        self.count("uploads");
        let request = answer.header("link").split(['<', '>']).nth(1);
        self.under_way.extend(request.map(str::to_owned));
    }

    /// Sees which have ended; each must have told of all that it found.
    fn look(&mut self) {
        let requests = std::mem::take(&mut self.under_way);
        for address in requests {
            let status = self.site.get("root", &address).json();
            if !status["finished"].is_i64() {
                self.under_way.push(address);
                continue;
            }
            let done = self.site.ended(&address);
            for (outcome, files) in done.status["counts"].as_object().unwrap() {
                let all = self.outcome_to_files.entry(outcome.clone()).or_default();
                *all += files.as_u64().unwrap();
            }
            self.count("ended");
        }
    }

    fn cancel(&mut self) {
        if self.under_way.is_empty() || self.random.below(6) != 0 {
            return;
        }
        let address = self.random.one_of(&self.under_way).clone();
        let answer = self.site.call("ada", "DELETE", &address, &[]);
        assert!(
            matches!(answer.status, 200 | 202 | 409),
            "{}",
            answer.status
        );
        self.count("cancels");
    }

    fn delete(&mut self) {
        let waiting = self.site.get("otto", "/data/prearchive").rows();
        if waiting.len() > SESSIONS {
            let uri = self.random.one_of(&waiting)["url"].clone();
            let path = format!("/data{}", uri.as_str().unwrap());
            let answer = self.site.call("otto", "DELETE", &path, &[]);
            // It may be in somebody's hands, or gone with an import.
            assert!(answer.status < 500, "{}", answer.text());
            self.count("deletions");
        }
        let archived = self
            .site
            .get("otto", "/data/projects/AUTO/experiments")
            .rows();
        if archived.len() > SESSIONS / 3 {
            let id = self.random.one_of(&archived)["ID"].clone();
            let path = format!("/data/experiments/{}", id.as_str().unwrap());
            let answer = self
                .site
                .call("otto", "DELETE", &path, &[("removeFiles", "true")]);
            assert!(answer.status < 500, "{}", answer.text());
            self.count("deletions");
        }
    }

    /// Other rules, out of a few, or none that could run: then the last good ones stay.
    fn reload(&mut self) {
        let project = *self.random.one_of(&["P", "AUTO"]);
        let code = if project == "P" { 0 } else { 4 };
        let route = json!({ "module": "xnat-routing", "settings": { "prearchive_code": code } });
        match self.random.below(3) {
            0 => {
                let path = format!("projects/{project}/policy.json");
                self.site.rules(&path, "{ broken");
                self.count("broken reloads");
            }
            _ => {
                let module = *self.random.one_of(&["slow", "ps315-basic", "xnat-default"]);
                let policy = json!({ "anonymize": [{ "module": module }], "route": route,
                    "leak_check": *self.random.one_of(&["off", "report"]) });
                self.site.policy(project, &policy);
                self.count("reloads");
            }
        }
    }

    /// What an administrator's retention removes, of days that have passed here at once.
    fn keep_up(&mut self) {
        // What has not been looked at stays.
        self.look();
        if !self.under_way.is_empty() {
            return;
        }
        let days = 3 * 24 * 60 * 60 * 1000_i64;
        self.site.sql(&format!(
            "UPDATE requests SET finished = finished - {days} WHERE finished IS NOT NULL;
             UPDATE commits SET finished = finished - {days} WHERE finished IS NOT NULL;
             UPDATE audit SET at = at - {days}"
        ));
        let keep = [
            "--keep-requests-days",
            "1",
            "--keep-audit-days",
            "1",
            "--keep-history-days",
            "1",
        ];
        run(
            self.site.data(),
            &[&["maintenance"][..], &keep].concat(),
            "",
        );
        self.count("upkeeps");
    }

    fn sample(&self) -> Sample {
        let server = self.site.server();
        Sample {
            memory: server.memory("VmRSS") as f64,
            files: server.open_files() as f64,
            database: database::size(self.site.data()) as f64,
        }
    }
}

/// Fails if the last third of the samples is above the middle third by more than a share of it and a bit.
fn flat(samples: &[Sample], what: &str, share: f64, bit: f64, of: fn(&Sample) -> f64) -> String {
    let third = samples.len() / 3;
    let mean = |part: &[Sample]| part.iter().map(of).sum::<f64>() / part.len() as f64;
    let (middle, last) = (
        mean(&samples[third..2 * third]),
        mean(&samples[2 * third..]),
    );
    let course: Vec<u64> = samples.iter().map(|s| of(s) as u64).step_by(5).collect();
    assert!(
        last <= middle * (1.0 + share) + bit,
        "{what} grows: {middle:.0} in the middle third, {last:.0} in the last: {course:?}"
    );
    let unit = if middle > 1e6 { 1_048_576.0 } else { 1.0 };
    format!("{what} {:.0} to {:.0}", middle / unit, last / unit)
}

#[test]
fn a_site_under_everything_at_once_loses_nothing_and_does_not_grow() {
    let short = if database::is_elsewhere() {
        0
    } else {
        LENGTH.1
    };
    let seconds = forms::size(LENGTH.0, short);
    if seconds == 0 {
        return;
    }
    let mut site = Site::prepared();
    let code = "fn anonymize(ds, ctx) { let n = 0; while n < 20000 { n += 1; } keep() }";
    site.rhai("slow", "anonymize", &[], &[], code);
    site.serve(&[]);
    let worker = |site: &Site| Server::start_worker(site.data(), &[("SLUICE_WORKERS", "1")]);
    let mut helper = worker(&site);
    let mut soak = Soak {
        site,
        random: Random::new(),
        under_way: Vec::new(),
        made: 0,
        did: BTreeMap::new(),
        outcome_to_files: BTreeMap::new(),
    };
    let (start, mut samples) = (Instant::now(), Vec::new());
    let mut next_sample = start;
    let [mut next_rules, mut next_kill, mut next_upkeep] =
        [RULES_EACH, KILL_EACH, UPKEEP_EACH].map(|each| start + each);
    while start.elapsed() < Duration::from_secs(u64::from(seconds)) {
        let now = Instant::now();
        let is_time_to_rest = now >= next_upkeep;
        if !is_time_to_rest && soak.under_way.len() < AT_ONCE {
            soak.import();
        }
        soak.look();
        soak.cancel();
        soak.delete();
        if now >= next_rules {
            soak.reload();
            next_rules = now + RULES_EACH;
        }
        if now >= next_kill {
            helper.kill();
            helper = worker(&soak.site);
            soak.count("kills");
            next_kill = now + KILL_EACH;
        }
        if is_time_to_rest && soak.under_way.is_empty() {
            soak.keep_up();
            next_upkeep = Instant::now() + UPKEEP_EACH;
        }
        if now >= next_sample {
            samples.push(soak.sample());
            next_sample = now + Duration::from_secs(1);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    wait_for("the end of all", || {
        soak.look();
        soak.under_way.is_empty().then_some(())
    });
    assert!(helper.terminate().success());
    let found = soak.outcome_to_files["found"];
    let sum: u64 = soak.outcome_to_files.values().sum();
    assert_eq!(sum, 2 * found, "{:?}", soak.outcome_to_files);
    assert!(soak.outcome_to_files["stored"] > 0);
    let mb = f64::from(1 << 20);
    // In minutes, what the allocator takes once and keeps (a compilation's hundreds of small blocks, for one) may come
    // in any third; what grows with time shows in an hour.
    let once = if seconds < 600 { 64.0 } else { 6.0 };
    let held = [
        flat(&samples, "memory (MB)", 0.10, once * mb, |s| s.memory),
        flat(&samples, "open files", 0.15, 8.0, |s| s.files),
        flat(&samples, "database (MB)", 0.15, mb, |s| s.database),
    ];
    let did = soak
        .did
        .iter()
        .map(|(what, count)| format!("{count} {what}"));
    let did: Vec<String> = did.collect();
    forms::told(
        &format!("soak of {seconds} s"),
        &format!("{}, {found} files", did.join(", ")),
        &format!("each ended, found is the sum; {}", held.join(", ")),
    );
    // With all that holds whenever nothing is under way.
    soak.site.stop();
}
