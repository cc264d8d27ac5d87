//! Death at each point that a scenario passes, and once more at each point of what follows.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use super::points;
use super::scenario::{self, End, Scenario};
use crate::site::Site;
use crate::{database, forms, snapshot};

/// The short form on PostgreSQL dies at one of so many points of a scenario; the long form says 1.
const STEP: (&str, u32) = ("SLUICE_TEST_DEATHS_STEP", 16);

/// What every import passes in the same way, before it commits anything and after its end: one scenario, the
/// first, dies there for all.
const ALIKE: [&str; 19] = [
    "request.claimed",
    "import.pinned",
    "import.trawling",
    "import.prepared",
    "import.importing",
    "import.trawled",
    "stage.created",
    "stage.written",
    "stage.synced",
    "whole.written",
    "import.staging_dropped",
    "request.finish",
    "request.finished",
    "recover.begin",
    "recover.commits",
    "recover.swept",
    "recover.dropped",
    "recover.requeued",
    "recover.done",
];

/// The points that a run passed, in order, with how often each was.
fn traced(site: &Site) -> BTreeMap<String, usize> {
    let mut passes = BTreeMap::new();
    let text = fs::read_to_string(site.path("trace")).unwrap_or_default();
    for name in text.lines() {
        *passes.entry(name.to_owned()).or_default() += 1;
    }
    passes
}

/// A run that writes down the points it passes.
fn run_traced(
    scenario: &Scenario,
    site: &mut Site,
    armed: &[(&str, &str)],
) -> (End, BTreeMap<String, usize>) {
    let trace = site.path("trace");
    _ = fs::remove_file(&trace);
    let mut environment = vec![("FAILPOINTS_TRACE", trace.to_str().unwrap())];
    environment.extend(armed);
    let end = scenario.run(site, &environment);
    (end, traced(site))
}

/// Dies at the `pass`th time that `name` is passed.
fn dies_at(name: &str, pass: usize) -> String {
    format!("{name}={}*off->return", pass - 1)
}

/// The first time and the last, where that is another.
fn chosen(passes: usize) -> BTreeSet<usize> {
    BTreeSet::from([1, passes])
}

fn check(scenario: &Scenario, how: &str, golden: &[String], site: &Site) {
    if let Some(difference) = snapshot::difference(golden, &snapshot::of(site)) {
        panic!("{}: killed at {how}:\n{difference}", scenario.name);
    }
}

/// Runs a scenario with every death, and sees that it reaches the points named.
fn die_everywhere(scenario: &Scenario, reaches: &[&str]) {
    let template = scenario.template();
    let mut site = template.copied();
    let (end, points) = run_traced(scenario, &mut site, &[]);
    assert_eq!(end, End::Done, "{}", scenario.name);
    let golden = snapshot::of(&site);
    let mut reached: BTreeSet<String> = points.keys().cloned().collect();
    // A point that is met only after a first death, with that death.
    let mut second_to_first: BTreeMap<String, String> = BTreeMap::new();

    let is_first = scenario.name == scenario::NEW.name;
    let dies = |name: &str| points::kills(name) && (is_first || !ALIKE.contains(&name));
    let step = match database::is_elsewhere() {
        true => forms::size(STEP.0, STEP.1) as usize,
        false => 1,
    };
    let mut deaths = 0;
    let to_die_at = points.iter().filter(|(name, _)| dies(name));
    for (name, passes) in to_die_at.step_by(step) {
        for pass in chosen(*passes) {
            let how = dies_at(name, pass);
            let mut site = template.copied();
            let end = scenario.run(&mut site, &[("FAILPOINTS", &how)]);
            assert_eq!(end, End::Died, "{}: {how} was not passed", scenario.name);
            deaths += 1;
            let (end, after) = run_traced(scenario, &mut site, &[]);
            assert_eq!(end, End::Done, "{}: after {how}", scenario.name);
            check(scenario, &how, &golden, &site);
            for name in after.into_keys().filter(|name| !points.contains_key(name)) {
                second_to_first.entry(name).or_insert_with(|| how.clone());
            }
        }
    }
    for (second, first) in &second_to_first {
        reached.insert(second.clone());
        let mut site = template.copied();
        let how = format!("{first}, then {second}");
        assert_eq!(
            scenario.run(&mut site, &[("FAILPOINTS", first)]),
            End::Died,
            "{how}"
        );
        let second = dies_at(second, 1);
        assert_eq!(
            scenario.run(&mut site, &[("FAILPOINTS", &second)]),
            End::Died,
            "{how}"
        );
        assert_eq!(scenario.run(&mut site, &[]), End::Done, "{how}");
        check(scenario, &how, &golden, &site);
        deaths += 2;
    }
    forms::told(
        &format!("death at each step of {}", scenario.name),
        &format!("{deaths} deaths"),
        "bytes, rows, report and sources as undisturbed",
    );
    for name in reaches {
        assert!(
            step > 1 || reached.contains(*name),
            "{}: {name} is not reached: {reached:?}",
            scenario.name
        );
    }
}

