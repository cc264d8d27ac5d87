//! Webhooks: what a target is told, how it can tell that it is true, and what happens when it does not listen.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::mpsc::channel;

use serde_json::{Value, json};

use crate::dicom;
use crate::server::{DEADLINE, wait_for};
use crate::site::Site;
use crate::target::Target;

fn create(site: &Site, body: &Value) -> (i64, String) {
    let made = site.send("root", "POST", "/xapi/webhooks", body);
    assert_eq!(made.status, 201, "{}", made.text());
    let made = made.body_json();
    let secret = made["secret"].as_str().unwrap().to_owned();
    (made["id"].as_i64().unwrap(), secret)
}

/// The newest delivery, once it is in that state.
fn delivery(site: &Site, webhook: i64, state: &str) -> Value {
    wait_for("a delivery", || {
        let path = format!("/xapi/webhooks/{webhook}/deliveries");
        let newest = site.get("root", &path).json()[0].clone();
        (newest["state"] == state).then_some(newest)
    })
}

#[test]
fn the_end_of_a_request_is_told_signed_and_without_labels() {
    let mut site = Site::new();
    let target = Target::answering(&["204 No Content"]);
    let (id, secret) = create(&site, &json!({ "url": target.url }));
    dicom::study(&site.inbox("P/Zqxv"), 1, 1, 2);
    let labels = [("SUBJECT_ID", "Zqxv_S"), ("EXPT_LABEL", "Zqxv_E")];
    let done = site.import("P", "P/Zqxv", &labels);
    let told = target.next();
    assert_eq!(told.path, "/hook?a=1");
    assert_eq!(told.header("content-type"), "application/json");
    assert_eq!(told.header("x-sluice-event"), "request.completed");
    assert!(told.is_signed_by(&secret), "{told:?}");
    assert!(told.is_believed_in_python(&secret));
    assert!(!told.is_believed_in_python(&secret.to_uppercase()));
    let expected = json!({
        "event": "request.completed", "id": 1, "request": 1, "status": "Completed", "project": "P",
        "counts": done.status["counts"], "bytes": done.status["bytes"],
        "created": done.status["created"], "started": done.status["started"],
        "finished": done.status["finished"], "cancelled": false, "retryOf": null,
    });
    assert_eq!(told.json(), expected);
    assert!(
        !told.body.contains("Zqxv") && !told.body.contains("\"ada\""),
        "{told:?}"
    );
    let delivered = delivery(&site, id, "delivered");
    assert_eq!(delivered["attempts"], 1);
    assert_eq!(
        (&delivered["answered"], &delivered["request"]),
        (&json!(204), &json!(1))
    );

    // A failed one, and one that is cancelled.
    std::fs::write(site.inbox("P/none").join("x.txt"), "no picture").unwrap();
    site.import("P", "P/none", &[]);
    let told = target.next().json();
    assert_eq!(
        (&told["event"], &told["status"]),
        (&json!("request.failed"), &json!("Failed"))
    );
    site.slow_rule("P");
    dicom::study(&site.inbox("P/slow"), 2, 1, Site::slow_files());
    let address = site.queue("P", "P/slow", &[]);
    site.staged();
    site.call("ada", "DELETE", &address, &[]);
    let told = target.next();
    assert!(told.is_signed_by(&secret));
    assert_eq!(
        (&told.json()["request"], &told.json()["cancelled"]),
        (&json!(3), &json!(true))
    );
    delivery(&site, id, "delivered");

    for line in site.stop() {
        assert!(!line.contains(&secret) && !line.contains("/hook"), "{line}");
    }
}

#[test]
fn a_target_that_does_not_take_it_is_told_again() {
    let site = Site::new();
    let target = Target::answering(&["500 No", "302 Found\r\nlocation: /elsewhere", "200 OK"]);
    let (id, secret) = create(&site, &json!({ "url": target.url }));
    dicom::study(&site.inbox("P/s"), 1, 1, 1);
    site.import("P", "P/s", &[]);
    let told = [target.next(), target.next(), target.next()];
    for again in &told {
        assert_eq!(again.path, "/hook?a=1", "no redirect is followed");
        assert_eq!(again.body, told[0].body);
        assert!(again.is_signed_by(&secret));
    }
    let delivered = delivery(&site, id, "delivered");
    assert_eq!(
        (&delivered["attempts"], &delivered["answered"]),
        (&json!(3), &json!(200))
    );
    let metrics = site.get("root", "/metrics");
    let metrics = metrics.text();
    assert!(
        metrics.contains("sluice_webhook_deliveries_total{result=\"failed\"} 2\n"),
        "{metrics}"
    );
    assert!(metrics.contains("sluice_webhook_deliveries_total{result=\"delivered\"} 1\n"));
}

