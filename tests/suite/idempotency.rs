//! Import calls that are repeated with the same `Idempotency-Key`.

use serde_json::json;

use crate::answer::Answer;
use crate::dicom;
use crate::site::Site;

fn call(site: &Site, user: &str, key: &str, more: &[(&str, &str)]) -> Answer {
    site.call_import_with(user, "P", "P/s", more, &[("Idempotency-Key", key)])
}

fn requests(site: &Site) -> usize {
    let all = site.get("root", "/xapi/dicom/list/all").json();
    all.as_array().unwrap().len()
}

#[test]
fn the_same_call_names_the_same_request_even_after_its_end() {
    let site = Site::new();
    dicom::study(&site.inbox("P/s"), 1, 1, 1);
    let more = [("EXPT_LABEL", "E1"), ("cleanupAfterImport", "true")];
    let first = call(&site, "ada", "k-1", &more);
    assert_eq!((first.status, first.text()), (200, "/xapi/dicom/1\r\n"));
    assert_eq!(first.header("idempotent-replayed"), "");
    assert_eq!(site.ended("/xapi/dicom/1").outcomes(), "1 stored");
    // The folder is empty by now, and the call would be refused.
    assert_eq!(site.call_import("ada", "P", "P/s", &more).status, 400);
    // What means the same is the same.
    let same = [
        ("session", "E1"),
        ("cleanupAfterImport", "TRUE"),
        ("SUBJECT_ID", " "),
    ];
    for more in [&more[..], &same[..]] {
        let again = call(&site, "ada", "k-1", more);
        assert_eq!((again.status, again.text()), (200, "/xapi/dicom/1\r\n"));
        assert_eq!(again.kind, "text/uri-list");
        assert_eq!(again.header("idempotent-replayed"), "true");
    }
    assert_eq!(requests(&site), 1);
}

#[test]
fn a_key_is_of_one_user_and_one_call() {
    let site = Site::new();
    dicom::study(&site.inbox("P/s"), 1, 1, 1);
    call(&site, "ada", "k", &[("EXPT_LABEL", "E1")]);
    let other = call(&site, "ada", "k", &[("EXPT_LABEL", "E2")]);
    assert_eq!(other.status, 422);
    assert!(
        other.text().contains("other parameters"),
        "{}",
        other.text()
    );
    assert_eq!(requests(&site), 1);
    let otto = call(&site, "otto", "k", &[("EXPT_LABEL", "E1")]);
    assert_eq!((otto.status, otto.text()), (200, "/xapi/dicom/2\r\n"));
    // A call that was refused has used no key up.
    assert_eq!(call(&site, "eve", "k2", &[]).status, 400);
    assert_eq!(
        call(&site, "ada", "k3", &[("cleanupAfterImport", "x")]).status,
        400
    );
    assert_eq!(call(&site, "ada", "k3", &[]).status, 200);
    for id in 1..=3 {
        site.ended(&format!("/xapi/dicom/{id}"));
    }
}

#[test]
fn a_bad_key_is_refused() {
    let site = Site::new();
    dicom::study(&site.inbox("P/s"), 1, 1, 1);
    let long = "x".repeat(256);
    for key in ["", "a b", "é", &long] {
        let answer = call(&site, "ada", key, &[]);
        assert_eq!(answer.status, 400, "{key}");
        assert!(answer.text().contains("Idempotency-Key"));
    }
    let twice = [("Idempotency-Key", "a"), ("Idempotency-Key", "b")];
    assert_eq!(
        site.call_import_with("ada", "P", "P/s", &[], &twice).status,
        400
    );
    assert_eq!(site.get("root", "/xapi/dicom/list/all").json(), json!([]));
}

#[test]
fn of_many_equal_calls_at_once_one_queues() {
    let site = Site::new();
    dicom::study(&site.inbox("P/s"), 1, 1, 1);
    let answers: Vec<Answer> = std::thread::scope(|scope| {
        let site = &site;
        let calls = (0..8).map(|_| scope.spawn(move || call(site, "ada", "k", &[])));
        let calls: Vec<_> = calls.collect();
        calls.into_iter().map(|call| call.join().unwrap()).collect()
    });
    for answer in &answers {
        assert_eq!((answer.status, answer.text()), (200, "/xapi/dicom/1\r\n"));
    }
    let replayed = |answer: &&Answer| answer.header("idempotent-replayed") == "true";
    assert_eq!(answers.iter().filter(replayed).count(), 7);
    assert_eq!(requests(&site), 1);
    site.ended("/xapi/dicom/1");
}
