//! SIGKILL at random moments, several times over on the same folder: what is left in the end is what an
//! undisturbed import leaves, rows, report, bytes and sources.

use std::time::{Duration, Instant};

use crate::server::wait_for;
use crate::site::Site;
use crate::{database, dicom, snapshot};

/// Sets where the moments are drawn from; it is printed.
const SEED: &str = "CRASH_SEED";
const KILLS: u32 = 50;

/// Knuth's 64-bit generator: no more than moments to kill at hang on it.
struct Random(u64);

impl Random {
    /// From 0 to 1.
    fn next(&mut self) -> f64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[test]
fn fifty_kills_at_random_moments_change_nothing() {
    if database::is_elsewhere() {
        // The database can't be copied with the folder; `cluster` kills workers on it.
        return;
    }
    let seed = std::env::var(SEED).ok().map_or_else(
        || u64::from(std::process::id()),
        |seed| seed.parse().unwrap(),
    );
    println!("{SEED}={seed}");
    let mut random = Random(seed);
    let template = Site::prepared();
    dicom::study(&template.inbox("P/s/a"), 1, 3, 20);
    dicom::study(&template.inbox("P/s/b"), 2, 3, 20);

    let mut golden = template.copied();
    golden.serve(&[]);
    let start = Instant::now();
    wait_for("the undisturbed import", || is_over(&golden).then_some(()));
    let duration = start.elapsed();
    golden.stop();
    let golden = snapshot::of(&golden);

    let mut kills = 0;
    while kills < KILLS {
        let mut site = template.copied();
        // Up to four on one folder, each at a moment that the rest of the import may still be running at.
        for _ in 0..1 + (random.next() * 4.0) as u32 {
            site.serve(&[]);
            let moment = Instant::now() + duration.mul_f64(random.next());
            while Instant::now() < moment && !is_over(&site) {
                std::thread::sleep(Duration::from_millis(2));
            }
            site.kill();
            kills += 1;
        }
        site.serve(&[]);
        wait_for("the end of the import", || is_over(&site).then_some(()));
        site.stop();
        if let Some(difference) = snapshot::difference(&golden, &snapshot::of(&site)) {
            panic!("after {kills} kills, {SEED}={seed}:\n{difference}");
        }
    }
}

/// Whether the one import has ended. It is called for if that was not done, or the server died over it.
fn is_over(site: &Site) -> bool {
    let answer = site.get("root", "/xapi/dicom/1");
    if answer.status == 404 {
        let clean = [("cleanupAfterImport", "true")];
        assert_eq!(site.call_import("ada", "P", "P/s", &clean).status, 200);
        return false;
    }
    matches!(
        answer.json()["status"].as_str(),
        Some("Completed" | "Failed")
    )
}
