//! A PostgreSQL that is stopped and started while imports run: each of them ends, once, as if it had not been.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::random::Random;
use crate::server::wait_for;
use crate::site::Site;
use crate::{database, dicom, forms};

const STOPS: (&str, u32) = ("SLUICE_TEST_STOPS", 3);
const REQUESTS: u32 = 6;
const FILES: u32 = 30;

/// A cluster that no other test uses; gone when its standard input is closed.
struct Cluster {
    script: Child,
    url: String,
    /// A command line of `pg_ctl`, but for what it shall do.
    control: String,
}

impl Cluster {
    fn start() -> Cluster {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let tell = "echo \"$SLUICE_TEST_POSTGRES\"; echo \"$SLUICE_TEST_POSTGRES_CONTROL\"; cat";
        let mut script = Command::new(root.join("tests/with_postgres.sh"))
            .args(["sh", "-c", tell])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(script.stdout.take().unwrap()).lines();
        let mut line = || lines.next().unwrap().unwrap();
        Cluster {
            url: line(),
            control: line(),
            script,
        }
    }

    fn control(&self, arguments: &str) {
        let command = format!("{} {arguments} >/dev/null", self.control);
        let status = Command::new("bash").args(["-c", &command]).status();
        assert!(status.unwrap().success(), "{command}");
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.script.stdin.take());
        _ = self.script.wait();
    }
}

#[test]
fn imports_outlive_a_database_that_stops_and_starts() {
    if !database::is_elsewhere() {
        return;
    }
    let stops = forms::size(STOPS.0, STOPS.1);
    let mut random = Random::new();
    let cluster = Cluster::start();
    let site = Site::empty();
    database::put(site.data(), &format!("{}/postgres", cluster.url));
    let mut site = site.populated();
    let code = "fn anonymize(ds, ctx) { let n = 0; while n < 100000 { n += 1; } keep() }";
    site.rhai("slow", "anonymize", &[], &[], code);
    site.policy("P", &json!({ "anonymize": [{ "module": "slow" }] }));
    site.serve(&[("SLUICE_WORKERS", "2")]);

    let (mut stopped, mut round) = (0, 0);
    let mut request_to_ends = BTreeMap::new();
    while stopped < stops {
        round += 1;
        let addresses: Vec<String> = (0..REQUESTS)
            .map(|number| {
                let below = format!("P/r{round}-{number}");
                let study = round * REQUESTS + number;
                dicom::study(&site.inbox(&below), study, 1, FILES);
                site.queue("P", &below, &[("cleanupAfterImport", "true")])
            })
            .collect();
        site.staged();
        // All at once without a word to anybody, or in good order.
        for mode in ["immediate", "fast"] {
            std::thread::sleep(Duration::from_secs_f64(random.next()));
            cluster.control(&format!("-m {mode} stop"));
            let ready = site.get("", "/readyz").status;
            assert_eq!(ready, 503, "{mode}: it says so");
            assert_eq!(site.get("", "/healthz").status, 200, "{mode}: it lives");
            let away = Instant::now() + Duration::from_secs_f64(4.0 * random.next());
            std::thread::sleep(away.saturating_duration_since(Instant::now()));
            cluster.control("-w start");
            stopped += 1;
        }
        for address in &addresses {
            wait_for("an answer", || {
                let answer = site.try_call("root", "GET", address, &[]);
                answer.is_ok_and(|a| a.status == 200).then_some(())
            });
            let done = site.ended(address);
            assert_eq!(done.state(), "Completed", "{}", done.resolution());
            assert_eq!(done.outcomes(), format!("{FILES} stored"));
            request_to_ends.insert(done.id(), 1);
        }
        assert_eq!(site.files("inbox/P"), Vec::<String>::new());
    }
    let requests = round * REQUESTS;
    let stored = (requests * FILES) as usize;
    assert_eq!(site.instances("prearchive").len(), stored);
    let ends = database::pairs(
        site.data(),
        "SELECT CAST(SUBSTR(object, 9) AS BIGINT), COUNT(*) FROM audit
         WHERE action = 'request.completed' GROUP BY object",
    );
    // Numbers have gaps where PostgreSQL was cut off.
    assert_eq!(
        ends.into_iter().collect::<BTreeMap<_, _>>(),
        request_to_ends
    );
    assert_eq!(request_to_ends.len() as u32, requests);
    site.stop();
    // Its cluster goes with the test.
    database::put_back(site.data());
    forms::told(
        "PostgreSQL stopped and started in mid-import",
        &format!("{stopped} stops, {requests} imports"),
        "each completed once",
    );
}
