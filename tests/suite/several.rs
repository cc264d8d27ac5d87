//! Three servers with workers on one PostgreSQL and one data folder, as a site of three machines has them: they are
//! killed and replaced while requests run, and it does not matter which of them a client has got.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

use crate::answer::{Answer, authorization, headed, try_read};
use crate::events::Events;
use crate::random::Random;
use crate::server::{Server, wait_for};
use crate::site::Site;
use crate::{database, dicom, forms};

const REQUESTS: (&str, u32) = ("SLUICE_TEST_SEVERAL", 30);
const FILES: u32 = 4;
const SERVERS: usize = 3;
const WORKERS: [(&str, &str); 1] = [("SLUICE_WORKERS", "1")];

/// What clients know: where the servers are at present.
struct Servers {
    bases: Mutex<Vec<String>>,
    over: AtomicBool,
}

impl Servers {
    fn base(&self, number: usize) -> String {
        let bases = self.bases.lock().unwrap_or_else(PoisonError::into_inner);
        bases[number % SERVERS].clone()
    }

    fn moved(&self, number: usize, server: &Server) {
        let mut bases = self.bases.lock().unwrap_or_else(PoisonError::into_inner);
        bases[number].clone_from(&server.base);
    }

    fn are_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// A call to one of them, by a client that tries the next when it gets no answer.
    fn call(
        &self,
        number: usize,
        method: &str,
        path: &str,
        query: &[(&str, &str)],
        key: Option<&str>,
    ) -> Answer {
        let mut tried = number;
        wait_for("an answer of any server", || {
            let url = format!("{}{path}", self.base(tried));
            tried += 1;
            let user = authorization("ada");
            let agent = agent(Some(Duration::from_secs(30)));
            let answer = match method {
                "POST" => {
                    let request = agent.post(url).query_pairs(query.iter().copied());
                    let request = headed(request, user);
                    match key {
                        Some(key) => request.header("Idempotency-Key", key).send_empty(),
                        None => request.send_empty(),
                    }
                }
                _ => headed(agent.get(url), user).call(),
            };
            answer.and_then(try_read).ok().filter(|a| a.status < 500)
        })
    }

    /// Events of one of them; none where it can't be had at present.
    fn events(&self, number: usize, path: &str) -> Option<Events> {
        let url = format!("{}{path}", self.base(number));
        let answer = headed(agent(None).get(url), authorization("ada")).call();
        let answer = answer.ok().filter(|answer| answer.status() == 200)?;
        Some(Events::read(answer))
    }
}

fn agent(timeout: Option<Duration>) -> ureq::Agent {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(timeout)
        .max_idle_connections(0)
        .build()
        .new_agent()
}

/// Follows a request on some server until its end is told, on the next one when that is gone.
fn follow(servers: &Servers, mut number: usize, address: &str) -> Value {
    wait_for("the end, by events", || {
        let events = servers.events(number, &format!("{address}/events"));
        number += 1;
        let told = events?.until_broken(|event| event.name == "end");
        told.map(|event| event.data)
    })
}

/// Listens to all of ada's requests on one server, for as long as there is one.
fn listen(servers: &Servers, number: usize, seen: &Mutex<BTreeSet<i64>>) {
    while !servers.are_over() {
        let Some(events) = servers.events(number, "/xapi/dicom/list/events") else {
            std::thread::sleep(Duration::from_millis(50));
            continue;
        };
        events.until_broken(|event| {
            let ids = event.data.as_array().unwrap();
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.extend(ids.iter().map(|id| id.as_i64().unwrap()));
            false
        });
    }
}

/// A policy of the project, which each server must come to run under.
fn policy(site: &Site, mark: u32) {
    let name = format!("mark{mark}");
    let code = format!(
        r#"fn anonymize(ds, ctx) {{
            let n = 0; while n < 60000 {{ n += 1; }}
            ds.set("StudyDescription", "mark {mark}"); keep()
        }}"#
    );
    site.rhai(&name, "anonymize", &[], &["StudyDescription"], &code);
    site.policy("P", &json!({ "anonymize": [{ "module": name }] }));
}

/// The rule set that a server says is active for the project.
fn active(servers: &Servers, number: usize) -> Option<String> {
    let url = format!("{}/xapi/rules/status", servers.base(number));
    let agent = agent(Some(Duration::from_secs(30)));
    let answer = headed(agent.get(url), authorization("root")).call().ok()?;
    let status = try_read(answer).ok().filter(|a| a.status == 200)?.json();
    let project = status.as_array()?.iter().find(|p| p["project"] == "P")?;
    Some(project["active"]["ruleSet"].as_str()?.to_owned())
}

