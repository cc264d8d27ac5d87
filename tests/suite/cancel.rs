//! Cancelling a request: while it waits, while it runs, between its sessions, too late.

use serde_json::json;

use crate::dicom;
use crate::server::wait_for;
use crate::site::Site;

/// A site with one worker that is busy with a request of slow files.
fn busy() -> (Site, String) {
    let mut site = Site::prepared();
    site.slow_rule("P");
    dicom::study(&site.inbox("P/s"), 1, 1, Site::slow_files());
    site.serve(&[("SLUICE_WORKERS", "1")]);
    let address = site.queue("P", "P/s", &[("cleanupAfterImport", "true")]);
    site.staged();
    (site, address)
}

#[test]
fn a_request_that_waits_ends_at_once_and_never_runs() {
    let (site, running) = busy();
    dicom::study(&site.inbox("AUTO/one"), 2, 1, 1);
    dicom::study(&site.inbox("AUTO/two"), 3, 1, 1);
    let one = site.queue("AUTO", "AUTO/one", &[]);
    let two = site.queue("AUTO", "AUTO/two", &[]);
    for user in ["otto", "bob", "eve"] {
        let foreign = site.call(user, "POST", &format!("{one}/cancel"), &[]);
        assert_eq!((foreign.status, foreign.text()), (404, ""), "{user}");
        assert_eq!(site.call(user, "DELETE", &one, &[]).status, 404);
    }
    assert_eq!(
        site.call("", "POST", &format!("{one}/cancel"), &[]).status,
        401
    );
    let cancelled = site
        .call("ada", "POST", &format!("{one}/cancel"), &[])
        .json();
    assert_eq!(cancelled["status"], "Failed");
    assert_eq!(cancelled["resolution"], "Cancelled; nothing was stored.");
    assert!(cancelled["finished"].is_i64() && cancelled["cancelAsked"].is_i64());
    // By an administrator, and by the other name of it.
    assert_eq!(site.call("root", "DELETE", &two, &[]).status, 200);
    let again = site.call("root", "DELETE", &two, &[]);
    assert_eq!(again.status, 409);
    assert!(again.text().contains("has ended"), "{}", again.text());
    assert_eq!(
        site.audit("request/3").last().unwrap(),
        &("root".to_owned(), "request.cancel".to_owned())
    );

    assert_eq!(site.ended(&running).state(), "Completed");
    assert_eq!(site.files("archive"), Vec::<String>::new());
    assert_eq!(site.files("inbox/AUTO").len(), 2);
    let missing = site.call("root", "POST", "/xapi/dicom/99/cancel", &[]);
    assert_eq!(missing.status, 404);
}

#[test]
fn a_running_request_drops_what_it_staged_and_keeps_the_sources() {
    let (site, address) = busy();
    let asked = site.call("ada", "POST", &format!("{address}/cancel"), &[]);
    assert_eq!(asked.status, 202, "{}", asked.text());
    assert!(asked.body_json()["cancelAsked"].is_i64());
    let done = site.ended(&address);
    assert_eq!(done.state(), "Failed");
    assert_eq!(done.resolution(), "Cancelled; nothing was stored.");
    // Those that it had come to, each told of.
    let found = done.status["counts"]["found"].as_u64().unwrap();
    let files = u64::from(Site::slow_files());
    assert!((3..files).contains(&found), "{found}");
    assert_eq!(site.files("staging"), Vec::<String>::new());
    assert_eq!(site.files("prearchive"), Vec::<String>::new());
    assert_eq!(site.files("inbox/P").len() as u64, files);
    // The label that it would have given is free.
    site.policy("P", &json!({}));
    assert_eq!(
        site.import("P", "P/s", &[]).outcomes(),
        format!("{files} stored")
    );
}

#[test]
fn the_command_line_cancels_what_the_server_runs() {
    let (site, address) = busy();
    let told = site.command(&["request", "cancel", "1"], "");
    assert_eq!(told, "1\tits worker is told to end it\n");
    let done = site.ended(&address);
    assert_eq!(done.resolution(), "Cancelled; nothing was stored.");
    let rows = site.audit("request/1");
    assert!(
        rows.contains(&("(command line)".to_owned(), "request.cancel".to_owned())),
        "{rows:?}"
    );
}

