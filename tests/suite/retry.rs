//! Calling again for a request that has ended.

use serde_json::json;

use crate::dicom;
use crate::server::sluice;
use crate::site::Site;

#[test]
fn a_failed_request_runs_again_and_each_names_the_other() {
    let site = Site::new();
    dicom::study(&site.inbox("P/s"), 1, 1, 2);
    site.rhai(
        "no",
        "anonymize",
        &[],
        &[],
        r#"fn anonymize(ds, ctx) { throw "no" }"#,
    );
    site.policy("P", &json!({ "anonymize": [{ "module": "no" }] }));
    let labels = [("SUBJECT_ID", "S1"), ("session", "E1")];
    let first = site.import("P", "P/s", &labels);
    assert_eq!(first.outcomes(), "2 failed");
    site.policy("P", &json!({}));

    let foreign = site.call("otto", "POST", "/xapi/dicom/1/retry", &[]);
    assert_eq!((foreign.status, foreign.text()), (404, ""));
    let answer = site.call("ada", "POST", "/xapi/dicom/1/retry", &[]);
    assert_eq!(
        (answer.status, answer.kind.as_str()),
        (200, "text/uri-list")
    );
    assert_eq!(answer.text(), "/xapi/dicom/2\r\n");
    let second = site.ended("/xapi/dicom/2");
    assert_eq!(second.outcomes(), "2 stored");
    assert_eq!(second.session()["label"], "E1");
    assert_eq!(second.status["parameters"], first.status["parameters"]);
    assert_eq!(second.status["retryOf"], 1);
    assert_eq!(second.status["retriedAs"], json!(null));
    let first = site.get("ada", "/xapi/dicom/1").json();
    assert_eq!(
        (&first["retriedAs"], &first["status"]),
        (&json!(2), &json!("Failed"))
    );
    assert!(
        site.audit("request/1")
            .contains(&("ada".to_owned(), "request.retry".to_owned()))
    );

    // A completed one too, by the command line; it goes on as the call's own user.
    assert_eq!(site.command(&["request", "retry", "2"], ""), "3\n");
    let third = site.ended("/xapi/dicom/3");
    assert_eq!(third.outcomes(), "2 duplicate");
    assert_eq!(third.status["username"], "ada");
    let shown = site.command(&["request", "show", "3"], "");
    assert!(shown.contains("\nretry of\t2\n"), "{shown}");
}

#[test]
fn a_retry_passes_the_checks_of_the_call_and_waits_for_an_end() {
    let mut site = Site::prepared();
    site.slow_rule("P");
    dicom::study(&site.inbox("P/s"), 1, 1, Site::slow_files());
    dicom::study(&site.inbox("AUTO/s"), 2, 1, 1);
    site.serve(&[("SLUICE_WORKERS", "1")]);
    let archived = site.import("AUTO", "AUTO/s", &[("EXPT_LABEL", "E1")]);
    assert_eq!(archived.session()["status"], "ARCHIVED");
    let running = site.queue("P", "P/s", &[]);
    let retry = |user: &str, id: i64| {
        let answer = site.call(user, "POST", &format!("/xapi/dicom/{id}/retry"), &[]);
        (answer.status, answer.text().to_owned())
    };
    let (status, why) = retry("ada", 2);
    assert_eq!(status, 409);
    assert!(why.contains("has not ended"), "{why}");
    // The label is an experiment's by now.
    let (status, why) = retry("ada", 1);
    assert_eq!(status, 409);
    assert!(why.contains("already exists"), "{why}");
    // One retry of a request at a time.
    site.call("ada", "DELETE", &running, &[]);
    site.ended(&running);
    assert_eq!(retry("ada", 2).0, 200);
    let (status, why) = retry("ada", 2);
    assert_eq!(status, 409);
    assert!(why.contains("the last retry"), "{why}");
    site.call("ada", "DELETE", "/xapi/dicom/3", &[]);
    site.ended("/xapi/dicom/3");
    // Rights and folder as they are now.
    site.command(&["project", "grant", "P", "ada", "collaborator"], "");
    let (status, why) = retry("ada", 2);
    assert_eq!(status, 400);
    assert!(why.contains("full path"), "{why}");
    let refused = sluice(&site.path(""), &["request", "retry", "2"])
        .output()
        .unwrap();
    assert!(
        !refused.status.success(),
        "her rights, not the command line's"
    );
    site.command(&["project", "grant", "P", "ada", "member"], "");
    std::fs::remove_dir_all(site.path("inbox/P/s")).unwrap();
    assert_eq!(retry("ada", 2).0, 400);
    assert_eq!(
        site.get("root", "/xapi/dicom/list/all")
            .json()
            .as_array()
            .unwrap()
            .len(),
        3
    );
}
