//! Following a request: an answer that waits, and server-sent events.

use serde_json::{Value, json};

use crate::dicom;
use crate::events::{Event, Events};
use crate::site::Site;

/// A site whose server runs a request of slow files, and of one that is no DICOM.
fn running() -> (Site, String) {
    let mut site = Site::prepared();
    site.slow_rule("P");
    dicom::study(&site.inbox("P/s"), 1, 1, Site::slow_files());
    std::fs::write(site.inbox("P/s").join("0.txt"), "no picture").unwrap();
    site.serve(&[]);
    let address = site.queue("P", "P/s", &[]);
    (site, address)
}

#[test]
fn an_answer_waits_for_the_end() {
    let (site, address) = running();
    let now = site.get("ada", &format!("{address}?wait=0")).json();
    assert_ne!(now["status"], "Completed");
    let end = site.get("ada", &format!("{address}?wait=120")).json();
    assert_eq!(end["status"], "Completed");
    assert_eq!(end["counts"]["stored"], Site::slow_files());
    assert_eq!(end["sessions"].as_array().unwrap().len(), 1);
    // What has ended needs no waiting.
    assert_eq!(site.get("ada", &format!("{address}?wait=300")).json(), end);
    for wait in ["-1", "301", "x", "", "1.5"] {
        let answer = site.get("ada", &format!("{address}?wait={wait}"));
        assert_eq!(answer.status, 400, "{wait}");
        assert!(answer.text().contains("0 to 300"), "{}", answer.text());
    }
    let foreign = site.get("otto", &format!("{address}?wait=1"));
    assert_eq!((foreign.status, foreign.text()), (404, ""));
}

#[test]
fn an_answer_comes_after_its_time_whatever_the_state() {
    let (site, address) = running();
    let still = site.get("ada", &format!("{address}?wait=1")).json();
    assert!(still["finished"].is_null(), "{still:#}");
    site.call("ada", "DELETE", &address, &[]);
    site.ended(&address);
}

#[test]
fn events_tell_each_step_to_the_end() {
    let (site, address) = running();
    let events: Vec<Event> = Events::of(&site, "ada", &address).collect();
    let names: Vec<&str> = events.iter().map(|event| event.name.as_str()).collect();
    assert_eq!(names.first(), Some(&"status"));
    assert_eq!(names.iter().filter(|name| **name == "end").count(), 1);
    assert!(names.contains(&"progress"), "{names:?}");
    assert!(events.is_sorted_by_key(|event| event.id));
    for pair in events.windows(2) {
        assert_ne!(pair[0].data, pair[1].data, "an event without news");
    }
    let progress = events.iter().filter(|event| event.name == "progress");
    let staged = |data: &Value| data["counts"]["staged"].as_u64().unwrap_or(0);
    let count = |data: &Value, name: &str| data["counts"][name].as_u64().unwrap();
    for event in progress {
        let data = &event.data;
        assert!(data.get("sessions").is_none());
        assert!(count(data, "found") >= staged(data) + count(data, "not_dicom"));
        assert_eq!(data["bytes"].as_u64().unwrap() > 0, staged(data) > 0);
    }
    let seen = events
        .iter()
        .any(|event| staged(&event.data) > 0 && count(&event.data, "not_dicom") == 1);
    assert!(seen, "{events:#?}");
    let end = events.last().unwrap();
    assert_eq!(end.name, "end");
    let status = site.get("ada", &address).json();
    for name in ["id", "status", "counts", "bytes", "resolution", "sessions"] {
        assert_eq!(end.data[name], status[name], "{name}");
    }
    assert_eq!(status["counts"]["stored"], Site::slow_files());
    assert!(status["counts"].get("staged").is_none());

    // A reconnecting client gets the current state; one that has seen the end is told to stay away.
    let events = format!("{address}/events");
    let again = site.open("ada", &events, &[("Last-Event-ID", "1")]);
    assert_eq!(again.status(), 200);
    let id = end.id.to_string();
    assert_eq!(
        site.open("ada", &events, &[("Last-Event-ID", &id)])
            .status(),
        204
    );
    let once: Vec<Event> = Events::of(&site, "root", &address).collect();
    assert_eq!((once.len(), once[0].name.as_str()), (1, "end"));
    assert_eq!(once[0].data, end.data);
}

#[test]
fn events_are_for_those_who_see_the_request_for_as_long_as_they_do() {
    let (site, address) = running();
    let path = format!("{address}/events");
    assert_eq!(site.get("", &path).status, 401);
    assert_eq!(site.get("otto", &path).status, 404);
    assert_eq!(site.get("ada", "/xapi/dicom/99/events").status, 404);

    let mut events = Events::of(&site, "ada", &address);
    assert_eq!(events.next().unwrap().name, "status");
    site.staged();
    let disabled = site.send(
        "root",
        "PUT",
        "/xapi/users/ada",
        &json!({ "enabled": false }),
    );
    assert_eq!(disabled.status, 200, "{}", disabled.text());
    let rest: Vec<Event> = events.collect();
    assert!(rest.iter().all(|event| event.name != "end"), "{rest:#?}");
    let active = site.get("root", "/xapi/dicom/list/active").json();
    assert_eq!(
        active.as_array().unwrap().len(),
        1,
        "it ended before the request did"
    );
    site.call("root", "DELETE", &address, &[]);
    site.ended(&address);
}

#[test]
fn a_logout_ends_the_events_of_its_session() {
    let (site, address) = running();
    let token = site.get("ada", "/data/JSESSION").text().to_owned();
    let cookie = format!("JSESSIONID={token}");
    let answer = site.open("", &format!("{address}/events"), &[("Cookie", &cookie)]);
    let mut events = Events::read(answer);
    assert_eq!(events.next().unwrap().name, "status");
    let out = site.delete_with("/data/JSESSION", &[("Cookie", &cookie)]);
    assert_eq!(out.status, 200);
    assert!(events.all(|event| event.name != "end"));
    assert_eq!(site.get("root", &address).json()["finished"], json!(null));
    site.call("root", "DELETE", &address, &[]);
    site.ended(&address);
}

#[test]
fn a_shutdown_ends_what_waits_in_good_order() {
    let (mut site, address) = running();
    let mut events = Events::of(&site, "ada", &address);
    assert_eq!(events.next().unwrap().name, "status");
    let waiting = site.open_later("ada", &format!("{address}?wait=300"));
    site.staged();
    site.server().wait_for_line("import starts");
    let reader = std::thread::spawn(move || events.map(|event| event.name).collect::<Vec<_>>());
    site.interrupt();
    // A connection that is cut off at the end of the server's patience would fail in here.
    let names = reader.join().unwrap();
    assert!(names.iter().all(|name| name != "end"), "{names:?}");
    let answer = waiting.join().unwrap();
    assert_eq!(answer.json()["finished"], json!(null));
}