#[test]
fn sessions_that_are_committed_stay_and_are_told() {
    let mut site = Site::prepared();
    let code =
        r#"fn route(summary, ctx) { let n = 0; while n < 1200000 { n += 1; } prearchive("slow") }"#;
    site.rhai("slow-route", "route", &[], &[], code);
    site.policy("P", &json!({ "route": { "module": "slow-route" } }));
    for study in 1..=4 {
        dicom::study(&site.inbox(&format!("P/s/{study}")), study, 1, 2);
    }
    site.serve(&[]);
    let address = site.queue("P", "P/s", &[("cleanupAfterImport", "true")]);
    let prearchive = "/data/prearchive/projects/P";
    wait_for("the first session", || {
        (!site.get("ada", prearchive).rows().is_empty()).then_some(())
    });
    let asked = site.call("ada", "POST", &format!("{address}/cancel"), &[]);
    assert_eq!(asked.status, 202, "{}", asked.text());
    let done = site.ended(&address);
    assert_eq!(done.state(), "Failed");
    let kept = done.sessions().len();
    assert!((1..4).contains(&kept), "{kept}");
    assert_eq!(
        done.outcomes(),
        format!("{} stored, {} failed", 2 * kept, 8 - 2 * kept)
    );
    let reported = &done.report.as_ref().unwrap()["sessions"][0];
    assert_eq!(reported["reason"], "slow", "the rule ran to its end");
    for session in done.sessions() {
        let uri = session["uri"].as_str().unwrap();
        assert!(done.resolution().contains(uri), "{}", done.resolution());
    }
    assert_eq!(site.instances("prearchive").len(), 2 * kept);
    assert_eq!(site.files("inbox/P").len(), 8, "no clean-up");
    assert_eq!(site.files("staging"), Vec::<String>::new());
    // The rest can be had by calling again.
    site.policy("P", &json!({}));
    let rest = site.import("P", "P/s", &[]);
    assert_eq!(
        rest.outcomes(),
        format!("{} stored, {} duplicate", 8 - 2 * kept, 2 * kept)
    );
}

#[test]
fn a_cancelled_request_does_not_start_again_after_an_interruption() {
    let (mut site, address) = busy();
    site.interrupt();
    // It waits to be taken up again; only a worker can tell what it has stored.
    let told = site.command(&["request", "cancel", "1"], "");
    assert_eq!(told, "1\tits worker is told to end it\n");
    site.serve(&[]);
    let done = site.ended(&address);
    assert_eq!(done.state(), "Failed");
    assert_eq!(done.resolution(), "Cancelled; nothing was stored.");
    assert_eq!(done.outcomes(), "");
    assert_eq!(site.files("prearchive"), Vec::<String>::new());
    assert_eq!(site.files("inbox/P").len(), Site::slow_files() as usize);
}

#[test]
fn what_was_stored_before_a_crash_is_told_when_the_rest_is_cancelled() {
    let mut site = Site::prepared();
    dicom::study(&site.inbox("P/s"), 1, 1, 3);
    site.serve(&[]);
    let address = site.queue("P", "P/s", &[]);
    let first = site.ended(&address);
    site.kill();
    // As if it had been killed just before the request's last row was written.
    crate::workers::unfinish(&site, first.id(), "Importing");
    site.command(&["request", "cancel", "1"], "");
    site.serve(&[]);
    let done = site.ended(&address);
    assert_eq!(done.state(), "Failed");
    let uri = first.session()["uri"].as_str().unwrap();
    assert_eq!(
        done.resolution(),
        format!("Cancelled; stored before, and kept: {uri}")
    );
    assert_eq!(site.instances("prearchive").len(), 3);
}

#[test]
fn a_request_that_has_everything_stored_is_not_cancelled() {
    let mut site = Site::prepared();
    dicom::study(&site.inbox("P/s"), 1, 1, 1);
    site.serve(&[]);
    let address = site.queue("P", "P/s", &[]);
    let first = site.ended(&address);
    site.kill();
    crate::workers::unfinish(&site, first.id(), "Processed");
    let refused = crate::server::sluice(&site.path(""), &["request", "cancel", "1"])
        .output()
        .unwrap();
    assert!(!refused.status.success());
    let why = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(why, "sluice: everything is stored already\n");
    site.serve(&[]);
    assert_eq!(site.ended(&address).state(), "Completed");
}
