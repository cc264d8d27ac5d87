//! SIGKILL at random moments, several times over on the same folder: what is left in the end is what an
//! undisturbed import leaves, rows, report, bytes and sources.

use std::time::{Duration, Instant};

use crate::random::Random;
use crate::server::wait_for;
use crate::site::Site;
use crate::{dicom, forms, snapshot};

/// How many, in all.
const KILLS: (&str, u32) = ("SLUICE_TEST_KILLS", 50);

#[test]
fn kills_at_random_moments_change_nothing() {
    let wanted = forms::size(KILLS.0, KILLS.1);
    let mut random = Random::new();
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

    let (mut kills, mut folders) = (0, 0);
    while kills < wanted {
        folders += 1;
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
            panic!("after {kills} kills, seed {}:\n{difference}", random.seed);
        }
    }
    forms::told(
        "SIGKILL at random moments",
        &format!("{kills} kills over {folders} imports"),
        "bytes, rows, report and sources as undisturbed",
    );
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