macro_rules! deaths {
    ($($test:ident: $scenario:ident reaches $points:expr;)+) => {
        $(#[test]
        fn $test() {
            die_everywhere(&scenario::$scenario, &$points);
        })+

        /// Every point that some scenario dies at.
        pub fn all() -> BTreeSet<&'static str> {
            let mut all = BTreeSet::new();
            $(all.extend($points);)+
            all
        }
    };
}

deaths! {
    a_new_session: NEW reaches [
        "request.claimed", "import.pinned", "import.trawling", "import.prepared", "import.importing",
        "stage.created", "stage.written", "import.trawled", "stage.synced", "settle.reserved", "commit.begin",
        "commit.begun", "place.put", "place.placed", "catalog.temporary", "catalog.renamed", "place.synced",
        "commit.finish", "commit.finished", "commit.sources_removed", "commit.swept", "settle.waiting",
        "settle.committed", "import.settled", "import.processed", "whole.written", "whole.renamed",
        "clean.recorded", "clean.begin", "clean.renamed", "clean.removed", "clean.source_done", "clean.reported",
        "import.staging_dropped", "request.finish", "request.finished", "recover.begin", "recover.adopted",
        "recover.commits", "recover.swept", "recover.dropped", "recover.requeued", "recover.done",
        "retry.recovered", "retry.staging_dropped",
    ];
    a_new_session_whose_sources_are_kept: KEPT reaches ["import.processed"];
    a_session_that_archives_itself: AUTO reaches ["commit.begun"];
    more_files_of_a_session_that_waits: INTO_WAITING reaches ["commit.begun"];
    more_files_of_an_archived_session: INTO_ARCHIVE reaches ["commit.begun"];
    a_session_that_is_merged_away: RETIRED reaches ["archive.marked", "recover.archiving"];
    a_quarantined_session: QUARANTINE reaches ["commit.begun"];
    two_sessions_of_one_request: TWO_SESSIONS reaches ["settle.committed"];
    a_folder_of_all_sorts: MIXED reaches ["clean.removed"];
    a_study_that_is_split: SPLIT reaches ["split.handed_over", "settle.committed"];
    an_archive_file: ZIP reaches ["clean.renamed", "clean.removed", "clean.archive_done"];
    an_uploaded_archive: UPLOAD reaches [
        "upload.received", "upload.handed", "upload.queued", "import.assigned", "commit.begun",
    ];
    rules_on_the_way_to_the_archive: REMADE reaches ["settle.remade"];
    rules_at_an_archive_call: REMADE_LATER reaches ["archive.marked", "recover.archiving", "recover.dropped"];
    an_archive_call: ARCHIVE reaches ["archive.marked", "recover.archiving"];
    an_archive_call_that_overwrites: OVERWRITE reaches ["place.history", "place.beside"];
    an_archive_call_for_what_has_a_history: HISTORY reaches ["place.history_carried"];
    a_release: RELEASE reaches ["commit.begun"];
    a_release_into_a_session_that_waits: RELEASE_INTO reaches ["commit.begun"];
    a_move_to_another_project: MOVE reaches ["move.marked", "recover.archiving", "recover.dropped", "commit.begun"];
    a_rebuild: REBUILD reaches ["rebuild.marked", "rebuild.read", "rebuild.written", "recover.archiving"];
    an_experiment_s_other_label: RENAME reaches ["commit.begun", "commit.finished"];
    an_experiment_s_end: REMOVE reaches ["delete.marked", "delete.folder_removed", "recover.deleted"];
    a_deletion: DELETE reaches ["delete.marked", "delete.folder_removed", "recover.deleted"];
    a_deletion_from_quarantine: DELETE_QUARANTINED reaches ["delete.marked", "recover.deleted"];
}
