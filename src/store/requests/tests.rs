//! The queue: each request once, none forgotten, every change in the audit.

use std::collections::{BTreeMap, HashSet};

use sqlx::any::AnyRow;

use super::super::database::Kind;
use super::super::{Counts, NewRequest, RequestFilter, Status, Store, StoreError, testing};

fn new(username: &str) -> NewRequest {
    NewRequest {
        username: username.into(),
        project: "DEMO".into(),
        parameters: BTreeMap::from([("PROJECT_ID".into(), "DEMO".into())]),
        session_path: "/inbox/DEMO/a".into(),
        cleanup: false,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn each_request_is_claimed_once_however_many_ask() {
    let (_folder, store) = testing::store().await;
    for _ in 0..30 {
        store.requests().insert(new("ada")).await.unwrap();
    }
    let mut askers = Vec::new();
    for asker in 0..6 {
        let store: Store = store.clone();
        askers.push(tokio::spawn(async move {
            let mut mine = Vec::new();
            while let Some(r) = store.requests().claim(&format!("w{asker}")).await.unwrap() {
                assert_eq!(r.status, Status::Accepted);
                mine.push(r.id);
            }
            mine
        }));
    }
    let mut seen = HashSet::new();
    for asker in askers {
        for id in asker.await.unwrap() {
            assert!(seen.insert(id), "request {id} was claimed twice");
        }
    }
    assert_eq!(seen.len(), 30);
}

#[tokio::test]
async fn a_request_goes_its_way_and_is_listed_as_active_until_the_end() {
    let (_folder, store) = testing::store().await;
    let requests = store.requests();
    let id = requests.insert(new("ada")).await.unwrap();
    requests.insert(new("bob")).await.unwrap();
    let own = |active| RequestFilter {
        username: Some("ada"),
        active,
        ..RequestFilter::default()
    };
    assert_eq!(requests.list(own(true)).await.unwrap().len(), 1);
    assert_eq!(
        requests.list(RequestFilter::default()).await.unwrap().len(),
        2
    );

    let claim = requests.claim("w").await.unwrap().unwrap().claim();
    assert_eq!(claim.request, id);
    requests.pin(claim, "abc").await.unwrap();
    requests.set_status(claim, Status::Importing).await.unwrap();
    let counts = Counts {
        found: 2,
        stored: 1,
        not_dicom: 1,
        ..Counts::default()
    };
    requests
        .finish(claim, Status::Completed, Some(&"é".repeat(400)), &counts, 5)
        .await
        .unwrap();

    let request = requests.get(id).await.unwrap().unwrap();
    assert_eq!((request.counts, request.bytes), (counts, 5));
    assert_eq!(request.resolution.unwrap().chars().count(), 255);
    assert_eq!(request.rule_set.as_deref(), Some("abc"));
    assert!(request.started.is_some() && request.finished.is_some());
    assert!(requests.list(own(true)).await.unwrap().is_empty());
    assert_eq!(requests.list(own(false)).await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_a_dead_worker_held_is_queued_again_what_a_live_one_holds_is_not() {
    let (_folder, store) = testing::store().await;
    let requests = store.requests();
    requests.insert(new("ada")).await.unwrap();
    requests.insert(new("ada")).await.unwrap();
    let dead = requests.claim("dead").await.unwrap().unwrap().claim();
    let live = requests.claim("live").await.unwrap().unwrap().claim();
    sqlx::query("UPDATE requests SET lease_until = 1 WHERE id = $1")
        .bind(dead.request)
        .execute(&store.pool)
        .await
        .unwrap();
    assert_eq!(requests.requeue_abandoned().await.unwrap(), 1);
    assert_eq!(
        requests.get(dead.request).await.unwrap().unwrap().status,
        Status::Queued
    );
    assert_eq!(
        requests.get(live.request).await.unwrap().unwrap().status,
        Status::Accepted
    );
    assert!(!requests.renew(dead).await.unwrap());
    assert!(requests.renew(live).await.unwrap());
    assert_eq!(requests.claim("next").await.unwrap().unwrap().attempt, 2);
    requests.release(live).await.unwrap();
    let released = requests.get(live.request).await.unwrap().unwrap();
    assert_eq!(released.status, Status::Queued);
}

#[tokio::test]
async fn who_lost_a_request_can_change_nothing_of_it() {
    let (_folder, store) = testing::store().await;
    let requests = store.requests();
    requests.insert(new("ada")).await.unwrap();
    let lost = requests.claim("paused").await.unwrap().unwrap().claim();
    requests.release(lost).await.unwrap();
    let held = requests.claim("next").await.unwrap().unwrap().claim();
    let nothing = Counts::default();
    let refused = [
        requests.set_status(lost, Status::Processed).await,
        requests.pin(lost, "abc").await,
        requests
            .finish(lost, Status::Failed, None, &nothing, 0)
            .await,
    ];
    for refused in refused {
        assert!(matches!(refused, Err(StoreError::ClaimLost)));
    }
    requests.release(lost).await.unwrap();
    let request = requests.get(held.request).await.unwrap().unwrap();
    assert_eq!((request.status, request.attempt), (Status::Accepted, 2));
    requests
        .finish(held, Status::Completed, None, &nothing, 0)
        .await
        .unwrap();
}

#[tokio::test]
async fn what_a_process_held_that_is_gone_is_queued_again() {
    let (_folder, store) = testing::store().await;
    let requests = store.requests();
    let id = requests.insert(new("ada")).await.unwrap();
    requests.claim("w").await.unwrap();
    let other = testing::another(&store).await;
    assert_eq!(other.requests().requeue_abandoned().await.unwrap(), 0);
    other.instances().forget(store.instance()).await.unwrap();
    assert_eq!(other.requests().requeue_abandoned().await.unwrap(), 1);
    let request = other.requests().claim("w").await.unwrap().unwrap();
    assert_eq!((request.id, request.attempt), (id, 2));
}

#[tokio::test]
async fn projects_take_turns_and_none_has_every_worker() {
    let (_folder, store) = testing::store().await;
    // Three workers in all, of two processes.
    store.instances().keep("here", 2).await.unwrap();
    let other = testing::another(&store).await;
    other.instances().keep("there", 1).await.unwrap();
    let requests = store.requests();
    let of = |project: &str| NewRequest {
        project: project.into(),
        ..new("ada")
    };
    for project in ["A", "A", "A", "B", "B", "C"] {
        requests.insert(of(project)).await.unwrap();
    }
    let next = || async {
        requests
            .claim("w")
            .await
            .unwrap()
            .map(|r| (r.id, r.project))
    };
    assert_eq!(next().await, Some((1, "A".into())));
    assert_eq!(next().await, Some((4, "B".into())));
    assert_eq!(next().await, Some((6, "C".into())));
    assert_eq!(next().await, Some((2, "A".into())), "served longest ago");
    assert_eq!(next().await, Some((5, "B".into())));
    assert_eq!(next().await, None, "one worker stays for another project");
    requests.insert(of("D")).await.unwrap();
    assert_eq!(next().await, Some((7, "D".into())));
}

#[tokio::test]
async fn whose_turn_it_is_does_not_depend_on_how_much_has_ended() {
    let (_folder, store) = testing::store().await;
    let plan = testing::plan(&store, &super::claim::turn_sql()).await;
    let running = plan
        .iter()
        .find(|step| step.contains("(project=? AND status=?)"));
    let by_index = running.is_some_and(|step| step.contains("requests_unfinished"));
    assert!(plan.is_empty() || by_index, "{plan:?}");
}

/// Found on a database that was stopped at once: two workers had one claim.
#[tokio::test]
async fn what_is_taken_is_on_disk_before_it_is_worked_on() {
    let (_folder, store) = testing::store_with_project().await;
    if store.shared.database.kind != Kind::Postgres {
        return;
    }
    // Says of each change of a request or commit whether its transaction waits for the disk.
    let witness = "CREATE TABLE seen (what TEXT, synchronous TEXT);
        CREATE FUNCTION see() RETURNS trigger AS $$ BEGIN
            INSERT INTO seen VALUES (TG_TABLE_NAME, current_setting('synchronous_commit')); RETURN NEW;
        END $$ LANGUAGE plpgsql;
        CREATE TRIGGER see_requests BEFORE UPDATE ON requests FOR EACH ROW EXECUTE FUNCTION see();
        CREATE TRIGGER see_commits BEFORE UPDATE ON commits FOR EACH ROW EXECUTE FUNCTION see()";
    sqlx::raw_sql(witness).execute(&store.pool).await.unwrap();
    let seen = async || {
        let rows = sqlx::query("DELETE FROM seen RETURNING what, synchronous")
            .fetch_all(&store.pool)
            .await
            .unwrap();
        let text = |row: &AnyRow, name| super::column::<String>(row, name).unwrap();
        let seen = rows
            .iter()
            .map(|row| (text(row, "what"), text(row, "synchronous")));
        seen.collect::<Vec<_>>()
    };
    let claim = testing::claimed(&store).await;
    assert_eq!(seen().await, [("requests".into(), "on".into())]);
    let requests = store.requests();
    requests.set_waiting(claim, Some("disk")).await.unwrap();
    assert_eq!(seen().await, [("requests".into(), "off".into())]);
    let begun = "INSERT INTO commits (username, created_session, outcome, changes, staging, final_path, details,
                                      created, instance)
                 VALUES ('ada', 1, 'READY', '{}', '', '', '{}', 1, 'dead')";
    sqlx::raw_sql(begun).execute(&store.pool).await.unwrap();
    let orphan = store.commits().orphans().await.unwrap().remove(0);
    // Its session is gone, too.
    assert!(store.commits().adopt(&orphan).await.unwrap().is_none());
    assert_eq!(seen().await, [("commits".into(), "on".into())]);
}

#[tokio::test]
async fn an_insert_wakes_a_waiting_worker() {
    let (_folder, store) = testing::store().await;
    let waiting = tokio::spawn({
        let store = store.clone();
        async move { store.request_added().await }
    });
    store.requests().insert(new("ada")).await.unwrap();
    tokio::time::timeout(std::time::Duration::from_secs(5), waiting)
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn every_change_has_its_audit_row_and_none_a_value() {
    let (_folder, store) = testing::store().await;
    let id = store.requests().insert(new("ada")).await.unwrap();
    let claim = store.requests().claim("w").await.unwrap().unwrap().claim();
    store
        .requests()
        .finish(claim, Status::Failed, Some("secret"), &Counts::default(), 0)
        .await
        .unwrap();
    let trail = store.audit_trail(10).await.unwrap();
    let actions: Vec<_> = trail.iter().map(|entry| entry.action.as_str()).collect();
    assert_eq!(
        actions,
        ["request.failed", "request.accepted", "request.insert"]
    );
    assert!(
        trail
            .iter()
            .all(|entry| entry.object == format!("request/{id}"))
    );
}