#[test]
fn a_notice_survives_a_crash_of_the_server() {
    let mut site = Site::prepared();
    // Nobody listens there by now.
    let address = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let url = format!("http://{address}/hook");
    let added = site.command(&["webhook", "add", &url, "--project", "P"], "");
    let secret = added.trim_end().strip_prefix("1\t").unwrap();
    dicom::study(&site.inbox("P/s"), 1, 1, 1);
    site.serve(&[]);
    site.import("P", "P/s", &[]);
    let path = "/xapi/webhooks/1/deliveries";
    let tried = wait_for("a failed attempt", || {
        let tried = site.get("root", path).json()[0].clone();
        tried["problem"].is_string().then_some(tried)
    });
    assert_eq!(tried["problem"], "connection");
    assert_eq!(tried["state"], "pending");
    assert!(tried["nextAttempt"].as_i64() > tried["created"].as_i64());
    site.kill();
    let target = Target::answering(&["200 OK"]);
    let change = format!("UPDATE webhooks SET url = '{}'", target.url);
    crate::workers::change(&site, &change);
    site.serve(&[]);
    assert!(target.next().is_signed_by(secret));
    assert!(
        delivery(&site, 1, "delivered")["attempts"]
            .as_i64()
            .unwrap()
            > 1
    );
}

#[test]
fn targets_are_the_administrators_and_their_secrets_nobodys() {
    let site = Site::new();
    let (one, secret) = create(&site, &json!({ "url": "https://127.0.0.1:9/x" }));
    let project = json!({ "url": "http://127.0.0.1:9/", "project": "P", "enabled": false });
    let (two, _) = create(&site, &project);
    for user in ["", "ada", "otto"] {
        let status = if user.is_empty() { 401 } else { 403 };
        for path in [
            "/xapi/webhooks",
            "/xapi/webhooks/1",
            "/xapi/webhooks/1/deliveries",
        ] {
            assert_eq!(site.get(user, path).status, status, "{user} {path}");
        }
        let new = json!({ "url": "http://h/" });
        assert_eq!(
            site.send(user, "POST", "/xapi/webhooks", &new).status,
            status
        );
        assert_eq!(
            site.send(user, "PUT", "/xapi/webhooks/1", &new).status,
            status
        );
        assert_eq!(
            site.call(user, "DELETE", "/xapi/webhooks/1", &[]).status,
            status
        );
        assert_eq!(
            site.call(user, "POST", "/xapi/webhooks/1/test", &[]).status,
            status
        );
    }
    let list = site.get("root", "/xapi/webhooks");
    assert!(!list.text().contains(&secret[6..]), "{}", list.text());
    let list = list.json();
    assert_eq!(list[0]["url"], "https://127.0.0.1:9/x");
    assert_eq!(
        (&list[0]["project"], &list[0]["enabled"]),
        (&json!(null), &json!(true))
    );
    assert_eq!(
        (&list[1]["project"], &list[1]["enabled"]),
        (&json!("P"), &json!(false))
    );
    assert_eq!(list[0]["createdBy"], "root");
    assert!(list[0].get("secret").is_none());

    let path = format!("/xapi/webhooks/{two}");
    let disabled = site.call("root", "POST", &format!("{path}/test"), &[]);
    assert_eq!(disabled.status, 409);
    let changed = site
        .send("root", "PUT", &path, &json!({ "enabled": true }))
        .json();
    assert_eq!(
        (&changed["project"], &changed["enabled"]),
        (&json!("P"), &json!(true))
    );
    let changed = site
        .send("root", "PUT", &path, &json!({ "project": null }))
        .json();
    assert_eq!(
        (&changed["project"], &changed["url"]),
        (&json!(null), &json!("http://127.0.0.1:9/"))
    );
    for bad in [
        json!({}),
        json!({ "url": "ftp://h/" }),
        json!({ "url": "http://u:p@h/" }),
        json!({ "url": "http://h/", "project": "NONE" }),
        json!({ "url": "http://h/", "secret": "mine" }),
        json!([]),
    ] {
        assert_eq!(
            site.send("root", "POST", "/xapi/webhooks", &bad).status,
            400,
            "{bad}"
        );
    }
    assert_eq!(site.call("root", "DELETE", &path, &[]).status, 204);
    assert_eq!(site.get("root", &path).status, 404);
    assert_eq!(site.call("root", "DELETE", &path, &[]).status, 404);
    let listed = site.command(&["webhook", "list"], "");
    assert_eq!(
        listed,
        format!("{one}\tenabled\t(all)\thttps://127.0.0.1:9/x\n")
    );
    site.command(&["webhook", "remove", "1"], "");
    assert_eq!(site.get("root", "/xapi/webhooks").json(), json!([]));
    let actions: Vec<String> = site
        .audit("webhook/2")
        .into_iter()
        .map(|(_, a)| a)
        .collect();
    assert_eq!(
        actions,
        [
            "webhook.add",
            "webhook.change",
            "webhook.change",
            "webhook.remove"
        ]
    );
}