#[test]
fn each_request_ends_once_whichever_of_three_servers_dies_or_is_replaced() {
    if !database::is_elsewhere() {
        return;
    }
    let requests = forms::size(REQUESTS.0, REQUESTS.1);
    let mut random = Random::new();
    let mut site = Site::prepared();
    policy(&site, 0);
    let start = || Server::start(site.data(), &WORKERS);
    let mut running: Vec<Server> = (0..SERVERS).map(|_| start()).collect();
    let servers = Servers {
        bases: Mutex::new(running.iter().map(|s| s.base.clone()).collect()),
        over: AtomicBool::new(false),
    };
    let seen: [Mutex<BTreeSet<i64>>; SERVERS] = Default::default();
    let (ended, followed) = (AtomicU64::new(0), AtomicU64::new(0));
    let (mut kills, mut restarts, mut marks) = (0, 0, 0);
    let mut addresses = Vec::new();
    std::thread::scope(|scope| {
        for (number, seen) in seen.iter().enumerate() {
            let servers = &servers;
            scope.spawn(move || listen(servers, number, seen));
        }
        for number in 0..requests {
            let below = format!("P/s{number}");
            dicom::study(&site.inbox(&below), number, 1, FILES);
            let path = site.path("inbox").join(&below);
            let query = [
                ("import-handler", "inbox"),
                ("PROJECT_ID", "P"),
                ("path", path.to_str().unwrap()),
                ("cleanupAfterImport", "true"),
            ];
            // Asked again, it is still one request.
            let key = format!("request-{number}");
            let answer = servers.call(
                number as usize,
                "POST",
                "/data/services/import",
                &query,
                Some(&key),
            );
            assert_eq!(answer.status, 200, "{}", answer.text());
            let address = answer.text().trim_end().to_owned();
            addresses.push(address.clone());
            // By another server than the one that was called.
            let (servers, ended, followed) = (&servers, &ended, &followed);
            scope.spawn(move || {
                let end = follow(servers, number as usize + 1, &address);
                assert_eq!(end["status"], "Completed", "{end:#}");
                ended.fetch_add(1, Ordering::Relaxed);
                followed.fetch_add(1, Ordering::Relaxed);
            });
            if number % 6 == 5 {
                let which = random.below(SERVERS);
                match random.below(2) {
                    0 => {
                        running[which].kill();
                        kills += 1;
                    }
                    _ => {
                        assert!(running[which].terminate().success());
                        restarts += 1;
                    }
                }
                running[which] = start();
                servers.moved(which, &running[which]);
            }
            if number % 15 == 14 {
                marks += 1;
                policy(&site, marks);
            }
        }
        // All replaced, one after the other, as for an upgrade; and one is killed in the end.
        for (which, server) in running.iter_mut().enumerate() {
            assert!(server.terminate().success());
            *server = start();
            servers.moved(which, server);
            restarts += 1;
        }
        running[0].kill();
        running[0] = start();
        servers.moved(0, &running[0]);
        kills += 1;
        wait_for("the end of all", || {
            (ended.load(Ordering::Relaxed) == u64::from(requests)).then_some(())
        });

        // Each server runs under the rules that the folder holds.
        policy(&site, 1000);
        wait_for("the same rules on all", || {
            let sets: BTreeSet<_> = (0..SERVERS).map(|n| active(&servers, n)).collect();
            let set = sets.first()?.clone()?;
            let answer = servers.call(0, "GET", "/xapi/dicom/1", &[], None);
            let before = answer.json()["ruleSet"].as_str()?.to_owned();
            (sets.len() == 1 && set != before).then_some(())
        });
        // In peace, what is called for at one is told by all.
        for (number, slot) in (0..SERVERS).map(|n| (requests + n as u32, n)) {
            let below = format!("P/s{number}");
            dicom::study(&site.inbox(&below), number, 1, 1);
            let path = site.path("inbox").join(&below);
            let query = [
                ("import-handler", "inbox"),
                ("PROJECT_ID", "P"),
                ("path", path.to_str().unwrap()),
            ];
            let answer = servers.call(slot, "POST", "/data/services/import", &query, None);
            let address = answer.text().trim_end().to_owned();
            let end = follow(&servers, slot + 1, &address);
            assert_eq!(end["status"], "Completed");
            let id: i64 = address.rsplit_once('/').unwrap().1.parse().unwrap();
            addresses.push(address);
            for (server, seen) in seen.iter().enumerate() {
                wait_for(&format!("server {server} to tell of {id}"), || {
                    let seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
                    seen.contains(&id).then_some(())
                });
            }
        }
        servers.over.store(true, Ordering::Relaxed);
        for server in &mut running {
            assert!(server.terminate().success());
        }
    });
    site.serve(&[]);
    let all: BTreeSet<&String> = addresses.iter().collect();
    assert_eq!(all.len(), addresses.len(), "a key had two requests");
    for (number, address) in addresses.iter().enumerate().take(requests as usize) {
        let done = site.ended(address);
        assert_eq!(done.outcomes(), format!("{FILES} stored"), "{address}");
        assert_eq!(site.files(&format!("inbox/P/s{number}")).len(), 0);
    }
    let ends = database::pairs(
        site.data(),
        "SELECT CAST(SUBSTR(object, 9) AS BIGINT), COUNT(*) FROM audit
         WHERE action = 'request.completed' GROUP BY object",
    );
    let expected: BTreeMap<i64, i64> = (1..=addresses.len() as i64).map(|id| (id, 1)).collect();
    assert_eq!(ends.into_iter().collect::<BTreeMap<_, _>>(), expected);
    let stored = (requests * FILES) as usize + SERVERS;
    assert_eq!(site.instances("prearchive").len(), stored);
    site.stop();
    assert_eq!(site.files("run"), Vec::<String>::new(), "locks of the dead");
    forms::told(
        "three servers on one database and folder",
        &format!("{requests} requests, {kills} kills, {restarts} restarts"),
        &format!(
            "each ended once, {} followed by events of another server, {} policies on all",
            followed.into_inner(),
            marks + 1
        ),
    );
}