#[test]
fn changes_of_a_target_at_once_are_all_made() {
    let site = Site::new();
    let (id, _) = create(&site, &json!({ "url": "http://127.0.0.1:9/a" }));
    let path = format!("/xapi/webhooks/{id}");
    for round in 0..20 {
        let url = format!("http://127.0.0.1:9/{round}");
        let changes = [
            json!({ "url": url }),
            json!({ "enabled": round % 2 == 0 }),
            json!({ "project": if round % 2 == 0 { json!("P") } else { json!(null) } }),
        ];
        std::thread::scope(|scope| {
            for change in &changes {
                scope.spawn(|| {
                    let answer = site.put_json("root", &path, change);
                    assert_eq!(answer.status, 200, "{}", answer.text());
                });
            }
        });
        let now = site.get("root", &path).json();
        for change in &changes {
            for (name, value) in change.as_object().unwrap() {
                assert_eq!(&now[name], value, "{round}: {name}");
            }
        }
    }
}

#[test]
fn a_target_hears_of_its_project_only_and_a_test_of_nothing() {
    let site = Site::new();
    let target = Target::answering(&["200 OK"]);
    let (id, secret) = create(&site, &json!({ "url": target.url, "project": "AUTO" }));
    dicom::study(&site.inbox("P/s"), 1, 1, 1);
    dicom::study(&site.inbox("AUTO/s"), 2, 1, 1);
    site.import("P", "P/s", &[]);
    site.import("AUTO", "AUTO/s", &[]);
    let told = target.next();
    assert_eq!(
        (&told.json()["project"], &told.json()["request"]),
        (&json!("AUTO"), &json!(2))
    );
    let test = site.call("root", "POST", &format!("/xapi/webhooks/{id}/test"), &[]);
    assert_eq!(test.status, 202);
    let told = target.next();
    assert_eq!(
        told.json(),
        json!({ "event": "webhook.test", "id": test.body_json()["id"] })
    );
    assert!(told.is_signed_by(&secret));
    delivery(&site, id, "delivered");
    let all = site
        .get("root", &format!("/xapi/webhooks/{id}/deliveries"))
        .json();
    assert_eq!(all.as_array().unwrap().len(), 2);
    let one = format!("/xapi/webhooks/{id}/deliveries?limit=1");
    assert_eq!(site.get("root", &one).json().as_array().unwrap().len(), 1);
    assert_eq!(site.get("root", &format!("{one}000000")).status, 400);
}

#[test]
fn https_is_spoken_to_a_target_that_asks_for_it() {
    let site = Site::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap());
    let (first_byte, seen) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
            if first_byte.send(byte[0]).is_err() {
                return;
            }
        }
    });
    let (id, _) = create(&site, &json!({ "url": url }));
    site.call("root", "POST", &format!("/xapi/webhooks/{id}/test"), &[]);
    // A TLS handshake record (RFC 8446 5.1), and no notice in the clear.
    assert_eq!(seen.recv_timeout(DEADLINE).unwrap(), 22);
    let tried = wait_for("a failed attempt", || {
        let path = format!("/xapi/webhooks/{id}/deliveries");
        let tried = site.get("root", &path).json()[0].clone();
        tried["problem"].is_string().then_some(tried)
    });
    assert_eq!(tried["problem"], "tls");
}

#[test]
fn a_target_with_a_certificate_of_a_known_authority_is_told_over_tls() {
    let mut site = Site::prepared();
    let authority = site.path("authority.pem");
    let target = Target::with_tls(&authority);
    site.serve(&[("SSL_CERT_FILE", authority.to_str().unwrap())]);
    let (id, secret) = create(&site, &json!({ "url": target.url }));
    site.call("root", "POST", &format!("/xapi/webhooks/{id}/test"), &[]);
    assert!(target.next().is_signed_by(&secret));
    delivery(&site, id, "delivered");
}
